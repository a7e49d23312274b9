"""Runs on public sets, as a table and without the sets' texts.

    python -m eval.public RUNS --out eval/results/public

RUNS is the folder that `make public` has filled: one results file a set, named as the set, `…-alone` for the embedding
model alone, and `claims`. The texts of public sets may not all be handed on, so what is written to --out has none:
ids, ranks, verdicts and figures stay, and the measures that need no text can be computed again.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from corpus.errors import FootnotedError, UsageError
from eval.compare import load_run
from eval.intervals import estimates
from eval.measures import MEASURES
from eval.rows import Row
from eval.run import check_writable, write_json

TEXTS = ("question", "short", "answer", "gold_answer")  # of a row
WORDS_ALONE = {  # what needs no model at all: BM25, or the overlap of words; eval/results/public.md tells the sources
    ("ir_squad2dev", "nDCG@10"): "BM25 .887",
    ("ir_nqopen", "nDCG@10"): "BM25 .859",
    ("ir_covidqa", "nDCG@10"): "BM25 .666",
    ("ir_zoomcampfaq", "nDCG@10"): "BM25 .880",
    ("qa_qedmix_dev", "Success@1"): ".834",
    ("qa_qedmix_dev", "answerable_auc"): ".844",
    ("qa_nqopen5_dev", "Success@1"): ".792",
    ("qa_nqopen5_dev", "answerable_auc"): ".818",
    ("qa_squad2x5_dev", "Success@1"): ".835",
    ("qa_squad2x5_dev", "answerable_auc"): ".577",
}
PUBLISHED = {  # of the same model where there is any; none of these was measured on the very same rows
    ("ir_squad2dev-alone", "nDCG@10"): "the same model: .944 on XQuAD (en), 240 paragraphs",
    ("ir_nqopen-alone", "nDCG@10"): "the same model: .439 on NQ, 2.7 million passages",
    ("nli_wicechunk_dev", "balanced"): "mean of 11 sets, this among them: MiniCheck-FT5 (770 M) .747, GPT-4 .753",
}
RETRIEVAL = ("nDCG@10",)
ANSWERS = ("Success@1", "answerable_auc", "refusal_recall", "false_refusal_rate")
CLAIMS = {"auc": "support: AUC", "balanced": "support: balanced accuracy", "check": "with rules: balanced accuracy"}

Line = tuple[str, int, str, str, str, str]  # set, rows, measure, ours, words alone, published


def without_texts(results: Mapping[str, Any]) -> dict[str, Any]:
    """A run's results with every text of its rows emptied; the measures of the whole run stay as they were."""
    rows = [
        {
            **row,
            **dict.fromkeys(TEXTS, ""),
            "error": "failed" if row["error"] else "",
            "claims": [{**claim, "text": ""} for claim in row["claims"]],
            "dropped": [],
        }
        for row in results["rows"]
    ]
    return {**results, "rows": rows, "texts": "left out: they are not ours to hand on"}


def lines(name: str, results: Mapping[str, Any]) -> Iterator[Line]:
    """The lines of the table that a results file of this name gives."""
    if results.get("form") == "claims":
        for each in results["sets"]:
            for key, measure in CLAIMS.items():
                yield _line(each["name"], each["figures"]["claims"], key, measure, each["figures"][key])
        return
    rows = [Row.from_json(row) for row in results["rows"]]
    names = RETRIEVAL if results.get("form") == "beir" else ANSWERS
    for measure, found in estimates(rows, {each: MEASURES[each] for each in names}).items():
        if found is not None and (measure != "Success@1" or (name, measure) in WORDS_ALONE):  # one passage: always 1
            yield _line(name, len(rows), measure, measure, {"value": found.value, "interval": found.interval})


def table(found: Sequence[Line]) -> str:
    """The lines as Markdown."""
    head = ("set", "asked", "measure", "ours (95% interval)", "by words alone", "published, for scale")
    rule = ("---", "---:", "---", "---", "---", "---")
    body = [(name, f"{asked:,}", f"`{measure}`", *rest) for name, asked, measure, *rest in found]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *body)) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write the results without their texts."""
    parser = argparse.ArgumentParser(
        prog="python -m eval.public", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", metavar="RUNS", type=Path, help="the folder with the results files")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="write them there without texts")
    options = parser.parse_args(arguments)
    try:
        sys.stdout.write(_published(options.runs, options.out))
    except FootnotedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _published(runs: Path, out: Path | None) -> str:
    files = sorted(runs.glob("*.json"), key=lambda file: (file.stem == "claims", file.stem.split("-"), file.stem))
    if not files:
        raise UsageError(f"{runs} holds no results.", "Make them first: make public DATA=FOLDER")
    if out is not None:
        check_writable(out / "x")
    found: list[Line] = []
    for file in files:
        results = _results(file)
        found += lines(file.stem, results)
        if out is not None:
            told = results if results.get("form") == "claims" else without_texts(results)
            name = "-".join((told["date"][:10], told["commit"][:12] or "unknown", file.stem))
            _keep(told, out, name)
    return table(found)


def _keep(told: dict[str, Any], out: Path, name: str) -> None:
    """Write it under this name, with a number if another result has it: what was written once stays."""
    for number in count(1):
        path = out / f"{name}{f'-{number}' if number > 1 else ''}.json"
        if not path.exists():
            write_json(told, path)
            return
        if json.loads(path.read_text(encoding="utf-8")) == told:
            return


def _results(file: Path) -> dict[str, Any]:
    """What the file holds, once it is sure that it is a run's or that of claims."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} can't be read ({type(error).__name__}).", "Make it anew, or take it away.") from error
    if isinstance(data, dict) and data.get("form") == "claims":
        return data
    load_run(file)  # for its check
    return dict(data)


def _line(name: str, asked: int, key: str, measure: str, found: Mapping[str, Any] | None) -> Line:
    ours = "–"
    if found is not None:
        ours = f"{found['value']:.3f}"
        ours += "" if found["interval"] is None else f" ({found['interval'][0]:.3f} to {found['interval'][1]:.3f})"
    words = WORDS_ALONE.get((name.removesuffix("-alone"), key), "–")
    return name, asked, measure, ours, words, PUBLISHED.get((name, key), "–")


if __name__ == "__main__":
    raise SystemExit(main())
