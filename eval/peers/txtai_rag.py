"""txtai: its RAG pipeline over an embeddings database, with the reference that it finds for each answer."""

from collections.abc import Sequence
from importlib.metadata import version

from corpus.insight import Insight
from eval.peers.common import MAX_NEW_TOKENS, TOP_K, Parts, Peer
from eval.peers.reading import Reply, whole_reply

# txtai's documented prompt. Asked to refuse where need be, the writer refused nine of ten answerable questions.
TEMPLATE = """Answer the following question using the provided context.

Question:
{question}

Context:
{context}
"""


def open_txtai(insights: Sequence[Insight], parts: Parts) -> Peer:
    """The pipeline over a database of these insights. Raises ImportError outside the peers' environment."""
    from txtai import LLM, RAG, Embeddings

    embeddings = Embeddings(path=parts.embedder, method="sentence-transformers", content=True)
    embeddings.index((insight.insight_id, insight.text, None) for insight in insights)
    writer = LLM(parts.writer, method="transformers", dtype=parts.dtype)
    rag = RAG(embeddings, writer, template=TEMPLATE, context=TOP_K, separator="\n\n", output="reference")

    def search(question: str, k: int) -> list[tuple[str, float]]:
        return [(str(found["id"]), float(found["score"])) for found in embeddings.search(question, k)]

    def ask(question: str) -> Reply:
        # It would stop at 512 tokens in all, less than five insights have: the limit is set on what is written.
        said = rag(question, max_length=None, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
        return whole_reply(said["answer"], [str(said["reference"])] if said["reference"] is not None else [])

    return Peer(
        versions={"txtai": version("txtai")},
        settings={"engine": "RAG, output=reference", "prompt": TEMPLATE},
        search=search,
        ask=ask,
        model=writer.generator.llm.pipeline.model,
    )
