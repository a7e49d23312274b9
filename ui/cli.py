"""The `footnoted` command. It imports what a command needs when that command runs: `--help` must be instant.

Exit codes: 0 answered, 1 not in the library, 2 the request can't be carried out as given, 3 a fault, in a sentence,
4 a run isn't good enough (`eval compare`), or questions are faulty (`eval questions check`).
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

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
    from ui.bench_cli import add_bench_commands
    from ui.filter_cli import add_filter_arguments
    from ui.finding_cli import add_arguments as add_finding_arguments
    from ui.user_cli import add_user_commands

    which = "a library's file, postgresql://…, or demo: the insights that ship"
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--library", metavar="PATH", help=which)
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("which insights, which models")
    group.add_argument("--library", metavar="PATH", help=which)
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

    add_finding_arguments(
        command("search", run_search, "list the insights nearest to some words"),
        command("related", run_related, "list the insights nearest to one of them"),
        command("claim", run_claim, "say which insights support a claim, and which disagree"),
    )

    library = commands.add_parser("library", help="add, list, edit, export, back up or remove insights")
    actions = library.add_subparsers(title="actions", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="add the insights of files and folders", parents=[common])
    add.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    add.add_argument("--as", dest="format", metavar="FORMAT", help="csv, kindle, … (default: seen from the file)")
    add.add_argument(
        "--map", action="append", default=[], metavar="FIELD=COLUMN,…", help="which columns or keys to take"
    )
    add.add_argument("--dry-run", action="store_true", help="only say what would become of each item; write nothing")
    add.add_argument("--workers", metavar="W", help="embed on a cluster: ray, or ray://HOST:PORT (see docs/scale.md)")
    gone = "remove what an earlier import of the same paths brought and they don't hold any more"
    add.add_argument("--prune", action="store_true", help=gone)
    add.set_defaults(run=run_add)
    watch = actions.add_parser("watch", help="keep the library in step with a folder", parents=[common])
    watch.add_argument("folder", type=Path, metavar="FOLDER")
    watch.add_argument("--prune", action="store_true", help="remove what the folder doesn't hold any more")
    watch.set_defaults(run=run_watch)
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
    ends = "ends in .jsonl, .csv, .md, .bib or .anki.txt; - is standard output"
    export.add_argument("file", metavar="FILE", help=ends)
    forms = "jsonl, csv, markdown, bibtex or anki (default: by suffix)"
    export.add_argument("--as", dest="format", metavar="FORMAT", help=forms)
    export.add_argument("--replace", action="store_true", help="replace a file that is there already")
    export.set_defaults(run=run_export)
    backup = actions.add_parser("backup", help="copy the library into one file, while it is in use", parents=[where])
    backup.add_argument("file", type=Path, metavar="FILE")
    backup.add_argument("--without-vectors", action="store_true", help="a fraction of the size; they are made again")
    backup.add_argument("--replace", action="store_true", help="replace a file that is there already")
    backup.set_defaults(run=run_backup)
    text = "copy a library from a file to a PostgreSQL server, or back"
    migrate = actions.add_parser("migrate", help=text, description=text)
    migrate.add_argument("source", metavar="SOURCE", help="a library's file or address")
    migrate.add_argument("target", metavar="TARGET", help="where nothing is yet; what was broken off goes on")
    migrate.set_defaults(run=run_migrate)
    text = "put a backup in the place of what the library holds"
    restore = actions.add_parser("restore", help=text, parents=[common])
    restore.add_argument("file", type=Path, metavar="FILE")
    restore.set_defaults(run=run_restore)

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
    add_bench_commands(commands)

    doctor = command("doctor", run_doctor, "check the models, the library and the disk")
    doctor.add_argument("--fix", action="store_true", help="mend what can be mended; never deletes an insight")
    doctor.add_argument("--auth", type=Path, metavar="FILE", help="the users that the page is served with, too")
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
    from rag.pipeline import checked_question
    from ui.filter_cli import filter_given
    from ui.finding_cli import checked_count, write_hits

    filters, count = filter_given(options), checked_count(options)
    query = checked_question(options.query, _config(options).max_question)
    with _reading(options) as pipeline:
        hits = pipeline.search(query, count, filters, diverse=options.diverse)
        return write_hits(hits, pipeline.library.name, as_json=options.json)


def run_related(options: Options) -> int:
    """List an insight's neighbours."""
    from ui.finding_cli import checked_count, related

    count = checked_count(options)
    with _reading(options) as pipeline:
        return related(pipeline, options.id, count, as_json=options.json)


def run_claim(options: Options) -> int:
    """Say where the nearest insights stand on a claim."""
    from rag.pipeline import checked_question
    from ui.filter_cli import filter_given
    from ui.finding_cli import checked_count, write_stands

    filters, count = filter_given(options), checked_count(options)
    claim = checked_question(options.claim, _config(options).max_question)
    with _reading(options) as pipeline:
        return write_stands(pipeline.check_claim(claim, count, filters), as_json=options.json)


@contextmanager
def _reading(options: Options) -> "Iterator[Pipeline]":
    """The pipeline without its writer, which would take seconds to load: nothing is worded."""
    from dataclasses import replace

    from ui import terminal

    with _library(options) as library:
        with terminal.progress() as report:
            pipeline = _pipeline(library, replace(_config(options), writer="quote"), report)
        yield pipeline


def run_add(options: Options) -> int:
    """Read the files, store what is new, embed it, and say what happened to every item."""
    from functools import partial

    from corpus.formats.columns import columns_given
    from rag.pgvector import embed_as_stored
    from rag.workers import named_workers
    from ui.import_cli import Adding, add, embed_all, try_out

    config = _config(options)
    adding = Adding(options.paths, options.format, columns_given(options.map), options.prune)
    if options.dry_run:
        return try_out(adding, _library_name(options))

    def open_own() -> "Library":
        library = _library(options, create=True)
        if not options.workers:
            embed_as_stored(library, config.embedder)
        return library

    return add(
        adding,
        open_own,
        partial(embed_all, config.embedder),
        lambda: named_workers(options.workers, config.embedder) if options.workers else None,
    )


def run_watch(options: Options) -> int:
    """Keep the library in step with a folder until Ctrl-C."""
    from ui.watch_cli import embedding, watch

    embed = embedding(_config(options).embedder)
    return watch(options.folder, lambda: _library(options, create=True), embed, prune=options.prune)


def run_list(options: Options) -> int:
    """List the insights, all or those with some words."""
    from ui import terminal
    from ui.finding_cli import write_lines
    from ui.record import insight_record

    with _library(options) as library:
        insights = library.insights(options.query)
        if options.json:
            write_lines(map(insight_record, insights))
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


def run_backup(options: Options) -> int:
    """Copy the library into one file."""
    from ui.library_cli import backup

    with _library(options) as library:
        return backup(library, options.file, vectors=not options.without_vectors, replace=options.replace)


def run_restore(options: Options) -> int:
    """Put a backup in the place of what the library holds."""
    from ui.library_cli import restore

    return restore(_library_name(options), options.file, _config(options))


def run_migrate(options: Options) -> int:
    """Copy a library into one of another kind."""
    from ui.library_cli import migrate

    return migrate(options.source, options.target)


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
            pipeline, changing = _serving(library, _config(options), report)
        shown = examples(library, checking(pipeline.quoted))
        host = f"[{options.host}]" if ":" in options.host else options.host
        sys.stdout.write(f"The page is at http://{host}:{options.port}/ (Ctrl-C ends it).\n")
        sys.stdout.flush()
        with changing:
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
            pipeline, changing = _serving(library, _config(options), report)
        with changing:
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
    for finding in examine(options.library, _config(options), fix=options.fix, auth=options.auth):
        healthy &= finding.ok
        sys.stdout.write(f"{finding.line}\n")
        sys.stdout.flush()
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


def _serving(
    library: "Library", config: "Config", report: Callable[[str, int, int], None]
) -> "tuple[Pipeline, AbstractContextManager[object]]":
    """The pipeline, and what is to be entered while it serves: it may have to change over to another embedder."""
    from rag.changeover import before_changeover, changing_over

    before = before_changeover(library, config, report)
    pipeline = _pipeline(library, before or config, report)
    return pipeline, changing_over(pipeline, config) if before else nullcontext()


if __name__ == "__main__":
    sys.exit(main())
