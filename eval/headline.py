"""`python -m eval.headline [RUN …]`: the figures of the README's table, as Markdown, a column for each run.

RUN is a results file, or the beginning of its name in eval/results; without one it is the latest there.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from corpus.errors import FootnotedError, UsageError
from eval import compare
from eval.compare import Run, find_run, load_run
from eval.measures import MEASURES
from eval.rows import Row


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table. Returns the exit code: 2, with a sentence on standard error, for what is no run."""
    names = list(sys.argv[1:] if arguments is None else arguments)
    try:
        runs = [load_run(find_run(name)) for name in names] or [latest(compare.RESULTS)]
    except FootnotedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(table(runs))
    return 0


def latest(folder: Path) -> Run:
    """The run of a folder that was made last, by the date in its file. Raises UsageError if there is none."""
    files = sorted(file for file in folder.glob("*.json") if "-claims-" not in file.name)  # of `eval claims`
    if not files:
        raise UsageError(f"There are no results in {folder.name}.", "Make some with `make eval`.")
    # The day stands in the name, so that only the runs of the last day are opened.
    day = files[-1].name[:10]
    runs = [load_run(file) for file in files if file.name[:10] == day]
    return max(runs, key=lambda run: str(run.about.get("date", "")))


def table(runs: Sequence[Run]) -> str:
    """The table of these runs."""
    columns = [figures(run.rows) for run in runs]
    lines = [f"| measure | {' | '.join(run.name for run in runs)} |", f"| --- |{' ---: |' * len(runs)}"]
    lines += [f"| {said} | {' | '.join(column[said] for column in columns)} |" for said in columns[0]]
    return "\n".join(lines) + "\n"


def figures(rows: Sequence[Row]) -> dict[str, str]:
    """What is said, and the figure as it stands in the table."""
    paraphrases = [row for row in rows if row.type == "paraphrase"]

    def of(name: str, digits: int = 2, among: Sequence[Row] = rows) -> str:
        value = MEASURES[name].score(among)
        if value is None:
            return "–"
        said = f"{value + 1e-9:.{digits}f}"  # .825 is .83 to a reader, and to a float .82
        return said.removeprefix("0")

    def seconds(percent: int) -> str:
        value = MEASURES[f"seconds_p{percent}"].score(rows)
        return "–" if value is None else f"{value:.1f} s"

    return {
        "R@5: gold insights among the first five (paraphrases)": f"{of('R@5', 3)} ({of('R@5', 2, paraphrases)})",
        "first hit right": of("Success@1", 3),
        "nDCG@10": of("nDCG@10", 3),
        "citation precision / recall": f"{of('citation_precision')} / {of('citation_recall')}",
        "unanswerable questions refused / answerable ones refused": (
            f"{of('refusal_recall')} / {of('false_refusal_rate')}"
        ),
        "answerable told from unanswerable, area under the curve": of("answerable_auc"),
        "sentences shown that fail an independent check of names, numbers and words": of("unsupported_rule"),
        "answers that hold the gold short answer, word for word": of("short_answer"),
        "answers with prose of the writer's, not only quotes": of("prose_rate"),
        "whole answer, p50 / p95": f"{seconds(50)} / {seconds(95)}",
    }


if __name__ == "__main__":
    raise SystemExit(main())
