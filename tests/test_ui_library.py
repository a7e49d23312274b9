"""The library tab without a browser: what each handler shows and takes, over a real library and fake models."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.browse import Selection
from corpus.errors import UsageError
from corpus.imports import Outcome, Planned
from corpus.insight import Insight, make_insight
from corpus.items import Item, Problem
from corpus.library import Library, open_library, own_library
from rag.config import Config
from rag.datatypes import Status
from rag.pipeline import Pipeline
from tests.conftest import HOSTILE, sample_insights
from tests.fakes import HashEmbedder, OpenReader, ScriptedWriter
from tests.test_ui_render import Reading
from ui import library_view as view
from ui.inbox import HELD_BYTES, HELD_SECONDS, MAX_FILE, MAX_FILES, MAX_ITEMS, MAX_PASTE, Inbox
from ui.library_desk import LibraryDesk, Shown, Turned
from ui.library_view import Group, Rights, Shelf
from ui.removals import KEPT, Removals

if TYPE_CHECKING:
    from tests.conftest import ScriptedEngine

ALL = Rights(change=True, add=True)
NOTES = "A first insight about zeppelins stands here.\n\nA second one about bread stands here."


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FOOTNOTED_DATA", str(tmp_path / "data"))


def pipeline_of(library: Library) -> Pipeline:
    return Pipeline(library, Config(), HashEmbedder(), OpenReader(), ScriptedWriter(""))


@pytest.fixture
def engine(tmp_path: Path, six_insights: list[Insight]) -> Iterator[Pipeline]:
    with open_library(tmp_path / "mine.db", create=True) as library:
        library.add(six_insights, origin="six.csv")
        library.edit("s1", {"author": "Ida Quill", "tags": "rail, night", "title": "Trains"})
        library.edit("s2", {"tags": "rail", "date": "2023-02"})
        yield pipeline_of(library)


@pytest.fixture
def desk(engine: Pipeline) -> LibraryDesk:
    return LibraryDesk(engine)


@pytest.fixture
def demo() -> Iterator[Pipeline]:
    with open_library("demo") as library:
        engine = pipeline_of(library)
        yield engine
        engine.library.close()


def shown_ids(html: str) -> list[str]:
    return re.findall(r'class="fn-row" data-insight="([^"]*)"', html)


def tokens_of(html: str) -> list[str]:
    found = re.search(r'data-tokens="([^"]*)"', html)
    assert found is not None, html
    return found[1].split(",")


def imported(desk: LibraryDesk, html: str) -> Turned:
    return list(desk.run_import({"tokens": tokens_of(html)}))[-1]


# The list


def test_the_list_has_its_facets_with_counts(desk: LibraryDesk) -> None:
    html = desk.listing()
    assert shown_ids(html) == ["s1", "s2", "s3", "s4", "s5", "s6"]
    assert "6 insights" in html
    assert "Narrow by author, source, tag or year" in html
    for name, value, count in (
        ("source", "Tracks", 3),
        ("tag", "rail", 2),
        ("year", "2024", 5),
        ("author", "Ida Quill", 1),
    ):
        offered = rf'data-facet="{name}" data-value="{value}"><span>{value}</span> <span class="fn-n">{count}<'
        assert re.search(offered, html)


def test_a_value_narrows_the_list_and_comes_off_again(desk: LibraryDesk) -> None:
    rail = desk.narrow(Shown(), {"facet": "tag", "value": "rail"})
    html = desk.listing("", rail)
    assert shown_ids(html) == ["s1", "s2"]
    assert "2 of 6 insights" in html
    assert 'aria-label="Remove tag rail"' in html
    assert 'data-facet="tag" data-value="rail"><' not in html  # it is chosen, not offered
    both = desk.narrow(rail, {"facet": "tag", "value": "night"})
    assert shown_ids(desk.listing("", both)) == ["s1"]
    none = desk.narrow(both, {"facet": "year", "value": "2023"})
    assert "Nothing like that is saved here." in desk.listing("", none)
    for facet, value in (("year", "2023"), ("tag", "night"), ("tag", "rail")):
        none = desk.narrow(none, {"facet": facet, "value": value, "off": True})
    assert none == Shown()


def test_the_words_and_the_facets_hold_together_also_for_what_is_near(desk: LibraryDesk) -> None:
    crumb = desk.narrow(Shown(), {"facet": "source", "value": "Crumb"})
    html = desk.listing("last", crumb)  # "lasted" in s4; s1 has "last mile", but not this source
    assert html.index("Containing these words") < html.index('data-insight="s4"') < html.index("Near in meaning")
    assert set(shown_ids(html)) == {"s3", "s4", "s5"}
    assert len(shown_ids(html)) == 3


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("imported", ["s1", "s2", "s3"]),
        ("latest", ["s6", "s5", "s4"]),
        ("newest", ["s1", "s3", "s4"]),
        ("title", ["s1", "s2", "s3"]),
        ("author", ["s1", "s2", "s3"]),
    ],
)
def test_the_list_is_sorted(desk: LibraryDesk, sort: str, expected: list[str]) -> None:
    html = desk.listing("", desk.narrow(Shown(), {"sort": sort}))
    assert shown_ids(html)[:3] == expected
    assert f'<option value="{sort}" selected>' in html


def test_with_words_the_best_match_comes_first(desk: LibraryDesk, engine: Pipeline) -> None:
    engine.library.add([make_insight("Bread and butter, bread and salt: bread.", insight_id="b")])
    engine.library.edit("s1", {"note": "Not about bread."})
    html = desk.listing("bread")
    assert shown_ids(html)[:2] == ["b", "s1"]
    assert "Best match first" in html
    by_import = engine.library.browse(Selection("bread", sort="latest"))
    assert [insight.insight_id for insight in by_import] == ["b", "s1"]


def test_more_are_shown_on_request(desk: LibraryDesk, engine: Pipeline) -> None:
    engine.library.add(make_insight(f"Filler number {n} is here.") for n in range(50))
    html = desk.listing()
    assert "40 of 56 shown" in html
    assert 'data-more="80"' in html
    more = desk.narrow(Shown(), {"limit": 80})
    assert len(shown_ids(desk.listing("", more))) == 56
    assert desk.narrow(more, {"limit": 10**9}).limit == 2000
    assert desk.narrow(more, {"facet": "year", "value": "2024"}).limit == 40


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
NAMES = ("facet", "value", "sort", "limit", "off", "page", "id", "tokens", "text", "format", "act", "fields", "number")
SENT = st.dictionaries(st.sampled_from(NAMES), JUNK, max_size=6)
ACTS = st.sampled_from(["save", "delete", "undo", "add", "edit", "author", "tag", "year"])


@settings(max_examples=40)
@given(sent=SENT, act=ACTS, query=JUNK)
def test_whatever_a_browser_sends_is_answered_with_a_page(
    sent: dict[str, object], act: str, query: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sent = {**sent, "act": act, "page": act, "facet": act}
    with open_library(tmp_path_factory.mktemp("p") / "l.db", create=True) as library:
        library.add([make_insight("Rope shrinks.", insight_id="r")])
        desk = LibraryDesk(pipeline_of(library))
        shown = desk.narrow(Shown(), sent)
        for html in (desk.listing(query, shown), desk.open(sent), desk.preview(sent), desk.insight(sent.get("id"))):
            assert "Traceback" not in html
            assert "went wrong" not in html
        for turned in (desk.change(sent), *desk.run_import(sent)):
            assert "went wrong" not in turned.page
        assert [insight.insight_id for insight in library.insights()] in (["r"], [])


def test_a_fault_of_the_library_is_a_sentence(desk: LibraryDesk, engine: Pipeline) -> None:
    engine.library.close()
    assert "was closed. Open it again." in desk.listing()


# An insight


def test_an_insight_has_its_details_its_neighbours_and_what_can_be_done(desk: LibraryDesk, engine: Pipeline) -> None:
    engine.library.edit("s1", {"note": "Read again.", "url": "https://tracks.example/1"})
    html = desk.insight("s1")
    for part in ("Trains", "Ida Quill · Tracks · 2024-05-01", "Read again.", 'href="https://tracks.example/1"'):
        assert part in html
    assert 'data-ask="s1"' in html
    assert 'data-facet="tag" data-value="night"' in html
    assert 'data-open="edit" data-of="s1"' in html
    assert 0 < len(shown_ids(html)) <= 5
    assert "s1" not in shown_ids(html)
    assert desk.insight("nobody") == desk.insight({"id": 1}) == desk.insight(None) == ""


def test_a_near_duplicate_is_told_when_it_is_added_and_shown_with_the_insight(
    desk: LibraryDesk, engine: Pipeline
) -> None:
    preview = desk.preview(
        {"text": "Sourdough keeps longer, because acid slows mould; loaves from Harrow Mill lasted nine days!"}
    )
    assert "Nearly the same is there already: the two will be linked." in preview
    assert "1 near-duplicate, linked to what is there already." in imported(desk, preview).page
    (other,) = engine.library.linked(["s4"])["s4"]
    html = desk.insight("s4")
    also = html[html.index("Also saved as") : html.index("Related insights")]
    assert shown_ids(also) == [other]
    assert other not in shown_ids(html[html.index("Related insights") :])
    assert "Also saved as" not in desk.insight("s1")


def test_an_unusual_address_is_no_link() -> None:
    page = view.insight_page(make_insight("Rope.", url="javascript:alert(1)"), [], ALL)
    assert "href" not in page
    assert "javascript:alert(1)" in page


def test_ask_about_this_makes_a_question(desk: LibraryDesk) -> None:
    assert desk.question("s1").endswith("?")
    assert desk.question("nobody") == desk.question(3) == ""


# Adding


def test_pasted_text_is_looked_at_before_anything_is_added(desk: LibraryDesk, engine: Pipeline) -> None:
    before = engine.library.revision()
    html = desk.preview({"text": NOTES})
    assert "Pasted text, read as Plain text." in html
    assert "<strong>2</strong> new" in html
    assert "Add 2 insights" in html
    assert engine.library.revision() == before
    pages = list(desk.run_import({"tokens": tokens_of(html)}))
    assert "<progress" in pages[0].page
    assert not pages[0].changed
    assert pages[-1].changed
    assert "2 new." in pages[-1].page
    assert "Undo this import" in pages[-1].page
    assert engine.library.count() == 8


def test_after_an_import_the_next_question_finds_it(desk: LibraryDesk, engine: Pipeline) -> None:
    question = "What stands here about zeppelins?"
    assert "zeppelins" not in engine.ask(question).evidence[0].quote
    imported(desk, desk.preview({"text": NOTES}))
    answer = engine.ask(question)
    assert answer.status is not Status.NOT_IN_LIBRARY
    assert answer.evidence[0].quote == "A first insight about zeppelins stands here."


def test_a_preview_tells_new_changed_duplicate_and_unreadable_each_with_why(desk: LibraryDesk) -> None:
    rows = [
        {"text": "A new one.", "title": "Fresh"},
        {"text": "Night trains fill with tourists, not commuters. Ottavia Brandt counted 310 suitcases on one sleeper.",
         "id": "s2", "source": "Tracks", "date": "2024-05-01", "author": "O. Brandt"},
        {"text": "Freight cars stand idle for two thirds of their life, which makes scheduling worth more than speed.",
         "id": "other"},
        {"title": "No text"},
    ]  # fmt: skip
    html = desk.preview({"text": "\n".join(map(json.dumps, rows))})
    assert "Pasted text, read as JSON lines." in html
    assert re.search(r"Author: nothing <span[^>]*>→</span> <ins>O. Brandt</ins>", html)
    assert "Its text is there already, with the id s6." in html
    assert "Pasted text, line 4</strong>" in html
    assert "This insight has no text." in html
    assert "Add 2 insights" in html


def test_the_format_can_be_chosen_and_the_text_be_changed(desk: LibraryDesk) -> None:
    html = desk.preview({"text": "text\nOne.\nTwo.", "format": "text"})
    assert "read as Plain text" in html
    tokens = tokens_of(html)
    again = desk.open({"page": "add", "tokens": tokens})
    assert ">text\nOne.\nTwo.</textarea>" in again
    assert "2 new" in imported(desk, desk.preview({"text": "text\nOne.\nTwo."})).page


def test_files_are_taken_by_their_names_and_imported_together(desk: LibraryDesk, engine: Pipeline) -> None:
    tokens = [
        desk.accept("C:\\notes\\more.txt", NOTES.encode()),
        desk.accept("../../etc/table.csv", b"text,author\nRope shrinks.,Ida\n"),
    ]
    html = desk.preview({"tokens": tokens})
    assert "more.txt, read as Plain text. table.csv, read as CSV table." in html
    assert "etc" not in html
    imported(desk, html)
    last = engine.library.last_import()
    assert last is not None
    assert (last.origin, last.new) == ("more.txt, table.csv", 3)
    assert "This is not held here any more." in desk.preview({"tokens": tokens})


def test_an_export_of_a_known_app_is_seen_from_its_beginning(desk: LibraryDesk) -> None:
    clipping = "A Book (Ann Lee)\n- Your Highlight on page 3 | Added on Monday, May 6, 2024\n\nIt rained.\n==========\n"
    html = desk.preview({"tokens": [desk.accept("My Clippings.txt", clipping.encode())]})
    assert "My Clippings.txt, read as Kindle clippings." in html
    assert "p. 3" in html
    assert "Pasted text, read as Kindle clippings." in desk.preview({"text": clipping})
    assert "read as Plain text" in desk.preview({"text": clipping, "format": "text"})


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("page.xyz", b"<p>x</p>", "page.xyz has a name that tells no known format"),
        ("", b"x", "This file has a name that tells no known format"),
        (None, b"x", "This file has a name"),
        ("big.txt", b"x" * (MAX_FILE + 1), "big.txt has 5.0 MB, more than 5."),
    ],
)
def test_a_file_that_can_not_be_taken_is_refused_in_words(
    desk: LibraryDesk, name: object, data: bytes, sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        desk.accept(name, data)
    assert sentence in str(caught.value)


def test_a_file_that_is_no_text_is_told_in_the_preview(desk: LibraryDesk) -> None:
    html = desk.preview({"tokens": [desk.accept("notes.txt", b"\x89PNG\r\n\0\0")]})
    assert "notes.txt</strong>" in html
    assert "It is not a text file" in html
    assert 'data-do="import"' not in html


def test_what_can_not_be_added_keeps_the_form_and_the_text(desk: LibraryDesk) -> None:
    assert "There is nothing to add yet." in desk.preview({"text": " \n"})
    html = desk.preview({"text": "x" * (MAX_PASTE + 1)})
    assert "60,001 characters, more than 60,000" in html
    assert "x" * (MAX_PASTE + 1) in html
    assert f"1 to {MAX_FILES} files" in desk.preview({"tokens": ["a"] * (MAX_FILES + 1)})


def test_only_one_import_runs_at_a_time(desk: LibraryDesk) -> None:
    first = desk.run_import({"tokens": tokens_of(desk.preview({"text": NOTES}))})
    next(first)
    (refused,) = desk.run_import({"tokens": tokens_of(desk.preview({"text": "Another."}))})
    assert "Another import is under way." in refused.page
    assert list(first)[-1].changed
    assert "1 new" in imported(desk, desk.preview({"text": "Another."})).page


def test_an_import_goes_on_when_its_reader_leaves(desk: LibraryDesk, engine: Pipeline) -> None:
    stream = desk.run_import({"tokens": tokens_of(desk.preview({"text": NOTES}))})
    next(stream)
    stream.close()
    for thread in threading.enumerate():
        if thread.name == "footnoted-import":
            thread.join(5)
    assert engine.library.count() == 8


def test_an_import_that_fails_says_so_and_the_next_one_works(
    desk: LibraryDesk, engine: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("secret internals")

    tokens = tokens_of(desk.preview({"text": NOTES}))
    with monkeypatch.context() as patched:
        patched.setattr(engine, "renew", broken)
        last = list(desk.run_import({"tokens": tokens}))[-1]
    assert "Something went wrong here" in last.page
    assert "secret" not in last.page
    assert "secret internals" in caplog.text
    assert "2 new" in list(desk.run_import({"tokens": tokens}))[-1].page


# What ships


def test_the_shipped_insights_are_read_only_and_invite_to_make_ones_own(demo: Pipeline) -> None:
    desk = LibraryDesk(demo)
    assert "they can’t be changed. Add yours, and they become a library of your own." in desk.listing()
    first = demo.library.insights(limit=1)[0]
    assert 'data-do="delete"' not in desk.insight(first.insight_id)
    for sent in ({"page": "edit", "id": first.insight_id}, {"page": "undo"}):
        assert "can&#39;t be changed here" in desk.open(sent)
    turned = desk.change({"act": "delete", "id": first.insight_id})
    assert "can&#39;t be changed here" in turned.page
    assert demo.library.count() == 11
    assert str(own_library()) in desk.open({"page": "add"})


def test_adding_to_what_ships_makes_a_library_of_ones_own_that_is_asked(demo: Pipeline) -> None:
    desk = LibraryDesk(demo)
    html = desk.preview({"text": NOTES})
    assert not own_library().exists()
    last = imported(desk, html)
    assert f"Your library is now the one that is asked: <code>{own_library()}</code>" in last.page
    assert demo.library.name == str(own_library())
    assert demo.library.count() == 2
    assert demo.ask("What stands here about zeppelins?").trace.library == str(own_library())
    assert "Undo last import" in desk.listing()
    assert "<strong>2</strong> there already" in desk.preview({"text": NOTES})


def test_what_is_in_ones_own_library_already_is_seen_from_the_shipped_one(demo: Pipeline) -> None:
    with open_library(own_library(), create=True) as own:
        own.add([make_insight("A first insight about zeppelins stands here.")])
    html = LibraryDesk(demo).preview({"text": NOTES})
    assert "<strong>1</strong> new" in html
    assert "<strong>1</strong> there already" in html


def test_where_several_log_in_nobodys_own_library_takes_the_place_of_the_shipped_one(demo: Pipeline) -> None:
    desk = LibraryDesk(demo, shared=True)
    assert 'data-open="add"' in desk.listing()
    waiting = {"tokens": [desk.accept("a.txt", NOTES.encode())]}
    with open_library(own_library(), create=True) as own:
        own.add([make_insight("A first insight about zeppelins stands here.")])
    assert 'data-open="add"' not in desk.listing()
    assert "Nothing can be added here." in desk.preview({"text": NOTES})
    assert "Nothing can be added here." in list(desk.run_import(waiting))[-1].page
    assert demo.library.name == "demo"


def test_nothing_readable_makes_no_library(demo: Pipeline) -> None:
    desk = LibraryDesk(demo)
    html = desk.preview({"tokens": [desk.accept("a.txt", b"Heading\n")]})
    assert 'data-do="import"' not in html
    list(desk.run_import({"tokens": tokens_of(html)}))
    assert demo.library.name == "demo"
    assert not own_library().exists()


def test_visitors_change_nothing_where_they_may_not(engine: Pipeline, scripted: "ScriptedEngine") -> None:
    for desk in (LibraryDesk(engine, changes=False), LibraryDesk(scripted)):
        assert 'data-open="add"' not in desk.listing()
        assert "Nothing can be added here." in desk.preview({"text": NOTES})
        assert "can&#39;t be changed here" in desk.change({"act": "delete", "id": "s1"}).page
        with pytest.raises(UsageError):
            desk.accept("a.txt", b"x")
    assert engine.library.count() == 6


def test_a_library_that_can_only_be_read_says_so(tmp_path: Path, six: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpus.database.writable", lambda path: False)
    with open_library(six) as library:
        html = LibraryDesk(pipeline_of(library)).listing()
    assert "This library can only be read." in html
    assert 'data-open="add"' not in html


# Edit, delete, undo


def fields(html: str) -> dict[str, str]:
    inputs = dict(re.findall(r'data-field="(\w+)" type="text" value="([^"]*)"', html))
    return inputs | dict(re.findall(r'data-field="(\w+)" rows="\d"\s*>([^<]*)</textarea>', html))


def test_an_insight_is_edited_in_a_form(desk: LibraryDesk, engine: Pipeline) -> None:
    form = desk.open({"page": "edit", "id": "s1"})
    values = fields(form)
    assert values["tags"] == "rail, night"
    assert values["text"].startswith("Rail freight loses")
    turned = desk.change({"act": "save", "id": "s1", "fields": values | {"title": "Rails", "tags": "rail; cargo"}})
    assert turned.changed
    assert 'data-id="s1"' in turned.page
    after = engine.library.get("s1")
    assert after is not None
    assert (after.title, after.tags, after.source) == ("Rails", ("rail", "cargo"), "Tracks")


def test_a_form_that_can_not_be_saved_comes_back_as_it_was_filled_in(desk: LibraryDesk, engine: Pipeline) -> None:
    values = fields(desk.open({"page": "edit", "id": "s1"}))
    turned = desk.change({"act": "save", "id": "s1", "fields": values | {"title": "<b>", "date": "soon"}})
    assert not turned.changed
    assert "soon is not a date." in turned.page
    assert fields(turned.page)["title"] == "&lt;b&gt;"
    assert desk.change({"act": "save", "id": "s1", "fields": {"insight_id": "x"}}).page == ""
    assert engine.library.get("s1") is not None


def test_a_field_that_nobody_touched_stays_exactly_as_it_is(desk: LibraryDesk, engine: Pipeline) -> None:
    odd = make_insight("Odd.", insight_id="odd", date="May 2024", tags=["a, b", "#c"])
    engine.library.add([odd])
    desk.change({"act": "save", "id": "odd", "fields": view.values_of(odd) | {"note": "Mine"}})
    assert engine.library.get("odd") == replace(odd, note="Mine")


def test_a_deleted_insight_is_found_no_more(desk: LibraryDesk, engine: Pipeline) -> None:
    assert engine.search("suitcases on a sleeper", 1)[0].insight.insight_id == "s2"
    turned = desk.change({"act": "delete", "id": "s2"})
    assert turned.changed
    assert "Deleted" in turned.page
    assert engine.search("suitcases on a sleeper", 1)[0].insight.insight_id != "s2"
    assert "isn&#39;t here any more" in desk.open({"page": "edit", "id": "s2"})


def token_of(turned: Turned) -> str:
    found = re.search(r'data-do="restore" data-of="([^"]+)"', turned.page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("insight_id", ["s1", "s3", "odd"])
def test_a_deletion_is_undone_with_what_was_edited(desk: LibraryDesk, engine: Pipeline, insight_id: str) -> None:
    library = engine.library
    odd = make_insight("Odd.", insight_id="odd", date="May 2024", tags=["a, b", "#c"])
    library.add([odd])
    library.edit("odd", {"text": "Odder.", "tags": ["##d", "e, f"]})
    before = library.get(insight_id)
    assert before is not None
    told = library.told(insight_id)
    turned = desk.change({"act": "delete", "id": insight_id})
    assert library.get(insight_id) is None
    back = desk.change({"act": "restore", "token": token_of(turned)})
    assert back.changed
    assert f'data-id="{insight_id}"' in back.page
    assert library.get(insight_id) == before
    assert library.told(insight_id) == told
    assert engine.search(before.text, 1)[0].insight.insight_id == insight_id
    assert "brought back any more" in desk.change({"act": "restore", "token": token_of(turned)}).page
    again = list(library.preview([told or before]))  # its source, once more
    assert again[0].outcome.value == "unchanged"


def test_what_can_not_be_brought_back_says_why(desk: LibraryDesk, engine: Pipeline) -> None:
    token = token_of(desk.change({"act": "delete", "id": "s4"}))
    assert "restore" not in desk.change({"act": "delete", "id": "s4"}).page  # it is gone already
    engine.library.add([make_insight(sample_insights()[3].text, insight_id="other")])
    assert "come back already" in desk.change({"act": "restore", "token": token}).page
    for odd in (None, "", 7, ["x"], "x" * 500):
        assert "brought back any more" in desk.change({"act": "restore", "token": odd}).page
    locked = LibraryDesk(engine, changes=False)
    assert "can&#39;t be changed here" in locked.change({"act": "restore", "token": token}).page


def test_a_deletion_is_held_for_a_while_and_for_its_library(engine: Pipeline, tmp_path: Path) -> None:
    clock = [0.0]
    removals = Removals(lambda: clock[0])
    token = removals.remove(engine.library, "s3")
    with open_library(tmp_path / "other.db", create=True) as other, pytest.raises(UsageError, match="any more"):
        removals.bring_back(other, token)
    clock[0] = KEPT + 1
    with pytest.raises(UsageError, match="any more"):
        removals.bring_back(engine.library, token)
    assert removals.remove(engine.library, "nobody") == ""


def test_the_last_import_is_undone_after_it_was_shown(desk: LibraryDesk, engine: Pipeline) -> None:
    imported(desk, desk.preview({"text": NOTES}))
    shown = desk.open({"page": "undo"})
    assert "Pasted text, imported" in shown
    assert "The 2 insights that it added will be removed." in shown
    number = re.search(r'data-do="undo" data-of="(\d+)"', shown)
    assert number is not None
    turned = desk.change({"act": "undo", "number": int(number[1])})
    assert "2 removed, 0 as they were before." in turned.page
    assert engine.library.count() == 6
    again = desk.change({"act": "undo", "number": int(number[1])})
    assert "not the last import any more" in again.page


def test_a_small_file_with_too_many_insights_is_refused(
    desk: LibraryDesk, engine: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_FILE / MAX_ITEMS < 60, "whoever has a file full of ordinary insights is let in"
    for module in ("inbox", "library_desk"):
        monkeypatch.setattr(f"ui.{module}.MAX_ITEMS", 5)
    tokens = [desk.accept("a.json", b"[1,1,1]"), desk.accept("b.json", b"[1,1,1]")]
    assert 'data-tokens="' in desk.preview({"tokens": tokens[:1]})
    assert "This holds more than 5 insights. Split it" in desk.preview({"tokens": tokens})
    assert "This holds more than 5 insights. Split it" in list(desk.run_import({"tokens": tokens}))[-1].page
    assert engine.library.count() == 6


# The inbox


def test_the_inbox_forgets_what_is_old_and_what_is_too_much() -> None:
    now = [0.0]
    inbox = Inbox(clock=lambda: now[0])
    old = inbox.paste("An old one.")
    now[0] = HELD_SECONDS + 1
    new = inbox.paste("A new one.")
    assert inbox.parcels([new])[0][1].data == b"A new one."
    with pytest.raises(UsageError, match="not held here any more"):
        inbox.parcels([old])
    tokens = [inbox.send("a.txt", b"x" * MAX_FILE) for _ in range(HELD_BYTES // MAX_FILE + 1)]
    with pytest.raises(UsageError, match="not held here any more"):
        inbox.parcels([tokens[0]])
    assert inbox.parcels([tokens[-1]])
    assert len({*tokens, old, new}) == len(tokens) + 2


# Export


@pytest.mark.parametrize("format_name", ["jsonl", "csv", "markdown"])
def test_all_insights_go_out_in_each_format(desk: LibraryDesk, format_name: str) -> None:
    pieces = desk.export(format_name)
    assert pieces is not None
    assert "Rail freight loses" in "".join(pieces)
    assert desk.export("pdf") is None


# Nothing but our tags


TAGS = {
    *"article aside blockquote button code dd del details div dl h2 h3 input ins label li option ol p".split(),
    *"progress section select small span strong summary textarea time ul a".split(),
}
PLAIN = make_insight("Plain.")


def only_ours(html: str) -> None:
    reading = Reading(html)
    assert set(reading.tags) <= TAGS
    assert not [name for name, _ in reading.attributes if name.startswith("on") or name == "style"]
    assert all(str(href).startswith(("library/export.", "https://", "http://")) for href in reading.values("href"))
    assert not reading.open


@given(st.one_of(st.just(HOSTILE), st.text(max_size=40)))
def test_whatever_the_text_only_our_tags_come_out(text: str) -> None:
    insight = replace(PLAIN, text=f"x{text}", title=text, author=text, tags=(text,), note=text, url=text, source=text)
    chosen = Selection(text, author=text, tags=(text,))
    shelf = Shelf((Group(text, (insight,)),), 1, 2, chosen, problem=text, rights=ALL)
    planned = [
        Planned(insight, Outcome.NEW, text, after=insight),
        Planned(insight, Outcome.CHANGED, text, before=PLAIN, after=insight),
        Planned(Problem(Path("x" + text.replace("\0", "")), 1, text), Outcome.UNREADABLE, text),
    ]
    for html in (
        view.shelf(shelf),
        view.insight_page(insight, [], ALL),
        view.add_form(replace(ALL, own=text), text, text, text),
        view.preview_page(planned, [text], [text], ALL),
        view.edit_form(text, view.values_of(insight), text),
        view.message(text, text, text, problem=True),
        view.progress_page(text, 1, 2),
    ):
        only_ours(html)


@given(st.one_of(st.just(HOSTILE), st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)))
def test_an_insights_page_holds_its_text_as_it_is(text: str) -> None:
    reading = Reading(view.insight_page(Insight(text, text, title=text, note=text, tags=(text,)), [], ALL))
    assert reading.text.count(text) >= 4
    assert text in reading.values("data-id")
    assert text in reading.values("data-value")


def test_an_insight_without_a_name_is_not_headed_by_its_own_words() -> None:
    bare, named = Insight("a", "Only words."), Insight("b", "Only words.", source="A talk")
    assert "<strong>" not in view.shelf(Shelf((Group("", (bare,)),), 1, 1))
    assert "<strong>A talk</strong>" in view.shelf(Shelf((Group("", (named,)),), 1, 1))
    assert "class=fn-quiet>Only words.</h2>" in view.insight_page(bare, [], ALL)
    assert "class=fn-quiet>" not in view.insight_page(named, [], ALL)


def test_the_list_over_a_scripted_engine(scripted: "ScriptedEngine") -> None:
    desk = LibraryDesk(scripted)
    assert "40 of 52 shown" in desk.listing()
    html = desk.listing("ovens")
    assert html.index("Containing these words") < html.index("second pane") < html.index("Near in meaning")
    assert html.count("second pane") == 1
    assert "The embedder doesn&#39;t answer." in desk.listing("broken")


def test_a_document_is_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def reading(name: str, data: bytes, format_name: str, most: int) -> list[Item]:
        read.append(format_name)
        return [make_insight("Tar keeps ropes dry.")]

    monkeypatch.setattr("ui.inbox.read_bytes", reading)
    inbox = Inbox()
    tokens = [inbox.send("page.html", b"<p>Tar keeps ropes dry.</p>"), inbox.send("a.txt", b"Tar keeps ropes dry.")]
    inbox.settle([(token, parcel.opened()) for token, parcel in inbox.parcels(tokens)])
    for token, parcel in inbox.parcels(tokens, "html"):
        assert len(parcel.items) == 1, token
    assert read == ["html", "html"], "the page when it was opened; the text now that it is to be read as a page"
