"""The file beside a library that its index is kept in: `mine.db.index`.

    manifest   one line of JSON: which library at which state, which embedder, which kind
    tail       the last vectors, exactly, to see that their keys still mean the same passages
    index      as its kind writes it
    hash       SHA-256 of all that comes before

It is read and written in pieces, since an index of a million vectors is half a gigabyte, and replaced whole.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from corpus.filters import EVERYTHING
from corpus.library import Library
from rag.embed import Embedder, Vectors
from rag.nearest import INDEXES, Keys, Kind, Rows

TAIL = 64  # vectors
HASH = hashlib.sha256().digest_size
PIECE = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Base:
    """An index as it is kept in a file."""

    kind: str  # a key of INDEXES
    index: Kind
    until: int  # it has every passage up to this key


def index_path(library: Library) -> Path:
    """Where the index of a library is kept."""
    return library.path.with_name(library.path.name + ".index")


def index_state(library: Library, embedder: Embedder) -> str:
    """How the file is: current, missing, damaged, stale or foreign (made from another library).

    A current one may lack what was added lately: the library has it.
    """
    try:
        with index_path(library).open("rb") as file:
            manifest = _checked(file)
            library_id, _, number = library.revision().partition("-")
            if manifest["library"] != library_id:
                return "foreign"
            return "current" if _fits(manifest, embedder, int(number)) else "stale"
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError, KeyError, TypeError):
        return "damaged"


def load(library: Library, embedder: Embedder, rows: Rows) -> Base | None:
    """The saved index, or None whenever anything about it isn't as it should be: it can always be made again."""
    try:
        with index_path(library).open("rb") as file:
            manifest = _checked(file)
            library_id, _, number = library.revision().partition("-")
            if manifest["library"] != library_id or not _fits(manifest, embedder, int(number)):
                return None
            count = int(manifest["tail"])
            keys = np.frombuffer(file.read(8 * count), np.int64)
            vectors = np.frombuffer(file.read(4 * count * rows.dimensions), np.float32).reshape(count, rows.dimensions)
            if not _same(keys, vectors, library, rows):
                return None
            return Base(manifest["kind"], INDEXES[manifest["kind"]].read(file, rows), int(manifest["until"]))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return None


def save(base: Base, library: Library, embedder: Embedder, rows: Rows, revision: str) -> None:
    """Written beside and renamed, so that a crash leaves the old one or the new one."""
    library_id, _, number = revision.partition("-")
    keys, vectors = rows.some(base.index.keys[-TAIL:])
    manifest = {"kind": base.kind, "embedder": embedder.fingerprint, "library": library_id, "revision": int(number)}
    manifest |= {"until": base.until, "tail": len(keys)}
    file = index_path(library)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("wb") as out:
            write, digest = _hashed(out)
            write(json.dumps(manifest).encode() + b"\n" + keys.tobytes() + vectors.tobytes())
            base.index.write(write)
            out.write(digest())
        os.replace(beside, file)
    except (OSError, RuntimeError):  # a read-only folder or a full disk: the index in memory serves as well
        with contextlib.suppress(OSError):
            beside.unlink()


def _fits(manifest: dict[str, Any], embedder: Embedder, revision: int) -> bool:
    """Whether it is of this embedder, and of a state that the library has been in."""
    return bool(manifest["embedder"] == embedder.fingerprint and int(manifest["revision"]) <= revision)


def _same(keys: Keys, vectors: Vectors, library: Library, rows: Rows) -> bool:
    """Whether the last keys stand for what they did: in a library put back from an earlier copy they may not.

    Those that are still there must have the same vectors, and none of them may lack one.
    """
    there = library.keys(EVERYTHING, keys)
    found, theirs = rows.some(keys)
    return np.array_equal(found, there) and np.array_equal(theirs, vectors[np.isin(keys, there)])


def _checked(file: BinaryIO) -> dict[str, Any]:
    """The manifest; the file stands behind it then.

    Raises ValueError if the bytes don't have the hash they were written with.
    """
    size = os.fstat(file.fileno()).st_size - HASH
    digest, left = hashlib.sha256(), size
    while left > 0 and (piece := file.read(min(PIECE, left))):
        digest.update(piece)
        left -= len(piece)
    if size < 0 or file.read() != digest.digest():
        raise ValueError("it is damaged")
    file.seek(0)
    manifest = json.loads(file.readline())
    if not isinstance(manifest, dict):
        raise ValueError("it has no manifest")
    return manifest


def _hashed(out: BinaryIO) -> tuple[Callable[[bytes], object], Callable[[], bytes]]:
    """A way to write to the file, and the hash of all that was written."""
    digest = hashlib.sha256()

    def write(data: bytes) -> None:
        out.write(data)
        digest.update(data)

    return write, digest.digest
