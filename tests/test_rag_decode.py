"""Decoding that copies: words of the source only, and a guess changes the speed, never the words."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.decode import LOOKUP, Copied, decode, looked_up
from rag.stop import Interrupted, until, watched
from tests.fakes import tiny_llama

SOURCE = "Perrin Achterberg staged 312 mock land sales: sellers earned 11% above the median of $4,865. Why?"


@pytest.mark.parametrize(
    ("text", "piece", "allowed"),
    [
        ("", "Sellers", True),
        ("They met", " Perrin", True),
        ("They met", " Per", True),  # it may still become Perrin
        ("They met", " Petra", False),
        ("They met Per", "kins", False),
        ("They staged", " 3", True),
        ("They staged 3", "12", True),
        ("They staged 3", "21", False),
        ("They staged 31", " sales", False),  # 31 was only a beginning
        ("", "He", False),  # the source doesn't say who is a man
        ("They met", " her", False),
        ("There", " were", True),
        ("They earned 11", "%", True),
        ("They earned", " 11 per cent", True),
        ("a median of $4", ",", True),
        ("a median of 4,8", "65", True),
        ("a median of 4,9", "00", False),
        ("It rose. ", "However", True),  # a capital that begins a sentence is no name
        ("It is", " unrelated", True),  # plain words are the verifier's business
        ("Achterberg", "'s sales", True),
    ],
)
def test_names_and_numbers_are_those_of_the_source(text: str, piece: str, allowed: bool) -> None:
    assert Copied(SOURCE).allows(text, piece) is allowed


@given(text=st.text(max_size=60), cut=st.integers(0, 60))
def test_a_source_may_be_copied_from_its_beginning(text: str, cut: int) -> None:
    said = " ".join(text.split())
    assert Copied(said).allows(said[:cut], said[cut : cut + 5])


def test_what_followed_before_is_looked_up() -> None:
    assert looked_up([1, 2, 3, 4, 5, 2, 3]) == [4, 5, 2, 3]
    assert looked_up([1, 2, 3]) == []
    assert looked_up([9, 1, 2, 3, 7, 7, 1, 2, 3, 8, 8, 4, 1, 2, 3]) == [8, 8, 4, 1, 2, 3]  # the latest one
    assert len(looked_up([*range(40), 1, 2])) == LOOKUP


class Cache:
    is_croppable = True

    def __init__(self) -> None:
        self.length = 0

    def crop(self, count: int) -> None:
        self.length += count


class Reciter:
    """A model that recites a fixed text of token numbers, whatever it is asked; it counts its passes."""

    device = "cpu"

    def __init__(self, prompt: list[int], text: list[int]) -> None:
        self.tokens, self.passes = [*prompt, *text], 0

    def __call__(self, input_ids: Any, cache: Cache | None, use_cache: bool, logits_to_keep: int) -> Any:
        import torch

        self.passes += 1
        cache = cache or Cache()
        cache.length += input_ids.shape[1]
        logits = torch.zeros(1, logits_to_keep, 100)
        for n in range(logits_to_keep):
            at = cache.length - logits_to_keep + n + 1
            logits[0, n, self.tokens[at] if at < len(self.tokens) else 99] = 1.0

        class Out:
            pass

        out: Any = Out()
        out.logits, out.cache = logits, cache
        return out


class Anything(Copied):
    def allows(self, text: str, piece: str) -> bool:
        return True


class Letters:
    def decode(self, tokens: list[int], skip_special_tokens: bool = False) -> str:
        return "".join(chr(32 + token) for token in tokens)


def recited(prompt: list[int], text: list[int], limit: int = 50) -> tuple[list[int], int]:
    model = Reciter(prompt, text)
    steps = list(decode(model, Letters(), prompt, {99}, limit, Anything(""), lambda: False))
    return steps[-1][0] if steps else [], model.passes


@given(prompt=st.lists(st.integers(1, 6), min_size=1, max_size=30), text=st.lists(st.integers(1, 6), max_size=30))
def test_a_guess_never_changes_the_words(prompt: list[int], text: list[int]) -> None:
    assert recited(prompt, text)[0] == text


def test_copying_takes_fewer_passes() -> None:
    prompt = list(range(1, 40))
    # two tokens before there is anything to look up, then nine a pass
    assert recited(prompt, prompt[4:34]) == (prompt[4:34], 2 + 4)


def test_the_limit_holds_within_a_guess() -> None:
    prompt = list(range(1, 40))
    assert recited(prompt, prompt[4:34], limit=7)[0] == prompt[4:11]


def test_a_stop_takes_effect_at_the_next_pass() -> None:
    asked: Iterator[bool] = iter([False, True])
    model = Reciter([1], [2, 3, 4])
    steps = list(decode(model, Letters(), [1], {99}, 50, Anything(""), lambda: next(asked)))
    assert [written for written, _ in steps] == [[2]]


def test_a_long_prompt_is_given_up_between_two_layers() -> None:
    import torch

    model, asked = watched(tiny_llama(6)), [0]

    def at_the_third_layer() -> bool:
        asked[0] += 1
        return asked[0] >= 3

    with pytest.raises(Interrupted), until(at_the_third_layer):
        model(torch.tensor([[1, 2, 3]]))
    assert asked == [3]
    model(torch.tensor([[1, 2, 3]]))  # outside, and in other threads, nobody looks
    assert asked == [3]


def test_a_stop_within_the_prompt_writes_nothing() -> None:
    asked = [0]

    def in_the_second_layer() -> bool:
        asked[0] += 1
        return asked[0] >= 3  # the first is asked before the pass

    assert list(decode(watched(tiny_llama(6)), Letters(), [1, 2], {99}, 50, Anything(""), in_the_second_layer)) == []
    assert asked == [3]
