"""The handlers over a scripted engine, without Gradio: streaming, stopping, leaving, limits and failures."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from corpus.errors import FootnotedError, UsageError
from corpus.filters import EVERYTHING, Filter
from rag.datatypes import Answer, Phase, Status, Step, Turn
from tests.waiting import wait_for
from ui.handlers import MAX_QUESTION, MAX_TURNS, UNEXPECTED, Desk, Limits, Switch, Talk, View, check

if TYPE_CHECKING:
    from tests.conftest import ScriptedEngine

QUICK = Limits(total=5.0, heartbeat=0.02, between_updates=0.0)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 10))


def views(desk: Desk, question: object, talk: Talk | None = None, switch: Switch | None = None) -> list[View]:
    async def collect() -> list[View]:
        return [view async for view in desk.ask(question, talk or Talk(), switch or Switch())]

    return list(run(collect()))


@pytest.fixture
def desk(scripted: "ScriptedEngine") -> Desk:
    return Desk(scripted, QUICK)


def test_an_answer_streams_and_ends_done(desk: Desk) -> None:
    seen = views(desk, "  night trains?  ")
    assert seen[0].taken
    assert not any(view.taken for view in seen[1:])
    last = seen[-1].talk.exchanges[-1]
    assert (last.question, last.phase, last.busy) == ("night trains?", Phase.DONE, False)
    assert "fn-chip" in seen[-1].thread
    assert "<mark>" in seen[-1].sources
    assert "fn-is-busy" in seen[0].thread
    assert "fn-is-busy" not in seen[-1].thread


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("   \n", "There is no question yet."),
        (None, "There is no question yet."),
        (["x"], "There is no question yet."),
        ("x" * (MAX_QUESTION + 1), "This question has 2,001 characters"),
        ("a\x00b", "control characters"),
        ("a\ud800b", "control characters"),
    ],
)
def test_what_can_not_be_asked_gets_a_sentence_and_costs_no_model(
    desk: Desk, scripted: "ScriptedEngine", question: object, sentence: str
) -> None:
    (view,) = views(desk, question)
    assert sentence in view.notice
    assert 'role="alert"' in view.thread
    assert not view.taken
    assert not view.talk.exchanges
    assert scripted.most == 0


def test_the_longest_question_and_line_breaks_are_taken() -> None:
    assert check("é" * MAX_QUESTION) == "é" * MAX_QUESTION
    assert check(" a\n\tb ") == "a\n\tb"


def test_a_follow_up_gets_the_finished_turns(desk: Desk, scripted: "ScriptedEngine") -> None:
    talk = views(desk, "night trains?")[-1].talk
    talk = views(desk, "broken", talk)[-1].talk
    talk = views(desk, "tungsten?", talk)[-1].talk
    views(desk, "and then?", talk)
    assert [turn.question for turn in scripted.history] == ["night trains?", "tungsten?"]
    assert scripted.history[0].answer.startswith("Parcels do: Quill Logistics moved 40% of its own that way [1].")
    assert scripted.history[1].answer == "Not in your insights."


def test_a_fault_in_words_is_shown_in_words(desk: Desk) -> None:
    last = views(desk, "broken")[-1]
    assert "The writer doesn&#39;t answer. Start it, then ask again." in last.thread
    assert not last.talk.exchanges[-1].busy


def test_an_unexpected_fault_is_logged_and_not_shown(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        last = views(desk, "crash")[-1]
    assert UNEXPECTED in last.thread
    assert "secret internals" not in last.thread
    assert "secret internals" in caplog.text
    assert "Traceback" in caplog.text


def test_after_a_fault_the_next_question_is_answered(desk: Desk) -> None:
    switch = Switch()
    talk = views(desk, "crash", switch=switch)[-1].talk
    assert views(desk, "night trains?", talk, switch)[-1].talk.exchanges[-1].done


def test_stop_keeps_what_stands_and_frees_the_model(desk: Desk, scripted: "ScriptedEngine") -> None:
    async def stop_early() -> list[View]:
        switch, seen = Switch(), []
        async for view in desk.ask("slowly", Talk(), switch):
            seen.append(view)
            if "fn-claim" in view.thread:
                switch.stop = True
        assert not switch.busy
        return seen

    last = run(stop_early())[-1]
    assert last.talk.exchanges[-1].stopped
    assert "Stopped." in last.thread
    assert "Parcels do" in last.thread
    wait_for(lambda: scripted.running == 0, 3)


def test_a_reader_who_leaves_frees_the_model(desk: Desk, scripted: "ScriptedEngine") -> None:
    async def leave() -> None:
        stream = desk.ask("hold", Talk(), Switch())
        async for view in stream:
            if "fn-quote" in view.thread:
                break
        assert scripted.running == 1
        await stream.aclose()  # what Gradio does when the browser is gone

    run(leave())
    wait_for(lambda: scripted.running == 0, 3)
    assert views(desk, "night trains?")[-1].talk.exchanges[-1].done


def test_a_heartbeat_comes_while_the_model_is_silent(desk: Desk) -> None:
    async def beats() -> int:
        count = 0
        stream = desk.ask("hold", Talk(), Switch())
        async for _ in stream:
            count += 1
            if count == 8:
                break
        await stream.aclose()
        return count

    assert run(beats()) == 8


def test_one_question_at_a_time_and_the_others_say_that_they_wait(desk: Desk, scripted: "ScriptedEngine") -> None:
    scripted.pause = 0.05

    async def together() -> list[list[View]]:
        async def one(question: str) -> list[View]:
            return [view async for view in desk.ask(question, Talk(), Switch())]

        return list(await asyncio.gather(*(one(f"night trains {n}?") for n in range(3))))

    answered = run(together())
    assert all(seen[-1].talk.exchanges[-1].done for seen in answered)
    assert scripted.most == 1
    assert any("Waiting for another answer" in view.thread for seen in answered for view in seen)
    assert any("Waiting: 2 questions are answered before this one" in view.thread for seen in answered for view in seen)


def test_a_full_queue_is_said_at_once(scripted: "ScriptedEngine") -> None:
    desk = Desk(scripted, replace(QUICK, waiting=1))

    async def two() -> View:
        first = desk.ask("hold", Talk(), Switch())
        async for view in first:
            if "fn-quote" in view.thread:
                break
        *_, refused = [view async for view in desk.ask("night trains?", Talk(), Switch())]
        await first.aclose()
        return refused

    assert "The queue for the model is full: 1 in it. Ask again in a minute." in run(two()).thread


def test_other_work_takes_its_turn_and_may_give_up_waiting(desk: Desk) -> None:
    with desk.model() as held:
        assert held
        with desk.model(lambda: True) as second:
            assert not second
    assert views(desk, "night trains?")[-1].talk.exchanges[-1].done


def test_a_second_question_of_the_same_reader_is_refused(desk: Desk) -> None:
    async def twice() -> View:
        switch = Switch()
        first = desk.ask("hold", Talk(), switch)
        await anext(first)
        (refused,) = [view async for view in desk.ask("night trains?", Talk(), switch)]
        await first.aclose()
        return refused

    assert "still being written" in run(twice()).notice


def test_a_forgotten_conversation_says_no_more(desk: Desk, scripted: "ScriptedEngine") -> None:
    async def forget() -> tuple[list[View], list[View]]:
        switch, seen = Switch(), []
        async for view in desk.ask("hold", Talk(), switch):
            seen.append(view)
            if "fn-quote" in view.thread:
                switch.forget()
                break_at = len(seen)
        after = [view async for view in desk.ask("night trains?", Talk(), switch)]
        assert len(seen) == break_at
        assert not switch.busy
        return seen, after

    seen, after = run(forget())
    assert not any(e.stopped for view in seen for e in view.talk.exchanges)
    assert after[-1].talk.exchanges[-1].done


def test_an_answer_that_takes_too_long_is_stopped(scripted: "ScriptedEngine") -> None:
    last = views(Desk(scripted, replace(QUICK, total=0.1)), "hold")[-1]
    assert "took longer than" in last.thread
    wait_for(lambda: scripted.running == 0, 3)


def test_updates_are_coalesced(scripted: "ScriptedEngine") -> None:
    class Chatty:
        library = scripted.library
        search, related, quoted, check_claim = scripted.search, scripted.related, scripted.quoted, scripted.check_claim

        def stream(
            self,
            question: str,
            history: Sequence[Turn] = (),
            stopped: Callable[[], bool] = lambda: False,
            filters: Filter = EVERYTHING,
            as_typed: bool = False,
        ) -> Iterator[Step]:
            for _ in range(400):
                yield Step(Phase.READING, Answer(question, Status.ANSWERED))
                time.sleep(0.0005)
            yield Step(Phase.DONE, Answer(question, Status.ANSWERED))

    seen = views(Desk(Chatty(), replace(QUICK, between_updates=0.05)), "q")
    assert seen[-1].talk.exchanges[-1].done
    assert len(seen) < 25


def test_an_engine_that_breaks_off_is_a_fault(scripted: "ScriptedEngine", caplog: pytest.LogCaptureFixture) -> None:
    class Short:
        library = scripted.library
        search, related, quoted, check_claim = scripted.search, scripted.related, scripted.quoted, scripted.check_claim

        def stream(
            self,
            question: str,
            history: Sequence[Turn] = (),
            stopped: Callable[[], bool] = lambda: False,
            filters: Filter = EVERYTHING,
            as_typed: bool = False,
        ) -> Iterator[Step]:
            yield Step(Phase.READING, Answer(question, Status.ANSWERED))

    assert UNEXPECTED in views(Desk(Short(), QUICK), "q")[-1].thread
    with pytest.raises(FootnotedError, match="broke off"):
        run(Desk(Short(), QUICK).record("q"))


def test_a_long_conversation_forgets_its_beginning() -> None:
    talk = Talk()
    for n in range(MAX_TURNS + 5):
        talk = talk.with_next(f"q{n}")
    assert [e.turn for e in talk.exchanges] == list(range(5, MAX_TURNS + 5))


def test_the_api_gives_the_record(desk: Desk, scripted: "ScriptedEngine") -> None:
    data = run(desk.record("night trains?", [["before?", "yes."]]))
    assert data["status"] == "answered"
    assert "[1]" in data["answer"]
    assert scripted.history == (Turn("before?", "yes."),)


@pytest.mark.parametrize("history", ["x", [["only one"]], [[1, 2]], [{"a": 1}]])
def test_the_api_refuses_a_misshapen_history(desk: Desk, history: object) -> None:
    with pytest.raises(UsageError, match="history"):
        run(desk.record("q", history))


def test_the_api_hides_an_unexpected_fault(desk: Desk) -> None:
    with pytest.raises(FootnotedError) as raised:
        run(desk.record("crash"))
    assert "secret" not in str(raised.value)


def test_search_gives_the_nearest(desk: Desk) -> None:
    rows = desk.search("heat", 2)
    assert [row["insight_id"] for row in rows] == ["s3", "s4"]
    assert rows[0]["source"] == "Crumb"
    assert len(desk.search("heat", -5)) == 1
    with pytest.raises(UsageError):
        desk.search(" ")


def test_no_thread_is_left_behind(desk: Desk) -> None:
    views(desk, "night trains?")
    wait_for(lambda: all(thread.name != "footnoted-answer" for thread in threading.enumerate()), 3)
