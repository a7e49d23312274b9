"""Logging in, in a real browser, on a desktop and on a phone: the page before the page, and the way out."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browsing import watched
from tests.conftest import SCREENS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.conftest import Served

pytestmark = pytest.mark.slow

PASSWORD = "correct horse"
RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}"
SHOTS = Path(__file__).parent / "shots"


@pytest.fixture(scope="module")
def site(serve_page: "Served", tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from ui.users import Cost, UserFile, add_user

    path = tmp_path_factory.mktemp("users") / "users.toml"
    add_user(path, "ada", PASSWORD, Cost(n=16))
    with serve_page(users=UserFile(path)) as url:
        yield url


def inspect(page: "Page", name: str) -> None:
    """A state must be accessible and fit the screen; with FOOTNOTED_SHOTS it is kept as a picture."""
    import axe_playwright_python

    if os.environ.get("FOOTNOTED_SHOTS"):
        SHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}.png")
    page.evaluate(next(Path(str(axe_playwright_python.__file__)).parent.glob("axe.min.js")).read_text(encoding="utf-8"))
    found = page.evaluate(f"axe.run(document, {RULES})")["violations"]
    assert not found, [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"]) for v in found]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"


@pytest.mark.parametrize("screen", SCREENS)
def test_in_and_out_again(chromium: "Browser", site: str, screen: str) -> None:
    with watched(chromium, SCREENS[screen], lambda url: url.startswith((site, "data:", "blob:"))) as page:
        page.goto(site)
        assert page.url == f"{site}login"
        assert page.evaluate("document.activeElement.name") == "username"
        inspect(page, f"{screen}-login")
        page.keyboard.type("Ada")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("#fn-voice", state="attached")
        out = page.get_by_role("button", name="Log out")
        out.wait_for()
        inspect(page, f"{screen}-logged-in")
        assert [cookie["httpOnly"] for cookie in page.context.cookies()] == [True]
        out.click()
        page.wait_for_url(f"{site}login")
        assert page.context.cookies() == []


@pytest.mark.parametrize("screen", SCREENS)
def test_a_wrong_password_is_told_where_it_is_typed(chromium: "Browser", site: str, screen: str) -> None:
    width, height, scheme = SCREENS[screen]
    page = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(f"{site}login")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("wrong password")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").wait_for()
    assert page.get_by_role("alert").inner_text() == "The name or the password is wrong."
    assert page.get_by_label("Name").input_value() == "ada"
    assert page.evaluate("document.activeElement.name") == "password"
    inspect(page, f"{screen}-login-wrong")
    page.close()
