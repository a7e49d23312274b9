"""The library as a map: each insight is a point, near to those that it resembles. Made once for each of its states.

    vectors ─► an insight's mean ─► principal axes ─► nearest neighbours ─► points in the plane ─► regions, with words

The plane is found as in UMAP (McInnes et al. 2018): neighbours pull each other, points drawn by chance push each other
away. All neighbours pull at once here, so that a step is a few array operations. The seeds are fixed: the same vectors
give the same map. Few insights have too few neighbours for that; their two principal axes are their map.
"""

import contextlib
import json
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.insight import Insight
from corpus.library import Library
from rag.embed import Embedder, Vectors
from rag.index import embed_missing
from rag.words import is_function, stem, words

FEW = 30  # insights up to which the principal axes are the map
PLACED = 10_000  # insights that find their places together; any others go to the middle of their nearest three of these
APART = 2_000  # insights up to which points that lie upon each other are moved apart
AXES = 40  # principal axes by which neighbours are found
NEIGHBOURS = 12
STEPS = 250
PUSHES = 6  # points drawn for each point in each step
PUSH = 5.0  # how much stronger they push than the neighbours pull
REGIONS = 18  # at most
WORDS = 3  # a region's name has at most so many
_SEED = 7
_BLOCK = 1_000  # rows of a matrix of distances at a time
_FORM = 1  # of the cache file

Plane = NDArray[np.float64]  # (n, 2)
Numbers = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Point:
    """An insight's place: x to the right and y downwards, both from 0 to 1, and the number of its region."""

    insight_id: str
    x: float
    y: float
    region: int


@dataclass(frozen=True, slots=True)
class Region:
    """Points that lie together: the words that set them apart, how many they are, and where their middle is."""

    words: tuple[str, ...]
    count: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Map:
    """All points, in the order of the library, and the regions, the largest first."""

    revision: str  # of the library
    points: tuple[Point, ...]
    regions: tuple[Region, ...]


def open_map(library: Library, embedder: Embedder, known: Map | None = None) -> Map:
    """The map of the library as it is now: `known` if it is still that, else that of the cache file, else a new one.

    The file stands beside the library; like the index it can always be made again. Raises LibraryError if the library
    can't be read.
    """
    revision = library.revision()
    if known is not None and known.revision == revision:
        return known
    file = library.path.with_name(library.path.name + ".map")
    if (saved := _load(file, revision, embedder.fingerprint)) is not None:
        return saved
    keys, vectors = embed_missing(library, embedder)
    made = make_map(*_by_insight(library, keys.tolist(), vectors), revision)
    _save(file, made, embedder.fingerprint)
    return made


def make_map(insights: Sequence[Insight], vectors: Vectors, revision: str = "") -> Map:
    """The map of insights and their vectors, float32[n, d] of unit length. The same ones give the same map."""
    if not insights:
        return Map(revision, (), ())
    plane = _apart(_spread(_plane(np.asarray(vectors, np.float64))))
    numbers = _regions(plane)
    named = _named(insights, numbers)
    regions = []
    for number, said in enumerate(named):
        inside = plane[numbers == number]
        x, y = np.median(inside, axis=0).tolist()
        regions.append(Region(said, len(inside), round(x, 4), round(y, 4)))
    points = [
        Point(insight.insight_id, round(x, 4), round(y, 4), number)
        for insight, (x, y), number in zip(insights, plane.tolist(), numbers.tolist(), strict=True)
    ]
    return Map(revision, tuple(points), tuple(regions))


def _by_insight(library: Library, keys: Sequence[int], vectors: Vectors) -> tuple[list[Insight], Vectors]:
    """Each insight with the mean of its passages' vectors, of unit length."""
    rows: dict[str, list[int]] = {}
    insights: dict[str, Insight] = {}
    row_of = {key: row for row, key in enumerate(keys)}
    for key, (_, insight) in library.passages(keys).items():
        insights[insight.insight_id] = insight
        rows.setdefault(insight.insight_id, []).append(row_of[key])
    means = [vectors[rows[insight_id]].mean(axis=0) for insight_id in insights]
    stacked = np.stack(means) if means else np.empty((0, vectors.shape[1]), np.float32)
    lengths = np.linalg.norm(stacked, axis=1, keepdims=True)
    return list(insights.values()), np.asarray(stacked / np.maximum(lengths, 1e-12), np.float32)


# ------------------------------------------------------------------------------------------------------- the plane


def _plane(vectors: NDArray[np.float64]) -> Plane:
    axes = _principal(vectors, AXES)
    if len(axes) <= FEW:
        return axes[:, :2]
    if len(axes) <= PLACED:
        return _embedded(axes)
    # Evenly over the order of the library, so that the later insights have their say too.
    chosen = np.unique(np.linspace(0, len(axes) - 1, PLACED).astype(np.int64))
    plane = np.empty((len(axes), 2))
    plane[chosen] = _embedded(axes[chosen])
    others = np.setdiff1d(np.arange(len(axes)), chosen)
    near, _ = _nearest(axes[others], axes[chosen], 3)
    plane[others] = plane[chosen][near].mean(axis=1)
    return plane


def _principal(vectors: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The vectors on their principal axes, (n, at least 2): the axis on which they differ most comes first."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    directions = directions[:, ::-1][:, :count]
    strongest = directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    found = centred @ (directions * np.where(strongest < 0, -1.0, 1.0))  # an axis has two ends: always the same is up
    return np.pad(found, ((0, 0), (0, max(0, 2 - found.shape[1]))))


def _nearest(points: Numbers, among: Numbers, count: int, *, itself: bool = True) -> tuple[NDArray[np.int64], Numbers]:
    """For each point the numbers of its nearest among others, nearest first, and their distances: (n, count) each.

    Without `itself` both are the same points, and none is its own neighbour.
    """
    numbers, distances = [], []
    squares = (among**2).sum(axis=1)
    for start in range(0, len(points), _BLOCK):
        block = points[start : start + _BLOCK]
        apart = (block**2).sum(axis=1)[:, None] + squares - 2 * (block @ among.T)
        if not itself:
            apart[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
        near = np.argpartition(apart, min(count, apart.shape[1]) - 1, axis=1)[:, :count]
        found = np.take_along_axis(apart, near, axis=1)
        order = np.lexsort((near, found), axis=1)
        numbers.append(np.take_along_axis(near, order, axis=1))
        distances.append(np.sqrt(np.maximum(np.take_along_axis(found, order, axis=1), 0.0)))
    return np.concatenate(numbers), np.concatenate(distances)


def _embedded(axes: NDArray[np.float64]) -> Plane:
    """Points in the plane whose neighbours are those on the axes."""
    count = len(axes)
    single = axes.astype(np.float32)  # half the time
    near, distances = _nearest(single, single, min(NEIGHBOURS, count - 1), itself=False)
    own = distances[:, :1]  # each point's own scale: in a dense place a neighbour must be nearer to count as much
    weights = np.exp(-(distances - own) / (distances.mean(axis=1, keepdims=True) - own + 1e-9)).ravel()
    here, there = np.repeat(np.arange(count), near.shape[1]), near.ravel()
    degree = np.bincount(here, weights, count) + np.bincount(there, weights, count)
    random = np.random.default_rng(_SEED)
    plane: Plane = 10.0 * axes[:, :2] / (np.abs(axes[:, :2]).max() + 1e-12) + random.normal(0.0, 1e-3, (count, 2))
    for step in range(STEPS):
        apart = plane[there] - plane[here]
        force = apart * (weights / (1.0 + (apart**2).sum(axis=1)))[:, None]
        moved = np.empty_like(plane)
        for axis in (0, 1):
            pulled = np.bincount(here, force[:, axis], count) - np.bincount(there, force[:, axis], count)
            moved[:, axis] = pulled / degree
        for _ in range(PUSHES):
            apart = plane - plane[random.permutation(count)]
            square = (apart**2).sum(axis=1)
            push = apart * (PUSH / PUSHES / ((0.1 + square) * (1.0 + square)))[:, None]
            moved += np.clip(push, -1.0, 1.0)
        plane += (1.0 - step / STEPS) * moved
    return plane


def _spread(plane: Plane) -> Plane:
    """The plane from 0 to 1, the longer axis across, and more evenly filled: half by place, half by rank."""
    turned = _principal(plane, 2)
    result = np.empty_like(turned)
    for axis in (0, 1):
        values = turned[:, axis]
        low, high = np.quantile(values, (0.01, 0.99))
        # A few that lie far outside would press all others together.
        place = np.clip((values - low) / (high - low), 0.0, 1.0) if high - low > 1e-9 else np.full(len(values), 0.5)
        rank = np.empty(len(values))
        rank[np.argsort(np.round(values, 9), kind="stable")] = np.linspace(0.0, 1.0, len(values))
        result[:, axis] = (place + rank) / 2 if len(values) > 1 else 0.5
    return result


def _apart(plane: Plane) -> Plane:
    """The points with none upon another, as far as there is room."""
    count = len(plane)
    if not 1 < count <= APART:
        return plane
    wanted = min(0.12, 0.6 / math.sqrt(count))
    turns = np.arange(count) * 2.399963  # the golden angle: points in one place part in all directions
    for _ in range(20):
        near, distances = _nearest(plane, plane, min(6, count - 1), itself=False)
        close = distances < wanted
        if not close.any():
            break
        away = plane[:, None] - plane[near]
        same = distances < 1e-6
        away[same] = np.stack([np.cos(turns), np.sin(turns)], axis=1)[np.nonzero(same)[0]]
        length = np.where(same, 1.0, distances)
        push = np.where(close, (wanted - distances) / 2 / length, 0.0)[..., None]
        plane = np.clip(plane + (away * push).sum(axis=1) * 0.7, 0.0, 1.0)
    return plane


# ------------------------------------------------------------------------------------------------------ the regions


def _regions(plane: Plane) -> NDArray[np.int64]:
    """The number of each point's region (k-means, its first middles drawn far from each other), the largest is 0."""
    count = len(plane)
    wanted = 1 if count < 4 else max(2, min(REGIONS, round(math.sqrt(count) / 1.6)))
    random = np.random.default_rng(_SEED)
    middles = plane[:1]
    for _ in range(wanted - 1):
        apart = ((plane[:, None] - middles) ** 2).sum(axis=2).min(axis=1)
        if apart.sum() <= 0:  # fewer places than regions
            break
        middles = np.concatenate([middles, plane[[random.choice(count, p=apart / apart.sum())]]])
    numbers = np.zeros(count, np.int64)
    for turn in range(50):
        latest = ((plane[:, None] - middles) ** 2).sum(axis=2).argmin(axis=1)
        if turn and (latest == numbers).all():
            break
        numbers = latest
        middles = np.stack(
            [plane[numbers == n].mean(axis=0) if (numbers == n).any() else middles[n] for n in range(len(middles))]
        )
    sizes = np.bincount(numbers, minlength=len(middles))
    order = sorted(np.flatnonzero(sizes).tolist(), key=lambda n: (-sizes[n], n))
    place = {old: new for new, old in enumerate(order)}
    return np.array([place[n] for n in numbers.tolist()], np.int64)


def _named(insights: Sequence[Insight], numbers: NDArray[np.int64]) -> list[tuple[str, ...]]:
    """For each region words that many of its insights hold and few others; where there are enough, each names one."""
    stems = lru_cache(maxsize=None)(stem)
    holders: list[Counter[str]] = [Counter() for _ in range(int(numbers.max()) + 1)]  # stem -> insights that hold it
    spelled: list[Counter[tuple[str, str]]] = [Counter() for _ in holders]
    for insight, number in zip(insights, numbers.tolist(), strict=True):
        found = {(stems(word), word) for word in words(f"{insight.title} {insight.text}") if _names_something(word)}
        holders[number].update({part for part, _ in found})
        spelled[number].update(found)
    everywhere: Counter[str] = Counter()
    for held in holders:
        everywhere.update(held)
    taken: set[str] = set()
    named = []
    for number, held in enumerate(holders):
        inside = int((numbers == number).sum())
        least = 2 if inside > 3 else 1

        def score(part: str, held: Counter[str] = held, inside: int = inside) -> float:
            more = (held[part] / inside) / (everywhere[part] / len(insights))
            return held[part] * (max(0.0, math.log(more)) ** 2 + 0.01)  # the sum for the only region that there is

        able = [part for part in held if held[part] >= least and part not in taken] or [*held]
        best = sorted(able, key=lambda part: (-score(part), part))[:WORDS]
        taken.update(best)
        named.append(tuple(_spelling(part, spelled[number]) for part in best))
    return named


def _names_something(word: str) -> bool:
    return word[0].isalpha() and not is_function(word) and (len(word) > 2 or word.isupper())


def _spelling(part: str, spelled: Counter[tuple[str, str]]) -> str:
    """The commonest word of a stem; of equals the shortest."""
    ways = [(-count, len(word), word) for (found, word), count in spelled.items() if found == part]
    return min(ways)[2]


# -------------------------------------------------------------------------------------------------------- the cache


def _load(file: Path, revision: str, embedder: str) -> Map | None:
    """The saved map, or None whenever anything about it isn't as it should be: it can always be made again."""
    try:
        data: Any = json.loads(file.read_text(encoding="utf-8"))
        if (data["form"], data["revision"], data["embedder"]) != (_FORM, revision, embedder):
            return None
        regions = tuple(Region(tuple(map(str, said)), int(n), float(x), float(y)) for said, n, x, y in data["regions"])
        points = tuple(Point(str(id_), float(x), float(y), int(region)) for id_, x, y, region in data["points"])
        sound = all(0 <= p.x <= 1 and 0 <= p.y <= 1 and 0 <= p.region < len(regions) for p in points)
        return Map(revision, points, regions) if sound else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _save(file: Path, made: Map, embedder: str) -> None:
    """Written beside and renamed, so that a crash leaves the old file or the new one."""
    data = {
        "form": _FORM,
        "revision": made.revision,
        "embedder": embedder,
        "regions": [[r.words, r.count, r.x, r.y] for r in made.regions],
        "points": [[p.insight_id, p.x, p.y, p.region] for p in made.points],
    }
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
        os.replace(beside, file)
    except OSError:  # a read-only folder or a full disk: the map in memory serves as well
        with contextlib.suppress(OSError):
            beside.unlink()
