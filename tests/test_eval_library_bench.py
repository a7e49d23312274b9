"""`footnoted bench library`: what it makes, and what it measures of a small library with a fake embedder."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corpus.errors import UsageError
from corpus.filters import Filter
from corpus.passages import split_passages
from eval import library_bench, library_serving
from eval.library_bench import Facts, measure
from eval.library_table import newest, table, text
from eval.synthetic import load_material, synthetic
from rag.config import Config
from tests.fakes import HashEmbedder
from ui import cli


def test_synthetic_insights_are_distinct_and_the_same_seed_makes_the_same() -> None:
    material = load_material()
    drawn = list(synthetic(400, 7, material))
    assert len({one.insight.text for one in drawn}) == 400
    assert [one.insight for one in drawn] == [one.insight for one in synthetic(400, 7, material)]
    assert drawn[0].insight != next(synthetic(400, 8, material)).insight
    for one in drawn:
        assert len(split_passages(one.insight)) == 1
        assert set(one.made_of) <= set(range(len(material.sentences)))
    assert {one.insight.author for one in drawn} > {""}
    facts = Facts()
    for one in drawn:
        facts.note(one.insight)
    (author, most), *_ = [each for each in facts.counts.most_common() if each[0].startswith("author=")]
    assert most > 20  # a few have much, most have little
    assert facts.counts[author] == sum(one.insight.author == author.partition("=")[2] for one in drawn)


def test_filters_are_chosen_by_what_they_leave() -> None:
    facts = Facts()
    for one in islice(synthetic(2000, 1, load_material()), 2000):
        facts.note(one.insight)
    for share in (0.5, 0.1, 0.01):
        filters = facts.filters(share, 2000)
        assert filters
        assert all(isinstance(each, Filter) and each for each in filters)
    assert Facts().filters(0.1, 2000) == []


class Small(HashEmbedder):
    """Too few dimensions to tell much, and quick."""

    name = "small"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A measurement of a thousand insights; the processes are functions here."""
    tmp_path = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield measured(monkeypatch, tmp_path)


def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    embedder = Small()
    monkeypatch.setattr(library_bench, "open_embedder", lambda *_: embedder)
    monkeypatch.setattr(library_serving, "open_embedder", lambda *_: embedder)
    monkeypatch.setattr(library_bench, "SAMPLE", 40)
    monkeypatch.setattr(library_bench, "QUESTIONS", 12)
    monkeypatch.setattr(library_bench, "ADDED", 3)

    class Done:
        returncode, stderr = 0, ""

        def __init__(self, command: Sequence[str], **_: object) -> None:
            what = {"serve": library_serving.serve, "bm25s": library_serving.bm25s}[command[3]]
            self.stdout = "loading\n" + json.dumps(what(Path(command[4]), command[5]))

    monkeypatch.setattr(library_bench, "subprocess", SimpleNamespace(run=Done))
    found = measure(1000, 3, Config(), folder=tmp_path)
    assert not list(tmp_path.iterdir())  # nothing is left
    return found


def test_a_library_is_measured_in_every_respect(result: dict[str, Any], tmp_path: Path) -> None:
    assert json.loads(json.dumps(result)) == result
    serve = result["serve"]
    assert serve["recall_at_10"]["everything"] == 1.0
    assert {"everything", "50%", "10%", "1%"} <= set(serve["search"])
    assert all(recall == 1.0 for recall in serve["recall_at_10"].values())  # the index is exact at this size
    assert serve["search"]["everything"]["ms"]["count"] == 12
    assert len(serve["search"]["10%"]["first_with_filter_ms"]) >= 1
    assert serve["adding"]["found"]
    assert serve["adding"]["insights"] == 3
    assert result["embedding"]["sample"] == 40
    assert result["import"]["insights_a_second"] > 0
    assert min(each["share"] for each in result["filters"]) > 0
    (tmp_path / "library-1000-a.json").write_text(json.dumps(result | {"date": "2020"}))
    (tmp_path / "library-1000-b.json").write_text(json.dumps(result))
    (tmp_path / "library-9-c.json").write_text(json.dumps(result | {"size": 100_000}))
    results = newest(tmp_path)
    assert [each["size"] for each in results] == [1000, 100_000]
    assert results[0]["date"] == result["date"]
    page = text(results)
    assert "| insights | 1,000 | 100,000 |" in page
    assert "1.0000 (≥ 0.99)" in page
    assert "footnoted bench library --size 1000 --seed 3" in page
    assert len({line.count("|") for line in table(results).splitlines()}) == 1


def test_percentiles_are_of_what_was_measured() -> None:
    assert library_serving.spread([1.0, 2.0, 3.0, 4.0]) == {"count": 4, "p50": 2.0, "p95": 4.0, "max": 4.0}
    assert library_serving.label(0.001) == "0.1%"


def test_the_command_writes_the_figures_and_the_table(
    result: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(library_bench, "measure", lambda *_: result)
    assert cli.main(["bench", "library", "--size", "1000", "--out", str(tmp_path)]) == 0
    assert "| insights | 1,000 |" in capsys.readouterr().out
    assert len(list(tmp_path.glob("library-1000-*.json"))) == 1
    assert (tmp_path / "library-size.md").read_text().startswith("# How a library grows")
    assert cli.main(["bench", "library", "--size", "1000", "--out", str(tmp_path / "no" / "x.json")]) == 2
    assert "Name another file" in capsys.readouterr().err


def test_what_cannot_be_measured_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="too small to measure"):
        measure(10, 1, Config())
    with pytest.raises(UsageError, match="TMPDIR"):
        measure(10**12, 1, Config())
