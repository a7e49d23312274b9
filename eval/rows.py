"""What is kept of one asked question: enough to compute every measure again, long after the run."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from eval.questions import Question
from eval.spans import Span
from eval.text import is_grounded, is_verbatim
from rag.datatypes import Answer, Claim, Status

DEPTH = 50  # retrieved insights kept in a row; no measure looks deeper

Outcome = Literal["answered", "partly", "not_in_library", "error"]


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """One sentence of a shown answer, judged by the rules of `eval.text`."""

    text: str
    cited: tuple[str, ...]  # insight ids, each once
    verdict: str  # what the pipeline itself found
    support: float
    verbatim: bool  # a copy from an insight that it cites
    grounded: bool  # passes the independent rule, eval.text.is_grounded
    spans: tuple[Span, ...] = ()  # the characters it cites, each stretch once; older files lack them


@dataclass(frozen=True, slots=True)
class Row:
    """A question, what came back, and how long it took. A failed question has the status "error" and no claims."""

    question_id: str
    collection: str
    type: str
    question: str
    answerable: bool
    gold: tuple[str, ...]
    short: str
    status: Outcome
    seconds: float  # by the clock, around the whole call
    answer: str = ""  # the claims, joined
    cited: tuple[str, ...] = ()  # insight ids in order of first mention
    claims: tuple[ShownClaim, ...] = ()
    retrieved: tuple[str, ...] = ()  # insight ids, best first, each once
    stages: Mapping[str, float] = field(default_factory=dict)  # the pipeline's own seconds by stage
    error: str = ""
    gold_answer: str = ""
    probability: float = 0.0  # the reader's, that the library answers the question
    # What older files lack: nothing of it can be told from them.
    grades: tuple[int, ...] = ()  # how relevant each gold insight is; without them each is 1
    gold_spans: tuple[Span, ...] = ()  # the characters that answer, where that is known
    tokens: Mapping[str, int] | None = None  # "prompt" and "completion", of all that the writer was asked
    dropped: tuple[str, ...] = ()  # each sentence of the writer that wasn't shown, and why

    @property
    def refused(self) -> bool:
        """Whether the library was said not to hold the answer. A failure is not a refusal."""
        return self.status == "not_in_library"

    @property
    def failed(self) -> bool:
        """Whether the question ended in an exception."""
        return self.status == "error"

    def to_json(self) -> dict[str, Any]:
        """As it stands in a result file."""
        data = dataclasses.asdict(self)
        return {"id": data.pop("question_id"), **data}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Row":
        """The row again from a result file, also one of an older form."""
        fields = {name: value for name, value in data.items() if name != "id"}
        lists = {name: tuple(data[name]) for name in ("gold", "cited", "retrieved")}
        lists |= {name: tuple(data.get(name, ())) for name in ("grades", "dropped")}
        gold_spans = _spans(data.get("gold_spans", ()))
        claims = tuple(
            ShownClaim(**{**claim, "cited": tuple(claim["cited"]), "spans": _spans(claim.get("spans", ()))})
            for claim in data["claims"]
        )
        return cls(**{**fields, **lists, "claims": claims, "gold_spans": gold_spans, "question_id": data["id"]})


def answered_row(question: Question, answer: Answer, seconds: float) -> Row:
    """The row of a question that came back with an answer or a refusal."""
    texts = {
        hit.passage.passage_id: (hit.insight.insight_id, hit.insight.text) for hit in (*answer.nearest, *answer.hits)
    }
    claims = tuple(_shown(claim, texts) for claim in answer.claims)
    return dataclasses.replace(
        _bare(question, seconds, _OUTCOMES[answer.status]),
        answer=" ".join(claim.text for claim in claims),
        cited=tuple(dict.fromkeys(id_ for claim in claims for id_ in claim.cited)),
        claims=claims,
        retrieved=tuple(dict.fromkeys(hit.insight.insight_id for hit in answer.hits))[:DEPTH],
        stages=dict(answer.trace.seconds),
        probability=answer.trace.answerable,
        tokens={name: answer.trace.tokens.get(name, 0) for name in ("prompt", "completion")},
        dropped=answer.trace.dropped,
    )


def failed_row(question: Question, error: str, seconds: float) -> Row:
    """The row of a question that ended in an exception."""
    return dataclasses.replace(_bare(question, seconds, "error"), error=error)


_OUTCOMES: dict[Status, Outcome] = {
    Status.ANSWERED: "answered",
    Status.PARTLY: "partly",
    Status.NOT_IN_LIBRARY: "not_in_library",
}


def _bare(question: Question, seconds: float, status: Outcome) -> Row:
    return Row(
        question_id=question.question_id,
        collection=question.collection,
        type=question.type,
        question=question.text,
        answerable=question.answerable,
        gold=question.gold,
        short=question.short,
        gold_answer=question.answer,
        grades=question.grades,
        gold_spans=question.spans,
        status=status,
        seconds=seconds,
    )


def _shown(claim: Claim, texts: Mapping[str, tuple[str, str]]) -> ShownClaim:
    # A citation of a passage that isn't among the hits breaks the contract; it is kept, as a citation of nothing.
    cited = [texts.get(citation.passage_id, (citation.passage_id, "")) for citation in claim.citations]
    sources = [text for _, text in cited]
    spans = [(id_, citation.start, citation.end) for (id_, _), citation in zip(cited, claim.citations, strict=True)]
    return ShownClaim(
        text=claim.text,
        cited=tuple(dict.fromkeys(id_ for id_, _ in cited)),
        verdict=claim.verdict.value,
        support=claim.support,
        verbatim=any(is_verbatim(claim.text, source) for source in sources),
        grounded=is_grounded(claim.text, sources),
        spans=tuple(dict.fromkeys(spans)),
    )


def _spans(items: Iterable[Sequence[Any]]) -> tuple[Span, ...]:
    return tuple((str(id_), int(start), int(end)) for id_, start, end in items)
