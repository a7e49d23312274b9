"""Haystack: a pipeline from the question to AnswerBuilder, which tells the documents that the answer refers to."""

from collections.abc import Sequence
from importlib.metadata import version

from corpus.insight import Insight
from eval.peers.common import MAX_NEW_TOKENS, TOP_K, Parts, Peer
from eval.peers.reading import Reply, numbered_reply

PACKAGES = ("haystack-ai", "sentence-transformers-haystack", "transformers-haystack")
REFUSAL = "The documents do not answer this question."
MARKERS = r"\[(\d+(?:\s*[,-]\s*\d+)*)\]"  # [2], [1, 3], [1-3]
# Haystack ships no prompt for citing. Of six wordings, tried on InsightQA train, this alone made the writer cite.
TEMPLATE = f"""Answer the question in one to three sentences, using only the numbered documents below. \
Put the number of the document that a sentence comes from in square brackets at its end. \
If none of them answers the question, reply only: {REFUSAL}
For example:
[1] Rye bread keeps for a week.
[2] Wheat rolls are stale by evening.
Question: How long does rye bread keep?
Answer: It keeps for a week [1].
Now answer from these documents:
Documents:
{{% for document in documents %}}
[{{{{ loop.index }}}}] {{{{ document.content }}}}
{{% endfor %}}

Question: {{{{ question }}}}
Answer:"""


def open_haystack(insights: Sequence[Insight], parts: Parts) -> Peer:
    """The pipeline over a store of these insights. Raises ImportError outside the peers' environment."""
    from haystack import Document, Pipeline
    from haystack.components.builders import AnswerBuilder, ChatPromptBuilder
    from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
    from haystack.dataclasses import ChatMessage
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack.utils import ComponentDevice
    from haystack_integrations.components.embedders.sentence_transformers import (
        SentenceTransformersDocumentEmbedder,
        SentenceTransformersTextEmbedder,
    )
    from haystack_integrations.components.generators.transformers import TransformersChatGenerator

    device = ComponentDevice.from_str(parts.device)
    embedding = {"model": parts.embedder, "device": device, "progress_bar": False, "local_files_only": True}
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    documents = [Document(id=insight.insight_id, content=insight.text) for insight in insights]
    indexer = SentenceTransformersDocumentEmbedder(**embedding)
    indexer.warm_up()
    store.write_documents(indexer.run(documents)["documents"])

    embedder = SentenceTransformersTextEmbedder(**embedding)
    retriever = InMemoryEmbeddingRetriever(store, top_k=TOP_K)
    writer = TransformersChatGenerator(
        model=parts.writer,
        task="text-generation",
        device=device,
        generation_kwargs={"max_new_tokens": MAX_NEW_TOKENS, "do_sample": False},
        huggingface_pipeline_kwargs={"dtype": parts.dtype},
    )
    pipeline = Pipeline()
    pipeline.add_component("embedder", embedder)
    pipeline.add_component("retriever", retriever)
    pipeline.add_component("prompt", ChatPromptBuilder([ChatMessage.from_user(TEMPLATE)]))
    pipeline.add_component("writer", writer)
    pipeline.add_component(
        "answer",
        AnswerBuilder(reference_pattern=MARKERS, expand_reference_ranges=True, return_only_referenced_documents=False),
    )
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    pipeline.connect("retriever.documents", "prompt.documents")
    pipeline.connect("retriever.documents", "answer.documents")
    pipeline.connect("prompt.prompt", "writer.messages")
    pipeline.connect("writer.replies", "answer.replies")
    pipeline.warm_up()

    def search(question: str, k: int) -> list[tuple[str, float]]:
        vector = embedder.run(question)["embedding"]
        return [(found.id, float(found.score)) for found in retriever.run(vector, top_k=k)["documents"]]

    def ask(question: str) -> Reply:
        given = {"embedder": {"text": question}, "prompt": {"question": question}, "answer": {"query": question}}
        (answer,) = pipeline.run(given)["answer"]["answers"]
        return numbered_reply(answer.data, [document.id for document in answer.documents])

    return Peer(
        versions={package: version(package) for package in PACKAGES},
        settings={"engine": "Pipeline with AnswerBuilder", "prompt": TEMPLATE},
        search=search,
        ask=ask,
        model=writer.pipeline.model,
    )
