"""The README's table from result files: each figure by hand, the latest run, and what is said of what is no run."""

from dataclasses import replace
from pathlib import Path

import pytest

from eval.compare import Run
from eval.headline import figures, latest, main, table
from eval.rows import Row, ShownClaim
from eval.run import results, write_json
from rag.config import Config


def claim(*cited: str, grounded: bool = True, verbatim: bool = True) -> ShownClaim:
    return ShownClaim("Nine loaves.", cited, "supported", 0.9, verbatim, grounded)


ROWS = (
    Row(
        *("q1", "c", "direct", "How many?", True, ("a",), "nine", "answered", 1.0),
        answer="Nine loaves.",
        cited=("a",),
        claims=(claim("a"), claim("a", grounded=False, verbatim=False)),
        retrieved=("a", "b"),
        probability=0.9,
    ),
    Row(
        *("q2", "c", "paraphrase", "What count?", True, ("a",), "ten", "answered", 2.0),
        answer="Nine loaves.",
        cited=("b",),
        claims=(claim("b"),),
        retrieved=("b", "c", "d", "e", "f", "a"),
        probability=0.6,
    ),
    Row("q3", "c", "unanswerable", "Who?", False, (), "", "not_in_library", 0.5, probability=0.7),
)


def test_the_figures_by_hand() -> None:
    assert list(figures(ROWS).values()) == [
        ".500 (.00)",  # R@5, of paraphrases: its insight is the sixth
        ".500",  # first hit right
        ".678",  # nDCG@10: 1 and 1 / log2(7), the mean
        ".50 / .50",
        "1.00 / .00",
        ".50",  # one of the two answerable ones is above the unanswerable one
        ".33",  # one of three sentences
        ".50",
        ".50",
        "1.0 s / 2.0 s",
    ]


def test_halves_are_rounded_up() -> None:
    gold = tuple(f"g{number}" for number in range(40))
    row = replace(ROWS[0], gold=gold, cited=gold[:33])
    assert figures([row])["citation precision / recall"].endswith(" / .83"), "33 of 40 are .825"


def test_what_cannot_be_told_is_a_dash() -> None:
    found = figures(ROWS[:1])
    assert found["R@5: gold insights among the first five (paraphrases)"] == "1.000 (–)"
    assert found["unanswerable questions refused / answerable ones refused"] == "– / .00"


def test_a_column_a_run() -> None:
    lines = table([Run("one", ROWS), Run("two", ROWS[:1])]).splitlines()
    assert lines[:2] == ["| measure | one | two |", "| --- | ---: | ---: |"]
    assert lines[3] == "| first hit right | .500 | 1.000 |"
    assert {line.count("|") for line in lines} == {4}


def test_the_latest_run_is_that_of_the_date_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dates = {"2026-01-01-z": "2026-01-01T09:00", "2026-01-02-b": "2026-01-02T09:00", "2026-01-02-a": "2026-01-02T10:00"}
    for name, date in dates.items():
        write_json({**results(ROWS, Config(), "footnoted eval run c"), "date": date}, tmp_path / f"{name}.json")
    (tmp_path / "2026-01-03-c-claims-d.json").write_text('{"form": "claims"}')  # of `eval claims`: no run
    assert latest(tmp_path).name == "2026-01-02-a"
    monkeypatch.setattr("eval.compare.RESULTS", tmp_path)
    assert main([]) == 0
    assert capsys.readouterr().out == table([latest(tmp_path)])
    assert main(["2026-01-01"]) == 0
    assert capsys.readouterr().out.startswith("| measure | 2026-01-01-z |\n")


def test_what_is_no_run_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("eval.compare.RESULTS", tmp_path)
    assert main(["nowhere"]) == 2
    assert "There is no results file nowhere" in capsys.readouterr().err
    assert main([]) == 2
    assert "`make eval`" in capsys.readouterr().err
