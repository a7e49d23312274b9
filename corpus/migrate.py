"""`footnoted library migrate`: copy a library from a file to a server, or back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

from corpus.database import Database
from corpus.errors import UsageError
from corpus.library import library_address, library_path, open_library
from corpus.transfer import Store, Sum, transfer
from corpus.transfer_sqlite import SqliteStore


def migrate(
    source: str, target: str, report: Callable[[int, int], None] = lambda done, total: None
) -> tuple[str, str, dict[str, Sum]]:
    """Copy a library; the names of both, fit to be shown, and the checksums of what is the same in both.

    The target is made if it isn't there. Raises UsageError if it holds something else, and LibraryError if either can't
    be opened, or if the source was changed meanwhile. What was broken off goes on with the next call.
    """
    if library_address(target) is None and library_path(target) is None:
        raise UsageError("The insights that ship can't be the target.", "Name a library's file, or a server.")
    with ExitStack() as stack:
        one = stack.enter_context(_opened(source))
        other = stack.enter_context(_opened(target, create=True))
        return one.name, other.name, transfer(one, other, report)


@contextmanager
def _opened(name: str, *, create: bool = False) -> Iterator[Store]:
    # Opened as a library first: that checks it, makes it or brings it up to date.
    with open_library(name, create=create) as library:
        if create and library.read_only:
            library.remove([])  # which says why nothing can be written
        if (address := library_address(name)) is None:
            with closing(Database(library.path)) as database:
                yield SqliteStore(database, library.name)
            return
    from corpus.postgres_address import parse_address
    from corpus.postgres_servers import Servers
    from corpus.transfer_postgres import PostgresStore

    with closing(Servers(parse_address(address, replicas=""))) as servers:
        yield PostgresStore(servers)
