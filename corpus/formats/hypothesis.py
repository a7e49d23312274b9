"""Hypothesis: its annotations as JSON, from the sidebar's Export or from its API.

After the API's description and the client's own tests: the API gives {"rows": […]}, the client {"annotations": […]}.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from corpus.formats.json import parsed_json
from corpus.items import Item, Problem, located, made, of_text
from corpus.markdown import plain_text
from corpus.prose import paragraphs
from corpus.rows import as_string

_MARK = re.compile(r'"TextQuoteSelector"|"user"\s*:\s*"acct:|"export_userid"\s*:')


def is_hypothesis(start: str) -> bool:
    """Whether JSON that begins like this holds annotations of Hypothesis."""
    return bool(_MARK.search(start))


@of_text
def read_hypothesis(path: Path, text: str) -> Iterator[Item]:
    """Each annotation is an insight: the quoted words, with what the person wrote as its note.

    A note on a whole page, or an answer to another's, has no quote: its own words are the insight, its writer the
    author. Kept: the page's title as source, the address, the day, the tags, and the id.
    """
    try:
        data = parsed_json(text)
    except ValueError as error:
        yield Problem(path, 0, f"It is not whole JSON ({error}). Export it from Hypothesis again.")
        return
    rows = data if isinstance(data, list) else None
    if isinstance(data, dict):
        rows = next((data[key] for key in ("rows", "annotations") if isinstance(data.get(key), list)), [data])
    if not rows:
        yield Problem(path, 0, "There are no annotations in it.")
        return
    for number, row in enumerate(rows, 1):
        item = _insight(path, row) if isinstance(row, dict) else Problem(path, 0, "It is not an annotation.")
        yield Problem(path, 0, f"Annotation {number}: {item.reason}") if isinstance(item, Problem) else item


def _insight(path: Path, row: Mapping[str, object]) -> Item:
    selectors = [selector for target in _maps(row.get("target")) for selector in _maps(target.get("selector"))]
    quote = next((words for words in (as_string(selector.get("exact")) for selector in selectors) if words), "")
    page = next((words for words in (_label(selector) for selector in selectors) if words), "")
    own = "\n\n".join(plain_text(lines) for _, lines in paragraphs(as_string(row.get("text")).split("\n")))
    writer = re.sub(r"^acct:|@[^@]*$", "", as_string(row.get("user")))
    names = next(iter(_maps(row.get("user_info"))), {})
    document = next(iter(_maps(row.get("document"))), {})
    number = as_string(row.get("id"))
    return made(
        path,
        0,
        {
            "text": quote or own,
            "note": own if quote else "",
            "insight_id": f"hypothesis-{number}" if number else "",
            "title": located("", page, as_string(document.get("title"))),
            "source": document.get("title"),
            "author": "" if quote else as_string(names.get("display_name")) or writer,
            "url": row.get("uri"),
            "date": row.get("created"),
            "tags": row.get("tags") if isinstance(row.get("tags"), list) else [],
        },
    )


def _label(selector: Mapping[str, object]) -> str:
    label = as_string(selector.get("label")) if selector.get("type") == "PageSelector" else ""
    return f"p. {label}" if label else ""


def _maps(value: object) -> list[Mapping[str, object]]:
    """The objects in a list, or the object itself."""
    return [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, dict)]
