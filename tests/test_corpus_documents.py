"""PDF, Word and web pages: cut into extracts of whole sentences, and a sentence for each that can't be read."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.formats import conversion
from corpus.formats.documents import read_docx, read_html, read_pdf
from corpus.formats.extracts import Extract, extracts, pdf_blocks
from corpus.insight import Insight, make_insight
from corpus.items import Item, Problem
from corpus.markdown import Block
from corpus.passages import MAX_WORDS, count_words
from tests.documents import make_docx, make_pdf

FIXTURES = Path(__file__).parent / "fixtures" / "formats"
SENTENCE = "Each word of this sentence, and it has ten, counts."  # ten words


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def why(items: list[Item]) -> str:
    (item,) = items
    assert isinstance(item, Problem)
    return item.reason


def text_of(count: int) -> str:
    return " ".join([SENTENCE] * (count // 10))


def cut(*parts: tuple[str, str] | tuple[str, str, str]) -> list[Extract]:
    blocks = [(0, Block(1, part[0], part[1], part[2] if len(part) > 2 else "text")) for part in parts]
    return list(extracts(blocks))


# Extracts


def test_short_paragraphs_of_a_section_are_put_together() -> None:
    assert cut(("A", text_of(20)), ("A", text_of(30)), ("A", text_of(60)), ("B", text_of(20))) == [
        Extract("A", f"{text_of(20)}\n\n{text_of(30)}", 0),
        Extract("A", text_of(60), 0),
        Extract("B", text_of(20), 0),
    ]
    assert cut(("A", text_of(90)), ("A", text_of(20))) == [Extract("A", f"{text_of(90)}\n\n{text_of(20)}", 0)]
    assert cut(("A", text_of(20), "item"), ("A", text_of(30), "item")) == [
        Extract("A", f"{text_of(20)}\n{text_of(30)}", 0)
    ]


def test_a_long_paragraph_is_cut_between_sentences_into_equal_parts() -> None:
    one, two = cut(("A", text_of(200)))
    assert one.text == two.text == text_of(100)


def test_small_tables_and_code_stay_whole_and_large_ones_are_left_out() -> None:
    table = "| a | b |\n| --- | --- |\n| one thing | another thing here |\n| one more | and another one |"
    assert cut(("A", text_of(50)), ("A", table, "table"), ("A", text_of(20)), ("A", f"{table}\n" * 20, "table")) == [
        Extract("A", text_of(50), 0),
        Extract("A", table, 0),
        Extract("A", text_of(20), 0),
    ]
    assert cut(("A", table, "code"), ("A", text_of(20))) == [Extract("A", table, 0), Extract("A", text_of(20), 0)]


def test_labels_and_stray_words_are_left_out() -> None:
    assert cut(("A", "Share this"), ("B", "By Ida Moor, 2024"), ("C", "It holds.")) == []
    assert [extract.text for extract in cut(("C", "The rope will hold."))] == ["The rope will hold."]


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 40).map(lambda n: text_of(10 * n))), max_size=6))
def test_no_extract_is_too_long_and_none_begins_within_a_sentence(parts: list[tuple[str, str]]) -> None:
    found = cut(*parts)
    assert all(count_words(extract.text) <= MAX_WORDS for extract in found)
    assert all(one.text.startswith("Each") and one.text.endswith("counts.") for one in found)
    assert sum(extract.text.count(SENTENCE) for extract in found) == sum(text.count(SENTENCE) for _, text in parts)


# The text of PDFs


def test_running_heads_page_numbers_and_contents_are_left_out() -> None:
    pages = ["Contents\n\nFreight ........ 3\n\nOf Trains\n\n1"]
    words = {
        2: "Freight is slow.\n\nIt is heavy.",
        3: "People are fast.\n\nThey are light.",
        4: "Mail is both.\n\nIt is odd.",
    }
    pages += [f"Of Trains {n}\n\nChapter {n}\n\n{text}\n\nPage {n} of 4" for n, text in words.items()]
    assert list(pdf_blocks("\f".join([*pages, ""]))) == [
        (n, Block(0, "Of Trains", part, "text")) for n, text in words.items() for part in text.split("\n\n")
    ]


def test_words_and_paragraphs_that_a_line_or_a_page_cut_are_put_together() -> None:
    text = "The rail-\nway went on and\n\n1\n\fon over the page.\n\nNext it was Anglo-\nSaxon."
    assert list(pdf_blocks(text)) == [
        (1, Block(0, "", "The railway went on and on over the page.", "text")),
        (2, Block(0, "", "Next it was Anglo- Saxon.", "text")),
    ]


def test_a_number_makes_a_heading_and_a_colon_none() -> None:
    text = "1.2. What is a rope?\n\nIt has three uses:\n\n(cid:13)\n\n\u2022 It holds.(cid:7)\n\n\u2022 It pulls."
    assert [(block.heading, block.text) for _, block in pdf_blocks(text)] == [
        ("1.2. What is a rope?", part) for part in ("It has three uses:", "\u2022 It holds.", "\u2022 It pulls.")
    ]


def test_a_document_of_one_page_has_no_page_to_name() -> None:
    assert [page for page, _ in pdf_blocks("One sentence is here.\n\f")] == [0]


@pytest.mark.parametrize("piece", [" ", ".", "- ", "a-\n", "\f", "1", "|", "a\n\n"])
def test_a_hundred_thousand_signs_take_no_minutes(piece: str) -> None:
    list(extracts(pdf_blocks("a" + piece * (100_000 // len(piece)))))


@given(st.text(alphabet="aA. \n\f-|1", max_size=80))
def test_no_text_of_a_pdf_makes_it_fail(text: str) -> None:
    list(extracts(pdf_blocks(text)))


# Whole documents


def test_a_pdf() -> None:
    assert list(read_pdf(FIXTURES / "pdf.pdf")) == [
        make_insight(
            "Rail freight loses to lorries on the last mile, because a train can only end where its rails end and a "
            "lorry ends at the door. Quill Logistics moved forty per cent of its parcels by night train in 2024, and "
            "lost money on each of them for two years before the price of the tracks at night was changed by the "
            "ministry, which had never asked who used them. Night trains fill with tourists, not commuters.",
            title="1 Freight, p. 1",
            author="Ida Moor",
            source="Of Night Trains",
        ),
        make_insight(
            "Ottavia Brandt counted 310 suitcases on one sleeper. She had meant to count the passengers, and gave up "
            "at the second car, where eleven people shared six beds and one of them played the accordion until the "
            "border.",
            title="2 Passengers, p. 2",
            author="Ida Moor",
            source="Of Night Trains",
        ),
    ]


def test_a_web_page_without_its_furniture() -> None:
    items = list(read_html(FIXTURES / "html.html"))
    assert all(isinstance(item, Insight) for item in items)
    insights = [item for item in items if isinstance(item, Insight)]
    assert [insight.title for insight in insights] == ["", "The cable", "The cable"]
    assert {(one.author, one.source, one.url, one.date) for one in insights} == {
        ("Jon Ade", "Why bridges sing", "https://example.org/bridges", "2023-03-18")
    }
    whole = " ".join(insight.text for insight in insights)
    assert "Wind lends it" in whole
    assert "Short bridges hum." in whole
    assert "| Old Lindow crossing" in whole
    for furniture in ("script", "Copyright", "All the news", "Ten more essays", "Share this", "By Jon", "a picture of"):
        assert furniture not in whole


def test_a_word_document() -> None:
    starters, ovens = read_docx(FIXTURES / "docx.docx")
    assert isinstance(starters, Insight)
    assert (starters.title, starters.source, starters.author) == ("Starters", "The Village Oven", "Ida Moor")
    assert starters.text.endswith("in years.\n\nCheap yeast ended the village starter.")
    assert isinstance(ovens, Insight)
    assert ovens.title == "Ovens"


def test_a_title_that_a_program_filled_in_gives_way_to_the_file_s_name(tmp_path: Path) -> None:
    path = make_docx(tmp_path / "Rope report.docx", [text_of(50)], title="Microsoft Word - draft.doc")
    (insight,) = read_docx(path)
    assert isinstance(insight, Insight)
    assert insight.source == "Rope report"


def test_documents_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    locked = make_pdf([[SENTENCE]], encrypted=True)
    assert "password" in why(list(read_pdf(written(tmp_path, "locked.pdf", locked))))
    assert "only pictures" in why(list(read_pdf(written(tmp_path, "scan.pdf", make_pdf([[""]])))))
    assert "damaged" in why(list(read_pdf(written(tmp_path, "a.pdf", b"%PDF-1.7 and nothing"))))
    assert "damaged" in why(list(read_docx(written(tmp_path, "a.docx", b"PK\x03\x04 and nothing"))))
    assert "no paragraphs" in why(list(read_html(written(tmp_path, "a.html", b"<p>Home</p>"))))


def test_files_of_another_kind_are_not_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *given, **named: pytest.fail("it was converted"))
    assert "not a PDF" in why(list(read_pdf(written(tmp_path, "a.pdf", b"Hello."))))
    assert "not a Word document" in why(list(read_docx(written(tmp_path, "a.docx", b"Hello."))))
    assert "old Word file" in why(list(read_docx(written(tmp_path, "b.docx", b"\xd0\xcf\x11\xe0\xa1"))))
    assert "empty" in why(list(read_html(written(tmp_path, "a.html", b" \n"))))
    assert "no such file" in why(list(read_pdf(tmp_path / "none.pdf")))


def test_without_the_converter_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "is_able", lambda: False)
    assert "pip install '.[documents]'" in why(list(read_pdf(FIXTURES / "pdf.pdf")))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import signal; signal.pause()", "longer than 1 seconds"),
        ("import os; os.kill(os.getpid(), 9)", "broke the converter"),
        ("print('no JSON')", "broke the converter"),
        ("raise SystemExit(3)", "broke the converter"),
    ],
)
def test_a_hostile_document_cannot_hang_or_crash_an_import(
    script: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "SECONDS", 1.0)
    monkeypatch.setattr(conversion, "__file__", str(written(tmp_path, "hostile.py", script.encode())))
    assert reason in why(list(read_pdf(FIXTURES / "pdf.pdf")))


def test_the_converter_takes_nothing_from_the_folder_it_is_started_in(tmp_path: Path) -> None:
    written(tmp_path, "markitdown.py", b"print('taken')")
    command = [sys.executable, "-P", str(conversion.__file__), "html", str(FIXTURES / "html.html")]
    assert b"taken" not in subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout


def test_importing_the_readers_loads_no_converter() -> None:
    code = (
        "import sys, corpus.readers; print([name for name in ('markitdown', 'bs4', 'pdfminer') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
