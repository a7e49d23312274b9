"""Notes and annotations of other apps: Snipd, Readwise Markdown, Obsidian, Hypothesis and Zotero."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.formats.markdown import markdown_with
from corpus.insight import Insight, make_insight
from corpus.items import Item, Problem
from corpus.markdown import Section, sections
from corpus.pasted import guess_format, read_bytes
from corpus.readers import FORMATS, detected

FIXTURES = Path(__file__).parent / "fixtures" / "formats"
NOTES = ("snipd", "readwise-markdown", "zotero-note", "obsidian", "hypothesis", "zotero", "bibtex")


def fixture(name: str) -> list[Item]:
    return list(FORMATS[name.split(".")[0]].read(FIXTURES / name))


def page(text: str, name: str = "Knots.md") -> list[Item]:
    return read_bytes(name, text.encode(), "obsidian")


def read(name: str, text: str) -> list[Item]:
    return read_bytes("a.md", text.encode(), name)


def texts(items: list[Item]) -> list[str]:
    return [item.text if isinstance(item, Insight) else item.reason for item in items]


def only(items: list[Item]) -> Insight:
    (item,) = items
    assert isinstance(item, Insight)
    return item


def why(items: list[Item]) -> str:
    (item,) = items
    assert isinstance(item, Problem)
    return item.reason


# Snipd


def test_snips_of_the_app() -> None:
    notes, spoken = fixture("snipd.md")
    assert notes == make_insight(
        "A ferry that waits four minutes at the pier saves more fuel than one that turns back.\n"
        "Captains were paid by the hour, and so nobody had counted the minutes.",
        insight_id="snipd-6ef02752-aaaa-4dce-8fa5-000000000001",
        title="Waiting Is Cheaper Than Turning – The Ferry That Learned to Wait, 02:49",
        author="Nils Berg",
        source="Harbour Talk",
        url="https://share.snipd.com/snip/6ef02752-aaaa-4dce-8fa5-000000000001",
        date="2023-01-31",
    )
    assert isinstance(spoken, Insight)
    assert spoken.title == "The Ferry That Learned to Wait, 12:10"
    assert (
        spoken.text == "Ida Moor: You learn the harbour by its mistakes & by its mud.\n\nNils Berg: And by its people."
    )


def test_snips_of_the_plugin() -> None:
    mud, quiet = fixture("snipd.plugin.md")
    assert mud == make_insight(
        "Each flood leaves a layer, so that a core of mud can be read like a diary.\nDredging tears its pages out.\n\n"
        "We dredged for forty years and then wondered why nobody remembered the floods.",
        insight_id="snipd-01010101-0202-4303-8404-050505050505",
        title="Mud Keeps a Diary – 'Mud Remembers': What Harbours Teach - Ida Moor, 03:12",
        author="Ida Moor",
        source="Harbour Talk",
        url="https://share.snipd.com/snip/01010101-0202-4303-8404-050505050505",
        date="2026-01-28",
        tags=["favorite", "mud", "slow/work"],
    )
    assert isinstance(quiet, Insight)
    assert quiet.author == "Ida Moor"  # the guest
    assert quiet.title.endswith(", 01:03:12")


def test_each_episode_of_a_file_has_its_own_details() -> None:
    episode = "# {0}\n## Episode metadata\n- Show: {1}\n## Snips\n### [00:10] T\n"
    episode += "[🎧 Play snip](https://share.snipd.com/snip/{0})\n- Said in {0}.\n"
    first, second = read("snipd", episode.format("one", "A show") + episode.format("two", "B show"))
    assert isinstance(first, Insight)
    assert isinstance(second, Insight)
    assert (first.source, second.source) == ("A show", "B show")
    assert (first.title, second.title) == ("T – one, 00:10", "T – two, 00:10")


def test_a_transcript_in_a_callout_is_read_where_there_is_nothing_else() -> None:
    text = "### [00:10] T\n#### 📚 Transcript\n> [!quote]- Transcript\n> \n> **Speaker 1**\n> Absolutely so.\n>\n"
    text += "> **Ida**\n> No."
    assert only(read("snipd", text)).text == "Speaker 1: Absolutely so.\n\nIda: No."


def test_a_template_of_ones_own_for_snips_says_so() -> None:
    assert "its own form" in why(read("snipd", "# Title\nhttps://share.snipd.com/episode/1\n\nSome words of it.\n"))


# Readwise


def test_highlights_of_readwise() -> None:
    attention, margin, picture, looking, measured, bridge = fixture("readwise-markdown.md")
    assert attention == make_insight(
        "Attention is trained, not given.",
        title="The Slow Book, loc. 145",
        author="Mara Ellison",
        source="The Slow Book",
        url="https://readwise.io/to_kindle?action=open&asin=B00TEST123&location=145",
        tags=["attention", "craft", "favorite", "pink"],
        note="Read this again\nin the morning.",
    )
    assert isinstance(margin, Insight)
    assert margin.title == "The Slow Book, p. 31"
    assert isinstance(picture, Problem)
    assert (picture.line, "picture" in picture.reason) == (17, True)
    assert looking == make_insight(
        "Looking takes practice,\nand practice takes a room.",
        title="Part Two, loc. 2345",
        author="Mara Ellison",
        source="The Slow Book",
        tags=["attention", "craft"],
        note="The room matters more than I thought.",
    )
    assert isinstance(measured, Insight)
    assert (measured.title, measured.date) == ("The Slow Book, loc. 2400", "2024-02-01")
    assert bridge == make_insight(
        "A bridge that never moves is a bridge that will break.",
        insight_id="readwise-01hmwew7vacppk91sy5jm7kb8m",
        author="Jon Ade",
        source="Why Bridges Sing, and Other Questions",
        url="https://example.org/bridges",
        note="Ask the engineers.",
    )


def test_time_places_and_tags_with_a_hash_of_readwise() -> None:
    text = "## Metadata\n- Full Title: B\n## Highlights\n- Said.\n  Twice. "
    text += "([Time 0:11:42](https://share.snipd.com/snip/1))\n\t- Tags: #a #b/c\n"
    insight = only(read("readwise-markdown", text))
    assert (insight.text, insight.title, insight.tags) == ("Said.\nTwice.", "B, 0:11:42", ("a", "b/c"))
    assert insight.url == "https://share.snipd.com/snip/1"


def test_a_document_of_readwise_without_highlights_says_so() -> None:
    assert "no highlights" in why(read("readwise-markdown", "# T\n## Full Document\n- A line of the document.\n"))


# Obsidian


def test_a_page_of_obsidian() -> None:
    rope, knots, keep, tip, thumb = fixture("obsidian.md")
    shared = {"author": "Ida Moor", "url": "https://example.org/rope", "date": "2024-05-11"}
    named = shared | {"source": "Rope and Rain"}
    assert rope == make_insight(
        "A rope shortens when it rains, as hemp fibres swell.",
        title="Rope and Rain",
        tags=["craft", "sea/rope", "weather"],
        **shared,
    )
    assert knots == make_insight(
        "Ropes remember the knots they held, and so do riggers.\n\nBoth are slow to forgive.",
        title="Reading notes",
        tags=["craft", "sea/rope", "doubt"],
        note="I doubt the second half.",
        **(named | {"author": "Jon Ade"}),
    )
    assert keep == make_insight(
        "Only use keeps a rope supple.",
        title="On keeping",
        tags=["craft", "sea/rope", "friendship"],
        note="True of friendship as well.",
        **named,
    )
    assert isinstance(tip, Insight)
    assert (tip.text, tip.title) == ("Splice twice as long as you think you need.", "Splicing")
    assert isinstance(thumb, Insight)
    assert (thumb.title, thumb.note) == ("Own thoughts", "")


def test_the_page_s_name_is_its_title_and_an_alias_where_that_is_a_number() -> None:
    assert only(page("Rope is [[hemp]] mostly.")).title == "Knots"
    numbered = "---\naliases: [Rope, Line]\n---\nRope is [[hemp]] mostly."
    assert only(page(numbered, "202405111030.md")).title == "Rope"
    assert only(page(numbered)).title == "Knots"
    assert only(page("Rope is [[hemp]] mostly.", "Pasted text")).title == ""
    insight = only(page("---\ntitle: Rope\n---\n# Rope\nIt is hemp mostly."))
    assert (insight.title, insight.source) == ("Rope", "")


def test_links_are_shown_as_text_and_embeds_comments_and_block_ids_are_left_out() -> None:
    text = "See [[Hemp|the fibre]] and [[Wet rope]] first. ^a1\n\n![[x.png]]\n\nIt %%really%%shrinks.\n\n"
    text += "%%\nNot this.\n\nNor this.\n%%\n\nEnd ![alt](x.png)here.\n^b-2\n"
    assert texts(page(text)) == ["See the fibre and Wet rope first.", "It shrinks.", "End here."]


def test_queries_are_left_out_and_code_is_kept() -> None:
    text = "Rope is hemp.\n\n```dataview\nLIST FROM #rope\n```\n\n```python\n# not a #tag\n```\n"
    first, second = page(text)
    assert isinstance(second, Insight)
    assert texts([first, second]) == ["Rope is hemp.", "# not a #tag"]
    assert second.tags == ()


def test_tags_of_the_page_and_of_a_paragraph() -> None:
    text = "---\ntags: rope sea\n---\n#first #second\n\nHemp swells #fibre when wet. #rain/long\n\n"
    text += "Issue #12 is open, see a.b/#c and C#.\n\ntags:: third\n"
    hemp, issue = page(text)
    assert isinstance(hemp, Insight)
    assert isinstance(issue, Insight)
    shared = ("rope", "sea", "third", "first", "second")
    assert (hemp.text, hemp.tags) == ("Hemp swells fibre when wet.", (*shared, "fibre", "rain/long"))
    assert (issue.text, issue.tags) == ("Issue #12 is open, see a.b/#c and C#.", shared)


def test_own_words_are_a_note_only_where_quotes_prevail() -> None:
    essay = "Ropes are old things.\n\n> Hemp is older.\n\nSteel is new, though.\n\nAnd nylon came last of all.\n"
    assert [(item.text, item.note) for item in page(essay) if isinstance(item, Insight)] == [
        ("Ropes are old things.", ""),
        ("Hemp is older.", ""),
        ("Steel is new, though.", ""),
        ("And nylon came last of all.", ""),
    ]
    notes = "Moor says of it, in passing and without proof:\n\n> Hemp is older.\n\n- Not so.\n- See [[Flax]] as well.\n"
    insight = only(page(notes))
    assert insight.note == "Moor says of it, in passing and without proof:\n\nNot so.\n\nSee Flax as well."


@pytest.mark.parametrize(
    ("quote", "text", "author"),
    [
        ("> Hemp is older.\n> — Ida Moor", "Hemp is older.", "Ida Moor"),
        ("> “Hemp is older.” – Ida Moor, 1931", "“Hemp is older.”", "Ida Moor, 1931"),
        ("> He came — and went.", "He came — and went.", ""),
        ("> He came. — And he went away.", "He came. — And he went away.", ""),
    ],
)
def test_who_said_a_quote(quote: str, text: str, author: str) -> None:
    insight = only(page(quote))
    assert (insight.text, insight.author) == (text, author)


def test_two_quotes_are_two_insights_and_a_callout_begins_one() -> None:
    text = "> One is here.\n>\n> Still the first.\n\n> Two is here.\n> [!quote] Three\n> Is here too.\n"
    assert texts(page(text)) == ["One is here.\n\nStill the first.", "Two is here.", "Is here too."]


@pytest.mark.parametrize(
    "text", ["# {{title}}\n\nWritten on {{date:YYYY}}.", "<% tp.date.now() %>\n\nSome words of it."]
)
def test_a_template_is_left_out(text: str) -> None:
    assert "template" in why(page(text))


def test_a_drawing_is_left_out() -> None:
    assert "drawing" in why(page("---\nexcalidraw-plugin: parsed\n---\n# Text Elements\nSome words. ^abc\n"))


@pytest.mark.parametrize("name", NOTES)
@pytest.mark.parametrize(
    "piece", [" ", "#a", "> ", "[", "(", "“", "%%", "<b>", "<summary>", "\n- ", "*", ".", "- a\n\n> b\n\n"]
)
def test_a_hundred_thousand_signs_take_no_minutes(name: str, piece: str) -> None:
    start = "### [00:10] T\n" if name == "snipd" else "## Highlights\n- x " if name == "readwise-markdown" else "x"
    assert read(name, start + piece * (100_000 // len(piece)))


def test_ten_thousand_quotes_take_no_minutes() -> None:
    assert len(page("> One is here.\n>\n" * 10_000)) == 1  # one quote of that many paragraphs
    assert len(page("> One is here.\n\nAnd why.\n\n" * 10_000)) == 10_000


# Hypothesis


def test_annotations_of_hypothesis() -> None:
    bridge, essay, empty = fixture("hypothesis.json")
    assert bridge == make_insight(
        "A bridge that never moves is a bridge that will break.",
        insight_id="hypothesis-Q2x1aHlwb3RoZXNpcw",
        source="Why bridges sing",
        url="https://example.org/bridges",
        date="2024-03-05",
        tags=["wind", "steel"],
        note="Ask the engineers.",
    )
    assert isinstance(essay, Insight)
    assert (essay.text, essay.author) == ("The best essay on resonance that I know.", "Mara Ellison")
    assert str(empty).endswith("Annotation 3: This insight has no text. Give it at least one word.")
    assert only(fixture("hypothesis.client.json")).title == "Rope and Rain, p. 15"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"rows": []}, "no annotations"),
        ([1], "Annotation 1: It is not an annotation"),
        ({"rows": [{"target": [{"selector": 5}], "text": ["x"], "document": "y", "tags": "z", "user": None}]}, ""),
        ("not JSON", "not whole JSON"),
    ],
)
def test_odd_annotations_do_no_harm(data: object, reason: str) -> None:
    items = read("hypothesis", data if isinstance(data, str) else json.dumps(data))
    assert reason in why(items) if reason else only(items).text == "x"


# Zotero


def test_a_note_of_annotations() -> None:
    rope, hemp, picture, sample = fixture("zotero-note.md")
    cited = {"author": "Moor and Berg", "source": "Moor and Berg, 2022"}
    link = "zotero://open-pdf/library/items/ZPMTMCCB"
    assert rope == make_insight(
        "The strength of a rope lies in what its strands “refuse” to share.",
        insight_id="zotero-EE6HXADX",
        title="Moor and Berg, 2022, p. 14",
        url=f"{link}?page=2&annotation=EE6HXADX",
        tags=["rope", "work"],
        note="Compare with teams.",
        **cited,
    )
    assert isinstance(hemp, Insight)
    assert isinstance(picture, Problem)
    assert "picture" in picture.reason
    assert sample == make_insight(
        "The sample is small: nine ropes.",
        insight_id="zotero-IZMQQYD7",
        title="Methods, p. 17",
        source="Moor and Berg, 2022",
        url=f"{link}?page=5&annotation=IZMQQYD7",
    )


def test_an_older_note_of_annotations() -> None:
    knots, supple, rain = fixture("zotero-note.older.md")
    assert isinstance(knots, Insight)
    assert (knots.title, knots.source, knots.note) == ("Rope and Rain, p. 1", "Rope and Rain", "Lovely.")
    assert isinstance(supple, Insight)
    assert supple.url == "zotero://open-pdf/library/items/RTI6FZJC?sel=p%3Anth-child(147)&annotation=KJWCFQW7"
    assert isinstance(rain, Insight)
    assert (rain.insight_id, rain.text, rain.note) == (
        "zotero-KJWCFQW8",
        "Rain finds the end of every rope.",
        "and of mine",
    )


def test_a_note_without_annotations_says_so() -> None:
    assert "no annotations" in why(read("zotero-note", "Some words, and zotero:// alone.\n"))


def test_items_of_the_api_and_of_better_bibtex() -> None:
    rope, sample = fixture("zotero.json")
    assert rope == make_insight(
        "The strength of a rope lies in what its strands refuse to share.",
        insight_id="zotero-EE6HXADX",
        title="Rope and Rain, p. 14",
        author="Ida Moor, Nils Berg",
        source="Rope and Rain",
        url="https://doi.org/10.1000/rope.22",
        date="2024-05-11",
        tags=["rope, wet", "work"],
        note="Compare with teams & crews.",
    )
    assert isinstance(sample, Insight)
    assert (sample.text, sample.author) == ("The sample is small: nine ropes.", "")  # the person's own words
    assert only(fixture("zotero.better.json")) == make_insight(
        "Attention is trained,\nnot given.",
        insight_id="zotero-BB6HXADX",
        title="The Slow Book, p. xii",
        author="Mara Ellison",
        source="The Slow Book",
        url="https://example.org/slow",
        date="2024-01-02",
        tags=["attention"],
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([{"itemType": "book", "title": "T"}], "no annotations"),
        ([{"key": "A", "parentItem": "A", "itemType": "annotation", "annotationText": "x", "tags": [None, 5]}], ""),
        ([{"annotationText": "x", "creators": 5, "title": {"a": 1}}], ""),
        ({"a": 5}, "no annotations"),
        ("[", "not whole JSON"),
        ("[" * 500 + "]" * 500, "no annotations"),
    ],
)
def test_odd_items_do_no_harm(data: object, reason: str) -> None:
    items = read("zotero", data if isinstance(data, str) else json.dumps(data))
    assert reason in why(items) if reason else only(items).text == "x"


# All of them


def test_what_footnoted_exported_is_its_own() -> None:
    text = '<!-- Footnoted export 1. -->\n\n<!-- insight {"insight_id": "a"} -->\n> See [[a]] at zotero://open-pdf/x\n'
    assert detected("a.md", text) == "markdown"
    assert guess_format(text.encode()) == "markdown"


def test_json_with_brackets_is_no_page_of_obsidian() -> None:
    assert guess_format(b'[["a"], "see [[b]]"]') == "json"
    assert not markdown_with(r"\[\[")('{"text": "[[a]]"}')


def test_sections_are_cut_at_headings_outside_code() -> None:
    lines = ["a", "# B #1", "c", "```", "# d", "```", "### E", "f"]
    assert list(sections(lines, 0)) == [
        Section(1, 0, "", ("a",)),
        Section(2, 1, "B #1", ("c", "```", "# d", "```")),
        Section(7, 3, "E", ("f",)),
    ]
    assert list(sections(lines, 7)) == [Section(8, 0, "", ("f",))]


PIECES = st.sampled_from(
    [
        *(
            "\n",
            "\n\n",
            "# ",
            "### ",
            "#### 📚 Transcript\n",
            "[[",
            "]]",
            "%%",
            "> ",
            "> [!note] ",
            "- ",
            "```",
            "#tag",
        ),
        *("    - Note: ", "    - Tags: ", "^a", "![[", "(", ")", "“", "”", "[00:10]", "🎧", "---\n", "key:: v\n", "|"),
        *("https://share.snipd.com/snip/a", "zotero://open-pdf/library/items/A?page=1&annotation=ABCDEFGH"),
        *("## Highlights\n", "([Location 1](x))", "— Name", "<b>", "</b>", "<br/>", "word ", "Ends here."),
        "“a” ([b, p. 1](zotero://select/x))",
    ]
)


@settings(max_examples=200)
@given(st.sampled_from(NOTES), st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=60))
def test_no_text_makes_a_reader_fail(name: str, text: str) -> None:
    items = read(name, text or "x")
    assert items
    assert all(isinstance(item, Insight) or item.reason.endswith((".", "?")) for item in items)


KEYS = (
    "rows annotations id text tags target selector exact type document title user user_info uri key data itemType url "
    "parentItem annotationText annotationComment annotationPageLabel creators name lastName tag DOI"
).split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=200)
@given(st.sampled_from(["hypothesis", "zotero"]), JSON)
def test_no_json_makes_a_reader_fail(name: str, data: object) -> None:
    assert read(name, json.dumps(data))
