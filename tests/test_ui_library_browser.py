"""The library tab as a person uses it, and its two routes: a real library, fake models, a real browser."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from corpus.insight import Insight
from corpus.library import open_library, own_library
from rag.config import Config
from rag.pipeline import Pipeline
from tests.browsing import watched
from tests.conftest import SCREENS
from tests.fakes import HashEmbedder, OpenReader, ScriptedWriter
from tests.serving import served
from tests.test_ui_browser import BOX, SEARCH, Inspect, ask, focused, inspect, is_phone

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
__all__ = ["inspect"]  # the fixture of the page's own browser tests

NOTES = "A first insight about zeppelins stands here.\n\nA second one about bread stands here."
DESKTOP = pytest.mark.parametrize("shelf", ["desktop-light"], indirect=True)
Serve = Callable[[str], str]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, six_insights: list[Insight]) -> Iterator[Serve]:
    """A function that serves a library, "six" or "demo", and gives the address."""
    monkeypatch.setenv("FOOTNOTED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FOOTNOTED_DATA", str(tmp_path / "data"))
    with ExitStack() as stack:

        def start(name: str) -> str:
            from ui.server import make_app

            place = tmp_path / "six.db"
            if name == "six":
                with open_library(place, create=True) as library:
                    library.add(six_insights, origin="six.csv")
                    library.edit("s1", {"tags": "rail, night", "author": "Ida Quill", "note": "Read again."})
            library = stack.enter_context(open_library(place if name == "six" else name))
            engine = Pipeline(library, Config(), HashEmbedder(), OpenReader(), ScriptedWriter(""))
            return stack.enter_context(served(lambda: make_app(engine, ["What is asked at first?"])))

        yield start


@pytest.fixture(params=list(SCREENS))
def shelf(chromium: "Browser", request: pytest.FixtureRequest, serve: Serve) -> Iterator["Page"]:
    """The library tab over the six insights."""
    site = serve("six")
    with watched(chromium, SCREENS[request.param], lambda url: url.startswith((site, "data:", "blob:"))) as page:
        yield opened(page, site)


def opened(page: "Page", site: str) -> "Page":
    page.goto(site)
    page.wait_for_selector("#fn-voice", state="attached")
    page.get_by_role("tab", name="Library").click()
    page.wait_for_selector("#fn-listing .fn-row")
    return page


def rows(page: "Page") -> list[str]:
    return [str(row.get_attribute("data-insight")) for row in page.locator("#fn-listing .fn-row").all()]


def back_to_list(page: "Page") -> None:
    if is_phone(page):
        page.click("#fn-insight .fn-to-list")


def test_narrow_sort_and_widen_again(shelf: "Page", inspect: Inspect) -> None:
    assert rows(shelf) == ["s1", "s2", "s3", "s4", "s5", "s6"]
    shelf.click("#fn-narrow > summary")
    shelf.click(".fn-on[data-value='Tracks']")
    shelf.wait_for_selector(".fn-count >> text=3 of 6 insights")
    assert shelf.locator("#fn-narrow").get_attribute("open") is not None  # it stays open while one chooses
    inspect(shelf, "l1-narrowed")
    shelf.select_option("#fn-sort", "latest")
    shelf.wait_for_selector("#fn-listing li:first-child [data-insight='s6']")
    assert rows(shelf) == ["s6", "s2", "s1"]
    shelf.fill(SEARCH, "trains")
    shelf.wait_for_selector(".fn-count >> text=for “trains”")
    assert set(rows(shelf)) == {"s1", "s2", "s6"}
    shelf.fill(SEARCH, "")
    shelf.click(".fn-off")
    shelf.wait_for_selector(".fn-count >> text=6 insights")


def test_paste_look_add_and_undo(shelf: "Page", inspect: Inspect) -> None:
    shelf.click("[data-open='add']")
    focused(shelf, "#fn-insight h2")
    inspect(shelf, "l2-add")
    shelf.fill("#fn-paste", f"{NOTES}\n\nNight trains fill with tourists, not commuters. "
               "Ottavia Brandt counted 310 suitcases on one sleeper.")  # fmt: skip
    shelf.press("#fn-paste", "Control+Enter")
    shelf.wait_for_selector(".fn-tally >> text=2 new")
    inspect(shelf, "l3-preview")
    shelf.click("[data-do='back']")
    shelf.wait_for_selector("#fn-paste")
    assert shelf.input_value("#fn-paste").startswith(NOTES)
    shelf.click("[data-do='preview']")
    shelf.click("[data-do='import']")
    shelf.wait_for_selector("#fn-insight .fn-result >> text=2 new")
    inspect(shelf, "l4-added")
    assert "Asking 8 insights" in shelf.inner_text("#fn-head")
    shelf.click("#fn-insight [data-open='undo']")
    shelf.wait_for_selector("#fn-insight >> text=The 2 insights that it added will be removed.")
    inspect(shelf, "l5-undo")
    shelf.click("[data-do='undo']")
    shelf.wait_for_selector("#fn-insight >> text=2 removed")
    back_to_list(shelf)
    shelf.wait_for_selector(".fn-count >> text=6 insights")


def test_read_edit_ask_about_and_delete(shelf: "Page", inspect: Inspect) -> None:
    shelf.click("#fn-listing [data-insight='s1']")
    shelf.wait_for_selector("#fn-insight .fn-text >> text=Rail freight loses")
    inspect(shelf, "l6-insight")
    shelf.click("[data-open='edit']")
    shelf.fill("#fn-field-title", "On rails")
    shelf.fill("#fn-field-date", "soon")
    shelf.click("[data-do='save']")
    shelf.wait_for_selector(".fn-form .fn-problem >> text=soon is not a date.")
    assert shelf.input_value("#fn-field-title") == "On rails"
    inspect(shelf, "l7-edit")
    shelf.fill("#fn-field-date", "2024-06")
    shelf.click("[data-do='save']")
    shelf.wait_for_selector("#fn-insight h2 >> text=On rails")
    shelf.click("[data-ask='s1']")
    focused(shelf, BOX)
    assert shelf.input_value(BOX).endswith("?")
    shelf.get_by_role("tab", name="Library").click()
    shelf.click("#fn-insight [data-do='sure']")
    focused(shelf, "[data-do='keep']")
    inspect(shelf, "l8-delete")
    shelf.click("[data-do='delete']")
    shelf.wait_for_selector("#fn-insight h2 >> text=Deleted")
    inspect(shelf, "l9-deleted")
    shelf.click("[data-do='restore']")
    shelf.wait_for_selector("#fn-insight h2 >> text=On rails")
    shelf.click("#fn-insight [data-do='sure']")
    shelf.click("[data-do='delete']")
    shelf.wait_for_selector("#fn-insight h2 >> text=Deleted")
    back_to_list(shelf)
    shelf.wait_for_selector(".fn-count >> text=5 insights")
    assert "s1" not in rows(shelf)


@DESKTOP
def test_files_come_in_and_all_insights_go_out(shelf: "Page", tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text(NOTES)
    (tmp_path / "more.csv").write_text("text,author\nRope shrinks when wet.,Ida\n")
    (tmp_path / "page.xyz").write_text("<p>x</p>")
    shelf.click("[data-open='add']")
    shelf.set_input_files("#fn-file", tmp_path / "page.xyz")
    shelf.wait_for_selector("#fn-add-problem >> text=page.xyz has a name that tells no known format")
    shelf.set_input_files("#fn-file", [tmp_path / "notes.txt", tmp_path / "more.csv"])
    shelf.wait_for_selector(".fn-tally >> text=3 new")
    shelf.click("[data-do='import']")
    shelf.wait_for_selector("#fn-insight .fn-result >> text=3 new")
    shelf.click("#fn-export summary")
    with shelf.expect_download() as download:
        shelf.click("#fn-export a >> text=JSON lines")
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert download.value.suggested_filename == "insights.jsonl"
    assert len(lines) == 9
    assert json.loads(lines[0])["tags"] == ["rail", "night"]


def test_from_the_shipped_insights_to_ones_own_and_an_answer(
    chromium: "Browser", serve: Serve, inspect: Inspect, request: pytest.FixtureRequest
) -> None:
    site = serve("demo")
    with watched(chromium, SCREENS["desktop-light"], lambda url: url.startswith((site, "data:", "blob:"))) as page:
        opened(page, site)
        assert "they become a library of your own" in page.inner_text(".fn-fixed")
        page.click("#fn-listing .fn-row >> nth=0")
        page.wait_for_selector("#fn-insight .fn-text")
        assert page.locator("[data-open='edit']").count() == 0
        page.click("[data-open='add']")
        page.fill("#fn-paste", f"{NOTES}\n\nIn 1910 Ottavia Brandt steered one over Lindow.")
        page.click("[data-do='preview']")
        page.click("[data-do='import']")
        page.wait_for_selector("#fn-insight >> text=Your library is now the one that is asked")
        assert str(own_library()) in page.inner_text("#fn-head")
        page.get_by_role("tab", name="Ask").click()
        ask(page, "What stands here about zeppelins?")
        assert "zeppelins" in page.inner_text("#fn-thread .fn-answer")
        page.click("#fn-new")
        page.wait_for_selector(".fn-turn", state="detached")
        page.wait_for_selector(".fn-example:visible >> text=Ottavia Brandt")  # made of the new ones, without a restart
        page.reload()
        page.wait_for_selector("#fn-voice", state="attached")
        page.wait_for_selector(".fn-brand >> text=Asking 3 insights")
        page.wait_for_selector(".fn-example:visible >> text=Ottavia Brandt")
        assert page.locator(".fn-example >> text=What is asked at first?").count() == 0


def sent(url: str, data: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, named)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {key.lower(): value for key, value in error.headers.items()}, error.read()


def test_the_two_routes_and_their_limits(serve: Serve) -> None:
    site = serve("six")
    upload = f"{site}library/upload"
    status, _, body = sent(upload, b"An insight.", x_file_name="n%C3%B6tes.txt")
    token = json.loads(body)["token"]
    assert (status, len(token)) == (200, 24)
    for path in (f"library/upload/{token}", f"library/{token}", f"gradio_api/file={token}"):
        assert sent(site + path)[0] == 404  # nothing that came in goes out
    assert sent(upload, b"x", x_file_name="page.exe")[0] == 400
    assert sent(upload, b"x")[0] == 400
    with socket.create_connection(("127.0.0.1", int(site.split(":")[-1].strip("/")))) as client:
        announced = "POST /library/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000001\r\n\r\n"
        client.sendall(announced.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 413")
    assert sent(upload, b"x" * 300_000, x_file_name="a.txt")[0] == 200
    assert sent(upload, b"x", x_file_name="a.txt", Sec_Fetch_Site="cross-site")[0] == 403
    assert sent(f"{site}gradio_api/upload", b"x")[0] == 404
    status, headers, body = sent(f"{site}library/export.csv")
    assert status == 200
    assert headers["content-disposition"] == 'attachment; filename="insights.csv"'
    assert headers["content-type"].startswith("text/csv")
    assert "content-security-policy" in headers
    assert body.decode().splitlines()[0].startswith("insight_id,text,title")
    assert sent(f"{site}library/export.pdf")[0] == 404


def test_a_server_without_changes_takes_nothing(serve: Serve, six: Path) -> None:
    from ui.server import make_app

    with open_library(six) as library:
        engine = Pipeline(library, Config(), HashEmbedder(), OpenReader(), ScriptedWriter(""))
        with served(lambda: make_app(engine, changes=False)) as site:
            status, _, body = sent(f"{site}library/upload", b"x", x_file_name="a.txt")
            assert (status, b"Nothing can be added here." in body) == (400, True)
