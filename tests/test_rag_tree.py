"""Texts with one beginning, read in one pass: each means what it means alone."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.tree import Tree, hidden, plant, shared
from tests.fakes import tiny_llama

PATHS = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=6).map(lambda path: [7, *path]), min_size=1)


@given(paths=PATHS)
def test_what_is_shared_is_the_longest_beginning_that_leaves_each_a_token(paths: list[list[int]]) -> None:
    count = shared(paths)
    assert count >= 1
    assert len({tuple(path[:count]) for path in paths}) == 1
    assert all(len(path) > count for path in paths)
    longer = {tuple(path[: count + 1]) for path in paths}
    assert len(longer) > 1 or any(len(path) == count + 1 for path in paths)


@given(paths=PATHS)
def test_every_path_is_in_the_tree(paths: list[list[int]]) -> None:
    tree, ends = plant(paths)
    for path, end in zip(paths, ends, strict=True):
        start, last, parent = tree.spans[end]
        first, above, root = tree.spans[parent]
        assert tree.tokens[first:above] + tree.tokens[start:last] == path
        assert tree.positions[first:above] + tree.positions[start:last] == [*range(len(path))]
        assert (root, tree.last(end)) == (-1, last - 1)


@pytest.mark.parametrize("seed", range(5))
def test_a_token_sees_its_own_path_alone(seed: int) -> None:
    import torch

    rng = random.Random(seed)
    model = tiny_llama(3).model
    trees, paths = [], []
    for n in range(3):  # of different sizes: the small ones are padded
        tree = Tree()
        known = [tree.grow(rng.choices(range(1, 32), k=3))]
        for _ in range(2 * n):
            known.append(tree.grow(rng.choices(range(1, 32), k=rng.randint(1, 3)), rng.choice(known[:3])))
        trees.append(tree)
        for span in known:
            path: list[int] = []
            above = span
            while above >= 0:
                start, end, above = tree.spans[above]
                path = tree.tokens[start:end] + path
            paths.append((n, tree.last(span), path))
    with torch.no_grad():
        together = hidden(model, trees)
        for n, place, path in paths:
            alone = model(input_ids=torch.tensor([path])).last_hidden_state[0, -1]
            np.testing.assert_allclose(together[n, place], alone, atol=1e-5)
