"""Markdown: its front matter, and its paragraphs without their marks."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from corpus.insight import MAX_CHARACTERS
from corpus.prose import BULLET, ends_like_a_sentence, is_heading, paragraphs, unwrapped


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, quote, list item, table or code block, without Markdown's marks."""

    line: int  # on which it begins, from 1
    heading: str  # the nearest one above
    text: str
    kind: str  # "text", "quote", "item", "table" or "code"


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the lines below it, up to the next heading of any level."""

    line: int  # on which it begins, from 1
    level: int  # 1 for #, 2 for ##, …; 0 for what stands above the first heading
    heading: str  # with Markdown's marks
    lines: tuple[str, ...]


def front_matter(lines: Sequence[str]) -> tuple[dict[str, object], int]:
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
    return raw, end + 1


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def markdown_blocks(lines: Sequence[str], first: int) -> Iterator[Block]:
    """Each paragraph, quote, list item, table and code block, in order; `first` is the index to begin at."""
    heading = ""
    waiting: tuple[int, list[str]] | None = None  # a paragraph that ends in a colon waits for its list
    for number, block, is_code in _markdown_paragraphs(lines, first):
        is_list = bool(BULLET.match(block[0])) and not is_code
        if waiting and is_list:
            number, block, is_list = waiting[0], [*waiting[1], *block], False
        elif waiting:
            yield Block(waiting[0], heading, plain_text(waiting[1]), "text")
        waiting = None
        if is_code:
            yield Block(number, heading, "\n".join(block), "code")
        elif match := re.match(r"\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$", block[0]):
            heading = plain_text([match[1]])
        elif len(block) == 2 and re.fullmatch(r"=+|-+", block[1].strip()):
            heading = plain_text(block[:1])
        elif re.fullmatch(r"\s*([-*_])\s*(?:\1\s*){2,}", block[0]):
            continue
        elif is_list:
            yield from (Block(line, heading, text, "item") for line, text in _list_items(number, block))
        elif block[0].lstrip().startswith(">"):
            quoted = [re.sub(r"^\s*(?:>\s?)+", "", line) for line in block]
            for at, part in paragraphs(quoted):
                yield Block(number + at - 1, heading, plain_text(part), "quote")
        elif block[-1].rstrip().endswith(":") and not is_heading(block[0]):
            waiting = number, block
        elif len(block) > 1 or not is_heading(block[0]):
            kind = "table" if len(block) > 1 and block[0].lstrip().startswith("|") else "text"
            yield Block(number, heading, plain_text(block), kind)
    if waiting:
        yield Block(waiting[0], heading, plain_text(waiting[1]), "text")


def sections(lines: Sequence[str], first: int) -> Iterator[Section]:
    """The lines from the index `first` on, cut at headings that begin with #; a code block holds none."""
    begun, level, heading = first, 0, ""
    fence = ""
    for at in range(first, len(lines)):
        if mark := re.match(r"\s{0,3}(```+|~~~+)", lines[at]):
            fence = ("" if mark[1].startswith(fence) else fence) if fence else mark[1]
        elif not fence and (match := re.match(r"(#{1,6})\s+(.*?)\s*$", lines[at])):
            yield Section(begun + 1, level, heading, tuple(lines[begun + bool(level) : at]))
            begun, level, heading = at, len(match[1]), match[2]
    yield Section(begun + 1, level, heading, tuple(lines[begun + bool(level) :]))


def _markdown_paragraphs(lines: Sequence[str], first: int) -> Iterator[tuple[int, list[str], bool]]:
    """(line, lines, whether they are code): headings and rules stand alone, a fenced code block is one paragraph."""
    block: list[str] = []
    fence = ""
    for number, line in enumerate([*lines[first:], ""], first + 1):
        mark = re.match(r"\s{0,3}(```+|~~~+)", line)
        if fence:
            if not (mark and mark[1].startswith(fence) and not line.strip().strip("`~")):
                block.append(line)
                continue
            fence = ""
            if any(map(str.strip, block)):
                yield number - len(block), block, True
            block = []
            continue
        alone = re.match(r"\s{0,3}#{1,6}\s|\s*([-*_])\s*(?:\1\s*){2,}$", line)
        # Below a whole sentence `---` is meant to part two insights, though Markdown would make it a heading.
        underline = len(block) == 1 and re.fullmatch(r"=+|-+", line.strip()) and not ends_like_a_sentence(block[0])
        if block and (mark or not line.strip() or (alone and not underline)):
            yield number - len(block), block, False
            block = []
        if mark:
            fence = mark[1]
        elif alone and not underline:
            yield number, [line], False
        elif line.strip() and not re.fullmatch(r"\s*<!--.*-->\s*", line):
            block.append(line)
    if any(map(str.strip, block)):  # a code block that is never closed
        yield len(lines) - len(block) + 2, block, bool(fence)


def _list_items(number: int, block: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Each item at the outer level with what is nested in it; a list of mere catchwords stays together."""
    margin = len(block[0]) - len(block[0].lstrip())
    items: list[tuple[int, list[str]]] = []
    for at, line in enumerate(block):
        if BULLET.match(line) and len(line) - len(line.lstrip()) <= margin:
            items.append((number + at, []))
        items[-1][1].append(line)
    if all(len(lines) == 1 and is_heading(lines[0]) for _, lines in items):
        yield number, plain_text(block)
    else:
        yield from ((line, plain_text(lines)) for line, lines in items)


# Each repeat is bounded: a paragraph of nothing but opening marks must not take minutes.
_MARKS = (
    (re.compile(r"!?\[\[(?:[^\]|\n]{0,300}\|)?([^\]|\n]{1,300})\]\]"), r"\1"),  # [[page|shown]]
    (
        re.compile(r"!?\[([^\]\n]{0,1000})\]\((?:[^()\s]|\([^()\s]{0,300}\)){0,2000}(?:\s+\"[^\"\n]{0,300}\")?\)"),
        r"\1",
    ),  # [shown](address)
    (re.compile(r"(\*\*|__|==|~~)(?=\S)([^\n]{1,1000}?)(?<=\S)\1"), r"\2"),  # **strong**
    (re.compile(r"(?<![\w*\\])\*(?=[^\s*])([^*\n]+?)(?<=[^\s\\])\*(?![\w*])"), r"\1"),  # *stressed*
    (re.compile(r"(?<![\w_\\])_(?=[^\s_])([^_\n]+?)(?<=[^\s\\])_(?![\w_])"), r"\1"),  # _stressed_
    (re.compile(r"(?<!`)`([^`\n]{1,1000})`(?!`)"), r"\1"),  # `code`
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!>~|])"), r"\1"),  # \* is a plain star
)


def plain_text(lines: Sequence[str]) -> str:
    """The text of a block without Markdown's marks."""
    text = unwrapped(lines, hard_breaks=True)
    if len(text) > MAX_CHARACTERS:  # it will be refused: no need to look for marks in it
        return text
    text = "\n".join(BULLET.sub("", line, count=1) if BULLET.match(line) else line for line in text.split("\n"))
    for pattern, kept in _MARKS:
        text = pattern.sub(kept, text)
    return text
