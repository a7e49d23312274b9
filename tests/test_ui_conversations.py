"""Conversations: exact on the disk, found again, each owner's alone; and a broken file never stops the asking."""

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import LibraryError
from corpus.insight import Insight, Passage
from rag.datatypes import Answer, Citation, Claim, Evidence, Hit, Phase, Status, Trace, Verdict
from tests.test_ui_handlers import QUICK, run
from tests.test_ui_render import ATTACK, Reading
from ui import conversation_desk as at_desk
from ui import conversation_view as view
from ui import conversations, share
from ui.asking_desk import rate
from ui.codec import decode, encode
from ui.conversation_desk import Visitor
from ui.conversations import KEPT, MAX_TITLE, UNREADABLE, Store, Summary
from ui.handlers import MAX_TURNS, Desk, Switch, Talk, View
from ui.render import Exchange

if TYPE_CHECKING:
    from tests.conftest import ScriptedEngine

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Clock:
    """A minute goes by with every look at it."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        self.time += timedelta(minutes=1)
        return self.time


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "own" / "conversations.db", Clock())


def path_of(store: Store) -> Path:
    assert store.path is not None
    return store.path


def exchange(question: str, sentence: str = "It moves at night.", turn: int = 0) -> Exchange:
    insight = Insight("a", sentence, title="Tracks", author="Ottavia Brandt", url="https://tracks.example/1")
    hit = Hit(Passage("a#0", "a", sentence, 0, len(sentence)), insight, 0.9, 1, {"dense": 0.9})
    citation = Citation("a#0", 0, len(sentence))
    claim = Claim(sentence, (citation,), 0.9, Verdict.SUPPORTED)
    answer = Answer(question, Status.ANSWERED, (claim,), (Evidence(hit, citation, 0.9),), (hit,))
    return Exchange(turn, question, answer, Phase.DONE)


# ------------------------------------------------------------------------------------------------------------ codec

TEXTS = st.text(st.characters(), max_size=30)  # with half characters, too
NUMBERS = st.floats(allow_nan=False)
COUNTS = st.integers(-5, 10**12)


def several(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=3).map(tuple)


INSIGHTS = st.builds(
    Insight,
    **{name: TEXTS for name in ("insight_id", "text", "title", "author", "source", "url", "date", "note")},
    tags=several(TEXTS),
)


@st.composite
def hits(draw: st.DrawFn) -> Hit:
    insight = draw(INSIGHTS)
    start, end = sorted(draw(st.tuples(st.integers(0, 30), st.integers(0, 30))))
    text = draw(st.one_of(st.just(insight.text[start:end]), TEXTS))
    passage = Passage(draw(TEXTS), insight.insight_id, text, start, end)
    return Hit(passage, insight, draw(NUMBERS), draw(COUNTS), draw(st.dictionaries(TEXTS, NUMBERS, max_size=2)))


CITATIONS = st.builds(Citation, TEXTS, COUNTS, COUNTS)
ANSWERS = st.builds(
    Answer,
    question=TEXTS,
    status=st.sampled_from(Status),
    claims=several(st.builds(Claim, TEXTS, several(CITATIONS), NUMBERS, st.sampled_from(Verdict))),
    evidence=several(st.builds(Evidence, hits(), CITATIONS, NUMBERS)),
    hits=several(hits()),
    nearest=several(hits()),
    trace=st.builds(
        Trace,
        config=TEXTS,
        answerable=NUMBERS,
        models=st.dictionaries(TEXTS, TEXTS, max_size=2),
        seconds=st.dictionaries(TEXTS, NUMBERS, max_size=2),
        tokens=st.dictionaries(TEXTS, COUNTS, max_size=2),
        dropped=several(TEXTS),
    ),
)
EXCHANGES = st.builds(
    Exchange,
    turn=COUNTS,
    question=TEXTS,
    answer=st.none() | ANSWERS,
    phase=st.none() | st.sampled_from(Phase),
    waiting=st.booleans(),
    problem=TEXTS,
    stopped=st.booleans(),
)


@given(EXCHANGES)
def test_what_is_written_is_read_back_exactly(one: Exchange) -> None:
    text = encode(one)
    assert text.isascii()
    assert decode(text) == one


def test_numbers_of_numpy_become_plain_ones() -> None:
    import numpy as np

    one = exchange("q?")
    assert one.answer is not None
    half: Any = np.float32(0.5)
    three: Any = np.int64(3)
    odd = replace(one, answer=replace(one.answer, trace=Trace(answerable=half, tokens={"prompt": three})))
    assert decode(encode(odd)) == odd


def test_an_insight_is_written_once_and_its_passage_not_again() -> None:
    assert encode(exchange("q?", "Lorries win the last mile.")).count("Lorries win") == 2  # the insight and the claim


def test_another_version_s_fields_are_passed_over_and_missing_ones_get_their_default() -> None:
    one = exchange("q?")
    data = json.loads(encode(one))
    data["exchange"]["feeling"] = {"new": [1]}
    data["exchange"]["answer"]["trace"].pop("fault")
    data["exchange"].pop("waiting")
    assert decode(json.dumps(data)) == one


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        "{}",
        '{"exchange":{},"insights":[]}',
        encode(exchange("q?")).replace('"answered"', '"perhaps"'),
        encode(exchange("q?")).replace('"insight":0', '"insight":7'),
        encode(exchange("q?")).replace('"turn":0', '"turn":"0"'),
    ],
)
def test_what_is_no_exchange_is_a_value_error(damage: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(damage)


# ------------------------------------------------------------------------------------------------------------ store


def test_a_conversation_is_kept_listed_and_read_after_a_restart(store: Store) -> None:
    owner = store.owner(store.new_secret())
    first = store.save(owner, "", [("k1", exchange("What moves\nat night?")), ("k2", exchange("And then?"))])
    second = store.save(owner, "", [("k1", exchange("Who bakes?"))])
    assert store.save(owner, first, [("k3", exchange("And now?"))]) == first

    again = Store(path_of(store))
    listed = again.conversations(owner)
    assert [(row.id, row.title, row.count) for row in listed] == [
        (first, "What moves at night?", 3),
        (second, "Who bakes?", 1),
    ]
    assert listed[0].updated > listed[1].updated
    found = again.get(owner, first)
    assert found is not None
    assert [saved.exchange for saved in found.exchanges] == [
        exchange("What moves\nat night?"),
        exchange("And then?", turn=1),
        exchange("And now?", turn=2),
    ]
    assert path_of(store).stat().st_mode & 0o077 == 0


def test_an_exchange_with_a_known_key_takes_its_place(store: Store) -> None:
    owner = store.owner(store.new_secret())
    id_ = store.save(owner, "", [("k1", exchange("one")), ("k2", exchange("two")), ("k3", exchange("three"))])
    store.save(owner, id_, [("k2", exchange("zwei"))])
    found = store.get(owner, id_)
    assert found is not None
    assert [saved.exchange.question for saved in found.exchanges] == ["one", "zwei", "three"]


def test_two_tabs_on_one_conversation_keep_all(store: Store) -> None:
    owner = store.owner(store.new_secret())
    id_ = store.save(owner, "", [("k1", exchange("one"))])
    for tab in "ab":  # each believes that its own is the second
        store.save(owner, id_, [(f"k-{tab}", exchange(f"two {tab}", turn=1))])
    found = store.get(owner, id_)
    assert found is not None
    assert [saved.exchange.question for saved in found.exchanges] == ["one", "two a", "two b"]
    assert [saved.exchange.turn for saved in found.exchanges] == [0, 1, 2]


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ("", ["Wer bäckt Brot?", "What moves at night?"]),
        ("NIGHT", ["What moves at night?"]),
        ("backt", ["Wer bäckt Brot?"]),  # without its accent
        ("sourdough slow", ["Wer bäckt Brot?"]),  # words of the answer, in any order
        ("slows 100%", []),
        ("%", []),
        ("moves sourdough", []),
    ],
)
def test_a_search_looks_for_every_word_in_questions_answers_and_titles(
    store: Store, words: str, titles: list[str]
) -> None:
    owner = store.owner(store.new_secret())
    store.save(owner, "", [("k", exchange("What moves at night?", "Trains do."))])
    store.save(owner, "", [("k", exchange("Wer bäckt Brot?", "Acid slows mould in sourdough."))])
    assert [row.title for row in store.conversations(owner, words)] == titles


def test_a_new_title_is_one_line_and_is_found(store: Store) -> None:
    owner = store.owner(store.new_secret())
    id_ = store.save(owner, "", [("k", exchange("What moves?"))])
    assert store.rename(owner, id_, "  Trains\n& bread\x00 ")
    assert [row.title for row in store.conversations(owner, "BREAD")] == ["Trains & bread"]
    assert not store.rename(owner, id_, " \n")
    assert store.rename(owner, id_, "x" * 500)
    assert len(store.conversations(owner)[0].title) == MAX_TITLE


def test_what_is_deleted_is_gone_from_the_file(store: Store) -> None:
    owner = store.owner(store.new_secret())
    id_ = store.save(owner, "", [("k", exchange("Where is the zanzibarite kept?"))])
    other = store.save(owner, "", [("k", exchange("What moves?"))])
    assert b"zanzibarite" in path_of(store).read_bytes()
    assert store.delete(owner, id_)
    assert not store.delete(owner, id_)
    assert [row.id for row in store.conversations(owner)] == [other]
    assert store.get(owner, id_) is None
    assert store.purge() == 0  # it can still be brought back
    assert b"zanzibarite" in path_of(store).read_bytes()
    assert store.purge(at_once=True) == 1
    assert b"zanzibarite" not in path_of(store).read_bytes()
    assert not store.restore(owner, id_)


def test_what_is_deleted_can_be_brought_back_for_a_while(tmp_path: Path) -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    store = Store(tmp_path / "c.db", lambda: now[0])
    owner = store.owner(store.new_secret())
    id_ = store.save(owner, "", [("k", exchange("What moves?"))])
    assert not store.restore(owner, id_)  # it isn't deleted
    for _ in range(2):
        assert store.delete(owner, id_)
        assert not store.rename(owner, id_, "Another")
        now[0] += KEPT - timedelta(seconds=1)
        assert store.restore(owner, id_)
        found = store.get(owner, id_)
        assert found is not None
        assert (found.title, len(found.exchanges)) == ("What moves?", 1)
    assert store.delete(owner, id_)
    other = store.save(owner, id_, [("l", exchange("And then?"))])  # another tab goes on with it
    assert other != id_
    now[0] += KEPT
    assert not store.restore(owner, id_)
    assert store.purge() == 1
    assert [row.id for row in store.conversations(owner)] == [other]


def test_a_file_of_the_first_version_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "c.db")
    with monkeypatch.context() as patched:
        patched.setattr(conversations, "VERSIONS", conversations.VERSIONS[:1])
        secret = store.new_secret()
        with sqlite3.connect(path_of(store)) as db:
            row = ("id1", store.owner(secret), "Old", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00")
            db.execute("INSERT INTO conversations (id, owner, title, created, updated) VALUES (?, ?, ?, ?, ?)", row)
        db.close()
    owner = store.owner(secret)
    assert [one.title for one in store.conversations(owner)] == ["Old"]
    assert store.delete(owner, "id1")
    assert store.restore(owner, "id1")


def test_one_owner_can_not_read_list_change_or_delete_another_s(store: Store) -> None:
    mine, yours = store.owner(store.new_secret()), store.owner(store.new_secret())
    named, other_name = store.owner(None, "ada"), store.owner(None, "bob")
    assert len({mine, yours, named, other_name, ""}) == 5
    id_ = store.save(mine, "", [("k", exchange("What moves?"))])
    for stranger in (yours, named, other_name, ""):
        assert store.conversations(stranger) == []
        assert store.get(stranger, id_) is None
        assert not store.rename(stranger, id_, "taken")
        assert not store.delete(stranger, id_)
    assert store.save(yours, id_, [("k", exchange("pushed in"))]) != id_  # it begins one of its own
    (row,) = store.conversations(mine)
    assert (row.title, row.count) == ("What moves?", 1)


def test_only_a_secret_that_we_made_is_known(store: Store, tmp_path: Path) -> None:
    secret = store.new_secret()
    assert store.owner(secret)
    assert Store(path_of(store)).owner(secret) == store.owner(secret)
    token, _, signature = secret.partition(".")
    forged = [
        None,
        7,
        ["x"],
        "",
        ".",
        token,
        f"{token}x.{signature}",
        f"{token}.{signature[:-1]}",
        "ä" * 10,
        "x" * 9999,
    ]
    assert [store.owner(one) for one in forged] == [""] * len(forged)
    assert Store(tmp_path / "elsewhere.db").owner(secret) == ""
    assert secret.encode() not in path_of(store).read_bytes()
    assert token.encode() not in path_of(store).read_bytes()


def test_without_a_path_nothing_is_kept() -> None:
    store = Store()
    assert store.new_secret() == store.owner("x", "ada") == ""
    assert store.save("owner", "", [("k", exchange("q?"))]) == ""
    assert store.conversations("owner") == []
    assert store.get("owner", "id") is None
    assert not store.delete("owner", "id")


def test_an_exchange_that_can_not_be_read_says_so_and_the_others_stay(store: Store) -> None:
    owner = store.owner(store.new_secret())
    id_ = store.save(owner, "", [("k1", exchange("one")), ("k2", exchange("two"))])
    with sqlite3.connect(path_of(store)) as db:
        db.execute("UPDATE exchanges SET data = '{' WHERE key = 'k1'")
    db.close()
    found = store.get(owner, id_)
    assert found is not None
    assert [saved.exchange for saved in found.exchanges] == [
        Exchange(0, "one", problem=UNREADABLE),
        exchange("two", turn=1),
    ]


def test_threads_and_processes_lose_nothing(store: Store) -> None:
    secret = store.new_secret()
    owner = store.owner(secret)
    id_ = store.save(owner, "", [("k", exchange("first"))])
    code = (
        "import sys; from pathlib import Path; from ui.conversations import Store; from ui.render import Exchange\n"
        "path, owner, id_ = sys.argv[1:]\n"
        "for n in range(20): Store(Path(path)).save(owner, id_, [(f'p{n}', Exchange(0, f'p{n}'))])\n"
    )
    command = [sys.executable, "-c", code, str(path_of(store)), owner, id_]
    other = subprocess.Popen(command, cwd=Path(__file__).parents[1])

    def work(name: int) -> None:
        for n in range(10):
            store.save(owner, id_, [(f"{name}-{n}", Exchange(0, f"{name}-{n}"))])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.wait(30) == 0
    assert store.conversations(owner)[0].count == 1 + 40 + 20


def test_many_make_a_new_file_at_once(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "new.db") for _ in range(6)]
    secrets: list[str] = []
    threads = [threading.Thread(target=lambda one=one: secrets.append(one.new_secret())) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [bool(stores[0].owner(secret)) for secret in secrets] == [True] * 6


# ------------------------------------------------------------------------------------------------ a file that fails


def broken(path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> str:
    """Make the file at the path fail in some way; a part of what is then said."""
    match how:
        case "garbage":
            path.write_bytes(b"no database" * 200)
            return "is damaged"
        case "folder":
            path.unlink()
            path.mkdir()
            return "can't be read or written"
        case "foreign":
            path.unlink()
            with sqlite3.connect(path) as db:
                db.execute("CREATE TABLE mine (x)")
            db.close()
            return "belongs to another program"
        case "newer":
            with sqlite3.connect(path) as db:
                db.execute("PRAGMA user_version = 99")
            db.close()
            return "made by a newer Footnoted"
        case "full":
            monkeypatch.setattr(conversations, "SETTINGS", (*conversations.SETTINGS, "PRAGMA max_page_count = 1"))
            return "no room left"
        case _:
            monkeypatch.setattr(conversations, "SETTINGS", (*conversations.SETTINGS, "PRAGMA query_only = ON"))
            return "can only be read"


FAULTS = pytest.mark.parametrize("how", ["garbage", "folder", "foreign", "newer", "full", "read-only"])


@FAULTS
def test_a_failing_file_is_a_sentence_without_its_path(store: Store, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    owner = store.owner(store.new_secret())
    said = broken(path_of(store), monkeypatch, how)
    with pytest.raises(LibraryError, match=said) as raised:
        store.save(owner, "", [("k", exchange("q?", "long " * 5000))])
    assert "conversations.db" not in str(raised.value)


@FAULTS
def test_asking_goes_on_unsaved_and_says_so_once(
    store: Store, scripted: "ScriptedEngine", monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    visitor = Visitor(store.new_secret())
    scripted.library.all[0] = replace(scripted.library.all[0], note="long " * 5000)
    said = broken(path_of(store), monkeypatch, how)
    switch, talk = Switch(), Talk()
    seen = []
    for question in ("night trains?", "and then?"):
        seen.append(asked(Desk(scripted, QUICK), store, visitor, question, talk, switch)[-1])
        talk = seen[-1].talk
    assert "This conversation isn't being saved." in seen[0].notice
    assert said in seen[0].notice
    assert seen[1].notice == ""
    assert [one.done for one in talk.exchanges] == [True, True]


def test_what_could_not_be_saved_is_saved_once_it_can(
    store: Store, scripted: "ScriptedEngine", monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, switch, desk = Visitor(store.new_secret()), Switch(), Desk(scripted, QUICK)
    with monkeypatch.context() as patch:
        broken(path_of(store), patch, "read-only")
        talk = asked(desk, store, visitor, "night trains?", Talk(), switch)[-1].talk
    talk = asked(desk, store, visitor, "and then?", talk, switch)[-1].talk
    (row,) = store.conversations(store.owner(visitor.secret))
    assert (row.title, row.count) == ("night trains?", 2)
    assert switch.opened == row.id


# ------------------------------------------------------------------------------------------------------------- desk


def asked(
    desk: Desk,
    store: Store,
    visitor: Visitor,
    question: str,
    talk: Talk,
    switch: Switch,
    instead: bool = False,
    during: Callable[[View], None] = lambda seen: None,
) -> list[View]:
    async def collect() -> list[View]:
        keep = partial(at_desk.keep, store, visitor, switch)
        seen = []
        async for one in desk.ask(question, talk, switch, keep, instead):
            seen.append(one)
            during(one)
        return seen

    return list(run(collect()))


@pytest.fixture
def desk(scripted: "ScriptedEngine") -> Desk:
    return Desk(scripted, QUICK)


def test_a_reload_brings_the_conversation_back_with_its_chips(store: Store, desk: Desk) -> None:
    visitor, switch = Visitor(store.new_secret()), Switch()
    talk = asked(desk, store, visitor, "night trains?", Talk(), switch)[-1].talk
    last = asked(desk, store, visitor, "and tungsten?", talk, switch)[-1]
    reloaded = Switch()
    again = at_desk.resume(store, visitor, last.talk.conversation, Talk(), reloaded)
    assert View(again).thread == last.thread
    assert View(again).sources == last.sources
    assert "fn-chip" in last.thread
    assert reloaded.opened == last.talk.conversation
    gone_on = asked(desk, store, visitor, "night trains again?", again, reloaded)[-1].talk
    assert gone_on.conversation == last.talk.conversation
    assert store.conversations(store.owner(visitor.secret))[0].count == 3


def test_old_answers_stay_readable_after_their_insights_are_gone(
    store: Store, desk: Desk, scripted: "ScriptedEngine"
) -> None:
    visitor = Visitor(store.new_secret())
    last = asked(desk, store, visitor, "night trains?", Talk(), Switch())[-1]
    scripted.library.all.clear()
    again = at_desk.resume(store, visitor, last.talk.conversation, Talk(), Switch())
    assert "<mark>Quill Logistics moved 40% of its parcels by night train.</mark>" in View(again).sources


def test_only_the_first_event_of_a_page_resumes(store: Store, desk: Desk) -> None:
    visitor = Visitor(store.new_secret())
    talk = asked(desk, store, visitor, "night trains?", Talk(), Switch())[-1].talk
    switch = Switch()
    assert at_desk.resume(store, visitor, "", Talk(), switch) == Talk()
    assert at_desk.resume(store, visitor, talk.conversation, Talk(), switch) == Talk()


def test_a_long_conversation_comes_back_with_its_end(store: Store) -> None:
    secret = store.new_secret()
    many = [(f"k{n}", exchange(f"q{n}")) for n in range(MAX_TURNS + 5)]
    id_ = store.save(store.owner(secret), "", many)
    talk = at_desk.turn_to(store, Visitor(secret), id_, Switch())
    assert talk is not None
    assert [one.turn for one in talk.exchanges] == list(range(5, MAX_TURNS + 5))
    assert talk.with_next("q").exchanges[-1].turn == MAX_TURNS + 5


def test_asking_again_takes_the_place_of_the_last(store: Store, desk: Desk, scripted: "ScriptedEngine") -> None:
    visitor, switch = Visitor(store.new_secret()), Switch()
    talk = asked(desk, store, visitor, "night trains?", Talk(), switch)[-1].talk
    talk = asked(desk, store, visitor, "and tungsten?", talk, switch)[-1].talk
    talk = asked(desk, store, visitor, "and suitcases?", talk, switch, instead=True)[-1].talk
    assert [one.question for one in talk.exchanges] == ["night trains?", "and suitcases?"]
    assert [one.turn for one in talk.exchanges] == [0, 1]
    assert [turn.question for turn in scripted.history] == ["night trains?"]
    found = store.get(store.owner(visitor.secret), talk.conversation)
    assert found is not None
    assert [saved.exchange.question for saved in found.exchanges] == ["night trains?", "and suitcases?"]


def test_a_new_answer_to_the_same_question_is_not_rated_yet(store: Store, desk: Desk) -> None:
    visitor, switch = Visitor(store.new_secret()), Switch()
    talk = asked(desk, store, visitor, "night trains?", Talk(), switch)[-1].talk
    for leaving in (False, True):
        assert rate(talk, switch, 0, "wrong", False, keep=lambda *given, **named: "Noted.")
        if leaving:
            at_desk.leave(switch)
        before = Talk() if leaving else talk
        seen = asked(desk, store, visitor, "night trains?", before, switch, instead=not leaving)[-1]
        assert "Noted." not in seen.thread


def test_a_first_question_can_not_take_the_place_of_none(store: Store, desk: Desk) -> None:
    talk = asked(desk, store, Visitor(store.new_secret()), "night trains?", Talk(), Switch(), instead=True)[-1].talk
    assert [one.question for one in talk.exchanges] == ["night trains?"]


def test_a_stopped_answer_is_kept_and_a_failed_one_with_what_failed(store: Store, desk: Desk) -> None:
    visitor, switch = Visitor(store.new_secret()), Switch()

    def stop(seen: View) -> None:
        switch.stop = "fn-claim" in seen.thread

    talk = asked(desk, store, visitor, "slowly", Talk(), switch, during=stop)[-1].talk
    talk = asked(desk, store, visitor, "broken", talk, switch)[-1].talk
    found = store.get(store.owner(visitor.secret), talk.conversation)
    assert found is not None
    assert [(saved.exchange.question, saved.exchange.stopped) for saved in found.exchanges] == [
        ("slowly", True),
        ("broken", False),
    ]
    assert "The writer doesn't answer. Start it" in found.exchanges[1].exchange.problem
    assert "Ask again" in View(at_desk.turn_to(store, visitor, found.id, Switch()) or Talk()).thread
    assert [turn.question for turn in talk.history] == []  # no follow-up refers to a failure
    again = asked(desk, store, visitor, "night trains?", talk, switch, instead=True)[-1].talk
    found = store.get(store.owner(visitor.secret), again.conversation)
    assert found is not None
    assert [saved.exchange.problem for saved in found.exchanges] == ["", ""]
    assert [row.count for row in store.conversations(store.owner(visitor.secret))] == [2]


def test_a_first_question_that_failed_can_be_asked_again_after_a_reload(store: Store, desk: Desk) -> None:
    visitor = Visitor(store.new_secret())
    talk = asked(desk, store, visitor, "crash", Talk(), Switch())[-1].talk
    later = at_desk.turn_to(store, visitor, talk.conversation, Switch())
    assert later is not None
    assert at_desk.last_question(later) == "crash"
    assert "was logged" in View(later).thread
    assert "secret internals" not in View(later).thread


def test_asking_again_loses_no_answer_to_a_failure(
    store: Store, desk: Desk, scripted: "ScriptedEngine", monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, switch = Visitor(store.new_secret()), Switch()
    talk = asked(desk, store, visitor, "night trains?", Talk(), switch)[-1].talk
    switch.rated[0, "night trains?"] = "Noted."

    def fails(*given: object, **named: object) -> None:
        raise LibraryError("The library is gone.", "Bring it back.")

    monkeypatch.setattr(scripted, "stream", fails)
    seen = asked(desk, store, visitor, "night trains?", talk, switch, instead=True)[-1]
    assert seen.talk == talk
    assert "The library is gone. Bring it back. The answer that stood there before" in seen.thread
    assert "Noted." in seen.thread
    found = store.get(store.owner(visitor.secret), talk.conversation)
    assert found is not None
    assert found.exchanges[0].exchange.done
    changed = asked(desk, store, visitor, "day trains?", talk, switch, instead=True)[-1]
    assert changed.talk.exchanges[0].problem.startswith("The library is gone.")  # the new words are worth keeping


def test_a_second_question_waits_until_the_first_answer_is_saved(store: Store, desk: Desk) -> None:
    visitor, switch = Visitor(store.new_secret()), Switch()

    def slow(talk: Talk) -> tuple[Talk, str]:
        assert switch.busy
        return at_desk.keep(store, visitor, switch, talk)

    async def collect() -> list[View]:
        return [one async for one in desk.ask("night trains?", Talk(), switch, slow)]

    assert run(collect())[-1].talk.conversation
    assert not switch.busy


def test_a_conversation_that_was_left_is_not_shown_as_the_open_one(store: Store, desk: Desk) -> None:
    visitor, switch = Visitor(store.new_secret()), Switch()

    def leaving(talk: Talk) -> tuple[Talk, str]:
        at_desk.leave(switch)
        return at_desk.keep(store, visitor, switch, talk)

    async def collect() -> list[View]:
        return [one async for one in desk.ask("night trains?", Talk(), switch, leaving)]

    assert not any(one.talk.conversation for one in run(collect()))
    assert switch.opened == ""


def test_one_visitor_can_do_nothing_with_another_s_conversation(store: Store, desk: Desk) -> None:
    mine = Visitor(store.new_secret())
    talk = asked(desk, store, mine, "night trains?", Talk(), Switch())[-1].talk
    strangers = (
        Visitor(store.new_secret()),
        Visitor(None),
        Visitor("x"),
        Visitor(mine.secret, "ada"),
        Visitor({"a": 1}),
    )
    for visitor in strangers:
        switch = Switch()
        switch.opened = talk.conversation  # as if the session were another's
        assert at_desk.turn_to(store, visitor, talk.conversation, switch) is None
        assert at_desk.resume(store, visitor, talk.conversation, Talk(), Switch()) == Talk()
        assert "night trains" not in at_desk.listing(store, visitor, switch)
        assert not at_desk.rename(store, visitor, talk.conversation, "taken")
        assert not at_desk.delete(store, visitor, talk.conversation, switch)
        assert at_desk.export(store, visitor, talk.conversation, "json") == ""
    assert "night trains?" in at_desk.listing(store, mine, Switch())


@pytest.mark.parametrize("odd", [None, 7, "", "../x", "a\ud800", "x" * 99, ["a"], {"id": 1}])
def test_odd_ids_find_nothing(store: Store, odd: object) -> None:
    visitor = Visitor(store.new_secret())
    assert at_desk.turn_to(store, visitor, odd, Switch()) is None
    assert not at_desk.rename(store, visitor, odd, "x")
    assert not at_desk.delete(store, visitor, odd, Switch())
    assert at_desk.export(store, visitor, odd, "markdown") == ""
    assert at_desk.export_answer(Talk((exchange("q?"),), ("k",)), odd) == ""
    assert "fn-talks-list" in at_desk.listing(store, visitor, Switch(), odd)


def test_a_browser_keeps_its_secret_and_gets_one_if_it_has_none_of_ours(store: Store) -> None:
    secret = at_desk.arrive(store, Visitor(None), Switch())
    assert at_desk.arrive(store, Visitor(secret), Switch()) == secret
    for other in ("", "made-up", secret + "0", 7):
        assert at_desk.arrive(store, Visitor(other), Switch()) not in ("", other, secret)


def test_a_question_that_is_faster_than_the_page_is_saved(store: Store, desk: Desk) -> None:
    switch = Switch()
    secrets: list[str] = []

    def loads(seen: View) -> None:
        if not secrets:
            secrets.append(at_desk.arrive(store, Visitor(""), switch))

    asked(desk, store, Visitor(""), "night trains?", Talk(), switch, during=loads)
    assert [row.title for row in store.conversations(store.owner(secrets[0]))] == ["night trains?"]


def test_a_browser_that_keeps_nothing_is_told_once(store: Store, desk: Desk) -> None:
    switch = Switch()
    first = asked(desk, store, Visitor(""), "night trains?", Talk(), switch)[-1]
    assert "This browser keeps nothing for us" in first.notice
    assert asked(desk, store, Visitor(""), "and then?", first.talk, switch)[-1].notice == ""


def test_deleting_the_open_conversation_leaves_it(store: Store, desk: Desk) -> None:
    visitor, switch = Visitor(store.new_secret()), Switch()
    first = asked(desk, store, visitor, "night trains?", Talk(), switch)[-1].talk
    second = asked(desk, store, visitor, "suitcases?", Talk(), switch)[-1].talk
    assert not at_desk.delete(store, visitor, first.conversation, switch)
    assert switch.opened == second.conversation
    assert at_desk.delete(store, visitor, second.conversation, switch)
    assert switch.opened == ""
    html = at_desk.listing(store, visitor, switch)
    assert f'data-restore="{second.conversation}"' in html
    assert at_desk.restore(store, Visitor(store.new_secret()), second.conversation, switch) is None
    assert at_desk.restore(store, visitor, None, switch) is None


def test_a_deletion_is_undone_and_what_was_open_is_open_again(store: Store, desk: Desk) -> None:
    visitor, switch = Visitor(store.new_secret()), Switch()
    first = asked(desk, store, visitor, "night trains?", Talk(), switch)[-1].talk
    at_desk.delete(store, visitor, first.conversation, switch)
    back = at_desk.restore(store, visitor, first.conversation, switch)
    assert back is not None
    assert [one.question for one in back.exchanges] == ["night trains?"]
    assert switch.opened == first.conversation
    assert "data-restore" not in at_desk.listing(store, visitor, switch)
    at_desk.delete(store, visitor, first.conversation, switch)
    second = asked(desk, store, visitor, "suitcases?", Talk(), switch)[-1].talk
    assert at_desk.restore(store, visitor, first.conversation, switch) is None  # another one is open by now
    assert switch.opened == second.conversation
    assert len(store.conversations(store.owner(visitor.secret))) == 2
    switch.deleted = replace(switch.deleted, conversation=first.conversation, until=0.0)
    assert "data-restore" not in at_desk.listing(store, visitor, switch)


def test_the_list_says_why_it_is_empty(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = Visitor(store.new_secret())
    assert "will stand here" in at_desk.listing(store, visitor, Switch())
    assert "0 found for “x”" in at_desk.listing(store, visitor, Switch(), " x ")
    broken(path_of(store), monkeypatch, "newer")
    assert "made by a newer Footnoted" in at_desk.listing(store, visitor, Switch())
    assert at_desk.arrive(store, visitor, Switch()) == ""


# ------------------------------------------------------------------------------------------------------------- view


def test_the_list_is_ours_whatever_the_titles() -> None:
    rows = [Summary(f"id{n}", ATTACK, NOON, n) for n in range(3)]
    reading = Reading(view.listing(rows, "id1", ATTACK, "", NOON))
    assert set(reading.tags) <= {*("div", "p", "ul", "li", "button", "span", "details", "summary", "input")}
    assert not any(name.startswith("on") for name, _ in reading.attributes)
    assert reading.text.count(ATTACK) == 4  # three titles, and what was looked for
    assert reading.values("value") == [ATTACK] * 3
    assert Reading(view.listing([], "", "", ATTACK, NOON)).text.count(ATTACK) == 1
    assert reading.values("data-open") == ["id1"]
    assert reading.values("aria-current") == ["true"]
    for name in ("data-name", "data-kind", "data-text"):
        assert Reading(view.parcel("1", ATTACK, ATTACK, ATTACK)).values(name) == [ATTACK]


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (NOON - timedelta(hours=3), "09:00"),
        (NOON - timedelta(days=1), "24 Nov"),
        (NOON - timedelta(days=365), "25 Nov 2025"),
    ],
)
def test_a_date_is_as_short_as_it_can_be_understood(moment: datetime, said: str) -> None:
    assert view.when(moment, NOON) == said


# ------------------------------------------------------------------------------------------------------------ share


@given(st.one_of(st.text(), st.text("\\`*_[]<>|~&#+-=1.) ab;\n")))
def test_markdown_shows_every_character(text: str) -> None:
    shown = share.markdown_text(text)
    assert re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", shown) == " ".join(text.split())
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>|~]", shown)
    assert not re.match(r"[#+=-]|\d+[.)]", shown)


def test_an_answer_as_markdown_has_a_note_for_every_mark(scripted: "ScriptedEngine", store: Store, desk: Desk) -> None:
    last = asked(desk, store, Visitor(None), "hostile <b>question</b>", Talk(), Switch())[-1]
    text = share.answer_markdown(last.talk.exchanges[0], "2-")
    marks = re.findall(r"\[\^(2-\d)\](?!:)", text)
    notes = re.findall(r"^\[\^(2-\d)\]:", text, re.M)
    assert notes == list(dict.fromkeys(marks)) == ["2-1", "2-2", "2-3"]
    assert text.startswith("# hostile \\<b\\>question\\</b\\>\n")
    assert "“Quill Logistics moved 40% of its parcels by night train. … " not in text  # they stand beside each other
    assert not re.search(r"(?<!\\)<", text)


def test_what_is_copied_is_the_answer_with_its_sources(store: Store, desk: Desk) -> None:
    last = asked(desk, store, Visitor(None), "night trains?", Talk(), Switch())[-1]
    (copied,) = Reading(last.thread).values("data-copy")
    assert str(copied).startswith("Parcels do: Quill Logistics moved 40% of its own that way [1].")
    assert "[1] Tracks" in str(copied)


def test_answers_without_sentences_as_markdown() -> None:
    near = exchange("q?").answer
    assert near is not None
    none = Answer("q?", Status.NOT_IN_LIBRARY, nearest=near.hits)
    text = share.answer_markdown(Exchange(0, "q?", none, Phase.DONE))
    assert text == (
        "# q?\n\nNot in your insights.\n\nThe nearest:\n\n"
        "- “It moves at night.” Tracks · Ottavia Brandt <https://tracks.example/1>\n"
    )
    assert share.answer_markdown(Exchange(0, "q?", stopped=True)) == "# q?\n\nStopped before the answer was finished.\n"
    assert share.answer_markdown(Exchange(0, "q?", problem="It *failed*.")) == "# q?\n\nIt \\*failed\\*.\n"


def test_a_conversation_as_markdown_and_json(store: Store) -> None:
    owner = store.owner(store.new_secret())
    id_ = store.save(owner, "", [("a", exchange("What moves?")), ("b", exchange("Who bakes?", "Lindow does!"))])
    found = store.get(owner, id_)
    assert found is not None
    text = share.conversation_markdown(found)
    assert text.startswith(
        "# What moves?\n\nAsked with Footnoted, 2026-11-25.\n\n## What moves?\n\nIt moves at night.[^1-1]"
    )
    assert "## Who bakes?\n\nLindow does![^2-1]\n\n[^2-1]: “Lindow does!” Tracks" in text
    data = json.loads(share.conversation_json(found))
    assert [one["question"] for one in data["exchanges"]] == ["What moves?", "Who bakes?"]
    assert data["exchanges"][0]["claims"][0]["citations"][0]["quote"] == "It moves at night."
    assert data["exchanges"][0]["insights"][0]["author"] == "Ottavia Brandt"
    assert data["title"] == "What moves?"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("What moves?", "what-moves.md"),
        ("Bäckt/../Brot\x00", "backt-brot.md"),
        ("什么", "footnoted.md"),
        ("a" * 99, f"{'a' * 60}.md"),
    ],
)
def test_a_file_s_name_is_plain(title: str, name: str) -> None:
    assert share.file_name(title, "md") == name


def test_exports_are_parcels_for_the_browser(store: Store) -> None:
    secret = store.new_secret()
    id_ = store.save(store.owner(secret), "", [("a", exchange("What moves?"))])
    for form, kind, name in (("json", "application/json", "what-moves.json"), ("x", "text/markdown", "what-moves.md")):
        reading = Reading(at_desk.export(store, Visitor(secret), id_, form))
        assert (reading.values("data-kind"), reading.values("data-name")) == ([kind], [name])
    talk = Talk((exchange("What moves?"), Exchange(1, "busy?")), ("a", "b"))
    assert "It moves at night.[^1]" in str(Reading(at_desk.export_answer(talk, 0)).values("data-text")[0])
    assert at_desk.export_answer(talk, 1) == ""


# ------------------------------------------------------------------------------------------------------------- HTTP


@pytest.mark.slow
def test_over_http_one_browser_reaches_nothing_of_another(scripted: "ScriptedEngine", store: Store) -> None:
    """The private events, called by their numbers, as anybody may who finds out another's ids."""
    mine, yours = store.new_secret(), store.new_secret()
    id_ = store.save(store.owner(mine), "", [("k", exchange("Where is the key?"))])
    store.save(store.owner(None, "ada"), "", [("k", exchange("Where is the key of ada?"))])

    async def everything() -> None:
        import httpx

        from ui.server import make_app

        app = make_app(scripted, store=store, hosts=("*",))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            config = (await client.get("/config")).json()
            browser = next(c["id"] for c in config["components"] if c["type"] == "browserstate")
            tried = set()
            for event in config["dependencies"]:
                name = event["targets"][0][1] if event["targets"] else ""
                if browser not in event["inputs"] or event["queue"]:
                    continue
                tried.add(name)
                for secret in (yours, "", None, "made-up", [mine], {"secret": mine}):
                    data = [secret if c == browser else id_ for c in event["inputs"]]
                    what = {"id": id_, "title": "taken", "form": "json"}
                    body = {"fn_index": event["id"], "data": data, "event_data": what, "session_hash": "s"}
                    stranger = {"x-footnoted-user": "ada"} if secret is None else {}
                    answer = await client.post("/gradio_api/run/predict", json=body, headers=stranger)
                    assert "Where is the key" not in answer.text, (name, secret)
            assert {"open_talk", "show_talks", "rename_talk", "delete_talk", "save_talk", "change", "load"} <= tried
            owner_s = next(e for e in config["dependencies"] if e["targets"] and e["targets"][0][1] == "show_talks")
            body = {"fn_index": owner_s["id"], "data": [mine, None], "event_data": {}, "session_hash": "t"}
            assert "Where is the key" in (await client.post("/gradio_api/run/predict", json=body)).text

    asyncio.run(everything())
    (row,) = store.conversations(store.owner(mine))
    assert (row.title, row.count) == ("Where is the key?", 1)
