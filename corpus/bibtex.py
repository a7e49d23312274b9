"""BibTeX, an entry an insight, so that Zotero, JabRef and LaTeX can cite it; and the same entries read back.

An insight's text is the abstract, the person's note the annotation, its source `howpublished`, its tags the keywords.
"""

import re
from collections.abc import Iterator, Mapping

from corpus.insight import first_words
from corpus.rows import as_string

MARK = "% Footnoted export 1. Each entry is an insight: the abstract is its text, annote the note on it."
_BEGINS = "% Footnoted export "
_FIELDS = {  # field of an insight -> BibTeX's
    "title": "title",
    "author": "author",
    "source": "howpublished",
    "url": "url",
    "date": "date",
    "tags": "keywords",
    "text": "abstract",
    "note": "annote",
}
_ID, _FROM_TEXT = "footnotedid", "footnotedtitle"  # what the key can't hold; that the title is not the insight's own
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,199}")
_MACROS = {"\\": "textbackslash", "~": "textasciitilde", "^": "textasciicircum"}
_BRACES = {"{": "textbraceleft", "}": "textbraceright"}
_SIGNS = {macro: sign for sign, macro in {**_MACROS, **_BRACES}.items()}
_ENTRY = re.compile(r"^@(\w+)\s*\{\s*([^\s,{}]*)\s*,", re.MULTILINE)
_FIELD = re.compile(r"[\s,]*([A-Za-z]+)\s*=\s*\{")


def bibtex_entry(number: int, fields: Mapping[str, object]) -> str:
    """The entry of an insight, the `number`th; `fields` are its fields, the tags as one string."""
    insight_id = as_string(fields.get("insight_id"))
    is_key = _KEY.fullmatch(insight_id)
    written: dict[str, str] = {} if is_key else {_ID: insight_id}
    for name, field in _FIELDS.items():
        if value := as_string(fields.get(name)):
            written[field] = value
        elif name == "title":  # a list of entries without titles can't be read
            written |= {"title": first_words(as_string(fields.get("text"))), _FROM_TEXT: "1"}
    if year := re.match(r"\d{4}(?!\d)", written.get("date", "")):
        written["year"] = year[0]
    lines = [f"@misc{{{insight_id if is_key else f'insight-{number}'},\n"]
    for field, value in written.items():
        text = (
            value if field == "url" and not re.search(r"[{}\\\s]", value) else _escaped(value)
        )  # it is taken as it is
        lines.append(f"  {field} = {{{f'{{{text}}}' if field == 'author' else text}}},\n")  # in two: it is one name
    return "".join([*lines, "}\n"])


def is_bibtex_export(text: str) -> bool:
    """Whether BibTeX was written by us."""
    return text.startswith(_BEGINS)


def bibtex_entries(text: str) -> Iterator[tuple[int, dict[str, object] | None]]:
    """(line from 1, fields of the insight) of each entry in BibTeX that we wrote; None if it isn't whole any more."""
    at, line = 0, 1
    while entry := _ENTRY.search(text, at):
        line += text.count("\n", at, entry.start())
        found, end = _fields(text, entry.end())
        if entry[1].casefold() == "misc":
            yield line, _insight(entry[2], found) if found is not None else None
        line += text.count("\n", entry.start(), end)
        at = end


def _insight(key: str, found: Mapping[str, str]) -> dict[str, object]:
    fields: dict[str, object] = {name: found[field] for name, field in _FIELDS.items() if field in found}
    fields["insight_id"] = found.get(_ID, key)
    if _FROM_TEXT in found:
        del fields["title"]
    return fields


def _fields(text: str, at: int) -> tuple[dict[str, str] | None, int]:
    """The fields of an entry from here on, and where it ends; None and where it may go on if it isn't whole."""
    found: dict[str, str] = {}
    while field := _FIELD.match(text, at):
        end = _closed(text, field.end())
        if end is None:
            return None, field.end()
        value = text[field.end() : end]
        if field[1].casefold() == "author" and value.startswith("{") and value.endswith("}"):
            value = value[1:-1]
        found[field[1].casefold()] = _unescaped(value)
        at = end + 1
    end_of_entry = re.compile(r"[\s,]*\}").match(text, at)
    return (found, end_of_entry.end()) if end_of_entry else (None, at)


def _closed(text: str, at: int) -> int | None:
    """Where the brace is that closes the one before `at`; None if the next entry begins first."""
    depth = 1
    for sign in re.compile(r"[{}]|\n@").finditer(text, at):
        if sign[0] == "\n@":
            return None
        depth += 1 if sign[0] == "{" else -1
        if not depth:
            return sign.start()
    return None


def _escaped(value: str) -> str:
    """A text in LaTeX. BibTeX counts even escaped braces: those that have no partner are named by macros.

    No line of it begins with @, so that it is seen where the next entry begins, even if a brace is lost.
    """
    depth, balanced = 0, True
    for sign in re.findall(r"[{}]", value):
        depth += 1 if sign == "{" else -1
        balanced &= depth >= 0
    macros = _MACROS if balanced and not depth else {**_MACROS, **_BRACES}

    def one(match: re.Match[str]) -> str:
        macro = macros.get(match[0])
        return f"\\{macro}{{}}" if macro else f"\\{match[0]}"

    return re.sub(r"[\\~^{}&%$#_]", one, value).replace("\n@", "\n{}@")


def _unescaped(text: str) -> str:
    """What `_escaped` was given."""
    return re.sub(
        r"\\(text[a-z]+)\{\}|\\([{}&%$#_])",
        lambda match: match[2] or _SIGNS.get(match[1], match[0]),
        text.replace("\n{}@", "\n@"),
    )
