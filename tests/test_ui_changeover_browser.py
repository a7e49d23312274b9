"""The head of the page while another embedder is on its way: it moves by itself, and stops asking once it is there."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from corpus.insight import Insight
from corpus.library import open_library
from rag.config import Config
from rag.datatypes import Coming
from rag.pipeline import Pipeline
from tests.browsing import watched
from tests.conftest import SCREENS
from tests.fakes import HashEmbedder, OpenReader, ScriptedWriter
from tests.serving import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


@pytest.fixture
def engine(tmp_path: Path, six_insights: list[Insight]) -> Iterator[Pipeline]:
    with open_library(tmp_path / "six.db", create=True) as library:
        library.add(six_insights)
        yield Pipeline(library, Config(), HashEmbedder(), OpenReader(), ScriptedWriter(""))


@pytest.mark.parametrize("screen", list(SCREENS))
def test_the_head_follows_the_change(
    chromium: "Browser", engine: Pipeline, screen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ui import page as page_module
    from ui.server import make_app

    monkeypatch.setattr(page_module, "LOOK", 0.3)
    engine.coming = Coming("/models/paraphrase-multilingual-MiniLM-L12-v2", 1200, 5000)
    with (
        served(lambda: make_app(engine, ["Who counted suitcases?"])) as url,
        watched(chromium, SCREENS[screen], lambda address: address.startswith((url, "data:", "blob:"))) as page,
    ):
        page.goto(url)
        head = page.locator("#fn-brand")
        head.get_by_text("Changing the embedder, 24%").wait_for()
        page.get_by_label("Your question").wait_for()
        page.screenshot(path=f"tests/shots/changeover-{screen}.png")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        engine.coming = Coming("/models/paraphrase-multilingual-MiniLM-L12-v2", 4800, 5000)
        head.get_by_text("Changing the embedder, 96%").wait_for()
        engine.coming = None
        head.get_by_text("Changing").wait_for(state="detached")
        asked: list[str] = []
        page.wait_for_timeout(400)  # the last look is on its way
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(1000)
        assert asked == []
