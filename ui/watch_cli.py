"""`footnoted library watch`: looks at a folder every few seconds and keeps a library in step with it.

It compares names, times and sizes, on every system and network disk alike. A file is read once it is the same at two
looks one after the other: not while an app is still writing it.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from corpus.errors import FootnotedError, UsageError
from corpus.imports import Report
from corpus.insight import Insight
from corpus.library import Library
from corpus.readers import READABLE, find_sources
from corpus.reading import read_sources
from rag.embed import Embedder, open_embedder
from rag.index import open_index
from ui import terminal

SECONDS = 2.0  # between two looks
Look = dict[str, tuple[int, int]]  # a file's absolute path -> when it was changed, in ns, and its size


def embedding(embedder_name: str) -> Callable[[Library], None]:
    """What embeds whatever a library lacks. The model is loaded when something has to be embedded, and kept."""
    loaded: list[Embedder] = []

    def embed(library: Library) -> None:
        with terminal.progress() as report:
            if not loaded:
                loaded.append(open_embedder(embedder_name, report))
            open_index(library, loaded[0], report=report)

    return embed


def watch(
    folder: Path,
    open_own: Callable[[], Library],
    embed: Callable[[Library], None],
    *,
    prune: bool = False,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Bring the library in step with the folder, again and again until Ctrl-C. Raises UsageError if it is no folder."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.", "To add a file: footnoted library add FILE")
    _say(f"Watching {folder}. Ctrl-C ends it.")
    library: Library | None = None
    known: Look = {}  # as it was when it was read
    before: Look = {}
    whole = True  # at first all is read: what changed while nobody watched is found too
    told = ""  # the fault that was told last: once is enough
    try:
        while True:
            now = look(folder)
            changed, gone = differences(known, before, now)
            before = now
            if (changed or gone) and (not whole or len(changed) == len(now)):
                try:
                    scope = [str(folder)] if whole else [*changed, *gone]
                    library = _follow(folder, changed, scope if prune else [], library, open_own, embed)
                    known |= {path: now[path] for path in changed}
                    known = {path: seen for path, seen in known.items() if path not in gone}
                    whole, told = False, ""
                except FootnotedError as error:
                    if told != (told := str(error)):
                        sys.stderr.write(f"footnoted: {error} It is tried again.\n")
            pause(SECONDS)
    except KeyboardInterrupt:
        holds = f" {library.name} holds {terminal.counted(library.count())}." if library else ""
        _say(f"Stopped watching {folder}.{holds}")
        return 0
    finally:
        if library:
            library.close()


def look(folder: Path) -> Look:
    """The files that can be read in a folder, without hidden ones; none if the folder is away for the moment."""
    found: Look = {}
    for parent, folders, names in os.walk(os.path.abspath(folder)):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = os.path.join(parent, name)
            try:
                state = os.stat(path)
            except OSError:  # gone since it was listed
                continue
            if not name.startswith(".") and path.casefold().endswith(READABLE):
                found[path] = (state.st_mtime_ns, state.st_size)
    return found


def differences(known: Look, before: Look, now: Look) -> tuple[list[str], list[str]]:
    """The files that aren't as they are known and were the same at the last look; and those gone at both looks.

    If all are gone the disk is, most likely: that is no difference.
    """
    changed = [path for path, state in now.items() if known.get(path) != state and before.get(path) == state]
    gone = [path for path in known if path not in now and path not in before] if now else []
    return sorted(changed), gone


def _follow(
    folder: Path,
    changed: Iterable[str],
    scope: list[str],
    library: Library | None,
    open_own: Callable[[], Library],
    embed: Callable[[Library], None],
) -> Library | None:
    """Read the files that changed, store and embed; the library, which is made when there is something for it."""
    sources = list(find_sources([Path(path) for path in changed]))
    found = list(read_sources(sources, {}, lambda source, count: None))
    if library is None and not any(isinstance(one.item, Insight) for one in found):
        return None
    library = library or open_own()
    report = library.add(found, origin=str(folder), prune=[os.path.abspath(path) for path in scope])
    terminal.show_problems(report.unreadable)
    if _is_worth_telling(report):
        terminal.show_report(report, library, problems=False)
        embed(library)
    return library


def _is_worth_telling(report: Report) -> bool:
    return bool(report.new or report.changed or report.removed)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
