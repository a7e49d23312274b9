"""Readers for the formats people keep insights in: READERS maps a format to `reader(path) -> insights and problems`.

A new format is one function, one entry in READERS and its file extensions in EXTENSIONS. A reader never stops at an
item that it can't read: it yields a Problem for it and goes on.
"""

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.errors import UsageError
from corpus.insight import Insight, make_insight
from corpus.plaintext import Unreadable, holds_broken_bytes, load_text

Blocks = Iterator[tuple[int, str]]  # the line (from 1) on which a paragraph begins, and the paragraph


@dataclass(frozen=True, slots=True)
class Problem:
    """One item, or one whole file, that couldn't be read."""

    path: Path
    line: int  # from 1; 0 means the file as a whole
    reason: str  # a full sentence or two: what is wrong, and what to do if there is something

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.reason}" if self.line else f"{self.path}: {self.reason}"


Item = Insight | Problem
Reader = Callable[[Path], Iterator[Item]]


def read_paths(paths: Sequence[Path], format: str | None = None) -> Iterator[Item]:  # noqa: A002 - the user's own word
    """The insights in files and folders, in order; what can't be read becomes a Problem.

    Folders are read recursively, sorted by name, without hidden files. `format` overrides the file extensions.
    Raises UsageError at once if the format is unknown, or if a named file's extension is.
    """
    if format is not None and format not in READERS:
        raise UsageError(f'"{format}" is not a format.', f"The formats are: {', '.join(READERS)}.")
    for path in paths:
        if format is None and _format_of(path) is None and not path.is_dir():
            raise UsageError(
                f"{path} has a file name that tells no known format.",
                f"Rename it to end in {', '.join(EXTENSIONS)}, or name its format: {', '.join(READERS)}.",
            )
    return _read_all(paths, format)


def _read_all(paths: Sequence[Path], format_name: str | None) -> Iterator[Item]:
    for path in paths:
        if not path.is_dir():
            yield from READERS[format_name or _format_of(path) or "text"](path)
            continue
        files = 0
        for file in _files_in(path):
            files += 1
            chosen = format_name or (_format_of(file) if isinstance(file, Path) else None)
            if isinstance(file, Problem):
                yield file
            elif chosen is None:
                yield Problem(file, 0, f"Its name tells no known format ({', '.join(EXTENSIONS)}).")
            else:
                yield from READERS[chosen](file)
        if not files:
            yield Problem(path, 0, "There are no files in this folder.")


def _files_in(folder: Path) -> Iterator[Path | Problem]:
    faults: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=faults.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))
    for fault in faults:
        yield Problem(Path(fault.filename or folder), 0, f"This folder can't be read: {fault.strerror}.")


def _format_of(path: Path) -> str | None:
    return EXTENSIONS.get(path.suffix.casefold())


# Text and Markdown: paragraphs with an empty line between them.


def read_text(path: Path) -> Iterator[Item]:
    """Each paragraph is an insight. Headings, short lines that don't end like a sentence, are left out.

    If no empty line stands between them and every line ends like a sentence, each line is an insight.
    """
    try:
        text = load_text(path)
    except Unreadable as fault:
        yield Problem(path, 0, str(fault))
        return
    lines = text.split("\n")
    paragraphs = list(_paragraphs(lines))
    if len(paragraphs) == 1 and all(_ends_like_a_sentence(line) for line in lines if line.strip()):
        paragraphs = [(number, [line]) for number, line in enumerate(lines, 1) if line.strip()]
    found = 0
    for number, paragraph in paragraphs:
        if len(paragraph) == 1 and is_heading(paragraph[0]):
            continue
        found += 1
        yield _made(path, number, {"text": unwrapped(paragraph)})
    if not found:
        yield _only_headings(path)


def read_markdown(path: Path) -> Iterator[Item]:
    """Each paragraph, block quote or item of a list is an insight; the nearest heading above is its title.

    A list belongs to the paragraph above it if no empty line stands between them or that paragraph ends in a colon.
    Front matter gives author, source, title, url, date and tags to all. Code blocks are kept as text.
    """
    try:
        text = load_text(path)
    except Unreadable as fault:
        yield Problem(path, 0, str(fault))
        return
    lines = text.split("\n")
    front, body = _front_matter(lines)
    found = 0
    for number, heading, paragraph in _markdown_blocks(lines, body):
        found += 1
        fields = dict(front, text=paragraph)
        if heading:
            fields["title"] = heading
            fields["source"] = front.get("source") or front.get("title", "")
        yield _made(path, number, fields)
    if not found:
        yield _only_headings(path)


def is_heading(line: str) -> bool:
    """A line that stands alone, has at most 8 words and 80 characters, and doesn't end like a sentence."""
    return len(line.split()) <= 8 and len(line.strip()) <= 80 and not _ends_like_a_sentence(line)


def _ends_like_a_sentence(line: str) -> bool:
    return bool(re.search(r"[.!?…。！？][\s\"'”’»)\]*_]*$", line))


def _only_headings(path: Path) -> Problem:
    return Problem(
        path,
        0,
        "There are no insights in it, only headings: short lines that don't end like a sentence. "
        "End each insight with a full stop and put an empty line between two.",
    )


def _paragraphs(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    paragraph: list[str] = []
    for number, line in enumerate([*lines, ""], 1):
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            yield number - len(paragraph), paragraph
            paragraph = []


_BULLET = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?(?=\S)")


def unwrapped(lines: Iterable[str]) -> str:
    """Join the lines of a paragraph that an editor wrapped; list items and table rows keep their own lines."""
    text = ""
    for line in lines:
        own_line = _BULLET.match(line) or line.lstrip().startswith("|") or text.endswith("\n")
        text = f"{text.rstrip()}\n{line.strip()}" if text and own_line else f"{text} {line.strip()}"
        if line.endswith(("  ", "\\")):  # Markdown's line break
            text = text.removesuffix("\\").rstrip() + "\n"
    return text.strip()


def _front_matter(lines: Sequence[str]) -> tuple[dict[str, object], int]:
    """The simple `key: value` lines between two lines of `---` at the top, and the index of the first line after."""
    if not lines or lines[0].strip() != "---":
        return {}, 0
    end = next((i for i, line in enumerate(lines[1:], 1) if line.strip() in ("---", "...")), None)
    if end is None or not any(re.match(r"[\w -]+:", line) for line in lines[1:end]):
        return {}, 0
    raw: dict[str, object] = {}
    key = ""
    for line in lines[1:end]:
        if pair := re.match(r"([\w -]+?)\s*:\s*(.*)$", line):
            key, value = pair[1], pair[2].strip()
            listed = value.startswith("[") and value.endswith("]")
            raw[key] = [_unquoted(part) for part in value[1:-1].split(",")] if listed else _unquoted(value)
        elif (item := re.match(r"\s*-\s+(.*)$", line)) and key:
            before = raw.get(key)
            raw[key] = [*(before if isinstance(before, list) else []), _unquoted(item[1])]
    fields = _fields(raw)
    return {name: value for name, value in fields.items() if name not in ("text", "insight_id", "note")}, end + 1


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _markdown_blocks(lines: Sequence[str], first: int) -> Iterator[tuple[int, str, str]]:
    """(line, heading above, text) of each paragraph, quote, list item and code block."""
    heading = ""
    waiting: tuple[int, list[str]] | None = None  # a paragraph that ends in a colon waits for its list
    for number, block in _markdown_paragraphs(lines, first):
        is_list = bool(_BULLET.match(block[0]))
        if waiting and is_list:
            number, block, is_list = waiting[0], [*waiting[1], *block], False
        elif waiting:
            yield waiting[0], heading, _plain(waiting[1])
        waiting = None
        if match := re.match(r"\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$", block[0]):
            heading = _plain([match[1]])
        elif len(block) == 2 and re.fullmatch(r"=+|-+", block[1].strip()):
            heading = _plain(block[:1])
        elif re.fullmatch(r"\s*([-*_])\s*(?:\1\s*){2,}", block[0]):
            continue
        elif is_list:
            yield from ((line, heading, text) for line, text in _list_items(number, block))
        elif block[0].lstrip().startswith(">"):
            quoted = [re.sub(r"^\s*(?:>\s?)+", "", line) for line in block]
            yield from ((number + at - 1, heading, _plain(part)) for at, part in _paragraphs(quoted))
        elif block[-1].rstrip().endswith(":") and not is_heading(block[0]):
            waiting = number, block
        elif len(block) > 1 or not is_heading(block[0]):
            yield number, heading, _plain(block)
    if waiting:
        yield waiting[0], heading, _plain(waiting[1])


def _markdown_paragraphs(lines: Sequence[str], first: int) -> Iterator[tuple[int, list[str]]]:
    """Paragraphs as in plain text, but headings and rules stand alone and a fenced code block is one paragraph."""
    block: list[str] = []
    fence = ""
    for number, line in enumerate([*lines[first:], ""], first + 1):
        mark = re.match(r"\s{0,3}(```+|~~~+)", line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip("`~"):
                fence = ""
            else:
                block.append(f"{line}  ")  # its line breaks stay
            continue
        alone = re.match(r"\s{0,3}#{1,6}\s|\s*([-*_])\s*(?:\1\s*){2,}$", line)
        underline = len(block) == 1 and re.fullmatch(r"=+|-+", line.strip())
        if block and (mark or not line.strip() or (alone and not underline)):
            yield number - len(block), block
            block = []
        if mark:
            fence = mark[1]
        elif alone and not underline:
            yield number, [line]
        elif line.strip() and not re.fullmatch(r"\s*<!--.*-->\s*", line):
            block.append(line)
    if block:
        yield len(lines) - len(block) + 1, block


def _list_items(number: int, block: Sequence[str]) -> Blocks:
    """Each item at the outer level with what is nested in it; a list of mere catchwords stays together."""
    margin = len(block[0]) - len(block[0].lstrip())
    items: list[tuple[int, list[str]]] = []
    for at, line in enumerate(block):
        if _BULLET.match(line) and len(line) - len(line.lstrip()) <= margin:
            items.append((number + at, []))
        items[-1][1].append(line)
    if all(len(lines) == 1 and is_heading(lines[0]) for _, lines in items):
        yield number, _plain(block)
    else:
        yield from ((line, _plain(lines)) for line, lines in items)


_MARKS = (
    (re.compile(r"!?\[\[(?:[^\]|\n]*\|)?([^\]|\n]+)\]\]"), r"\1"),  # [[page|shown]]
    (re.compile(r"!?\[([^\]\n]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+\"[^\"\n]*\")?\)"), r"\1"),  # [shown](address)
    (re.compile(r"(\*\*|__|==|~~)(?=\S)([^\n]+?)(?<=\S)\1"), r"\2"),  # **strong**
    (re.compile(r"(?<![\w*\\])\*(?=[^\s*])([^*\n]+?)(?<=[^\s\\])\*(?![\w*])"), r"\1"),  # *stressed*
    (re.compile(r"(?<![\w_\\])_(?=[^\s_])([^_\n]+?)(?<=[^\s\\])_(?![\w_])"), r"\1"),  # _stressed_
    (re.compile(r"(?<!`)`([^`\n]+)`(?!`)"), r"\1"),  # `code`
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!>~|])"), r"\1"),  # \* is a plain star
)


def _plain(lines: Sequence[str]) -> str:
    """The text of a block without Markdown's marks."""
    text = unwrapped(lines)
    text = "\n".join(_BULLET.sub("", line, count=1) if _BULLET.match(line) else line for line in text.split("\n"))
    for pattern, kept in _MARKS:
        text = pattern.sub(kept, text)
    return text


# JSON and CSV: fields with names.


def read_jsonl(path: Path) -> Iterator[Item]:
    """One JSON object (or string) a line."""
    try:
        text = load_text(path)
    except Unreadable as fault:
        yield Problem(path, 0, str(fault))
        return
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: U+2028 may stand inside a JSON string
        if not line.strip():
            continue
        try:
            yield _from_json(path, number, _parsed(line))
        except ValueError as error:
            yield Problem(path, number, f"This line is not whole JSON ({error}).")


def read_json(path: Path) -> Iterator[Item]:
    """A list of objects (or strings), or an object whose "insights" is such a list."""
    try:
        text = load_text(path)
        data = _parsed(text)
    except Unreadable as fault:
        yield Problem(path, 0, str(fault))
        return
    except ValueError as error:
        yield Problem(path, 0, f"It is not whole JSON ({error}). Save it again, or use JSON Lines, one insight a line.")
        return
    rows = data.get("insights") if isinstance(data, dict) else data
    if not isinstance(rows, list):
        yield Problem(path, 0, 'It holds no list of insights. Make it a list, or an object with a list "insights".')
    elif not rows:
        yield Problem(path, 0, "There are no insights in it: its list is empty.")
    else:
        for number, row in enumerate(rows, 1):
            item = _from_json(path, 0, row)
            yield Problem(path, 0, f"Item {number}: {item.reason}") if isinstance(item, Problem) else item


def read_csv(path: Path) -> Iterator[Item]:
    """One insight a row; the first row names the columns. The delimiter is the one that the first row uses."""
    try:
        text = load_text(path)
    except Unreadable as fault:
        yield Problem(path, 0, str(fault))
        return
    skipped = 0
    if hint := re.match(r"sep=(.)\r?\n", text, re.IGNORECASE):  # Excel's own way to name the delimiter
        text, skipped = text[hint.end() :], 1
    delimiter = hint[1] if hint else _delimiter(text.lstrip("\r\n"))
    rows = _rows(text, delimiter)
    if delimiter == "\t" and any(isinstance(row, csv.Error) for _, row in rows):
        rows = _rows(text, delimiter, quoted=False)  # tab-separated files often hold bare quotation marks
    if not rows:
        yield Problem(path, 0, "There are no rows in it.")
        return
    (_, header), *rest = rows
    names = [] if isinstance(header, csv.Error) else header
    if "text" not in {ALIASES.get(_key(name)) for name in names}:
        yield Problem(
            path,
            0,
            "It has no column of insights. Let its first row name the columns, and call that column "
            f"one of {', '.join(name for name, field in ALIASES.items() if field == 'text')}.",
        )
        return
    if not rest:
        yield Problem(path, 0, "There are no rows below the names of the columns.")
    for number, row in rest:
        if isinstance(row, csv.Error):
            yield Problem(path, number + skipped, f"This row can't be read ({row}).")
        else:
            yield _made(path, number + skipped, _fields(dict(_pairs(names, row))))


# Common column and key names, best first where several are there; "_", "-" and case make no difference.
ALIASES: dict[str, str] = {
    alias: field
    for field, aliases in {
        "text": ("text", "insight", "highlight", "quote", "content", "passage", "excerpt", "snippet", "body"),
        "insight_id": ("insight id", "id", "highlight id", "uuid", "guid"),
        "title": ("title", "heading", "chapter", "episode"),
        "author": ("author", "authors", "book author", "speaker"),
        "source": ("source", "book", "book title", "show", "podcast", "document", "publication"),
        "url": ("url", "link", "source url", "highlight url"),
        "date": ("date", "highlighted at", "created at", "created", "saved at", "added at"),
        "tags": ("tags", "tag", "labels", "keywords", "topics"),
        "note": ("note", "notes", "comment", "remark"),
    }.items()
    for alias in aliases
}


def _key(name: str) -> str:
    return " ".join(re.split(r"[\s_\-]+", name.strip().casefold()))


def _pairs(names: Sequence[str], row: Sequence[str]) -> Iterator[tuple[str, str]]:
    # Of two columns with one name the first that isn't empty counts: dict() keeps the last pair, so they go backwards.
    return ((name, value) for name, value in reversed(list(zip(names, row, strict=False))) if value.strip())


def _delimiter(text: str) -> str:
    """The delimiter that makes most of the first row's parts known names of columns."""
    first = io.StringIO(text, newline="").readline()

    def known(delimiter: str) -> int:
        return sum(_key(name) in ALIASES for row in csv.reader([first], delimiter=delimiter) for name in row)

    return max(",;\t|", key=known)


def _rows(text: str, delimiter: str, *, quoted: bool = True) -> list[tuple[int, list[str] | csv.Error]]:
    """(line on which it begins, row) of each row that isn't empty; a row that can't be read is its error."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    lines = io.StringIO(text, newline="")
    if quoted:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
    else:
        reader = csv.reader(lines, delimiter=delimiter, strict=True, quoting=csv.QUOTE_NONE)
    rows: list[tuple[int, list[str] | csv.Error]] = []
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return rows
        except csv.Error as error:
            rows.append((number, error))
        else:
            if any(value.strip() for value in row):
                rows.append((number, row))


def _parsed(text: str) -> object:
    try:
        data: object = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return data


def _from_json(path: Path, line: int, row: object) -> Item:
    if isinstance(row, str):
        return _made(path, line, {"text": row})
    if not isinstance(row, dict):
        return Problem(path, line, 'This is not an insight: it needs the form {"text": "…"}.')
    return _made(path, line, _fields(row))


def _fields(row: Mapping[str, object]) -> dict[str, object]:
    """The fields of an insight that a row has under one of their common names."""
    by_key = {_key(name): value for name, value in row.items() if value not in (None, "", [])}
    fields: dict[str, object] = {}
    for alias, field in ALIASES.items():
        if alias in by_key:
            fields.setdefault(field, by_key[alias])
    return fields


def _made(path: Path, line: int, fields: Mapping[str, object]) -> Item:
    text = fields.get("text", "")
    if not isinstance(text, str):
        return Problem(path, line, "The text of this insight is not a string.")
    words = {name: _string(value) for name, value in fields.items() if name not in ("text", "tags", "date")}
    tags = _tags(fields.get("tags", ()))
    if any(map(holds_broken_bytes, (text, *words.values(), *tags))):
        return Problem(path, line, "This insight holds bytes that are not UTF-8. Save the file as UTF-8.")
    try:
        return make_insight(text, tags=tags, date=_iso_date(_string(fields.get("date", ""))), **words)
    except UsageError as error:
        return Problem(path, line, str(error))


def _string(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_string, value))
    return value if isinstance(value, str) else "" if value is None else str(value)


def _tags(value: object) -> list[str]:
    """A list as it is; a string is cut at commas and semicolons. "#tag" is "tag"."""
    if isinstance(value, list):
        parts = [_string(part.get("name", "") if isinstance(part, dict) else part) for part in value]
    else:
        parts = re.split(r"[,;]", _string(value)) if value else []
    return [part.strip().removeprefix("#") for part in parts]


def _iso_date(value: str) -> str:
    """The date without its time, in hyphens; a form other than year first is left as it is, so nothing is lost."""
    match = re.match(r"\s*(\d{4})(?:[-/](\d{2})(?:[-/](\d{2}))?)?(?=$|[\sT])", value)
    return "-".join(part for part in match.groups() if part) if match else value


READERS: dict[str, Reader] = {
    "text": read_text,
    "markdown": read_markdown,
    "jsonl": read_jsonl,
    "json": read_json,
    "csv": read_csv,
}
EXTENSIONS: dict[str, str] = {
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
}
