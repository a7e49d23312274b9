"""The HTML: whatever the text, only our own tags come out, and every chip has its card."""

from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.insight import Insight, Passage
from rag.datatypes import Answer, Citation, Claim, Evidence, Hit, Phase, Status, Sure, Trace, Verdict
from ui import render
from ui.render import Exchange

if TYPE_CHECKING:
    from tests.conftest import ScriptedEngine

TAGS = {
    *("a", "article", "blockquote", "button", "code", "details", "div", "h1", "h2", "h3", "i", "li", "mark", "ol", "p"),
    *("dd", "dl", "dt"),
    *("input", "label", "q", "section", "span", "strong", "summary", "ul"),
}
ATTRIBUTES = {
    *("aria-hidden", "aria-label", "aria-labelledby", "class", "data-copy", "data-id", "data-insight", "data-more"),
    *("data-about", "data-rate", "data-reason", "data-without"),
    *("data-turn", "hidden", "href", "id", "rel", "role", "tabindex", "target", "title", "type"),
}
ATTACK = "</mark><script>alert(1)</script>${x}`\\n\\ {{value}} \"'><img src=x onerror=y> <!-- ]]> &amp; javascript:x"
NASTY = st.one_of(
    st.just(ATTACK),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    st.text("<>&\"'`${}\\/ =ab\n", min_size=1, max_size=40),
)


class Reading(HTMLParser):
    """What a browser would make of it: tags, attributes and the text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.marked: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "input":  # which has no end
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "mark" in self.open:
            self.marked.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment came out: {data}")

    def values(self, name: str) -> list[str | None]:
        return [value for key, value in self.attributes if key == name]


def only_ours(html: str) -> Reading:
    reading = Reading(html)
    assert set(reading.tags) <= TAGS
    assert {name for name, _ in reading.attributes} <= ATTRIBUTES
    assert not reading.open
    assert all(str(href).startswith(("#fn-card-", "https://", "http://")) for href in reading.values("href"))
    return reading


def insight_of(text: str, insight_id: str = "a") -> Insight:
    return Insight(insight_id, text, title=text, author=text, source=text, url=text, date=text, tags=(text,), note=text)


def hit_of(insight: Insight, rank: int = 1) -> Hit:
    text = insight.text
    return Hit(Passage(f"{insight.insight_id}#0", insight.insight_id, text, 0, len(text)), insight, 0.5, rank)


def exchange_of(
    texts: Sequence[str], status: Status = Status.ANSWERED, phase: Phase = Phase.DONE, claims: int = 9
) -> Exchange:
    """One claim for each text, citing its insight; one insight that was only read."""
    hits = tuple(hit_of(insight_of(text, f"id{n}")) for n, text in enumerate(texts))
    cites = [Citation(hit.passage.passage_id, 0, max(1, len(hit.insight.text) // 2)) for hit in hits]
    evidence = tuple(Evidence(hit, cite, 0.9) for hit, cite in zip(hits, cites, strict=True))
    made = tuple(
        Claim(t, (c,), 0.9, Verdict.UNCHECKED if n % 2 else Verdict.SUPPORTED)
        for n, (t, c) in enumerate(zip(texts, cites, strict=True))
    )[:claims]
    also = (*hits, hit_of(insight_of(texts[0], "read")))
    terms = (f"author={texts[0]}", "since=2024")
    trace = Trace(standalone=texts[0], seconds={"total": 2.0}, filters=terms, among=2, sure=Sure.PARTIAL)
    answer = Answer(texts[0], status, made, evidence, also, also[:2], trace)
    return Exchange(3, texts[0], answer, phase, related=(("id0", (insight_of(texts[0], "near"),)),))


@given(st.lists(NASTY, min_size=1, max_size=3), st.sampled_from(Status), st.sampled_from(Phase), st.integers(0, 3))
def test_only_our_tags_and_every_chip_has_a_card(texts: list[str], status: Status, phase: Phase, claims: int) -> None:
    exchange = exchange_of(texts, status, phase, claims)
    thread = only_ours(render.thread([exchange], notice=texts[0], rated={(3, texts[0]): texts[-1]}))
    only_ours(render.thread([exchange]))
    sources = only_ours(render.sources([exchange]))
    hrefs = {str(href)[1:] for href in thread.values("href")}
    assert hrefs <= set(sources.values("id"))
    assert len(sources.values("id")) == len(set(sources.values("id")))


@given(NASTY)
def test_the_library_is_literal_text_too(text: str) -> None:
    assert text in only_ours(render.header(text, 2)).text


@given(NASTY, st.lists(st.tuples(st.integers(-3, 50), st.integers(-3, 50)), max_size=4))
def test_marks_cover_exactly_the_spans(text: str, spans: list[tuple[int, int]]) -> None:
    parts = render.segments(text, spans)
    assert "".join(part.text for part in parts) == text
    marked = "".join(part.text for part in parts if part.marked)
    assert marked == "".join(c for i, c in enumerate(text) if any(start <= i < end for start, end in spans))


def test_the_attack_is_shown_as_it_was_written() -> None:
    thread = only_ours(render.thread([exchange_of([ATTACK])]))
    assert ATTACK in thread.text
    assert ATTACK in only_ours(render.sources([exchange_of([ATTACK])])).text


def test_a_card_marks_the_supporting_characters_and_shortens_the_rest(scripted: "ScriptedEngine") -> None:
    long = "start " * 400 + "the supporting words" + " end" * 400
    hit = hit_of(Insight("a", long))
    start = long.index("the supporting")
    cite = Citation("a#0", start, start + 20)
    answer = Answer("q", Status.ANSWERED, (Claim("So.", (cite,), 1.0, Verdict.SUPPORTED),), (), (hit,))
    reading = only_ours(render.sources([Exchange(0, "q", answer, Phase.DONE)]))
    assert reading.marked == ["the supporting words"]
    assert " … " not in reading.marked
    assert len(reading.text) < 900
    assert "… start" in reading.text.replace("\n", " ")
    assert reading.text.count("the supporting words") == 1


def last(engine: "ScriptedEngine", question: str) -> Exchange:
    step = list(engine.stream(question))[-1]
    return Exchange(0, question, step.answer, step.phase)


def test_each_state_says_what_it_is(scripted: "ScriptedEngine") -> None:
    done = render.bubble(last(scripted, "night trains"))
    assert 'of its own that way<a class="fn-chip"' in done
    assert "2 sources · 1.2 s" in done
    assert "Strong evidence" in done
    assert "fn-quote" not in done
    assert "only in part" not in done
    assert "only in part" in render.bubble(last(scripted, "tomorrow"))
    absent = render.bubble(last(scripted, "tungsten?"))
    assert "Not in your insights." in absent
    assert "None of them answers this" in absent
    assert "Looked for: <span>tungsten</span>" in absent
    assert absent.count('class="fn-near"') == 3
    assert "fn-chip" not in absent
    assert "fn-card" not in render.sources([last(scripted, "tungsten?")])  # once is enough


def test_quotes_come_first_and_give_way_to_sentences_one_by_one(scripted: "ScriptedEngine") -> None:
    steps = [Exchange(0, "q", step.answer, step.phase) for step in scripted.stream("night trains")]
    assert [render.bubble(step).count('class="fn-quote"') for step in steps] == [0, 2, 1, 0, 0, 0]
    assert "Searching your insights" in render.bubble(steps[0])
    assert render.sources(steps[:1]).count("fn-card") == 0
    unchecked = render.bubble(steps[2])
    assert "fn-unchecked" in unchecked
    assert "not checked" in unchecked
    assert "fn-unchecked" not in render.bubble(steps[-1])


def test_a_long_answer_gets_a_paragraph_for_each_source() -> None:
    three = exchange_of(["one.", "two.", "three."])
    assert render.bubble(three).count('class="fn-prose"') == 1
    answer = three.answer
    assert answer is not None
    longer = replace(answer, claims=(answer.claims[0], answer.claims[0], answer.claims[1], answer.claims[2]))
    assert render.bubble(replace(three, answer=longer)).count('class="fn-prose"') == 3


def test_a_writer_that_failed_is_named_beside_the_quotes() -> None:
    exchange = exchange_of(["one."])
    answer = exchange.answer
    assert answer is not None
    broken = replace(answer, trace=replace(answer.trace, fault="The writer <b>doesn't</b> answer. Start it."))
    html = render.bubble(replace(exchange, answer=broken))
    assert "The writer &lt;b&gt;doesn&#39;t&lt;/b&gt; answer. Start it." in html
    assert "fn-prose" in html


def test_an_exchange_that_ended_early_says_why() -> None:
    assert 'role="alert">It broke.' in render.bubble(Exchange(0, "q", problem="It broke."))
    assert "Stopped." in render.bubble(Exchange(0, "q", stopped=True))
    assert "Waiting for another answer" in render.bubble(Exchange(0, "q", waiting=True))


def test_the_clipboard_gets_the_sources(scripted: "ScriptedEngine") -> None:
    answer = last(scripted, "night trains").answer
    assert answer is not None
    text = render.copy_text(answer)
    assert text.startswith("Parcels do: Quill Logistics moved 40% of its own that way [1].")
    assert "[2] Tracks · 2024-05-01: “Ottavia Brandt counted 310 suitcases on one sleeper.”" in text


def test_several_answers_keep_their_sources_and_show_the_last(scripted: "ScriptedEngine") -> None:
    first, second = last(scripted, "night trains"), last(scripted, "tungsten")
    html = render.sources([first, Exchange(1, second.question, second.answer, second.phase)])
    assert html.count("<section") == 1  # a refusal has its nearest in the conversation
    assert "Of the answer to “night trains”" in html
    html = render.sources([first, Exchange(1, "trains", first.answer, first.phase)])
    assert html.count("<section") == 2
    assert html.count(" hidden>") == 1
    assert html.index(" hidden>") < html.index("fn-sources-1")
    assert html.index("Of the answer to “night trains”") < html.index("fn-sources-1")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://example.org/a", "https://example.org/a"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("http://[bad", ""),
        ("example.org", ""),
    ],
)
def test_only_web_addresses_become_links(url: str, kept: str) -> None:
    assert render.web_address(url) == kept
