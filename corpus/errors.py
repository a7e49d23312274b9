"""Every error that a user can meet, in one tree. Each says what is wrong and what to do next.

    FootnotedError
    ├── UsageError      the request can't be carried out as given            exit code 2
    ├── LibraryError    the library on disk can't be read or written         exit code 3
    └── ModelError      a model is missing, changed, or doesn't answer       exit code 3

The tree stands in `corpus`, the lowest folder, because every folder raises from it.
"""


class FootnotedError(Exception):
    """A fault in words. `str(error)` is what the user reads: the problem, then the remedy."""

    exit_code = 3

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem = problem
        self.remedy = remedy


class UsageError(FootnotedError):
    """The request can't be carried out as given: an empty question, an unknown format, a missing file."""

    exit_code = 2


class LibraryError(FootnotedError):
    """The library can't be opened, read or written; what it held before is still there."""


class ModelError(FootnotedError):
    """A model's weights are missing or not the pinned ones, or its server doesn't answer."""
