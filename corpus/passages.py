"""Insight -> passages: the stretches that are embedded, retrieved and cited, with exact character spans."""

import re
from collections.abc import Iterator
from itertools import pairwise

import sentencex

from corpus.insight import Insight, Passage
from corpus.language import ENGLISH, language_of

MAX_WORDS = 120  # about 160 tokens: within what small embedding models read
MIN_WORDS = 30  # a shorter rest joins the stretch before it, if that has room

# What counts as a word: a Chinese or Japanese character each, since those scripts don't put spaces between words, and
# five of a Thai, Lao, Burmese or Khmer one with the signs that follow, and 20 characters of anything longer than that,
# so that no address or unbroken string makes an endless passage.
_CHARACTER = r"\u3040-\u30ff\u3400-\u9fff"
_LETTER = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_SIGN = r"\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u17b4-\u17d3"
_WORD = re.compile(rf"[{_CHARACTER}]|[{_LETTER}]{{1,5}}[{_SIGN}]*|[^\s{_CHARACTER}{_LETTER}]{{1,20}}")
# Where sentencex knows more of a language's abbreviations and dates than its English does.
_CUT_BY = ("de", "es", "it", "ru", "el")
_LINE_BREAK = re.compile(r"[\n\r\u2028\u2029]")

Span = tuple[int, int]


def split_passages(insight: Insight) -> tuple[Passage, ...]:
    """Cut an insight into passages of at most MAX_WORDS words; up to that length it is one passage.

    Cuts fall between sentences, or between words in a sentence longer than MAX_WORDS. Passages don't overlap, and
    every character that isn't white space is in one: `insight.text[passage.start:passage.end] == passage.text`.
    """
    text = insight.text
    return tuple(
        Passage(f"{insight.insight_id}#{number}", insight.insight_id, text[start:end], start, end)
        for number, (start, end) in enumerate(stretches(text))
    )


def stretches(text: str) -> list[Span]:
    """Where `split_passages` cuts a text: stretches of at most MAX_WORDS words, all of it if that is enough."""
    whole = _trimmed(text, 0, len(text))
    if whole is None:
        return []
    words = _words(text, whole)
    return [whole] if words <= MAX_WORDS else _stretches(text, words)


def count_words(text: str) -> int:
    """How many words a text has, as MAX_WORDS counts them."""
    return _words(text, (0, len(text)))


def sentences(text: str) -> list[Span]:
    """The sentences as (start, end) in characters, without white space at their edges; a line break ends one too."""
    cuts = {0, len(text)}
    cuts.update(boundary["end_index"] for boundary in sentencex.get_sentence_boundaries(_language(text), text))
    cuts.update(match.end() for match in _LINE_BREAK.finditer(text))
    # Spans between neighbouring cuts can't leave anything out, whatever the boundaries are.
    return [span for start, end in pairwise(sorted(cuts)) if (span := _trimmed(text, start, end))]


def _language(text: str) -> str:
    found = language_of(text)
    return found if found in _CUT_BY else ENGLISH


def _stretches(text: str, words: int) -> list[Span]:
    """Whole sentences put together into stretches of about equal length, each at most MAX_WORDS words."""
    goal = words / -(-words // MAX_WORDS)  # equal shares: 130 words make 65 and 65, not 120 and 10
    made: list[tuple[int, int, int]] = []  # start, end, words
    for start, end in (piece for sentence in sentences(text) for piece in _pieces(text, sentence)):
        size = _words(text, (start, end))
        if made and made[-1][2] < goal and made[-1][2] + size <= MAX_WORDS:
            made[-1] = (made[-1][0], end, made[-1][2] + size)
        else:
            made.append((start, end, size))
    if len(made) > 1 and made[-1][2] < MIN_WORDS and made[-2][2] + made[-1][2] <= MAX_WORDS:
        (start, _, first), (_, end, second) = made[-2:]
        made[-2:] = [(start, end, first + second)]
    return [(start, end) for start, end, _ in made]


def _pieces(text: str, sentence: Span) -> Iterator[Span]:
    """The sentence, or equal parts of it cut between words if it has more than MAX_WORDS."""
    words = [match.span() for match in _WORD.finditer(text, *sentence)]
    parts = -(-len(words) // MAX_WORDS)
    for part in range(parts):
        chosen = words[part * len(words) // parts : (part + 1) * len(words) // parts]
        yield chosen[0][0], chosen[-1][1]


def _words(text: str, span: Span) -> int:
    return sum(1 for _ in _WORD.finditer(text, *span))


def _trimmed(text: str, start: int, end: int) -> Span | None:
    stretch = text[start:end]
    if not stretch.strip():
        return None
    return start + len(stretch) - len(stretch.lstrip()), end - len(stretch) + len(stretch.rstrip())
