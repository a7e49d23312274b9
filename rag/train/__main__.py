"""`python -m rag.train embedder|reader|writer [FOLDER …]` makes what ships in rag/weights/.

Order matters: the reader is trained on what the tuned embedder takes for similar. Every fifth collection of the first
folder is kept from all training: the figures on the way and the reader's calibration come from those. A run that is
stopped goes on where it was when it is started again.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpus.errors import FootnotedError, UsageError
from rag.models import SHIPPED
from rag.train import crossencoder, embedder, reader, writer
from rag.train.collections import all_pairs, held_out, load_collections, load_edits, nearest
from rag.train.held import judge_embedder, judge_learner, judge_scorer
from rag.train.loop import Say
from rag.train.public import public_pairs, public_questions, public_sheets
from rag.train.sheets import sheets

FOLDERS = [Path("eval/questions/insightqa/train"), Path("eval/questions/additions")]
EDITS = Path("eval/questions/edits.jsonl")
PUBLIC = Path("../shared/data/train")


def train_embedder(options: Any, say: Say) -> None:
    """The embedder's layers: embedder.safetensors."""
    collections = load_collections(options.folders)
    held = held_out(options.folders[0])
    seen = [collection for name, collection in collections.items() if name not in held]
    judge = judge_embedder(collections, held)
    file = options.out / "embedder.safetensors"
    embedder.train(seen, public_questions(options.public), file, judge, say, options.seed)


def train_reader(options: Any, say: Say) -> None:
    """The cross-encoder's layers, then the weights and cuts over its scores: crossencoder.safetensors, reader.json."""
    collections = load_collections(options.folders)
    held = held_out(options.folders[0])
    if len(held) < 2:
        raise UsageError(
            f"{options.folders[0]} holds too few collections to calibrate on: every fifth is held out.",
            "Name a folder of at least ten first.",
        )
    if not options.calibrate_only:
        rng = random.Random(options.seed)
        seen = {name: collection for name, collection in collections.items() if name not in held}
        judge = judge_scorer([collections[name] for name in sorted(held)], collections, nearest(collections))
        file = options.out / "crossencoder.safetensors"
        neighbours = nearest(seen)
        # Each pass meets other near misses and other spoilt sentences.
        passes = [all_pairs(seen, neighbours, rng) for _ in range(crossencoder.PASSES)]
        crossencoder.train(public_pairs(options.public, rng), passes, file, judge, say, options.seed)
    own = {name: collections[name] for name in load_collections(options.folders[:1])}
    reader.train(own, held, options.out, say)


def train_writer(options: Any, say: Say) -> None:
    """The writer's low-rank deltas and its two heads: writer.safetensors."""
    collections = load_collections(options.folders)
    held = held_out(options.folders[0])
    rng = random.Random(options.seed)
    near = nearest(collections)
    judged = sheets({name: collections[name] for name in sorted(held)}, near, random.Random(0))
    seen = {name: collection for name, collection in collections.items() if name not in held}
    neighbours = nearest(seen)
    public = public_sheets(options.public)
    # First what is true of an insight, in any words; then to say it in the insight's own.
    passes = [sheets(seen, neighbours, rng) + public, sheets(seen, neighbours, rng, load_edits(EDITS))]
    writer.train(passes, options.out / "writer.safetensors", judge_learner(judged), say, options.seed)


PARTS = {"embedder": train_embedder, "reader": train_reader, "writer": train_writer}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one part."""
    parser = argparse.ArgumentParser(
        prog="python -m rag.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("folders", nargs="*", type=Path, default=FOLDERS, help="collections, InsightQA's own first")
    parser.add_argument("--public", type=Path, default=PUBLIC, help="the public sets")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="the folder for the weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calibrate-only", action="store_true", help="reader: keep the cross-encoder as it is")
    options = parser.parse_args(arguments)
    try:
        PARTS[options.part](options, lambda text: sys.stderr.write(f"{text}\n"))
    except FootnotedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
