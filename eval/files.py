"""Files of JSON, whole or a line at a time, plain or gzipped. A fault is a sentence with the file, the line and why."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from corpus.errors import UsageError

T = TypeVar("T")
MOST = 1_000  # faults that are looked for in one file: who has more knows enough


class Faults(UsageError):
    """Lines of a file that can't be read. It says what the first one's fault is; `each` are all, one a line."""

    def __init__(self, each: Sequence[UsageError]) -> None:
        super().__init__(each[0].problem, each[0].remedy)
        self.each = tuple(each)


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Add the place to whatever is wrong inside."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{where}: {error.problem}", error.remedy) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: {error}.", "Mend it or leave it out.") from error


def each_object(path: Path, make: Callable[[Mapping[str, Any], int], T]) -> list[T]:
    """What `make` makes of each line's object and its number, from 1. Raises Faults if lines can't be read."""
    made: list[T] = []
    faults: list[UsageError] = []
    for number, line in lines(path):
        try:
            with naming(f"{path}, line {number}"):
                item = _parsed(decoded(line, number).rstrip())
                if not isinstance(item, dict):
                    raise ValueError("this is not an object")
                made.append(make(item, number))
        except UsageError as error:
            faults.append(error)
            if len(faults) == MOST:
                break
    if faults:
        raise Faults(faults) from faults[0]
    if not made:
        raise UsageError(f"{path} is empty.", "Put one JSON object on each line.")
    return made


def first_keys(path: Path) -> set[str]:
    """The keys of a file's first object: that of its first line, or of the whole file if it is laid out over lines."""
    number, line = next(lines(path), (1, b""))
    if not line:
        raise UsageError(f"{path} is empty.", "Name a file of questions.")
    try:
        data = _parsed(decoded(line, number))
    except (ValueError, RecursionError):
        with naming(str(path)):
            data = whole(path)
    return set(data) if isinstance(data, dict) else set()


def whole(path: Path) -> Any:
    """What the JSON of a whole file holds. Raises ValueError or UsageError with the line if it is broken."""
    parts = []
    for number, line in lines(path, blank=True):
        with naming(f"line {number}"):
            parts.append(decoded(line, number))
    try:
        return json.loads("".join(parts).rstrip())
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}: this is not valid JSON"
        raise ValueError(f"{where} ({error.msg} at character {error.colno})") from error


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not valid JSON ({error.msg} at character {error.pos + 1})") from error


def decoded(line: bytes, number: int) -> str:
    """A line as text; the first one without a byte order mark. Raises ValueError if it isn't UTF-8."""
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"this is not UTF-8 text (byte {error.start + 1})") from error


def lines(path: Path, *, blank: bool = False) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, plain or packed, with their numbers from 1; blank ones only if they are asked for."""
    number = 0
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, 1):
                if blank or line.strip():
                    yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{path} can't be unpacked after line {number}.", "It is damaged: copy it again.") from error
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}.", "Check the file.") from error


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")


def plain_name(file: Path) -> str:
    """The name of a file without the .gz of a packed one."""
    return file.name.removesuffix(".gz")


def stem(path: Path) -> str:
    """The name of a file without any endings that tell its form."""
    return plain_name(path).rpartition(".")[0] or path.name
