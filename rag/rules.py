"""What the program itself can tell of a sentence and the characters that it would cite.

RULES names every check. Those in HARD no model can override. The others go wrong too often to decide alone (what denies
may stand in another part of the sentence): each is a doubt that the reader's fitted probability takes into account.
"""

from collections import Counter
from collections.abc import Callable

from corpus.passages import sentences
from rag.edits import unsafe_edit
from rag.words import ABSOLUTES, HEDGES, company, content, names, negations, numbers, quantities, stem, words

_OPPOSITES = [
    frozenset(map(stem, pair.split()))
    for pair in (
        "more less|more fewer|most least|most few|higher lower|high low|rise fall|rose fell|risen fallen|rising falling"
        "|increase decrease|gain lose|gained lost|win lose|won lost|before after|above below|up down|first last"
        "|best worst|better worse|faster slower|earlier later|early late|longer shorter|larger smaller|bigger smaller"
        "|cheaper dearer|cheap expensive|always never|open closed|public private|strong weak|easy hard|grow shrink"
        "|success failure|succeeded failed|raise cut|raised cut|buy sell|bought sold|old young|north south|east west"
    ).split("|")
]


def locate(sentence: str, text: str) -> list[tuple[int, int]]:
    """The sentences of the text that the claim draws on: the closest one, then each that adds enough to it."""
    spans = sentences(text)
    wanted = set(content(sentence)) | numbers(sentence)
    holds = [(set(content(text[a:b])) | numbers(text[a:b])) & wanted for a, b in spans]
    chosen: list[int] = []
    while len(chosen) < len(spans):
        covered = set().union(*(holds[i] for i in chosen)) if chosen else set()
        best = max(range(len(spans)), key=lambda i: (len(holds[i] - covered), -i))
        adds = holds[best] - covered
        if chosen and len(adds) < 2 and not adds & (numbers(sentence) | names(sentence)):
            break
        chosen.append(best)
    return [spans[i] for i in sorted(chosen)]


def located(sentence: str, text: str) -> str:
    """What the sentence would cite of the text, as one."""
    return " ".join(text[a:b] for a, b in locate(sentence, text))


def broken_rule(sentence: str, cited: str) -> str:
    """Why the cited characters can't support the sentence, whatever a model thinks; empty if no hard rule is broken."""
    return next((why for name in HARD if (why := RULES[name](sentence, cited))), "")


def doubts(sentence: str, cited: str) -> dict[str, float]:
    """For each rule that isn't hard, 1 if it is broken: features of the reader's."""
    return {f"doubt_{name}": float(bool(rule(sentence, cited))) for name, rule in RULES.items() if name not in HARD}


def _number(sentence: str, cited: str) -> str:
    extra = sorted(numbers(sentence) - numbers(cited))
    return f"the number {extra[0]} isn't in what it would cite" if extra else ""


def _amount(sentence: str, cited: str) -> str:
    known = quantities(cited)
    for form, magnitude, kind in sorted(quantities(sentence)):
        same = {row for row in known if row[0].strip("-−s") == form.strip("-−s")}  # none if spelled in words there
        if same and not {(form, magnitude, kind), (form, magnitude, kind or "money")} & same:
            return f"the number {form} stands for another amount in what it would cite"
    return ""


def _counted(sentence: str, cited: str) -> str:
    around = company(cited, 4)
    for number, things in company(sentence, 3).items():
        if things and around.get(number) and not things & around[number]:
            return f"the number {number} counts something else in what it would cite"
    return ""


def _name(sentence: str, cited: str) -> str:
    strange = sorted(names(sentence) - {stem(word) for word in words(cited)})
    return f"the name {strange[0]!r} isn't in what it would cite" if strange else ""


def _order(sentence: str, cited: str) -> str:
    called = names(sentence)
    turned = _mentions(called, sentence) != _mentions(called, cited)
    return "its names stand in another order: who did what may be turned round" if turned else ""


def _mentions(called: set[str], text: str) -> list[str]:
    """The names in the order of their first mention."""
    return list(dict.fromkeys(stem(word) for word in words(text) if stem(word) in called))


def _denial(sentence: str, cited: str) -> str:
    denied = (negations(sentence) > 0) != (negations(cited) > 0)
    return "one of them denies what the other says" if denied else ""


def _hedge(sentence: str, cited: str) -> str:
    plain, cited_plain = set(words(sentence)), set(words(cited))  # as they stand: May is a month
    return "it is surer than what it would cite" if cited_plain & HEDGES and not plain & HEDGES else ""


def _absolute(sentence: str, cited: str) -> str:
    plain, cited_plain = set(words(sentence)), set(words(cited))
    held = {stem(word) for word in cited_plain}
    stronger = sorted(({word.casefold() for word in plain} & ABSOLUTES) - held - cited_plain)
    return f"it says {stronger[0]!r} where the insight doesn't" if stronger else ""


def _opposite(sentence: str, cited: str) -> str:
    said, held = {stem(word) for word in words(sentence)}, {stem(word) for word in words(cited)}
    for pair in _OPPOSITES:
        if len(here := pair & said) == 1 and len(there := pair & held) == 1 and here != there:
            return f"it says {next(iter(here))!r} where the insight says {next(iter(there))!r}"
    return ""


def _repeat(sentence: str, cited: str) -> str:
    """A small model that has lost its way says a thing twice: ten of 187 drafts did, and none of 170 gold sentences."""
    held = Counter(content(cited))
    again = [word for word, count in Counter(content(sentence)).items() if count > max(1, held[word])]
    return f"it says {again[0]!r} more often than what it would cite" if again else ""


RULES: dict[str, Callable[[str, str], str]] = {
    "number": _number,
    "amount": _amount,
    "counted": _counted,
    "name": _name,
    "repeat": _repeat,
    "order": _order,
    "denial": _denial,
    "hedge": _hedge,
    "absolute": _absolute,
    "opposite": _opposite,
    "edit": unsafe_edit,
}
HARD = tuple(name for name in RULES if name not in ("denial", "hedge"))
