"""`footnoted library add`: reading, storing and embedding with progress, and what is said at the end."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from corpus.errors import UsageError
from corpus.imports import Found
from corpus.insight import Insight
from corpus.items import Problem
from corpus.library import Library
from corpus.readers import Source, find_sources
from corpus.reading import read_sources, size_of
from rag.models import Report
from rag.workers import Workers, here
from ui import terminal
from ui.library_cli import ReadAs, dry_run

READING = "Reading and storing, in kB"
TELL_AFTER = 100_000  # bytes: a bar needs no more steps
INTERRUPTED = 130  # exit code
OVERHEAD = 40  # bytes that an insight takes in a file beside its text, about


@dataclass(frozen=True, slots=True)
class Adding:
    """What to read and how. `prune`: what the paths don't hold any more is removed."""

    paths: Sequence[Path]
    format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    prune: bool = False

    @property
    def origin(self) -> str:
        """The paths as they were given: by this the person knows the import."""
        return ", ".join(map(str, self.paths))

    @property
    def places(self) -> tuple[str, ...]:
        """The absolute paths."""
        return tuple(os.path.abspath(path) for path in self.paths)

    @property
    def pruned(self) -> tuple[str, ...]:
        """The absolute paths in which what is gone is looked for."""
        return self.places if self.prune else ()

    def sources(self) -> list[Source | Problem]:
        """The files. Raises UsageError for a path or format that can't be read at all."""
        return list(find_sources(self.paths, self.format, by_columns=bool(self.columns)))


def try_out(adding: Adding, library_name: str | None) -> int:
    """Say what would become of each item, and write nothing."""
    read_as = ReadAs()
    code = dry_run(read_sources(adding.sources(), adding.columns, read_as.count), library_name, adding.pruned)
    read_as.show()
    return code


def add(
    adding: Adding,
    open_own: Callable[[], Library],
    embed: Callable[[Library, Report, Workers], None],
    name_workers: Callable[[], Workers | None] = lambda: None,
) -> int:
    """Read the files, store what is new, embed it, and say what happened to every item.

    Before there is something to store no library is opened: an empty one would take the place of the insights that
    ship. Who interrupts it is told what is stored and how to go on.
    """
    read_as = ReadAs()
    sources = adding.sources()
    with ExitStack() as stack:
        with terminal.progress() as report:
            items = _with_progress(sources, read_sources(sources, adding.columns, read_as.count), report)
            before = _to_first(items)
            able = adding.prune or any(isinstance(found.item, Insight) for found in before)
            if able:
                workers = name_workers()
                library = stack.enter_context(open_own())
                try:
                    result = library.add(
                        chain(before, items),
                        origin=adding.origin,
                        resume="\n".join(adding.places),
                        prune=adding.pruned,
                    )
                except KeyboardInterrupt:
                    return _interrupted(library, "stored")
        if not able:
            terminal.show_problems(found.item for found in before if isinstance(found.item, Problem))
            read_as.show()
            raise UsageError("Nothing was added.", "Mend or leave out what is named above, then add it again.")
        read_as.show()
        terminal.show_report(result, library)
        try:
            if workers is not None or _lacks_vectors(library):
                # Ray tells of machines that died, and of their last words, on standard output.
                with terminal.progress() as report, redirect_stdout(sys.stderr):
                    embed(library, report, workers or here)
        except KeyboardInterrupt:
            return _interrupted(library, "stored but not all embedded")
    return 0


def _to_first(items: Iterator[Found]) -> list[Found]:
    """The items up to the first insight."""
    before = []
    for found in items:
        before.append(found)
        if isinstance(found.item, Insight):
            break
    return before


def _with_progress(sources: Iterable[Source | Problem], items: Iterable[Found], report: Report) -> Iterator[Found]:
    """The same items, telling how many bytes of the files are read: within a file by the texts that came from it."""
    sizes = {os.path.abspath(source.path): size_of(source.path) for source in sources if isinstance(source, Source)}
    total = max(1, sum(sizes.values()) // 1000)
    done = shown = within = 0
    place = ""
    for found in items:
        if found.place != place:
            done, within, place = done + sizes.get(place, 0), 0, found.place
        if isinstance(found.item, Insight):
            within += len(found.item.text.encode()) + OVERHEAD
        reached = done + min(within, sizes.get(place, 0))
        if reached - shown >= TELL_AFTER:
            shown = reached
            report(READING, reached // 1000, total)
        yield found


def _lacks_vectors(library: Library) -> bool:
    """Whether some passages have no vector: new ones, or those that a call left which was cut off."""
    return max((found.count for found in library.vector_sets()), default=0) < library.passage_count()


def _interrupted(library: Library, what: str) -> int:
    sys.stderr.write(
        f"\nStopped: {library.name} holds {terminal.counted(library.count())}, {what}. "
        "Give the same command again to go on.\n"
    )
    return INTERRUPTED


def embed_all(embedder_name: str, library: Library, report: Report, workers: Workers) -> None:
    """Give every passage a vector, and bring the index beside the library up to date."""
    from rag.embed import open_embedder
    from rag.index import open_index

    open_index(library, open_embedder(embedder_name, report), report=report, workers=workers)
