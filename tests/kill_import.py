"""Kills an import with SIGKILL, again and again, and compares what it comes to with one that was never killed.

    python -m tests.kill_import --highlights 50000 --kills 50 --seed 0 --out eval/results/library/kills.json

The command, the readers, the database and its index are the real ones; the embedder is a trivial one, since 50,000 real
embeddings take minutes. An import that comes to its end before enough kills were had is compared, and another begins.
"""

import argparse
import csv
import hashlib
import json
import math
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np

from corpus.library import open_library
from rag.embed import EMBEDDERS, Vectors
from rag.models import Report
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[1]
WORDS = (
    "rope tar harbour mill loaf acid mould train sleeper suitcase ledger baker oven door heat pane yeast village "
    "starter freight lorry parcel clock tide wheel knot sail crate shed lamp bridge river cloud seed bee hive wing"
).split()
DIMENSIONS = 16
LONGEST = 3600  # seconds that an import may take
# Who the library is, and when it was made, is its own; the rest must be the same to the last byte.
TABLES = {
    "insights": "number, insight_id, content_id, text, title, author, source, url, date, tags, note",
    "passages": "*",
    "passages_fts": "rowid, *",
    "vectors": "*",
    "sketches": "*",
    "links": "*",
    "tagged": "*",
    "places": "*",
    "origins": "*",
    "edits": "*",
    "imports": "number, origin",
    "journal": "*",
    "unfinished": "*",
    "sqlite_sequence": "*",
}


class TrivialEmbedder:
    """A vector from a checksum of the text: the same for the same text, at no cost."""

    name = "trivial:"
    fingerprint = "trivial-1"
    dimensions = DIMENSIONS

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self.encode_document(texts)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        rows = [np.random.default_rng(crc32(text.encode())).standard_normal(DIMENSIONS) for text in texts]
        vectors = np.array(rows, np.float32).reshape(-1, DIMENSIONS)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def open_trivial(name: str, report: Report) -> TrivialEmbedder:
    return TrivialEmbedder()


def command(*arguments: str | Path) -> list[str]:
    """The command line that runs `footnoted` with the trivial embedder."""
    return [sys.executable, "-m", "tests.kill_import", "run", *map(str, arguments)]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "FOOTNOTED_CACHE": str(folder / "cache"), "FOOTNOTED_EMBEDDER": "trivial:"}


def make_highlights(folder: Path, count: int, seed: int) -> None:
    """Distinct highlights in text, CSV and JSON lines; a few are cut short, a few stand twice, a few can't be read."""
    draw = random.Random(seed)
    folder.mkdir()
    texts: list[str] = []
    while len(texts) < count:
        sentences = (" ".join(draw.choices(WORDS, k=draw.randint(6, 14))).capitalize() for _ in range(3))
        texts.append(f"{'. '.join(sentences)}. Entry {len(texts)} of the log.")
        if len(texts) % 50 == 0 and len(texts) < count:
            texts.append(texts[-1].rpartition(". ")[0])
    per_file = max(50, count // 100)  # of the 50,000 many enough for several processes
    for number, at in enumerate(range(0, count, per_file)):
        part = texts[at : at + per_file]
        file = folder / f"{number:03}"
        match number % 3:
            case 0:
                file.with_suffix(".txt").write_text("\n\n".join([*part, part[0]]) + "\n", encoding="utf-8")
            case 1:
                with file.with_suffix(".csv").open("w", encoding="utf-8", newline="") as out:
                    rows = [
                        ("text", "author", "tags"),
                        *((text, f"Author {n % 7}", "log") for n, text in enumerate(part)),
                    ]
                    csv.writer(out).writerows([*rows, ("", "nobody", "")])
            case _:
                lines = [json.dumps({"id": f"j{number}-{n}", "text": text}) for n, text in enumerate(part)]
                file.with_suffix(".jsonl").write_text("\n".join([*lines, '{"text": ']) + "\n", encoding="utf-8")


def state(library: Path) -> dict[str, str]:
    """A checksum of each table, and whether file and full text are whole."""
    with closing(sqlite3.connect(library)) as connection:
        found = {}
        for table, columns in TABLES.items():
            rows = connection.execute(f"SELECT {columns} FROM {table}").fetchall()
            lines = sorted(repr(row) for row in rows)
            found[table] = f"{len(rows)} rows {hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:16]}"
        rows = connection.execute("SELECT * FROM meta WHERE key <> 'library_id' ORDER BY key").fetchall()
        found["meta"] = repr(rows)
        found["file"] = str(connection.execute("PRAGMA integrity_check").fetchall())
        connection.execute("INSERT INTO passages_fts (passages_fts) VALUES ('integrity-check')")  # raises
    return found


def after_undo(library: Path) -> dict[str, str]:
    """The same, of a copy in which the whole import was taken back."""
    copy = library.with_name("undone.db")
    with closing(sqlite3.connect(library)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    with open_library(copy) as opened:
        opened.undo_import()
    found = state(copy)
    copy.unlink()
    return found


def rows(library: Path) -> tuple[int, int]:
    """How many insights and vectors are stored by now."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{library}?mode=ro", uri=True)) as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("insights", "vectors")
        ]
        return counts[0], counts[1]
    return 0, 0


def start(highlights: Path, library: Path) -> "subprocess.Popen[bytes]":
    with (library.parent / "said.txt").open("wb") as said:
        return subprocess.Popen(
            command("library", "add", highlights, "--library", library),
            cwd=ROOT,
            env=environment(library.parent),
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that what it leaves behind can be seen
        )


def said_last(library: Path) -> str:
    """The end of what the last process at a library printed."""
    return (library.parent / "said.txt").read_text(encoding="utf-8")[-1000:]


def is_empty(group: int) -> bool:
    """Whether no process of this group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def worked(process: "subprocess.Popen[bytes]") -> float:
    """The seconds of processor time that a process has had: a busy machine then moves no kill to the beginning."""
    with suppress(OSError, IndexError):
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def worked_for(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Whether a process has had so much processor time, or has ended."""
    return process.poll() is not None or worked(process) >= seconds


def run(folder: Path, highlights: int, kills: int, seed: int, share: float = 0.3) -> dict[str, object]:
    """Import, kill, resume and compare in a folder; raises AssertionError if anything differs.

    Each kill comes within a `share` of the work of a whole import: several are needed to get through one.
    """
    draw = random.Random(seed)
    files = folder / "highlights"
    make_highlights(files, highlights, seed)
    whole = folder / "whole" / "library.db"
    whole.parent.mkdir()
    process = start(files, whole)
    starting = seconds = 0.0

    def ended() -> bool:
        nonlocal starting, seconds
        seconds = max(seconds, worked(process))
        starting = starting or (seconds if whole.exists() else 0.0)
        return process.poll() is not None

    wait_for(ended, LONGEST)
    assert process.returncode == 0, said_last(whole)
    expected, undone = state(whole), after_undo(whole)
    assert expected["insights"].split()[0] == str(highlights), expected
    assert undone["insights"].startswith("0 "), undone

    told: list[dict[str, object]] = []
    imports = 0
    while len(told) < kills or imports == 0:
        library = folder / f"killed-{imports}" / "library.db"
        library.parent.mkdir()
        while True:
            process = start(files, library)
            # One in ten comes while the program starts, the others while it reads, stores, embeds or writes the index.
            early = draw.random() < 0.1
            moment = draw.uniform(0, starting) if early else starting + draw.uniform(0, share * (seconds - starting))
            due = partial(worked_for, process, math.inf if len(told) == kills else moment)
            wait_for(due, LONGEST)
            if process.poll() is not None:
                assert process.returncode == 0, said_last(library)
                break
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            wait_for(partial(is_empty, process.pid), 60)
            stored, embedded = rows(library)
            told.append({"import": imports, "after": round(moment, 2), "insights": stored, "vectors": embedded})
        found = state(library)
        differing = {name: (found[name], expected[name]) for name in expected if found[name] != expected[name]}
        assert not differing, differing
        assert after_undo(library) == undone, "undoing takes back less than the whole import"
        shutil.rmtree(library.parent)
        imports += 1
    return {
        "highlights": highlights,
        "seed": seed,
        "kills": len(told),
        "imports_compared": imports,
        "identical": True,
        "processor_seconds_unkilled": round(seconds, 1),
        "tables": expected,
        "moments": told,
    }


def main() -> None:
    if sys.argv[1:2] == ["run"]:
        from ui import cli

        EMBEDDERS["trivial"] = open_trivial
        sys.exit(cli.main(sys.argv[2:]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--highlights", type=int, default=50_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run(Path(folder), options.highlights, options.kills, options.seed)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{result['kills']} kills, {result['imports_compared']} imports compared: identical.\n")


if __name__ == "__main__":
    main()
