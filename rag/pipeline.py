"""READ THIS FIRST: the way from a question to a footnoted answer.

retrieve ─► the reader finds the evidence ─► is it enough? ─► quotes ─► the writer words it ─► every sentence checked
                                                └─ no ─► "not in your insights", with the nearest ones
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from corpus.errors import ModelError, UsageError
from corpus.filters import EVERYTHING, Filter, resolved
from corpus.library import Library
from rag.asked import Asked, understood
from rag.config import Config
from rag.datatypes import Answer, Citation, Claim, Coming, Draft, Evidence, Hit, Phase, Status, Step, Sure, Trace, Turn
from rag.embed import Embedder, open_embedder
from rag.followup import standalone
from rag.index import open_index
from rag.map import Map, open_map
from rag.models import Report, silent
from rag.nearest import Index
from rag.prompt import Message, as_text, build_prompt
from rag.read import Reader, load_reader, with_embedder
from rag.retrieve import retrieve
from rag.spread import DEEPER, spread
from rag.stances import Stand, load_stances, stand
from rag.stop import Interrupted, Stopped, never, until
from rag.verify import Check, check, complete, completed, markers
from rag.write import QuoteWriter, Writer, open_writer

PER_INSIGHT = 4  # passages looked at for each insight wanted: a long one may be found several times
LISTED = 5  # insights shown to a question that asks for nothing but those of a filter
STRONG = 0.7  # probability from which on evidence is strong: 54 of 56 such answers on InsightQA dev cite a gold insight


@dataclass(eq=False)
class Pipeline:
    """A library and the models that answer from it. Make it with `open_pipeline`.

    Only `move` and `switch` change fields. Whatever is asked begins with a copy of them all (`_as_now`) and ends with
    that copy, so that no answer is made by halves of two.
    """

    library: Library
    config: Config
    embedder: Embedder
    reader: Reader
    writer: Writer
    report: Report = silent
    check: Check = check  # eval/ablations.py measures what it is worth
    today: Callable[[], date] = date.today  # from which "last week" in a question counts
    coming: Coming | None = None
    _indexes: dict[str, Index] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _switching: threading.Lock = field(default_factory=threading.Lock)  # held while several fields are set or copied

    def ask(self, question: str, history: Sequence[Turn] = (), filters: Filter = EVERYTHING) -> Answer:
        """The finished answer. Raises UsageError for a question or a filter that can't be asked."""
        return list(self.stream(question, history, filters=filters))[-1].answer

    def quoted(self, question: str, filters: Filter = EVERYTHING) -> Answer:
        """The finished answer in quotes alone: whether the library answers, without waiting for the writer."""
        now = self._as_now()
        return replace(now, writer=QuoteWriter("", now.config)).ask(question, filters=filters)

    def stream(
        self,
        question: str,
        history: Sequence[Turn] = (),
        stopped: Stopped = never,
        filters: Filter = EVERYTHING,
        as_typed: bool = False,
    ) -> Iterator[Step]:
        """The answer as it comes about: each step is a snapshot, the last one is the finished answer.

        The quotes come before any prose. Once `stopped()` is true, the answer ends with what has been verified; without
        a last step if there are no quotes yet. Only insights that pass the filter are looked at; unless `as_typed`, the
        question's own words may narrow it further.
        """
        yield from self._as_now()._stream(question, history, stopped, filters, as_typed)

    def _stream(
        self, question: str, history: Sequence[Turn], stopped: Stopped, filters: Filter, as_typed: bool
    ) -> Iterator[Step]:
        clock = Clock()
        question = checked_question(question, self.config.max_question)
        filters = resolved(filters, self.library.values)
        asked = understood(
            standalone(question, history), filters, self.library.values, as_typed=as_typed, today=self.today()
        )
        query = asked.query
        trace = self._trace(asked)
        answer = Answer(question, Status.NOT_IN_LIBRARY, trace=trace)
        yield Step(Phase.SEARCHING, answer)
        if asked.only:
            yield Step(Phase.DONE, self._listed(answer, asked.filters, clock))
            return
        hits = self.retrieve(query, filters=asked.filters)
        clock.lap("retrieve")
        yield Step(Phase.READING, replace(answer, hits=tuple(hits)))

        cuts = self.reader.cuts(self.config.caution)
        try:
            with until(stopped):
                found = self.reader.find(query, hits)
        except Interrupted:
            return
        # Of near-duplicates the better one speaks: the same words twice would take the place of others.
        again = self._said_before([e.hit for e in found])
        apart = [e for e in found if e.hit.insight.insight_id not in again]
        best, others = apart[:1], [e for e in apart[1:] if e.relevance >= cuts.relevance]
        evidence = (*best, *others)
        if len(evidence) > self.config.max_evidence:  # versions of one thought come last
            order = self._spread([e.hit for e in evidence])
            evidence = tuple(evidence[place] for place in order[: self.config.max_evidence])
        answerable = self.reader.answerable(query, evidence)
        answer = replace(answer, hits=tuple(e.hit for e in found))  # in the reader's order from here on
        clock.lap("read")
        trace = replace(trace, answerable=answerable)
        if not evidence or answerable < cuts.refuse:
            near = _distinct([e.hit for e in apart])
            nearest = tuple(near[place] for place in self._spread(near)[: self.config.nearest])
            trace = replace(trace, seconds=clock.seconds())
            yield Step(Phase.DONE, replace(answer, nearest=nearest, trace=trace))
            return
        status = Status.ANSWERED if answerable >= cuts.partly else Status.PARTLY
        trace = replace(trace, sure=_sure(answerable, cuts.partly))
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

    def _listed(self, answer: Answer, filters: Filter, clock: "Clock") -> Answer:
        """The newest insights that pass the filter, in their own words: nothing else is asked, so nothing is judged."""
        _, keys = self.library.passing(filters, 2 * LISTED)
        found = [Hit(passage, insight, 0.0, 0) for passage, insight in self.library.passages(keys).values()]
        again = self._said_before(found)
        apart = [hit for hit in found if hit.insight.insight_id not in again]
        hits = tuple(replace(hit, rank=rank) for rank, hit in enumerate(apart[:LISTED], 1))
        whole = [Citation(hit.passage.passage_id, hit.passage.start, hit.passage.end) for hit in hits]
        evidence = tuple(Evidence(hit, citation, 1.0) for hit, citation in zip(hits, whole, strict=True))
        clock.lap("retrieve")
        return replace(
            answer,
            status=Status.ANSWERED if hits else Status.NOT_IN_LIBRARY,
            claims=complete([], evidence),
            evidence=evidence,
            hits=hits,
            trace=replace(answer.trace, answerable=float(bool(hits)), seconds=clock.seconds()),
        )

    def _said_before(self, hits: Sequence[Hit]) -> set[str]:
        """The ids of the insights that are near-duplicates of one that stands before them."""
        ids = list(dict.fromkeys(hit.insight.insight_id for hit in hits))
        linked = self.library.linked(ids)
        kept: set[str] = set()
        for insight_id in ids:
            if kept.isdisjoint(linked.get(insight_id, ())):
                kept.add(insight_id)
        return set(ids) - kept

    def _spread(self, hits: Sequence[Hit]) -> list[int]:
        return spread(hits, self.library, self._index_of(self.library))

    def retrieve(self, query: str, k: int | None = None, filters: Filter = EVERYTHING) -> list[Hit]:
        """The best passages for a query that stands alone, at most k (default: the setting `candidates`)."""
        now = self._as_now()
        return retrieve(query, now.library, now._index_of(now.library), now.embedder, now.config, k, filters)

    def search(self, query: str, k: int = 10, filters: Filter = EVERYTHING, diverse: bool = False) -> list[Hit]:
        """The k nearest insights that pass the filter, each once, with its best passage; ranks count insights.

        `diverse`: what is much like a nearer one is set back behind what isn't.
        """
        now = self._as_now()
        filters = resolved(filters, now.library.values)
        if not diverse:
            return _distinct(now.retrieve(query, PER_INSIGHT * k, filters))[:k]
        found = _distinct(now.retrieve(query, DEEPER * PER_INSIGHT * k, filters))[: DEEPER * k]
        return _distinct([found[place] for place in now._spread(found)])[:k]

    def check_claim(self, claim: str, k: int = 6, filters: Filter = EVERYTHING) -> list[Stand]:
        """Where each of the k nearest insights stands on a claim. Raises UsageError for one that can't be searched."""
        now = self._as_now()
        claim = checked_question(claim, self.config.max_question)
        return stand(claim, now.search(claim, k, filters), now.reader, load_stances())

    def related(self, insight_id: str, k: int = 5) -> list[Hit]:
        """The nearest other insights, by meaning: at most one passage each."""
        found: list[Hit] = []
        now = self._as_now()
        library = now.library
        index = now._index_of(library)
        for vector in index.reconstruct(library.keys_of(insight_id)[:1]).values():
            keys, scores = index.search(vector, PER_INSIGHT * (k + 1))
            cosines = dict(zip(keys.tolist(), scores.tolist(), strict=True))
            for key, (passage, insight) in library.passages(list(cosines)).items():
                if insight.insight_id != insight_id:
                    found.append(Hit(passage, insight, cosines[key], 0, {"dense": cosines[key]}))
        return _distinct(found)[:k]

    def library_map(self, known: Map | None = None) -> Map:
        """The insights as points in the plane, for the library as it is now: `known` itself if it is still that."""
        now = self._as_now()
        _ = now.index  # so that every passage has its vector
        return open_map(now.library, now.embedder, known)

    @property
    def index(self) -> Index:
        """The index of the library as it is now: rebuilt after it has changed."""
        now = self._as_now()
        return now._index_of(now.library)

    def renew(self, change: Callable[[], object], report: Report = silent) -> None:
        """Change the library, then bring the index up to date. Who asks meanwhile is answered with the one before."""
        with self._lock:
            change()
            self._build(self.library, report)

    def move(self, library: Library, report: Report = silent) -> None:
        """Answer from another library, once its index is there. An answer on its way keeps what it has found."""
        with self._lock:
            self._build(library, report)
            with self._switching:
                self.library = library

    def switch(self, config: Config, embedder: Embedder, report: Report = silent) -> None:
        """Answer with another embedder, that of `config`, from the next question on, once its index is there.

        An answer on its way ends with the models and the index that it began with.
        """
        with self._lock:
            library = self.library
            revision = library.revision()
            indexes = {revision: open_index(library, embedder, report=report)}
            reader = with_embedder(self.reader, embedder)
            with self._switching:
                # A new dict of indexes: the copies in which answers are on their way keep the one they have.
                self.config, self.embedder, self.reader, self._indexes = config, embedder, reader, indexes

    def _as_now(self) -> "Pipeline":
        with self._switching:
            return replace(self)

    def _index_of(self, library: Library) -> Index:
        revision = library.revision()
        if (index := self._indexes.get(revision)) is not None:
            return index
        same = [index for known, index in list(self._indexes.items()) if known.split("-")[0] == revision.split("-")[0]]
        # While a large import is embedded the index before it serves: a passage that is gone is left out by its key.
        if not self._lock.acquire(blocking=not same):
            return same[0]
        try:
            return self._build(library, self.report)
        finally:
            self._lock.release()

    def _build(self, library: Library, report: Report) -> Index:
        revision = library.revision()
        if revision not in self._indexes:
            before = next(iter(self._indexes.values()), None)  # what has changed since is all that is read
            index = open_index(library, self.embedder, report=report, before=before)
            self._indexes[revision] = index
            for other in [known for known in self._indexes if known != revision]:
                del self._indexes[other]
        return self._indexes[revision]

    def _trace(self, asked: Asked) -> Trace:
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
            standalone=asked.query,
            filters=asked.filters.terms,
            among=self.library.passing(asked.filters)[0] if asked.filters else 0,
        )


def _sure(answerable: float, partly: float) -> Sure:
    """The calibrated probability in a word: below the cut of an answer in part it is weak."""
    if answerable < partly:
        return Sure.WEAK
    return Sure.STRONG if answerable >= STRONG else Sure.PARTIAL


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
