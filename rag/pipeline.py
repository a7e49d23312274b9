"""READ THIS FIRST: the way from a question to a footnoted answer.

retrieve ─► the reader finds the evidence ─► is it enough? ─► quotes ─► the writer words it ─► every sentence checked
                                                └─ no ─► "not in your insights", with the nearest ones
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from corpus.errors import ModelError, UsageError
from corpus.library import Library
from rag.config import Config
from rag.datatypes import Answer, Claim, Draft, Hit, Phase, Status, Step, Trace, Turn
from rag.embed import Embedder, open_embedder
from rag.followup import standalone
from rag.index import Index, open_index
from rag.models import Report, silent
from rag.prompt import Message, as_text, build_prompt
from rag.read import Reader, load_reader
from rag.retrieve import retrieve
from rag.verify import Check, check, complete, completed, markers
from rag.write import Stopped, Writer, never, open_writer

PER_INSIGHT = 4  # passages looked at for each insight wanted: a long one may be found several times


@dataclass(frozen=True)
class Pipeline:
    """A library and the models that answer from it. Make it with `open_pipeline`."""

    library: Library
    config: Config
    embedder: Embedder
    reader: Reader
    writer: Writer
    report: Report = silent
    check: Check = check  # eval/ablations.py measures what it is worth
    _indexes: dict[str, Index] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, question: str, history: Sequence[Turn] = ()) -> Answer:
        """The finished answer. Raises UsageError for a question that can't be asked."""
        return list(self.stream(question, history))[-1].answer

    def stream(self, question: str, history: Sequence[Turn] = (), stopped: Stopped = never) -> Iterator[Step]:
        """The answer as it comes about: each step is a snapshot, the last one is the finished answer.

        The quotes come before any prose. Once `stopped()` is true, the answer ends with what has been verified.
        """
        clock = Clock()
        question = checked_question(question, self.config.max_question)
        query = standalone(question, history)
        trace = self._trace(query)
        answer = Answer(question, Status.NOT_IN_LIBRARY, trace=trace)
        yield Step(Phase.SEARCHING, answer)
        hits = self.retrieve(query)
        clock.lap("retrieve")
        yield Step(Phase.READING, replace(answer, hits=tuple(hits)))

        cuts = self.reader.cuts(self.config.caution)
        found = self.reader.find(query, hits)
        best, others = found[:1], [e for e in found[1:] if e.relevance >= cuts.relevance]
        evidence = (*best, *others)[: self.config.max_evidence]
        answerable = self.reader.answerable(query, evidence)
        answer = replace(answer, hits=tuple(e.hit for e in found))  # in the reader's order from here on
        clock.lap("read")
        trace = replace(trace, answerable=answerable)
        if answerable < cuts.refuse:
            nearest = tuple(_distinct(answer.hits)[: self.config.nearest])
            trace = replace(trace, seconds=clock.seconds())
            yield Step(Phase.DONE, replace(answer, nearest=nearest, trace=trace))
            return
        status = Status.ANSWERED if answerable >= cuts.partly else Status.PARTLY
        clock.mark("first_quote")
        answer = replace(answer, status=status, evidence=evidence, trace=trace)
        yield Step(Phase.WRITING, answer)

        claims: list[Claim] = []
        dropped: list[str] = []
        faults: list[str] = []
        seen: list[str] = []
        prompts: list[Sequence[Message]] = []
        tokens = Counter(prompt=0, completion=0)
        for item in evidence:
            if stopped() or faults or len(seen) >= self.config.max_sentences:
                break
            prompts.append(build_prompt(query, item.hit.passage.text, self.config.prompt_tokens))
            draft = Draft("", self.writer.fingerprint)
            for latest, sentences in self._drafts(prompts[-1], stopped, seen, faults):
                draft = latest
                for sentence in sentences:
                    outcome = self.check(sentence, query, [item], self.reader, cuts.support)
                    if isinstance(outcome, Claim):
                        claims.append(outcome)
                        yield Step(Phase.WRITING, replace(answer, claims=tuple(claims)))
                    else:
                        dropped.append(f"{outcome.text} ({outcome.why})")
            tokens.update(prompt=draft.prompt_tokens, completion=draft.completion_tokens)
            dropped.extend(markers(draft.text))
        clock.lap("write")
        trace = replace(
            trace,
            prompt="\n\n".join(map(as_text, prompts)),
            seconds=clock.seconds(),
            tokens=tokens,
            dropped=tuple(dropped),
            fault=" ".join(faults),
        )
        yield Step(Phase.DONE, replace(answer, claims=complete(claims, evidence), trace=trace))

    def _drafts(
        self, prompt: Sequence[Message], stopped: Stopped, seen: list[str], faults: list[str]
    ) -> Iterator[tuple[Draft, list[str]]]:
        """The growing draft, each time with the sentences that it has completed since; `seen` takes note of them.

        Ends at the most sentences an answer may have, or when the writer goes round in circles, which small ones do.
        A writer that fails leaves the quotes to stand alone, and its fault in `faults`.
        """
        draft, at = None, 0
        try:
            for draft in self.writer.write(prompt, stopped):
                new, at = completed(draft.text, at, finished=False)
                fresh = self._fresh(new, seen)
                yield draft, fresh
                if len(fresh) < len(new) or len(seen) >= self.config.max_sentences:
                    return
        except ModelError as error:
            faults.append(str(error))
        if draft:
            yield draft, self._fresh(completed(draft.text, at, finished=True)[0], seen)

    def _fresh(self, new: Sequence[str], seen: list[str]) -> list[str]:
        """The new sentences up to the first repetition or the most there may be; they are noted in `seen`."""
        fresh: list[str] = []
        for sentence in new:
            if sentence in seen or len(seen) >= self.config.max_sentences:
                break
            seen.append(sentence)
            fresh.append(sentence)
        return fresh

    def retrieve(self, query: str, k: int | None = None) -> list[Hit]:
        """The best passages for a query that stands alone, at most k (default: the setting `candidates`)."""
        return retrieve(query, self.library, self.index, self.embedder, self.config, k)

    def search(self, query: str, k: int = 10) -> list[Hit]:
        """The k nearest insights, each once, with its best passage; ranks count insights."""
        return _distinct(self.retrieve(query, PER_INSIGHT * k))[:k]

    def related(self, insight_id: str, k: int = 5) -> list[Hit]:
        """The nearest other insights, by meaning: at most one passage each."""
        found: list[Hit] = []
        for vector in self.index.reconstruct(self.library.keys_of(insight_id)[:1]).values():
            keys, scores = self.index.search(vector, PER_INSIGHT * (k + 1))
            cosines = dict(zip(keys.tolist(), scores.tolist(), strict=True))
            for key, (passage, insight) in self.library.passages(list(cosines)).items():
                if insight.insight_id != insight_id:
                    found.append(Hit(passage, insight, cosines[key], 0, {"dense": cosines[key]}))
        return _distinct(found)[:k]

    @property
    def index(self) -> Index:
        """The index of the library as it is now: rebuilt after it has changed."""
        with self._lock:
            revision = self.library.revision()
            if revision not in self._indexes:
                index = open_index(self.library, self.embedder, report=self.report)
                self._indexes.clear()
                self._indexes[revision] = index
            return self._indexes[revision]

    def _trace(self, query: str) -> Trace:
        models: dict[str, Embedder | Reader | Writer] = {
            "embedder": self.embedder,
            "reader": self.reader,
            "writer": self.writer,
        }
        return Trace(
            config=self.config.fingerprint(),
            library=self.library.name,
            revision=self.library.revision(),
            models={part: model.fingerprint for part, model in models.items()},
            standalone=query,
        )


def _distinct(hits: Sequence[Hit]) -> list[Hit]:
    """The first hit of each insight, ranked anew."""
    best: dict[str, Hit] = {}
    for hit in hits:
        best.setdefault(hit.insight.insight_id, hit)
    return [replace(hit, rank=rank) for rank, hit in enumerate(best.values(), 1)]


def open_pipeline(library: Library, config: Config, report: Report = silent) -> Pipeline:
    """Load the models of the settings and bring the library's index up to date."""
    embedder = open_embedder(config.embedder, report)
    pipeline = Pipeline(
        library, config, embedder, load_reader(embedder, report=report), open_writer(config, report), report
    )
    _ = pipeline.index
    return pipeline


def checked_question(question: str, longest: int) -> str:
    """The question on one line, without control characters. Raises UsageError if nothing is left or it is too long."""
    if len(question) > longest:
        raise UsageError(f"The question has {len(question):,} characters.", f"Ask in at most {longest:,}.")
    question = " ".join("".join(c if c.isprintable() else " " for c in question).split())
    if not re.search(r"\w", question):
        raise UsageError("There is no question.", "Type one in words, for example: What do my insights say about …?")
    return question


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Book the time since the last lap on this stage."""
        now = time.perf_counter()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + now - self._last
        self._last = now

    def mark(self, name: str) -> None:
        """Note the time since the start."""
        self._seconds[name] = time.perf_counter() - self._start

    def seconds(self) -> dict[str, float]:
        """All laps and marks, and the total."""
        self.mark("total")
        return dict(self._seconds)
