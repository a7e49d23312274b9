"""Several texts with one beginning, through a causal model in one pass: the beginning is read once.

Tokens form a tree of spans. A token sees its own span up to itself and the spans above it, and counts its position on
that path, so that every path from the root means exactly what it would mean alone (tree attention: Miao et al. 2023,
SpecInfer).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Tree:
    """Begin with the root; everything else hangs below a span that is there."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)  # of each token on its own path
    spans: list[tuple[int, int, int]] = field(default_factory=list)  # start, end, the parent's place here (-1: none)

    def grow(self, tokens: Sequence[int], parent: int = -1) -> int:
        """Hang tokens, at least one, below the span `parent`; returns the new span's place."""
        start = len(self.tokens)
        first = self.positions[self.spans[parent][1] - 1] + 1 if parent >= 0 else 0
        self.tokens.extend(tokens)
        self.positions.extend(range(first, first + len(tokens)))
        self.spans.append((start, len(self.tokens), parent))
        return len(self.spans) - 1

    def last(self, span: int) -> int:
        """The place of the span's last token."""
        return self.spans[span][1] - 1


def shared(paths: Sequence[Sequence[int]]) -> int:
    """How many tokens all paths begin with, so that each still has one of its own."""
    count = min(map(len, paths)) - 1
    while any(list(path[:count]) != list(paths[0][:count]) for path in paths):
        count -= 1
    return count


def plant(paths: Sequence[Sequence[int]]) -> tuple[Tree, list[int]]:
    """The tree of the paths, and the span in which each of them ends. Each needs two tokens and the same first one."""
    count = shared(paths)
    tree = Tree()
    root = tree.grow(paths[0][:count])
    return tree, [tree.grow(path[count:], root) for path in paths]


def hidden(model: Any, trees: Sequence[Tree]) -> Any:
    """The last layer's vectors, shape (trees, tokens of the longest, width). `model` is the causal one without its head
    for tokens.
    """
    import torch

    longest = max(len(tree.tokens) for tree in trees)
    ids, positions = torch.zeros((2, len(trees), longest), dtype=torch.long)
    seen = torch.eye(longest, dtype=torch.bool).repeat(len(trees), 1, 1)  # padding sees itself alone
    for n, tree in enumerate(trees):
        ids[n, : len(tree.tokens)] = torch.tensor(tree.tokens)
        positions[n, : len(tree.tokens)] = torch.tensor(tree.positions)
        for start, end, parent in tree.spans:
            seen[n, start:end, start:end] = torch.ones(end - start, end - start, dtype=torch.bool).tril()
            while parent >= 0:
                first, last, parent = tree.spans[parent]
                seen[n, start:end, first:last] = True
    mask = torch.zeros(seen.shape, dtype=model.dtype).masked_fill(~seen, torch.finfo(model.dtype).min)[:, None]
    return model(
        input_ids=ids.to(model.device),
        position_ids=positions.to(model.device),
        attention_mask=mask.to(model.device),
        use_cache=False,
    ).last_hidden_state
