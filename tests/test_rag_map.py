"""The map: places by meaning, regions with their words, and a cache that can always be made again."""

import random
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.insight import Insight, make_insight
from corpus.library import open_library
from rag import map as places
from rag.map import make_map, open_map
from tests.fakes import HashEmbedder

TOPICS = {
    "bread": "sourdough yeast oven crust baker flour dough loaf".split(),
    "rail": "locomotive sleeper freight signal timetable platform carriage conductor".split(),
    "sky": "telescope comet orbit nebula eclipse galaxy meteor satellite".split(),
}


def topical(each: int, topics: Sequence[str] = tuple(TOPICS)) -> list[Insight]:
    """So many insights of each topic, shuffled; an insight holds five of its topic's words."""
    draw = random.Random(3)
    insights = [
        make_insight(f"{' '.join(draw.sample(TOPICS[topic], 5))} number {n}", insight_id=f"{topic}-{n}")
        for topic in topics
        for n in range(each)
    ]
    draw.shuffle(insights)
    return insights


def vectors_of(insights: Sequence[Insight]) -> np.ndarray:
    return HashEmbedder().encode_document([insight.text for insight in insights])


def purity(insights: Sequence[Insight], each: int) -> float:
    """The share of points whose nearest one on the map has the same topic."""
    found = make_map(insights, vectors_of(insights))
    plane = np.array([(p.x, p.y) for p in found.points])
    apart = ((plane[:, None] - plane) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    topic = [p.insight_id.partition("-")[0] for p in found.points]
    return float(np.mean([topic[i] == topic[j] for i, j in enumerate(apart.argmin(axis=1))]))


def test_what_is_alike_lies_together() -> None:
    assert purity(topical(60), 60) > 0.95
    assert purity(topical(4), 4) > 0.7, "by the principal axes alone"


def test_the_same_vectors_give_the_same_map() -> None:
    insights = topical(20)
    assert make_map(insights, vectors_of(insights), "r") == make_map(insights, vectors_of(insights), "r")


def test_more_than_find_their_places_together_follow_their_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PLACED", 90)
    assert purity(topical(60), 60) > 0.9


def test_regions_are_named_by_words_of_their_own() -> None:
    insights = topical(40)
    found = make_map(insights, vectors_of(insights))
    topic_of = {word: topic for topic, held in TOPICS.items() for word in held}
    for number, region in enumerate(found.regions):
        inside = [p.insight_id.partition("-")[0] for p in found.points if p.region == number]
        main = max(set(inside), key=inside.count)
        assert region.words
        assert topic_of[region.words[0]] == main
    said = [word for region in found.regions for word in region.words]
    assert len(said) == len(set(said)), "no word names two regions"


def test_a_word_is_spelled_as_most_spell_it() -> None:
    insights = [make_insight(text) for text in ("The Bakers rise", "All Bakers rise", "A baker slept")]
    found = make_map(insights, vectors_of(insights))
    assert "Bakers" in found.regions[0].words


@given(st.integers(0, 70), st.integers(1, 12), st.integers(0, 99))
def test_every_insight_has_a_place(count: int, dimensions: int, seed: int) -> None:
    random_ = np.random.default_rng(seed)
    vectors = random_.normal(size=(count, dimensions)).astype(np.float32)
    vectors = np.repeat(vectors[: max(1, count // 2)], 2, axis=0)[:count]  # every other one is there twice
    insights = [make_insight(f"insight {n}", insight_id=f"i{n}") for n in range(len(vectors))]
    found = make_map(insights, vectors, "r")
    assert [p.insight_id for p in found.points] == [i.insight_id for i in insights]
    assert all(0 <= p.x <= 1 and 0 <= p.y <= 1 for p in found.points)
    counts = [sum(p.region == n for p in found.points) for n in range(len(found.regions))]
    assert counts == [region.count for region in found.regions]
    assert counts == sorted(counts, reverse=True)
    assert 0 not in counts


def test_no_point_lies_upon_another() -> None:
    insights = topical(30)
    same = np.repeat(vectors_of(insights)[:1], len(insights), axis=0)
    for vectors in (same, vectors_of(insights)):
        plane = np.array([(p.x, p.y) for p in make_map(insights, vectors).points])
        apart = ((plane[:, None] - plane) ** 2).sum(axis=2) ** 0.5
        np.fill_diagonal(apart, 1.0)
        assert apart.min() > 0.01


# -------------------------------------------------------------------------------------------------------- the cache


def test_a_map_is_made_once_for_each_state(six: Path, embedder: HashEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_library(six) as library:
        made = open_map(library, embedder)
        assert {p.insight_id for p in made.points} == {f"s{n}" for n in range(1, 7)}
        assert open_map(library, embedder, made) is made
        with monkeypatch.context() as patched:
            patched.setattr(places, "make_map", None)  # it isn't called
            assert open_map(library, embedder) == made
        library.add([make_insight("A seventh one, of rope.", insight_id="s7")])
        later = open_map(library, embedder, made)
        assert "s7" in {p.insight_id for p in later.points}
        library.remove(["s7"])
        assert len(open_map(library, embedder, later).points) == 6


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"form": 1', "\x00", "endless"])
def test_a_damaged_file_is_made_again(six: Path, embedder: HashEmbedder, damage: str) -> None:
    file = six.with_name(f"{six.name}.map")
    with open_library(six) as library:
        made = open_map(library, embedder)
        text = file.read_text(encoding="utf-8")
        endless = re.sub(r"\], \d+, ", "], Infinity, ", text)  # as many insights in each region
        file.write_text(endless if damage == "endless" else damage, encoding="utf-8")
        assert open_map(library, embedder) == made
        assert "regions" in file.read_text(encoding="utf-8")


def test_places_out_of_the_map_are_not_believed(six: Path, embedder: HashEmbedder) -> None:
    file = six.with_name(f"{six.name}.map")
    with open_library(six) as library:
        made = open_map(library, embedder)
        text = file.read_text(encoding="utf-8")
        x = made.points[0].x
        file.write_text(text.replace(f'"s1", {x}', '"s1", 7.5'), encoding="utf-8")
        assert file.read_text(encoding="utf-8") != text
        assert open_map(library, embedder) == made


def test_another_embedder_has_another_map(six: Path, embedder: HashEmbedder) -> None:
    class Other(HashEmbedder):
        fingerprint = "another"

        def encode_document(self, texts: Sequence[str]) -> np.ndarray:
            return super().encode_document([text[::-1] for text in texts])

    with open_library(six) as library:
        assert open_map(library, embedder).points != open_map(library, Other()).points


def test_without_a_place_for_the_file_there_is_a_map_all_the_same(six: Path, embedder: HashEmbedder) -> None:
    six.with_name(f"{six.name}.map").mkdir()
    with open_library(six) as library:
        assert len(open_map(library, embedder).points) == 6
    assert not list(six.parent.glob(".*map*"))


def test_a_long_insight_is_one_point(six: Path, embedder: HashEmbedder) -> None:
    with open_library(six) as library:
        library.add(
            [make_insight(" ".join(f"Sentence {n} tells of {n} sheds." for n in range(200)), insight_id="long")]
        )
        assert len(library.keys_of("long")) > 1
        assert [p.insight_id for p in open_map(library, embedder).points].count("long") == 1
