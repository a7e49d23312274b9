"""A filter read from the words of a question: "What did I save from Kahneman in 2024?"

It is read conservatively. A year or a name in a question is mostly what it is about, so they count as a filter only
where the question speaks of saving, or of the notes themselves; a name, only if the library has it and if it stands
behind "from", "by" or the like; dates are read in rag/dates.py. A tag written as #tag counts anywhere. What was read is
cut from what is searched for. English only.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from corpus.filters import EVERYTHING, NAMED, Filter, filter_of
from rag.dates import read_dates
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
# Relative dates are read more cautiously: "What did I save last week?", but not "What should I read this week?", nor
# "Do my notes say why prices rose last year?".
_PAST = re.compile(
    r"\b(?:did|have|had) I(?: \w+)? (?:saved?|keep|kept|highlight(?:ed)?|noted?|mark(?:ed)?|clip(?:ped)?|collect(?:ed)?"
    r"|add(?:ed)?|bookmark(?:ed)?|wr(?:ite|ote|itten) down|read)\b"
    r"|\bI(?:['’](?:ve|d)| have| had)?(?: \w+)? (?:saved|kept|highlighted|noted|marked|clipped|collected|added"
    r"|bookmarked|wr(?:ote|itten) down)\b"
    r"|\bI(?:['’]ve| have| had) read\b|\b(?:that|what|everything|things?) I read\b",
    re.I,
)
_NOTES = re.compile(r"\b(?:notes|highlights|insights|quotes|clippings|bookmarks)\b", re.I)
_CLAUSE = re.compile(  # from here on it is told what is sought, not when it was saved
    r"\b(?:why|how|whether|because|what|who|when|where|says?|said|tells?|mentions?|claims?|explains?|shows?|describes?"
    r"|argues?|thinks?|covers?|discuss(?:es)?|suggests?|(?:dis)?agrees?|contradicts?|supports?|predicts?|does|did|has"
    r"|happen(?:s|ed)?|(?:is|are|was|were)(?=\s*\S))\b",
    re.I,
)

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


def understood(
    question: str, filters: Filter, values: Values, *, as_typed: bool = False, today: date | None = None
) -> Asked:
    """The question with the filter that was chosen and the one that its words say; `as_typed`: these say none.

    "Last week" counts from `today` (default: this machine's).
    """
    query = question
    if not as_typed:
        query, said = read_filter(question, values, today)
        filters = filters.joined(said)
    left = [word.casefold() for word in words(query) if not is_function(word)]
    nothing = set(left) <= _FRAME if left else query != question  # "#rail" alone asks for what is tagged so
    return Asked(query, filters, only=bool(filters) and nothing)


def read_filter(question: str, values: Values, today: date | None = None) -> tuple[str, Filter]:
    """What is left of a question that stands alone, and the filter that was read; itself and none, mostly."""
    found: list[Read] = []
    text = question
    now = today or date.today()
    readers: list[Callable[[str], Iterator[Read]]] = [lambda text: _hashtags(text, values)]
    if _SAVED.search(question):
        readers.append(lambda text: read_dates(text, now, _may_be_relative(question)))
        readers.append(lambda text: _names(text, values))
    for reader in readers:
        for start, end, terms in reader(text):
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


def _may_be_relative(text: str) -> Callable[[int, str], bool]:
    """Whether a relative date at this place, behind this lead, may say when something was saved."""
    past, notes = _PAST.search(text), _NOTES.search(text)

    def may(start: int, lead: str) -> bool:
        said = past or notes
        if said is None or _CLAUSE.search(text[said.end() : start]):
            return False
        # "insights in the last week" are meant if it stands there at once; later on it may be what they are about.
        return bool(past) or lead in ("from", "since", "before", "between") or start == said.end() + 1

    return may


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
