"""`footnoted library add --dry-run`, `undo`, `export`, `edit`, `backup` and `restore`: what they print and refuse."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from corpus.copies import back_up
from corpus.copies import restore as restored
from corpus.edit import EDITABLE
from corpus.errors import UsageError
from corpus.export import EXPORTS, export_format, write_export
from corpus.imports import Found, Outcome, Planned, plan, reported
from corpus.items import Item, Problem
from corpus.library import Library, library_address, library_path, open_library
from corpus.migrate import migrate as migrated
from corpus.readers import FORMATS, Source
from corpus.sqlite import SqliteLibrary
from rag.config import Config
from ui import terminal

SERVER_TOOLS = "Use the server's own tools, pg_dump and pg_restore: docs/postgres.md says how."


@dataclass(frozen=True, slots=True)
class ReadAs:
    """As what the files of an import were read: counted for each path that was named, and each format."""

    files: Counter[tuple[Path, str]] = field(default_factory=Counter)
    insights: Counter[tuple[Path, str]] = field(default_factory=Counter)

    def count(self, source: Source, insights: int) -> None:
        """Take note of one file."""
        self.files[source.named, source.format_name] += 1
        self.insights[source.named, source.format_name] += insights

    def show(self) -> None:
        """One line for each path and format, on standard error: standard output is for programs."""
        for (path, name), files in self.files.items():
            of = f"{files:,} file{'s' * (files != 1)}, " if path.is_dir() else ""
            insights = terminal.counted(self.insights[path, name])
            sys.stderr.write(f"{path}: {FORMATS[name].title}, {of}{insights}\n")
        sys.stderr.flush()


def dry_run(items: Iterable[Item | Found], name: str | None, prune: Sequence[str] = ()) -> int:
    """Print what an import into the library of this name would do with each item, one a line; nothing is written.

    `prune`: the absolute paths in which what is gone would be removed.
    """
    path = library_path(name, create=True)
    if path is not None and not path.exists():
        report = reported(_printed(plan(items)))
        into = f"{path} would be made" if report.new else "No library would be made"
    else:
        with open_library(name if path is None else path) as library:
            report = reported(_printed(library.preview(items, prune)))
            into = f"{library.name} is as it was"
    sys.stdout.write(f"Dry run: {terminal.counts(report)}. {into}.\n")
    if report.near:
        sys.stdout.write(f"{terminal.near_duplicates(report, 'would be linked')}\n")
    return 0


def _printed(planned: Iterable[Planned]) -> Iterator[Planned]:
    """Outcome, id, the reason and the text by tabs; what can't be read goes to standard error as in an import."""
    for one in planned:
        if isinstance(one.item, Problem):
            terminal.show_problems([one.item])
        elif one.outcome is not Outcome.UNCHANGED:
            text = " ".join(one.item.text.split())
            near = f" It is nearly the same as {', '.join(one.near)}." if one.near else ""
            sys.stdout.write(f"{one.outcome.value}\t{one.item.insight_id}\t{one.why}{near}\t{text}\n")
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
        sys.stdout.writelines(EXPORTS[chosen].write(library.insights()))
        return 0
    path = Path(file)
    if path.exists() and library.path.exists() and path.samefile(library.path):
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


def migrate(source: str, target: str) -> int:
    """Copy a library from a file to a server or back, and print what was compared."""
    with terminal.progress() as report:
        one, other, sums = migrated(source, target, lambda done, total: report("Copying the insights", done, total))
    for table, found in sums.items():
        sys.stdout.write(f"{table:<9} {found.rows:>9,}  {found.checksum[:16]}\n")
    copied = terminal.counted(sums["insights"].rows)
    sys.stdout.write(f"{other} holds {copied}, those of {one}: the checksums are the same on both sides.\n")
    return 0


def backup(library: Library, file: Path, *, vectors: bool, replace: bool) -> int:
    """Copy the library into a file while others may use it."""
    if not isinstance(library, SqliteLibrary):
        raise UsageError(f"{library.name} is kept by a database server.", SERVER_TOOLS)
    count = back_up(library.path, file, vectors=vectors, replace=replace)
    size = file.stat().st_size / 1_000_000
    sys.stdout.write(f"Backed up {terminal.counted(count)} of {library.name} to {file}, {size:,.1f} MB.\n")
    return 0


def restore(name: str | None, file: Path, config: Config) -> int:
    """Put a backup in the place of what the library of this name holds, and embed what comes without vectors."""
    from rag.embed import open_embedder
    from rag.index import open_index

    if library_address(name) is not None:
        raise UsageError("This library is kept by a database server.", SERVER_TOOLS)
    path = library_path(name, create=True)
    if path is None:
        raise UsageError("The insights that ship can't be replaced.", "Name a library of your own with --library.")
    done = restored(path, file)
    sys.stdout.write(f"{path} now holds {terminal.counted(done.insights)}, those of {file}.\n")
    if done.kept is not None:
        sys.stdout.write(f"What it held before is kept in {done.kept}.\n")
    sys.stdout.flush()
    with open_library(path) as library:
        if all(found.count < library.passage_count() for found in library.vector_sets()):
            with terminal.progress() as report:
                open_index(library, open_embedder(config.embedder, report), report=report)
    return 0
