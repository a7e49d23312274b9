"""What all adapters share: the limits, and how a system's reply becomes an `Answer` that our evaluation takes.

    insights ─► Peer ─► Session ─► question ─► Reply ─► Answer ─► eval.rows

An adapter only sets its system up; whatever could favour one of them is here and in `eval.peers.reading`, once for all.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from corpus.insight import Insight, Passage
from eval.peers.reading import Reply
from eval.questions import Question
from eval.rows import DEPTH
from eval.session import Session
from rag.datatypes import Answer, Citation, Claim, Hit, Status, Trace, Turn, Verdict
from rag.followup import standalone

TOP_K = 5  # insights that the writer is given
MAX_NEW_TOKENS = 128  # the longest gold answer of InsightQA train has 54 words

Setting = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Parts:
    """The models, the same for every system: folders that transformers loads, and the type of the writer's numbers."""

    embedder: str
    writer: str
    dtype: Any
    device: str


@dataclass(frozen=True, slots=True)
class Peer:
    """A system over a library. `search` ranks insights as (id, score), best first; `ask` answers one question."""

    versions: Mapping[str, str]  # package -> version
    settings: Mapping[str, Setting]
    search: Callable[[str, int], list[tuple[str, float]]]
    ask: Callable[[str], Reply]
    model: Any  # the writer as transformers loaded it: its calls are counted


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written, and the seconds that took."""

    prompt: int = 0
    completion: int = 0
    seconds: float = 0.0


def peer_session(peer: Peer, insights: Sequence[Insight], models: Mapping[str, str]) -> Session:
    """The peer as `eval.run.evaluate` asks it. A follow-up is made stand-alone by our own rule: none of them does it.

    What its own search finds, as deep as rows go, is asked for before the clock starts: the writer needs TOP_K
    insights, the retrieval measures look at more. The best score, a cosine, stands as the probability that the library
    answers. Our verifier doesn't see the sentences: each is UNCHECKED, with a support of 0, and cites whole insights.
    """
    known = {insight.insight_id: insight for insight in insights}
    used = _metered(peer.model)
    found: dict[str, float] = {}

    def prepare(question: Question) -> None:
        found.clear()
        for id_, score in peer.search(standalone(question.text, question.history), DEPTH):
            found.setdefault(id_, score)
        used()

    def ask(text: str, history: Sequence[Turn]) -> Answer:
        start = time.perf_counter()
        reply = peer.ask(standalone(text, history))
        return _as_answer(text, reply, found, known, used(), time.perf_counter() - start)

    return Session(ask, prepare, {**models, **peer.versions})


def _as_answer(
    question: str,
    reply: Reply,
    found: Mapping[str, float],
    known: Mapping[str, Insight],
    usage: Usage,
    total: float,
) -> Answer:
    cited = [id_ for sentence in reply.sentences for id_ in sentence.cited]
    hits = [
        Hit(Passage(f"{id_}#0", id_, known[id_].text, 0, len(known[id_].text)), known[id_], found.get(id_, 0.0), rank)
        for rank, id_ in enumerate(dict.fromkeys([*found, *cited]), 1)
    ]
    whole = {hit.insight.insight_id: Citation(hit.passage.passage_id, 0, hit.passage.end) for hit in hits}
    return Answer(
        question=question,
        status=Status.NOT_IN_LIBRARY if reply.refused else Status.ANSWERED,
        claims=tuple(
            Claim(sentence.text, tuple(whole[id_] for id_ in sentence.cited), 0.0, Verdict.UNCHECKED)
            for sentence in reply.sentences
        ),
        hits=tuple(hits),
        trace=Trace(
            answerable=min(max(0.0, *found.values()), 1.0) if found else 0.0,
            seconds={"write": usage.seconds, "total": total},
            tokens={"prompt": usage.prompt, "completion": usage.completion},
            dropped=reply.dropped,
        ),
    )


def _metered(model: Any) -> Callable[[], Usage]:
    """Count what passes through a transformers model's `generate`; the function returned gives the sum and starts anew.

    All three systems generate with it, whatever they wrap around it, so the counts mean the same for all.
    """
    generate = model.generate
    calls: list[Usage] = []

    def counting(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        made = generate(*args, **kwargs)
        read = int((kwargs["input_ids"] if "input_ids" in kwargs else args[0]).shape[-1])
        written = int(getattr(made, "sequences", made).shape[-1]) - read
        calls.append(Usage(read, written, time.perf_counter() - start))
        return made

    def used() -> Usage:
        total = Usage(
            sum(call.prompt for call in calls),
            sum(call.completion for call in calls),
            sum(call.seconds for call in calls),
        )
        calls.clear()
        return total

    model.generate = counting
    return used
