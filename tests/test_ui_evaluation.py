"""The evaluation tab: runs found, shown, compared and started; its report; and the tab as a person uses it."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI

from corpus.errors import UsageError
from corpus.insight import Insight
from corpus.library import Library, open_library
from eval.rows import Row, ShownClaim
from eval.session import Session
from rag.config import Config
from rag.datatypes import Answer, Status, Turn
from rag.models import Report
from rag.pipeline import Pipeline
from tests.browsing import watched
from tests.conftest import HOSTILE, SCREENS, ScriptedEngine, Served, sample_insights
from tests.fakes import HashEmbedder, OpenReader, ScriptedWriter
from tests.test_ui_browser import Inspect, focused, inspect, is_phone
from tests.waiting import wait_for
from ui.caller import Caller
from ui.evaluation_desk import VISITOR, EvaluationDesk, report_page
from ui.evaluation_report import PATH, add_report
from ui.evaluation_runs import Runs, results_folder
from ui.evaluation_view import Filter, shown_rows
from ui.evaluation_worker import Progress, QuestionSet, Worker, question_sets
from ui.handlers import Desk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["inspect"]  # the fixture of the page's own browser tests

OLD, NEW = "2026-01-01-aaa-111", "2026-01-02-bbb-222"


def row(number: int, *, right: bool = True, answerable: bool = True, text: str = "") -> Row:
    """A question that is answered from its gold insight s2, or refused; `right` says whether rightly."""
    refused = right is not answerable
    quote = "Ottavia Brandt counted 310 suitcases on one sleeper."
    claim = ShownClaim(quote, ("s2",), "supported", 0.9, verbatim=True, grounded=True, spans=(("s2", 0, 12),))
    return Row(
        question_id=f"q{number}",
        collection="rail",
        type="direct" if answerable else "unanswerable",
        question=text or f"Question {number} about suitcases?",
        answerable=answerable,
        gold=("s2",) if answerable else (),
        short="310 suitcases" if answerable else "",
        status="not_in_library" if refused else "answered",
        seconds=1.0 + number / 100,
        answer="" if refused else quote,
        cited=() if refused else ("s2",),
        claims=() if refused else (claim,),
        retrieved=("s2", "s1"),
        stages={"retrieve": 0.1, "read": 0.4, "total": 1.0},
        probability=0.2 if refused else 0.8,
        tokens={"prompt": 9, "completion": 3},
    )


def rows(wrong: int = 0, count: int = 12) -> list[Row]:
    """Two thirds answerable; the first `wrong` ones of all go wrong."""
    return [row(n, right=n >= wrong, answerable=n % 3 != 2) for n in range(count)]


def save(folder: Path, name: str, found: Sequence[Row], **about: Any) -> Path:
    data = {"rows": [each.to_json() for each in found], "questions": len(found), "date": f"{name[:10]}T10:00:00+00:00"}
    data |= {"library": {"insights": 6, "fingerprint": "f" * 12}, "commit": "c" * 40, "config": {"candidates": 20}}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(data | about), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two runs of the same questions: in the older one four go wrong, in the newer one none."""
    place = tmp_path / "runs"
    place.mkdir()
    save(place, OLD, rows(wrong=4), config={"candidates": 10})
    save(place, NEW, rows())
    return place


@pytest.fixture
def desk(scripted: ScriptedEngine, folder: Path) -> EvaluationDesk:
    return EvaluationDesk(Desk(scripted), folder, dict)


# --------------------------------------------------------------------------------------------------- finding, listing


def test_runs_are_listed_newest_first_with_their_figures(desk: EvaluationDesk) -> None:
    listed = desk.runs.listed()
    assert [each.name for each in listed] == [NEW, OLD]
    assert listed[1].figures is not None
    recall = listed[1].figures["citation_recall"]
    assert recall is not None
    assert recall.value == pytest.approx(5 / 8), "of eight answerable questions three are wrongly refused"
    html = desk.listing(NEW)
    assert html.index(NEW) < html.index(OLD)
    assert "0.625" in html
    assert html.count('aria-current="true"') == 1


def test_an_empty_folder_says_what_to_do(scripted: ScriptedEngine, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "not there"):
        desk = EvaluationDesk(Desk(scripted), place, dict)
        assert "footnoted eval run QUESTIONS --json" in desk.listing()
        assert "once there are some" in desk.nothing()
        assert "footnoted eval questions new" in desk.start_panel()


def test_a_file_that_is_no_run_is_named(desk: EvaluationDesk, folder: Path) -> None:
    (folder / "notes.json").write_text("{}", encoding="utf-8")
    (folder / "half.unfinished.jsonl").write_text("{}\n", encoding="utf-8")
    html = desk.listing()
    assert "notes.json can&#39;t be read as the results of a run." in html
    assert "half.unfinished" not in html
    assert "notes.json can&#39;t be read" in desk.show("notes")[0]


def test_a_file_that_changed_is_read_again(desk: EvaluationDesk, folder: Path) -> None:
    assert len(desk.runs.load(NEW).rows) == 12
    save(folder, NEW, rows(count=3))
    assert len(desk.runs.load(NEW).rows) == 3


@pytest.mark.parametrize(
    "name",
    ["", None, 7, ["x"], {}, "../outside", "outside", f"{NEW}.json", f"./{NEW}", f"{NEW}\0", "/etc/passwd", "x" * 9999],
)
def test_only_what_is_in_the_folder_has_a_name(desk: EvaluationDesk, folder: Path, name: object) -> None:
    save(folder.parent, "outside", rows())
    with pytest.raises(UsageError, match="no run with this name"):
        desk.runs.load(name)
    for shown in (desk.show(name), desk.compare(name, NEW), desk.compare(NEW, name)):
        assert "no run with this name" in shown[0]
    assert "no run with this name" in desk.rows({"name": name})


def test_the_folder_can_be_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert results_folder().parts[-2:] == ("eval", "results")
    monkeypatch.setenv("FOOTNOTED_RESULTS", str(tmp_path))
    assert results_folder() == tmp_path


# ---------------------------------------------------------------------------------------------------- one run, or two


def test_a_run_shows_figures_charts_and_questions(desk: EvaluationDesk) -> None:
    page, questions = desk.show(OLD)
    assert "of the insights that answer are cited" in page
    assert page.count("<svg") > 8
    assert f'href="/evaluation/report/{OLD}"' in page
    assert f'<option value="{NEW}">' in page
    assert "12 of 12 questions" in questions
    assert "Night trains fill" not in page
    assert questions.index("Refused") < questions.index("Right"), "what was lost comes first"
    assert "<mark>Night trains</mark>" in questions, "with the text of the insight, which the library holds"


def test_questions_are_filtered(desk: EvaluationDesk) -> None:
    run = desk.runs.load(OLD)
    assert {each.row.question_id for each in shown_rows(run, Filter(stage="lost"))} == {"q0", "q1", "q2", "q3"}
    assert {each.row.question_id for each in shown_rows(run, Filter(find="QUESTION 11"))} == {"q11"}
    assert {each.row.type for each in shown_rows(run, Filter(kind="unanswerable"))} == {"unanswerable"}
    assert len(shown_rows(run, Filter(status="not_in_library"))) == 3 + 3
    assert "4 of 12 questions" in desk.rows({"name": OLD, "stage": "lost"})
    assert "12 of 12 questions" in desk.rows({"name": OLD, "stage": "nonsense", "limit": "9", "find": 7})


def test_many_questions_come_in_parts(desk: EvaluationDesk, folder: Path) -> None:
    save(folder, "2026-01-03-many", rows(count=100))
    first = desk.rows({"name": "2026-01-03-many"})
    assert first.count("<details") == 40
    assert 'data-rows="80"' in first
    assert desk.rows({"name": "2026-01-03-many", "limit": 80}).count("<details") == 80
    assert desk.rows({"name": "2026-01-03-many", "limit": 10**9}).count("<details") == 100


def test_two_runs_are_compared(desk: EvaluationDesk) -> None:
    page, changed = desk.compare(OLD, NEW)
    assert "candidates 10 → 20" in page
    assert re.search(r"<code>citation_recall</code>.*?0\.625.*?1\.000.*?\+0\.375", page, re.DOTALL)
    assert "8 questions ended in the same stage" in page
    assert "Better in B: 3. Worse in B: 0. Not different: 9." in changed
    assert changed.count("<details") == 3
    by_refusal = desk.rows({"first": OLD, "second": NEW, "by": "refusal_recall"})
    assert "Better in B: 1." in by_refusal
    assert desk.rows({"first": OLD, "second": NEW, "by": "seconds_p50"}) == changed, "that has no value a question"


def test_runs_that_do_not_compare_say_why(desk: EvaluationDesk, folder: Path) -> None:
    save(folder, "2026-01-04-others", [row(n) for n in range(50, 55)])
    assert "have no question in common" in desk.compare("2026-01-04-others", NEW)[0]
    assert "doesn&#39;t differ from itself" in desk.compare(NEW, NEW)[0]


def test_hostile_text_stays_text(desk: EvaluationDesk, folder: Path) -> None:
    name = "2026-01-05-x"
    bad = [row(n, text=HOSTILE) for n in range(3)]
    save(folder, name, bad, command=HOSTILE, commit=HOSTILE, library={"insights": HOSTILE}, date=HOSTILE)
    save(folder, "2026-01-06-x", [row(n, right=False, text=HOSTILE) for n in range(3)], config={HOSTILE: HOSTILE})
    report = report_page(desk.runs, name, ScriptedEngine(sample_insights()).library)
    shown = [desk.listing(), *desk.show(name), *desk.compare(name, "2026-01-06-x"), report]
    for html in shown:
        body = re.sub(r"<script>.*?</script>|<style>.*?</style>", "", html, flags=re.DOTALL)
        assert "<img" not in body
        assert "<script" not in body
        assert "javascript:window" not in re.sub(r"&[a-z#0-9]+;", "", "".join(re.findall(r"<a [^>]*>", body)))
    assert sum("&lt;img" in html for html in shown) >= 4


def test_others_see_nothing_of_a_persons_own_questions(
    scripted: ScriptedEngine, folder: Path, own: QuestionSet, tmp_path: Path
) -> None:
    from fastapi.testclient import TestClient

    save(folder, "2026-01-07-own", rows(), form="plain")
    (folder / "broken.json").write_text("{", encoding="utf-8")
    shipped = QuestionSet("insightqa-dev", "InsightQA dev", tmp_path)
    desk = EvaluationDesk(Desk(scripted), folder, lambda: {"own-0": own, "insightqa-dev": shipped})
    public = desk.public()
    assert public.worker is desk.worker
    assert public.public() is public is desk.public()
    assert "2026-01-07-own" in desk.listing()
    assert "Your own questions" in desk.start_panel()
    for html in (public.listing(), *public.show(NEW), public.start_panel()):
        assert "2026-01-07-own" not in html
        assert "Your own questions" not in html
        assert "broken" not in html
    assert "no run with this name" in public.show("2026-01-07-own")[0]
    assert "no run with this name" in public.rows({"name": "2026-01-07-own"})
    assert "aren't there any more" in public.start("own-0", 3)
    for running in (True, False):
        progress = Progress(
            "Your own questions", True, running, total=9, said="At mine.db", problem="" if running else "No mine.db."
        )
        desk.worker.progress = progress
        assert "mine.db" in desk.start_panel()
        html = public.start_panel()
        assert "mine.db" not in html
        assert "Your own questions" not in html
        assert ("0 of 9 asked" in html) is running
    app = FastAPI()
    add_report(app, scripted, Runs(folder))
    for address, user, code in (("127.0.0.1", "", 200), ("127.0.0.1", "ada", 404), ("192.0.2.7", "", 404)):
        with TestClient(app, client=(address, 5000), headers={"x-footnoted-user": user}) as client:
            assert client.get(f"{PATH}2026-01-07-own").status_code == code
            assert client.get(PATH + NEW).status_code == 200


@pytest.mark.parametrize(
    ("address", "user", "alone", "known"),
    [
        ("127.0.0.1", "", True, True),
        ("::1", "", True, True),
        ("127.0.0.1", "ada", False, True),
        ("10.0.0.7", "ada", False, True),
        ("10.0.0.7", "", False, False),
        (None, "", False, False),  # behind a proxy
    ],
)
def test_who_is_alone_and_who_is_known(address: str | None, user: str, alone: bool, known: bool) -> None:
    assert (Caller(address, user).alone, Caller(address, user).known) == (alone, known)


def test_who_only_comes_by_starts_and_stops_no_run(
    scripted: ScriptedEngine, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = QuestionSet("insightqa-dev", "InsightQA dev", tmp_path)
    desk = EvaluationDesk(Desk(scripted), folder, lambda: {"insightqa-dev": shipped})
    started: list[object] = []
    stopped: list[object] = []
    monkeypatch.setattr(desk.worker, "start", lambda *given: started.append(given))
    monkeypatch.setattr(desk.worker, "stop", lambda: stopped.append(1))
    visitor, user = desk.public(starts=False), desk.public()
    assert visitor.start("insightqa-dev", 3).startswith(VISITOR)
    visitor.stop()
    assert (started, stopped) == ([], [])
    assert VISITOR in visitor.start_panel()
    assert "<form" not in visitor.start_panel()
    assert NEW in visitor.listing()
    for allowed in (desk, user):
        assert allowed.start("insightqa-dev", 3) == ""
        allowed.stop()
        assert VISITOR not in allowed.start_panel()
    assert (len(started), len(stopped)) == (2, 2)
    desk.worker.progress = Progress("InsightQA dev", running=True, total=9)
    assert "Stop the run" in user.start_panel()
    assert "Stop the run" not in visitor.start_panel()


def test_a_fault_of_ours_is_a_sentence(desk: EvaluationDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runs, "_files", lambda self: 1 / 0)
    for html in (desk.listing(), desk.show(NEW)[0], desk.rows({"name": NEW})):
        assert "was logged" in html
        assert "division" not in html


# ---------------------------------------------------------------------------------------------------------- report


def test_the_report_is_a_page_in_a_sandbox(scripted: ScriptedEngine, folder: Path) -> None:
    from fastapi.testclient import TestClient

    app = FastAPI()
    add_report(app, scripted, Runs(folder))
    with TestClient(app) as client:
        answer = client.get(PATH + NEW)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
        assert answer.text.startswith("<!doctype html>")
        assert "counted 310 suitcases" in answer.text
        for name in ("nothing", "..%2Foutside", "%2Fetc%2Fpasswd", "../../healthz"):
            assert client.get(PATH + name).status_code == 404


# ------------------------------------------------------------------------------------------------------- a new run


def plain(folder: Path, count: int = 4) -> Path:
    """A file of a person's own questions about the six insights."""
    file = folder / "questions.jsonl"
    lines = [{"id": f"p{n}", "question": f"How many suitcases, {n}?", "insight_ids": ["s2"]} for n in range(count)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


class Slowly:
    """An opener whose session answers when it is told to."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.asked: list[str] = []
        self.fault: Exception | None = None

    def __call__(self, library: Library, insights: Sequence[Insight], config: Config, report: Report) -> Session:
        if self.fault:
            raise self.fault
        return Session(self.ask)

    def ask(self, question: str, history: Sequence[Turn]) -> Answer:
        assert self.go.acquire(timeout=10)
        self.asked.append(question)
        return Answer(question, Status.NOT_IN_LIBRARY)


@pytest.fixture
def slowly() -> Slowly:
    return Slowly()


@pytest.fixture
def worker(scripted: ScriptedEngine, slowly: Slowly, tmp_path: Path) -> Worker:
    return Worker(Desk(scripted), tmp_path / "new runs", slowly)


@pytest.fixture
def own(tmp_path: Path, six: Path) -> QuestionSet:
    return QuestionSet("own-0", "Your own questions", plain(tmp_path), library=six)


def test_a_run_is_asked_and_saved(worker: Worker, slowly: Slowly, own: QuestionSet) -> None:
    worker.start(own, 3)
    with pytest.raises(UsageError, match="under way already"):
        worker.start(own, 3)
    slowly.go.release()
    wait_for(lambda: worker.progress.done == 1)
    assert worker.progress.running
    slowly.go.release(2)
    wait_for(lambda: not worker.progress.running)
    assert (worker.progress.problem, worker.progress.stopped, worker.progress.total) == ("", False, 3)
    run = Runs(worker.folder).load(worker.progress.saved)
    assert [each.question for each in run.rows] == slowly.asked
    assert run.about["command"] == "from the page: Your own questions, 3 questions"


def test_a_stopped_run_goes_on(worker: Worker, slowly: Slowly, own: QuestionSet) -> None:
    worker.start(own, 3)
    slowly.go.release()
    wait_for(lambda: worker.progress.done == 1)
    worker.stop()
    slowly.go.release()
    wait_for(lambda: not worker.progress.running)
    assert worker.progress.stopped
    assert not Runs(worker.folder).names()
    before = len(slowly.asked)
    slowly.go.release(3)
    worker.start(own, 3)
    wait_for(lambda: not worker.progress.running)
    assert worker.progress.saved
    assert len(slowly.asked) < before + 3, "what was asked before isn't asked again"
    assert not list(worker.folder.glob("*.unfinished.jsonl"))


@pytest.mark.parametrize("limit", [0, -1, 201, 10**6])
def test_a_run_has_its_limits(worker: Worker, own: QuestionSet, limit: int) -> None:
    with pytest.raises(UsageError, match="can't have"):
        worker.start(own, limit)
    assert not worker.progress.running


def test_faults_of_a_run_are_sentences(worker: Worker, slowly: Slowly, own: QuestionSet, tmp_path: Path) -> None:
    slowly.fault = UsageError("The model is gone.", "Fetch it.")
    worker.start(own, 1)
    wait_for(lambda: not worker.progress.running)
    assert worker.progress.problem == "The model is gone. Fetch it."
    slowly.fault = ZeroDivisionError("secret")
    worker.start(own, 1)
    wait_for(lambda: not worker.progress.running)
    assert "was logged" in worker.progress.problem
    worker.start(QuestionSet("x", "X", tmp_path / "nowhere"), 1)
    wait_for(lambda: not worker.progress.running)
    assert "neither a file nor a folder" in worker.progress.problem
    worker.folder = tmp_path / "a file"
    worker.folder.write_text("", encoding="utf-8")
    worker.start(own, 1)
    wait_for(lambda: not worker.progress.running)
    assert "can't be written" in worker.progress.problem


def test_the_pages_models_answer_in_turn_and_the_library_stays(six: Path, tmp_path: Path, own: QuestionSet) -> None:
    with open_library(six) as library:
        pipeline = Pipeline(library, Config(), HashEmbedder(), OpenReader(), ScriptedWriter("Nothing."))
        desk = Desk(pipeline)
        before = library.revision()
        worker = Worker(desk, tmp_path / "runs")
        with desk.model() as held:
            assert held
            worker.start(own, 2)
            wait_for(lambda: worker.progress.said.startswith("Preparing"))
            wait_for(lambda: len(desk._turns._queue) == 2)
            assert worker.progress.done == 0, "somebody else has the model"
        wait_for(lambda: not worker.progress.running)
        assert worker.progress.problem == ""
        run = Runs(worker.folder).load(worker.progress.saved)
        assert [each.status for each in run.rows] == ["answered"] * 2
        assert {"s2"} <= {id_ for each in run.rows for id_ in each.cited}
        assert run.about["models"]["writer"] == "scripted-writer"
        assert library.revision() == before
        with desk.model() as free:
            assert free, "the model is given back"


def test_a_question_that_hides_insights_finds_them_hidden(six: Path, tmp_path: Path) -> None:
    file = tmp_path / "hidden.jsonl"
    hiding = {"question": "How many suitcases did Brandt count?", "answerable": False, "without": ["s2"]}
    shown = {"question": "How many suitcases did Brandt count?", "insight_ids": ["s2"]}
    file.write_text(f"{json.dumps(hiding)}\n{json.dumps(shown)}\n", encoding="utf-8")
    with open_library(six) as library:
        pipeline = Pipeline(library, Config(), HashEmbedder(), OpenReader(), ScriptedWriter("Nothing."))
        worker = Worker(Desk(pipeline), tmp_path / "runs")
        worker.start(QuestionSet("h", "H", file, library=six), 5)
        wait_for(lambda: not worker.progress.running)
        found = Runs(worker.folder).load(worker.progress.saved).rows
        assert ["s2" in each.retrieved for each in found] == [False, True]
        assert library.count() == 6


def test_a_model_in_use_is_waited_for_until_one_stops(scripted: ScriptedEngine) -> None:
    desk = Desk(scripted)
    with desk.model() as first, desk.model(lambda: True) as second:
        assert (first, second) == (True, False)
    with desk.model() as third:
        assert third


def test_an_engine_that_is_no_pipeline_says_so(scripted: ScriptedEngine, tmp_path: Path, own: QuestionSet) -> None:
    worker = Worker(Desk(scripted), tmp_path / "runs")
    worker.start(own, 1)
    wait_for(lambda: not worker.progress.running)
    assert "footnoted eval run" in worker.progress.problem


def test_what_can_be_asked(tmp_path: Path, six: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTED_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert question_sets(six, tmp_path) == {}
    for split in ("dev", "train"):
        (tmp_path / "insightqa" / split).mkdir(parents=True)
        (tmp_path / "insightqa" / split / "c.json").write_text("{}", encoding="utf-8")
    plain(tmp_path)
    found = question_sets(six, tmp_path)
    assert list(found) == ["insightqa-dev", "insightqa-train", "own-0"]
    assert found["insightqa-dev"].with_folders == (tmp_path / "insightqa" / "train",)
    assert found["own-0"].library == six
    assert list(question_sets(None, tmp_path)) == ["insightqa-dev", "insightqa-train"], "whom to ask isn't known"


@pytest.mark.parametrize(
    ("key", "limit", "said"),
    [
        ("nowhere", 3, "aren&#39;t there any more"),
        (None, 3, "aren&#39;t there any more"),
        (["own-0"], 3, "aren&#39;t there any more"),
        ("own-0", "", "how many questions to ask"),
        ("own-0", "3.5", "how many questions to ask"),
        ("own-0", True, "how many questions to ask"),
        ("own-0", None, "how many questions to ask"),
        ("own-0", "٣", "how many questions to ask"),
        ("own-0", "9" * 5000, "how many questions to ask"),
        ("own-0", "0", "can&#39;t have 0 questions"),
    ],
)
def test_a_start_is_checked(
    scripted: ScriptedEngine, folder: Path, own: QuestionSet, key: object, limit: object, said: str
) -> None:
    desk = EvaluationDesk(Desk(scripted), folder, lambda: {"own-0": own})
    notice = desk.start(key, limit)
    assert said in desk.start_panel(notice)
    assert not desk.worker.progress.running


def test_a_run_is_watched_to_its_end(
    scripted: ScriptedEngine, folder: Path, own: QuestionSet, slowly: Slowly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.evaluation_desk.BETWEEN", 0.01)
    desk = EvaluationDesk(Desk(scripted), folder, lambda: {"own-0": own}, slowly)

    async def watch() -> list[tuple[str, str | None]]:
        seen = []
        async for panel, listing in desk.watch():
            seen.append((panel, listing))
            if desk.worker.progress.running and (len(seen) == 1 or "1 of 2 asked" in panel):
                slowly.go.release()  # the next question, once this state was seen
        return seen

    assert len(asyncio.run(watch())) == 1, "nothing is under way"
    assert desk.start("own-0", "2") == ""
    seen = asyncio.run(watch())
    assert any("1 of 2 asked" in panel for panel, _ in seen)
    assert any("Stop the run" in panel for panel, _ in seen)
    assert [listing is not None for _, listing in seen] == [False] * (len(seen) - 1) + [True]
    assert seen[-1][1] is not None
    assert desk.worker.progress.saved in seen[-1][1]
    assert "Look at the results" in seen[-1][0]


# ------------------------------------------------------------------------------------------------------ the browser


@pytest.fixture(scope="module")
def runs_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page with a folder of two runs, and questions that are answered slowly enough to be watched."""
    place = tmp_path_factory.mktemp("runs")
    save(place, OLD, rows(wrong=4), config={"candidates": 10})
    save(place, NEW, rows())
    library = place / "six.db"
    with open_library(library, create=True) as made:
        made.add(sample_insights())
    cases = tmp_path_factory.mktemp("cases")
    own = QuestionSet("own-0", "Your own questions", plain(cases, 30), library=library)

    def ask(question: str, history: Sequence[Turn]) -> Answer:
        time.sleep(0.15)  # thirty of these leave a person in a browser the time to press Stop
        return Answer(question, Status.NOT_IN_LIBRARY)

    made_with = partial(EvaluationDesk, folder=place, sets=lambda: {"own-0": own}, opener=lambda *given: Session(ask))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("ui.evaluation_tab.EvaluationDesk", made_with)
        patched.setenv("FOOTNOTED_RESULTS", str(place))
        with Served(ScriptedEngine(sample_insights()))() as url:
            yield url


@pytest.fixture(params=list(SCREENS))
def runs_tab(chromium: "Browser", request: pytest.FixtureRequest, runs_site: str) -> Iterator["Page"]:
    ours = (runs_site, "data:", "blob:")
    with watched(chromium, SCREENS[request.param], lambda url: url.startswith(ours)) as page:
        page.goto(runs_site)
        page.wait_for_selector("#fn-voice", state="attached")
        page.get_by_role("tab", name="Evaluation").click()
        page.wait_for_selector(".fn-eval-run")
        yield page


@pytest.mark.slow
def test_look_at_a_run_and_compare_it(runs_tab: "Page", inspect: Inspect) -> None:
    page = runs_tab
    assert page.locator(".fn-eval-run").count() >= 2
    inspect(page, "q-runs")
    page.click(f".fn-eval-run[data-run='{OLD}']")
    page.wait_for_selector(".fn-eval-page h2")
    focused(page, ".fn-eval-page h2")
    inspect(page, "r-run")
    page.select_option("form.fn-eval-filter select[name=stage]", "lost")
    page.wait_for_selector("#fn-eval-rows .fn-count >> text=4 of 12 questions")
    page.click("#fn-eval-rows summary >> nth=0")
    page.locator("#fn-eval-rows details[open] dl").scroll_into_view_if_needed()
    inspect(page, "s-questions")
    page.select_option("select[name=against]", NEW)
    page.wait_for_selector(".fn-eval-two")
    focused(page, ".fn-eval-page h2")
    inspect(page, "t-compared")
    if is_phone(page):
        page.click(".fn-to-runs")
        page.wait_for_selector(".fn-eval-run", state="visible")


@pytest.mark.slow
@pytest.mark.parametrize("runs_tab", ["desktop-light"], indirect=True)
def test_start_watch_and_stop_a_run(runs_tab: "Page", inspect: Inspect) -> None:
    page = runs_tab
    page.fill("input[name=limit]", "30")
    page.click("form[data-form=start] button")
    page.wait_for_selector(".fn-eval-now >> text=of 30 asked")
    inspect(page, "u-running")
    page.click(".fn-eval-stop")
    page.wait_for_selector(".fn-eval-done >> text=Stopped after")
    page.fill("input[name=limit]", "2")
    page.click("form[data-form=start] button")
    page.click(".fn-eval-done button")
    page.wait_for_selector(".fn-eval-page h2")
    assert page.locator(".fn-eval-run").count() == 3


@pytest.mark.slow
@pytest.mark.parametrize("runs_tab", ["phone-dark"], indirect=True)
def test_the_report_opens_in_a_tab_of_its_own(runs_tab: "Page") -> None:
    page = runs_tab
    page.click(f".fn-eval-run[data-run='{NEW}']")
    with page.expect_popup() as opened:
        page.click("text=Open the report")
    report = opened.value
    report.wait_for_selector("#questions details")
    assert "12 questions" in report.title()
    assert report.evaluate("document.querySelector('#filters').hidden") is False, "its own script runs"
