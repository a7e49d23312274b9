"""`search --diverse`, `related` and `claim` at the terminal."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corpus.insight import Insight, make_insight
from corpus.library import Library, open_library
from rag.config import Config
from rag.models import Report, silent
from rag.pipeline import Pipeline
from rag.read import load_reader
from rag.write import QuoteWriter
from tests.conftest import ScriptedEngine
from tests.fakes import HashEmbedder, OpenReader, OverlapScorer
from ui import cli
from ui.stances_view import NOTHING, lines, stand_record, summary

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def six(tmp_path: Path, six_insights: list[Insight]) -> Path:
    with open_library(tmp_path / "six.db", create=True) as library:
        library.add(six_insights)
    return tmp_path / "six.db"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    opened: list[str] = []

    def open_pipeline(library: Library, config: Config, report: Report = silent) -> Pipeline:
        opened.append(config.writer)
        reader = load_reader(HashEmbedder(), OverlapScorer(), OverlapScorer())
        return Pipeline(library, config, HashEmbedder(), reader, QuoteWriter("", config))

    monkeypatch.setattr("rag.pipeline.open_pipeline", open_pipeline)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    yield run
    assert set(opened) <= {"quote"}, "no writer is loaded where nothing is worded"


def test_related_lists_the_neighbours_of_an_insight(run: Run, six: Path) -> None:
    code, out, _ = run("related", "s1", "-k", 2, "--library", six, "--json")
    found = [json.loads(line)["insight_id"] for line in out.splitlines()]
    assert (code, len(found)) == (0, 2)
    assert "s1" not in found
    _, plain, told = run("related", "s1", "-k", 2, "--library", six)
    assert [line.split("\t")[1] for line in plain.splitlines()] == found
    assert told.startswith("2 nearest in ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("related", "nobody"), "No insight has the id nobody."),
        (("related", "s1", "-k", "0"), "-k can't be 0."),
        (("claim", "  "), "There is no question."),
        (("claim", "It is so.", "-k", "0"), "-k can't be 0."),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(arguments: tuple[str, ...], says: str, run: Run, six: Path) -> None:
    code, out, err = run(*arguments, "--library", six)
    assert (code, out) == (2, "")
    assert says in err


def test_a_claim_is_held_against_the_nearest_insights(run: Run, six: Path) -> None:
    said = "Ottavia Brandt counted 310 suitcases on one sleeper."
    code, out, _ = run("claim", said, "--library", six)
    assert code == 0
    assert f"supports it: “{said}”" in out
    assert out.splitlines()[-1].startswith("Of the 6 nearest insights: 1 for it, ")
    code, out, _ = run("claim", said, "-k", 1, "--library", six, "--json")
    (row,) = map(json.loads, out.splitlines())
    assert (row["stance"], row["probability"], row["insight"]["insight_id"]) == ("supports", 1.0, "s2")
    assert [quote["quote"] for quote in row["quotes"]] == [said]
    code, out, _ = run("claim", "Volcanoes sleep under glaciers.", "--library", six)
    assert (code, out) == (1, f"{NOTHING}\n")


def test_a_diverse_search_sets_versions_of_one_thought_back(run: Run, tmp_path: Path) -> None:
    texts = {
        "v1": "Tarred ropes outlast winters in northern harbours.",
        "v2": "Tarred ropes outlast winters in most northern harbours.",
        "o": "Sailmakers charge extra for ropes.",
    }
    with open_library(tmp_path / "own.db", create=True) as library:
        library.add(make_insight(text, insight_id=name) for name, text in texts.items())
    found = {}
    for flags in ((), ("--diverse",)):
        _, out, _ = run("search", "tarred ropes", "-k", 2, "--library", tmp_path / "own.db", "--json", *flags)
        found[flags] = [json.loads(line)["insight_id"] for line in out.splitlines()]
    assert set(found[()]) == {"v1", "v2"}
    assert found[("--diverse",)] == [found[()][0], "o"]


def test_stances_are_told_in_words(scripted: ScriptedEngine) -> None:
    rows = [stand_record(stand) for stand in scripted.check_claim("Night trains move parcels.")]
    told = list(lines(rows))
    assert [line.split(":")[0].rsplit(" ", 2)[-2:] for line in told] == [["supports", "it"], ["Tracks", "disagrees"]]
    assert summary(rows) == "Of the 3 nearest insights: 1 for it, 1 against it, 1 silent."
    assert summary([]) == summary(rows[2:]) == NOTHING


def test_readers_that_are_not_fitted_take_no_side(six: Path, six_insights: list[Insight]) -> None:
    with open_library(six) as library:
        pipeline = Pipeline(library, Config(), HashEmbedder(), OpenReader(), QuoteWriter("", Config()))
        stances = {each.stance.value for each in pipeline.check_claim("Brandt counted suitcases on a sleeper.")}
    assert "disagrees" not in stances
