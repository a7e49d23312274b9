"""Another embedder without a pause: the one before answers until the second set is there; a kill costs one batch."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from corpus.database import Database
from corpus.errors import LibraryError, ModelError
from corpus.insight import make_insight
from corpus.library import Library, open_library
from rag import changeover
from rag.changeover import before_changeover, change_over, changing_over
from rag.config import Config
from rag.datatypes import Coming, Hit
from rag.embed import Embedder, known_as
from rag.index import embed_missing, open_index
from rag.models import Report, silent
from rag.nearest import Index
from rag.pipeline import Pipeline
from tests.fakes import HashEmbedder, OpenReader, ScriptedWriter
from tests.waiting import wait_for
from ui.handlers import Desk

OLD, NEW = Config(), Config(embedder="small")
COUNT = 600


def rope(n: int) -> str:
    """A text, and the question that is nearest to it in whatever space."""
    return f"Rope {n} was coiled in shed {n}."


def zeppelin(n: int) -> str:
    return f"Zeppelin {n} landed on mast {n}."


class Small(HashEmbedder):
    """Another model, of another size; `during` is called before each batch of passages."""

    name = "small"
    fingerprint = "small-1"
    dimensions = 16

    def __init__(self, during: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.during = during

    def encode_document(self, texts: Sequence[str]) -> np.ndarray:
        self.during()
        return super().encode_document(texts)


def made(*embedders: Embedder) -> Callable[[str, Report], Embedder]:
    """What opens these by their names, and no others."""
    by_name = {embedder.name: embedder for embedder in embedders}

    def make(name: str, report: Report = silent) -> Embedder:
        if name not in by_name:
            raise ModelError(f"There is no model {name!r} here.", "Install it.")
        return by_name[name]

    return make


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Embedded by the model before, as a person has it who has just named another one."""
    with open_library(tmp_path / "ropes.db", create=True) as library:
        library.add(make_insight(rope(n), insight_id=f"r{n}") for n in range(COUNT))
        embed_missing(library, HashEmbedder())
        yield library


def pipeline(library: Library) -> Pipeline:
    return Pipeline(library, OLD, HashEmbedder(), OpenReader(), ScriptedWriter(rope(7)))


def first(hits: Sequence[Hit]) -> str:
    return hits[0].insight.insight_id


# Which model begins


def test_the_model_before_begins_if_it_has_embedded_all(library: Library) -> None:
    found = before_changeover(library, NEW, make=made(HashEmbedder(), Small()))
    assert found == replace(NEW, embedder="hash")


def test_nothing_changes_over_that_is_there_or_is_soon_there(library: Library, six: Path) -> None:
    make = made(HashEmbedder(), Small())
    assert before_changeover(library, Config(embedder="hash"), make=make) is None
    with open_library(six) as few:
        embed_missing(few, HashEmbedder())
        assert before_changeover(few, NEW, make=make) is None
    embed_missing(library, Small())
    assert before_changeover(library, NEW, make=make) is None, "both are there"
    assert before_changeover(library, Config(embedder="hash"), make=make) is None, "and it can go back at once"


class Retrained(HashEmbedder):
    fingerprint = "hash-embedder-2"


@pytest.mark.parametrize("opened", [made(Small()), made(Small(), Retrained())])
def test_a_model_that_is_gone_or_another_one_by_now_can_not_answer(
    library: Library, opened: Callable[[str, Report], Embedder]
) -> None:
    assert before_changeover(library, NEW, make=opened) is None


def test_the_name_of_what_ships_is_known_from_before_names_were_noted(tmp_path: Path) -> None:
    class Shipped(HashEmbedder):
        name = "all-MiniLM-L6-v2"
        fingerprint = "all-MiniLM-L6-v2@53aa51172d14"

    with open_library(tmp_path / "old.db", create=True) as library:
        library.add(make_insight(f"Rope {n} was coiled.", insight_id=f"r{n}") for n in range(COUNT))
        keys = [key for key, _ in library.missing(Shipped.fingerprint)]
        library.put_vectors(Shipped.fingerprint, keys, np.ones((COUNT, 64), np.float32))
        assert library.vector_sets()[0].name == ""
        found = before_changeover(library, NEW, make=made(Shipped(), Small()))
        assert found == replace(NEW, embedder="all-MiniLM-L6-v2")


def test_a_folder_is_known_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "models")
    assert known_as("mine") == known_as("../models/mine") == str(tmp_path / "models" / "mine")
    assert known_as("footnoted-embedder") == "footnoted-embedder"


# The change


def test_questions_are_answered_all_the_while_and_then_by_the_new_model(library: Library) -> None:
    asked = pipeline(library)
    seen: list[tuple[str, str, Coming | None]] = []

    def during() -> None:
        answer = asked.ask(rope(7))
        seen.append((answer.trace.models["embedder"], first(asked.search(rope(7), 1)), asked.coming))

    assert change_over(asked, NEW, make=made(Small(during)))
    before = [each for each in seen if each[2] is not None]
    assert {(model, hit) for model, hit, _ in before} == {("hash-embedder-1", "r7")}
    told = [coming.done for _, _, coming in before if coming]
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0, COUNT - COUNT % changeover.BATCH)
    assert asked.coming is None
    answer = asked.ask(rope(7))
    assert answer.trace.models["embedder"] == "small-1"
    assert answer.trace.config == replace(OLD, embedder="small").fingerprint()
    assert first(asked.search(rope(7), 1)) == "r7"
    assert asked.embedder.dimensions == 16


class Asked(Small):
    """Takes note of each question that it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[str] = []

    def encode_query(self, texts: Sequence[str]) -> np.ndarray:
        self.questions += texts
        return super().encode_query(texts)


def test_an_answer_on_its_way_ends_with_what_it_began_with(library: Library) -> None:
    asked, new = pipeline(library), Asked()
    steps = asked.stream(rope(7))
    begun = next(steps)
    assert change_over(asked, NEW, make=made(new))
    last = list(steps)[-1].answer
    assert new.questions == []
    assert last.trace.models["embedder"] == begun.answer.trace.models["embedder"] == "hash-embedder-1"
    assert last.hits[0].insight.insight_id == "r7"
    assert asked.ask(rope(7)).trace.models["embedder"] == "small-1"
    assert new.questions == [rope(7)]


def test_a_search_never_meets_one_model_with_the_index_of_the_other(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The switch comes just when the search has its index, and has yet to embed its question."""
    asked, index_of = pipeline(library), Pipeline._index_of

    def then_switched(self: Pipeline, of: Library) -> Index:
        index = index_of(self, of)
        if asked.embedder.fingerprint != "small-1":
            asked.switch(NEW, Small())
        return index

    monkeypatch.setattr(Pipeline, "_index_of", then_switched)
    for _ in range(2):  # the first one is still of the old model
        assert first(asked.search(rope(7), 1)) == "r7"
    assert asked.embedder.fingerprint == "small-1"


def test_what_is_added_meanwhile_is_found_before_and_after(library: Library) -> None:
    asked, added = pipeline(library), iter(range(10_000))
    late: list[str] = []

    def during() -> None:
        if (n := next(added)) % 10 == 0:
            new = make_insight(zeppelin(n), insight_id=f"z{n}")
            asked.renew(lambda: library.add([new]))
            late.append(new.insight_id)
            assert first(asked.search(zeppelin(n), 1)) == f"z{n}"

    assert change_over(asked, NEW, make=made(Small(during)))
    assert late
    assert library.missing("small-1") == library.missing("hash-embedder-1") == [], "both have them all"
    assert {first(asked.search(zeppelin(int(n[1:])), 1)) for n in late} == set(late)


def test_it_goes_on_in_the_library_that_the_page_moved_to(library: Library, tmp_path: Path) -> None:
    asked = pipeline(library)
    with open_library(tmp_path / "own.db", create=True) as own:
        own.add(make_insight(zeppelin(n), insight_id=f"z{n}") for n in range(300))
        moved = iter([True])
        small = Small(lambda: asked.move(own) if next(moved, False) else None)
        assert change_over(asked, NEW, make=made(small))
        assert own.missing("small-1") == []
        assert first(asked.search(zeppelin(7), 1)) == "z7"
        assert len(library.missing("small-1")) > COUNT / 2


def test_a_page_with_the_model_before_bears_an_import_with_the_new_one(library: Library) -> None:
    """Another process, whose settings name the new model already, embeds for itself and rewrites the index file."""
    asked = pipeline(library)
    assert first(asked.search(rope(7), 1)) == "r7"
    with open_library(library.path) as theirs:
        theirs.add([make_insight("Zeppelins landed on masts.", insight_id="z")])
        open_index(theirs, Small())
    assert first(asked.search("zeppelins masts", 1)) == "z"
    assert first(asked.search(rope(7), 1)) == "r7"
    assert asked.ask(rope(7)).trace.models["embedder"] == "hash-embedder-1"


# Ends


def test_a_stop_keeps_what_is_embedded_and_the_next_time_goes_on(library: Library) -> None:
    asked, batches = pipeline(library), iter(range(1000))
    assert not change_over(asked, NEW, stopped=lambda: next(batches) >= 5, make=made(Small()))
    assert asked.embedder.fingerprint == "hash-embedder-1"
    there = COUNT - len(library.missing("small-1"))
    assert there == 5 * changeover.BATCH
    assert [(each.name, each.count) for each in library.vector_sets()] == [("hash", COUNT), ("small", there)]
    small = Small()
    assert change_over(asked, NEW, make=made(small))
    assert len(small.encoded) == COUNT - there, "nothing is embedded twice"


WORK = """
import sys, time
from pathlib import Path
from corpus.library import open_library
from rag.changeover import change_over
from tests.test_rag_changeover import NEW, Small, made, pipeline

with open_library(Path(sys.argv[1])) as library:
    print(change_over(pipeline(library), NEW, make=made(Small(lambda: time.sleep(0.05)))))
"""


def test_a_kill_halfway_costs_one_batch(library: Library) -> None:
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-c", WORK, str(library.path)], cwd=root, env=environment) as process:
        wait_for(lambda: any(each.name == "small" and each.count > 100 for each in library.vector_sets()), 60)
        process.send_signal(signal.SIGKILL)
    there = COUNT - len(library.missing("small-1"))
    assert 100 < there < COUNT
    assert there % changeover.BATCH == 0, "a batch is stored whole or not at all"
    assert library.check() == []
    small = Small()
    assert change_over(pipeline(library), NEW, make=made(small))
    assert len(small.encoded) == COUNT - there
    assert library.missing("small-1") == []


def fails() -> None:
    raise RuntimeError("no more memory")


def test_a_fault_leaves_the_model_before_and_is_told(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pipeline(library)
    assert not change_over(asked, NEW, make=made())
    assert asked.coming == Coming("small", 0, 0, "There is no model 'small' here. Install it.")
    assert not change_over(asked, NEW, make=made(Small(fails)))
    assert asked.coming is not None
    assert asked.coming.problem == "Something went wrong (RuntimeError)."
    assert first(asked.search(rope(7), 1)) == "r7"

    def full(*_: object) -> None:
        raise LibraryError("There is no room left on the disk.", "Free some space.")

    monkeypatch.setattr(Database, "transaction", full)
    assert not change_over(asked, NEW, make=made(Small()))
    assert asked.coming.problem == "There is no room left on the disk. Free some space."
    assert asked.embedder.fingerprint == "hash-embedder-1"


def test_leaving_ends_the_thread_between_two_batches(library: Library) -> None:
    asked, entered = pipeline(library), threading.Event()
    with changing_over(asked, NEW, make=made(Small(entered.set))) as thread:
        assert asked.coming is not None
        assert entered.wait(20)
    assert not thread.is_alive()


# What a reader sees


def test_the_head_of_the_page_says_how_far_it_is(library: Library) -> None:
    asked = pipeline(library)
    desk = Desk(asked)
    assert "Changing" not in desk.header()
    asked.coming = Coming("/home/ada/models/<small>", 1200, 5000)
    assert "Changing the embedder, 24%</span> · Asking 600 insights" in desk.header()
    assert 'title="&lt;small&gt;: 1,200 of 5,000 passages"' in desk.header()
    assert "/home/ada" not in desk.header()
    asked.coming = replace(asked.coming, problem="The disk at /home/ada is full.")
    assert "Changing the embedder failed: see footnoted doctor</span> · Asking" in desk.header()
    assert "/home/ada" not in desk.header()
