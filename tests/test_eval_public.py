"""Runs on public sets: what may be handed on, the table, and what a set of relevance judgements can't tell."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval.measures import MEASURES
from eval.public import PUBLISHED, WORDS_ALONE, main, without_texts
from eval.retrieval import NAMES
from eval.rows import Row, ShownClaim
from eval.run import results, write_json
from rag.config import Config

TEXT = "Normandy"


def row(number: int, *, answerable: bool = True, **fields: Any) -> Row:
    claim = ShownClaim(f"{TEXT} lies in France.", ("a",), "supported", 0.9, verbatim=True, grounded=True)
    defaults: dict[str, Any] = {
        "question_id": f"q{number}",
        "collection": "set",
        "type": "answerable" if answerable else "unanswerable",
        "question": f"Where is {TEXT}?",
        "answerable": answerable,
        "gold": ("a",) if answerable else (),
        "short": f"in {TEXT}" if answerable else "",
        "gold_answer": f"In {TEXT}." if answerable else "",
        "status": "answered" if answerable else "not_in_library",
        "seconds": 1.0,
        "answer": claim.text if answerable else "",
        "cited": ("a",) if answerable else (),
        "claims": (claim,) if answerable else (),
        "retrieved": ("a", "b"),
        "probability": 0.9 if answerable else 0.1,
        "dropped": (f"{TEXT} is big. (no)",),
    }
    return Row(**(defaults | fields))


def a_run(form: str, *rows: Row) -> dict[str, Any]:
    return results(rows, Config(), "footnoted eval run set", {"reader": "r"}, form=form)


ASKED = (
    row(1),
    row(2, answerable=False),
    row(3, status="error", error=f"OSError: {TEXT}", claims=(), answer="", cited=(), retrieved=()),
    row(4, retrieved=("b", "a")),
)


def test_no_text_of_a_set_is_handed_on() -> None:
    told = without_texts(a_run("passages", *ASKED))
    assert TEXT not in json.dumps(told)
    assert [each["error"] for each in told["rows"]] == ["", "", "failed", ""]


def test_what_needs_no_text_can_be_computed_again() -> None:
    data = a_run("passages", *ASKED)
    told = without_texts(data)
    assert told["measures"] == data["measures"]
    rows = [Row.from_json(each) for each in told["rows"]]
    worded = {"short_answer", "token_f1", "rouge_l"}
    for name, measure in MEASURES.items():
        assert measure.score(rows) == (None if name in worded else data["measures"][name]), name
    assert {data["measures"][name] for name in worded} != {None}, "or the test shows nothing"


def test_relevance_is_not_an_answer() -> None:
    graded = [
        row(1, grades=(2,)),
        row(2, grades=(1,), status="not_in_library", claims=(), cited=()),
        row(3, grades=(1,)),
    ]
    scores = {name: measure.score(graded) for name, measure in MEASURES.items()}
    unknown = ("citation_precision", "citation_recall", "citation_f1", "citation_recall_alce", "false_refusal_rate")
    assert {scores[name] for name in unknown} == {None}
    assert all(scores[name] is not None for name in (*NAMES, "unsupported_rule", "prose_rate", "seconds_p50"))
    refused = row(1, grades=(1,), status="not_in_library", claims=(), cited=())
    assert MEASURES["citation_precision"].score([refused]) is None, "none answered: still nothing is known"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    write_json(a_run("beir", row(1, grades=(1,)), row(2, grades=(1,))), folder / "ir_squad2dev.json")
    write_json(a_run("beir", row(1, grades=(1,))), folder / "ir_squad2dev-alone.json")
    write_json(a_run("passages", *ASKED), folder / "qa_squad2x5_dev.json")
    write_json(a_run("passages", row(1), row(2, answerable=False)), folder / "qa_squad2_dev.json")
    estimate = {"value": 0.75, "interval": [0.5, 0.875]}
    told = {"claims": 1043, "auc": estimate, "balanced": {"value": 0.5, "interval": None}, "check": None}
    claims = {
        "form": "claims",
        "sets": [{"name": "nli_wicechunk_dev", "figures": told}],
        "date": "2026-11-25",
        "commit": "abc",
    }
    write_json(claims, folder / "claims.json")
    return folder


def test_the_table(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(runs)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| set | asked | measure | ours (95% interval) | by words alone | published, for scale |"
    assert "| ir_squad2dev | 2 | `nDCG@10` | 1.000 (1.000 to 1.000) | BM25 .887 | – |" in lines
    same = PUBLISHED["ir_squad2dev-alone", "nDCG@10"]
    assert f"| ir_squad2dev-alone | 1 | `nDCG@10` | 1.000 (1.000 to 1.000) | BM25 .887 | {same} |" in lines
    assert "| nli_wicechunk_dev | 1,043 | `support: AUC` | 0.750 (0.500 to 0.875) | – | – |" in lines
    beside = PUBLISHED["nli_wicechunk_dev", "balanced"]
    assert f"| nli_wicechunk_dev | 1,043 | `support: balanced accuracy` | 0.500 | – | {beside} |" in lines
    sets = list(dict.fromkeys(line.split("|")[1].strip() for line in lines[2:]))
    assert sets[:2] == ["ir_squad2dev", "ir_squad2dev-alone"]
    assert sets[-1] == "nli_wicechunk_dev"
    first = next(line for line in lines if "qa_squad2x5_dev" in line and "Success@1" in line)
    assert first.startswith("| qa_squad2x5_dev | 4 | `Success@1` | 0.333 (")
    assert first.endswith("| .835 | – |")
    assert not any("qa_squad2_dev" in line and "Success@1" in line for line in lines), "one passage is always first"
    assert any(line.startswith("| qa_squad2_dev | 2 | `refusal_recall` | 1.000 ") for line in lines)


def test_what_is_written_has_names_and_no_texts(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert main([str(runs), "--out", str(out)]) == 0
    names = sorted(file.name for file in out.iterdir())
    assert "2026-11-25-abc-claims.json" in names
    assert [name.rpartition("-")[2] for name in names if "squad" in name and "alone" not in name] == [
        "ir_squad2dev.json", "qa_squad2_dev.json", "qa_squad2x5_dev.json"
    ]  # fmt: skip
    assert len(names) == 5
    assert main([str(runs), "--out", str(out)]) == 0
    assert len(list(out.iterdir())) == 5, "the same results are there already"
    write_json(a_run("passages", row(1)), runs / "qa_squad2_dev.json")
    assert main([str(runs), "--out", str(out)]) == 0
    assert {file.name for file in out.iterdir()} > set(names), "others don't take their place"
    assert not any(TEXT in file.read_text(encoding="utf-8") for file in out.iterdir())


@pytest.mark.parametrize(
    ("content", "said"), [("{", "can't be read (JSONDecodeError)"), ("[]", "can't be read as the results of a run")]
)
def test_what_is_no_result_is_named(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.json").write_text(content, encoding="utf-8")
    assert main([str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "make public DATA=FOLDER" in capsys.readouterr().err


def test_the_page_of_public_sets_shows_the_same_figures_beside_ours() -> None:
    page = (Path(__file__).parents[1] / "eval" / "results" / "public.md").read_text(encoding="utf-8")
    for (name, _), said in [*WORDS_ALONE.items(), *PUBLISHED.items()]:
        assert any(line.startswith(f"| {name} |") and said in line for line in page.splitlines()), (name, said)
