"""Near-duplicates: the same quote twice is linked, two insights on one topic never are."""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from corpus.duplicates import COMMON, LEAST, SKETCH, near, sketch
from corpus.imports import Report
from corpus.insight import Insight, make_insight
from corpus.library import Library, open_library
from rag.config import Config
from rag.pipeline import Pipeline
from rag.write import QuoteWriter
from tests.conftest import sample_insights
from tests.fakes import HashEmbedder, WordReader

WHOLE = "Sourdough keeps longer because acid slows mould. Loaves from Harrow Mill lasted nine days."

SAME = {
    "in capitals, with other marks": WHOLE.upper().replace(".", "!"),
    "in quotation marks": f"“{WHOLE.replace('mould.', 'mould…').replace('longer', 'longer,')}”",
    "in italics": "*Sourdough* keeps longer because acid slows mould.\n_Loaves_ from Harrow Mill lasted nine days.",
    "a word short": WHOLE.removesuffix(" days."),
    "without its last sentence": WHOLE + " Nobody has tried it with rye.",
    "with the middle left out": WHOLE.replace("acid slows mould. Loaves from", "[…]").replace("Sour", "… sour"),
    "broken at a line's end": WHOLE.replace("longer", "lon-\nger"),
}
OTHER = {
    "a number": WHOLE.replace("nine", "ten"),
    "a name": WHOLE.replace("Harrow", "Barrow"),
    "a denial within": WHOLE.replace("slows", "never slows"),
    "a denial before": f"It is a myth that s{WHOLE[1:]}",
    "somebody's doubt before": f"He doubted that s{WHOLE[1:]}",
    "a denial after": WHOLE.removesuffix(".") + " not.",
    "a condition after": WHOLE.removesuffix(".") + " if it was cold.",
    "a closed sentence that goes on": WHOLE.removesuffix(".") + " in the cellar.",
    "the same topic": "Sourdough keeps for days, since its acid slows mould. Ask at Harrow Mill, where loaves last.",
    "half of the words": "Sourdough keeps longer because acid slows mould. Nobody knows why that is so, and few ask.",
}


@pytest.mark.parametrize("kind", SAME)
def test_the_same_quote_is_a_near_duplicate(kind: str) -> None:
    other = SAME[kind]
    assert near(WHOLE, other)
    assert near(other, WHOLE)
    assert set(sketch(WHOLE)) & set(sketch(other)) or kind == "with the middle left out"


@pytest.mark.parametrize("kind", OTHER)
def test_what_differs_in_one_thing_that_matters_is_another_insight(kind: str) -> None:
    assert not near(WHOLE, OTHER[kind])
    assert not near(OTHER[kind], WHOLE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It was -5 degrees in the cellar.", "It was 5 degrees in the cellar."),
        ("It cost 1.5 million in the end.", "It cost 15 million in the end."),
        ("It cost $5 in the end.", "It cost €5 in the end."),
        ("Learn C++ before you are old.", "Learn C# before you are old."),
        ("Do night trains pay off?", "Do night trains pay off."),
        ("Bread rises.", "Bread, rises!"),  # too little to go by
        ("यह कि बात है और कुछ नहीं", "यह की बात है और कुछ नहीं"),
    ],
)
def test_signs_that_mean_something_are_no_punctuation(one: str, other: str) -> None:
    assert not near(one, other)


def test_texts_without_spaces_are_compared_too() -> None:
    text = "日本語の文章です。とても長い文章なので、途中で切れることがあります。"
    assert near(text, text.replace("。", " "))
    assert near(text, text + "そして続きます。")
    assert not near(text, text.replace("長い", "短い"))


def test_a_text_has_few_hashes_and_one_without_words_none() -> None:
    assert len(sketch(WHOLE)) == SKETCH == len(set(sketch(WHOLE)))
    assert len(sketch("Three words here.")) == 1
    assert sketch("") == sketch("…!") == ()


WORDS = st.lists(st.sampled_from("rope tar sea salt bread loaf mill acid mould train wheel clock".split()), min_size=8)
EXTRA = st.sampled_from(["not", "1931", "Harrow", "never", "40", "Brandt", "whale", "without"])


@given(words=WORDS, extra=EXTRA, data=st.data())
def test_no_word_can_be_put_into_a_text_or_stand_for_another(words: list[str], extra: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(words) - 1))
    text = f"The {' '.join(words)} end."
    assert not near(text, f"The {' '.join([*words[:at], extra, *words[at:]])} end.")
    assert not near(text, f"The {' '.join([*words[:at], extra, *words[at + 1 :]])} end.")


@given(
    words=WORDS, marks=st.lists(st.sampled_from([" ", ", ", " – ", "\n", " “", "” ", "; "]), min_size=1), data=st.data()
)
def test_punctuation_makes_no_difference(words: list[str], marks: list[str], data: st.DataObject) -> None:
    other = "".join(word + data.draw(st.sampled_from(marks)) for word in words)
    assert near(" ".join(words), other.upper())


@settings(max_examples=300)
@given(one=st.text(max_size=80), other=st.text(max_size=80))
def test_any_two_texts_can_be_compared(one: str, other: str) -> None:
    assert near(one, other) == near(other, one)
    assert sorted(sketch(one)) == list(sketch(one))


@settings(max_examples=40)
@given(words=st.lists(st.from_regex(r"[a-z]{3,7}", fullmatch=True), min_size=40, max_size=120), share=st.floats(0.6, 1))
def test_a_text_cut_short_is_found_by_its_sketch(words: list[str], share: float) -> None:
    cut = words[: int(len(words) * share)]
    assume(len(cut) >= LEAST)
    # By design one in 240 is missed at this share: those that are don't fail the test, as long as they are few.
    hits = [bool(set(sketch(" ".join(words[n:] + words[:n]))) & set(sketch(" ".join(cut)))) for n in range(3)]
    assert any(hits)


# In the library


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path / "mine.db", create=True) as opened:
        yield opened


def saved(*texts: str) -> list[Insight]:
    return [make_insight(text, insight_id=f"n{number}") for number, text in enumerate(texts, 1)]


def test_they_are_linked_and_told_and_none_is_dropped(library: Library) -> None:
    short, long = saved(WHOLE.removesuffix(" days."), WHOLE)
    assert library.add([short]) == Report(new=1)
    (planned,) = library.preview([long])
    assert planned.near == ("n1",)
    assert library.linked(["n1", "n2"]) == {}
    assert library.add([long]) == Report(new=1, near=(("n2", "n1"),))
    assert library.linked(["n1", "n2", "n3"]) == {"n1": ("n2",), "n2": ("n1",)}
    assert library.count() == 2
    assert library.add([short, long]) == Report(unchanged=2)
    library.undo_import()
    assert library.linked(["n1"]) == {}
    assert library.check() == []


def test_links_follow_the_texts(library: Library) -> None:
    one, other, third = saved(WHOLE, "Quite another text about rope.", WHOLE.upper().replace(".", " !"))
    library.add([one, other])
    library.edit("n2", {"text": WHOLE.replace("mould. L", "mould; l").removesuffix(".")})
    assert library.linked(["n1"]) == {"n1": ("n2",)}
    library.edit("n2", {"title": "A title alone changes no link"})
    assert library.linked(["n1"]) == {"n1": ("n2",)}
    assert library.add([third]) == Report(new=1, near=(("n3", "n1"), ("n3", "n2")))
    library.edit("n2", {"text": "Quite another text about rope."})
    assert library.linked(["n1", "n2"]) == {"n1": ("n3",)}
    library.remove(["n3"])
    assert library.linked(["n1"]) == {}
    assert library.add([replace(third, insight_id="n4")]) == Report(new=1, near=(("n4", "n1"),))
    library.add([replace(one, text="Its source has changed all of it.")])
    assert library.linked(["n1", "n4"]) == {}


def test_a_library_of_an_earlier_version_gets_its_links_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    shutil.copy(Path(__file__).parent / "fixtures" / "libraries" / "v2.db", path)
    with closing(sqlite3.connect(path)) as connection, connection:
        (text,) = connection.execute("SELECT text FROM insights WHERE insight_id = 'rope'").fetchone()
        empty = dict.fromkeys("title author source url date note added_at".split(), "")
        row = {
            "insight_id": "twin",
            "content_id": "twin",
            "text": text.upper().replace(".", "!"),
            "tags": "[]",
            **empty,
        }
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO insights ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    with open_library(path) as library:
        assert library.linked(["rope", "twin", "tar"]) == {"rope": ("twin",), "twin": ("rope",)}
        third = make_insight(text.replace("when", "–  when"), insight_id="third")
        assert library.add([third]) == Report(new=1, near=(("third", "rope"), ("third", "twin")))


def test_a_phrase_of_everybody_s_links_nobody_and_costs_little(library: Library) -> None:
    phrase = "as everybody in the harbour likes to say"
    report = library.add(make_insight(f"{phrase} {n}", insight_id=f"p{n}") for n in range(3 * COMMON))
    assert report == Report(new=3 * COMMON)


PIECES = [
    WHOLE,
    WHOLE.removesuffix(" days."),
    WHOLE.upper().replace(".", "!"),
    WHOLE + " Twice.",
    "Rope is another thing.",
]


@settings(max_examples=40)
@given(imports=st.lists(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(PIECES)), max_size=5), max_size=4))
def test_the_dry_run_links_what_the_import_links(
    imports: list[list[tuple[str, str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    from corpus.imports import reported

    with open_library(tmp_path_factory.mktemp("n") / "l.db", create=True) as library:
        for pairs in imports:
            items = [make_insight(text, insight_id=insight_id) for insight_id, text in pairs]
            assert reported(library.preview(items)) == library.add(items)
        insights = library.insights()
        linked = library.linked([insight.insight_id for insight in insights])
        for one in insights:
            twins = {o.insight_id for o in insights if o != one and near(one.text, o.text)}
            assert set(linked.get(one.insight_id, ())) == twins


def answer_ids(insights: Sequence[Insight], tmp_path: Path, question: str) -> list[str]:
    with open_library(tmp_path / "asked.db", create=True) as library:
        library.add(insights)
        pipeline = Pipeline(library, Config(), HashEmbedder(), WordReader(), QuoteWriter("", Config()))
        answer = pipeline.ask(question)
        return [item.hit.insight.insight_id for item in answer.evidence] or [
            h.insight.insight_id for h in answer.nearest
        ]


@pytest.mark.parametrize(
    "question",
    ["Do Harrow Mill loaves keep longer, nine days?", "What of tungsten mould?", "What did I save from Crumb?"],
)
def test_two_near_duplicates_never_take_two_places(question: str, tmp_path: Path) -> None:
    insights = sample_insights()
    again = replace(insights[3], insight_id="s4-again", text=insights[3].text.removesuffix("."))
    found = answer_ids([*insights, again], tmp_path, question)
    assert len({"s4", "s4-again"} & set(found)) == 1, found
