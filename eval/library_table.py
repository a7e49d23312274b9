"""The results of `footnoted bench library` as one table: the newest of each size in a folder."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Result = Mapping[str, Any]
BOUNDS = {  # size -> the most that each may be, or the least for recall
    10_000: {"p50": 15, "p95": 30, "recall": 1.0, "adding": 3},
    100_000: {"p50": 20, "p95": 40, "recall": 0.99, "memory": 300, "adding": 3},
    1_000_000: {"p50": 30, "p95": 60, "recall": 0.98, "memory": 1200, "adding": 4},
}
NAME = "library-*.json"


def newest(folder: Path) -> list[Result]:
    """The newest result of each size, the smallest first."""
    found: dict[int, Result] = {}
    for file in sorted(folder.glob(NAME)):
        result = json.loads(file.read_text(encoding="utf-8"))
        if result["size"] not in found or result["date"] > found[result["size"]]["date"]:
            found[result["size"]] = result
    return [found[size] for size in sorted(found)]


def table(results: list[Result]) -> str:
    """All of them in Markdown, with what the issue asks for in brackets."""
    rows: list[tuple[str, Callable[[Result], str]]] = [
        ("insights", lambda r: f"{r['size']:,}"),
        ("import, insights a second, without embedding", lambda r: f"{r['import']['insights_a_second']:,}"),
        ("import with embedding, insights a second", lambda r: f"{with_embedding(r):,.0f}"),
        ("index", lambda r: r["index"]["description"]),
        ("seconds to build it, once", lambda r: f"{r['index']['seconds']:.1f}"),
        ("seconds until a new process serves", lambda r: f"{r['serve']['open_seconds']:.1f}"),
        *((f"search, ms p50 / p95, {what}", _search(group)) for group, what in GROUPS.items()),
        ("of it by meaning, without a filter", _part("dense_ms")),
        ("of it by words, without a filter", _part("lexical_ms")),
        *((f"recall@10, {what}", _recall(group)) for group, what in GROUPS.items()),
        ("memory above the models, MB (peak)", _memory),
        ("100 insights added until found, seconds", _adding),
        ("library and index on disk, MB", lambda r: f"{sum(r['bytes'].values()) / 1e6:,.0f}"),
        ("all words by FTS5, ms p50 / p95", _part("lexical_all_words_ms")),
        ("all words by bm25s, ms p50 / p95", _bm25s),
        ("bm25s: seconds to build, MB", _bm25s_cost),
    ]
    cells: list[list[str]] = [[name, *(cell(result) for result in results)] for name, cell in rows]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    rule = "| --- |" + " ---: |" * len(results)
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


GROUPS = {
    "everything": "no filter",
    "50%": "a filter that leaves half",
    "10%": "a tenth",
    "1%": "a hundredth",
    "0.1%": "a thousandth",
}


def with_embedding(result: Result) -> float:
    """Insights a second if all were embedded, as fast as the sample was."""
    seconds = 1 / result["import"]["insights_a_second"] + 1 / result["embedding"]["passages_a_second"]
    return float(1 / seconds)


def _bound(result: Result, name: str) -> str:
    bound = BOUNDS.get(result["size"], {}).get(name)
    return f" ({'≥' if name == 'recall' else '≤'} {bound:g})" if bound is not None else ""


def _search(group: str) -> Callable[[Result], str]:
    def cell(result: Result) -> str:
        if (found := result["serve"]["search"].get(group)) is None:
            return "–"
        times = found["ms"]
        return f"{times['p50']:.1f}{_bound(result, 'p50')} / {times['p95']:.1f}{_bound(result, 'p95')}"

    return cell


def _part(name: str) -> Callable[[Result], str]:
    def cell(result: Result) -> str:
        times = result["serve"]["search"]["everything"][name]
        return f"{times['p50']:.1f} / {times['p95']:.1f}"

    return cell


def _recall(group: str) -> Callable[[Result], str]:
    def cell(result: Result) -> str:
        found = result["serve"]["recall_at_10"].get(group)
        return "–" if found is None else f"{found:.4f}{_bound(result, 'recall')}"

    return cell


def _memory(result: Result) -> str:
    memory = result["serve"]["memory_mb"]
    return f"{memory['above_the_models']:,} ({memory['peak']:,}){_bound(result, 'memory')}"


def _adding(result: Result) -> str:
    return f"{result['serve']['adding']['seconds']:.2f}{_bound(result, 'adding')}"


def _bm25s(result: Result) -> str:
    times = result["bm25s"].get("ms")
    return f"{times['p50']:.1f} / {times['p95']:.1f}" if times else "not installed"


def _bm25s_cost(result: Result) -> str:
    found = result["bm25s"]
    return f"{found['build_seconds']:.0f}, {found['memory_mb']['above']:,}" if found else "not installed"


def text(results: list[Result]) -> str:
    """The page eval/results/library/library-size.md."""
    machines = {f"{r['machine']['cpu']}, {r['machine']['cores']} cores" for r in results}
    made = "; ".join(f"`footnoted bench library --size {r['size']} --seed {r['seed']}`" for r in results)
    alike = ", ".join(f"{r['embedding']['cosine_of_real_and_mean']:.3f}" for r in results)
    sample = ", ".join(f"{r['embedding']['sample']:,}" for r in results)
    commits = ", ".join(f"{r['size']:,}: {(r['commit'] or 'none')[:12]}{'+' * r['dirty']}" for r in results)
    return f"""# How a library grows

Measured on {"; ".join(sorted(machines))}. Made by: {made}. Commits (+: with changes): {commits}.
In brackets: what was to be reached.

{table(results)}
- The insights are synthetic: sentences of InsightQA and of the shipped insights put together anew, with other names and
  numbers (eval/synthetic.py).
- Vectors: {sample} passages were embedded, and tell how fast that is. The others have the mean of their sentences'
  vectors, turned in a random direction until the cosine to the mean is that of the sample ({alike}). So speed,
  memory and disk are those of real vectors; recall is measured on vectors that are less alike than real ones.
- Search is `rag.retrieve.retrieve` as a question has it, without embedding the question and without reading the answer;
  the first search with each filter, when nothing of it is known yet, is among the times.
- Memory is that of a serving process that has opened the library and its index and answered these questions, less
  what it had with its embedder loaded.
"""
