"""A run that isn't finished, on disk: each row is there the moment it is known, so that a kill loses one at most.

    {"run": {"settings": …, "questions": …, …}}      what decides the results, in full or as a fingerprint
    {"number": 0, "row": {…}}                        the row of the first question
    {"number": 1, …

The file stands beside the results and goes when they are written. A line that was cut off counts as not written; of two
lines with one number the later one holds.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from corpus.errors import UsageError
from eval.rows import Row


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run as far as it has got."""

    path: Path
    rows: Mapping[int, Row]  # what an earlier call has left: the number of the question, from 0, and its row
    differs: tuple[str, ...]  # in what a run that was found here and couldn't go on differs from this one
    file: BinaryIO

    def add(self, number: int, row: Row) -> None:
        """Write a row down; when this returns it is on the disk."""
        _write(self.file, {"number": number, "row": row.to_json()})


@contextmanager
def unfinished(path: Path, run: Mapping[str, Any], count: int) -> Iterator[Unfinished]:
    """Go on with the run in this file if it is the same, else begin it anew.

    Whoever uses it writes the results inside: the file goes when that ends, and stays if it ends in an exception.
    `run` is what decides the results, `count` how many questions there are. Raises UsageError if another process is
    writing to the file.
    """
    from filelock import FileLock, Timeout  # here, so that whoever only reads results doesn't need it

    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"Another run is writing to {path.name}.", "Wait until it has ended, or give --json another path."
        ) from error
    try:
        with path.open("a+b") as file:
            yield _opened(path, file, json.loads(json.dumps(run)), count)
        path.unlink()
    finally:
        with suppress(OSError):  # Windows keeps a file that is open
            os.unlink(lock.lock_file)
        lock.release()


def unfinished_path(json_file: Path, name: str) -> Path:
    """Where the rows of a run wait until its results are written to this file, or to one in this folder.

    In a folder, where results name themselves in the end, the run's own name tells unfinished runs apart.
    """
    if json_file.is_dir():
        return json_file / f"{name}.unfinished.jsonl"
    return json_file.with_name(f"{json_file.name.removesuffix('.json')}.unfinished.jsonl")


def _opened(path: Path, file: BinaryIO, run: Mapping[str, Any], count: int) -> Unfinished:
    file.seek(0)
    lines = file.read().split(b"\n")
    whole, cut_off = lines[:-1], lines[-1]
    before = _value(whole[0], "run") if whole else None
    if before != run:
        file.truncate(0)
        _write(file, {"run": run})
        old = before if isinstance(before, dict) else {}
        differs = [name for name in dict.fromkeys([*run, *old]) if run.get(name) != old.get(name)] if old else []
        return Unfinished(path, {}, tuple(differs), file)
    if cut_off:
        file.truncate(file.tell() - len(cut_off))
    rows = {}
    for line in whole[1:]:
        number, row = _value(line, "number"), _row(_value(line, "row"))
        if row is not None and isinstance(number, int) and 0 <= number < count:
            rows[number] = row
    return Unfinished(path, rows, (), file)


def _value(line: bytes, name: str) -> Any:
    """What a line holds under a name; None if it is damaged."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return data.get(name) if isinstance(data, dict) else None


def _row(data: Any) -> Row | None:
    try:
        return Row.from_json(data)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _write(file: BinaryIO, data: Mapping[str, Any]) -> None:
    file.write(json.dumps(data, allow_nan=False).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())
