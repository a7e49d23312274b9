"""A filter read from the words of a question: "What did I save from Kahneman in 2024?"

It is read conservatively. A year or a name in a question is mostly what it is about, so they count as a filter only
where the question speaks of saving, or of the notes themselves; a name, only if the library has it and if it stands
behind "from", "by" or the like. A tag written as #tag counts anywhere. What was read is cut from what is searched for.
English only.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from corpus.filters import EVERYTHING, NAMED, Filter, filter_of
from rag.words import is_function, words

Values = Callable[[str], Sequence[str]]  # the library's authors, sources or tags: "author", "source", "tag"
Read = tuple[int, int, tuple[str, ...]]  # characters of the question, and the terms of the filter that they are

_SAVED = re.compile(
    r"\bI(?:['’](?:ve|d)| have| had)?(?: \w+)? (?:saved?|keep|kept|highlight(?:ed)?|noted?|mark(?:ed)?|clip(?:ped)?"
    r"|collect(?:ed)?|add(?:ed)?|bookmark(?:ed)?|wr(?:ite|ote|itten) down|read)\b"
    r"|\b(?:my|any|all|which|what) (?:\w+ )?(?:notes|highlights|insights|quotes|clippings|bookmarks)\b"
    r"|^\W*(?:notes|highlights|insights|quotes|clippings|bookmarks)\b",
    re.I,
)
# Words of such questions that say nothing of what is wanted.
_FRAME = frozenset(
    """save saved keep kept highlight highlighted highlights note noted notes mark marked clip clipped clippings collect
    collected add added bookmark bookmarked bookmarks write wrote written read insight insights quote quotes thing
    things everything anything something show list find give tell please""".split()
)
_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = "|".join(f"{name}|{name[:3]}" for name in _MONTHS)


def _when(name: str) -> str:
    return rf"(?:(?P<{name}m>{_MONTH})\.?,? )?(?P<{name}y>(?:19|20)\d\d)(?:-(?P<{name}n>0[1-9]|1[0-2]))?(?![\w-])"


_RANGE = re.compile(rf"\b(?:between|from) {_when('a')} (?:and|to|until|till|through) {_when('b')}", re.I)
_SINCE = re.compile(rf"\b(?P<word>since|after) {_when('a')}", re.I)
_UNTIL = re.compile(rf"\b(?P<word>before|until|till) {_when('a')}", re.I)
_IN = re.compile(rf"\b(?:in|from|during|of) {_when('a')}", re.I)

_KIND = r"(?:(?:the |a )?(?:author|writer|book|podcast|show|article|report|talk|episode|newsletter|paper|source) )?"
_LEADS = {  # what stands before a name
    "author": re.compile(rf"\b(?:from|by|of) {_KIND}[\"“'‘]?", re.I),
    "source": re.compile(rf"\b(?:from|by|of|in) {_KIND}[\"“'‘]?", re.I),
    "tag": re.compile(r"\b(?:tagged(?: with| as)?|labell?ed|with (?:the )?(?:tag|label)|under) [\"“'‘#]?", re.I),
}
_AND = re.compile(r"(?:,| and| or|, and|, or| &) [\"“'‘#]?", re.I)
_HASHTAG = re.compile(r"(?<![\w#&])#(?P<tag>\w[\w-]*)")
_PEOPLE = re.compile(r"\s*(?:,|;|&|\band\b|\bwith\b)\s*")
_SHORTEST = 3  # characters of a name that is one word


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is understood."""

    query: str  # what is searched for
    filters: Filter = EVERYTHING
    only: bool = False  # it asks for nothing but what the filter leaves: "What did I save in 2024?"


def understood(question: str, filters: Filter, values: Values, *, as_typed: bool = False) -> Asked:
    """The question with the filter that was chosen and the one that its words say; `as_typed`: these say none."""
    query = question
    if not as_typed:
        query, said = read_filter(question, values)
        filters = filters.joined(said)
    left = [word.casefold() for word in words(query) if not is_function(word)]
    nothing = set(left) <= _FRAME if left else query != question  # "#rail" alone asks for what is tagged so
    return Asked(query, filters, only=bool(filters) and nothing)


def read_filter(question: str, values: Values) -> tuple[str, Filter]:
    """What is left of a question that stands alone, and the filter that was read; itself and none, mostly."""
    found: list[Read] = []
    text = question
    readers = [_hashtags]
    if _SAVED.search(question):
        readers += [_dates, _names]
    for reader in readers:
        for start, end, terms in reader(text, values):
            found.append((start, end, terms))
            text = text[:start] + "\0" * (end - start) + text[end:]  # not read twice, and no place moves
    if not found:
        return question, EVERYTHING
    rest = re.sub(r"\s+([?.,!;:]|$)", r"\1", " ".join(re.sub(r"\0+", " ", text).split()))
    return rest, filter_of(term for _, _, terms in sorted(found) for term in terms)


def _hashtags(text: str, values: Values) -> Iterator[Read]:
    for match in _HASHTAG.finditer(text):
        same = [tag for tag in values("tag") if tag.casefold() == match["tag"].casefold()]
        if same:
            yield match.start(), match.end(), tuple(f"tag={tag}" for tag in same)


def _dates(text: str, values: Values) -> Iterator[Read]:
    """One date or range: with more of them it is not clear what is meant, and the first pattern that fits is read."""
    if match := _RANGE.search(text):
        yield match.start(), match.end(), (f"since={_date(match, 'a')}", f"until={_date(match, 'b')}")
    elif match := _SINCE.search(text):
        date = _date(match, "a")
        yield match.start(), match.end(), (f"since={_next(date, 1) if match['word'].lower() == 'after' else date}",)
    elif match := _UNTIL.search(text):
        date = _date(match, "a")
        yield match.start(), match.end(), (f"until={_next(date, -1) if match['word'].lower() == 'before' else date}",)
    elif match := _IN.search(text):
        date = _date(match, "a")
        yield match.start(), match.end(), (f"since={date}", f"until={date}")


def _date(match: re.Match[str], name: str) -> str:
    """The year, with the month if one is named."""
    month = match[f"{name}m"]
    number = match[f"{name}n"] or (f"{_month(month):02}" if month else "")
    return f"{match[f'{name}y']}-{number}" if number else match[f"{name}y"]


def _month(name: str) -> int:
    return 1 + next(i for i, month in enumerate(_MONTHS) if month.startswith(name.casefold()))


def _next(date: str, step: int) -> str:
    """The year or month after (1) or before (-1) this one."""
    if len(date) == 4:
        return str(int(date) + step)
    year, month = divmod(12 * int(date[:4]) + int(date[5:]) - 1 + step, 12)
    return f"{year}-{month + 1:02}"


def _names(text: str, values: Values) -> Iterator[Read]:
    tables = {word: _table(word, values(word)) for word in NAMED.values()}
    taken = 0
    leads = sorted((m.start(), m.end(), word) for word, lead in _LEADS.items() for m in lead.finditer(text))
    for start, at, word in leads:
        if start < taken:
            continue
        end, terms = _longest(text, at, word, tables)
        while terms and (match := _AND.match(text, end)):
            more = _longest(text, match.end(), word, tables)
            if not more[1]:
                break
            end, terms = more[0], (*terms, *more[1])
        # "from Tracks" may be an author and a source: the one that holds more of the text, else the author.
        rivals = [_longest(text, other_at, other, tables)[0] for s, other_at, other in leads if s == start]
        if terms and end >= max(rivals):
            taken = end
            yield start, end + (text[end : end + 1] in ('"', "”", "’", "'")), terms


Table = dict[str, list[str]]  # a name as it may be typed -> the values that it stands for


def _table(word: str, known: Sequence[str]) -> Table:
    table: Table = {}
    for value in known:
        for name in dict.fromkeys([value, *_short_names(value)] if word == "author" else [value]):
            table.setdefault(name, []).append(value)
    return table


def _short_names(author: str) -> Iterator[str]:
    """Each person of an author's field, and each one's last name."""
    for person in _PEOPLE.split(author):
        if parts := person.split():
            yield person
            yield parts[-1]


def _longest(text: str, at: int, word: str, tables: dict[str, Table]) -> tuple[int, tuple[str, ...]]:
    """Where the longest name that begins here ends, and the terms that it stands for; none if there is no name."""
    best, meant = at, list[str]()
    for name, known in tables[word].items():
        end = at + len(name)
        if end > best and _is_name(text, at, end, name, word):
            best, meant = end, known
    return best, tuple(f"{word}={value}" for value in dict.fromkeys(meant))


def _is_name(text: str, at: int, end: int, name: str, word: str) -> bool:
    if text[at:end].casefold() != name.casefold() or re.match(r"-?\w|['’]s\b", text[end:]):
        return False
    if word == "tag" or " " in name:
        return True
    # A single word must look like a name: "from practice" is not from the newsletter Practice. Nor is it one where
    # the name goes on: "from London Business School" is not from Jack London.
    if re.match(r" \w\w", text[end:]) and text[end + 1].isupper():
        return False
    return len(name) >= _SHORTEST and not is_function(name) and (text[at].isupper() or not name[0].isupper())
