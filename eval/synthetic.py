"""Synthetic insights in any number: the sentences of InsightQA and of the shipped insights, put together anew.

Sentences of one topic mostly stand together; their numbers and names are drawn anew, so that no two texts are alike and
most names are rare, as they are in what people save. Authors, sources, tags and dates are skewed likewise: a few have
much, most have little (Zipf). The same seed makes the same insights.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Generic, TypeVar

from corpus.formats.text import read_text
from corpus.insight import Insight, content_id, make_insight
from corpus.library import SHIPPED
from corpus.passages import MAX_WORDS, count_words, sentences
from eval.formats import load_questions

INSIGHTQA = Path(__file__).with_name("questions") / "insightqa"
SPLITS = ("train", "dev", "test")
SENTENCES = (2, 3, 3, 4)  # of an insight
AWAY = 0.15  # of the sentences come from another topic
YEARS = tuple(range(2010, 2026))
LEAST_WORDS = 5  # of a sentence

T = TypeVar("T")
_SLOT = re.compile(r"\d[\d,]*(?:\.\d+)?|[A-Z][a-z]+(?: [A-Z][a-z]+)+")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A synthetic insight and the sentences that it is made of, as numbers."""

    insight: Insight
    made_of: tuple[int, ...]


@dataclass(frozen=True)
class Material:
    """What insights are made of."""

    sentences: tuple[str, ...]
    topics: tuple[tuple[str, range], ...]  # its name, and which sentences are its own
    questions: tuple[str, ...]

    @cached_property
    def names(self) -> tuple[list[str], list[str]]:
        """The first and the last words of the names that occur."""
        found = [match[0].split() for text in self.sentences for match in _SLOT.finditer(text) if match[0][0].isalpha()]
        first, last = ({words[place] for words in found} for place in (0, -1))
        return sorted(first), sorted(last)


def load_material() -> Material:
    """The sentences and questions of InsightQA, and the sentences of the insights that ship."""
    texts: list[tuple[str, list[str]]] = []
    questions: list[str] = []
    for split in SPLITS:
        for collection in load_questions(INSIGHTQA, split)[1]:
            texts.append((collection.name, [insight.text for insight in collection.insights]))
            questions += [question.text for question in collection.questions]
    for file in sorted(SHIPPED.glob("*.txt")):
        texts.append((file.stem, [item.text for item in read_text(file) if isinstance(item, Insight)]))
    found: list[str] = []
    topics = []
    for name, those in texts:
        start = len(found)
        for text in those:
            found += [said for s in sentences(text) if count_words(said := text[slice(*s)]) >= LEAST_WORDS]
        topics.append((name, range(start, len(found))))
    return Material(tuple(found), tuple(topics), tuple(questions))


def synthetic(size: int, seed: int, material: Material) -> Iterator[Drawn]:
    """So many insights with texts of their own, each short enough to be one passage."""
    draw = random.Random(seed)
    people = Names(draw, material.names, max(50, size // 20))
    authors = Skewed([people.full() for _ in range(max(20, size // 40))])
    sources = Skewed([_source(draw, people) for _ in range(max(20, size // 60))])
    tags = Skewed(_tags(material))
    topics = Skewed(list(material.topics), 0.6)
    years = Skewed(list(reversed(YEARS)), 0.5)
    seen: set[int] = set()
    while len(seen) < size:
        made_of = _made_of(draw, topics, len(material.sentences))
        text = " ".join(_SLOT.sub(lambda match: _anew(draw, people, match[0]), material.sentences[n]) for n in made_of)
        mark = int(content_id(text), 16)
        if mark in seen or count_words(text) > MAX_WORDS:
            continue
        seen.add(mark)
        insight = make_insight(
            text,
            author=authors.draw(draw) if draw.random() < 0.9 else "",
            source=sources.draw(draw) if draw.random() < 0.9 else "",
            date=_date(draw, years) if draw.random() < 0.9 else "",
            tags=[tags.draw(draw) for _ in range(draw.choice((0, 1, 1, 2, 3)))],
            note="Look this up again." if draw.random() < 0.1 else "",
        )
        yield Drawn(insight, made_of)


class Skewed(Generic[T]):
    """Values of which the n-th is drawn in proportion to n to the power of -s."""

    def __init__(self, values: Sequence[T], s: float = 1.0) -> None:
        self.values = values
        self._weights = list(accumulate((rank + 1) ** -s for rank in range(len(values))))

    def draw(self, draw: random.Random) -> T:
        """One of them."""
        return draw.choices(self.values, cum_weights=self._weights)[0]


class Names:
    """Names of people: a last name is the head of one that occurs and the tail of another."""

    def __init__(self, draw: random.Random, names: tuple[list[str], list[str]], count: int) -> None:
        first, last = names
        self._draw = draw
        self._first = Skewed(first, 0.7)
        made = [_fused(draw.choice(last), draw.choice(last)) for _ in range(count)]
        self._last = Skewed(list(dict.fromkeys(made)))

    def full(self) -> str:
        """A first and a last name."""
        return f"{self._first.draw(self._draw)} {self._last.draw(self._draw)}"


def _fused(one: str, other: str) -> str:
    return one[: (len(one) + 1) // 2] + other[len(other) // 2 :].lower()


def _source(draw: random.Random, people: Names) -> str:
    return f"{draw.choice(('The', 'Inside', 'Letters from', 'Notes on', 'After'))} {people.full().split()[1]}"


def _tags(material: Material) -> list[str]:
    """The names of the topics, and the words of these names."""
    names = [name for name, _ in material.topics]
    return list(dict.fromkeys([*names, *(word for name in names for word in name.split("-") if len(word) > 2)]))


def _made_of(draw: random.Random, topics: Skewed[tuple[str, range]], count: int) -> tuple[int, ...]:
    _, own = topics.draw(draw)
    wanted = draw.choice(SENTENCES)
    made = [draw.choice(own) if draw.random() > AWAY else draw.randrange(count) for _ in range(wanted)]
    return tuple(dict.fromkeys(made))


def _anew(draw: random.Random, people: Names, said: str) -> str:
    """Another name, or a number with as many digits."""
    if said[0].isalpha():
        return people.full()
    return re.sub(r"\d", lambda match: str(draw.randrange(match.start() == 0, 10)), said)


def _date(draw: random.Random, years: Skewed[int]) -> str:
    return f"{years.draw(draw)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"
