"""Two texts at once through a small transformer: does this passage answer this question, does it support this sentence?

all-MiniLM-L6-v2's word embeddings under six layers that were trained anew (mean pooling, one linear head a judgement).
Reading both texts together sees what the cosine of two vectors can't: that the passage names what the question names,
and yet lacks what it asks for. `python -m rag.train reader` makes the weights.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from corpus.errors import ModelError
from rag.models import SHIPPED, Report, best_device, best_dtype, find_weights, put_in, sha256, silent
from rag.stop import watched

FILE = SHIPPED / "crossencoder.safetensors"
BASE = "all-MiniLM-L6-v2"
MAX_TOKENS = 224
BATCH = 32
HEADS = ("answers", "supports")


class PairScorer(Protocol):
    """Judges pairs of texts; scores are logits, higher is likelier."""

    @property
    def fingerprint(self) -> str:
        """Identifies the weights."""

    def answers(self, question: str, passages: Sequence[str]) -> list[float]:
        """For each passage: does it answer the question, at least in part?"""

    def supports(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
        """For each text: does it say what the sentence says in answer to the question?"""


class CrossEncoder:
    """The PairScorer that ships. Raises ModelError if its weights are missing or damaged."""

    def __init__(self, file: Path = FILE, report: Report = silent) -> None:
        report("Loading the reader", 0, 0)
        self._tokenizer, model, heads = load_base()
        try:
            put_in({"model": model, "heads": heads}, file)
        except Exception as error:  # safetensors and torch each have kinds of their own
            raise ModelError(
                f"The reader's weights can't be used ({type(error).__name__}: {str(error).splitlines()[0][:120]}).",
                f"Put back the {file.name} that comes with Footnoted, or make it anew: python -m rag.train reader",
            ) from error
        self._model = watched(model.to(best_device(), best_dtype()).eval())
        self._heads = heads.to(best_device())
        self.fingerprint = f"crossencoder@{sha256(file)[:12]}"

    def answers(self, question: str, passages: Sequence[str]) -> list[float]:
        """See PairScorer."""
        return self._score("answers", question, passages)

    def supports(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
        """See PairScorer."""
        return self._score("supports", f"{question} {sentence}", texts)

    def _score(self, head: str, first: str, seconds: Sequence[str]) -> list[float]:
        import torch

        scores = [0.0] * len(seconds)
        for rows in by_length([len(second) for second in seconds], BATCH):
            batch = encode_pairs(self._tokenizer, [(first, seconds[i]) for i in rows]).to(self._model.device)
            with torch.inference_mode():
                logits = self._heads(pooled(self._model, batch).float())[:, HEADS.index(head)]
            for i, score in zip(rows, logits.tolist(), strict=True):
                scores[i] = score
        return scores


def load_base() -> tuple[Any, Any, Any]:
    """The tokenizer, the untrained model without dropout, and the heads, all in float32."""
    import torch
    import transformers

    folder = str(find_weights(BASE).folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModel.from_pretrained(
        folder,
        dtype=torch.float32,
        local_files_only=True,
        attn_implementation="eager",  # on two cores a third faster for texts this short
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return tokenizer, model, torch.nn.Linear(model.config.hidden_size, len(HEADS))


def by_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """The places of all items, the short ones first, `size` at a time: little of such a batch is padding."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return (order[start : start + size] for start in range(0, len(order), size))


def encode_pairs(tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> Any:
    """Tokens of the pairs; the longer text is cut where both together are too long."""
    firsts, seconds = zip(*pairs, strict=True)
    return tokenizer(
        list(firsts),
        list(seconds),
        truncation="longest_first",
        max_length=MAX_TOKENS,
        padding=True,
        return_tensors="pt",
    )


def pooled(model: Any, batch: Any) -> Any:
    """The mean of each pair's token vectors, shape (pairs, 384)."""
    hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None].to(hidden.dtype)
    return (hidden * mask).sum(1) / mask.sum(1)
