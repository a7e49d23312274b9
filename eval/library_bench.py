"""`footnoted bench library --size N`: how fast and how large a library of N insights is.

    synthetic insights ─► import ─► embed a sample, make up the other vectors ─► index ─► a serving process, measured

Embedding a million passages takes hours on a laptop, so all but a sample get a vector made of those of their sentences:
their mean, turned in a random direction as far as real vectors of the sample are from theirs. What is measured in the
serving process (eval/library_serving.py) is real: its own process, the library and the index from their files.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.errors import UsageError
from corpus.filters import EVERYTHING, Filter
from corpus.insight import Insight
from corpus.library import Library, open_library
from eval.provenance import checkout_state, machine
from eval.synthetic import Drawn, Material, load_material, synthetic
from rag.config import Config
from rag.embed import Embedder, Vectors, open_embedder
from rag.index import open_index
from rag.models import Report, silent

SAMPLE = 2_000  # passages that are embedded
QUESTIONS = 240
SHARES = (0.5, 0.1, 0.01, 0.001)  # of the insights that the filters leave, about
TOP = 10
ADDED = 100
STORED = 8_192  # vectors stored at a time
BYTES_EACH = 12_000  # of disk that an insight takes while it is measured, with its vector and the index
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the measurement: its vector, the filter it is asked with, and what an exact search finds."""

    text: str
    vector: Vectors
    filters: Filter
    share: float  # which of SHARES the filter is meant to have


def measure(
    size: int, seed: int, config: Config, report: Report = silent, folder: Path | None = None
) -> dict[str, Any]:
    """Make a library of this size in a temporary folder, measure, and remove it. Raises UsageError without the room."""
    if size < 1_000:
        raise UsageError(f"A library of {size:,} insights is too small to measure.", "Give --size 1000 or more.")
    free = shutil.disk_usage(folder or tempfile.gettempdir()).free
    if free < BYTES_EACH * size:
        raise UsageError(
            f"Measuring needs {BYTES_EACH * size // 10**6:,} MB, and {free // 10**6:,} are free.",
            "Free some, or set TMPDIR to a folder with more room.",
        )
    commit, dirty = checkout_state()
    about = {"size": size, "seed": seed, "date": datetime.now(UTC).isoformat(timespec="seconds")}
    about |= {"commit": commit, "dirty": dirty, "machine": machine()}
    with tempfile.TemporaryDirectory(prefix="footnoted-bench-", dir=folder) as name:
        return about | _measured(Path(name), size, seed, config, report)


def _measured(folder: Path, size: int, seed: int, config: Config, report: Report) -> dict[str, Any]:
    material = load_material()
    embedder = open_embedder(config.embedder, report)
    path = folder / "library.db"
    with open_library(path, create=True) as library:
        made_of, facts, examples, imported = _imported(library, size, seed, material, report)
        embedding = _embedded(library, embedder, material, made_of, seed, report)
        start = time.perf_counter()
        index = open_index(library, embedder, report=report)
        built = time.perf_counter() - start
        asked = _questions(material, examples, facts, size, embedder, seed)
        passing = {each.filters: library.keys(each.filters) for each in asked if each.filters}
        exact = _exact(library, embedder, asked, passing, report)
        result = {
            "import": imported,
            "embedding": embedding,
            "index": {"description": index.description, "seconds": round(built, 2)},
            "bytes": {each.name: each.stat().st_size for each in sorted(folder.iterdir())},
            "filters": [
                {"terms": list(filters.terms), "share": round(len(keys) / size, 5)} for filters, keys in passing.items()
            ],
        }
        del index
    (folder / "asked.json").write_text(json.dumps([[e.text, e.filters.terms, e.share] for e in asked]))
    np.savez(folder / "asked.npz", vectors=np.stack([each.vector for each in asked]), exact=exact)
    extra = [drawn.insight for drawn in synthetic(ADDED, seed + 1, material)]
    (folder / "extra.json").write_text(json.dumps([[i.insight_id, i.text, i.author, i.date] for i in extra]))
    report("Measuring the serving process", 0, 0)
    for part in ("serve", "bm25s"):
        done = subprocess.run(
            [sys.executable, "-m", "eval.library_serving", part, str(folder), config.embedder],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise UsageError(
                f"The measured process ended with {done.returncode}: {done.stderr.strip()[-500:]}", "Run it again."
            )
        result[part] = json.loads(done.stdout.splitlines()[-1])
    return result


def _imported(
    library: Library, size: int, seed: int, material: Material, report: Report
) -> tuple[NDArray[np.int32], "Facts", list[Drawn], dict[str, float]]:
    """Import them. What each is made of (-1 where there is less), what filters can ask for, and some to ask about."""
    made_of = np.full((size, 4), -1, np.int32)
    facts = Facts()
    examples: list[Drawn] = []
    making = 0.0

    def items() -> Iterator[Insight]:
        nonlocal making
        drawn = synthetic(size, seed, material)
        for number in range(size):
            start = time.perf_counter()
            one = next(drawn)
            making += time.perf_counter() - start
            made_of[number, : len(one.made_of)] = one.made_of
            facts.note(one.insight)
            if number % (size // QUESTIONS + 1) == 0:
                examples.append(one)
            if number % 1_000 == 0:
                report("Importing", number, size)
            yield one.insight

    start = time.perf_counter()
    told = library.add(items(), "synthetic")
    seconds = time.perf_counter() - start - making
    if told.new != size or library.passage_count() != size:
        raise UsageError(f"{told.new:,} of {size:,} insights were new.", "Give another --seed.")
    measured = {"seconds": round(seconds, 2), "insights_a_second": round(size / seconds)}
    return made_of, facts, examples, measured | {"near_duplicates": len(told.near)}


class Facts:
    """How many insights have each author, source, tag and year."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, insight: Insight) -> None:
        """Count one."""
        named = {"author": (insight.author,), "source": (insight.source,), "tag": insight.tags}
        self.counts.update(f"{name}={value}" for name, values in named.items() for value in values if value)
        if insight.date:
            self.counts[f"since={insight.date[:4]}"] += 1

    def filters(self, share: float, size: int) -> list[Filter]:
        """For each kind of condition the filter that leaves a share nearest to this one; none that are far from it."""
        found = []
        since = sorted((term, count) for term, count in self.counts.items() if term.startswith("since="))
        later = {term: sum(count for other, count in since if other >= term) for term, _ in since}
        for name in ("author=", "source=", "tag=", "since="):
            counts = later if name == "since=" else {t: n for t, n in self.counts.items() if t.startswith(name)}
            term = min(counts, key=lambda term: (abs(counts[term] / size - share), term), default="")
            if term and 0.5 * share <= counts[term] / size <= 2 * share:
                found.append(EVERYTHING.with_term(term))
        return found


def _embedded(
    library: Library, embedder: Embedder, material: Material, made_of: NDArray[np.int32], seed: int, report: Report
) -> dict[str, Any]:
    """Embed a sample, and give all others a vector that is made of those of their sentences."""
    rows: list[Vectors] = []
    for start in range(0, len(material.sentences), 128):
        report("Embedding the sentences", start, len(material.sentences))
        rows.append(embedder.encode_document(material.sentences[start : start + 128]))
    of_sentences = np.concatenate([*rows, np.zeros((1, embedder.dimensions), np.float32)])  # the last for -1
    size, sample = len(made_of), min(SAMPLE, len(made_of) // 2)
    # The keys are those of the insights in order: each has one passage.
    texts = [passage.text for passage, _ in library.passages(range(1, sample + 1)).values()]
    start_at = time.perf_counter()
    for at in range(0, sample, 128):
        report("Embedding a sample", at, sample)
        vectors = embedder.encode_document(texts[at : at + 128])
        library.put_vectors(embedder.fingerprint, range(at + 1, at + 1 + len(vectors)), vectors)
    seconds = time.perf_counter() - start_at
    real = library.vectors(embedder.fingerprint)[1]
    alike = float(np.mean(np.sum(real * _unit(of_sentences[made_of[:sample]].sum(axis=1)), axis=1)))
    random = np.random.default_rng(seed)
    start_at = time.perf_counter()
    for at in range(sample, size, STORED):
        report("Storing vectors", at, size)
        means = _unit(of_sentences[made_of[at : at + STORED]].sum(axis=1))
        away = random.standard_normal(means.shape, np.float32)
        away = _unit(away - np.sum(away * means, axis=1, keepdims=True) * means)
        vectors = _unit(alike * means + float(np.sqrt(1 - alike**2)) * away)
        library.put_vectors(embedder.fingerprint, range(at + 1, at + 1 + len(vectors)), vectors)
    storing = time.perf_counter() - start_at
    return {
        "sample": sample,
        "passages_a_second": round(sample / seconds, 1),
        "cosine_of_real_and_mean": round(alike, 3),
        "made_up": size - sample,
        "vectors_stored_a_second": round((size - sample) / storing),
    }


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def _questions(
    material: Material, examples: list[Drawn], facts: Facts, size: int, embedder: Embedder, seed: int
) -> list[Asked]:
    """One half InsightQA's, one half the beginnings of sentences of the library; each with a filter for each share."""
    random = np.random.default_rng(seed)
    theirs = [material.questions[int(n)] for n in random.permutation(len(material.questions))[: QUESTIONS // 2]]
    ours = [" ".join(drawn.insight.text.split()[:12]) for drawn in examples[: QUESTIONS - len(theirs)]]
    texts = [text for pair in zip(theirs, ours, strict=False) for text in pair]
    vectors = np.concatenate([embedder.encode_query(texts[at : at + 60]) for at in range(0, len(texts), 60)])
    asked = [Asked(text, vector, EVERYTHING, 1.0) for text, vector in zip(texts, vectors, strict=True)]
    for share in SHARES:
        filters = facts.filters(share, size)
        asked += [
            Asked(text, vector, filters[n % len(filters)], share)
            for n, (text, vector) in enumerate(zip(texts, vectors, strict=True))
            if filters
        ]
    return asked


def _exact(
    library: Library, embedder: Embedder, asked: list[Asked], passing: dict[Filter, Rows], report: Report
) -> NDArray[np.float32]:
    """The score of the ten nearest of each question among what passes its filter; -1 where there are fewer."""
    vectors = np.stack([each.vector for each in asked])
    best = np.full((len(asked), TOP), -1, np.float32)
    key = 0
    while True:
        keys, rows = library.vectors_after(embedder.fingerprint, key, STORED)
        if not len(keys):
            return best
        report("Searching exactly", key, library.last_key())
        scores = vectors @ rows.T
        masks = {filters: np.isin(keys, those, assume_unique=True) for filters, those in passing.items()}
        for number, each in enumerate(asked):
            if each.filters:
                scores[number, ~masks[each.filters]] = -1
        both = np.concatenate([best, scores], axis=1)
        best = -np.sort(-np.partition(both, both.shape[1] - TOP, axis=1)[:, -TOP:], axis=1)
        key = int(keys[-1])
