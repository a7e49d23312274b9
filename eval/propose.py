"""Questions proposed from a person's own insights, for the person to judge.

    insights ─► drawn by seed, over all sources ─► the writer's question ─► rules ─► does the reader find the insight?

A question is proposed only if it passes the rules of `eval.wording` and the flow of `rag.pipeline` answers it from the
insight that it was made of. So a set of such questions flatters retrieval, and says more of what comes after it; with
`unfound` the second condition is dropped.

A question becomes unanswerable in truth by taking insights away: those that answer it, and those that say the same.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from corpus.insight import Insight
from corpus.passages import sentences, split_passages
from eval.by_rule import question_of
from eval.text import content
from eval.wording import fault_of, prompts, question_in, short_answer
from rag.datatypes import Hit, Status
from rag.pipeline import Pipeline
from rag.prompt import Message
from rag.stop import Stopped, never
from rag.write import QuoteWriter, Writer

SAME = 0.7  # of their content words in common: the same question again
NEAR = 0.85  # cosine of two insights that say nearly the same
HOLDS = 0.8  # of the content words of question and answer: such an insight may answer it too
MOST_HIDDEN = 6  # a question that more insights answer is no good without them
LOOKED_AT = 10  # nearest insights that are looked at when some are taken away
SHOWN = 2  # of those that are left


@dataclass(frozen=True, slots=True)
class Proposal:
    """A question that an insight answers, or the same one for a library without what answers it."""

    question: str  # empty if a person is to write it
    insight_ids: tuple[str, ...]  # that answer it
    text: str = ""  # the passage that it was made of
    about: str = ""  # where the insight is from
    answer: str = ""  # the sentences that answer, as the reader marked them
    short: str = ""
    found: bool = True  # first in the whole library, and held for answerable
    without: tuple[str, ...] = ()  # to be taken away so that nothing answers it; () if that can't be
    nearest: tuple[str, ...] = ()  # texts of the nearest that are then left
    answerable: bool = True  # asked to the whole library


def draw(insights: Sequence[Insight], seed: int) -> list[Insight]:
    """All insights in an order drawn by the seed, the sources in turn.

    The place of an insight among those of its source depends on its id and the seed alone: adding some later doesn't
    shuffle the others.
    """
    sources: dict[str, list[Insight]] = {}
    for insight in sorted(insights, key=lambda each: _drawn(seed, each.insight_id)):
        sources.setdefault(_source(insight), []).append(insight)
    in_turn = zip_longest(*sources.values())
    return [insight for turn in in_turn for insight in turn if insight is not None]


def propose(
    pipeline: Pipeline,
    insights: Sequence[Insight],
    asked: Sequence[str],
    *,
    seed: int = 0,
    unfound: bool = False,
    stopped: Stopped = never,
    fruitless: Callable[[Insight], None] = lambda insight: None,
) -> Iterator[Proposal]:
    """At most one question for each insight, in their order, none like one of those `asked` before.

    `fruitless` is told of each insight that gives none. Ends once `stopped()` is true. Raises ModelError if the writer
    fails.
    """
    reading = replace(pipeline, writer=QuoteWriter("", pipeline.config))
    before = [content(question) for question in asked]
    for insight in insights:
        for question, short in _candidates(pipeline.writer, insight, seed, stopped):
            if stopped():
                return
            if any(_alike(content(question), other) for other in before):
                continue
            proposal = _read(reading, question, short, insight)
            if proposal and (proposal.found or unfound):
                before.append(content(question))
                yield proposal
                break
        else:
            if stopped():
                return
            fruitless(insight)


def unworded(pipeline: Pipeline, insights: Iterable[Insight], seed: int = 0) -> Iterator[Proposal]:
    """A proposal without a question for each insight: for a person to write one."""
    for insight in insights:
        yield take_away(pipeline, Proposal("", (insight.insight_id,), _passage(insight, seed), _about(insight)))


def take_away(pipeline: Pipeline, proposal: Proposal) -> Proposal:
    """The proposal with what would have to go so that nothing answers it: its insights, those that are nearly the same
    by meaning, and those that hold nearly all words of question and answer.

    As it is if too many would have to go, or none would be left. Whether what is left answers it isn't judged by the
    reader, which is what such a question is to measure: a person looks at the nearest instead.
    """
    gold = proposal.insight_ids
    hits = pipeline.search(proposal.question or proposal.text[: pipeline.config.max_question], LOOKED_AT + len(gold))
    near = [hit for id_ in gold for hit in pipeline.related(id_, LOOKED_AT) if hit.score >= NEAR]
    wanted = content(f"{proposal.question} {proposal.answer}" if proposal.question else proposal.text)
    holding = [hit for hit in hits if len(wanted & content(hit.insight.text)) >= HOLDS * len(wanted)]
    hidden = tuple(dict.fromkeys([*gold, *(hit.insight.insight_id for hit in (*near, *holding))]))
    left = [hit for hit in hits if hit.insight.insight_id not in hidden]
    if not left or len(hidden) > MOST_HIDDEN:
        return proposal
    return replace(proposal, without=hidden, nearest=tuple(hit.passage.text for hit in left[:SHOWN]))


def _candidates(writer: Writer, insight: Insight, seed: int, stopped: Stopped) -> Iterator[tuple[str, str]]:
    """The questions of an insight that pass the rules: the writer's, then those made by rule, with a short answer."""
    text = _passage(insight, seed)
    for prompt in prompts(text):
        question = _written(writer, prompt, stopped)
        if question and not fault_of(question, text):
            yield question, ""
    for start, end in sentences(text):
        question, short = question_of(text[start:end], text)
        if question and not fault_of(question, text, copying=1.0):
            yield question, short


def _written(writer: Writer, prompt: Sequence[Message], stopped: Stopped) -> str:
    text = ""
    for draft in writer.write(prompt, stopped):
        text = draft.text
        if "?" in text:  # the rest is of no use
            break
    return question_in(text)


def _read(pipeline: Pipeline, question: str, short: str, insight: Insight) -> Proposal | None:
    """The question as the flow answers it. None if it doesn't see the insight at all: then nothing marks the answer."""

    def own(hit: Hit) -> bool:
        return hit.insight.insight_id == insight.insight_id

    answer = pipeline.ask(question)
    evidence = [item for item in answer.evidence if own(item.hit)]
    evidence = evidence or pipeline.reader.find(question, [hit for hit in answer.hits if own(hit)][:1])
    if not evidence:
        return None
    quote = " ".join(evidence[0].quote.split())
    proposal = Proposal(
        question,
        (insight.insight_id,),
        evidence[0].hit.passage.text,
        _about(insight),
        quote,
        short or short_answer(question, quote),
        found=answer.status is Status.ANSWERED and own(answer.hits[0]),
    )
    return take_away(pipeline, proposal)


def _passage(insight: Insight, seed: int) -> str:
    """One passage of an insight, drawn by the seed: most have one."""
    passages = split_passages(insight)
    return passages[int.from_bytes(_drawn(seed, insight.insight_id)[:4]) % len(passages)].text


def _alike(first: set[str], second: set[str]) -> bool:
    return bool(first and second) and len(first & second) >= SAME * len(first | second)


def _about(insight: Insight) -> str:
    return ", ".join(part for part in (insight.author, insight.title, insight.source, insight.date) if part)


def _source(insight: Insight) -> str:
    return insight.source or insight.author or insight.title or insight.url


def _drawn(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode()).digest()
