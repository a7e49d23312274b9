"""`footnoted library add --dry-run`, `undo`, `export` and `edit`: what they print and what they refuse."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from corpus.edit import EDITABLE
from corpus.errors import UsageError
from corpus.export import EXPORTS, export_format, write_export
from corpus.imports import Outcome, Planned, plan, reported
from corpus.library import Library, library_path, open_library
from corpus.readers import Item, Problem
from ui import terminal


def dry_run(items: Iterable[Item], name: str | None) -> int:
    """Print what an import into the library of this name would do with each item, one a line; nothing is written."""
    path = library_path(name, create=True)
    if path is not None and not path.exists():
        report = reported(_printed(plan(items)))
        into = f"{path} would be made" if report.new else "No library would be made"
    else:
        with open_library(name if path is None else path) as library:
            report = reported(_printed(library.preview(items)))
            into = f"{library.name} is as it was"
    sys.stdout.write(f"Dry run: {terminal.counts(report)}. {into}.\n")
    return 0


def _printed(planned: Iterable[Planned]) -> Iterator[Planned]:
    """Outcome, id, the reason and the text by tabs; what can't be read goes to standard error as in an import."""
    for one in planned:
        if isinstance(one.item, Problem):
            terminal.show_problems([one.item])
        elif one.outcome is not Outcome.UNCHANGED:
            text = " ".join(one.item.text.split())
            sys.stdout.write(f"{one.outcome.value}\t{one.item.insight_id}\t{one.why}\t{text}\n")
        yield one


def undo(library: Library) -> int:
    """Take the last import back and say what became of its insights."""
    last = library.last_import()
    undone = library.undo_import(last.number if last else None)
    told = f" of {last.origin}" if last and last.origin else ""
    kept = f" {undone.kept} changed since and stayed." if undone.kept else ""
    sys.stdout.write(
        f"Undid the import{told}: {undone.removed} removed, {undone.restored} restored.{kept} "
        f"{library.name} now holds {terminal.counted(library.count())}.\n"
    )
    return 0


def export(library: Library, file: str, format_name: str | None, *, replace: bool) -> int:
    """Write all insights to a file; `-` is standard output, in the format that is named (JSONL if none is)."""
    if file == "-":
        chosen = export_format(Path("-.jsonl"), format_name)
        sys.stdout.writelines(EXPORTS[chosen](library.insights()))
        return 0
    path = Path(file)
    if path.exists() and path.samefile(library.path):
        raise UsageError(f"{path} is the library itself.", "Name another file.")
    count = write_export(path, library.insights(), export_format(path, format_name), replace=replace)
    sys.stdout.write(f"Wrote {terminal.counted(count)} of {library.name} to {path}.\n")
    return 0


def edit(library: Library, insight_id: str, pairs: Sequence[str]) -> int:
    """Change fields of an insight, each given as NAME=VALUE; an empty value clears it."""
    if not pairs:
        raise UsageError(
            "Nothing was given to change.", f"Use --set NAME=VALUE; the fields are: {', '.join(EDITABLE)}."
        )
    split = [pair.partition("=") for pair in pairs]
    if wrong := [name for name, equals, _ in split if not equals]:
        raise UsageError(f"--set {wrong[0]} has no value.", 'Write it as FIELD=VALUE, for example --set title="Rails".')
    after = library.edit(insight_id, {name.strip(): value for name, _, value in split})
    sys.stdout.write(f"Changed {after.insight_id} in {library.name}.\n")
    return 0
