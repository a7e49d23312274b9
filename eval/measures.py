"""Every measure: what it says of the rows of a run, and of a single one where that makes sense.

Two rules hold for all. A question whose answer failed stays in and scores worst. And a measure's rows are chosen by the
questions, not by what the system did with them, except where its definition says otherwise.

A question with grades, as a query of BEIR has them, tells what is relevant and not what answers: other documents may do
so too, and a relevant one need not. Of such only retrieval, sentences against what they cite, and costs are measured.

To add one, write a function and give it a name in MEASURES. None says that nothing can be told.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.percentiles import drawn_percentile, rank
from eval.retrieval import NAMES, retrieval
from eval.rows import Row
from eval.spans import overlap_f1
from eval.text import holds, rouge_l, token_f1

if TYPE_CHECKING:
    import numpy as np

Score = Callable[[Sequence[Row]], float | None]
Each = Callable[[Row], float | None]
# How often each of the rows is in each draw (draws, rows) -> the score of each draw (draws,), NaN for None.
Drawn = Callable[[Sequence[Row], "np.ndarray"], "np.ndarray"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number for the rows of a run.

    `each` is the same for one question, None where that question can't tell; a measure that only says something of
    rows together has no `each`. The score is the mean of each, except where the definition says otherwise.
    """

    score: Score
    each: Each | None
    higher: bool  # high values are good
    meaning: str  # a few words for a table
    drawn: Drawn | None = None  # the score of many draws at once, for one that isn't a mean and is slow draw by draw


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that there are, or None of nothing."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def of_questions(each: Each, meaning: str, higher: bool = True) -> Measure:
    """The measure that is the mean over the questions that can tell."""
    return Measure(lambda rows: mean(map(each, rows)), each, higher, meaning)


def of_answers(each: Each, meaning: str) -> Measure:
    """The mean over answered questions; 0 if something was answerable and nothing was answered.

    Who says nothing has no precision.
    """

    def score(rows: Sequence[Row]) -> float | None:
        found = mean(map(each, rows))
        return 0.0 if found is None and any(row.answerable and not row.grades for row in rows) else found

    return Measure(score, each, True, meaning)


# Retrieval: over answerable questions with gold insights.


def retrieved(name: str) -> Each:
    """The measure of ir_measures with this name: `eval.retrieval.retrieval`."""

    def each(row: Row) -> float | None:
        found = retrieval(row)
        return None if found is None else found[name]

    return each


# Citations, after ALCE (Gao et al. 2023), with the gold insights in the place of its judge, a model that says whether
# what is cited supports a sentence: here a citation supports its sentence if it is gold. ALCE's two rates are then
# citation_precision and citation_recall_alce. citation_recall asks what the judge can't: whether all gold was cited.


def citation_precision(row: Row) -> float | None:
    """Of the citations shown (the insights that each sentence cites), the share that are gold; of answered questions.

    ALCE's definition: it counts a citation if what the sentence cites supports it, unless that citation alone doesn't
    and isn't missed when it is taken away. Beside a gold insight any other is such a one. One that is unanswerable
    scores 0, as do one without citations and one that failed.
    """
    return None if row.refused or row.grades else _share(id_ in row.gold for claim in row.claims for id_ in claim.cited)


def citation_recall_alce(row: Row) -> float | None:
    """Of the sentences shown, the share that cite a gold insight, whatever else they cite; of answered questions.

    ALCE's definition: the share of sentences that what they cite supports. Where each sentence has one citation it is
    the same as the precision. One that is unanswerable scores 0, as do one without sentences and one that failed.
    """
    if row.refused or row.grades:
        return None
    return _share(any(id_ in row.gold for id_ in claim.cited) for claim in row.claims)


def citation_recall(row: Row) -> float | None:
    """Of a question's gold insights, the share that its answer cites; of answerable ones; a refused one scores 0."""
    return len(set(row.cited) & set(row.gold)) / len(set(row.gold)) if _has_gold(row) else None


def citation_f1(row: Row) -> float | None:
    """Harmonic mean of a question's citation precision and recall; of answerable ones; a refused one scores 0."""
    recall = citation_recall(row)
    return None if recall is None else _harmonic(citation_precision(row) or 0.0, recall)


def span_f1(row: Row) -> float | None:
    """F1 of the characters that the answer cites against those that answer (`eval.spans.overlap_f1`).

    Of answerable questions of which these are known: given with the questions, or told by the short answer where one
    gold sentence alone holds it (`eval.spans.derive_spans`). A refused one scores 0.
    """
    if not row.answerable or not row.gold_spans or _unmarked(row):
        return None
    return overlap_f1((span for claim in row.claims for span in claim.spans), row.gold_spans)


def span_score(rows: Sequence[Row]) -> float | None:
    """Mean of `span_f1`. None if any row cites insights without saying which characters: a refusal there would be all
    that is left to judge.
    """
    return None if any(map(_unmarked, rows)) else mean(map(span_f1, rows))


# Refusals (status not_in_library). A failure is no refusal; a failed answerable question counts as wrongly refused.


def refusal_recall(row: Row) -> float | None:
    """Share of unanswerable questions that are refused."""
    return None if row.answerable else float(row.refused)


def false_refusal_rate(row: Row) -> float | None:
    """Share of answerable questions that are refused, or fail."""
    return float(row.refused or row.failed) if row.answerable and not row.grades else None


def refusal_precision(rows: Sequence[Row]) -> float | None:
    """Share of refused questions that are unanswerable; 0 if none is refused. None without questions of both kinds."""
    right, wrong, _ = _refusals(rows)
    return _share([True] * right + [False] * wrong) if _both_kinds(rows) else None


def refusal_f1(rows: Sequence[Row]) -> float | None:
    """Harmonic mean of refusal precision and recall. None without questions of both kinds."""
    right, wrong, missed = _refusals(rows)
    return 2 * right / (2 * right + wrong + missed) if _both_kinds(rows) else None


def answerable_auc(rows: Sequence[Row]) -> float | None:
    """How often an answerable question gets a higher probability than an unanswerable one (area under the ROC curve).

    A failed question counts as judged wrong with certainty; ties count half. None where no question has a probability:
    older files, and systems that give none.
    """
    if not any(row.probability for row in rows):
        return None
    right = [0.0 if row.failed else row.probability for row in rows if row.answerable]
    wrong = sorted(1.0 if row.failed else row.probability for row in rows if not row.answerable)
    if not right or not wrong:
        return None
    below = sum(bisect_left(wrong, value) + bisect_right(wrong, value) for value in right)
    return below / (2 * len(right) * len(wrong))


# Answers: their sentences joined. A quote that is shown as a sentence counts like any other.


def short_answer(row: Row) -> float | None:
    """Whether the answer holds the gold short answer (`eval.text.holds`); of answerable questions that have one.

    This is a recall: a wrong answer that mentions the words passes, and a right one in other words doesn't.
    """
    return float(holds(row.answer, row.short)) if row.answerable and row.short else None


def answer_token_f1(row: Row) -> float | None:
    """SQuAD's F1 of the answer against the gold short answer (`eval.text.token_f1`); of answerable questions with one.

    Short answers are notes and ours are sentences, so it stays far below 1: compare it, don't read it.
    """
    return token_f1(row.answer, row.short) if row.answerable and row.short else None


def answer_rouge_l(row: Row) -> float | None:
    """ROUGE-L of the answer against the gold sentences (`eval.text.rouge_l`); of answerable questions that have them.

    Quotes score lower than their worth, since gold sentences are worded anew.
    """
    return rouge_l(row.answer, row.gold_answer) if row.answerable and row.gold_answer else None


def unsupported(flaw: Callable[[Row], list[bool]], meaning: str) -> Measure:
    """Share of all sentences shown with a flaw, over the questions together; a failed question is one such sentence."""

    def flaws(row: Row) -> list[bool]:
        return [True] if row.failed else flaw(row)

    return Measure(
        score=lambda rows: mean(found for row in rows for found in flaws(row)),
        each=lambda row: mean(flaws(row)),
        higher=False,
        meaning=meaning,
    )


def by_verifier(row: Row) -> list[bool]:
    """Of each sentence, whether the verdict that it was shown with isn't "supported".

    Our own system shows no such sentence, so this tells of systems that do, and of those that check nothing.
    """
    return [claim.verdict != "supported" for claim in row.claims]


def by_rule(row: Row) -> list[bool]:
    """Of each sentence, whether it fails `eval.text.is_grounded`, which shares nothing with the verifier.

    The rule can't see everything: the rate is a floor for how much is wrong.
    """
    return [not claim.grounded for claim in row.claims]


def prose(row: Row) -> float | None:
    """Whether an answer has a sentence that isn't a copy from what it cites; of answered ones; a failed one has 0."""
    return None if row.refused else float(any(not claim.verbatim for claim in row.claims))


def paraphrase_consistency(rows: Sequence[Row]) -> float | None:
    """How much two questions agree in the insights that they cite (Jaccard), if one is a paraphrase: the mean over all
    pairs of a "paraphrase" and a question of another type in one collection with the same gold insights. None without
    such a pair.

    They need not ask for the same detail of the insight, so this says that hard words lead to the same sources as easy
    ones, not that the answers agree. Nor that they are right: two refusals agree fully, as do two equal errors. A pair
    with a failed question scores 0.
    """
    groups: dict[tuple[str, frozenset[str]], list[Row]] = defaultdict(list)
    for row in rows:
        if _has_gold(row):
            groups[row.collection, frozenset(row.gold)].append(row)
    return mean(
        same_sources(one, other)
        for group in groups.values()
        for one in group
        if one.type == "paraphrase"
        for other in group
        if other.type != "paraphrase"
    )


# Costs. A failed question counts as much as the dearest one, so that failing fast gains nothing.


def tokens(kind: str, meaning: str) -> Measure:
    """Mean tokens a question, "prompt" or "completion": all that the writer read or wrote; a refusal costs none."""

    def each(row: Row) -> float | None:
        return None if row.failed or row.tokens is None else float(row.tokens.get(kind, 0))

    def score(rows: Sequence[Row]) -> float | None:
        known = [cost for row in rows if (cost := each(row)) is not None]
        return mean(known + [max(known, default=0.0)] * sum(row.failed for row in rows)) if known else None

    return Measure(score, each, False, meaning)


def seconds(percent: int, stage: str = "") -> Score:
    """Seconds a question: the smallest time that `percent` of the questions don't exceed (nearest rank).

    Without a stage it is the whole call, by the clock. Of a stage, by the pipeline's own clock, it is over the
    questions that came to it: a refused question has nothing to write.
    """

    def score(rows: Sequence[Row]) -> float | None:
        took = [row.stages.get(stage) if stage else row.seconds for row in rows if not row.failed]
        times = [time for time in took if time is not None]
        if failures := len(rows) - len(took):
            own = [] if stage else [row.seconds for row in rows if row.failed]
            times += [max([*times, *own])] * failures if times or own else []
        return sorted(times)[rank(percent, len(times)) - 1] if times else None

    return score


def drawn_seconds(percent: int, stage: str = "") -> Drawn:
    """The same as `seconds` of many draws at once."""

    def drawn(rows: Sequence[Row], weights: "np.ndarray") -> "np.ndarray":
        times = [None if row.failed else row.stages.get(stage) if stage else row.seconds for row in rows]
        failed = [row.failed for row in rows]
        least = [None if stage or not row.failed else row.seconds for row in rows]
        return drawn_percentile(percent, times, failed, least, weights)

    return drawn


def _has_gold(row: Row) -> bool:
    """Whether it is known which insights answer."""
    return row.answerable and bool(row.gold) and not row.grades


def _unmarked(row: Row) -> bool:
    """Whether a sentence cites insights without saying which of their characters."""
    return any(claim.cited and not claim.spans for claim in row.claims)


def _share(hits: Iterable[bool]) -> float:
    return mean(hits) or 0.0


def _harmonic(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision and recall else 0.0


def _refusals(rows: Sequence[Row]) -> tuple[int, int, int]:
    """How many questions are rightly refused, wrongly refused, and wrongly not refused."""
    right = sum(row.refused for row in rows if not row.answerable)
    wrong = sum(row.refused or row.failed for row in rows if row.answerable)
    return right, wrong, sum(not row.refused for row in rows if not row.answerable)


def _both_kinds(rows: Sequence[Row]) -> bool:
    return len({row.answerable for row in rows}) == 2


def same_sources(one: Row, other: Row) -> float:
    """How far two answers cite the same insights (Jaccard): 1 for two refusals, 0 if one failed."""
    if one.failed or other.failed:
        return 0.0
    cited = set(one.cited) | set(other.cited)
    return len(set(one.cited) & set(other.cited)) / len(cited) if cited else 1.0


_RETRIEVAL = {
    "R@1": "gold insights retrieved first",
    "R@5": "gold insights among the first 5",
    "R@20": "gold insights among the first 20",
    "nDCG@10": "order of the first 10, discounted",
    "RR@10": "1 / rank of the first gold insight",
    "Success@1": "questions with a gold insight first",
}
_STAGES = {"retrieve": "to retrieve", "read": "to read", "first_quote": "to the first quote", "write": "to write"}
_PERCENTILES = {50: "half take no longer", 95: "95% take no longer"}

MEASURES: dict[str, Measure] = {
    **{name: of_questions(retrieved(name), _RETRIEVAL[name]) for name in NAMES},
    "citation_precision": of_answers(citation_precision, "citations shown that are gold"),
    "citation_recall": of_questions(citation_recall, "gold insights cited"),
    "citation_f1": of_questions(citation_f1, "harmonic mean of these two, by question"),
    "citation_recall_alce": of_answers(citation_recall_alce, "sentences shown that cite gold"),
    "span_f1": Measure(span_score, span_f1, True, "characters marked, against the gold sentence"),
    "refusal_precision": Measure(refusal_precision, None, True, "refused questions that are unanswerable"),
    "refusal_recall": of_questions(refusal_recall, "unanswerable questions refused"),
    "refusal_f1": Measure(refusal_f1, None, True, "harmonic mean of these two"),
    "false_refusal_rate": of_questions(false_refusal_rate, "answerable questions refused", higher=False),
    "answerable_auc": Measure(answerable_auc, None, True, "answerable told from not: area under ROC"),
    "short_answer": of_questions(short_answer, "answers that hold the short answer"),
    "token_f1": of_questions(answer_token_f1, "words shared with the short answer"),
    "rouge_l": of_questions(answer_rouge_l, "words shared in order with the gold answer"),
    "unsupported_verifier": unsupported(by_verifier, "sentences shown unverified"),
    "unsupported_rule": unsupported(by_rule, "sentences that fail a plain rule"),
    "prose_rate": of_questions(prose, "answers that are not only quotes"),
    "paraphrase_consistency": Measure(paraphrase_consistency, None, True, "paraphrases citing the same insights"),
    "tokens_prompt": tokens("prompt", "tokens read by the writer, a question"),
    "tokens_completion": tokens("completion", "tokens written, a question"),
    **{
        f"seconds_{stage}{'_' if stage else ''}p{percent}": Measure(
            seconds(percent, stage),
            None,
            False,
            f"seconds {_STAGES.get(stage, 'a question')}: {said}",
            drawn_seconds(percent, stage),
        )
        for stage in ("", *_STAGES)
        for percent, said in _PERCENTILES.items()
    },
}

# What measures were called in result files of older runs.
OLD_NAMES = {
    "recall@1": "R@1",
    "recall@5": "R@5",
    "recall@20": "R@20",
    "ndcg@10": "nDCG@10",
    "rr@10": "RR@10",
    "refusal_rate": "refusal_recall",
    "unsupported_rate": "unsupported_rule",
}
