"""LlamaIndex: CitationQueryEngine over a vector index, with its own prompt for citing."""

from collections.abc import Sequence
from importlib.metadata import version

from corpus.insight import Insight
from eval.peers.common import MAX_NEW_TOKENS, TOP_K, Parts, Peer
from eval.peers.reading import Reply, numbered_reply

PACKAGES = ("llama-index-core", "llama-index-llms-huggingface", "llama-index-embeddings-huggingface")
CONTEXT = 8192  # tokens that SmolLM2 reads; the default is less than half of that
_ID = "insight_id"


def open_llamaindex(insights: Sequence[Insight], parts: Parts) -> Peer:
    """The engine over an index of these insights, one node each. Raises ImportError outside the peers' environment."""
    from llama_index.core import VectorStoreIndex
    from llama_index.core.query_engine import CitationQueryEngine
    from llama_index.core.schema import TextNode
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.llms.huggingface import HuggingFaceLLM

    # The id travels as metadata, since the engine gives its sources new ids; neither model gets to see it.
    nodes = [
        TextNode(
            text=insight.text,
            metadata={_ID: insight.insight_id},
            excluded_embed_metadata_keys=[_ID],
            excluded_llm_metadata_keys=[_ID],
        )
        for insight in insights
    ]
    index = VectorStoreIndex(nodes, embed_model=HuggingFaceEmbedding(model_name=parts.embedder, device=parts.device))
    writer = HuggingFaceLLM(
        model_name=parts.writer,
        tokenizer_name=parts.writer,
        context_window=CONTEXT,
        max_new_tokens=MAX_NEW_TOKENS,
        generate_kwargs={"do_sample": False},
        model_kwargs={"dtype": parts.dtype},
        device_map=parts.device,
        is_chat_model=True,  # the prompt goes through the model's own chat template
    )
    engine = CitationQueryEngine.from_args(index, llm=writer, similarity_top_k=TOP_K)

    def search(question: str, k: int) -> list[tuple[str, float]]:
        found = index.as_retriever(similarity_top_k=k).retrieve(question)
        return [(node.metadata[_ID], float(node.score)) for node in found]

    def ask(question: str) -> Reply:
        response = engine.query(question)
        return numbered_reply(str(response), [source.metadata[_ID] for source in response.source_nodes])

    return Peer(
        versions={package: version(package) for package in PACKAGES},
        settings={"engine": "CitationQueryEngine", "prompt": "CITATION_QA_TEMPLATE, the engine's own"},
        search=search,
        ask=ask,
        model=writer._model,
    )
