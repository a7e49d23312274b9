"""The serving process of `footnoted bench library`: it opens a library and its index, answers, and tells what it took.

    python -m eval.library_serving serve|bm25s FOLDER EMBEDDER

The last line of its output is one JSON object. `bm25s` measures that package instead of SQLite's full text, where it is
installed: it is no part of Footnoted.
"""

import importlib.util
import json
import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from corpus.filters import Filter, filter_of
from corpus.insight import make_insight
from corpus.library import Library, open_library
from rag.config import Config
from rag.embed import Embedder, Vectors, open_embedder
from rag.index import open_index
from rag.nearest import Index
from rag.retrieve import DEPTH, dense, retrieve

TOP = 10
MB = 1_000_000


class Known:
    """An embedder that knows the vectors of the questions: embedding them isn't measured."""

    def __init__(self, embedder: Embedder, vectors: dict[str, Vectors]) -> None:
        self.fingerprint, self.dimensions, self.name = embedder.fingerprint, embedder.dimensions, embedder.name
        self._vectors = vectors

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Vectors that were made before."""
        return np.stack([self._vectors[text] for text in texts])

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        """Nothing is embedded here."""
        raise NotImplementedError


def serve(folder: Path, name: str) -> dict[str, Any]:
    """Measure searches, memory, recall, and how long new insights take to be found."""
    asked = [(text, filter_of(terms), share) for text, terms, share in json.loads((folder / "asked.json").read_text())]
    data = np.load(folder / "asked.npz")
    vectors = {text: vector for (text, _, _), vector in zip(asked, data["vectors"], strict=True)}
    embedder = open_embedder(name)
    embedder.encode_query(["Is everything loaded?"])
    _no_peak()
    before = memory("VmRSS")
    with open_library(folder / "library.db") as library:
        start = time.perf_counter()
        index = open_index(library, embedder)
        opened = time.perf_counter() - start
        known, config = Known(embedder, vectors), Config(embedder=name)
        result: dict[str, Any] = {"open_seconds": round(opened, 2), "search": {}, "recall_at_10": {}}
        for share in dict.fromkeys(share for _, _, share in asked):
            group = [n for n, (_, _, each) in enumerate(asked) if each == share]
            result["search"][label(share)] = _timed(library, index, known, config, [asked[n][:2] for n in group])
            result["recall_at_10"][label(share)] = _recall(library, index, known, config, asked, data["exact"], group)
        result["memory_mb"] = {
            "above_the_models": round((memory("VmRSS") - before) / MB),
            "peak": round((memory("VmHWM") - before) / MB),
        }
        result["adding"] = _adding(folder, library, index, embedder, config)
        result["memory_mb"]["peak_after_adding"] = round((memory("VmHWM") - before) / MB)
    return result


def label(share: float) -> str:
    """What the results call a group of questions."""
    return "everything" if share == 1 else f"{share * 100:g}%"


def _timed(
    library: Library, index: Index, embedder: Known, config: Config, asked: Sequence[tuple[str, Filter]]
) -> dict[str, Any]:
    """Milliseconds of whole searches as they come, the first with each filter apart too, and of their parts."""
    rarest = max(2, library.passage_count() // 1000)
    whole, first = [], []
    seen: set[Filter] = set()
    retrieve(asked[0][0], library, index, embedder, config)  # pages of the file that every search needs
    for text, filters in asked:
        took = _milliseconds(partial(retrieve, text, library, index, embedder, config, filters=filters))
        whole.append(took)
        if filters and filters not in seen:
            seen.add(filters)
            first.append(took)
    parts: dict[str, Callable[[str, Filter], object]] = {
        "dense": lambda text, filters: dense(text, library, index, embedder, config, filters),
        "lexical": lambda text, filters: library.lexical(text, DEPTH, rarest, filters),
        "lexical_all_words": lambda text, filters: library.lexical(text, DEPTH, None, filters),
    }
    told: dict[str, Any] = {"ms": spread(whole)}
    if first:
        told["first_with_filter_ms"] = [round(took, 1) for took in first]
    for name, part in parts.items():
        few = asked if name != "lexical_all_words" else asked[:60]
        told[f"{name}_ms"] = spread([_milliseconds(partial(part, *each)) for each in few])
    return told


def _recall(
    library: Library,
    index: Index,
    embedder: Known,
    config: Config,
    asked: Sequence[tuple[str, Filter, float]],
    exact: np.ndarray,
    group: Sequence[int],
) -> float:
    """The share of the ten nearest that are found. By score: of equals any will do."""
    found, wanted = 0, 0
    for number in group:
        text, filters, _ = asked[number]
        signals = dense(text, library, index, embedder, config, filters)
        scores = sorted((signal["dense"] for signal in signals.values()), reverse=True)[:TOP]
        best = exact[number][exact[number] > -1]
        wanted += len(best)
        found += sum(score >= best[-1] - 1e-5 for score in scores[: len(best)]) if len(best) else 0
    return round(found / wanted, 4) if wanted else 1.0


def _adding(folder: Path, library: Library, index: Index, embedder: Embedder, config: Config) -> dict[str, Any]:
    """Seconds from handing over new insights until a search finds them."""
    rows = json.loads((folder / "extra.json").read_text())
    start = time.perf_counter()
    library.add(make_insight(text, insight_id=id_, author=author, date=date) for id_, text, author, date in rows)
    stored = time.perf_counter()
    index = open_index(library, embedder, before=index)
    indexed = time.perf_counter()
    hits = retrieve(rows[-1][1], library, index, embedder, config)
    done = time.perf_counter()
    return {
        "insights": len(rows),
        "found": bool(hits) and hits[0].insight.insight_id == rows[-1][0],
        "store_seconds": round(stored - start, 2),
        "embed_and_index_seconds": round(indexed - stored, 2),
        "seconds": round(done - start, 2),
    }


def bm25s(folder: Path, name: str) -> dict[str, Any]:
    """The same questions to bm25s, over the texts of the library: time to build, memory, milliseconds a question."""
    if importlib.util.find_spec("bm25s") is None:
        return {}
    package: Any = importlib.import_module("bm25s")
    asked = [text for text, terms, _ in json.loads((folder / "asked.json").read_text()) if not terms]
    _no_peak()
    before = memory("VmRSS")
    start = time.perf_counter()
    with closing(sqlite3.connect(folder / "library.db")) as connection:
        texts = [text for (text,) in connection.execute("SELECT text FROM insights ORDER BY number")]
    model = package.BM25()
    model.index(package.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    built = time.perf_counter() - start
    texts.clear()
    took = []
    for text in asked:
        took.append(_milliseconds(partial(_ask_bm25s, package, model, text)))
    return {
        "version": package.__version__,
        "build_seconds": round(built, 1),
        "ms": spread(took),
        "memory_mb": {"above": round((memory("VmRSS") - before) / MB), "peak": round((memory("VmHWM") - before) / MB)},
    }


def _ask_bm25s(package: Any, model: Any, text: str) -> object:
    tokens = package.tokenize([text], stopwords="en", show_progress=False)
    return model.retrieve(tokens, k=DEPTH, show_progress=False)


def _milliseconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - start)


def spread(took: Sequence[float]) -> dict[str, float]:
    """The median, the 95th percentile and the longest."""
    p50, p95, most = np.percentile(took, [50, 95, 100], method="inverted_cdf")
    return {"count": len(took), "p50": round(float(p50), 2), "p95": round(float(p95), 2), "max": round(float(most), 2)}


def memory(field: str) -> int:
    """Bytes that this process has (VmRSS) or had at most (VmHWM) in memory; without /proc always the latter."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field):
                return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _no_peak() -> None:
    """Forget what was the most so far: loading the models took more than they keep."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    what = {"serve": serve, "bm25s": bm25s}[sys.argv[1]]
    sys.stdout.write(json.dumps(what(Path(sys.argv[2]), sys.argv[3])) + "\n")
