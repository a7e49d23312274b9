"""Around an answer: the filter, how sure it is, what is offered next, ratings. No Gradio, no models."""

import asyncio
import json
import os
import threading
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import LibraryError, ModelError, UsageError
from corpus.filters import EVERYTHING, Filter
from corpus.insight import Insight, make_insight
from corpus.library import open_library
from eval.cases import read_cases
from rag.datatypes import Answer, Phase, Status
from tests.test_ui_render import NASTY, Reading, exchange_of
from tests.waiting import wait_for
from ui import asking_desk, asking_view, feedback, render
from ui.examples import examples
from ui.handlers import Desk, Limits, Switch, Talk
from ui.offers import offers
from ui.record import record, sought
from ui.render import Exchange
from ui.starters import Starters
from ui.suggest import ABOUT, about, candidates, checking, questions_of, suggestions, topics

if TYPE_CHECKING:
    from tests.conftest import ScriptedEngine

QUICK = Limits(total=5.0, heartbeat=0.02, between_updates=0.0)
WRECKS = make_insight(
    "The wreck was deep because the current had cut a trench. When the harbour froze, divers left for the south.",
    insight_id="w",
)
BARE = make_insight("It rains a lot there, as everybody says.", insight_id="b")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 10))


@pytest.fixture
def desk(scripted: "ScriptedEngine") -> Desk:
    return Desk(scripted, QUICK)


def asked(desk: Desk, *questions: str, switch: Switch | None = None, **options: Any) -> Talk:
    async def collect() -> Talk:
        talk = Talk()
        for question in questions:
            async for view in desk.ask(question, talk, switch or Switch(), **options):
                last = view.talk
            talk = last
        return talk

    found = run(collect())
    assert isinstance(found, Talk)
    return found


# ------------------------------------------------------------------------------------------------------ questions made


def test_sentences_that_a_rule_can_ask_about_become_questions() -> None:
    assert questions_of(WRECKS)[0] == "Why was the wreck deep?"
    assert questions_of(BARE) == ()
    named = make_insight("Quill Logistics calls it “the last mile”. So did Ines Okafor.", title="Freight at night")
    meant = "What does “the last mile” mean?"
    assert questions_of(named) == (meant, f"{ABOUT}Quill Logistics?", f"{ABOUT}Ines Okafor?")
    assert [question for question, _ in candidates([named, WRECKS])][1] == "Why was the wreck deep?"  # no mere topic
    assert topics(named)[3:] == ["Freight at night"]


def test_a_topic_is_a_thing_or_a_person_and_one_word_comes_last() -> None:
    text = "On Saturdays the Chinese press asks why Android's share grows. Producer Malik Thorsen told Hollin Bay."
    assert topics(make_insight(text)) == ["Malik Thorsen", "Hollin Bay", "Android"]


def test_any_insight_can_be_asked_about() -> None:
    assert about(WRECKS) == "Why was the wreck deep?"
    assert about(BARE) == "What do my insights say about “It rains a lot there, as everybody says …”?"


@given(st.text(min_size=1, max_size=80))
def test_making_questions_never_fails(text: str) -> None:
    insight = Insight("i", text, title=text)
    assert about(insight).endswith("?")


def test_only_what_passes_the_check_is_offered_and_the_checks_are_few() -> None:
    insights = [
        make_insight(f"Nobody in Town{n} sleeps. Mayors of Town{n} agree.", insight_id=str(n)) for n in range(40)
    ]
    looked: list[str] = []

    def check(question: str, insight: Insight) -> bool:
        looked.append(question)
        return insight.insight_id in ("1", "2", "3", "4")

    found = list(suggestions(candidates(insights), (), check))
    assert found == [f"{ABOUT}Town{n}?" for n in (1, 2, 3)]
    assert len(looked) == 4
    looked.clear()
    assert list(suggestions(candidates(insights[5:]), (), check)) == []
    assert len(looked) == 8


def test_what_was_asked_before_is_not_offered_again() -> None:
    made = [("Why was the wreck deep?", WRECKS), ("What do my insights say about the harbour?", BARE)]
    assert list(suggestions(made, ["Why exactly was that wreck so deep?"], lambda q, i: True)) == [made[1][0]]
    twice = [("Why was the wreck deep?", WRECKS), ("Was the wreck deep?", BARE)]
    assert list(suggestions(twice, (), lambda q, i: True)) == [twice[0][0]]


def test_the_check_is_that_the_flow_answers_from_that_insight(scripted: "ScriptedEngine") -> None:
    check = checking(scripted.quoted)
    of = {i.insight_id: i for i in scripted.library.all}
    assert check("Why?", of["s3"])
    assert not check("Why?", of["s1"])  # it isn't part of the evidence

    def refusing(question: str, filters: Filter) -> Answer:
        return replace(scripted.quoted(question), status=Status.PARTLY)

    assert not checking(refusing)("Why?", of["s3"])


def test_a_first_visit_gets_questions_that_passed_the_check(tmp_path: Path, six_insights: list[Insight]) -> None:
    with open_library(tmp_path / "six.db", create=True) as library:
        library.add([*six_insights, WRECKS])
        found = examples(library)
        assert f"{ABOUT}Quill Logistics?" in found
        assert len(found) == 4
        (asked,) = examples(library, lambda question, insight: insight.insight_id == "s2")
        assert asked in questions_of(six_insights[1])


def test_first_questions_are_of_the_library_that_is_asked(
    desk: Desk, scripted: "ScriptedEngine", monkeypatch: pytest.MonkeyPatch
) -> None:
    starters = Starters(desk, ["What is <b>asked</b> at first?"])

    async def seen() -> list[str]:
        return [html async for html in starters.shown()]

    assert [html.count("data-ask") for html in run(seen())] == [1]
    assert "&lt;b&gt;asked&lt;/b&gt;" in starters.html()
    monkeypatch.setattr(scripted.library, "name", "mine.db")
    first, made = run(seen())
    assert first == ""
    assert "at first" not in made
    assert made.count("data-ask") > 0
    assert all(f'data-ask="{asked}"' in made for asked in scripted.checked if "Lindow" in asked)
    looked = len(scripted.checked)
    assert run(seen()) == [made]
    assert len(scripted.checked) == looked
    scripted.library.all *= 2
    assert len(run(seen())) == 2
    assert len(scripted.checked) > looked


def test_first_questions_that_cant_be_made_are_none(
    desk: Desk, scripted: "ScriptedEngine", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def seen(starters: Starters) -> list[str]:
        return [html async for html in starters.shown()]

    for error in (ModelError("No.", "Wait."), ValueError("secret")):

        def fail(*given: object, error: Exception = error) -> Answer:
            raise error

        monkeypatch.setattr(scripted, "quoted", fail)
        starters = Starters(desk, ["What is asked at first?"])
        monkeypatch.setattr(scripted.library, "name", f"{scripted.library.name} and more")
        assert list(run(seen(starters))) == ["", ""]


# --------------------------------------------------------------------------------------------------------------- offers


def offered(desk: Desk, talk: Talk, switch: Switch | None = None, filters: Filter = EVERYTHING) -> list[str]:
    async def collect() -> list[str]:
        return [html async for html in offers(desk, talk, switch or Switch(), filters)]

    return list(run(collect()))


def test_after_an_answer_questions_grow_one_by_one(desk: Desk, scripted: "ScriptedEngine") -> None:
    seen = offered(desk, asked(desk, "What moves on night trains?"))
    assert seen[0] == ""
    assert [html.count("data-ask") for html in seen[1:]] == list(range(1, len(seen)))
    assert "Do ovens lose a third of their heat through the door?" in seen[-1]
    assert "Ask next" in seen[-1]
    assert scripted.checked


def test_after_a_refusal_they_are_what_can_be_answered(desk: Desk) -> None:
    seen = offered(desk, asked(desk, "What is the boiling point of tungsten?"))
    assert "Your insights do answer:" in seen[-1]
    assert 'data-question="What is the boiling point of tungsten?"' in seen[-1]


def test_without_a_finished_answer_nothing_is_offered(desk: Desk) -> None:
    assert offered(desk, Talk()) == [""]
    assert offered(desk, asked(desk, "broken")) == [""]


def test_a_new_question_ends_the_offers_of_the_last_one(desk: Desk, scripted: "ScriptedEngine") -> None:
    talk, switch = asked(desk, "What moves on night trains?"), Switch()

    async def leave() -> list[str]:
        seen = []
        async for html in offers(desk, talk, switch, EVERYTHING):
            seen.append(html)
            if html:
                switch.forget()
        return seen

    assert len(run(leave())) == 2
    assert len(scripted.checked) <= 2


def test_offers_wait_for_the_model_and_give_up_if_they_must(desk: Desk, scripted: "ScriptedEngine") -> None:
    talk, switch = asked(desk, "What moves on night trains?"), Switch()

    async def held() -> list[str]:
        with desk.model() as mine:
            assert mine
            stream = offers(desk, talk, switch, EVERYTHING)
            seen = [await anext(stream)]
            waiting = asyncio.ensure_future(anext(stream, "ended"))
            await asyncio.to_thread(wait_for, lambda: len(desk._turns._queue) == 2)
            assert not waiting.done()
            switch.forget()
            return [*seen, await waiting]

    assert run(held()) == ["", "ended"]
    assert scripted.checked == []


def test_offers_that_fail_leave_the_answer_alone(
    desk: Desk, scripted: "ScriptedEngine", monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = asked(desk, "What moves on night trains?")
    for error in (ModelError("It broke.", "Mend it."), ValueError("secret")):

        def fail(question: str, filters: Filter = EVERYTHING, error: Exception = error) -> Answer:
            raise error

        monkeypatch.setattr(scripted, "quoted", fail)
        assert offered(desk, talk) == [""]
    assert all(thread.name != "footnoted-answer" for thread in threading.enumerate())


# -------------------------------------------------------------------------------------------------------------- filters


def test_the_filter_reaches_the_engine_and_the_words_can_be_taken_literally(
    desk: Desk, scripted: "ScriptedEngine"
) -> None:
    asked(desk, "night trains?", filters=Filter(sources=("Tracks",)))
    assert scripted.filters == Filter(sources=("Tracks",))
    talk = asked(desk, "night trains of Crumb?")
    assert scripted.filters == Filter(sources=("Crumb",))
    html = render.thread(talk.exchanges)
    assert 'data-without="source=Crumb"' in html
    assert "Among 3 insights:" in html
    asked(desk, "night trains of Crumb?", as_typed=True)
    assert scripted.filters == EVERYTHING
    assert "fn-among" not in render.thread(asked(desk, "night trains?").exchanges)


def test_an_answer_can_be_asked_again_without_a_part_of_its_filter(desk: Desk) -> None:
    talk = asked(desk, "night trains of Crumb?", "night trains?")
    assert asking_desk.without(talk, 0, "source=Crumb") == ("night trains of Crumb?", EVERYTHING, False)
    assert asking_desk.without(talk, 0, "author=Nobody") == (
        "night trains of Crumb?", Filter(sources=("Crumb",)), False,
    )  # fmt: skip
    assert asking_desk.without(talk, 1, None) == ("night trains?", EVERYTHING, True)
    for turn in (7, None, "0", {"n": 1}):
        assert asking_desk.without(talk, turn, "source=Crumb") is None
    assert asking_desk.without(Talk(), 0, "") is None


def test_the_menu_puts_conditions_on_and_takes_them_off(scripted: "ScriptedEngine") -> None:
    library = scripted.library

    def narrowed(filters: Filter, term: object, on: object) -> Filter:
        return asking_desk.narrowed(library, filters, term, on)

    tracks = narrowed(EVERYTHING, "source=Tracks", True)
    assert tracks == Filter(sources=("Tracks",))
    both = narrowed(narrowed(tracks, "since=2024", True), "note=yes", True)
    assert both.terms == ("source=Tracks", "since=2024", "note=yes")
    assert narrowed(both, "since=", False).terms == ("source=Tracks", "note=yes")
    assert narrowed(both, "source=Tracks", False).terms == ("since=2024", "note=yes")
    for term in ("source=Nowhere", "colour=red", "since=soon", "", None, 7, ["source=Tracks"], "author=" + "x" * 9999):
        assert narrowed(tracks, term, True) == tracks
    assert narrowed(tracks, "source=Tracks", "yes") == EVERYTHING  # only True puts on


def test_the_bar_shows_what_can_be_chosen_and_what_is(scripted: "ScriptedEngine") -> None:
    html = asking_desk.bar(scripted.library, Filter(sources=("Tracks",), since="2024"))
    assert 'data-drop="source=Tracks"' in html
    assert "3 insights" in html
    assert "<option selected>2024</option>" in html
    assert "<option>Crumb</option>" in html
    assert asking_view.filter_bar(EVERYTHING, 0, {"author": [], "source": [], "tag": [], "year": []}) == ""


def test_a_library_that_cant_be_read_leaves_no_bar(scripted: "ScriptedEngine", monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (LibraryError("It is damaged.", "Mend it."), ValueError("secret")):

        def fail(name: str, error: Exception = error) -> list[str]:
            raise error

        monkeypatch.setattr(scripted.library, "values", fail)
        assert asking_desk.bar(scripted.library, EVERYTHING) == ""


OURS = {
    *("button", "details", "div", "input", "label", "li", "option", "p", "section", "select", "span", "summary", "ul"),
}


@given(NASTY)
def test_only_our_tags_come_out_of_the_bar_and_the_offers(text: str) -> None:
    filters = Filter(authors=(text,), tags=(text,), note=True)
    values = {name: [text] for name in ("author", "source", "tag", "year")}
    bar = Reading(asking_view.filter_bar(filters, 2, values))
    assert set(bar.tags) <= OURS
    assert f"author={text}" in bar.values("data-drop")
    questions = Reading(asking_view.offers([text], True, text))
    assert set(questions.tags) <= OURS
    assert questions.values("data-ask") == [text]


@pytest.mark.parametrize(
    "given", [["authors"], "authors=x", {"colour": "red"}, {"authors": "x"}, {"since": "soon"}, {1: 2}, {"note": 1}]
)
def test_the_api_refuses_what_is_no_filter(desk: Desk, given: object) -> None:
    with pytest.raises(UsageError):
        run(desk.record("night trains?", None, given))
    with pytest.raises(UsageError):
        desk.search("heat", 2, given)


def test_the_api_asks_with_a_filter(desk: Desk, scripted: "ScriptedEngine") -> None:
    data = run(desk.record("night trains?", None, {"sources": ["Tracks"], "since": "2024"}))
    assert data["trace"]["filters"] == ["source=Tracks", "since=2024"]
    assert data["trace"]["among"] == 3
    assert data["trace"]["sure"] == "strong"


# -------------------------------------------------------------------------------------------------------------- answers


def test_a_refusal_says_what_was_looked_for() -> None:
    asked = "What do my insights say about the US boiling point, and the point?"
    assert sought(Answer(asked, Status.NOT_IN_LIBRARY)) == [
        "US", "boiling", "point",
    ]  # fmt: skip


def test_cards_name_the_neighbours_of_what_is_cited(desk: Desk) -> None:
    exchange = asked(desk, "night trains?").exchanges[-1]
    assert {id_: [i.insight_id for i in near] for id_, near in exchange.related} == {
        "s1": ["s2", "s6"],
        "s2": ["s1", "s6"],
    }
    html = render.sources([exchange])
    assert html.count("Related insights (2)") == 2
    assert "Ask about this" in html


def sides(question: str, *authors: str) -> str:
    exchange = exchange_of(["It rose.", "It fell.", "It stayed."][: len(authors)])
    answer = exchange.answer
    assert answer is not None
    hits = tuple(
        replace(hit, insight=replace(hit.insight, author=author))
        for hit, author in zip(answer.hits[:-1], authors, strict=True)
    )
    evidence = tuple(replace(item, hit=hit) for item, hit in zip(answer.evidence, hits, strict=True))
    answer = replace(answer, question=question, hits=hits, evidence=evidence)
    return render.bubble(replace(exchange, answer=answer, phase=Phase.DONE))


def test_a_question_for_both_sides_names_who_says_what() -> None:
    html = sides("Where do Pell and Northmark part ways?", "Pell", "Northmark")
    said = html.partition("<dl")[2].partition("</dl>")[0]
    assert [part.partition("<")[0] for part in said.split("<dt>")[1:]] == ["Pell", "Northmark"]
    assert said.index("It rose") < said.index("Northmark") < said.index("It fell")
    assert "<dt>" not in sides("What rose?", "Pell", "Northmark")
    assert "<dt>" not in sides("Where do they differ?", "Pell", "Pell")


# -------------------------------------------------------------------------------------------------------------- ratings


@pytest.fixture
def finished(desk: Desk) -> Talk:
    return asked(desk, "What moves on night trains?", "What is the boiling point of tungsten?")


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    return map(json.loads, (folder / "feedback.jsonl").read_text("utf-8").splitlines())


def answers(talk: Talk) -> list[Answer]:
    return [exchange.answer for exchange in talk.exchanges if exchange.answer is not None]


def test_a_rating_is_a_line_and_a_bad_answer_can_be_a_test_question(finished: Talk, tmp_path: Path) -> None:
    good, refused = answers(finished)
    folder = tmp_path / "new"
    assert feedback.keep(good, "", folder=folder) == "Noted, thank you."
    assert feedback.keep(good, "absent", test=True, folder=folder) == "Noted. It is one of your test questions now."
    assert feedback.keep(refused, "there", test=True, folder=folder).endswith("now.")
    assert feedback.keep(refused, "there", test=True, folder=folder).endswith("already.")
    if os.name == "posix":
        assert {file.stat().st_mode & 0o777 for file in folder.glob("*.jsonl")} == {0o600}
    kept = list(rows(folder))
    assert [row["rating"] for row in kept] == ["good", "bad", "bad", "bad"]
    assert kept[0]["answer"] == record(good)["answer"]
    assert kept[0]["insight_ids"] == ["s1", "s2"]
    cases = read_cases(folder / "questions.jsonl")
    assert [(case.text, case.answerable) for case in cases] == [
        ("What moves on night trains?", False),
        ("What is the boiling point of tungsten?", True),
    ]


def test_a_good_answer_is_never_a_test_question(finished: Talk, tmp_path: Path) -> None:
    feedback.keep(answers(finished)[0], "", test=True, folder=tmp_path)
    assert not (tmp_path / "questions.jsonl").exists()


@pytest.mark.parametrize("reason", ["there", "nonsense", "Something in it is wrong"])
def test_a_reason_that_was_not_offered_is_refused(finished: Talk, tmp_path: Path, reason: str) -> None:
    with pytest.raises(UsageError):
        feedback.keep(answers(finished)[0], reason, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_kind_is_left_alone(finished: Talk, tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text("my shopping list")
    with pytest.raises(LibraryError, match=r"noted, but questions\.jsonl is no file of test questions"):
        feedback.keep(answers(finished)[0], "wrong", test=True, folder=tmp_path)
    assert (tmp_path / "questions.jsonl").read_text() == "my shopping list"
    assert len(list(rows(tmp_path))) == 1


def test_where_nothing_can_be_written_it_is_said(
    finished: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(LibraryError, match="could not be kept"):
        feedback.keep(answers(finished)[0], "", folder=tmp_path / "file")
    monkeypatch.setattr(feedback, "MOST", 10)
    with pytest.raises(LibraryError, match=r"Move .* away"):
        feedback.keep(answers(finished)[0], "", folder=tmp_path)


def test_a_rating_stands_in_the_place_of_the_buttons_and_counts_once(finished: Talk) -> None:
    switch, calls = Switch(), list[tuple[str, bool]]()

    def keep(answer: Answer, reason: str, *, test: bool) -> str:
        calls.append((reason, test))
        return "Noted, thank you."

    assert asking_desk.rate(finished, switch, 0, "wrong", True, keep)
    assert not asking_desk.rate(finished, switch, 0, "", False, keep)
    for turn, reason in ((9, ""), (None, ""), (1, None), (1, ["x"])):
        assert not asking_desk.rate(finished, switch, turn, reason, "yes", keep)
    assert calls == [("wrong", True)]
    html = render.thread(finished.exchanges, rated=switch.rated)
    assert html.count("Noted, thank you.") == 1
    assert html.count('aria-label="Good answer"') == 1


def test_what_a_visitor_says_is_kept_nowhere(finished: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "keep", lambda *given, **named: pytest.fail("it was written down"))
    switch = Switch()
    assert asking_desk.rate(finished, switch, 0, "wrong", True, asking_desk.unkept)
    assert "only kept of those who log in" in render.thread(finished.exchanges, rated=switch.rated)
    assert "fn-visitor" in render.welcome(3, visitor=True)
    assert "fn-visitor" not in render.welcome(3)


def test_a_rating_that_fails_is_a_sentence_too(finished: Talk) -> None:
    for error, said in (
        (LibraryError("The disk is full.", "Free some space."), "The disk is full."),
        (UsageError("No.", "Other."), "That is no reason"),
        (ValueError("secret"), "Something went wrong"),
    ):

        def fail(answer: Answer, reason: str, *, test: bool, error: Exception = error) -> str:
            raise error

        switch = Switch()
        assert asking_desk.rate(finished, switch, 0, "", False, fail)
        assert next(iter(switch.rated.values())).startswith(said)


def test_an_answer_on_its_way_cant_be_rated() -> None:
    exchange = Exchange(0, "q", Answer("q", Status.ANSWERED), Phase.WRITING)
    assert not asking_desk.rate(Talk((exchange,)), Switch(), 0, "", False)
    assert "fn-thumb" not in render.bubble(exchange)


def questions(texts: Sequence[str]) -> Talk:
    return Talk(tuple(Exchange(n, text) for n, text in enumerate(texts)))


def test_offers_know_every_earlier_question(desk: Desk, scripted: "ScriptedEngine") -> None:
    done = asked(desk, "What moves on night trains?").exchanges[-1]
    before = ["Do ovens lose a third of their heat through the door?", f"{ABOUT}Lindow?", f"{ABOUT}Harrow Mill?"]
    earlier = questions(before)
    seen = offered(desk, replace(earlier, exchanges=(*earlier.exchanges, replace(done, turn=3))))
    assert "Lindow" not in seen[-1]
    assert "ovens" not in seen[-1]
    assert "Harrow Mill" not in seen[-1]
