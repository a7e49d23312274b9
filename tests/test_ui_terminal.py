"""What a person sees on a terminal: read from a console of fixed width, with its styles."""

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from corpus.insight import Insight, Passage, make_insight
from rag.datatypes import Answer, Citation, Claim, Evidence, Hit, Phase, Status, Step, Trace, Verdict
from ui import terminal

FIRST = "Night trains fill with tourists."
SECOND = "Ottavia Brandt counted 310 suitcases on one sleeper."
TRAINS = make_insight(f"{FIRST} {SECOND}", insight_id="s2", author="O. B.", source="Tracks", date="2024-05-01")
OVENS = make_insight("Ovens lose heat. A second pane saves 12%.", insight_id="s3")


def hit(insight: Insight, rank: int = 1) -> Hit:
    return Hit(
        Passage(f"{insight.insight_id}#0", insight.insight_id, insight.text, 0, len(insight.text)), insight, 0.5, rank
    )


HITS = (hit(TRAINS), hit(OVENS, 2))


def cite(insight: Insight, quote: str) -> Citation:
    start = insight.text.index(quote)
    return Citation(f"{insight.insight_id}#0", start, start + len(quote))


def claim(text: str, *citations: Citation) -> Claim:
    return Claim(text, citations, 0.9, Verdict.SUPPORTED)


def quote(insight: Insight, text: str) -> Claim:
    return claim(text, cite(insight, text))


def answered(*claims: Claim, status: Status = Status.ANSWERED) -> Answer:
    evidence = (Evidence(HITS[0], cite(TRAINS, SECOND), 0.9),)
    return Answer("How many?", status, claims, evidence, HITS, trace=Trace(library="mine.db", seconds={"total": 1.26}))


class Screen:
    """Draws into a string in place of the terminal."""

    def draw(self, answer: Answer, width: int = 90, phase: Phase = Phase.DONE, style: bool = False) -> str:
        out = StringIO()
        console = Console(file=out, width=width, force_terminal=style, color_system="standard" if style else None)
        for part in terminal._parts(answer, phase):
            console.print(part)
        return out.getvalue()


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Screen()


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_prose_has_its_source_below_whole_and_where_it_is_from(screen: Screen) -> None:
    shown = lines(screen.draw(answered(claim("She counted 310 suitcases.", cite(TRAINS, SECOND)))))
    assert shown == [
        "She counted 310 suitcases [1].",
        f"[1] {FIRST} {SECOND}",
        "— O. B., Tracks, 2024-05-01",
        "Asked: mine.db · 1.3 s",
    ]


def test_the_supporting_characters_are_bright_and_the_rest_dim(screen: Screen) -> None:
    shown = screen.draw(answered(claim("She counted 310 suitcases.", cite(TRAINS, SECOND))), style=True)
    assert f"\x1b[2m{FIRST} \x1b[0m\x1b[1m{SECOND}\x1b[0m" in shown
    assert "\x1b[1;36m[1]\x1b[0m." in shown  # the marker in the sentence


def test_what_the_answer_quotes_is_not_printed_again(screen: Screen) -> None:
    shown = screen.draw(answered(quote(TRAINS, SECOND)))
    assert shown.count(SECOND.removesuffix(".")) == 1
    assert lines(shown)[1] == f"[1] {FIRST} […]"
    assert "— O. B., Tracks, 2024-05-01" in shown


def test_an_insight_quoted_in_full_says_so(screen: Screen) -> None:
    answer = answered(quote(TRAINS, FIRST), quote(TRAINS, SECOND), quote(OVENS, OVENS.text))
    assert lines(screen.draw(answer, width=200)) == [
        f"{FIRST[:-1]} [1]. {SECOND[:-1]} [1]. {OVENS.text[:-1]} [2].",
        "[1] quoted in full above",
        "— O. B., Tracks, 2024-05-01",
        "[2] quoted in full above",
        "Asked: mine.db · 1.3 s",
    ]


def test_two_quotes_of_one_insight_leave_what_stands_between_them(screen: Screen) -> None:
    insight = make_insight("One is rope. Two is tar. Three is oil.", insight_id="i")
    answer = Answer(
        "?", Status.ANSWERED, (quote(insight, "One is rope."), quote(insight, "Three is oil.")), hits=(hit(insight),)
    )
    assert "[1] […] Two is tar. […]" in screen.draw(answer)


def test_a_changed_word_is_no_quote(screen: Screen) -> None:
    shown = screen.draw(answered(claim(SECOND.replace("one", "a"), cite(TRAINS, SECOND))))
    assert f"[1] {FIRST} {SECOND}" in shown


def test_the_evidence_shows_before_any_prose(screen: Screen) -> None:
    shown = screen.draw(answered(), phase=Phase.WRITING, style=True)
    assert f"\x1b[1m{SECOND}\x1b[0m" in shown
    assert "Asked" not in shown


def test_an_unsupported_sentence_is_not_drawn(screen: Screen) -> None:
    lie = replace(claim("The moon is cheese.", cite(TRAINS, FIRST)), verdict=Verdict.UNSUPPORTED)
    answer = answered(lie, quote(OVENS, OVENS.text))
    assert "cheese" not in screen.draw(answer) + terminal.plain(answer)
    assert "[1] quoted in full above" in screen.draw(answer)


def test_a_partial_answer_says_so(screen: Screen) -> None:
    answer = answered(quote(TRAINS, SECOND), status=Status.PARTLY)
    assert lines(screen.draw(answer))[0] == terminal.PARTLY
    assert terminal.plain(answer).splitlines()[0] == terminal.PARTLY


@pytest.mark.parametrize("nearest", [(), HITS])
def test_what_is_not_there_shows_the_nearest_if_there_are_any(screen: Screen, nearest: tuple[Hit, ...]) -> None:
    answer = replace(answered(), status=Status.NOT_IN_LIBRARY, nearest=nearest)
    shown = screen.draw(answer)
    assert lines(shown)[0] == "Not in your insights."
    assert (terminal.NEAREST in shown) == bool(nearest)
    assert shown.count("• ") == len(nearest)
    assert screen.draw(answer, phase=Phase.READING) == ""
    assert (terminal.NEAREST in terminal.plain(answer)) == bool(nearest)


@pytest.mark.parametrize("width", [20, 50, 90, 200])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_cut_off(screen: Screen, width: int) -> None:
    answer = answered(claim("She counted 310 suitcases.", cite(TRAINS, SECOND)), quote(OVENS, "Ovens lose heat."))
    shown = screen.draw(answer, width)
    assert max(map(len, shown.splitlines())) <= width
    for word in f"{TRAINS.text} A second pane saves 12%.".split():
        assert word in shown


def test_markup_and_escapes_in_an_insight_are_only_text(screen: Screen) -> None:
    insight = make_insight(
        "[bold red]Rope[/] costs \x1b[31mless :smile: than [link=http://x]tar[/link].", insight_id="i"
    )
    answer = Answer(
        "?", Status.ANSWERED, (claim("Rope costs less.", cite(insight, insight.text)),), hits=(hit(insight),)
    )
    shown = " ".join(screen.draw(answer).split())
    assert "[bold red]Rope[/] costs [31mless :smile: than [link=http://x]tar[/link]." in shown
    assert "\x1b" not in shown + terminal.plain(answer)


def test_no_color_takes_the_colours_and_leaves_the_contrast(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = screen.draw(answered(claim("She counted 310 suitcases.", cite(TRAINS, SECOND))), style=True)
    assert "\x1b[36m" not in shown
    assert ";36m" not in shown
    assert f"\x1b[2m{FIRST} \x1b[0m\x1b[1m{SECOND}\x1b[0m" in shown


def test_a_wide_terminal_keeps_its_lines_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert terminal._console().width == terminal.WIDEST
    monkeypatch.setenv("COLUMNS", "40")
    assert terminal._console().width == 40


def test_a_stream_is_drawn_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    finished = answered(quote(TRAINS, SECOND))

    def steps() -> Iterator[Step]:
        yield Step(Phase.SEARCHING, Answer("How many?", Status.NOT_IN_LIBRARY))
        yield Step(Phase.WRITING, answered())
        yield Step(Phase.DONE, finished)

    assert terminal.show(steps()) is finished
    assert capsys.readouterr().out.count("Asked: mine.db") == 1


def test_in_a_pipe_every_quote_is_written_out(screen: Screen) -> None:
    answer = answered(quote(TRAINS, FIRST), claim("She counted 310.", cite(TRAINS, SECOND)))
    assert terminal.plain(answer) == (
        "Night trains fill with tourists [1]. She counted 310 [1].\n\n"
        f"[1] “{FIRST} … {SECOND}” — O. B., Tracks, 2024-05-01\n\nAsked: mine.db · 1.3 s\n"
    )


def test_away_from_a_terminal_progress_is_a_line_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.progress() as report:
        report("Loading a model", 0, 0)
        for done in range(3):
            report("Embedding the insights", done, 3)
    assert capsys.readouterr().err == "Embedding the insights …\n"


def test_a_count_is_drawn_only_where_the_end_is_known() -> None:
    from rich.progress import MofNCompleteColumn, Progress

    column = terminal.WhereCounted(MofNCompleteColumn())
    progress = Progress(console=Console(file=StringIO()))
    unknown, known = progress.add_task("a", total=None), progress.add_task("b", total=3)
    drawn = [column.render(progress.tasks[task]) for task in (unknown, known)]
    assert [str(text) for text in drawn if isinstance(text, Text)] == ["", "0/3"]
