"""Notes of an Obsidian vault, or of any folder of Markdown that links and tags as Obsidian does.

The marks are those of Obsidian's own help: properties at the top, [[page|shown]], ![[embeds]], %%comments%%, callouts,
#tags, ^block-ids; and `key:: value` lines, which the Dataview plugin reads.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

from corpus.formats.markdown import markdown_with
from corpus.formats.text import only_headings
from corpus.items import Item, Problem, file_title, made, of_text
from corpus.markdown import Block, front_matter, markdown_blocks, plain_text
from corpus.prose import ends_like_a_sentence
from corpus.rows import ALIASES, as_string, as_tags, fields_of, plain_key

is_obsidian = markdown_with(
    r"\[\[[^\[\]\n]{1,300}\]\]"  # a link
    r"|^\s*>\s*\[!\w[\w-]*\]"  # a callout
    r"|%%[^%\n]{0,1000}%%"  # a comment
    r"|\S[ \t]+\^[A-Za-z0-9-]{1,40}[ \t]*$"  # a block id
    r"|^```dataview"
)

_CALLOUT = re.compile(r"\s*(?:>\s?)+\[!([\w-]+)[^\]\n]*\][+-]?[ \t]*(.*)$")
_TAG = re.compile(r"(?<![\w&/#\]\[(\"'])#(?=[\w/-]*[^\W\d])([\w/-]{1,100})")
_ONLY_TAGS = re.compile(r"\s*(?:#[\w/-]{1,100}[\s,]*)+$")
_PROPERTY = re.compile(r"\s*(?:[-*]\s+)?\**([A-Za-z][\w -]{0,40}?)\**::\s*(.*?)\s*$")
_PLACEHOLDER = re.compile(r"<%[^\n]{0,300}%>|\{\{\s*(?:title|date|time)\b[^}\n]{0,100}\}\}", re.IGNORECASE)
_FENCE = re.compile(r"\s{0,3}(```+|~~~+)\s*([\w-]*)")
_NOT_TEXT = ("dataview", "dataviewjs", "query", "tasks", "button", "tracker", "chart", "mermaid", "toc", "excalidraw")
_SAID = re.compile(r"(?<=[\s])(?:[—–]|--)\s*([^\W\d_a-z][^\n—–]{0,100}[^\s.!?])$")  # "— Seneca" ends a quote


@dataclass(frozen=True, slots=True)
class _Page:
    lines: list[str]  # what isn't text is gone from them, their numbers are as in the file
    first: int  # index of the first line after the properties
    shared: Mapping[str, object]  # fields that all insights of the page have
    tags: list[str]  # of the page
    tags_at: Mapping[int, list[str]]  # line, from 1 -> the tags on it
    callouts: Mapping[int, tuple[str, str]]  # line, from 1 -> kind and title


@of_text
def read_obsidian(path: Path, text: str) -> Iterator[Item]:
    """Each paragraph, quote, callout or item of a list is an insight; the heading above is its title, else the page.

    Where as many quotes as paragraphs of the person's own stand below a heading, the own words after a quote are its
    note. Tags of the page and of the paragraph are kept, comments, embeds and queries are left out. A template is a
    Problem.
    """
    lines = text.split("\n")
    if _PLACEHOLDER.search(text):
        yield Problem(path, 0, "It is a template: its marks stand for what Obsidian fills in when a note is made.")
        return
    if "excalidraw-plugin" in text[:2000]:
        yield Problem(path, 0, "It is a drawing: there is no text in it to quote.")
        return
    page = _page(path, lines)
    found = False
    for block, note, tags, said, title in _insights(page):
        found = True
        fields = dict(page.shared) | {"text": block.text, "note": note, "tags": [*page.tags, *tags]}
        if said:
            fields["author"] = said
        if heading := title or block.heading:
            name = as_string(fields.get("title"))
            fields |= {"title": heading, "source": fields.get("source") or (name if name != heading else "")}
        yield made(path, block.line, fields)
    if not found:
        yield only_headings(path)


def _page(path: Path, lines: Sequence[str]) -> _Page:
    front, first = front_matter(lines)
    kept, properties = _without_marks(lines, first)
    shared = {
        name: _shown(value)
        for name, value in fields_of({**properties, **front}).items()
        if name not in ("text", "insight_id", "note", "tags")
    }
    address = as_string(shared.get("source"))
    if re.match(r"https?://\S+$", address):
        shared.pop("source")
        shared.setdefault("url", address)
    page_name = file_title(path)
    aliases = front.get("aliases", front.get("alias", ""))
    other = as_string(aliases[0] if isinstance(aliases, list) and aliases else aliases)
    if other and not re.search(r"[^\W\d_]", page_name):  # the file is called by a number: 202405111030
        page_name = other
    if not shared.get("title") and page_name:
        shared["title"] = page_name
    tags = [*_tags(front.get("tags", front.get("tag"))), *_tags(properties.get("tags", properties.get("tag")))]
    tags_at: dict[int, list[str]] = {}
    callouts: dict[int, tuple[str, str]] = {}
    for at, (line, language) in enumerate(zip(kept, _code(kept, first), strict=True)):
        if at < first or language is not None:
            continue
        if match := _CALLOUT.match(line):
            callouts[at + 1] = match[1].casefold(), plain_text([_untagged(match[2])])
            kept[at] = ">"
        elif _ONLY_TAGS.match(line):
            tags += _TAG.findall(line)
            kept[at] = ""
        elif found := _TAG.findall(line):
            tags_at[at + 1] = found
            kept[at] = _untagged(line)
    return _Page(kept, first, shared, tags, tags_at, callouts)


def _code(lines: Sequence[str], first: int) -> list[str | None]:
    """For each line that belongs to a code block the language that this names; None for the others."""
    languages: list[str | None] = []
    fence, language = "", ""
    for at, line in enumerate(lines):
        mark = _FENCE.match(line) if at >= first else None
        if mark and not fence:
            fence, language = mark[1], mark[2].casefold()
            languages.append(language)
            continue
        languages.append(language if fence else None)
        if mark and mark[1].startswith(fence) and not line.strip().strip("`~"):
            fence = ""
    return languages


def _without_marks(lines: Sequence[str], first: int) -> tuple[list[str], dict[str, object]]:
    """The lines without comments, embeds, pictures, block ids, queries and properties; the properties."""
    kept = list(lines)
    properties: dict[str, object] = {}
    in_comment = False
    for at, language in enumerate(_code(lines, first)):
        if at < first or language is not None:
            kept[at] = "" if language in _NOT_TEXT else kept[at]
            continue
        line = kept[at]
        parts = line.split("%%")
        line = "".join(part for number, part in enumerate(parts) if in_comment == bool(number % 2))
        in_comment ^= len(parts) % 2 == 0
        line = re.sub(r"!\[\[[^\]\n]{1,500}\]\]|!\[[^\]\n]{0,500}\]\([^)\n]{0,2000}\)", "", line)
        line = re.sub(r"(?:^|(?<=\s))\^[A-Za-z0-9-]{1,40}\s*$", "", line)
        if (pair := _PROPERTY.match(line)) and not line.lstrip().startswith(">"):
            if plain_key(pair[1]) in ALIASES and pair[2]:
                properties.setdefault(pair[1], pair[2])
            line = ""
        kept[at] = line
    return kept, properties


def _insights(page: _Page) -> Iterator[tuple[Block, str, list[str], str, str]]:
    """(block, the person's note on it, its tags, who said it, its callout's title) of each insight of a page."""
    joined = _joined(page)
    starts = [*(block.line for _, block in joined), len(page.lines) + 1]
    tags = [
        [tag for line in range(start, end) for tag in page.tags_at.get(line, ())] for start, end in pairwise(starts)
    ]
    for _, part in groupby(range(len(joined)), key=lambda at: joined[at][1].heading):
        places = list(part)
        blocks = [joined[place] for place in places]
        quoted = [block.kind == "quote" and callout[0] in ("", "quote", "cite") for callout, block in blocks]
        notes = _notes(blocks, quoted)
        taken = {at for remarks in notes.values() for at in remarks}
        for at, ((_, title), block) in enumerate(blocks):
            if at in taken:
                continue
            text, said = _by_whom(block.text) if quoted[at] else (block.text, "")
            remarks = notes.get(at, [])
            note = "\n\n".join(blocks[remark][1].text for remark in remarks)
            marks = [tag for one in (at, *remarks) for tag in tags[places[one]]]
            yield replace(block, text=text), note, marks, said, title


def _notes(blocks: Sequence[tuple[tuple[str, str], Block]], quoted: Sequence[bool]) -> dict[int, list[int]]:
    """Place of a quote -> the places of the person's own words on it, among the blocks below one heading."""
    leads = [
        not is_quote and follows and block.text.endswith(":")
        for is_quote, follows, (_, block) in zip(quoted, [*quoted[1:], False], blocks, strict=True)
    ]
    own = sum(
        not (quoted[at] or leads[at] or (block.kind == "item" and at and blocks[at - 1][1].kind == "item"))
        for at, (_, block) in enumerate(blocks)
    )
    notes: dict[int, list[int]] = {}
    if sum(quoted) < own:  # it is a text of the person's own, with quotes in it
        return notes
    last = -1
    for at in range(len(blocks)):
        if quoted[at]:
            last = at
        elif leads[at]:
            notes.setdefault(at + 1, []).append(at)
        elif last >= 0:
            notes.setdefault(last, []).append(at)
    return notes


def _joined(page: _Page) -> list[tuple[tuple[str, str], Block]]:
    """The blocks, the paragraphs of one quote or callout put together, each with its callout's kind and title."""
    begins: list[int] = []  # line, from 0 -> the line on which its quote begins, from 1
    for at, line in enumerate(page.lines):
        goes_on = at > 0 and page.lines[at - 1].lstrip().startswith(">") and at + 1 not in page.callouts
        begins.append(begins[-1] if goes_on and line.lstrip().startswith(">") else at + 1)
    joined: list[tuple[tuple[str, str], Block]] = []
    blocks = list(markdown_blocks(page.lines, page.first))
    starts = [begins[block.line - 1] if block.kind == "quote" else -at for at, block in enumerate(blocks)]
    for start, part in groupby(zip(starts, blocks, strict=True), key=lambda pair: pair[0]):
        quote = [block for _, block in part]
        text = "\n\n".join(block.text for block in quote)
        joined.append((page.callouts.get(start, ("", "")), replace(quote[0], text=text)))
    return joined


def _by_whom(text: str) -> tuple[str, str]:
    """A quote without its last line, if that names who said it, and the name."""
    match = _SAID.search(text)
    if match and len(match[1].split()) <= 8 and ends_like_a_sentence(text[: match.start()]):
        return text[: match.start()].rstrip(), match[1]
    return text, ""


def _untagged(text: str) -> str:
    """A text without the tags at its end; within it a tag is a word."""
    text = re.sub(r"(?<!\s)(?:\s+#[\w/-]{0,100}[^\W\d][\w/-]{0,100})+\s*$", "", text)
    return _TAG.sub(r"\1", text)


def _tags(value: object) -> list[str]:
    if isinstance(value, str) and not re.search(r"[,;]", value):
        value = value.split()
    return [tag for tag in as_tags(value) if tag]


def _shown(value: object) -> object:
    """A property without the marks of links; a list stays one."""
    if isinstance(value, list):
        return [_shown(part) for part in value]
    return re.sub(r"\[*(?:[^\[\]|]*\|)?([^\[\]|]*)\]*", r"\1", as_string(value)).strip() if "[" in str(value) else value
