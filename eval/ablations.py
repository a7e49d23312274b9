"""Our own pipeline with a part taken out: what is that part worth?

Only a run for measuring does without one; no setting of Footnoted can.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rag.datatypes import Claim, Evidence, Hit, Verdict
from rag.pipeline import Pipeline
from rag.read import FEW, Cuts, Reader

Find = Callable[[Reader, str, Sequence[Hit]], list[Evidence]]


class Otherwise:
    """A reader that finds in another way, and judges as before."""

    def __init__(self, reader: Reader, find: Find) -> None:
        self._reader, self._find = reader, find
        self.fingerprint = f"{reader.fingerprint}, {find.__name__}"

    def find(self, question: str, hits: Sequence[Hit]) -> list[Evidence]:
        """See Reader."""
        return self._find(self._reader, question, hits)

    def answerable(self, question: str, evidence: Sequence[Evidence]) -> float:
        """See Reader."""
        return self._reader.answerable(question, evidence)

    def support(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
        """See Reader."""
        return self._reader.support(question, sentence, texts)

    def tells(self, question: str, sentence: str, item: Evidence) -> bool:
        """See Reader."""
        return self._reader.tells(question, sentence, item)

    def cuts(self, caution: str) -> Cuts:
        """See Reader."""
        return self._reader.cuts(caution)


def as_retrieved(reader: Reader, question: str, hits: Sequence[Hit]) -> list[Evidence]:
    """The passages as retrieval ranked them; the first few are read as closely as otherwise the best few are."""
    parts = [part for part in (hits[:FEW], hits[FEW:]) if part]
    return [e for part in parts for e in sorted(reader.find(question, part), key=lambda e: e.hit.rank)]


def as_drawn(reader: Reader, question: str, hits: Sequence[Hit]) -> list[Evidence]:
    """The reader's order, but of passages that it is handed in a random one: the same one for the same question."""
    drawn = random.Random(question).sample(hits, len(hits))
    return reader.find(question, [replace(hit, rank=rank) for rank, hit in enumerate(drawn, 1)])


def believed(sentence: str, question: str, evidence: Sequence[Evidence], reader: Reader, cut: float) -> Claim:
    """In the place of `rag.verify.check`: every sentence is shown, and cites the quote that its prompt was made for."""
    return Claim(sentence, (evidence[0].citation,), 0.0, Verdict.UNCHECKED)


ABLATIONS: Mapping[str, Callable[[Pipeline], Pipeline]] = {
    "rerank": lambda pipeline: replace(pipeline, reader=Otherwise(pipeline.reader, as_retrieved)),
    "order": lambda pipeline: replace(pipeline, reader=Otherwise(pipeline.reader, as_drawn)),
    "verifier": lambda pipeline: replace(pipeline, check=believed),
}


def ablated(pipeline: Pipeline, without: Sequence[str]) -> Pipeline:
    """The pipeline without these parts, names of ABLATIONS."""
    for name in without:
        pipeline = ABLATIONS[name](pipeline)
    return pipeline
