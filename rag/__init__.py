"""From a question to a footnoted answer. Read `rag/pipeline.py` first."""
