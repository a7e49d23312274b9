"""Every format: it is seen from the file, its insights have the fields that it knows, and nothing makes it fail."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import UsageError
from corpus.formats.columns import columns_given
from corpus.insight import FIELDS, Insight, make_insight
from corpus.items import Item, Problem, located, own_words, without_place
from corpus.pasted import guess_format, read_bytes
from corpus.plaintext import BEGINNING, beginning, beginning_of
from corpus.readers import FORMATS, READABLE, Source, detected, find_sources, format_of, read_paths

# A file is called by its format, to the first full stop: kindle.txt, apple-books.older.csv.
FIXTURES = sorted(file for file in (Path(__file__).parent / "fixtures" / "formats").iterdir() if file.is_file())
ALL = {"insight_id", "text", "title", "author", "source", "url", "date", "tags", "note"}
CONVERTED = ("html", "pdf", "docx")  # in another process each
HAS: dict[str, set[str]] = {  # what the insights of a format can have; where one isn't named, that is all it can
    "text": {"text"},
    "markdown": {"text", "title", "author", "source", "url", "date", "tags"},
    "kindle": {"text", "title", "author", "source", "date", "note"},
    "kindle-notebook": {"text", "title", "author", "source", "note"},
    "readwise": ALL - {"insight_id"},
    "apple-books": {"text", "title", "author", "source", "date", "note"},
    "instapaper": {"text", "source", "url", "date", "tags"},
    "pocket": set(),  # it has no text
    "pocket-highlights": {"text", "source", "url", "date"},
    "snipd": ALL - {"note"},  # what the app and the person noted is the insight
    "zotero-note": ALL - {"date"},
    "obsidian": ALL - {"insight_id"},
    "html": {"text", "title", "author", "source", "url", "date"},
    "pdf": {"text", "title", "author", "source"},
    "docx": {"text", "title", "author", "source"},
}


def name_of(file: Path) -> str:
    return file.name.split(".")[0]


def insights_of(file: Path) -> list[Insight]:
    return [item for item in FORMATS[name_of(file)].read(file) if isinstance(item, Insight)]


def fields_told(insights: list[Insight]) -> set[str]:
    told = {name for one in insights for name in FIELDS if getattr(one, name)}
    given_ids = any(one.insight_id != make_insight(one.text).insight_id for one in insights)
    return told if given_ids else told - {"insight_id"}


# Every format


def test_every_format_has_a_fixture() -> None:
    assert {name_of(file) for file in FIXTURES} == set(FORMATS)


@pytest.mark.parametrize("file", FIXTURES, ids=lambda file: str(file.name))
def test_a_format_is_seen_from_the_file(file: Path) -> None:
    assert format_of(file) == name_of(file)
    assert detected(file.name.upper(), beginning_of(file.read_bytes())) == name_of(file)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_keeps_all_the_fields_that_it_knows(name: str) -> None:
    insights = [one for file in FIXTURES if name_of(file) == name for one in insights_of(file)]
    assert fields_told(insights) == HAS.get(name, ALL)


@pytest.mark.parametrize("suffix", READABLE)
def test_each_suffix_has_a_format_for_whatever_the_others_do_not_recognise(suffix: str) -> None:
    able = [form for form in FORMATS.values() if suffix in form.suffixes]
    assert [form.recognises is None for form in able] == [False] * (len(able) - 1) + [True]
    assert suffix == suffix.casefold()
    assert suffix.startswith(".")


def test_titles_tell_formats_apart() -> None:
    assert len({form.title for form in FORMATS.values()}) == len(FORMATS)


@settings(max_examples=150)
@given(st.sampled_from([file for file in FIXTURES if name_of(file) not in CONVERTED]), st.data())
def test_a_damaged_file_is_read_as_far_as_it_goes(file: Path, data: st.DataObject) -> None:
    content = file.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    content = content[:start] + data.draw(st.binary(max_size=20)) + content[end:]
    items = read_bytes(file.name, content, name_of(file))
    assert items
    assert all(isinstance(item, Insight) or item.reason.endswith((".", "?")) for item in items)
    detected(file.name, beginning_of(content))
    guess_format(content)


# What is in them


def read(
    folder: Path, name: str, content: str, *, format_name: str | None = None, columns: Mapping[str, str] | None = None
) -> list[Item]:
    path = folder / name
    path.write_text(content, "utf-8", newline="")
    return list(read_paths([path], format_name, columns or {}))


def fixture(name: str) -> list[Item]:
    (file,) = [file for file in FIXTURES if file.name == name]
    return list(FORMATS[name_of(file)].read(file))


def problems(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Problem)]


def test_readwise() -> None:
    assert fixture("readwise.csv") == [
        make_insight(
            "Salt was carried by night, so that it wouldn’t be seen.",
            title="The Salt Roads, p. 12",
            author="Mara Ellison",
            source="The Salt Roads",
            url="https://read.amazon.com/?asin=B00TEST123",
            date="2023-10-05",
            tags=["trade", "night", "history"],
            note="Compare with the tea routes",
        ),
        make_insight(
            'She wrote "no" on the ledger,\nand the ledger was believed.',
            title="The Salt Roads, loc. 345",
            author="Mara Ellison",
            source="The Salt Roads",
            url="https://read.amazon.com/?asin=B00TEST123",
            date="2023-10-06",
            tags=["history"],
        ),
        make_insight(
            "A habit is a decision that you no longer notice making.",
            title="Small Rooms (podcast), 12:34",
            author="Jon Ade",
            source="Small Rooms (podcast)",
            date="2024-02-01",
        ),
        make_insight("Some of what we call taste is only distance.", source="On Distance", date="2024-03-02"),
        make_insight(  # a note of one's own isn't what the author of the book said
            "The map on the first page is wrong",
            title="The Salt Roads, p. 1",
            source="The Salt Roads",
            url="https://read.amazon.com/?asin=B00TEST123",
            date="2023-10-07",
        ),
    ]


def test_apple_books_in_both_shapes() -> None:
    harbour = {"author": "Nils Berg", "source": "The Quiet Harbour"}
    silt = "Harbours silt up from within, like habits."
    assert fixture("apple-books.csv") == [
        make_insight(silt, title="Chapter 4", date="2023-06-01", **harbour),
        make_insight(
            "A pilot is paid for what doesn’t happen.", date="2023-06-02", note="True of editors too", **harbour
        ),
    ]
    assert fixture("apple-books.older.csv") == [
        make_insight(silt, title="Silt", date="2023-09-27", note="Use in the talk", **harbour)
    ]


def test_a_table_of_bookmarks_only_says_so(tmp_path: Path) -> None:
    (only,) = read(tmp_path, "a.csv", "assetId,annotationId,type,text\nA,1,bookmark,\n")
    assert "only bookmarks" in str(only)


def test_instapaper_keeps_selections_and_counts_pages_without(tmp_path: Path) -> None:
    bridge, maps, without = fixture("instapaper.csv")
    assert bridge == make_insight(
        "A bridge that never moves is a bridge that will break.",
        source="Why bridges sing",
        url="https://example.org/bridges",
        date="2023-03-18",
        tags=["wind", "steel", "Engineering"],
    )
    assert isinstance(maps, Insight)
    assert maps.tags == ()  # Archive is a folder of the app
    assert "1 of its pages came without selected text" in str(without)


def test_pocket_says_where_its_highlights_are_and_reads_them() -> None:
    (why,) = fixture("pocket.csv")
    assert "lists 2 pages" in str(why)
    assert "part_000000.json" in str(why)
    first, _, untitled = fixture("pocket-highlights.json")
    assert first == make_insight(
        "A bridge that never moves is a bridge that will break.",
        source="Why bridges sing",
        url="https://example.org/bridges",
        date="2023-03-18",
    )
    assert isinstance(untitled, Insight)
    assert untitled.source == ""  # Pocket gives the address where it knows no title


@pytest.mark.parametrize("content", ['[{"url": "u", "highlights": [], "quote": 1}]', '[{"url","highlights",', "{}"])
def test_pocket_highlights_without_any_say_so(content: str, tmp_path: Path) -> None:
    (why,) = read(tmp_path, "a.json", content, format_name="pocket-highlights")
    assert isinstance(why, Problem)


# Kindle

BOOK = "The Slow Book (Ellison, Mara)"


def clipping(meta: str, text: str = "", book: str = BOOK) -> str:
    return f"\ufeff{book}\r\n{meta}\r\n\r\n{text}\r\n==========\r\n"


def test_clippings() -> None:
    slow, north, pdf, left_out = fixture("kindle.txt")
    assert slow == make_insight(
        "Attention is trained, not given.",
        title="The Slow Book, p. 12",
        author="Mara Ellison",
        source="The Slow Book",
        date="2024-03-04",
        note="Read this again in the morning.",
    )
    assert north == make_insight(
        "Wer langsam geht, kommt durch mehr Orte.",
        title="Die Reise (nach Norden), p. 7",
        author="Hans Muster, Eva Beispiel",
        source="Die Reise (nach Norden)",
        date="2020-05-08",
    )
    assert pdf == make_insight(
        "A method is a memory of mistakes.",
        title="Notes on Method.pdf, p. xvi",
        source="Notes on Method.pdf",
        date="2012-12-03",
    )
    assert "1 of its clippings came without text" in str(left_out)


# Highlight, note and bookmark; the first two at location 145-147 on page 12 or on none.
LANGUAGES = {
    "English": (
        "- Your Highlight on page 12 | Location 145-147 | Added on Tuesday, March 5, 2024 9:12:45 PM",
        "- Your Note on page 12 | Location 147 | Added on Tuesday, March 5, 2024 9:13:02 PM",
        "- Your Bookmark on page 12 | Location 150 | Added on Tuesday, March 5, 2024 9:14:00 PM",
    ),
    "English, older": (
        "- Highlight Loc. 145-47 | Added on Tuesday, 5 March 24 21:12:45 Greenwich Mean Time",
        "- Note Loc. 147 | Added on Tuesday, 5 March 24 21:13:02 Greenwich Mean Time",
        "- Bookmark Loc. 150 | Added on Tuesday, 5 March 24 21:14:00 Greenwich Mean Time",
    ),
    "German": (
        "- Ihre Markierung auf Seite 12 | bei Position 145-147 | Hinzugefügt am Dienstag, 5. März 2024 21:12:45",
        "- Ihre Notiz auf Seite 12 | bei Position 147 | Hinzugefügt am Dienstag, 5. März 2024 21:13:02",
        "- Ihr Lesezeichen auf Seite 12 | bei Position 150 | Hinzugefügt am Dienstag, 5. März 2024 21:14:00",
    ),
    "French": (
        "- Votre surlignement sur la page 12 | emplacement 145-147 | Ajouté le mardi 5 mars 2024 21:12:45",
        "- Votre note sur la page 12 | emplacement 147 | Ajouté le mardi 5 mars 2024 21:13:02",
        "- Votre signet sur la page 12 | emplacement 150 | Ajouté le mardi 5 mars 2024 21:14:00",
    ),
    "French, older": (
        "- Votre surlignement Emplacement 145-147 | Ajouté le mardi 5 mars 2024 à 21:12:45",
        "- Votre note Emplacement 147 | Ajouté le mardi 5 mars 2024 à 21:13:02",
        "- Votre signet Emplacement 150 | Ajouté le mardi 5 mars 2024 à 21:14:00",
    ),
    "Spanish": (
        "- La subrayado en la página 12 | posición 145-147 | Añadido el martes, 5 de marzo de 2024 21:12:45",
        "- Tu nota en la página 12 | posición 147 | Añadido el martes, 5 de marzo de 2024 21:13:02",
        "- Tu marcador en la página 12 | posición 150 | Añadido el martes, 5 de marzo de 2024 21:14:00",
    ),
    "Italian": (
        "-  La tua evidenziazione alla posizione 145-147 | Aggiunto in data martedì 5 marzo 2024 21:12:45",
        "- La tua nota alla posizione 147 | Aggiunto in data martedì 5 marzo 2024 21:13:02",
        "- Il tuo segnalibro alla posizione 150 | Aggiunto in data martedì 5 marzo 2024 21:14:00",
    ),
    "Portuguese": (
        "- Seu destaque ou posição 145-147 | Adicionado: terça-feira, 5 de março de 2024 21:12:45",
        "- Sua nota ou posição 147 | Adicionado: terça-feira, 5 de março de 2024 21:13:02",
        "- Seu marcador ou posição 150 | Adicionado: terça-feira, 5 de março de 2024 21:14:00",
    ),
    "Dutch": (
        "- Je markering op pagina 12 | locatie 145-147 | Toegevoegd op dinsdag 5 maart 2024 21:12:45",
        "- Je notitie op pagina 12 | locatie 147 | Toegevoegd op dinsdag 5 maart 2024 21:13:02",
        "- Je bladwijzer op pagina 12 | locatie 150 | Toegevoegd op dinsdag 5 maart 2024 21:14:00",
    ),
    "Japanese": (
        "- 12ページ|位置No. 145-147のハイライト |作成日: 2024年3月5日火曜日 21:12:45",
        "- 12ページ|位置No. 147のメモ |作成日: 2024年3月5日火曜日 21:13:02",
        "- 12ページ|位置No. 150のブックマーク |作成日: 2024年3月5日火曜日 21:14:00",
    ),
    "Chinese": (
        "- 您在第 12 页（位置 #145-147）的标注 | 添加于 2024年3月5日星期二 下午9:12:45",
        "- 您在第 12 页（位置 #147）的笔记 | 添加于 2024年3月5日星期二 下午9:13:02",
        "- 您在第 12 页（位置 #150）的书签 | 添加于 2024年3月5日星期二 下午9:14:00",
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_clippings_in_each_language(language: str, tmp_path: Path) -> None:
    highlight, note, bookmark = LANGUAGES[language]
    content = clipping(highlight, "Looking takes practice.") + clipping(note, "So true.") + clipping(bookmark)
    assert detected("My Clippings.txt", content) == "kindle"
    (insight,) = read(tmp_path, "My Clippings.txt", content)
    paged = any(word in highlight for word in ("12 |", "12ページ", "12 页"))
    assert insight == make_insight(
        "Looking takes practice.",
        title="The Slow Book, p. 12" if paged else "The Slow Book, loc. 145-147",
        author="Mara Ellison",
        source="The Slow Book",
        date="2024-03-05",
        note="So true.",
    )


def test_a_note_belongs_to_the_highlight_that_ends_there(tmp_path: Path) -> None:
    def at(place: str, kind: str = "Highlight") -> str:
        return f"- Your {kind} on Location {place} | Added on Tuesday, March 5, 2024 9:12:45 PM"

    content = (
        clipping(at("100-101"), "The first.")
        + clipping(at("103", "Note"), "Of the third.")
        + clipping(at("100-102"), "The first and more.")
        + clipping(at("102-103"), "The third.")
        + clipping(at("102-103"), "The same place.", book="Another Book (Ade, Jon)")
        + clipping(at("100", "Note"), "Of the first.")
        + clipping(at("103", "Note"), "Of the third, again.")
        + clipping(at("900", "Note"), "My own thought.")
    )
    items = read(tmp_path, "a.txt", content)
    assert [(item.text, item.note, item.author) for item in items if isinstance(item, Insight)] == [
        ("The first.", "", "Mara Ellison"),
        ("The first and more.", "Of the first.", "Mara Ellison"),
        ("The third.", "Of the third.\nOf the third, again.", "Mara Ellison"),
        ("The same place.", "", "Jon Ade"),
        ("My own thought.", "", ""),
    ]


def test_in_a_pdf_a_note_belongs_to_the_nearest_highlight_of_its_page(tmp_path: Path) -> None:
    def on(page: int, kind: str) -> str:
        return f"- Your {kind} on page {page} | Added on Tuesday, March 5, 2024 9:12:45 PM"

    content = clipping(on(3, "Highlight"), "One.") + clipping(on(3, "Highlight"), "Two.")
    content += clipping(on(3, "Note"), "Of two.") + clipping(on(4, "Note"), "Of none.")
    items = read(tmp_path, "a.txt", content)
    assert [(item.text, item.note) for item in items if isinstance(item, Insight)] == [
        ("One.", ""),
        ("Two.", "Of two."),
        ("Of none.", ""),
    ]


def test_clippings_that_cannot_be_read_are_told_with_their_line(tmp_path: Path) -> None:
    good = clipping(LANGUAGES["English"][0], "A good one.")
    content = f"{good}A title alone\r\n==========\r\n{good[:-14]}\r\n==========\r\n{clipping('- Þú merktir | 5', 'x')}"
    items = read(tmp_path, "a.txt", content)
    assert [item.line for item in items if isinstance(item, Problem)] == [6, 13]
    assert "no line below its title" in problems(items)[0]
    assert "Þú merktir" in problems(items)[1]
    assert sum(isinstance(item, Insight) for item in items) == 2


def test_clippings_of_bookmarks_only_say_so(tmp_path: Path) -> None:
    assert "no highlights or notes" in problems(read(tmp_path, "a.txt", clipping(LANGUAGES["English"][2])))[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-mark", "cp1252"])
@pytest.mark.parametrize("name", ["kindle", "readwise", "csv"])
def test_a_format_is_seen_and_read_in_other_encodings(name: str, encoding: str, tmp_path: Path) -> None:
    text = {
        "kindle": clipping(LANGUAGES["German"][0], "Geübt wird’s täglich.").replace("\ufeff", ""),
        "readwise": "Highlight,Book Title,Book Author,Amazon Book ID,Highlighted at\nGeübt wird’s täglich.,B,A,,2024\n",
        "csv": "text;author\nGeübt wird’s täglich.;A\n",
    }[name]
    data = b"\xff\xfe" + text.encode("utf-16-le") if encoding == "utf-16-le-mark" else text.encode(encoding)
    path = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    path.write_bytes(data)
    assert format_of(path) == name
    (insight,) = read_paths([path])
    assert isinstance(insight, Insight)
    assert insight.text == "Geübt wird’s täglich."


def test_the_beginning_of_a_file_is_read_whatever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    assert beginning(path) == beginning(tmp_path) == beginning(Path("a\0b")) == ""
    path.write_text("é" * 3 * BEGINNING, "utf-8")
    assert beginning(path) == "é" * BEGINNING
    assert beginning_of("a\r\nb\rc".encode("utf-16")) == "a\nb\nc"
    assert beginning_of("né".encode("cp1252")) == "né"


@given(st.binary(max_size=100))
def test_no_bytes_are_without_a_beginning(data: bytes) -> None:
    assert isinstance(beginning_of(data), str)


# The notebook


def test_the_notebook_in_both_forms() -> None:
    ellison = {"author": "Mara Ellison", "source": "The Slow Book"}
    assert fixture("kindle-notebook.html") == [
        make_insight(
            "Attention is trained,\nnot given & not bought.",
            title="1. The Page Turner, p. 12",
            note="Read this again.",
            **ellison,
        ),
        make_insight("A margin is where the reader lives.", title="Part Two, loc. 2345", **ellison),
        make_insight("Ask the library for the second edition.", title="Part Two, loc. 3000", source="The Slow Book"),
    ]
    assert fixture("kindle-notebook.older.html") == [
        make_insight(
            "Wer fragt, führt.",
            title="Prolog, p. 3",
            author="Hans Muster",
            source="Leise Gespräche",
            note="Gilt auch für Kinder",
        )
    ]


def test_a_notebook_that_ends_early_gives_what_came_before(tmp_path: Path) -> None:
    content = '<h1 class="bookTitle">B</h1><p class="noteHeading">Highlight - Page 1<p class="noteText">Whole.'
    assert read(tmp_path, "a.html", content, format_name="kindle-notebook") == [
        make_insight("Whole.", title="B, p. 1", source="B")
    ]


@pytest.mark.parametrize("broken", ["<!--", "<a ", "</a ", "<a x='", "&#", "<![CDATA[", "<script>"])
def test_broken_html_takes_no_longer_than_whole(broken: str) -> None:
    page = f"<style>.bookTitle .authors .noteText</style><div class='noteHeading'>x</div>{broken * 100_000}"
    assert read_bytes("a.html", page.encode(), "kindle-notebook")


def test_thousands_of_notes_at_one_place_are_no_matter(tmp_path: Path) -> None:
    meta = "- Your {} on Location 1000-1400 | Added on Tuesday, March 5, 2024 9:12:45 PM"
    content = "".join(clipping(meta.format("Note" if n % 2 else "Highlight"), f"Text {n}.") for n in range(6000))
    items = read(tmp_path, "a.txt", content)
    assert len(items) == 3000
    assert all(isinstance(item, Insight) and item.note for item in items)


# Columns that the person names


@pytest.mark.parametrize(
    ("given_", "columns"),
    [
        (["text=Highlight,author=Book Author"], {"text": "Highlight", "author": "Book Author"}),
        (['text = Highlight , author="Last, First"'], {"text": "Highlight", "author": "Last, First"}),
        (["text=Highlight", "id=Key"], {"text": "Highlight", "insight_id": "Key"}),
        (["tags="], {"tags": ""}),
        ([], {}),
    ],
)
def test_columns_are_named_in_pairs(given_: list[str], columns: dict[str, str]) -> None:
    assert columns_given(given_) == columns


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ("text", "FIELD=COLUMN"),
        ('text="a', "FIELD=COLUMN"),
        ("colour=Color", "The fields are: id, text, title"),
        ("text=a,text=b", "twice"),
    ],
)
def test_columns_that_cannot_be_read_say_what_can(given_: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        columns_given([given_])


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(st.characters(exclude_characters='"'), max_size=20)))
def test_any_columns_come_back(columns: dict[str, str]) -> None:
    assert columns_given([",".join(f'{field}="{column}"' for field, column in columns.items())]) == columns


TABLE = "When;What I liked;Who;Title;Note\n2024-05-11;Bread is slow.;Ida;T;N\n"


def test_a_table_is_read_by_the_columns_that_the_person_names(tmp_path: Path) -> None:
    columns = {"text": "What I liked", "author": "who", "date": "When", "note": ""}
    assert read(tmp_path, "a.csv", TABLE, columns=columns) == [
        make_insight("Bread is slow.", author="Ida", date="2024-05-11", title="T")
    ]
    # A column that holds the text isn't taken for what its name would otherwise say.
    assert read(tmp_path, "a.csv", TABLE, columns={"text": "Note"}) == [make_insight("N", title="T")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"Zitat": "Bread is slow.", "Wer": "Ida"}\n{"Zitat": "So is rye."}\n'),
        ("a.json", '[{"Zitat": "Bread is slow.", "Wer": "Ida"}, {"Zitat": "So is rye."}]'),
    ],
)
def test_json_is_read_by_the_keys_that_the_person_names(name: str, content: str, tmp_path: Path) -> None:
    assert read(tmp_path, name, content, columns={"text": "Zitat", "author": "Wer"}) == [
        make_insight("Bread is slow.", author="Ida"),
        make_insight("So is rye."),
    ]
    (why,) = read(tmp_path, name, content, columns={"text": "Quote"})
    assert 'no "Quote". What it has: Zitat, Wer.' in str(why)


def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    (why,) = read(tmp_path, "a.csv", TABLE, columns={"text": "Quote"})
    assert str(why).endswith('It has no "Quote". What it has: When, What I liked, Who, Title, Note.')
    assert "--map text=COLUMN" in problems(read(tmp_path, "a.csv", TABLE))[0]


def test_with_named_columns_a_known_table_is_a_table(tmp_path: Path) -> None:
    content = (Path(__file__).parent / "fixtures" / "formats" / "instapaper.csv").read_text("utf-8")
    items = read(tmp_path, "a.csv", content, columns={"text": "Title"})
    assert [item.text for item in items if isinstance(item, Insight)] == [
        "Why bridges sing",
        "To be read",
        "Maps of smell",
    ]


def test_columns_of_what_has_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One is here.")
    with pytest.raises(UsageError, match=r"read as Plain text, which has no columns.*csv"):
        read_paths([tmp_path / "a.txt"], columns={"text": "x"})
    (why,) = read_paths([tmp_path], columns={"text": "x"})
    assert "no columns" in str(why)


# Finding out


def test_what_was_read_is_told_for_each_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nOne.\nTwo.\n")
    (tmp_path / "b.txt").write_text("Three is here.")
    told: list[tuple[str, str, int]] = []

    def note(source: Source, count: int) -> None:
        told.append((source.path.name, source.format_name, count))

    assert len(list(read_paths([tmp_path], told=note))) == 3
    assert told == [("a.csv", "csv", 2), ("b.txt", "text", 1)]


def test_sources_are_found_without_reading_them(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("?")
    (tmp_path / "b.txt").write_text(clipping(LANGUAGES["English"][0], "x"))
    problem, source = find_sources([tmp_path])
    assert "tells no known format" in str(problem)
    assert source == Source(tmp_path / "b.txt", tmp_path, "kindle")


def test_a_pasted_export_is_seen_too() -> None:
    assert guess_format(clipping(LANGUAGES["French"][0], "Un.").encode()) == "kindle"
    for file in FIXTURES:
        if FORMATS[name_of(file)].recognises and name_of(file) in HAS:
            assert guess_format(file.read_bytes()) == name_of(file)


def test_a_place_stands_behind_the_title() -> None:
    assert located("Chapter 3", "p. 12") == "Chapter 3, p. 12"
    assert located("", "loc. 3-4") == "loc. 3-4"
    assert located("", "12:34", "A Show") == "A Show, 12:34"
    assert located(" A ", "", "B") == "A"
    assert located("", "", "B") == ""


@given(st.text(max_size=9), st.sampled_from(["p. 12", "p. xvi", "p. 3-4", "loc. 145-147", "12:34", "1:02:03"]))
def test_a_place_comes_off_again(title: str, place: str) -> None:
    assert without_place(located(title, place)) == title.strip()
    assert without_place(located("", place, title)) == title.strip()


@pytest.mark.parametrize("title", ["", "Chapter 3", "On p. 12 and after", "At 12:34 sharp", "Salt, p. 12, again"])
def test_a_title_without_a_place_stays(title: str) -> None:
    assert without_place(title) == title


def test_a_note_about_nothing_is_ones_own_words() -> None:
    both = {"text": "a", "note": "b", "author": "c"}
    assert own_words(both) == both
    assert own_words({"text": " ", "note": "b", "author": "c", "url": "u"}) == {"text": "b", "note": "", "url": "u"}
    assert own_words({"author": "c"}) == {"author": "c"}


ROWS = st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30), min_size=1, max_size=4)


@given(ROWS, ROWS)
def test_any_words_come_back_from_readwise(texts: list[str], notes: list[str]) -> None:
    rows = [(text, notes[at % len(notes)]) for at, text in enumerate(texts) if any(map(str.isalnum, text))]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["Highlight", "Book Title", "Book Author", "Amazon Book ID", "Note", "Highlighted at"])
    writer.writerows([text, "B", "A", "", note, "2024-05-11 10:00:00+00:00"] for text, note in rows)
    items = read_bytes("a.csv", out.getvalue().encode(), "readwise")
    expected: list[Item] = [make_insight(t, note=n, source="B", author="A", date="2024-05-11") for t, n in rows]
    assert items == (expected or [Problem(Path("a.csv"), 0, "There are no rows below the names of the columns.")])


WORDS = st.from_regex(r"[a-zA-Z][a-zA-Z ]{0,20}[a-z]", fullmatch=True)


@given(st.lists(st.tuples(WORDS, WORDS, st.sampled_from(sorted(LANGUAGES))), min_size=1, max_size=5))
def test_any_clippings_come_back(rows: list[tuple[str, str, str]]) -> None:
    content = "".join(clipping(LANGUAGES[language][0], text, book=f"{book} (A)") for text, book, language in rows)
    items = read_bytes("a.txt", content.encode(), "kindle")
    assert [(item.text, item.source) for item in items if isinstance(item, Insight)] == [
        (text, " ".join(book.split())) for text, book, _ in rows
    ]
    assert not problems(items)
