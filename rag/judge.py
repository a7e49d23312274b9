"""The tuned SmolLM2 as a reader of the last few: slower than the cross-encoder, and it knows more of the world.

It is the writer's model with the same prompt; two linear heads, taught with the writer's words (`python -m rag.train
writer`), judge what it has read: the question by the prompt's last token, a sentence by the token that ends it.
"""

from collections.abc import Iterator, Sequence

from rag.chat import HEADS, load_chat
from rag.models import Report, silent
from rag.prompt import build_prompt
from rag.tree import hidden, plant

NAME = "footnoted-writer"
NOTE_TOKENS = 320
AT_ONCE = 8  # texts a pass


class Judge:
    """A PairScorer. Raises ModelError if the model or its weights are missing or damaged."""

    def __init__(self, report: Report = silent) -> None:
        self._chat = load_chat(NAME, report)
        self.fingerprint = self._chat.fingerprint

    def answers(self, question: str, passages: Sequence[str]) -> list[float]:
        """See PairScorer."""
        return self._score("answers", [self._prompt(question, passage) for passage in passages])

    def supports(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
        """See PairScorer."""
        tokenizer = self._chat.tokenizer
        written = [*tokenizer.encode(sentence, add_special_tokens=False), tokenizer.eos_token_id]
        return self._score("supports", [[*self._prompt(question, text), *written] for text in texts])

    def _prompt(self, question: str, text: str) -> list[int]:
        return self._chat.encode(build_prompt(question, text, NOTE_TOKENS))

    def _score(self, head: str, paths: Sequence[list[int]]) -> list[float]:
        groups = (paths[start : start + AT_ONCE] for start in range(0, len(paths), AT_ONCE))
        return [score for group in groups for score in self._pass(head, group)]

    def _pass(self, head: str, paths: Sequence[list[int]]) -> Iterator[float]:
        import torch

        tree, ends = plant(paths)
        with torch.inference_mode():
            vectors = hidden(self._chat.model.model, [tree])[0, [tree.last(end) for end in ends]]
            logits = self._chat.heads(vectors.float())[:, HEADS.index(head)]
        yield from logits.tolist()
