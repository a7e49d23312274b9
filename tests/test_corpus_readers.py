"""Readers: one insight is the same in every format, and what can't be read is told, not lost and not garbled."""

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import UsageError
from corpus.insight import MAX_CHARACTERS, Insight, make_insight
from corpus.items import Item, Problem
from corpus.plaintext import MAX_BYTES
from corpus.readers import FORMATS, read_paths

SHIPPED = Path(__file__).parent.parent / "corpus" / "insights" / "china-open-models.txt"
FULL = ("insight_id", "text", "title", "author", "source", "url", "date", "tags", "note")


def rows_of(insights: list[Insight]) -> list[dict[str, object]]:
    return [{name: getattr(insight, name) for name in FULL} for insight in insights]


def as_csv(insights: list[Insight], delimiter: str = ",") -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, FULL, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(
        row | {"tags": "; ".join(insight.tags)} for row, insight in zip(rows_of(insights), insights, strict=True)
    )
    return out.getvalue()


WRITERS: dict[str, Callable[[list[Insight]], str]] = {
    ".jsonl": lambda insights: "\n".join(json.dumps(row) for row in rows_of(insights)),
    ".ndjson": lambda insights: "\n".join(json.dumps(row, ensure_ascii=False) for row in rows_of(insights)) + "\n",
    ".json": lambda insights: json.dumps({"insights": rows_of(insights)}, indent=1),
    ".csv": as_csv,
    ".tsv": lambda insights: as_csv(insights, "\t"),
}


def read(path: Path, content: str | bytes) -> list[Item]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_paths([path]))


def only_problem(items: list[Item]) -> Problem:
    (problem,) = items
    assert isinstance(problem, Problem)
    assert problem.reason.endswith((".", "?"))
    return problem


def texts(items: list[Item]) -> list[str]:
    return [item.text if isinstance(item, Insight) else f"line {item.line}" for item in items]


# The same insights in every format


@pytest.mark.parametrize("extension", WRITERS)
def test_formats_with_fields_give_back_the_same_insights(
    extension: str, six_insights: list[Insight], tmp_path: Path
) -> None:
    six_insights[0] = make_insight(
        'A "quoted", comma\'d;\u2028text\nwith a second line',
        insight_id="7",
        title="T",
        author="Ann",
        url="http://x",
        tags=["a b", "c"],
        note="n\nm",
    )
    assert read(tmp_path / f"six{extension}", WRITERS[extension](six_insights)) == six_insights


@pytest.mark.parametrize("extension", [".txt", ".md", ".markdown"])
def test_formats_of_running_text_give_back_the_same_texts(
    extension: str, six_insights: list[Insight], tmp_path: Path
) -> None:
    items = read(tmp_path / f"six{extension}", "\n\n".join(insight.text for insight in six_insights))
    assert items == [make_insight(insight.text) for insight in six_insights]


@pytest.mark.parametrize("name", FORMATS)
def test_every_reader_tells_of_a_file_that_is_not_there_or_empty(name: str, tmp_path: Path) -> None:
    assert "no such file" in only_problem(list(FORMATS[name].read(tmp_path / "none"))).reason
    (tmp_path / "empty").write_text(" \n")
    assert "empty" in only_problem(list(FORMATS[name].read(tmp_path / "empty"))).reason


# Text


def test_the_shipped_text_holds_eleven_insights_and_no_heading() -> None:
    items = list(read_paths([SHIPPED]))
    assert len(items) == 11
    assert all(isinstance(item, Insight) and "Related Insights" not in item.text for item in items)


def test_text_joins_wrapped_lines_and_drops_headings(tmp_path: Path) -> None:
    content = (
        "My notes\n\nA paragraph that was\nwrapped. It ends.\n\n\nIs it short?\n\n"
        "Related:\n\nNine words without a stop are text and kept\n"
    )
    assert texts(read(tmp_path / "a.txt", content)) == [
        "A paragraph that was wrapped. It ends.",
        "Is it short?",
        "Nine words without a stop are text and kept",
    ]


def test_text_without_empty_lines_has_an_insight_a_line_if_all_are_sentences(tmp_path: Path) -> None:
    assert texts(read(tmp_path / "a.txt", "\nOne is here.\nTwo is “here.”\n")) == ["One is here.", "Two is “here.”"]
    assert texts(read(tmp_path / "a.txt", "One is here.\nTwo is\nwrapped.")) == ["One is here. Two is wrapped."]


@pytest.mark.parametrize("extension", [".txt", ".md"])
def test_a_file_of_headings_only_says_so(extension: str, tmp_path: Path) -> None:
    assert "only headings" in only_problem(read(tmp_path / f"a{extension}", "Word")).reason


def test_a_paragraph_that_is_too_long_is_one_problem(tmp_path: Path) -> None:
    items = read(tmp_path / "a.txt", f"Good one.\n\n{'x ' * MAX_CHARACTERS}\n\nGood two.")
    assert texts(items) == ["Good one.", "line 3", "Good two."]


# Markdown


def test_markdown_has_titles_lists_quotes_and_front_matter(tmp_path: Path) -> None:
    content = """---
title: "The Book"
author: Ann Lee
date: 2024/05/11
tags:
  - trains
  - '#ovens'
---
A sentence with **strong**, *stressed* and [linked](http://a.b/c_(d)) words.

# Chapter *One* #

- A point in two
  lines.
  - with more.
1. Another point.

> Quoted words
> in two lines.

Setext
------

The parts that every single answer has, in this order:

- quotes
- prose

```
# not a heading
x = 2 * 3 * 4
```
"""
    items = read(tmp_path / "a.md", content)
    assert texts(items) == [
        "A sentence with strong, stressed and linked words.",
        "A point in two lines.\nwith more.",
        "Another point.",
        "Quoted words in two lines.",
        "The parts that every single answer has, in this order:\nquotes\nprose",
        "# not a heading\nx = 2 * 3 * 4",
    ]
    insights = [item for item in items if isinstance(item, Insight)]
    assert [item.title for item in insights] == ["The Book"] + ["Chapter One"] * 3 + ["Setext"] * 2
    assert {(item.author, item.date, item.tags) for item in insights} == {
        ("Ann Lee", "2024-05-11", ("trains", "ovens"))
    }
    assert [item.source for item in insights] == ["", *["The Book"] * 5]


def test_a_code_block_is_kept_as_it_stands(tmp_path: Path) -> None:
    code = "- a = *b*\n\n- [c](d)"
    assert texts(read(tmp_path / "a.md", f"~~~python\n{code}\n~~~\nAfter it.")) == [code, "After it."]
    assert texts(read(tmp_path / "a.md", f"Never closed.\n```\n{code}")) == ["Never closed.", code]


def test_markdown_leaves_lookalikes_of_marks_alone(tmp_path: Path) -> None:
    text = "Take 2*3*4 and snake_case_names, a * b * c, 5 > 4, and #tag; it's [1] by 40%."
    assert texts(read(tmp_path / "a.md", text)) == [text]


def test_a_rule_below_a_sentence_parts_insights(tmp_path: Path) -> None:
    assert texts(read(tmp_path / "a.md", "One is here.\n---\nTwo is here.\n\n***\n\nThree is here.")) == [
        "One is here.",
        "Two is here.",
        "Three is here.",
    ]


def test_markdown_problems_name_their_line(tmp_path: Path) -> None:
    assert texts(read(tmp_path / "a.md", "One is here.\n\n- Two.\n- ?!.\n\n> Three.\n>\n> ...\n")) == [
        "One is here.",
        "Two.",
        "line 4",
        "Three.",
        "line 8",
    ]


# JSON and CSV


def test_a_half_written_last_line_loses_only_itself(tmp_path: Path) -> None:
    content = '{"text": "One."}\n\n"Two."\n[1]\n{"text": "Three.", "id": 3}\n{"text": "Fo'
    items = read(tmp_path / "a.jsonl", content)
    assert texts(items) == ["One.", "Two.", "line 4", "Three.", "line 6"]
    assert isinstance(items[3], Insight)
    assert items[3].insight_id == "3"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ('{"text": "One."}', "no list"),
        ("[]", "empty"),
        ('[{"text": "One."}', "not whole JSON"),
        ("[" * 100_000, "too deeply"),
        ('[{"text": 5}]', "Item 1: The text of this insight is not a string"),
        ('[{"note": "5"}]', "Item 1: This insight has no text"),
    ],
)
def test_json_that_holds_no_insights_says_why(content: str, word: str, tmp_path: Path) -> None:
    assert word in only_problem(read(tmp_path / "a.json", content)).reason


def test_a_list_of_json_objects_may_use_other_common_names(tmp_path: Path) -> None:
    content = [
        {"Highlight": "One.", "Book Title": "B", "tags": [{"name": "x"}, "y"], "Highlighted at": "2024-05-11 10:00:01"}
    ]
    assert read(tmp_path / "a.json", json.dumps(content)) == [
        make_insight("One.", source="B", tags=["x", "y"], date="2024-05-11")
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_finds_its_delimiter_and_columns(delimiter: str, tmp_path: Path) -> None:
    content = delimiter.join(["Location", "BOOK_TITLE", "highlight", "Note"]) + "\r\n"
    content += (
        delimiter.join(["12", "B", '"a, b; c\td|""e"""', "n"]) + "\r\n\r\n" + delimiter.join(["13", "B", "", "n"])
    )
    assert read(tmp_path / "a.csv", content)[0] == make_insight('a, b; c\td|"e"', source="B", note="n")
    assert texts(read(tmp_path / "a.csv", content))[1:] == ["line 4"]


def test_csv_with_a_hint_for_excel(tmp_path: Path) -> None:
    assert texts(read(tmp_path / "a.csv", "sep=;\ntext;note\na, b;\n;x\n")) == ["a, b", "line 4"]


def test_a_long_field_is_read(tmp_path: Path) -> None:
    text = "word " * (MAX_CHARACTERS // 5)
    assert texts(read(tmp_path / "a.csv", f"text\n{text}\n{text * 3}\nlast\n")) == [text.strip(), "line 3", "last"]
    assert read(tmp_path / "b.csv", f"text,note\nOne,{text * 3}\n") == [make_insight("One", note=text * 3)]


def test_a_long_first_line_is_no_table_but_told(tmp_path: Path) -> None:
    before = csv.field_size_limit(131_072)  # as it is at the start: reading any table raises it
    try:
        assert "no column of insights" in only_problem(read(tmp_path / "a.csv", "a" * 200_000)).reason
    finally:
        csv.field_size_limit(before)


def test_of_columns_with_one_name_the_first_that_is_not_empty_counts(tmp_path: Path) -> None:
    content = "text,note,note\nOne,a,b\nTwo,,b\n"
    assert read(tmp_path / "a.csv", content) == [make_insight("One", note="a"), make_insight("Two", note="b")]


def test_an_open_quotation_mark_is_told_and_what_came_before_is_kept(tmp_path: Path) -> None:
    items = read(tmp_path / "a.csv", 'text,note\nOne.,\n"Two.,\nThree.,\n')
    assert texts(items) == ["One.", "line 3"]
    assert "quotation mark" in str(items[1])


def test_a_tab_separated_file_may_have_bare_quotation_marks(tmp_path: Path) -> None:
    assert texts(read(tmp_path / "a.tsv", 'text\tnote\n"Go," he said.\t\nNext.\t')) == ['"Go," he said.', "Next."]


def test_csv_without_a_text_column_names_the_ones_it_knows(tmp_path: Path) -> None:
    assert "highlight" in only_problem(read(tmp_path / "a.csv", "when,what\n1,2\n")).reason
    assert "no rows below" in only_problem(read(tmp_path / "a.csv", "text,title\n")).reason


# Files and folders


def test_a_folder_is_read_in_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", ".hidden.txt", "sub/c.txt", ".git/d.txt", "z.xyz", "sub/.e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"From {name} it came.")
    items = list(read_paths([tmp_path]))
    assert texts(items) == ["From a.txt it came.", "From b.txt it came.", "line 0", "From sub/c.txt it came."]
    assert isinstance(items[2], Problem)
    assert items[2].path.name == "z.xyz"


def test_an_empty_folder_is_a_problem(tmp_path: Path) -> None:
    assert "no files" in only_problem(list(read_paths([tmp_path]))).reason


def test_unknown_formats_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.ndjson.*markdown"):
        read_paths([tmp_path / "notes.odt"])
    with pytest.raises(UsageError, match="jsonl"):
        read_paths([tmp_path / "a.txt"], "odt")


def test_a_named_format_overrides_the_extension(tmp_path: Path) -> None:
    (tmp_path / "a.odt").write_text('{"text": "One."}')
    assert texts(list(read_paths([tmp_path / "a.odt"], "jsonl"))) == ["One."]


def test_a_problem_reads_as_a_line(tmp_path: Path) -> None:
    assert str(Problem(Path("a.csv"), 4, "No.")) == "a.csv, line 4: No."
    assert str(Problem(Path("a.csv"), 0, "No.")) == "a.csv: No."


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 10_000_000)  # sparse: it takes no room
    assert "60 MB" in only_problem(list(read_paths([path]))).reason


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    assert "not a file" in only_problem(list(read_paths([tmp_path / "a.txt"]))).reason


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)  # tests may run as root, whom no permission binds
    assert "Permission denied" in only_problem(read(tmp_path / "a.txt", "One is here.")).reason


# Encodings

ACCENTS = "Loaves – “naïve” café crème, 40 € at Müller’s. Señor says it’s so."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_common_encodings_are_read(encoding: str, tmp_path: Path) -> None:
    content = f"{ACCENTS}\r\n\r\nSecond."
    assert texts(read(tmp_path / "a.txt", content.encode(encoding))) == [ACCENTS, "Second."]
    assert texts(read(tmp_path / "a.csv", f"text\r\n{'Second.'}\r\n".encode(encoding))) == ["Second."]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ACCENTS, "mac_roman"),
        ("It’s bread, isn’t it?", "mac_roman"),
        ("Хлеб хранится дольше. " * 3, "cp1251"),
        ("酸が麹を遅らせる。" * 5, "shift_jis"),
        ("开源模型。" * 5, "gb18030"),
    ],
)
def test_other_encodings_are_told_not_garbled(text: str, encoding: str, tmp_path: Path) -> None:
    assert "UTF-8" in only_problem(read(tmp_path / "a.txt", text.encode(encoding))).reason


def test_broken_bytes_lose_only_the_insight_they_are_in(tmp_path: Path) -> None:
    content = f"{ACCENTS}\n\nBroken \xff here.\n\nThird is fine.".encode().replace("\xff".encode(), b"\xff")
    assert texts(read(tmp_path / "a.txt", content)) == [ACCENTS, "line 3", "Third is fine."]


def test_a_file_cut_inside_a_character_loses_only_the_end(tmp_path: Path) -> None:
    for end in ("café", "5 €"):
        content = f"One is here and fine.\n\nTwo is {end}".encode()[:-1]
        assert texts(read(tmp_path / "a.txt", content)) == ["One is here and fine.", "line 3"]


@pytest.mark.parametrize(
    "content", [b"abc\0def", bytes(range(128, 256)) * 9, b"%PDF-1.7\nabc", b"PK\x03\x04abc", b"\xff\xfea"]
)
def test_what_is_not_text_is_refused(content: bytes, tmp_path: Path) -> None:
    assert only_problem(read(tmp_path / "a.txt", content)).line == 0


# Properties

SENSIBLE = st.text(st.characters(exclude_categories=["Cs", "Co", "Cn"]), max_size=80).filter(
    lambda text: any(character.isalnum() for character in text)
)


@given(
    st.lists(
        st.builds(lambda text, title, tags: (text, title, tags), SENSIBLE, SENSIBLE, st.lists(SENSIBLE, max_size=3)),
        max_size=5,
    )
)
def test_any_insight_comes_back_from_json_lines(rows: list[tuple[str, str, list[str]]]) -> None:
    content = "\n".join(json.dumps({"text": text, "title": title, "tags": tags}) for text, title, tags in rows)
    expected = [
        make_insight(text, title=title, tags=[tag.strip().removeprefix("#") for tag in tags])
        for text, title, tags in rows
    ]
    assert read_again(content or '"x"', "jsonl") == (expected or [make_insight("x")])


@given(st.lists(st.tuples(SENSIBLE, SENSIBLE), min_size=1, max_size=5))
def test_any_insight_comes_back_from_csv(rows: list[tuple[str, str]]) -> None:
    rows = [(text.replace("\0", ""), note.replace("\0", "")) for text, note in rows]
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([("text", "note"), *rows])
    assert read_again(out.getvalue(), "csv") == [make_insight(text, note=note) for text, note in rows]


@given(st.lists(st.from_regex(r"[^\W_][\w ,;'’-]{0,60}\.", fullmatch=True), min_size=2, max_size=6))
def test_any_paragraphs_come_back_from_text(rows: list[str]) -> None:
    assert read_again("\n\n".join(rows), "text") == [make_insight(text) for text in rows]


@given(
    st.sampled_from(sorted(FORMATS)),
    st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace"))),
)
def test_no_bytes_make_a_reader_fail_or_keep_silent(name: str, content: bytes) -> None:
    items = read_again(content, name)
    assert items
    assert all(
        isinstance(item, Problem) or item == make_insight(**{key: getattr(item, key) for key in FULL}) for item in items
    )


@pytest.fixture(scope="module", autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory) -> None:
    global SCRATCH
    SCRATCH = tmp_path_factory.mktemp("readers") / "file"


SCRATCH = Path()


def read_again(content: str | bytes, name: str) -> list[Item]:
    SCRATCH.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(FORMATS[name].read(SCRATCH))
