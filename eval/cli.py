"""`footnoted eval run`: ask questions and report the measures; `eval show`: read some of the answers;
`eval report`: all of them and every figure, as one HTML file; `eval compare`: runs side by side, and checks for a CI
job; `eval questions new`: a test set of one's own insights; `eval questions check`: what is wrong with questions;
`eval claims`: the check of sentences on labelled claims.

    footnoted eval run eval/questions/insightqa --split dev --with eval/questions/insightqa/train --json eval/results

Nothing heavy is imported before `main` needs it.
"""

import argparse
import dataclasses
import io
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.errors import UsageError

if TYPE_CHECKING:
    from corpus.library import Library
    from eval.interview import Table
    from eval.propose import Proposal
    from rag.config import Config
    from rag.models import Report

NOT_GOOD_ENOUGH = 4  # exit code: a run fails a check of `eval compare`, or questions that of `eval questions check`


def add_distractors(parser: argparse.ArgumentParser) -> None:
    """The argument --with, for whatever asks questions to a library."""
    parser.add_argument(
        "--with",
        dest="with_folders",
        metavar="FOLDER",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="add the insights that come with other questions to the library, as distractors",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `footnoted eval run`."""
    parser.add_argument(
        "questions",
        metavar="QUESTIONS",
        type=Path,
        help="a folder of collections or in BEIR's layout, a SQuAD file, or JSON lines",
    )
    parser.add_argument(
        "--library",
        metavar="L",
        help="ask a copy of this library (a file, or demo) instead of one of the insights that come with the questions",
    )
    add_distractors(parser)
    parser.add_argument("--split", metavar="S", help="subfolder of QUESTIONS to ask, or name of the qrels")
    parser.add_argument(
        "--limit", metavar="N", type=int, help="ask only N questions, spread evenly, always the same ones"
    )
    parser.add_argument("--seed", metavar="S", type=int, help="with --limit: draw the questions at random")
    parser.add_argument(
        "--json",
        dest="json_file",
        metavar="FILE",
        type=Path,
        help="write the results; a folder names the file itself; if the run is cut off, the same command goes on",
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="when a run goes on: ask those again that ended in an error"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: ./footnoted.toml)")
    parser.add_argument("--writer", metavar="W", help="who words the answers: a model, quote, or openai:MODEL@URL")
    parser.add_argument(
        "--set",
        dest="settings",
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="change settings for this run",
    )
    parser.add_argument(
        "--without",
        metavar="PART",
        action="append",
        default=[],
        help="an ablation: leave out the reader's order (rerank), retrieval's order (order: passages come shuffled) or "
        "the check of sentences (verifier)",
    )


def main(args: argparse.Namespace) -> int:
    """Run it: the report goes to standard output, progress to standard error. Faults are raised as FootnotedError."""
    from eval.ablations import ABLATIONS
    from eval.report import table
    from eval.run import evaluate
    from rag.config import load_config

    if args.library is not None and not args.library.strip():  # an unset variable, most likely
        raise UsageError("--library has no value.", "Name a library's file, or demo.")
    if unknown := sorted(set(args.without) - set(ABLATIONS)):
        raise UsageError(f"There is no part {unknown[0]!r} to leave out.", f"Choose from: {', '.join(ABLATIONS)}.")
    without = sorted(set(args.without))
    settings = _settings(args.settings)
    if args.writer is not None:
        settings["writer"] = args.writer
    config = load_config(args.config, os.environ, **settings)
    with _on_stderr() as report:
        results = evaluate(
            folder=args.questions,
            with_folders=args.with_folders,
            split=args.split,
            limit=args.limit,
            config=config,
            json_file=args.json_file,
            report=report,
            command=_command(args),
            library=args.library,
            seed=args.seed,
            retry_failed=args.retry_failed,
            without=without,
        )
    sys.stdout.write(table(results))
    return 0


def add_show_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `footnoted eval show`."""
    parser.add_argument("results", metavar="RUN", help="a results file, or the beginning of a name in eval/results")
    parser.add_argument("--count", metavar="N", type=int, default=30, help="how many answers (default 30)")
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="which ones are drawn (default 0)")


def show(args: argparse.Namespace) -> int:
    """Answers drawn at random from a run, as Markdown. Raises UsageError for a file that isn't a run's."""
    from eval.compare import find_run
    from eval.report import drawn

    file = find_run(args.results)
    try:
        text = drawn(json.loads(file.read_text(encoding="utf-8")), max(1, args.count), args.seed)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{file} can't be read as the results of a run ({type(error).__name__}).",
            "Name a file that `footnoted eval run --json FILE` has written.",
        ) from error
    sys.stdout.write(text)
    return 0


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `footnoted eval report`."""
    parser.add_argument("results", metavar="RUN", help="a results file, or the beginning of a name in eval/results")
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="where to write it; a folder will do (default: here, named as the run)"
    )
    parser.add_argument(
        "--markdown", action="store_true", help="only the summary, as Markdown; without --out on standard output"
    )
    parser.add_argument(
        "--insights",
        metavar="QUESTIONS",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="show the texts of the insights that come with these questions: a run holds only their ids",
    )
    parser.add_argument("--library", metavar="L", help="show the texts of this library's insights")
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="of the resamples (default 0)")


def report(args: argparse.Namespace) -> int:
    """Write a run as one HTML file, or its summary as Markdown. Raises UsageError for what isn't a run."""
    from eval.compare import find_run, load_run
    from eval.html import page
    from eval.intervals import estimates
    from eval.measures import MEASURES
    from eval.report import markdown
    from eval.run import summarise_by
    from eval.stages import count_stages

    if args.seed < 0:
        raise UsageError(f"A seed of {args.seed} can't be used.", "Give --seed 0 or more.")
    source = find_run(args.results)
    run = load_run(source)
    file = None if args.markdown and args.out is None else _report_file(args.out, source, args.markdown)
    found = estimates(run.rows, MEASURES, args.seed)
    if args.markdown:
        rows = [row.to_json() for row in run.rows]
        by_type = summarise_by(run.rows, lambda row: row.type)
        results = {**run.about, "questions": len(rows), "rows": rows, "by_type": by_type, "measures": {}}
        text = markdown(results, found, count_stages(run.rows))
    else:
        text = page(run, found, _insight_texts(args.insights, args.library))
    if file is None:
        sys.stdout.write(text)
        return 0
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:  # in full or not at all
        beside.write_bytes(text.encode())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
    hint = "" if args.markdown else " Open it in a browser."
    sys.stdout.write(f"{file}: {len(run.rows)} questions, {file.stat().st_size / 1000:,.0f} kB.{hint}\n")
    return 0


def _report_file(out: Path | None, source: Path, markdown: bool) -> Path:
    """Where a report is to be written. Raises UsageError if it can't, or mustn't, be written there."""
    file = out or Path()
    if file.is_dir():
        file /= f"{source.stem}{'.md' if markdown else '.html'}"
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is not a folder.", "Make it first, or give --out another path.")
    if file.suffix == ".json" or (file.exists() and file.samefile(source)):
        raise UsageError(f"{file} is the name of results, which a report isn't.", "Give --out another path.")
    return file


def _insight_texts(folders: Sequence[Path], library: str | None) -> dict[str, str]:
    """The texts of insights by id: of those that come with questions, and of a library."""
    from corpus.library import open_library
    from eval.formats import load_questions

    collections = [collection for folder in folders for collection in load_questions(folder)[1]]
    insights = [insight for collection in collections for insight in collection.insights]
    if library is not None:
        with open_library(library) as shelf:
            insights += shelf.insights()
    return {insight.insight_id: insight.text for insight in insights}


def add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `footnoted eval compare`."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="a results file, or the beginning of a name in eval/results"
    )
    parser.add_argument(
        "--only", metavar="MEASURE", action="append", help="compare and check this measure alone (may be repeated)"
    )
    parser.add_argument("--by", metavar="MEASURE", help="list the questions that got better or worse by this measure")
    parser.add_argument(
        "--most", metavar="N", type=int, default=10, help="list at most N questions on each side (default 10)"
    )
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="of the resamples (default 0)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="as Markdown")
    form.add_argument("--json", action="store_true", help="as JSON, with every digit and every question that changed")
    checks = parser.add_argument_group(
        "checks, for a CI job", "They judge every RUN after the first, or the only one. Exit code 4 if one fails."
    )
    checks.add_argument(
        "--fail-under",
        metavar="MEASURE=VALUE",
        action="append",
        default=[],
        help="fail if the measure is worse than VALUE: below it, or above it where low is good (may be repeated)",
    )
    checks.add_argument(
        "--no-worse-than",
        metavar="RUN",
        help="compare with this run, and fail if a measure is worse by more than the margin and the 95%% interval of "
        "the difference excludes 0; times and tokens count only with --only",
    )
    checks.add_argument(
        "--margin", metavar="M", type=float, default=0.0, help="for --no-worse-than, in the measure's unit (default 0)"
    )
    checks.add_argument(
        "--strict", action="store_true", help="for --no-worse-than: fail whatever the interval, if worse by the margin"
    )


def compare(args: argparse.Namespace) -> int:
    """Print the comparison; 4 if a check fails, with a sentence on standard error. Raises UsageError for bad runs."""
    from eval import compare_text
    from eval.checks import check_floors, check_no_worse, known_measure, parse_floor
    from eval.compare import LETTERS, find_run, load_run
    from eval.compare import compare as compared
    from eval.measures import MEASURES

    floors = [parse_floor(text) for text in args.fail_under]
    only = dict.fromkeys(map(known_measure, args.only or MEASURES))
    by = None if args.by is None else _listable(known_measure(args.by))
    if not 0 <= args.margin < float("inf"):
        raise UsageError(f"A margin of {args.margin:g} makes no sense.", "Give --margin 0 or more.")
    if args.seed < 0:
        raise UsageError(f"A seed of {args.seed} can't be used.", "Give --seed 0 or more.")
    paths = [find_run(name) for name in args.runs]
    if args.no_worse_than is not None:
        base = find_run(args.no_worse_than)
        named_first = len(paths) > 1 and paths[0].samefile(base)
        paths = paths if named_first else [base, *paths]
    runs = [load_run(path) for path in paths]
    comparison = compared(runs, {name: MEASURES[name] for name in only}, args.seed)
    judged = list(zip(LETTERS, runs, strict=False))
    checks = check_floors(judged[1:] or judged, floors)
    if args.no_worse_than is not None:
        checks += check_no_worse(comparison, args.margin, strict=args.strict, named=bool(args.only))
    if args.json:
        sys.stdout.write(compare_text.as_json(comparison, by, checks))
    else:
        write = compare_text.markdown if args.markdown else compare_text.text
        sys.stdout.write(write(comparison, by, max(1, args.most), checks))
    if failed := dict.fromkeys(check.measure for check in checks if not check.passed):
        sys.stdout.flush()  # first what it rests on, also where both go to one file
        sys.stderr.write(f"footnoted: Not good enough by {', '.join(failed)}. See the checks at the end.\n")
        return NOT_GOOD_ENOUGH
    return 0


def _listable(name: str) -> str:
    from eval.measures import MEASURES

    if MEASURES[name].each is None:
        able = [other for other, measure in MEASURES.items() if measure.each is not None]
        raise UsageError(f"{name} has no value for a single question.", f"List questions by: {', '.join(able)}.")
    return name


def add_claims_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `footnoted eval claims`."""
    parser.add_argument(
        "claims",
        metavar="FILE",
        type=Path,
        nargs="+",
        help="claims with premises and labels, one a line; or collections: their wrong sentences are unsupported",
    )
    parser.add_argument("--limit", metavar="N", type=int, help="check only N claims of each FILE, each label its share")
    parser.add_argument("--seed", metavar="S", type=int, help="with --limit: draw the claims at random")
    parser.add_argument(
        "--json",
        dest="json_file",
        metavar="FILE",
        type=Path,
        help="write the figures and every judgement, without the texts; a folder names the file itself",
    )


def claims(args: argparse.Namespace) -> int:
    """Check the claims: the figures go to standard output, progress to standard error."""
    from eval.claims import measure, text

    words = ["footnoted", "eval", "claims", *map(shown, args.claims)]
    for name in ("limit", "seed"):
        words += [f"--{name}", str(getattr(args, name))] if getattr(args, name) is not None else []
    with _on_stderr() as report:
        results = measure(args.claims, args.limit, args.seed, report, args.json_file, shlex.join(words))
    sys.stdout.write(text(results))
    return 0


def add_new_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `footnoted eval questions new`."""
    parser.add_argument("library", metavar="LIBRARY", help="the library to ask about: its file, or demo")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        default=Path("questions.jsonl"),
        help="where accepted questions are added (default questions.jsonl); the same file again goes on",
    )
    parser.add_argument(
        "--count", metavar="N", type=int, default=20, help="how many to decide on, earlier calls included (default 20)"
    )
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="which insights come first (default 0)")
    parser.add_argument("--yes", action="store_true", help="accept every proposal unread, for scripts")
    parser.add_argument(
        "--unfound",
        action="store_true",
        help="propose also what the library's first hit doesn't answer: harder questions, and more bad ones",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: ./footnoted.toml)")
    parser.add_argument(
        "--writer",
        metavar="W",
        help="who words questions: a model, or openai:MODEL@URL (default: rules; the shipped writer only answers)",
    )
    parser.add_argument(
        "--set", dest="settings", metavar="KEY=VALUE", nargs="+", action="extend", default=[], help="change settings"
    )


def new_questions(args: argparse.Namespace) -> int:
    """Propose questions and write those that are accepted. Raises UsageError before any model is loaded."""
    from corpus.library import open_library
    from eval.cases import check_file
    from eval.interview import open_table, summary
    from rag.config import Config, load_config

    if args.count < 1:
        raise UsageError(f"--count can't be {args.count}.", "Give it 1 or more.")
    if not args.yes and not sys.stdin.isatty():
        raise UsageError(
            "There is no terminal to judge the questions in.", "Run it in one, or accept them unread with --yes."
        )
    check_file(args.out)
    table = open_table(args.out)
    settings = _settings(args.settings)
    if args.writer is not None:
        settings["writer"] = args.writer
    config = load_config(args.config, os.environ, **settings)
    if config.writer == Config().writer:  # it was taught to answer, and does so whatever it is asked for
        config = dataclasses.replace(config, writer="quote")
    exhausted = False
    with open_library(args.library) as library:
        if not library.count():
            raise UsageError(f"The library {library.name} is empty.", "Add insights to it: footnoted library add FILE")
        try:
            if table.before < args.count:
                exhausted = _propose(args, config, library, table)
        except BaseException:
            if table.seen:  # what was decided is safe, whatever happened
                sys.stdout.write(f"\n{summary(table, args.count, exhausted, args.library)}\n")
            raise
    sys.stdout.write(f"\n{summary(table, args.count, exhausted, args.library)}\n")
    return 0


def _propose(args: argparse.Namespace, config: "Config", library: "Library", table: "Table") -> bool:
    """Whether the library gave fewer questions than were wanted."""
    from eval.ahead import ahead
    from eval.cases import Passed, add_passed
    from eval.interview import accept_all, fruitless, interview, open_table, taken
    from eval.propose import draw, propose, unworded
    from rag.models import silent
    from rag.pipeline import open_pipeline

    with _on_stderr() as report:
        pipeline = open_pipeline(library, config, report)
    pipeline = dataclasses.replace(pipeline, report=silent)  # from here on the screen is the person's
    writer = f"{pipeline.writer.fingerprint}{' unfound' if args.unfound else ''}"
    drawn = draw(library.insights(), args.seed)

    def make(stopped: Callable[[], bool]) -> "Iterator[Proposal]":
        gone = taken(table) | fruitless(table, writer)
        return propose(
            pipeline,
            [insight for insight in drawn if insight.insight_id not in gone],
            [case.text for case in table.cases],
            seed=args.seed,
            unfound=args.unfound,
            stopped=stopped,
            fruitless=lambda insight: add_passed(args.out, Passed(insight.insight_id, "nothing", writer=writer)),
        )

    def others() -> "Iterator[Proposal]":  # when there are no more proposals
        wanted = fruitless(table, writer) - taken(open_table(args.out))
        yield from unworded(pipeline, (insight for insight in drawn if insight.insight_id in wanted), args.seed)

    def say(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    if args.yes:
        with ahead(make, lambda: None) as proposals:
            return accept_all(table, proposals, args.count, say)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # a key that isn't UTF-8 is a wrong key, not a fault
    with ahead(make, lambda: say("Looking for the next question …")) as proposals:
        return interview(table, chain(proposals, others()), args.count, input, say)


def add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `footnoted eval questions check`."""
    parser.add_argument(
        "paths",
        metavar="FOLDER_OR_FILE",
        type=Path,
        nargs="+",
        help="questions in any form that `eval run` reads; a folder with everything below it",
    )


def check_questions(args: argparse.Namespace) -> int:
    """Print what is wrong with questions, one problem a line; 4 if anything is. Raises UsageError without any."""
    from eval.validate import check, counts, text

    def note(said: str) -> None:
        sys.stderr.write(f"{said}\n")

    checked = check(args.paths, note)
    sys.stdout.write(text(checked))
    if not checked.problems:
        return 0
    sys.stdout.flush()  # first what it rests on, also where both go to one file
    number = len(checked.problems)
    sys.stderr.write(f"footnoted: {number:,} problem{'s' * (number != 1)} in {counts(checked)}. Mend them first.\n")
    return NOT_GOOD_ENOUGH


def _settings(pairs: Sequence[str]) -> dict[str, str]:
    from rag.config import Config

    names = [field.name for field in dataclasses.fields(Config)]
    settings = {}
    for pair in pairs:
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals:
            raise UsageError(f"--set {pair} is no setting.", "Write it as KEY=VALUE, for example --set caution=strict.")
        if name not in names:
            raise UsageError(f"There is no setting {name!r}.", f"The settings are: {', '.join(names)}.")
        settings[name] = value
    return settings


def _command(args: argparse.Namespace) -> str:
    """The command as it stands in a result file: what decides the results, with no folder of this machine in it."""
    words = ["footnoted", "eval", "run", shown(args.questions)]
    library = None if args.library is None else shown(Path(args.library))
    given = {"library": library, "split": args.split, "limit": args.limit, "seed": args.seed, "writer": args.writer}
    for name, value in given.items():
        words += [f"--{name}", str(value)] if value is not None else []
    words += ["--with", *map(shown, args.with_folders)] if args.with_folders else []
    words += ["--set", *args.settings] if args.settings else []
    words += [word for part in args.without for word in ("--without", part)]
    return shlex.join(words)


def shown(path: Path) -> str:
    """A path as result files may name it: without the folders of this machine."""
    return path.name if path.is_absolute() else path.as_posix()


@contextmanager
def _on_stderr() -> "Iterator[Report]":
    """A Report that shows a bar with the time left for whatever has an end, and a line for whatever hasn't."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if not total:
                console.print(what, markup=False, highlight=False)
                return
            if what not in tasks:
                tasks[what] = bars.add_task(what)
            bars.update(tasks[what], completed=done, total=total)

        yield report
