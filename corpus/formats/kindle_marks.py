"""What Kindle says about a highlight or a note, in nine languages: its kind, place, date and author, and which note
belongs to which highlight."""

import re
import unicodedata
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from corpus.items import located, own_words

HIGHLIGHT, NOTE, BOOKMARK = "highlight", "note", "bookmark"
# English, German, French, Spanish, Italian, Portuguese, Dutch, Japanese, Chinese.
_KIND = re.compile(
    r"(?P<highlight>\b(?:highlight|clip(?:ping)?|markierung|surlign(?:ement|age)|subrayado|resaltado|evidenziazione|"
    r"destaque|realce|markering)\b|ハイライト|标注|標註)"
    r"|(?P<note>\b(?:note|notiz|nota|notitie|aantekening)\b|メモ|笔记|筆記)"
    r"|(?P<bookmark>\b(?:bookmark|lesezeichen|signet|marcador|segnalibro|bladwijzer)\b|ブックマーク|书签|書籤)"
)
_PAGE = re.compile(
    r"\b(?:page|seite|página|pagina)\s+(\d+|[ivxlcdm]+)(?:-(\d+|[ivxlcdm]+))?\b"
    r"|(\d+|[ivxlcdm]+)ページ|ページ\s*(\d+|[ivxlcdm]+)|第\s*(\d+|[ivxlcdm]+)(?:\s*-\s*(\d+|[ivxlcdm]+))?\s*[页頁]"
)
_LOCATION = re.compile(
    r"(?:\bloc(?:ation|atie|\.)?|\bposi(?:tion|ción|zione|ção)|\bemplacement|位置(?:no\.)?)"
    r"\s*#?(\d[\d,]*)(?:\s*-\s*#?(\d[\d,]*))?"
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar jänner janvier enero gennaio janeiro januari",
            "february februar février febrero febbraio fevereiro februari",
            "march märz mars marzo março maart",
            "april avril abril aprile",
            "may mai mayo maggio maio mei",
            "june juni juin junio giugno junho",
            "july juli juillet julio luglio julho",
            "august août agosto augustus",
            "september septembre septiembre settembre setembro",
            "october oktober octobre octubre ottobre outubro",
            "november novembre noviembre novembro",
            "december dezember décembre diciembre dicembre dezembro",
        ),
        1,
    )
    for name in names.split()
}
_DAY_FIRST = re.compile(r"\b(\d{1,2})(?:\.|er)?\s+(?:de\s+)?([^\W\d_]+),?\s+(?:de\s+)?(\d{4}|\d{2})(?![\d:])")
_MONTH_FIRST = re.compile(r"\b([^\W\d_]+)\s+(\d{1,2}),\s+(\d{4})\b")
_YEAR_FIRST = re.compile(r"(\d{4})年\s*(\d{1,2})月\s*(\d{1,2})日")
_COMPANY = re.compile(r"\b(?:inc|ltd|llc|gmbh|jr|sr|ph\.?d|m\.?d|ed|eds)\.?$", re.IGNORECASE)
_BYTES_PER_LOCATION = 100  # a location is 128 bytes of the book, marks of its layout included
_LONGEST = 200  # locations that a highlight is taken to reach over
_TRIED = 20  # highlights that begin at one place, before a note and after it


@dataclass(frozen=True, slots=True)
class Mark:
    """A highlight, note or bookmark."""

    line: int  # of the file, from 1
    kind: str  # HIGHLIGHT, NOTE, BOOKMARK, or "" if it is none that we know
    book: str
    author: str
    text: str
    page: str = ""
    start: int = 0  # locations; 0: not known
    end: int = 0
    chapter: str = ""
    day: str = ""  # ISO date


def folded(text: str) -> str:
    """A line as the patterns here expect it: half-width, composed, in small letters."""
    return unicodedata.normalize("NFKC", text).casefold()


def kind_of(line: str) -> str:
    """What the line above a clipping says that it is; "" if it doesn't."""
    found = _KIND.search(folded(line))
    return found.lastgroup or "" if found else ""


def page_in(line: str) -> str:
    """The page that a line names last: "12", "ix" or "12-14"; "" if it names none."""
    pages = [[part for part in match.groups() if part] for match in _PAGE.finditer(folded(line))]
    return "-".join(dict.fromkeys(pages[-1])) if pages else ""


def locations_in(line: str) -> tuple[int, int]:
    """First and last location that a line names (the second may be shortened: 433-34); zeros if it names none."""
    found = list(_LOCATION.finditer(folded(line)))
    if not found:
        return 0, 0
    first = found[-1][1].replace(",", "")
    last = (found[-1][2] or first).replace(",", "")
    if len(last) < len(first):
        last = first[: len(first) - len(last)] + last
    return _number(first), max(_number(first), _number(last))


def _number(digits: str) -> int:
    return int(digits[:9])


def date_in(line: str) -> str:
    """The ISO date that a line names; "" if it names none."""
    text = folded(line)
    for match in _YEAR_FIRST.finditer(text):
        return _iso(match[1], int(match[2]), match[3])
    for match in _DAY_FIRST.finditer(text):
        if match[2] in _MONTHS:
            return _iso(match[3], _MONTHS[match[2]], match[1])
    for match in _MONTH_FIRST.finditer(text):
        if match[1] in _MONTHS:
            return _iso(match[3], _MONTHS[match[1]], match[2])
    return ""


def _iso(year: str, month: int, day: str) -> str:
    try:
        return date(int(year) + (2000 if len(year) == 2 else 0), month, int(day)).isoformat()
    except ValueError:
        return ""


def authors_in(text: str) -> str:
    """Names as other apps write them: "Sacks, Oliver;Mann, Thomas" is Oliver Sacks, Thomas Mann."""
    names = []
    for name in filter(None, map(str.strip, text.split(";"))):
        last, comma, first = (part.strip() for part in name.partition(","))
        turned = comma and first and "," not in first and not _COMPANY.search(first)
        names.append(f"{first} {last}" if turned else name)
    return ", ".join(names)


def fields_of_marks(marks: Sequence[Mark]) -> Iterator[tuple[Mark, dict[str, object]]]:
    """The fields of an insight for each highlight, with its notes, and for each note that has none, in order."""
    notes = _notes_of(marks)
    joined = {at for belonging in notes.values() for at in belonging}
    for at, mark in enumerate(marks):
        if mark.kind == HIGHLIGHT or (mark.kind == NOTE and at not in joined):
            place = f"p. {mark.page}" if mark.page else _range(mark)
            said = "\n".join(dict.fromkeys(marks[other].text for other in notes.get(at, ()) if marks[other].text))
            fields: dict[str, object] = {"source": mark.book, "author": mark.author, "date": mark.day}
            fields |= {"title": located(mark.chapter, place, mark.book)}
            fields |= {"text": mark.text, "note": said} if mark.kind == HIGHLIGHT else {"note": mark.text}
            yield mark, own_words(fields)


def _range(mark: Mark) -> str:
    if not mark.start:
        return ""
    return f"loc. {mark.start}-{mark.end}" if mark.end > mark.start else f"loc. {mark.start}"


def _notes_of(marks: Sequence[Mark]) -> dict[int, list[int]]:
    """The place in `marks` of each highlight with notes -> the places of these.

    A note stands at the last location of its highlight. Where several highlights hold that place, it goes to one that
    ends there, else to the nearest in the file. Without locations (a PDF) the page decides.
    """
    beginning: dict[tuple[str, int | str], list[int]] = defaultdict(list)  # where highlights begin -> these, in order
    for at, mark in enumerate(marks):
        if mark.kind == HIGHLIGHT:
            beginning[mark.book, mark.start or mark.page].append(at)
    notes: dict[int, list[int]] = defaultdict(list)
    for at, mark in enumerate(marks):
        if mark.kind == NOTE and (mark.start or mark.page):
            starts = range(mark.start, max(mark.start - _LONGEST, 0), -1) if mark.start else [mark.page]
            able = [
                other
                for start in starts
                for other in _around(beginning.get((mark.book, start), ()), at)
                if not mark.start or _reach(marks[other]) >= mark.start
            ]
            if able:
                nearest = min(able, key=lambda one: (marks[one].end != mark.start, abs(one - at), one > at))
                notes[nearest].append(at)
    return notes


def _around(places: Sequence[int], at: int) -> Sequence[int]:
    """Those near `at`: a file in which thousands begin at one place must not take minutes."""
    middle = bisect(places, at)
    return places[max(middle - _TRIED, 0) : middle + _TRIED]


def _reach(mark: Mark) -> int:
    """The last location of a highlight: as it is said, else as its text is long."""
    length = len(mark.text.encode("utf-8", "replace")) // _BYTES_PER_LOCATION + 1
    return mark.end if mark.end > mark.start else mark.start + length
