"""What is exported comes back as it was: same insights, same ids, whatever their texts."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.errors import UsageError
from corpus.export import EXPORTS, MARK, export_format, write_export
from corpus.insight import Insight, make_insight
from corpus.items import Problem
from corpus.library import open_library
from corpus.pasted import read_bytes
from corpus.readers import read_paths
from corpus.rows import as_tags, iso_date, tags_as_text

FORMATS = pytest.mark.parametrize("format_name", [name for name, export in EXPORTS.items() if export.comes_back])
NASTY = (
    "<b>",
    "\\<",
    "\\\\<",
    "\\>",
    "> quoted",
    "<!-- insight {} -->",
    "-->",
    "# no heading",
    "---",
    '"',
    "'",
    ",",
    ";",
    "=1+1",
    "{",
    "}",
    "\\textbackslash{}",
    "\n@misc{x,",
    "%",
    "\t",
    "\n",
    "\n\n",
    "\u2028",
    "\x85",
    "[1]",
    '["a"]',
    "#tag",
    "##",
    "é",
    "e\u0301",
    "word",
    " ",
)
LINES = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=4)), max_size=6).map("".join)


def made(text: str, date: str, tags: list[str], **fields: str) -> Insight:
    """As a reader makes it."""
    return make_insight("Text " + text, date=iso_date(" ".join(date.split())), tags=tags, **fields)


INSIGHTS = st.builds(
    made,
    LINES,
    st.one_of(st.just("2024-05-01"), st.just("2024/05"), st.just("May 2024"), LINES),
    st.lists(LINES, max_size=3),
    insight_id=LINES,
    title=LINES,
    author=LINES,
    source=LINES,
    url=LINES,
    note=LINES,
)


def written(insights: Iterable[Insight], format_name: str) -> bytes:
    return "".join(EXPORTS[format_name].write(insights)).encode()


@FORMATS
@settings(max_examples=150)
@given(insight=INSIGHTS)
@example(
    insight=make_insight(
        '> <!-- insight {"text": 1} -->\n\n\\<b>', title=MARK, note="> n\n<!-- insight {} -->", author=">x"
    )
)
@example(insight=make_insight("x", insight_id="a" * 199 + " b", tags=["#a", "##", "b, c", "[d]"]))
def test_every_insight_comes_back_whole(format_name: str, insight: Insight) -> None:
    assert read_bytes("it", written([insight], format_name), format_name) == [insight]


@FORMATS
def test_a_library_comes_back_with_its_order_and_ids(
    format_name: str, tmp_path: Path, six_insights: list[Insight]
) -> None:
    rich = make_insight(
        "Rich.\n\nIn lines.", title="T", author="A", url="https://x.example/", tags=["a, b"], note="N\nM"
    )
    file = tmp_path / f"all{EXPORTS[format_name].suffix}"
    with open_library(tmp_path / "one.db", create=True) as one, open_library(tmp_path / "two.db", create=True) as two:
        one.add([*six_insights, rich])
        assert write_export(file, one.insights(), export_format(file)) == 7
        two.add(read_paths([file]))
        assert two.insights() == one.insights()


@given(st.lists(LINES, max_size=4))
def test_tags_come_back_from_one_string(tags: list[str]) -> None:
    clean = make_insight("x", tags=tags).tags
    assert make_insight("x", tags=as_tags(tags_as_text(clean))).tags == clean


def test_tags_are_written_as_people_write_them() -> None:
    assert tags_as_text(("rope", "sea")) == "rope, sea"
    assert tags_as_text(()) == ""
    assert tags_as_text(("a, b", "c")) == '["a, b", "c"]'
    assert as_tags("[not json, either]") == ["[not json", "either]"]


def test_the_markdown_is_to_be_read(six_insights: list[Insight]) -> None:
    insight = make_insight("Rope <i>shrinks</i>.\n\nWhen wet.", title="Rope", author="Ida", date="2024", note="Try it.")
    assert written([insight], "markdown").decode() == (
        f"{MARK}\n\n"
        '<!-- insight {"insight_id": "' + insight.insight_id + '", "title": "Rope", "author": "Ida", "date": "2024", '
        '"note": "Try it."} -->\n'
        "## Rope\n\nIda · 2024\n\n> Rope \\<i>shrinks\\</i>.\n>\n> When wet.\n\nNote: Try it.\n"
    )


def test_markdown_may_be_edited_by_hand(six_insights: list[Insight]) -> None:
    text = written(six_insights[:2], "markdown").decode()
    text = text.replace("counted 310 suitcases", "counted 311 suitcases").replace('"s1"', '"s1", "title": "New"')
    first, second = read_bytes("it.md", text.encode(), "markdown")
    assert isinstance(first, Insight)
    assert isinstance(second, Insight)
    assert (first.insight_id, first.title) == ("s1", "New")
    assert "311 suitcases" in second.text


def test_a_damaged_comment_is_told_and_the_others_are_read(six_insights: list[Insight]) -> None:
    text = written(six_insights[:2], "markdown").decode().replace('{"insight_id": "s1"', '{"insight_id": "s1')
    problem, second = read_bytes("it.md", text.encode(), "markdown")
    assert isinstance(problem, Problem)
    assert (problem.line, "damaged" in problem.reason) == (3, True)
    assert second == six_insights[1]
    (empty,) = read_bytes("it.md", f"{MARK}\n".encode(), "markdown")
    assert isinstance(empty, Problem)


def test_the_format_is_told_by_the_name_or_asked_for() -> None:
    assert export_format(Path("a.CSV")) == "csv"
    assert export_format(Path("a.txt"), "jsonl") == "jsonl"
    for path, name in ((Path("a.txt"), None), (Path("a.csv"), "pdf")):
        with pytest.raises(UsageError, match=r"jsonl, csv, markdown, bibtex, anki"):
            export_format(path, name)


def test_the_format_of_anki_has_a_name_of_two_parts() -> None:
    assert export_format(Path("all.anki.txt")) == "anki"
    assert export_format(Path("all.BIB")) == "bibtex"


def test_bibtex_is_to_be_cited() -> None:
    insight = make_insight(
        "Rope shrinks by 10%.\n\nWhen {wet}.",
        insight_id="rope-1",
        title="Rope & Rain_2",
        author="Ida Moor, Nils Berg",
        source="Rope",
        url="https://x.example/a_b?c=1&d=%20",
        date="2024-05-11",
        tags=["rope", "wet"],
        note="Try it.",
    )
    assert written([insight], "bibtex").decode().split("\n\n", 1)[1] == (
        "@misc{rope-1,\n"
        "  title = {Rope \\& Rain\\_2},\n"
        "  author = {{Ida Moor, Nils Berg}},\n"
        "  howpublished = {Rope},\n"
        "  url = {https://x.example/a_b?c=1&d=%20},\n"
        "  date = {2024-05-11},\n"
        "  keywords = {rope, wet},\n"
        "  abstract = {Rope shrinks by 10\\%.\n\nWhen \\{wet\\}.},\n"
        "  annote = {Try it.},\n"
        "  year = {2024},\n"
        "}\n"
    )


@given(insight=INSIGHTS)
def test_braces_in_bibtex_have_partners(insight: Insight) -> None:
    depth = 0
    for sign in written([insight], "bibtex").decode():
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    assert depth == 0


def test_an_entry_without_a_brace_is_told_and_the_next_is_read(six_insights: list[Insight]) -> None:
    text = written(six_insights[:2], "bibtex").decode().replace("date = {2024-05-01}", "date = {2024-05-01", 1)
    text = text.replace("@misc{s2", "@comment{jabref-meta: x,}\n@misc{s2")
    first, second = read_bytes("it.bib", text.encode(), "bibtex")
    assert isinstance(first, Problem)
    assert (first.line, "brace" in first.reason) == (3, True)
    assert second == six_insights[1]
    assert len(read_bytes("it.bib", (written([], "bibtex") + b"@misc{a, b = {\n" * 20_000), "bibtex")) == 20_000


def test_a_list_of_references_is_no_library() -> None:
    (problem,) = read_bytes("a.bib", b"@book{a, title={A}, abstract={An abstract.}}", "bibtex")
    assert isinstance(problem, Problem)
    assert "references" in problem.reason


def test_cards_say_what_to_learn_and_nothing_in_them_works() -> None:
    insight = make_insight(
        'Say "<b>no</b>"\tto [sound:x.mp3] and {{c1::it}}.\n\nTwice.',
        insight_id="#1",
        author="Ida Moor",
        url="javascript:alert(1)",
        tags=["a b", "c"],
        note="Why?",
    )
    head, card = written([insight], "anki").decode().split("\ttags\n", 1)
    assert head.split("\n")[:4] == ["#separator:tab", "#html:true", "#guid column:1", "#tags column:4"]
    shown = "Say &quot;&lt;b&gt;no&lt;/b&gt;&quot; to &#91;sound:x.mp3] and {&#123;c1::it}}."
    (row,) = csv.reader(card.splitlines(), delimiter="\t")
    assert row == [
        "#1",
        f"{shown} Twice.<br><small>Ida Moor</small>",
        f"{shown}<br><br>Twice.<br><br><i>Why?</i>",
        "a_b c",
    ]


@given(st.lists(INSIGHTS, max_size=3))
def test_each_card_is_a_row_of_four(insights: list[Insight]) -> None:
    rows = list(csv.reader(io.StringIO(written(insights, "anki").decode()), delimiter="\t"))
    assert [len(row) for row in rows[5:]] == [4] * len(insights)
    assert [row[0] for row in rows[5:]] == [insight.insight_id for insight in insights]


def test_a_file_is_replaced_only_when_asked_and_only_as_a_whole(tmp_path: Path, six_insights: list[Insight]) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text("mine")
    with pytest.raises(UsageError, match="--replace"):
        write_export(path, six_insights, "jsonl")

    def broken() -> Iterable[Insight]:
        yield six_insights[0]
        raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        write_export(path, broken(), "jsonl", replace=True)
    assert path.read_text() == "mine"
    assert write_export(path, six_insights, "jsonl", replace=True) == 6
    assert [file.name for file in tmp_path.iterdir()] == ["all.jsonl"]
