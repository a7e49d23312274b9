"""BibTeX that Footnoted exported."""

from collections.abc import Iterator
from pathlib import Path

from corpus.bibtex import bibtex_entries, is_bibtex_export
from corpus.items import Item, Problem, made, of_text


@of_text
def read_bibtex(path: Path, text: str) -> Iterator[Item]:
    """Each entry is an insight, with all its fields."""
    if not is_bibtex_export(text):
        yield Problem(
            path,
            0,
            "It is not BibTeX that Footnoted exported: a list of references holds no insights. Zotero exports yours.",
        )
        return
    found = False
    for line, fields in bibtex_entries(text):
        found = True
        yield made(path, line, fields) if fields else Problem(path, line, "This entry is damaged: a brace is missing.")
    if not found:
        yield Problem(path, 0, "There are no insights in it.")
