"""`footnoted search`, `related` and `claim`: what is near some words, near an insight, for or against a claim."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from corpus.errors import UsageError
from ui.filter_cli import add_filter_arguments

if TYPE_CHECKING:
    from rag.datatypes import Hit
    from rag.pipeline import Pipeline
    from rag.stances import Stand

NOT_IN_LIBRARY = 1


def add_arguments(
    search: argparse.ArgumentParser, related: argparse.ArgumentParser, claim: argparse.ArgumentParser
) -> None:
    """The arguments of the three commands."""
    search.add_argument("query")
    _add_count(search, 5)
    search.add_argument("--diverse", action="store_true", help="set back what says the same as a nearer one")
    add_filter_arguments(search)
    related.add_argument("id", metavar="ID", help="of an insight, as `footnoted search` and `library list` give it")
    _add_count(related, 5)
    claim.add_argument("claim", metavar="TEXT", help="a sentence that may be so or not")
    _add_count(claim, 6)
    add_filter_arguments(claim)


def checked_count(options: argparse.Namespace) -> int:
    """How many are wanted. Raises UsageError for fewer than one."""
    if options.k < 1:
        raise UsageError(f"-k can't be {options.k}.", "Give it 1 or more.")
    return int(options.k)


def write_lines(records: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line."""
    for record in records:
        sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_hits(hits: "Sequence[Hit]", library: str, *, as_json: bool) -> int:
    """Write the insights; the exit code."""
    from ui import terminal
    from ui.record import hit_record

    if as_json:
        write_lines(map(hit_record, hits))
    else:
        terminal.show_hits(hits, library)
    return 0 if hits else NOT_IN_LIBRARY


def related(pipeline: "Pipeline", insight_id: str, k: int, *, as_json: bool) -> int:
    """Write an insight's neighbours; the exit code. Raises UsageError for an unknown id."""
    if pipeline.library.get(insight_id) is None:
        raise UsageError(f"No insight has the id {insight_id}.", "See `footnoted library list` for the ids.")
    return write_hits(pipeline.related(insight_id, k), pipeline.library.name, as_json=as_json)


def write_stands(stands: "Sequence[Stand]", *, as_json: bool) -> int:
    """Write where insights stand on a claim; the exit code is 1 if none speaks of it."""
    from rag.stances import Stance
    from ui.stances_view import lines, stand_record, summary

    records = [stand_record(stand) for stand in stands]
    if as_json:
        write_lines(records)
    else:
        for line in lines(records):
            sys.stdout.write(f"{line}\n\n")
        sys.stdout.write(f"{summary(records)}\n")
    return 0 if any(stand.stance is not Stance.SILENT for stand in stands) else NOT_IN_LIBRARY


def _add_count(parser: argparse.ArgumentParser, count: int) -> None:
    parser.add_argument("-k", type=int, default=count, metavar="N", help=f"how many (default {count})")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
