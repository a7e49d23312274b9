"""The options by which `footnoted ask` and `search` look at some of the insights only."""

import argparse

from corpus.filters import EXAMPLE, Filter, checked_date
from corpus.insight import one_line


def add_filter_arguments(parser: argparse.ArgumentParser) -> None:
    """--author, --source and --tag, which may be given several times, --since, --until and --noted."""
    group = parser.add_argument_group("only some of the insights")
    for word in ("author", "source", "tag"):
        text = f"with this {word}, or one that holds these words; given again: or that one"
        group.add_argument(f"--{word}", action="append", default=[], metavar="NAME", help=text)
    group.add_argument("--since", default="", metavar="DATE", help=f"saved then or later. {EXAMPLE}")
    group.add_argument("--until", default="", metavar="DATE", help="saved then or earlier")
    group.add_argument("--noted", action="store_true", help="with a note of your own")


def filter_given(options: argparse.Namespace) -> Filter:
    """The filter that the options say; its names are the library's once they are `resolved`. Raises UsageError."""
    return Filter(
        sources=_names(options.source),
        authors=_names(options.author),
        tags=_names(options.tag),
        since=checked_date(options.since, "--since") if options.since else "",
        until=checked_date(options.until, "--until") if options.until else "",
        note=options.noted,
    )


def _names(given: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in given if (name := one_line(each))))
