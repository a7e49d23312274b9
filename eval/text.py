"""How texts are compared: words, copies, short answers, overlap and a crude rule for support.

All of it is plain string work that shares nothing with `rag.verify`: what checks an answer while it is made must not
also be the judge of it.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

ARTICLES = frozenset({"a", "an", "the"})
ENOUGH = 2 / 3  # share of a sentence's content words that its sources must hold

# "one" is missing on purpose: it is a pronoun more often than a number.
_DIGITS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_DIGITS |= {"eleven": 11, "twelve": 12, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60}
_DIGITS |= {"seventy": 70, "eighty": 80, "ninety": 90}
_NUMBER_WORD = re.compile(rf"\b({'|'.join(_DIGITS)})\b", re.IGNORECASE)
_WORD = re.compile(r"\d+(?:\.\d+)*%?|[^\W\d_]+(?:'[^\W\d_]+)*")
_ALPHANUMERIC = re.compile(r"[^\W_]+")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SUFFIXES = ("ations", "ation", "ings", "ing", "edly", "ies", "ied", "ed", "es", "ly", "s", "e", "y")
_STOPWORDS = ARTICLES | frozenset(
    re.findall(
        r"\S+",
        """
        about above after again against all almost also although among and another any are around as at be because been
        before being below between both but by can cannot could did do does doing done down during each either enough
        even every few for from further had has have having he her here hers him his how however i if in instead into is
        it its just less like made make makes many may might more most much must my neither no nor not of off on once
        one only or other our out over own per rather same she should since so some still such than that their them then
        there these they this those through to too under until up upon us very was we were what when where whether which
        while who whom whose why will with within without would yes yet you your i'm i've it's don't doesn't didn't
        isn't wasn't can't
        """,
    )
)


def words(text: str) -> list[str]:
    """The words of a text without case, punctuation and articles (as in SQuAD, Rajpurkar et al. 2016).

    A number is one word: 1,200 is 1200, "seven" is 7, "40 per cent" is 40%; so 15 is neither in 150 nor in 1.5.
    """
    folded = unicodedata.normalize("NFKC", _canonical(text).casefold())
    return [word for match in _WORD.findall(folded) if (word := match.removesuffix("'s")) not in ARTICLES]


def holds(text: str, short: str) -> bool:
    """Whether a text holds a short answer: every word of it (see `words`) occurs somewhere in the text.

    Order and distance don't matter, since short answers are written in note form ("clogged; no vacuum sweeping"). So it
    says that the answer was mentioned, not that it was right; an empty short answer is held by nothing.
    """
    wanted = set(words(short))
    return bool(wanted) and wanted <= set(words(text))


def token_f1(text: str, short: str) -> float:
    """F1 of the words that a text shares with a short answer, each as often as both have it.

    Words are those of SQuAD's own script (Rajpurkar et al. 2016), so that figures compare: lower case, without ASCII
    punctuation and articles, cut at white space. Unlike `words` it takes "40%" for 40 and doesn't know that seven is 7.
    """
    ours, theirs = _squad_words(text), _squad_words(short)
    both = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * both / (len(ours) + len(theirs)) if both else 0.0


def rouge_l(text: str, gold: str) -> float:
    """ROUGE-L (Lin 2004), F1: the longest sequence of words that both have in this order, gaps allowed.

    Words are runs of letters and digits without case, not stemmed, and both texts are one sequence each.
    """
    ours, theirs = (_ALPHANUMERIC.findall(each.casefold()) for each in (text, gold))
    both = common_subsequence(ours, theirs)
    return 2 * both / (len(ours) + len(theirs)) if both else 0.0


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, a row of the usual table at a time as bits of one number (Hyyrö 2004).

    A bit is 0 where the length grows at that word of `first`.
    """
    where: dict[str, int] = {}
    for place, word in enumerate(first):
        where[word] = where.get(word, 0) | 1 << place
    whole = (1 << len(first)) - 1
    row = whole
    for word in second:
        matched = row & where.get(word, 0)
        row = ((row + matched) | (row - matched)) & whole
    return len(first) - row.bit_count()


def content(text: str) -> set[str]:
    """What a text says, as a set: its words without stop words (English), by `stem`, and its numbers, without %."""
    found = set(words(text))
    return _numbers(found) | {stem(word) for word in found - _STOPWORDS if not word[0].isdigit()}


def is_verbatim(sentence: str, source: str) -> bool:
    """Whether a sentence is copied from a source, blind to case, spacing, the style of quotation marks, and to
    quotation marks and punctuation at its two ends. It must begin and end where words and numbers do.
    """
    copy = _plain(sentence).strip(" \"'.,;:!?…")
    # "rose by 1" is not in "rose by 1.5", nor in "rose by 1%".
    return bool(copy) and re.search(rf"(?<!\w)(?<!\d[.,]){re.escape(copy)}(?![.,]?\w|\s?%)", _plain(source)) is not None


def is_grounded(sentence: str, sources: Sequence[str]) -> bool:
    """Whether a sentence may be supported by its sources (the texts of the insights it cites). Either it is verbatim in
    one of them, or they hold, taken together, all its numbers, all its names and two thirds of its content words.

    - Numbers are compared as in `words`, but with the per cent sign left off ("30 to 40%" has 30%).
    - A name is a capitalised word, not a stop word, that doesn't begin a sentence; one that begins a sentence is a name
      if it holds two capitals. Any other first word only counts as a content word.
    - Content words are those of three letters or more that aren't stop words (English), compared by `stem`. A sentence
      with neither numbers nor content words ("Yes.") has nothing that could be found, and fails.

    The rule finds swapped numbers and names and added detail. It can't see a negated or reversed relation: what it
    passes may still be wrong, so the rate of failures is a floor.
    """
    if any(is_verbatim(sentence, source) for source in sources):
        return True
    found = {word for source in sources for word in words(source)}
    if not _numbers(words(sentence)) <= _numbers(found) or not _names(sentence) <= found:
        return False
    stems = {stem(word) for word in found}
    content = [word for word in words(sentence) if len(word) > 2 and word not in _STOPWORDS and not word[0].isdigit()]
    held = sum(stem(word) in stems for word in content)
    return bool(content or _numbers(words(sentence))) and held >= ENOUGH * len(content)


def stem(word: str) -> str:
    """The word without one common English ending, if three letters are left, and without a doubled last letter."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word.removesuffix(suffix)
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def _canonical(text: str) -> str:
    """One spelling for apostrophes and numbers; case is kept."""
    text = unicodedata.normalize("NFKC", text).replace("’", "'")
    text = _NUMBER_WORD.sub(lambda match: str(_DIGITS[match[0].lower()]), text)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    return re.sub(r"(?<=\d)[\s-]*(?:per ?cent\b|%)", "%", text, flags=re.IGNORECASE)


def _plain(text: str) -> str:
    text = re.sub("[“”„«»]", '"', re.sub("[‘’‚]", "'", text))
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _squad_words(text: str) -> list[str]:
    return [word for word in text.lower().translate(_NO_PUNCTUATION).split() if word not in ARTICLES]


def _numbers(found: Sequence[str] | set[str]) -> set[str]:
    return {word.removesuffix("%") for word in found if word[0].isdigit()}


def _names(sentence: str) -> set[str]:
    text = _canonical(sentence)
    names = set()
    for match in _WORD.finditer(text):
        first = not re.search(r"\w", re.split(r"[.!?:]\s", text[: match.start()])[-1])
        capitals = sum(letter.isupper() for letter in match[0])
        if match[0][0].isupper() and (capitals > 1 or not first):
            names |= set(words(match[0])) - _STOPWORDS
    return names
