"""Teaches SmolLM2-135M-Instruct, by LoRA, three things at once: to word one insight as the answer to a question, to
tell whether the insight answers it, and whether the insight supports a sentence.

The two judgements are linear heads: the first on the prompt's last token, the second on the token that ends the
sentence, so that both come out of the passes that writing makes anyway.
"""

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rag.chat import HEADS
from rag.config import Config
from rag.judge import NOTE_TOKENS
from rag.lora import SCALE
from rag.models import best_device, put_in
from rag.prompt import build_prompt
from rag.train.loop import Say, batched, run, save
from rag.train.sheets import Lesson, Sheet, lesson
from rag.tree import hidden
from rag.write import TransformersWriter

BASE = "SmolLM2-135M-Instruct"
RATE = 1e-3
RANK = 16
FIRST_LAYER = 10  # of 30: the lower ones see words, which mean what they did
BATCH = 2  # sheets, of some 15 judgements and 4 sentences each
MAX_TOKENS = 1000  # of a sheet: its last branches are left out


class Learner:
    """The model while it is taught: its deltas and heads are what learns."""

    def __init__(self, seed: int) -> None:
        import torch

        torch.manual_seed(seed)
        self.writer = TransformersWriter(BASE, Config())
        self.chat = self.writer.chat
        adapt(self.chat.model)
        self.chat.model.to(best_device())
        self.heads = torch.nn.Linear(self.chat.model.config.hidden_size, len(HEADS))
        torch.nn.init.zeros_(self.heads.weight)
        self.heads.to(best_device())

    def lesson(self, sheet: Sheet) -> Lesson:
        """The sheet's tokens, as many branches as fit."""
        sentences = {s for branch in sheet.branches for s in (*branch.supported, *branch.unsupported)}
        tokenizer = self.chat.tokenizer
        tokens_of = {
            s: [*tokenizer.encode(s, add_special_tokens=False), tokenizer.eos_token_id] for s in sorted(sentences)
        }
        prompts = [self.chat.encode(build_prompt(b.question, sheet.text, NOTE_TOKENS)) for b in sheet.branches]
        for kept in range(len(prompts), 0, -1):
            made = lesson(prompts[:kept], sheet.branches[:kept], tokens_of)
            if length(made) <= MAX_TOKENS:
                break
        return made

    def hidden(self, lessons: Sequence[Lesson]) -> Any:
        """The last layer's vectors, shape (lessons, tokens of the longest, width)."""
        return hidden(self.chat.model.model, [made.tree for made in lessons])

    def judged(self, lessons: Sequence[Lesson], vectors: Any) -> list[tuple[Any, Any]]:
        """For each head the logits and the labels of all lessons."""
        import torch

        found = []
        for head, rows in enumerate(([made.answers for made in lessons], [made.supports for made in lessons])):
            places = [(n, place, label) for n, row in enumerate(rows) for place, label in row]
            at, places_, labels = zip(*places, strict=True) if places else ((), (), ())
            logits = self.heads(vectors[list(at), list(places_)].float())[:, head]
            found.append((logits, torch.tensor(labels, device=logits.device)))
        return found

    def loss(self, lessons: Sequence[Lesson]) -> Any:
        """Of the sentences' tokens, and of both judgements, each as a mean."""
        import torch

        vectors = self.hidden(lessons)
        total = 0.0
        for logits, labels in self.judged(lessons, vectors):
            if len(labels):
                total = total + torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
        told = [(n, place, token) for n, made in enumerate(lessons) for place, token in made.told]
        if told:
            at, places, tokens = zip(*told, strict=True)
            logits = self.chat.model.lm_head(
                vectors[list(at), list(places)]
            ).float()  # only there: the vocabulary is large
            total = total + torch.nn.functional.cross_entropy(logits, torch.tensor(tokens, device=logits.device))
        return total


def adapt(model: Any) -> None:
    """Freeze the model, and give each linear layer from FIRST_LAYER on a delta: its parameters A and B, the only ones
    that learn.
    """
    import torch

    for parameter in model.parameters():
        parameter.requires_grad = False
    for layer in (module for upper in model.model.layers[FIRST_LAYER:] for module in upper.modules()):
        if isinstance(layer, torch.nn.Linear):
            inputs, outputs = layer.in_features, layer.out_features
            layer.register_parameter("A", torch.nn.Parameter(torch.randn(RANK, inputs) / math.sqrt(inputs)))
            layer.register_parameter("B", torch.nn.Parameter(torch.zeros(outputs, RANK)))
            layer.register_forward_hook(_with_delta)


def _with_delta(layer: Any, inputs: tuple[Any], output: Any) -> Any:
    (x,) = inputs
    return output + SCALE * (x @ layer.A.T.to(x.dtype)) @ layer.B.T.to(x.dtype)


def train(
    passes: Sequence[Sequence[Sheet]], out: Path, judge: Callable[[Learner], str], say: Say, seed: int = 0
) -> None:
    """Writes the deltas and the heads to `out`. Each pass has sheets and a fall of the rate of its own."""
    learner = Learner(seed)
    modules = {"": learner.chat.model, "heads": learner.heads}
    done = [out.with_suffix(f".{number}") for number in range(1, len(passes))] + [out]
    for number, (sheets, file) in enumerate(zip(passes, done, strict=True), 1):
        if file.exists() and file != out:  # a run that was stopped in a later pass
            put_in({"model": learner.chat.model.model, "heads": learner.heads}, file)
            continue
        lessons = [learner.lesson(sheet) for sheet in sheets]
        say(f"pass {number}: {len(lessons)} sheets, {sum(map(length, lessons)):,} tokens")
        batches = batched(lessons, length, BATCH, random.Random(seed + number - 1))
        run(batches, learner.loss, modules, RATE, file.with_suffix(f".{number}part"), say, lambda: judge(learner), 200)
        save(modules, file)
    for file in done[:-1]:
        file.unlink()


def length(made: Lesson) -> int:
    """In tokens."""
    return len(made.tree.tokens)
