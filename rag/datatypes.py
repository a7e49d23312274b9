"""The whole flow in one file: the records that pass from the question to the footnoted answer.

    question ─► Hit … ─► Evidence … ─► Draft ─► Claim … ─► Answer

All are frozen: no stage edits what an earlier one made. A score is higher when better, everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from corpus.insight import Insight, Passage


class Status(StrEnum):
    """How far the library answers the question."""

    ANSWERED = "answered"
    PARTLY = "partly"
    NOT_IN_LIBRARY = "not_in_library"


class Verdict(StrEnum):
    """What the check of a sentence found. Only SUPPORTED sentences are part of a finished answer."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    UNCHECKED = "unchecked"


class Sure(StrEnum):
    """How likely it is that the evidence answers the question."""

    STRONG = "strong"
    PARTIAL = "partial"
    WEAK = "weak"


class Phase(StrEnum):
    """What the pipeline is doing while an answer is on its way."""

    SEARCHING = "searching"
    READING = "reading"
    WRITING = "writing"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the conversation and the text of its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that retrieval found. Rank counts from 1; ties are broken by passage_id; signals say why."""

    passage: Passage
    insight: Insight
    score: float
    rank: int
    signals: Mapping[str, float] = field(default_factory=dict)  # "dense": cosine; "lexical": rare words in common


@dataclass(frozen=True, slots=True)
class Citation:
    """Characters start to end of the insight's text support a sentence."""

    passage_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the reader chose: a hit, the characters of its insight that answer, and how likely they do."""

    hit: Hit
    citation: Citation
    relevance: float  # probability that this passage answers the question, at least in part

    @property
    def quote(self) -> str:
        """The cited characters."""
        return self.hit.insight.text[self.citation.start : self.citation.end]


@dataclass(frozen=True, slots=True)
class Draft:
    """What a writer wrote, before anything in it was checked."""

    text: str
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence, the characters that support it, and how likely they do."""

    text: str
    citations: tuple[Citation, ...]
    support: float  # probability, 0 to 1
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Trace:
    """How an answer came about, so that it can be explained months later."""

    config: str = ""  # fingerprint of the settings
    library: str = ""  # which library was asked: its name
    revision: str = ""  # and at which state of it
    models: Mapping[str, str] = field(default_factory=dict)  # part -> fingerprint of its weights
    standalone: str = ""  # the question as it was searched: a follow-up has the earlier question before it
    filters: tuple[str, ...] = ()  # which insights were looked at: "author=Ines Okafor", "since=2024"; () for all
    among: int = 0  # and how many these are; 0 without a filter
    answerable: float = 0.0  # the reader's probability that the evidence answers the question
    sure: str = ""  # the same in a word: a value of Sure; "" if it was refused, or if there was nothing to judge
    prompt: str = ""  # what the writer was given
    seconds: Mapping[str, float] = field(
        default_factory=dict
    )  # stage -> seconds; "first_quote" and "total" from the start
    tokens: Mapping[str, int] = field(default_factory=dict)  # "prompt", "completion"
    dropped: tuple[str, ...] = ()  # each sentence or marker of the writer that was not shown, and why
    fault: str = ""  # why the writer failed, if it did: the quotes then stand alone


@dataclass(frozen=True, slots=True)
class Answer:
    """A question and its footnoted sentences, or the nearest insights if the library doesn't hold the answer."""

    question: str
    status: Status
    claims: tuple[Claim, ...] = ()
    evidence: tuple[Evidence, ...] = ()  # the quotes, best first: shown at once, before any prose
    hits: tuple[Hit, ...] = ()  # all that retrieval found, in the reader's order; every cited passage is among them
    nearest: tuple[Hit, ...] = ()  # what to show instead when the status is NOT_IN_LIBRARY
    trace: Trace = field(default_factory=Trace)

    def hit(self, passage_id: str) -> Hit:
        """The hit that a citation points to."""
        return next(hit for hit in self.hits if hit.passage.passage_id == passage_id)


@dataclass(frozen=True, slots=True)
class Step:
    """A snapshot of an answer on its way; the last one has the phase DONE and the finished answer."""

    phase: Phase
    answer: Answer


@dataclass(frozen=True, slots=True)
class Coming:
    """An embedder that is to take the place of the present one: how far its vectors are (see rag/changeover.py)."""

    name: str
    done: int  # passages that have one
    total: int
    problem: str = ""  # why it isn't coming any more, in words
