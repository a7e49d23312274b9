"""What is exported comes back as it was: same insights, same ids, whatever their texts."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.errors import UsageError
from corpus.export import EXPORTS, MARK, SUFFIXES, export_format, write_export
from corpus.insight import Insight, make_insight
from corpus.library import open_library
from corpus.pasted import read_bytes
from corpus.readers import Problem, read_paths
from corpus.rows import as_tags, iso_date, tags_as_text

FORMATS = pytest.mark.parametrize("format_name", EXPORTS)
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
    return "".join(EXPORTS[format_name](insights)).encode()


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
    file = tmp_path / f"all{SUFFIXES[format_name]}"
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
        with pytest.raises(UsageError, match=r"jsonl, csv, markdown"):
            export_format(path, name)


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
