"""Greedy decoding for answers that mostly copy: faster, and with names and numbers only as the prompt has them.

Prompt lookup (Saxena 2023): where the last words written stand in the prompt too, what follows there is a good guess,
and a guess of several tokens costs one forward pass to check. The words are the same as without it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from rag.stop import Interrupted, until

LOOKUP = 8  # tokens guessed at once
TRIED = 24  # likeliest tokens tried before the end is forced
_GENDERED = frozenset("he she him his her hers himself herself".split())  # who that is the source must say
_EDGES = "\"'“”‘’()[]{}.,;:!?…—–-$€£%*"


class Guide(Protocol):
    """What a text may become while it grows."""

    @property
    def least(self) -> float:
        """The probability below which a word is none that the model means: the text ends where it is."""

    def allows(self, text: str, piece: str) -> bool:
        """May `piece` follow `text`?"""

    def ends(self, text: str) -> bool:
        """May the text end here?"""


class Copied:
    """Whether a text keeps to a source: each word with a digit or a capital must stand in it, and so must he or she."""

    least = 0.0

    def __init__(self, source: str) -> None:
        self._chunks = {form for chunk in source.split() for form in (chunk.casefold(), chunk.casefold().strip(_EDGES))}
        self._chunks |= {part for chunk in self._chunks for part in re.split(r"[-–—/’']", chunk) if part}
        self._beginnings = {chunk[:n] for chunk in self._chunks for n in range(1, len(chunk) + 1)}

    def ends(self, text: str) -> bool:
        """Anywhere."""
        return True

    def allows(self, text: str, piece: str) -> bool:
        """A word that is still growing must be the beginning of one in the source."""
        before = text.rstrip()
        start = max(text.rfind(" "), text.rfind("\n")) + 1
        chunks = re.findall(r"\S+", text[start:] + piece)
        grown = not (text + piece)[-1:].isspace()
        for n, chunk in enumerate(chunks):
            first = start == 0 or before[:start].rstrip()[-1:] in ".!?:" if n == 0 else chunks[n - 1][-1:] in ".!?:"
            bare = chunk.casefold().strip(_EDGES)
            if bare in _GENDERED and bare not in self._chunks:
                return False  # at once: what else may begin like that is seldom meant
            if not re.search(r"\d", chunk) and (first or not re.search(r"[A-Z]", chunk)):
                continue
            if grown and n == len(chunks) - 1 and (chunk.casefold() in self._beginnings or bare in self._beginnings):
                continue
            if bare and not all(part in self._chunks for part in (bare, *re.split(r"[-–—/]", bare)) if part):
                return False
        return True


def decode(
    model: Any,
    tokenizer: Any,
    prompt: Sequence[int],
    ends: set[int],
    limit: int,
    guide: Guide,
    stopped: Callable[[], bool],
) -> Iterator[tuple[list[int], str]]:
    """The tokens written so far and their text, once for each forward pass; ends early once `stopped()` is true."""
    import torch

    written: list[int] = []
    text = ""
    past: Any = None
    step = list(prompt)
    while len(written) < limit and not stopped():
        guess = looked_up([*prompt, *written]) if past is not None and past.is_croppable else []
        try:
            with torch.inference_mode(), until(stopped):
                ids = torch.tensor([[*step, *guess]], device=model.device)
                out = model(input_ids=ids, cache=past, use_cache=True, logits_to_keep=len(guess) + 1)
        except Interrupted:
            return
        past = out.cache
        kept = 0
        for position in range(len(guess) + 1):
            best = _best(out.logits[0, position], tokenizer, text, ends, guide)
            if best in ends:
                if kept:  # of this pass: what was there before has been told
                    yield written, text
                return
            written.append(best)
            text = tokenizer.decode(written, skip_special_tokens=True)
            if position == len(guess) or best != guess[position] or len(written) >= limit:
                break
            kept += 1
        if kept < len(guess):
            past.crop(kept - len(guess))
        step = written[-1:]
        yield written, text


def _best(logits: Any, tokenizer: Any, text: str, ends: set[int], guide: Guide) -> int:
    """The likeliest token that the guide allows; an end if none of the likely ones is."""
    likely = logits.float().softmax(-1).topk(TRIED)
    for share, token in zip(likely.values.tolist(), likely.indices.tolist(), strict=True):
        if token in ends and guide.ends(text):
            return int(token)
        if token not in ends and guide.allows(text, tokenizer.decode([token])):
            return int(token) if share >= guide.least else min(ends)
    return min(ends)


def looked_up(tokens: Sequence[int], longest: int = 3) -> list[int]:
    """What followed the last few tokens where they stood before; the longest match wins, empty if there is none."""
    for size in range(longest, 1, -1):
        tail = list(tokens[-size:])
        for at in range(len(tokens) - size - 1, -1, -1):
            if list(tokens[at : at + size]) == tail:
                return list(tokens[at + size : at + size + LOOKUP])
    return []
