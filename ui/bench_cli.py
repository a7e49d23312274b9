"""`footnoted bench library`: how fast and how large a library of a given size is, measured on this machine."""

import argparse
import json
import sys
from pathlib import Path

from corpus.errors import UsageError
from rag.config import load_config


def add_bench_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command `bench` and its arguments."""
    bench = commands.add_parser("bench", help="measure how fast Footnoted is on this machine")
    kinds = bench.add_subparsers(title="what", required=True, metavar="WHAT")
    text = "make a library of synthetic insights, and measure import, search, recall and memory"
    library = kinds.add_parser("library", help=text, description=text)
    library.add_argument("--size", type=int, required=True, metavar="N", help="how many insights: 1000 or more")
    library.add_argument("--seed", type=int, default=1, metavar="S", help="other insights and questions")
    text = "write the result there as JSON; into a folder, the table of all results in it too"
    library.add_argument("--out", type=Path, metavar="FILE", help=text)
    library.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: ./footnoted.toml)")
    library.set_defaults(run=run_bench_library)


def run_bench_library(options: argparse.Namespace) -> int:
    """Measure, print the table, and write it with the figures."""
    from eval.library_bench import measure
    from eval.library_table import newest, table, text
    from ui import terminal

    config = load_config(options.config)
    with terminal.progress() as report:
        result = measure(options.size, options.seed, config, report)
    sys.stdout.write(table([result]))
    if options.out is None:
        return 0
    file = options.out
    if file.is_dir():
        file /= f"library-{result['size']}-{result['date'][:10]}-{(result['commit'] or 'none')[:12]}.json"
    try:
        file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        if options.out.is_dir():
            (options.out / "library-size.md").write_text(text(newest(options.out)), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{error.filename} can't be written: {error.strerror}.", "Name another file.") from error
    sys.stdout.write(f"\nWritten: {file}\n")
    return 0
