"""Shared by all tests: six insights, deterministic fakes for the models, and no network."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from corpus.browse import Facet, Selection
from corpus.errors import ModelError
from corpus.filters import EVERYTHING, Filter
from corpus.insight import Insight, Passage, make_insight
from corpus.library import open_library
from rag.datatypes import Answer, Citation, Claim, Evidence, Hit, Phase, Status, Step, Sure, Trace, Turn, Verdict
from rag.map import Map, make_map
from rag.stances import Stance, Stand
from tests.browsing import Screen, watched
from tests.fakes import HashEmbedder
from tests.serving import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.postgres_server import PostgresServer

settings.register_profile("footnoted", deadline=None)  # these machines are shared: a slow example is no failure
settings.load_profile("footnoted")

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection off this machine fails the test: Footnoted needs no network."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    for name in ("FOOTNOTED_LIBRARY", "FOOTNOTED_WRITER", "FOOTNOTED_REPLICAS"):
        monkeypatch.delenv(name, raising=False)


def sample_insights() -> list[Insight]:
    """Two topics, one number each, two names: enough to tell right from wrong."""
    texts = {
        "s1": "Rail freight loses to lorries on the last mile. "
        "Quill Logistics moved 40% of its parcels by night train.",
        "s2": "Night trains fill with tourists, not commuters. Ottavia Brandt counted 310 suitcases on one sleeper.",
        "s3": "Ovens lose a third of their heat through the door. A baker in Lindow saved 12% by adding a second pane.",
        "s4": "Sourdough keeps longer because acid slows mould. Loaves from Harrow Mill lasted nine days.",
        "s5": "Cheap yeast ended the village starter. By 1931 only four of sixty bakeries kept their own.",
        "s6": "Freight cars stand idle for two thirds of their life, which makes scheduling worth more than speed.",
    }
    source = {"s1": "Tracks", "s2": "Tracks", "s6": "Tracks"}
    return [
        make_insight(text, insight_id=i, source=source.get(i, "Crumb"), date="2024-05-01") for i, text in texts.items()
    ]


@pytest.fixture
def six_insights() -> list[Insight]:
    return sample_insights()


@pytest.fixture
def six(tmp_path: Path, six_insights: list[Insight]) -> Path:
    """A library of the six."""
    path = tmp_path / "six.db"
    with open_library(path, create=True) as library:
        library.add(six_insights)
    return path


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


# ------------------------------------------------------------------------------------------------ the page's engine

HOSTILE = (
    "<img src=x onerror=window.pwned=1><script>window.pwned=2</script> ${window.pwned=3} `${window.pwned=4}` "
    "{{value}} C:\\temp\\new </mark></blockquote><svg><a href='javascript:window.pwned=5'><text>x</text></a></svg> "
    "![p](https://elsewhere.example/p.png) \"'> <style>*{display:none}</style>"
)


class ScriptedLibrary:
    """A library in memory with the six insights, a hostile one, and enough others to need a second page."""

    name = "Trains & <b>bread</b>"

    def __init__(self, insights: Sequence[Insight]) -> None:
        more = [make_insight(f"Filler {n}: a shed in Port {n} held {n} crates of rope.") for n in range(45)]
        hostile = make_insight(
            HOSTILE, insight_id="x\"'><1", title=HOSTILE, author=HOSTILE, tags=[HOSTILE], note=HOSTILE
        )
        self.all = [*insights, hostile, *more]

    def count(self) -> int:
        return len(self.all)

    def get(self, insight_id: str) -> Insight | None:
        return next((i for i in self.all if i.insight_id == insight_id), None)

    def linked(self, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        pairs = {"s1": ("s6",), "s6": ("s1",)}
        return {insight_id: pairs[insight_id] for insight_id in ids if insight_id in pairs}

    def insights(self, query: str = "", offset: int = 0, limit: int | None = None) -> list[Insight]:
        found = [i for i in self.all if query.casefold() in f"{i.title} {i.text}".casefold()]
        return found[offset:][:limit]

    def values(self, name: str) -> list[str]:
        if name == "year":
            return sorted({i.date[:4] for i in self.all if i.date}, reverse=True)
        rows = [i.tags if name == "tag" else (getattr(i, name),) for i in self.all]
        return list(dict.fromkeys(value for row in rows for value in row if value))

    def passing(self, filters: Filter, limit: int = 0) -> tuple[int, list[int]]:
        return sum(not filters.sources or i.source in filters.sources for i in self.all), []

    def browse(self, selection: Selection, offset: int = 0, limit: int | None = None) -> list[Insight]:
        return [i for i in self.insights(selection.query) if selection.holds(i)][offset:][:limit]

    def facets(self, selection: Selection) -> tuple[int, list[Facet]]:
        found = self.browse(selection)
        sources = Counter(i.source for i in found if i.source)
        tags = Counter(tag for i in found for tag in i.tags)
        return len(found), [Facet("source", tuple(sources.items())), Facet("tag", tuple(tags.items()))]


class ScriptedEngine:
    """Answers from a script, in real records; the question's words choose the scene."""

    def __init__(self, insights: Sequence[Insight], pause: float = 0.0) -> None:
        self.library = ScriptedLibrary(insights)
        self.pause = pause
        self.running = 0  # streams under way, and the most there ever were
        self.most = 0
        self.history: tuple[Turn, ...] = ()
        self.filters = EVERYTHING
        self.checked: list[str] = []

    def hit(self, insight_id: str, rank: int = 1) -> Hit:
        insight = self.library.get(insight_id)
        assert insight is not None
        passage = Passage(f"{insight_id}#0", insight_id, insight.text, 0, len(insight.text))
        return Hit(passage, insight, score=1 - rank / 10, rank=rank, signals={"dense": 1 - rank / 10})

    def cite(self, insight_id: str, quote: str) -> Citation:
        start = self.hit(insight_id).insight.text.index(quote)
        return Citation(f"{insight_id}#0", start, start + len(quote))

    def stream(
        self,
        question: str,
        history: Sequence[Turn] = (),
        stopped: Callable[[], bool] = lambda: False,
        filters: Filter = EVERYTHING,
        as_typed: bool = False,
    ) -> Iterator[Step]:
        self.history = tuple(history)
        self.filters = filters if as_typed or "Crumb" not in question else filters.joined(Filter(sources=("Crumb",)))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for step in self._scene(question, stopped):
                trace = replace(step.answer.trace, filters=self.filters.terms, among=len(self.filters.terms) and 3)
                yield replace(step, answer=replace(step.answer, trace=trace))
        finally:
            self.running -= 1

    def _scene(self, question: str, stopped: Callable[[], bool]) -> Iterator[Step]:
        if "broken" in question:
            raise ModelError("The writer doesn't answer.", "Start it, then ask again.")
        if "crash" in question:
            raise ValueError("secret internals")
        hits = tuple(self.hit(id_, rank) for rank, id_ in enumerate(("s2", "s1", "s6", "s3"), 1))
        draft = Answer(question, Status.ANSWERED)
        yield Step(Phase.SEARCHING, draft)
        time.sleep(self.pause)
        if "tungsten" in question:
            yield Step(Phase.READING, replace(draft, hits=hits))
            yield Step(Phase.DONE, Answer(question, Status.NOT_IN_LIBRARY, hits=hits, nearest=hits[:3]))
            return
        cites = [
            self.cite("s2", "Ottavia Brandt counted 310 suitcases on one sleeper."),
            self.cite("s1", "Quill Logistics moved 40% of its parcels by night train."),
            self.cite("s1", "Rail freight loses to lorries on the last mile."),
        ]
        claims = [
            Claim("Parcels do: Quill Logistics moved 40% of its own that way.", (cites[1],), 0.96, Verdict.SUPPORTED),
            Claim("So do tourists, with 310 suitcases on one sleeper!", (cites[0],), 0.91, Verdict.SUPPORTED),
            Claim("On the last mile rail still loses to lorries", (cites[2], cites[0]), 0.88, Verdict.SUPPORTED),
        ]
        if "hostile" in question:
            hits = (self.hit("x\"'><1"), *hits)
            text = hits[0].insight.text
            cites = [Citation("x\"'><1#0", 0, len(text)), *cites]
            claims = [Claim(HOSTILE, (cites[0],), 0.9, Verdict.SUPPORTED), *claims]
        by_id = {hit.passage.passage_id: hit for hit in hits}
        evidence = tuple(Evidence(by_id[c.passage_id], c, 0.9) for c in cites[:2])
        draft = replace(draft, hits=hits, evidence=evidence)
        yield Step(Phase.READING, draft)
        while "endless" in question or "hold" in question:
            if stopped():
                return
            time.sleep(0.01)
        time.sleep(self.pause)
        for n in range(1, len(claims) + 1):
            newest = replace(claims[n - 1], verdict=Verdict.UNCHECKED)
            yield Step(Phase.WRITING, replace(draft, claims=(*claims[: n - 1], newest)))
            if "slowly" in question:
                while not stopped():
                    time.sleep(0.01)
                return
            time.sleep(self.pause)
        status = Status.PARTLY if "tomorrow" in question else Status.ANSWERED
        sure = Sure.WEAK if status is Status.PARTLY else Sure.STRONG
        trace = Trace(
            library=self.library.name,
            sure=sure,
            seconds={"total": 1.23456},
            models={"reader": "r1"},
            tokens={"prompt": 9},
        )
        yield Step(Phase.DONE, replace(draft, status=status, claims=tuple(claims), trace=trace))

    def quoted(self, question: str, filters: Filter = EVERYTHING) -> Answer:
        self.checked.append(question)
        evidence = tuple(Evidence(self.hit(i), self.cite(i, self.hit(i).insight.text), 0.9) for i in ("s3", "s4", "s6"))
        return Answer(question, Status.ANSWERED, evidence=evidence)

    def search(self, query: str, k: int = 10, filters: Filter = EVERYTHING) -> list[Hit]:
        if "broken" in query:
            raise ModelError("The embedder doesn't answer.", "Start it, then search again.")
        return [self.hit(id_, rank) for rank, id_ in enumerate(("s3", "s4", "s5"), 1)][:k]

    def related(self, insight_id: str, k: int = 5) -> list[Hit]:
        return [self.hit(id_, rank) for rank, id_ in enumerate(("s1", "s2", "s6"), 1) if id_ != insight_id][:k]

    def check_claim(self, claim: str, k: int = 6, filters: Filter = EVERYTHING) -> list[Stand]:
        for_it, against, silent = (self.hit(insight_id) for insight_id in ("s1", "s2", "s3"))
        quotes = [(self.cite(hit.insight.insight_id, hit.insight.text),) for hit in (for_it, against)]
        stands = [Stand(for_it, Stance.SUPPORTS, quotes[0], 0.91), Stand(against, Stance.DISAGREES, quotes[1], 0.93)]
        return [*stands, Stand(silent, Stance.SILENT)][:k]

    def library_map(self, known: Map | None = None) -> Map:
        texts = [insight.text for insight in self.library.all]
        return known or make_map(self.library.all, HashEmbedder().encode_document(texts), "r1")


@pytest.fixture
def scripted(six_insights: list[Insight]) -> ScriptedEngine:
    return ScriptedEngine(six_insights)


class Served:
    """Serves the page from a thread: `with serve_page(requests=40) as url`."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self.engine = engine

    @contextlib.contextmanager
    def __call__(self, requests: int = 10_000, **options: Any) -> Iterator[str]:
        from ui.conversations import Store
        from ui.server import make_app

        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder) / "conversations.db")
            examples = ["What moves on night trains?", "Who counted suitcases?"]
            # Made in the loop that serves it: outside of one Gradio opens several and closes none.
            with served(lambda: make_app(self.engine, examples, requests=requests, store=store, **options)) as url:
                yield url


@pytest.fixture(scope="session")
def serve_page() -> Served:
    return Served(ScriptedEngine(sample_insights(), pause=0.02))


# --------------------------------------------------------------------------------------------------------- browser

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-default-apps"),
)


@pytest.fixture(scope="module")  # not longer: while it runs, no other test could use asyncio.run
def chromium() -> Iterator["Browser"]:
    """One browser for all its tests. On CI it must be there; elsewhere its tests are skipped, and say why."""
    if not os.path.exists(CHROMIUM):
        if os.environ.get("CI"):
            pytest.fail(f"there is no browser at {CHROMIUM}, and on CI the page must be tried in one")
        pytest.skip(f"there is no browser at {CHROMIUM}: install the package 'chromium' or set CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(serve_page: Served) -> Iterator[str]:
    with serve_page() as url:
        yield url


SCREENS: dict[str, Screen] = {
    "desktop-light": (1440, 900, "light"),
    "phone-dark": (390, 844, "dark"),
}


@pytest.fixture(params=list(SCREENS))
def tab(chromium: "Browser", request: pytest.FixtureRequest, site: str) -> Iterator["Page"]:
    """The page, opened afresh, on a desktop and on a phone."""
    with watched(chromium, SCREENS[request.param], lambda url: url.startswith((site, "data:", "blob:"))) as page:
        page.goto(site)
        page.wait_for_selector("#fn-voice", state="attached")  # the last thing that panel.js makes
        yield page


# ------------------------------------------------------------------------------------------------ a real PostgreSQL


@pytest.fixture(scope="session")
def postgres() -> Iterator["PostgresServer"]:
    """One server for all its tests; each library has a schema of its own."""
    from tests.postgres_server import PostgresServer

    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture
def postgres_address(postgres: "PostgresServer") -> str:
    """The address of a library that isn't there yet."""
    return postgres.url(schema=f"s{uuid.uuid4().hex[:12]}")


# ------------------------------------------------------------------------------------------------ real model servers


@pytest.fixture(scope="session")
def transformers_serve() -> Iterator[Callable[[], str]]:
    """A function that starts `transformers serve` with the default writer, once, and gives its MODEL@URL."""
    from rag.models import find_weights

    running: list[subprocess.Popen[bytes]] = []
    spec = ""

    def start() -> str:
        nonlocal spec
        if not running:
            folder = str(find_weights("SmolLM2-135M-Instruct").folder)
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            serve = [str(Path(sys.executable).with_name("transformers")), "serve", folder]
            command = [*serve, "--host", "127.0.0.1", "--port", str(port)]
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            spec = f"{folder}@http://127.0.0.1:{port}/v1"
            for _ in range(600):
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
                    return spec
                assert running[0].poll() is None, "transformers serve ended"
                time.sleep(0.1)
            raise AssertionError("transformers serve didn't start within a minute")
        return spec

    yield start
    for process in running:
        process.terminate()
        process.wait(20)
