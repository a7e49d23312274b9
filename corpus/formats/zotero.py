"""Zotero: annotations, as the note made of them exports as Markdown, or as items of its API or of Better BibTeX JSON.

After notes and items that people published: in the note each annotation is a paragraph, “quoted words” ([Author, year,
p. 1](zotero://select/…)) ([pdf](zotero://open-pdf/…)) comment; older ones begin with a link "Go to annotation".
"""

import re
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path

from corpus.formats.json import parsed_json
from corpus.formats.markdown import markdown_with
from corpus.items import Item, Problem, located, made, of_text, own_words
from corpus.markdown import front_matter, plain_text, sections
from corpus.prose import paragraphs
from corpus.rows import as_string, fields_of

is_zotero_note = markdown_with(r"zotero://open(?:-pdf)?/")
_MARK = re.compile(r'"label"\s*:\s*"BetterBibTeX|"annotation(?:Type|Text|Comment)"\s*:|"itemType"\s*:')
_DEEPEST = 40  # levels of lists and objects in each other

_ADDRESS = re.compile(r"zotero://open(?:-pdf)?/(?:[^\s()]|\([^\s()]{0,300}\)){1,1000}")
_OPENED = re.compile(rf"\(?\[[^\]\n]{{0,200}}\]\({_ADDRESS.pattern}\)\)?")
_CITED = re.compile(r"\(\[([^\]\n]{1,500})\]\(zotero://select/[^)\s]{1,300}\)\)")
_QUOTED = re.compile(r"[“«„\"](.+)[”»“\"]$", re.DOTALL)
_KEY = re.compile(r"[?&]annotation=([A-Z0-9]{8})\b")
_PAGE = re.compile(r",?\s*\bp{1,2}\.\s*([^\s,)]{1,20})\s*$")
_TAGS = re.compile(r"(?:^|\s)Tags?:\s*([^\n]{1,500})$")


def is_zotero_json(start: str) -> bool:
    """Whether JSON that begins like this holds items of Zotero."""
    return bool(_MARK.search(start))


@of_text
def read_zotero_note(path: Path, text: str) -> Iterator[Item]:
    """Each paragraph with a link into a document is an insight: the quoted words, the comment after them as its note.

    Kept: who and which year as Zotero cites it, the page, the link that opens the place, the key of the annotation
    as id; the heading above as title. Other paragraphs, pictures too, are left out.
    """
    lines = text.split("\n")
    front, first = front_matter(lines)
    shared = {name: value for name, value in fields_of(front).items() if name in ("author", "source", "title", "date")}
    found = False
    for section in sections(lines, first):
        heading = plain_text([re.sub(r"\s*(?:<br.*|\(\d[^)]*\))$", "", section.heading)])
        heading = "" if heading.casefold() in ("annotations", "highlights") else heading
        for at, block in paragraphs(section.lines):
            joined = "\n".join(re.sub(r"^\s*(?:>\s?)*(?:[-*]\s+)?", "", line) for line in block)
            if "zotero://open" not in joined:
                continue
            for part in _split(joined):
                found = True
                yield _of_note(path, section.line + at - 1 + bool(section.level), part, heading, shared)
    if not found:
        yield Problem(path, 0, "There are no annotations in it. In Zotero, add a note from annotations, and export it.")


def _split(block: str) -> list[str]:
    """The annotations in a paragraph: a line each, if several lines have a link of their own."""
    lines = [line for line in block.split("\n") if line.strip()]
    return lines if len(lines) > 1 and all("zotero://open" in line for line in lines) else [block]


def _of_note(path: Path, line: int, block: str, heading: str, shared: Mapping[str, object]) -> Item:
    address, cited = _ADDRESS.search(block), _CITED.search(block)
    bare = re.sub(r"</?(?:mark|span|font)\b[^>]{0,300}>", "", _OPENED.sub("\0", _CITED.sub("\0", block)))
    words, _, comment = bare.lstrip("\0 \n").partition("\0")
    comment = comment.replace("\0", "").strip()
    if words.strip().casefold() in ("[image]", "[ink]"):
        words = ""
    if quoted := _QUOTED.match(words.strip()):
        words = quoted[1]
    elif bare.startswith("\0"):  # the link came first, and no quote after it
        words, comment = "", f"{words} {comment}".strip()
    tags = _TAGS.search(comment)
    note = plain_text((comment[: tags.start()] if tags else comment).split("\n"))
    text = plain_text(words.split("\n"))
    if not text and not note:
        return Problem(path, line, "This annotation is a picture: it has no words to find it by.")
    citation = plain_text([cited[1]]) if cited else ""
    key = _KEY.search(address[0]) if address else None
    page = _PAGE.search(citation) or (re.search(r"[?&]page=(\d{1,6})", address[0]) if address else None)
    who = _PAGE.sub("", citation)
    named = re.match(r"(.+?),\s*(?:\d{4}[a-z]?|n\.\s?d\.)$", who)
    source = as_string(shared.get("source") or shared.get("title")) or who.strip('“”"')
    return made(
        path,
        line,
        own_words(
            {
                "text": text,
                "note": note,
                "tags": [tag.strip() for tag in tags[1].split(";")] if tags else [],
                "insight_id": f"zotero-{key[1]}" if key else "",
                "title": located(heading, f"p. {page[1]}" if page else "", source),
                "author": shared.get("author") or (named[1] if named else ""),
                "source": source,
                "url": address[0] if address else "",
            }
        ),
    )


@of_text
def read_zotero_json(path: Path, text: str) -> Iterator[Item]:
    """Each annotation with words is an insight: the marked words, with the comment as its note; a note alone is text.

    It may be an item in a list, as the API gives them, or stand inside its document, as Better BibTeX writes it.
    Kept where given: the document's title and creators, page, tags, the day it was added, and the key as id.
    """
    try:
        data = parsed_json(text)
    except ValueError as error:
        yield Problem(path, 0, f"It is not whole JSON ({error}). Export it from Zotero again.")
        return
    known: dict[str, Mapping[str, object]] = {}
    annotations: list[tuple[Mapping[str, object], tuple[Mapping[str, object], ...]]] = []
    for item, above in _objects(data, ()):
        if "itemType" in item and isinstance(key := item.get("key"), str):
            known[key] = item
        if any(as_string(item.get(name)).strip() for name in ("annotationText", "annotationComment")):
            annotations.append((item, above))
    for number, (item, above) in enumerate(annotations, 1):
        insight = _of_item(path, item, [*_parents(item, known), *reversed(above)])
        if isinstance(insight, Problem):
            yield Problem(path, 0, f"Annotation {number}: {insight.reason}")
        else:
            yield insight
    if not annotations:
        yield Problem(
            path, 0, "There are no annotations in it. Export Better BibTeX JSON with notes, or items of Zotero's API."
        )


def _objects(
    data: object, above: tuple[Mapping[str, object], ...]
) -> Iterator[tuple[Mapping[str, object], tuple[Mapping[str, object], ...]]]:
    """Each object in JSON, with those that it stands in, the outermost first."""
    if isinstance(data, dict):
        yield data, above
        above = (*above, data)
    if isinstance(data, dict | list) and len(above) < _DEEPEST:
        for part in data.values() if isinstance(data, dict) else data:
            yield from _objects(part, above)


def _parents(item: Mapping[str, object], known: Mapping[str, Mapping[str, object]]) -> list[Mapping[str, object]]:
    """The attachment of an annotation and its document, by their keys."""
    parents: list[Mapping[str, object]] = []
    while len(parents) < 3 and isinstance(key := item.get("parentItem"), str) and key in known:
        item = known[key]
        parents.append(item)
    return parents


def _of_item(path: Path, item: Mapping[str, object], above: list[Mapping[str, object]]) -> Item:
    document = next((one for one in above if one.get("creators")), None) or next(
        (one for one in above if one.get("title") and one.get("itemType") != "attachment"), {}
    )
    words, comment = (_unmarked(item.get(name)) for name in ("annotationText", "annotationComment"))
    key, page = as_string(item.get("key")), as_string(item.get("annotationPageLabel"))
    doi = as_string(document.get("DOI"))
    tags = item.get("tags")
    return made(
        path,
        0,
        own_words(
            {
                "text": words,
                "note": comment,
                "insight_id": f"zotero-{key}" if key else "",
                "title": located("", f"p. {page}" if page else "", as_string(document.get("title"))),
                "author": _creators(document.get("creators")),
                "source": document.get("title"),
                "url": document.get("url") or (f"https://doi.org/{doi}" if doi else ""),
                "date": item.get("dateAdded"),
                "tags": [tag.get("tag") if isinstance(tag, dict) else tag for tag in tags if tag]
                if isinstance(tags, list)
                else [],
            }
        ),
    )


def _creators(value: object) -> str:
    people = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    authors = [one for one in people if one.get("creatorType") == "author"] or people
    names = (
        as_string(one.get("name")) or f"{as_string(one.get('firstName'))} {as_string(one.get('lastName'))}"
        for one in authors
    )
    return ", ".join(name.strip() for name in names if name.strip())


def _unmarked(value: object) -> str:
    """A text without the few tags that Zotero lets stand in it."""
    return unescape(re.sub(r"</?(?:p|b|i|u|sub|sup|span|br)\b[^<>]{0,300}>", "", as_string(value))).strip()
