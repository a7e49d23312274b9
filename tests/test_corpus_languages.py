"""Any language: its words are found, its sentences are cut, and nothing of it is lost."""

import sqlite3
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus.insight import make_insight
from corpus.language import language_of
from corpus.library import Library, open_library
from corpus.passages import sentences, split_passages
from corpus.unspaced import CHARACTER, set_apart, stretches_of, terms_of, words_of

TEXTS = {
    "german": "Ein Buch braucht Straßen und Größe; z.B. zählte Dr. Müller am 3. Mai Überläufer. Es war nicht leicht.",
    "french": "L'élève préféré apprend ses leçons naïvement. Il n'est pas le seul.",
    "russian": "Верёвка сжимается, когда она мокрая. Это знает каждый моряк.",
    "greek": "Ο λόγος του ναυτικού είναι ότι το σχοινί μαζεύει. Τίποτα άλλο.",
    "arabic": "الحبل ينكمش عندما يبتل. يعرف كل بحار هذا.",
    "hindi": "गीली होने पर रस्सी सिकुड़ती है। हर नाविक यह जानता है।",
    "chinese": "绳子湿了会收缩。每个水手都知道这一点，人工智能不知道。",
    "japanese": "縄は濡れると縮む。港の船乗りは東京都でもそれを知っている。",
    "korean": "밧줄은 젖으면 줄어든다. 모든 선원은 이것을 안다.",
    "thai": "เชือกหดตัวเมื่อเปียกน้ำ กะลาสีทุกคนรู้เรื่องนี้",
}
WORDS = [  # of a text, as a person would type them
    *(("german", word) for word in ("Straßen", "überläufer", "Müller")),
    *(("french", word) for word in ("élève", "lecons", "naivement")),
    *(("russian", word) for word in ("верёвка", "моряк")),
    *(("greek", word) for word in ("λόγος", "σχοινί")),
    *(("arabic", word) for word in ("الحبل", "بحار")),
    *(("hindi", word) for word in ("रस्सी", "नाविक")),
    *(("chinese", word) for word in ("水手", "人工智能", "绳")),
    *(("japanese", word) for word in ("船乗り", "東京", "縄")),
    *(("korean", word) for word in ("밧줄", "선원")),
    *(("thai", word) for word in ("เชือก", "น้ำ", "กะลาสี")),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with open_library(tmp_path_factory.mktemp("languages") / "ten.db", create=True) as library:
        library.add(
            make_insight(text, insight_id=name, title="人工知能" * (name == "thai")) for name, text in TEXTS.items()
        )
        yield library


def found(library: Library, query: str) -> list[str]:
    keys = [key for key, _ in library.lexical(query, 10)]
    return [insight.insight_id for _, insight in library.passages(keys).values()]


@pytest.mark.parametrize(("language", "word"), WORDS)
def test_a_word_finds_its_text_first(language: str, word: str, library: Library) -> None:
    assert found(library, word)[0] == language
    assert language in [insight.insight_id for insight in library.insights(word)]


def test_a_word_of_hindi_is_not_taken_to_pieces(library: Library) -> None:
    assert found(library, "रस") == []  # "juice", the first letters of "rope"


def test_a_question_without_spaces_finds_what_it_shares_words_with(library: Library) -> None:
    assert found(library, "水手知道绳子会收缩吗？")[0] == "chinese"
    assert found(library, "濡れた縄はどうなりますか")[0] == "japanese"


def test_details_in_such_a_script_are_found_and_kept_in_step(tmp_path: Path) -> None:
    with open_library(tmp_path / "own.db", create=True) as library:
        library.add([make_insight("Rope shrinks.", insight_id="r", author="山田太郎")])
        assert found(library, "太郎") == ["r"]
        library.edit("r", {"author": "鈴木花子", "note": "縄の話"})
        assert found(library, "太郎") == []
        assert found(library, "花子") == found(library, "の話") == ["r"]
        assert library.check() == []
        library.remove(["r"])
        assert found(library, "花子") == []


def test_the_words_of_a_selection_must_stand_side_by_side(library: Library) -> None:
    assert [insight.insight_id for insight in library.insights("都知道")] == ["chinese"]
    assert library.insights("道知都") == []


def test_words_and_terms_of_mixed_text() -> None:
    assert words_of("中国的AI手机 2024年 茶 कि snake_case") == "中 国|国 的|AI|手 机|2024|年|茶|कि|snake_case".split(
        "|"
    )
    assert stretches_of("中国的AI手机") == ["中 国 的", "AI", "手 机"]
    assert list(terms_of("中国的AI a_b")) == ["中", "国", "的", "中国", "国的", "AI", "a", "b"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
@example("中a文b" * 150)
@example("가\u0301ก็ค\U00020000")
def test_setting_apart_adds_spaces_and_nothing_else(text: str) -> None:
    with sqlite3.connect(":memory:") as connection:
        ((made,),) = connection.execute(f"SELECT {set_apart('?')}", (text,))
    connection.close()
    assert made.replace(" ", "") == text.replace(" ", "")
    words = [word for part in made.split() for word in part]
    assert all(f" {c} " in made for c in words if "\u4e00" <= c <= "\u9fff" or "가" <= c <= "힣")


def test_the_ranges_are_letters_and_marks() -> None:
    inside = CHARACTER[1:-1]
    for first, last in ((inside[n], inside[n + 2]) for n in range(0, len(inside), 3)):
        kinds = {unicodedata.category(chr(n))[0] for n in range(ord(first), ord(last) + 1)}
        assert kinds.isdisjoint("PZ"), hex(ord(first))


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("これは本です。あれはペンですか？はい！", ["これは本です。", "あれはペンですか？", "はい！"]),
        ("राम घर गया। सीता आई॥", ["राम घर गया।", "सीता आई॥"]),
        ("ماذا حدث؟ لا شيء.", ["ماذا حدث؟", "لا شيء."]),
        ("Τι έγινε; Τίποτα.", ["Τι έγινε;", "Τίποτα."]),
        (TEXTS["german"], [TEXTS["german"][:-21], "Es war nicht leicht."]),
    ],
)
def test_sentences_end_where_the_language_ends_them(text: str, cut: list[str]) -> None:
    assert [text[a:b] for a, b in sentences(text)] == cut


@pytest.mark.parametrize("language", ["german", "russian", "greek", "arabic", "hindi", "french"])
def test_a_language_is_told_from_english(language: str) -> None:
    assert language_of(TEXTS[language]) == {"german": "de", "russian": "ru", "greek": "el", "french": "fr"}.get(
        language, language[:2]
    )


@given(st.text(max_size=200))
def test_any_text_has_a_language(text: str) -> None:
    assert len(language_of(text)) == 2


def test_an_english_text_with_foreign_words_is_english() -> None:
    assert language_of("The maxim “das ist nicht so” is of the sort that is quoted and not read.") == "en"
    assert language_of("Über Öltücher") == "en"


@given(st.lists(st.sampled_from([*TEXTS.values(), "กิ", "ี", "က", "👩‍👩‍👧", "e\u0301", " "]), min_size=1, max_size=60))
def test_passages_lose_nothing_in_any_script(parts: list[str]) -> None:
    insight = make_insight("".join(parts) + "x", insight_id="i")
    kept = "".join(part.text for part in split_passages(insight))
    assert "".join(kept.split()) == "".join(insight.text.split())


def test_thai_is_cut_by_about_as_many_words_as_other_scripts() -> None:
    parts = split_passages(make_insight("กะลาสีทุกคนรู้เรื่องนี้" * 100, insight_id="t"))
    assert all(len(part.text) <= 5 * 120 * 1.5 for part in parts)
