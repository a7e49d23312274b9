"""Ask another system the questions that ours is asked, and write the results in the same form.

    .venv-peers/bin/python -m eval.peers.run llamaindex eval/questions/insightqa --split dev --json eval/results

It runs in the environment that `make peers` sets up. `footnoted eval compare` and `eval report` read what it writes.
"""

import argparse
import importlib
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from corpus.errors import FootnotedError, UsageError
from corpus.insight import Insight
from eval.cli import add_distractors, shown
from eval.formats import load_questions
from eval.peers.common import MAX_NEW_TOKENS, TOP_K, Parts, Peer, peer_session
from eval.provenance import fingerprint
from eval.report import table
from eval.run import check_writable, evaluate, write_json
from eval.session import Session
from rag.config import Config
from rag.models import Report, best_device, best_dtype, find_weights, silent

EMBEDDER = "all-MiniLM-L6-v2"
WRITER = "SmolLM2-135M-Instruct"
# SYSTEM -> the module that sets it up, and its function there
SYSTEMS = {
    "llamaindex": ("eval.peers.llamaindex", "open_llamaindex"),
    "txtai": ("eval.peers.txtai_rag", "open_txtai"),
    "haystack": ("eval.peers.haystack_rag", "open_haystack"),
}
# The models lie on this machine, and nobody is told of the questions.
QUIET = {
    "HAYSTACK_TELEMETRY_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "GOMP_SPINCOUNT": "5000",  # as for the `footnoted` command: ours would be the faster one without it
}

OpenPeer = Callable[[Sequence[Insight], Parts], Peer]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: the report goes to standard output, progress to standard error. Returns the exit code."""
    args = _parser().parse_args(arguments)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        data = ask_peer(
            args.system,
            args.questions,
            args.with_folders,
            args.split,
            args.limit,
            args.json_file,
            command=_command(args),
            report=_progress(),
        )
    except FootnotedError as error:
        sys.stderr.write(f"peers: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    used = "".join(f"  {part} {what}\n" for part, what in data["models"].items())
    sys.stdout.write(f"{args.system}\n{used}{table(data)}")
    return 0


def ask_peer(
    system: str,
    questions: Path,
    with_folders: Sequence[Path] = (),
    split: str | None = None,
    limit: int | None = None,
    json_file: Path | None = None,
    command: str = "",
    report: Report = silent,
    open_peer: OpenPeer | None = None,
) -> dict[str, Any]:
    """Ask questions to a system of SYSTEMS over one library, as `eval.run.evaluate` asks ours.

    The results have the same form; their "config" holds what the system was told, and its name is in the fingerprint.
    Raises UsageError for questions that can't be asked, and if the system isn't installed where this runs.
    """
    if json_file is not None:
        check_writable(json_file)  # now, not after an hour
    asked = [question for collection in load_questions(questions, split)[1] for question in collection.questions]
    if any(question.among or question.without for question in asked):
        raise UsageError(
            f"{questions} has questions that may see only some of the insights.",
            "Give other systems questions to one library.",
        )
    opened: list[Peer] = []

    def opener(library: object, insights: Sequence[Insight], config: Config, report: Report) -> Session:
        parts, models = _parts(report)
        report(f"Setting up {system}", 0, 0)
        opened.append((open_peer or _opener(system))(insights, parts))
        return peer_session(opened[0], insights, models)

    data = evaluate(questions, with_folders, split, limit, report=report, opener=opener, command=command)
    data |= _told(system, opened[0].settings)
    if json_file is not None:
        report(f"written to {write_json(data, json_file)}", 0, 0)
    return data


def _parts(report: Report) -> tuple[Parts, dict[str, str]]:
    embedder, writer = find_weights(EMBEDDER, report), find_weights(WRITER, report)
    parts = Parts(str(embedder.folder), str(writer.folder), best_dtype(), best_device())
    return parts, {"embedder": embedder.fingerprint, "writer": writer.fingerprint}


def _opener(system: str) -> OpenPeer:
    """The function that sets the system up; whether it is installed shows when it is called."""
    module, function = SYSTEMS[system]
    open_peer: OpenPeer = getattr(importlib.import_module(module), function)

    def opened(insights: Sequence[Insight], parts: Parts) -> Peer:
        try:
            return open_peer(insights, parts)
        except ImportError as error:
            raise UsageError(
                f"{system} can't be used with this Python ({error}).",
                "Run make peers once, then .venv-peers/bin/python -m eval.peers.run.",
            ) from error

    return opened


def _told(system: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the results in place of our own settings, which the system never saw."""
    config = {"system": system, "top_k": TOP_K, "max_new_tokens": MAX_NEW_TOKENS, "temperature": 0}
    config |= settings
    return {"config": config, "config_fingerprint": f"{system}-{fingerprint(sorted(config.items()))}"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m eval.peers.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("system", metavar="SYSTEM", choices=SYSTEMS, help=f"one of {', '.join(SYSTEMS)}")
    parser.add_argument("questions", metavar="QUESTIONS", type=Path, help="folder of question files, or of splits")
    parser.add_argument("--split", metavar="S", help="subfolder of QUESTIONS to ask")
    add_distractors(parser)
    parser.add_argument("--limit", metavar="N", type=int, help="ask only N questions, always the same ones")
    parser.add_argument(
        "--json", dest="json_file", metavar="FILE", type=Path, help="write the results; a folder names the file itself"
    )
    return parser


def _command(args: argparse.Namespace) -> str:
    """As it stands in a result file: what decides the results, with no folder of this machine in it."""
    words = ["python", "-m", "eval.peers.run", args.system, shown(args.questions)]
    for name in ("split", "limit"):
        words += [f"--{name}", str(getattr(args, name))] if getattr(args, name) is not None else []
    words += ["--with", *map(shown, args.with_folders)] if args.with_folders else []
    return shlex.join(words)


def _progress() -> Report:
    """Lines on standard error: one for what has no end; for what has one every tenth step, with the time left."""
    begun = time.monotonic()

    def report(what: str, done: int, total: int) -> None:
        nonlocal begun
        if not total:
            sys.stderr.write(f"{what}\n")
            begun = time.monotonic()
        elif done % 10 == 0 or done == total:
            left = (time.monotonic() - begun) / done * (total - done)
            sys.stderr.write(f"{what} {done} of {total}" + (f", {left / 60:.0f} min left\n" if left else "\n"))

    return report


if __name__ == "__main__":
    sys.exit(main())
