"""The parts that a report's sections are put together from."""

from collections.abc import Sequence

from eval.markup import Html, tag
from eval.stages import GOOD


def section(id_: str, title: str, *parts: Html) -> Html:
    """A section with its heading; the contents link to its id."""
    return tag("section", tag("h2", title, id=f"{id_}-h"), *parts, id=id_, aria_labelledby=f"{id_}-h")


def table(caption: str, columns: Sequence[str | tuple[str, str]], bodies: Sequence[Html]) -> Html:
    """A table in a box of its own, which scrolls where the screen is narrower.

    Columns hold numbers; a pair names another kind: "words", or "wide" for what only says again what another says, and
    stays away on a narrow screen.
    """
    heads = []
    for column in columns:
        name, kind = (column, "n") if isinstance(column, str) else column
        heads.append(tag("th" if name else "td", name, scope="col" if name else None, class_=kind))
    body = tag("table", tag("caption", caption), tag("thead", tag("tr", *heads)), *bodies)
    return tag("div", body, class_="scroll", role="group", aria_label=caption, tabindex="0")


def line(head: str | Html, *cells: str, free: bool = False) -> Html:
    """A line of a table: its heading, then numbers. `free` is for a heading whose text isn't ours."""
    return tag("tr", tag("th", head, scope="row", dir="auto" if free else None), *map(cell, cells))


def cell(text: str) -> Html:
    """A number in a table."""
    return tag("td", text, class_="n")


def code(name: str) -> Html:
    """A measure's name, which may be broken after its underscores."""
    parts = [part for piece in name.split("_") for part in ("_", tag("wbr"), piece)]
    return tag("code", *parts[2:])


def behind(title: str, content: Html) -> Html:
    """What is there to be opened: the numbers of a chart."""
    return tag("details", tag("summary", title), content, class_="numbers")


def sign(stage: str) -> Html:
    """Whether a stage is one where nothing was lost, for the eye; the stage's name says it to everybody."""
    good = stage in GOOD
    return tag("span", "✓" if good else "✗", class_="sign good" if good else "sign lost", aria_hidden="true")


def capital(text: str) -> str:
    """The text with a large first letter."""
    return text[:1].upper() + text[1:]
