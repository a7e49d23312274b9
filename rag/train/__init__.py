"""Makes what ships in rag/weights/: `python -m rag.train embedder|reader|writer`."""
