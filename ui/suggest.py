"""Questions that a person's own insights can answer, to be offered: after an answer, instead of one, at a first visit.

Rules make them of the insights' own sentences (see eval/by_rule.py), or ask about something that an insight names. They
are only offered once a check has found that the library answers them from the insight that they were made of.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from corpus.filters import EVERYTHING, Filter
from corpus.insight import Insight
from corpus.items import without_place
from corpus.passages import sentences
from corpus.stopwords import FUNCTION_WORDS
from eval.by_rule import question_of
from eval.text import content
from eval.wording import fault_of
from rag.datatypes import Answer, Status
from rag.words import is_function
from ui.question_rules import about_people, is_adjective, person, thesis

OFFERED = 3  # questions at most
CHECKED = 8  # questions that are checked for them: each costs the reader about half a second
ALIKE = 0.6  # of their content words in common: the same question again
PER_INSIGHT = 3  # of them are made of one insight: else those of the first would use up the checks
LONGEST_TOPIC = 6  # words
ABOUT = "What do my insights say about "
_NAME = re.compile(r"[A-Z][\w’'-]+(?: [A-Z][\w’'-]+)*")
_DRY = re.compile(r"What (?:is|was) |Why (?:is|was) the \w+ to ")
_TERM = re.compile(r"[“\"]([^“”\"]{4,50})[”\"]|(?<!\w)[‘']([^‘’']{4,50})[’'](?!\w)")

_DAYS = frozenset(
    f"{day}{end}" for day in "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split() for end in ("", "s")
)

Check = Callable[[str, Insight], bool]  # does the library answer this question, from this insight?
Made = tuple[str, Insight]  # a question, and the insight that it was made of


@lru_cache(maxsize=4096)
def questions_of(insight: Insight) -> tuple[str, ...]:
    """The questions that an insight's sentences answer, by rule: at most PER_INSIGHT, then those about topics."""
    text = insight.text
    cut = [text[a:b] for a, b in sentences(text)]
    made = (*(question_of(each, text)[0] for each in cut), *(thesis(each, text) for each in cut[:1]))
    # "What is a nation's advantage?" has an answer, but nobody would ask it like that.
    good = [each for each in made if each and not _DRY.match(each) and not fault_of(each, text, copying=1.0)]
    terms = list(filter(_is_topic, _terms(text)))
    meant = [f"What does “{term}” mean?" for term in terms]
    named = [f"{ABOUT}{topic}?" for topic in topics(insight) if topic not in terms]
    found = [*good, *about_people(text), *meant, *named]
    return tuple(dict.fromkeys(found))[:PER_INSIGHT]


def about(insight: Insight) -> str:
    """The question that "Ask about this" begins with: a person may change it before they ask."""
    first = " ".join(insight.text.split()[:8]).rstrip(".,;:")
    return next(iter(questions_of(insight)), f"{ABOUT}“{first} …”?")


def topics(insight: Insight) -> list[str]:
    """What an insight names: its terms in quotation marks, the names in its text, and its title if that is short."""
    found = [*filter(_is_topic, _terms(insight.text)), *names_in(insight.text)]
    title = without_place(insight.title)
    if title and len(title.split()) <= LONGEST_TOPIC:
        found.append(title)
    named = (person(re.sub(r"['’]s?$", "", topic)) for topic in found)
    able = dict.fromkeys(topic for topic in named if not is_adjective(topic) and topic not in _DAYS)
    return sorted(able, key=lambda topic: -min(len(topic.split()), 2))  # one word alone may be what all are about


def _terms(text: str) -> list[str]:
    """What stands in quotation marks."""
    return [(first or second).strip(" .,;") for first, second in _TERM.findall(text)]


def _is_topic(term: str) -> bool:
    """Whether a term in quotation marks is a thing, as far as its words tell: "intelligent capital stock"."""
    words = term.split()
    words = words[1:] if words and words[0].lower() in ("a", "an", "the") else words
    return 2 <= len(words) <= 4 and not any(map(is_function, words))


def names_in(text: str) -> Iterator[str]:
    """Runs of capitalised words. At the start of a sentence one such word alone may be any word."""
    for match in _NAME.finditer(text):
        words = match.group().split()
        opens = not re.search(r"[a-z,] $", text[: match.start()])
        if words[0].lower() in FUNCTION_WORDS:  # "In China" opens a sentence, and China is a name all the same
            words, opens = words[1:], False
        if words and not (opens and len(words) == 1):
            yield " ".join(words)


def candidates(insights: Iterable[Insight]) -> Iterator[Made]:
    """The questions of each insight, in their order; those that only name a topic after all others."""
    made = [(question, insight) for insight in insights for question in questions_of(insight)]
    return iter(sorted(made, key=lambda each: each[0].startswith(ABOUT)))


def suggestions(
    made: Iterable[Made], asked: Iterable[str], check: Check, offered: int = OFFERED, checked: int = CHECKED
) -> Iterator[str]:
    """The first questions that pass the check, one of each insight, none like one of those asked before or another one.

    At most `offered` of them; at most `checked` are checked, so that it ends soon.
    """
    before = [_said(question) for question in asked]
    done: set[str] = set()
    for question, insight in made:
        if len(done) == offered or not checked:
            return
        said = _said(question)
        if insight.insight_id in done or any(alike(said, other) for other in before):
            continue
        checked -= 1
        before.append(said)
        if check(question, insight):
            done.add(insight.insight_id)
            yield question


def _said(question: str) -> set[str]:
    return content(question.removeprefix(ABOUT))


def alike(first: set[str], second: set[str]) -> bool:
    """Whether two questions, as their content words, ask nearly the same."""
    return first <= second or len(first & second) >= ALIKE * len(first | second)


def checking(quoted: Callable[[str, Filter], Answer], filters: Filter = EVERYTHING) -> Check:
    """A check by the flow itself: the question counts as answered, and the insight is part of the evidence."""

    def check(question: str, insight: Insight) -> bool:
        answer = quoted(question, filters)
        ids = {item.hit.insight.insight_id for item in answer.evidence}
        return answer.status is Status.ANSWERED and insight.insight_id in ids

    return check
