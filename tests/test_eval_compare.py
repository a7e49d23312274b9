"""Comparing runs: intervals worked out by hand, symmetry, the questions that changed, the checks, the output."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import UsageError
from eval import compare_text
from eval.checks import check_floors, check_no_worse, parse_floor
from eval.compare import Comparison, Run, changes, compare, consistency, find_run, load_run, settings_changed
from eval.intervals import FEWER, RESAMPLES, Difference, Estimate, estimates, interval, resample
from eval.measures import MEASURES, Measure
from eval.rows import Row, ShownClaim
from eval.run import results, write_json
from rag.config import Config
from ui import cli


def row(number: int = 0, *, answerable: bool = True, **fields: Any) -> Row:
    """The row of question `number`: retrieved, cited and answered right, or refused if it is unanswerable."""
    claim = ShownClaim("Nine loaves.", ("a",), "supported", 0.9, verbatim=True, grounded=True)
    answer = {"answer": "Nine loaves.", "cited": ("a",), "claims": (claim,), "status": "answered"}
    defaults: dict[str, Any] = {
        "question_id": f"q{number}",
        "collection": "c",
        "type": "direct" if answerable else "unanswerable",
        "question": f"Why {number}?",
        "answerable": answerable,
        "gold": ("a",) if answerable else (),
        "short": "nine" if answerable else "",
        "seconds": 1.0,
        "retrieved": ("a", "b"),
        "probability": 0.9 if answerable else 0.1,
        **(answer if answerable else {"status": "not_in_library"}),
    }
    return Row(**(defaults | fields))


REFUSED: dict[str, Any] = {"status": "not_in_library", "answer": "", "cited": (), "claims": ()}


def of_seconds(values: Sequence[float]) -> list[Row]:
    return [row(number, seconds=value) for number, value in enumerate(values)]


def mean_seconds(rows: Sequence[Row]) -> float | None:
    return sum(each.seconds for each in rows) / len(rows) if rows else None


SECONDS = Measure(mean_seconds, lambda each: each.seconds, higher=False, meaning="mean seconds")
AS_A_WHOLE = replace(SECONDS, each=None)
ODD = Measure(  # half of the questions can't tell
    lambda rows: mean_seconds([each for each in rows if each.seconds > 0]),
    lambda each: each.seconds if each.seconds > 0 else None,
    higher=True,
    meaning="",
)


# ---------------------------------------------------------------------------------------------------------- intervals


def test_one_question_says_nothing_of_others() -> None:
    assert interval(SECONDS, of_seconds([3.0])) == (3.0, 3.0)


def test_two_questions_by_hand() -> None:
    assert interval(SECONDS, of_seconds([0.0, 1.0])) == (0.0, 1.0), "each end is a quarter of the draws"


@pytest.mark.parametrize("measure", [SECONDS, AS_A_WHOLE])
def test_a_share_of_half_has_the_interval_of_the_binomial(measure: Measure) -> None:
    low, high = interval(measure, of_seconds([0.0, 1.0] * 50)) or (0.0, 0.0)
    assert (low, high) == pytest.approx((0.40, 0.60), abs=0.0101), "its quantiles: 40 and 60 of 100"


def test_no_rows_have_no_interval() -> None:
    assert interval(SECONDS, []) is None
    assert estimates([], {"s": SECONDS}) == {"s": None}


def test_a_measure_about_which_no_row_can_tell() -> None:
    assert estimates(of_seconds([0.0, 0.0]), {"odd": ODD}) == {"odd": None}


def test_draws_without_a_row_that_can_tell_are_left_out() -> None:
    assert estimates(of_seconds([0.0, 2.0]), {"odd": ODD}) == {"odd": Estimate(2.0, (2.0, 2.0))}
    drawn = resample([of_seconds([0.0, 2.0])], {"odd": ODD})["odd"]
    assert drawn.shape == (1, RESAMPLES)
    assert 0.22 < np.isnan(drawn).mean() < 0.28, "a quarter of the draws holds the first question twice"


def test_both_ways_take_the_same_draws() -> None:
    runs = [of_seconds([1, 5, 2, 8, 3]), of_seconds([2, 2, 9, 1, 1])]
    drawn = resample(runs, {"fast": SECONDS, "slow": AS_A_WHOLE}, seed=4)
    assert drawn["fast"].shape == (2, RESAMPLES)
    assert drawn["slow"].shape == (2, FEWER)
    np.testing.assert_allclose(drawn["fast"][:, :FEWER], drawn["slow"])


def test_a_score_that_is_no_mean_is_taken_of_rows() -> None:
    total = Measure(lambda rows: sum(each.seconds for each in rows), lambda each: each.seconds, higher=True, meaning="")
    drawn = resample([of_seconds([2.0, 2.0])], {"total": total})["total"]
    assert drawn.shape == (1, FEWER)
    assert set(drawn[0]) == {4.0}


def test_the_seed_decides() -> None:
    rows = of_seconds([1, 2, 4, 8, 16, 32])
    assert interval(SECONDS, rows, seed=1) == interval(SECONDS, rows, seed=1)
    one, other = (resample([rows], {"s": SECONDS}, seed)["s"] for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_many_questions_are_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = of_seconds(range(30))
    whole = resample([rows], {"s": SECONDS})["s"]
    monkeypatch.setattr("eval.intervals._HELD", 30 * 64)
    blocks = resample([rows], {"s": SECONDS})["s"]
    assert blocks.shape == whole.shape
    assert blocks.mean() == pytest.approx(14.5, abs=0.1)


# --------------------------------------------------------------------------------------------------------- comparison


def two(first: Sequence[Row], other: Sequence[Row], measure: Measure = SECONDS, seed: int = 0) -> Difference:
    found = compare([Run("one", tuple(first)), Run("two", tuple(other))], {"m": measure}, seed).differences[0]["m"]
    assert found is not None
    return found


def test_a_constant_difference_is_certain() -> None:
    found = two(of_seconds([1, 2, 30, 4]), of_seconds([1.1, 2.1, 30.1, 4.1]))
    assert found.value == pytest.approx(0.1)
    assert found.interval == (0.1, 0.1)
    assert (found.worse, found.better, found.clearly) == (1.0, 0.0, "worse")


def test_a_run_is_the_same_as_itself() -> None:
    rows = of_seconds([1, 2, 30, 4])
    assert two(rows, rows) == Difference(0.0, (0.0, 0.0), 0.0, 0.0, higher=False)
    assert two(rows, rows).clearly == "same"


def test_one_question_in_two_by_hand() -> None:
    found = two(of_seconds([5, 5]), of_seconds([5, 4]))
    assert (found.value, found.interval) == (-0.5, (-1.0, 0.0))
    assert found.better == pytest.approx(0.75, abs=0.02), "in a quarter of the draws it is missing"
    assert (found.worse, found.clearly) == (0.0, "")


def test_pairs_are_kept_whatever_the_order() -> None:
    rows = of_seconds([1, 20, 300])
    faster = [replace(each, seconds=each.seconds - 1) for each in rows]
    assert two(rows, faster[::-1]).interval == (-1.0, -1.0)


SMALL = {name: MEASURES[name] for name in MEASURES if MEASURES[name].each is not None or "auc" in name}
ROWS = st.fixed_dictionaries(
    {
        "retrieved": st.sampled_from([(), ("a",), ("b", "a"), ("b", "c")]),
        "seconds": st.floats(0, 100),
        "probability": st.floats(0, 1),
    }
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Run, Run]:
    """Two runs of the same one to five questions."""
    truths = draw(st.lists(st.booleans(), min_size=1, max_size=5))

    def one(name: str) -> Run:
        rows = []
        for number, answerable in enumerate(truths):
            refused = REFUSED if draw(st.booleans()) else {}
            rows.append(row(number, answerable=answerable, **draw(ROWS), **refused))
        return Run(name, tuple(rows))

    return one("one"), one("two")


@settings(max_examples=15)
@given(pairs())
def test_the_difference_is_that_of_the_scores_and_turns_round(runs: tuple[Run, Run]) -> None:
    first, other = runs
    there = compare([first, other], SMALL)
    back = compare([other, first], SMALL)
    for name, found in there.differences[0].items():
        old, new = MEASURES[name].score(first.rows), MEASURES[name].score(other.rows)
        turned = back.differences[0][name]
        if old is None or new is None:
            assert found is turned is None
            continue
        assert found is not None
        assert turned is not None
        assert found.value == new - old == -turned.value
        assert (found.worse, found.better) == (turned.better, turned.worse)
        assert found.worse + found.better <= 1
        if found.interval is not None:
            assert turned.interval == (-found.interval[1], -found.interval[0])


@settings(max_examples=15)
@given(pairs())
def test_intervals_lie_around_their_values(runs: tuple[Run, Run]) -> None:
    for column in compare(runs, SMALL).estimates:
        for name, each in column.items():
            if each is not None and each.interval is not None and MEASURES[name].each is not None:
                assert each.interval[0] - 1e-9 <= each.value <= each.interval[1] + 1e-9, name


def test_only_shared_questions_are_compared_and_it_says_so() -> None:
    first, other = Run("one", tuple(of_seconds([1, 2, 3]))), Run("two", tuple(of_seconds([9, 9, 4, 5])[2:]))
    comparison = compare([first, other], {"m": SECONDS})
    assert [each.question_id for each in comparison.runs[1].rows] == ["q2"]
    assert comparison.estimates[0]["m"] == Estimate(3.0, (3.0, 3.0))
    (note,) = comparison.notes
    assert "compared are the 1 that all were. Left out: 2 of 3 in A, 1 of 2 in B." in note


@pytest.mark.parametrize(
    "fields", [{"question": "Who?"}, {"gold": ("b",)}, {"short": "ten"}, {"collection": "d"}, {"answerable": False}]
)
def test_a_question_is_the_same_only_if_what_is_right_is(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="no question in common"):
        compare([Run("one", (row(),)), Run("two", (row(**fields),))], {"m": SECONDS})


def test_a_question_asked_twice_counts_twice() -> None:
    rows = (row(seconds=1.0), row(seconds=3.0))
    assert compare([Run("one", rows), Run("two", rows)], {"m": SECONDS}).estimates[0]["m"] == Estimate(2.0, (1.0, 3.0))


def test_what_makes_runs_unlike_is_said() -> None:
    first = Run("one", (row(),), {"library": {"insights": 6, "fingerprint": "aaaaaaaaa"}, "machine": {"cores": 2}})
    about = {"library": {"insights": 9, "fingerprint": "bbbbbbbbb"}, "machine": {"cores": 4}, "lacks": ["probability"]}
    other = Run("two", (row(status="error", error="gone"),), about)
    notes = " ".join(compare([first, other], {"m": SECONDS}).notes)
    for part in ("A 6 insights (aaaaaa), B 9 insights (bbbbbb)", "times don't compare", "In B 1 of 1", "probability"):
        assert part in notes
    assert compare([first, first], {"m": SECONDS}).notes == ()


def test_settings_that_changed() -> None:
    old = {"config": {"writer": "quote", "caution": "normal"}, "models": {"reader": "x"}, "commit": "1" * 40}
    new = {"config": {"writer": "w", "caution": "normal"}, "models": {"reader": "y"}, "commit": "2" * 40}
    expected = ["writer quote -> w", "other weights: reader", "commit 1111111 -> 2222222"]
    assert settings_changed(Run("a", (), old), Run("b", (), new)) == expected
    assert settings_changed(Run("a", (), old), Run("b", (), old)) == []


def test_questions_that_changed_the_largest_first() -> None:
    better, worse, lone = changes(SECONDS, of_seconds([5, 5, 5, 5]), of_seconds([4, 5, 1, 8]))
    assert [(each.before.question_id, each.old, each.new) for each in better] == [("q2", 5, 1), ("q0", 5, 4)]
    assert [each.after.question_id for each in worse] == ["q3"]
    assert lone == 0
    assert changes(ODD, of_seconds([0, 0, 1]), of_seconds([0, 2, 0]))[2] == 2, "two have a value in one run alone"
    with pytest.raises(ValueError, match="no value a question"):
        changes(AS_A_WHOLE, [], [])


# ------------------------------------------------------------------------------------------------------------- checks


def compared(old: Sequence[float], new: Sequence[float], name: str = "m") -> Comparison:
    return compare([Run("one", tuple(of_seconds(old))), Run("two", tuple(of_seconds(new)))], {name: SECONDS})


@pytest.mark.parametrize(
    ("new", "margin", "strict", "passed"),
    [
        ([1, 2, 3], 0.0, False, True),  # the same
        ([0, 1, 2], 0.0, True, True),  # better: low is good
        ([1.5, 2.5, 3.5], 0.4, False, False),  # each worse by 0.5: the interval has no width
        ([1.5, 2.5, 3.5], 0.5, True, True),  # exactly the margin
        ([1, 2, 4.5], 0.4, False, True),  # worse by 0.5, but a draw without the third question isn't
        ([1, 2, 4.5], 0.4, True, False),
    ],
)
def test_no_worse_than(new: list[float], margin: float, strict: bool, passed: bool) -> None:
    (check,) = check_no_worse(compared([1, 2, 3], new), margin, strict=strict)
    assert (check.letter, check.measure, check.passed) == ("B", "m", passed), check.said


def test_the_sentence_says_by_how_much() -> None:
    (check,) = check_no_worse(compared([1, 2, 3], [1.5, 2.5, 3.5]), 0.1)
    assert check.said == (
        "m is 2.5000 in B and 2.0000 in A: worse by 0.5000, more than 0.1; "
        "the 95% interval of the difference is +0.5000 to +0.5000."
    )
    (check,) = check_no_worse(compared([1, 2, 3], [1, 2, 4.5]), 0.1)
    assert check.said.endswith("+0.0000 to +1.5000, which holds 0.")


def test_what_has_lost_its_value_fails() -> None:
    runs = [Run("one", tuple(of_seconds([1, 2]))), Run("two", tuple(of_seconds([0, 0])))]
    (check,) = check_no_worse(compare(runs, {"odd": ODD}), 9.0)
    assert (check.passed, check.said) == (False, "odd is 1.5000 in A and has no value in B.")
    assert check_no_worse(compare(runs[::-1], {"odd": ODD}), 9.0) == [], "what A can't tell can't get worse"


@pytest.mark.parametrize("name", ["seconds_p50", "tokens_completion"])
def test_what_tells_of_the_machine_is_checked_only_if_named(name: str) -> None:
    comparison = compared([1, 2, 3], [5, 6, 7], name)
    assert check_no_worse(comparison, 0.0) == []
    (check,) = check_no_worse(comparison, 0.0, named=True)
    assert not check.passed


@pytest.mark.parametrize(
    ("name", "floor", "passed"),
    [
        ("citation_recall", 0.75, True),
        ("citation_recall", 0.76, False),
        ("false_refusal_rate", 0.25, True),
        ("false_refusal_rate", 0.24, False),  # low is good: above it fails
        ("refusal_recall", 0.0, False),  # nothing unanswerable was asked
    ],
)
def test_floors(name: str, floor: float, passed: bool) -> None:
    run = Run("one", (row(0), row(1), row(2), row(3, **REFUSED)))
    (check,) = check_floors([("A", run)], [(name, floor)])
    assert (check.measure, check.passed) == (name, passed), check.said


@pytest.mark.parametrize("text", ["citation_recall", "citation_recall=", "citation_recall=x", "citation_recall=nan"])
def test_a_floor_needs_a_number(text: str) -> None:
    with pytest.raises(UsageError, match="has no value"):
        parse_floor(text)


# ------------------------------------------------------------------------------------------------- files and commands

OLD, NEW = "2026-01-02-aaaa11112222-f00f00", "2026-01-03-aaab11112222-beef00"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder with two runs: the new one refuses a fourth of twelve answerable questions."""
    old = [row(number) for number in range(12)] + [row(12, answerable=False), row(13, answerable=False)]
    new = [replace(each, **REFUSED) if each.question_id in ("q1", "q2", "q3") else each for each in old]
    new[12] = row(12, answerable=False, status="answered", answer="Ten. <b>_So_ | *so*</b>", cited=("b",))
    for name, rows in ((OLD, old), (NEW, new)):
        write_json(results(rows, Config(), "footnoted eval run c"), tmp_path / f"{name}.json")
    monkeypatch.setattr("eval.compare.RESULTS", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name", [OLD, f"{OLD}.json", "2026-01-02", "2026-01-02-aaaa", "aaaa", "aaaa11112222-f0", "f00f"]
)
def test_a_run_is_found_by_the_beginning_of_its_name(folder: Path, name: str) -> None:
    assert find_run(name) == folder / f"{OLD}.json"
    assert find_run(folder / f"{OLD}.json") == folder / f"{OLD}.json"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("2026-01", f"could be any of {OLD}, {NEW}"), ("aaa", "could be any"), ("11112222", OLD), ("", "no results file")],
)
def test_a_run_that_is_none_or_several(folder: Path, name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        find_run(name)


@pytest.mark.parametrize("content", ["", "[]", '{"rows": 3}', '{"rows": [{"id": "q"}]}', '{"rows": []}', "\udcff"])
def test_what_is_no_run_is_a_sentence(content: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=r"can't be read as the results of a run|holds no questions"):
        load_run(file)


def test_a_run_says_what_its_rows_lack(folder: Path) -> None:
    data = json.loads((folder / f"{OLD}.json").read_text())
    for each in data["rows"]:
        del each["gold_answer"]
    (folder / "older.json").write_text(json.dumps(data))
    assert load_run(folder / "older.json").about["lacks"] == ["gold_answer"]
    assert load_run(folder / f"{OLD}.json").about["lacks"] == []


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(folder: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str) -> tuple[int, str, str]:
        code = cli.main(["eval", "compare", *words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_the_table_fits_a_terminal(command: Command) -> None:
    code, out, err = command("2026-01-02", "2026-01-03", "--by", "citation_recall")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    lines = [line.split() for line in out.splitlines()]
    assert ["citation_recall", "high", "1.000", "[1.000,", "1.000]"] in [line[:5] for line in lines]
    assert ["citation_recall", "-0.250", "[-0.500,", "+0.000]"] in [line[:4] for line in lines]
    assert ["right", "12", "9"] in [line[:3] for line in lines]
    assert ["refused", "0", "3"] in [line[:3] for line in lines]
    assert "B is better in 0 questions, worse in 3, not different in 9. In 0" not in out
    assert "q1 (direct) 1.000 -> 0.000\n   Q: Why 1?\n   A: [a] Nine loaves.\n   B: not in the insights" in out
    assert command("2026-01-02", "2026-01-03", "--by", "citation_recall")[1] == out, "the same files, the same text"


def test_one_run_alone(command: Command) -> None:
    code, out, _ = command("2026-01-03")
    assert code == 0
    assert "Where answers were lost, in questions\n-----" in out
    assert "B - A" not in out


def test_many_runs(command: Command) -> None:
    _, out, _ = command("2026-01-02", "2026-01-03", "2026-01-03", "2026-01-02", "2026-01-03")
    assert max(map(len, out.splitlines())) <= 80
    assert [f"\n{letter} against A\n" in out for letter in "BCDEF"] == [True] * 4 + [False]


def test_only_some_measures(command: Command) -> None:
    _, out, _ = command("2026-01-02", "2026-01-03", "--only", "citation_recall", "--only", "refusal_recall", "--json")
    data = json.loads(out)
    assert [list(run["measures"]) for run in data["runs"]] == [["citation_recall", "refusal_recall"]] * 2
    assert data["differences"][0]["measures"]["refusal_recall"]["value"] == -0.5


def test_old_names_of_measures_are_understood(command: Command) -> None:
    code, out, _ = command("aaaa", "aaab", "--only", "refusal_rate", "--by", "recall@5", "--fail-under", "ndcg@10=1")
    assert code == 0
    assert "refusal_recall" in out
    assert "R@5: B is better in 0 questions, worse in 0, not different in 14." in " ".join(out.split())


def test_markdown_has_whole_tables(command: Command) -> None:
    code, out, _ = command("2026-01-02", "2026-01-03", "--by", "citation_precision", "--markdown")
    assert code == 0
    tables = [block.splitlines() for block in out.split("\n\n") if block.startswith("|")]
    assert len(tables) == 4, "measures, differences, stages, moves"
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
        assert set(table[1]) <= set("|-: ")


def test_markdown_of_answers_stays_text(folder: Path) -> None:
    runs = [load_run(folder / f"{name}.json") for name in (OLD, NEW)]
    tricky = replace(runs[1], rows=tuple(replace(each, question="<b>_Why_ | *so*</b>") for each in runs[1].rows))
    comparison = replace(compare(runs), runs=(tricky, tricky))
    wanted = [replace(each, rows=tricky.rows) for each in comparison.runs]
    wanted[0] = replace(wanted[0], rows=tuple(replace(each, **REFUSED) for each in tricky.rows))
    out = compare_text.markdown(replace(comparison, runs=tuple(wanted)), "citation_recall")
    assert r"&lt;b>\_Why\_ | \*so\*&lt;/b>" in out
    assert "<b>" not in out


def test_json_is_whole(command: Command) -> None:
    code, out, _ = command("2026-01-02", "2026-01-03", "--by", "citation_recall", "--json", "--fail-under", "R@5=1")
    assert code == 0
    data = json.loads(out)
    assert [run["name"] for run in data["runs"]] == [OLD, NEW]
    assert list(data["runs"][0]["measures"]) == list(MEASURES)
    (found,) = data["differences"]
    assert (found["run"], found["against"], found["by"]) == (NEW, OLD, "citation_recall")
    assert [each["id"] for each in found["worse"]] == ["q1", "q2", "q3"]
    assert found["worse"][0]["answers"] == ["[a] Nine loaves.", "not in the insights"]
    assert sum(each["questions"] for each in found["moves"]) == 14
    assert {"from": "rightly refused", "to": "answered anyway", "questions": 1} in found["moves"]
    assert data["checks"] == [
        {"run": NEW, "measure": "R@5", "passed": True, "said": "R@5 is 1.0000 in B; it must be at least 1."}
    ]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["aaab", "--fail-under", "citation_recall=0.75"], 0),
        (["aaab", "--fail-under", "citation_recall=0.76"], 4),
        (["aaab", "--fail-under", "R@5=0.5", "--fail-under", "false_refusal_rate=0.2"], 4),
        (["aaaa", "aaab", "--fail-under", "citation_recall=0.9"], 4),
        (["aaab", "aaaa", "--fail-under", "citation_recall=0.9"], 0),  # the first isn't judged
        (["aaaa", "--no-worse-than", "aaab"], 0),
        (["aaaa", "--no-worse-than", "aaaa"], 0),
        (["aaab", "--no-worse-than", "aaaa"], 4),  # by refusal_f1
        (["aaab", "--no-worse-than", "aaaa", "--only", "citation_recall"], 0),  # three of twelve: it holds 0
        (["aaab", "--no-worse-than", "aaaa", "--strict"], 4),
        (["aaab", "--no-worse-than", "aaaa", "--strict", "--margin", "0.8"], 0),
        (["aaab", "--no-worse-than", "aaaa", "--strict", "--only", "R@5"], 0),
        (["aaaa", "aaab", "--no-worse-than", "aaaa", "--strict"], 4),
    ],
)
def test_exit_codes(command: Command, words: list[str], code: int) -> None:
    found, out, err = command(*words)
    assert found == code, out[-900:]
    assert err.startswith("footnoted: Not good enough by ") == (code == 4)
    assert ("FAILED" in out) == (code == 4)
    assert "\nChecks\n------\n" in out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["aaaa", "zzz"], "There is no results file zzz"),
        (["aaaa", "--fail-under", "goodness=1"], "There is no measure 'goodness'. The measures are: R@1"),
        (["aaaa", "--only", "goodness"], "There is no measure 'goodness'"),
        (["aaaa", "aaab", "--by", "answerable_auc"], "has no value for a single question"),
        (["aaaa", "--margin", "-1"], "Give --margin 0 or more."),
        (["aaaa", "--margin", "nan"], "Give --margin 0 or more."),
        (["aaaa", "--seed", "-1"], "Give --seed 0 or more."),
        (["aaaa"] * 27, "Compare at most 26."),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(command: Command, words: list[str], reason: str) -> None:
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert reason in err
    assert err.startswith("footnoted: ")


def test_consistency_counts_how_far_the_same_insights_are_cited() -> None:
    first = Run("one", (row(0), row(1), row(2, cited=("a", "b")), row(3, answerable=False)))
    other = Run("two", (row(0), row(1, cited=("b",)), row(2), row(3, answerable=False)))
    assert consistency(first, other) == consistency(other, first) == (1 + 0 + 1 / 2 + 1) / 4
    failed = replace(row(0), status="error", cited=(), claims=())
    assert consistency(Run("one", (failed,)), Run("two", (failed,))) == 0
