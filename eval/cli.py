"""`footnoted eval run`: ask a folder of questions and report the measures; `eval show`: read some of the answers.

    footnoted eval run insightqa --split dev --with insightqa/train --with insightqa/test --json eval/results

Nothing heavy is imported before `main` needs it.
"""

import argparse
import dataclasses
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.errors import UsageError

if TYPE_CHECKING:
    from rag.models import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `footnoted eval run`."""
    parser.add_argument(
        "questions", metavar="QUESTIONS", type=Path, help="folder of question files (or of splits, with --split)"
    )
    parser.add_argument(
        "--with",
        dest="with_folders",
        metavar="FOLDER",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="add the insights of these folders to the library, as distractors",
    )
    parser.add_argument("--split", metavar="S", help="subfolder of QUESTIONS to ask")
    parser.add_argument(
        "--limit", metavar="N", type=int, help="ask only N questions, spread evenly, always the same ones"
    )
    parser.add_argument(
        "--json", dest="json_file", metavar="FILE", type=Path, help="write the results; a folder names the file itself"
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


def main(args: argparse.Namespace) -> int:
    """Run it: the report goes to standard output, progress to standard error. Faults are raised as FootnotedError."""
    from eval.report import table
    from eval.run import evaluate
    from rag.config import load_config

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
        )
    sys.stdout.write(table(results))
    return 0


def add_show_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `footnoted eval show`."""
    parser.add_argument("results", metavar="RUN", type=Path, help="a results file of `eval run --json`")
    parser.add_argument("--count", metavar="N", type=int, default=30, help="how many answers (default 30)")
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="which ones are drawn (default 0)")


def show(args: argparse.Namespace) -> int:
    """Answers drawn at random from a run, as Markdown. Raises UsageError for a file that isn't a run's."""
    from eval.report import drawn

    try:
        text = drawn(json.loads(args.results.read_text(encoding="utf-8")), max(1, args.count), args.seed)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{args.results} can't be read as the results of a run ({type(error).__name__}).",
            "Name a file that `footnoted eval run --json FILE` has written.",
        ) from error
    sys.stdout.write(text)
    return 0


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
    words = ["footnoted", "eval", "run", _shown(args.questions)]
    for name, value in (("split", args.split), ("limit", args.limit), ("writer", args.writer)):
        words += [f"--{name}", str(value)] if value is not None else []
    words += ["--with", *map(_shown, args.with_folders)] if args.with_folders else []
    words += ["--set", *args.settings] if args.settings else []
    return shlex.join(words)


def _shown(path: Path) -> str:
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
