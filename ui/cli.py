"""The `footnoted` command. It imports what a command needs when that command runs: `--help` must be instant.

Exit codes: 0 answered, 1 not in the library, 2 the request can't be carried out as given, 3 a fault, in a sentence,
4 a run isn't good enough (`eval compare`), or questions are faulty (`eval questions check`).
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus.errors import FootnotedError, UsageError

if TYPE_CHECKING:
    from corpus.library import Library
    from rag.config import Config
    from rag.pipeline import Pipeline

Options = argparse.Namespace
NOT_IN_LIBRARY, FAULT, INTERRUPTED = 1, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every fault is one sentence on standard error."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    # Before any model library is imported: we draw the progress ourselves, and nothing is told to anybody.
    quiet = {"TQDM_DISABLE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    # torch's threads wait for each other by spinning. On a busy machine that slowed the writer seventeenfold; after
    # 5,000 turns they sleep instead, which costs nothing on an idle one.
    quiet |= {"GOMP_SPINCOUNT": "5000"}
    for name, value in quiet.items():
        os.environ.setdefault(name, value)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that knows only ASCII gets “ as \u201c, not a fault
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = options.run(options)
        sys.stdout.flush()
        return int(code)
    except FootnotedError as error:
        sys.stderr.write(f"footnoted: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the pipe, `head` say, has seen enough
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or error
        sys.stderr.write(f"footnoted: The system refused ({what}). Check the disk and your permissions.\n")
        return FAULT
    except Exception as error:
        if os.environ.get("FOOTNOTED_DEBUG"):
            raise
        sys.stderr.write(
            f"footnoted: something went wrong that we didn't foresee ({type(error).__name__}: {error}). "
            "Run it again with FOOTNOTED_DEBUG=1 and report what it prints.\n"
        )
        return FAULT


def _drop_output() -> None:
    """Send what is still unwritten nowhere: at its end Python would try to write it again, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    from eval.cli import add_arguments as add_eval_arguments
    from eval.cli import (
        add_check_arguments,
        add_claims_arguments,
        add_compare_arguments,
        add_new_arguments,
        add_report_arguments,
        add_show_arguments,
    )
    from ui.filter_cli import add_filter_arguments
    from ui.user_cli import add_user_commands

    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--library", metavar="PATH", help="a library's file, or demo: the insights that ship")
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("which insights, which models")
    group.add_argument("--library", metavar="PATH", help="a library's file, or demo: the insights that ship")
    group.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: ./footnoted.toml)")
    group.add_argument(
        "--writer", metavar="MODEL", help="a chat model (name, folder, hub id), openai:MODEL@URL, or quote"
    )
    group.add_argument("--caution", choices=["lenient", "normal", "strict"], help="how readily a question is refused")
    group.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other setting")

    parser = argparse.ArgumentParser(
        prog="footnoted",
        description="Ask your own insights. Every sentence of the answer is footnoted, or it is not shown.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Options], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, parents=[common])
        sub.set_defaults(run=run)
        return sub

    ask = command("ask", run_ask, "ask a question; the answer comes with the quotes that support it")
    ask.add_argument("question", help="in plain words; - reads it from standard input")
    ask.add_argument("--json", action="store_true", help="print the whole record as JSON")
    add_filter_arguments(ask)

    search = command("search", run_search, "list the insights nearest to some words")
    search.add_argument("query")
    search.add_argument("-k", type=int, default=5, metavar="N", help="how many (default 5)")
    search.add_argument("--json", action="store_true", help="one JSON object a line")
    add_filter_arguments(search)

    library = commands.add_parser("library", help="add, list, edit, export or remove insights")
    actions = library.add_subparsers(title="actions", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="add the insights of files and folders", parents=[common])
    add.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    add.add_argument(
        "--as", dest="format", metavar="FORMAT", help="text, markdown, jsonl, json or csv (default: by suffix)"
    )
    add.add_argument("--dry-run", action="store_true", help="only say what would become of each item; write nothing")
    add.set_defaults(run=run_add)
    undo = actions.add_parser("undo", help="take the last import back", parents=[where])
    undo.set_defaults(run=run_undo)
    listing = actions.add_parser("list", help="list the insights", parents=[common])
    listing.add_argument("query", nargs="?", default="", help="only those with these words")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(run=run_list)
    remove = actions.add_parser("remove", help="remove insights by id", parents=[common])
    remove.add_argument("ids", nargs="+", metavar="ID")
    remove.set_defaults(run=run_remove)
    edit = actions.add_parser("edit", help="change fields of one insight", parents=[where])
    edit.add_argument("id", metavar="ID")
    edit.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="title, author, tags, text, …")
    edit.set_defaults(run=run_edit)
    export = actions.add_parser("export", help="write all insights to a file", parents=[where])
    export.add_argument("file", metavar="FILE", help="ends in .jsonl, .csv or .md; - is standard output")
    export.add_argument("--as", dest="format", metavar="FORMAT", help="jsonl, csv or markdown (default: by suffix)")
    export.add_argument("--replace", action="store_true", help="replace a file that is there already")
    export.set_defaults(run=run_export)

    serve = command("serve", run_serve, "open the page in the browser")
    serve.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine only)"
    )
    serve.add_argument("--port", type=int, default=7860)
    serve.add_argument("--no-browser", action="store_true", help="don't open a browser window")
    serve.add_argument("--mcp", action="store_true", help="an MCP server too, at /mcp, for assistants")
    serve.add_argument("--auth", type=Path, metavar="FILE", help="only these users: see `footnoted user`")
    serve.add_argument("--without-auth", action="store_true", help="whoever reaches the host may come in")
    serve.add_argument("--address", default="", metavar="URL", help="the page's address, if a proxy stands before it")
    command("mcp", run_mcp, "an MCP server on standard input and output, for assistants")
    add_user_commands(commands)

    command("doctor", run_doctor, "check the models, the library and the disk")
    evaluate = commands.add_parser("eval", help="measure how good the answers are")
    runs = evaluate.add_subparsers(title="actions", required=True, metavar="ACTION")
    run = runs.add_parser("run", help="ask questions with known answers and report the measures")
    add_eval_arguments(run)
    run.set_defaults(run=run_eval)
    show = runs.add_parser("show", help="answers of a run, drawn at random, to read")
    add_show_arguments(show)
    show.set_defaults(run=run_show)
    report = runs.add_parser("report", help="a run as one HTML file to read, or its summary as Markdown")
    add_report_arguments(report)
    report.set_defaults(run=run_report)
    compare = runs.add_parser("compare", help="runs side by side, with intervals; checks for a CI job")
    add_compare_arguments(compare)
    compare.set_defaults(run=run_compare)
    claims = runs.add_parser("claims", help="check labelled claims: are the right sentences let through?")
    add_claims_arguments(claims)
    claims.set_defaults(run=run_claims)
    questions = runs.add_parser("questions", help="make a test set of your own insights, or check one")
    kinds = questions.add_subparsers(title="actions", required=True, metavar="ACTION")
    text = "propose questions from a library; accept, edit or reject each"
    new = kinds.add_parser("new", help=text, description=text)
    add_new_arguments(new)
    new.set_defaults(run=run_new_questions)
    text = "say what is wrong with questions, one problem a line"
    check = kinds.add_parser("check", help=text, description=text)
    add_check_arguments(check)
    check.set_defaults(run=run_check_questions)
    return parser


def run_ask(options: Options) -> int:
    """Answer one question: on a terminal as it comes about, in a pipe plainly, with --json as the record."""
    from rag.datatypes import Status
    from rag.pipeline import checked_question
    from ui import terminal
    from ui.filter_cli import filter_given
    from ui.record import record

    config, filters = _config(options), filter_given(options)
    question = _standard_input() if options.question == "-" else options.question
    checked_question(question, config.max_question)  # before any model is loaded
    with _library(options) as library:
        with terminal.progress() as report:
            pipeline = _pipeline(library, config, report)
        if options.json or not sys.stdout.isatty():
            answer = pipeline.ask(question, filters=filters)
            sys.stdout.write(
                json.dumps(record(answer), ensure_ascii=False) + "\n" if options.json else terminal.plain(answer)
            )
        else:
            answer = terminal.show(pipeline.stream(question, filters=filters))
    if answer.trace.fault:
        sys.stderr.write(f"footnoted: {answer.trace.fault} Until then the quotes are the answer.\n")
    return NOT_IN_LIBRARY if answer.status is Status.NOT_IN_LIBRARY else 0


def run_search(options: Options) -> int:
    """List the nearest insights."""
    from dataclasses import replace

    from rag.pipeline import checked_question
    from ui import terminal
    from ui.filter_cli import filter_given
    from ui.record import hit_record

    config, filters = _config(options), filter_given(options)
    if options.k < 1:
        raise UsageError(f"-k can't be {options.k}.", "Give it 1 or more.")
    query = checked_question(options.query, config.max_question)
    # Nothing is worded here, and a writer would take seconds to load.
    config = replace(config, writer="quote")
    with _library(options) as library:
        with terminal.progress() as report:
            hits = _pipeline(library, config, report).search(query, options.k, filters)
        if options.json:
            _write_lines(map(hit_record, hits))
        else:
            terminal.show_hits(hits, library.name)
    return 0 if hits else NOT_IN_LIBRARY


def _write_lines(records: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line."""
    for record in records:
        sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")


def run_add(options: Options) -> int:
    """Read the files, store what is new, embed it, and say what happened to every item."""
    from corpus.insight import Insight
    from corpus.readers import Problem, read_paths
    from rag.embed import open_embedder
    from rag.index import open_index
    from ui import terminal

    config = _config(options)
    items = read_paths(options.paths, options.format)
    if options.dry_run:
        from ui.library_cli import dry_run

        return dry_run(items, _library_name(options))
    problems: list[Problem] = []
    for first in items:
        if isinstance(first, Insight):
            break
        problems.append(first)
    else:  # then no library is made: an empty one would take the place of the insights that ship
        terminal.show_problems(problems)
        raise UsageError("Nothing was added.", "Mend or leave out what is named above, then add it again.")
    with _library(options, create=True) as library:
        result = library.add(chain(problems, [first], items), origin=", ".join(map(str, options.paths)))
        terminal.show_report(result, library)
        if result.new or result.changed:
            with terminal.progress() as report:
                open_index(library, open_embedder(config.embedder, report), report=report)
    return 0


def run_list(options: Options) -> int:
    """List the insights, all or those with some words."""
    from ui import terminal
    from ui.record import insight_record

    with _library(options) as library:
        insights = library.insights(options.query)
        if options.json:
            _write_lines(map(insight_record, insights))
        else:
            terminal.show_insights(insights, library.name)
    return 0 if insights else NOT_IN_LIBRARY


def run_remove(options: Options) -> int:
    """Remove insights by id; unknown ids are named."""
    with _library(options) as library:
        unknown = [insight_id for insight_id in options.ids if library.get(insight_id) is None]
        if unknown and not library.read_only:  # which says more than that the id is unknown
            raise UsageError(
                f"No insight has the id {unknown[0]}.", "See `footnoted library list` for the ids; nothing was removed."
            )
        count = library.remove(options.ids)
        sys.stdout.write(f"Removed {count} insight{'s' * (count != 1)} from {library.name}.\n")
    return 0


def run_undo(options: Options) -> int:
    """Take the last import back."""
    from ui.library_cli import undo

    with _library(options) as library:
        return undo(library)


def run_edit(options: Options) -> int:
    """Change fields of one insight."""
    from ui.library_cli import edit

    with _library(options) as library:
        return edit(library, options.id, options.set)


def run_export(options: Options) -> int:
    """Write all insights to a file."""
    from ui.library_cli import export

    with _library(options) as library:
        return export(library, options.file, options.format, replace=options.replace)


def run_serve(options: Options) -> int:
    """Load everything, then serve the page until Ctrl-C."""
    from ui import terminal
    from ui.examples import examples
    from ui.suggest import checking
    from ui.users import guarded

    # All that can be wrong, before any model is loaded.
    guarded(options.host, options.auth, options.without_auth, options.address)
    if options.mcp:
        from ui.mcp_server import check_installed

        check_installed()
    from ui.server import check_address, check_port, serve

    check_address(options.address)
    check_port(options.host, options.port)
    with _library(options) as library:
        with terminal.progress() as report:
            pipeline = _pipeline(library, _config(options), report)
        shown = examples(library, checking(pipeline.quoted))
        host = f"[{options.host}]" if ":" in options.host else options.host
        sys.stdout.write(f"The page is at http://{host}:{options.port}/ (Ctrl-C ends it).\n")
        sys.stdout.flush()
        serve(
            pipeline,
            options.host,
            options.port,
            shown,
            open_browser=not options.no_browser,
            auth=options.auth,
            without_auth=options.without_auth,
            mcp=options.mcp,
            address=options.address,
        )
    return 0


def run_mcp(options: Options) -> int:
    """Load everything, then speak the Model Context Protocol until the input ends."""
    from ui import terminal
    from ui.handlers import Desk
    from ui.mcp_server import check_installed, serve_stdio, stdout_is_stderr

    check_installed()
    with stdout_is_stderr():
        library = _library(options)
    with library:
        with stdout_is_stderr(), terminal.progress() as report:
            pipeline = _pipeline(library, _config(options), report)
        serve_stdio(Desk(pipeline))
    return 0


def run_eval(options: Options) -> int:
    """Ask questions with known answers and report the measures."""
    from eval.cli import main as evaluate

    return evaluate(options)


def run_show(options: Options) -> int:
    """Print answers of a run as Markdown."""
    from eval.cli import show

    return show(options)


def run_report(options: Options) -> int:
    """Write the report of a run."""
    from eval.cli import report

    return report(options)


def run_compare(options: Options) -> int:
    """Print runs side by side, and check whether they are good enough."""
    from eval.cli import compare

    return compare(options)


def run_claims(options: Options) -> int:
    """Check labelled claims and print how often the check is right."""
    from eval.cli import claims

    return claims(options)


def run_new_questions(options: Options) -> int:
    """Propose questions from a library to a person, and keep those that are accepted."""
    from eval.cli import new_questions

    return new_questions(options)


def run_check_questions(options: Options) -> int:
    """Say what is wrong with questions before a run rests on them."""
    from eval.cli import check_questions

    return check_questions(options)


def run_doctor(options: Options) -> int:
    """Say what works, what doesn't, and what to do about it."""
    from ui.doctor import examine

    healthy = True
    for finding in examine(options.library, _config(options)):
        healthy &= finding.ok
        sys.stdout.write(f"{'ok  ' if finding.ok else 'FAIL'} {finding.part}: {finding.text}\n")
    return 0 if healthy else FAULT


def _config(options: Options) -> "Config":
    from rag.config import load_config

    pairs = [text.partition("=") for text in options.set]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise UsageError(f"--set {wrong[0]} has no value.", "Write it as NAME=VALUE, for example --set candidates=30.")
    flags = {name.strip(): value for name, _, value in pairs}
    own = {"writer": options.writer, "caution": options.caution}
    return load_config(options.config, **flags | {name: value for name, value in own.items() if value is not None})


def _standard_input() -> str:
    """What is piped in: bytes that aren't text become spaces in the question, not a fault."""
    return sys.stdin.buffer.read().decode("utf-8", "replace").replace("\ufffd", " ")


def _library(options: Options, *, create: bool = False) -> "Library":
    from corpus.library import open_library

    return open_library(_library_name(options), create=create)


def _library_name(options: Options) -> str | None:
    if options.library is not None and not options.library.strip():  # an unset variable, most likely
        raise UsageError("--library has no value.", "Name a library's file, or demo.")
    return str(options.library) if options.library is not None else None


def _pipeline(library: "Library", config: "Config", report: Callable[[str, int, int], None]) -> "Pipeline":
    from rag.pipeline import open_pipeline

    if not library.count():
        raise UsageError(f"The library {library.name} is empty.", "Add insights to it: footnoted library add FILE")
    return open_pipeline(library, config, report)


if __name__ == "__main__":
    sys.exit(main())
