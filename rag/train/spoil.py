"""Sentences made wrong by the program: what a verifier must learn to see in a sentence whose words all look right."""

import random
import re
from collections.abc import Callable

_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?")
_NAME = re.compile(r"(?<=[\w,;:] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_UNITS = "seconds minutes hours days weeks months years|cents dollars|metres kilometres miles|grams kilos tonnes"
_OPPOSITES = (
    "more/less|rose/fell|rises/falls|higher/lower|before/after|increase/decrease|increased/decreased|gain/lose"
    "|most/least|doubled/halved|faster/slower|better/worse|cheaper/dearer|above/below|early/late|earlier/later"
    "|longer/shorter|over/under|raise/lower|raised/lowered|up/down|first/last|best/worst|stronger/weaker"
    "|always/never|with/without|few/many|small/large|smaller/larger|buyers/sellers|inside/outside|easier/harder"
    "|gains/losses|grew/shrank|grow/shrink|open/closed|safe/risky|because of/despite|helped/hurt|helps/hurts"
    "|won/lost|success/failure|richer/poorer|old/new|young/old|same/different|cause/prevent|causes/prevents"
    "|accept/refuse|accepted/refused|kept/dropped|warm/cold|local/foreign|public/private"
)
_SCOPES = (
    "some/all|most/all|many/all|often/always|usually/always|sometimes/always|may/will|might/will|can/must"
    "|could/will|tends to/always|about/exactly|nearly/more than|almost/more than|at least/at most|half/most"
    "|a third/half|a quarter/a third|only/mainly|rarely/often|seldom/often|few/most|one/several|two/three"
    "|three/four|twice/three times|each/one|every/one|both/neither"
)
_DENIALS = [
    *((f" {verb} ", f" {verb} not ") for verb in "is are was were will".split()),
    *((f" {verb} not ", f" {verb} ") for verb in "does did do".split()),
    (" can ", " cannot "),
    (" not ", " "),
    (" no ", " a "),
    (" never ", " often "),
    *((f"{verb}n't ", f"{verb} ") for verb in "is are was were does did do has have had".split()),
    ("can't ", "can "),
    ("won't ", "will "),
    ("No, ", "Yes, "),
    ("Yes, ", "No, "),
]


def spoil(sentence: str, context: str, rng: random.Random) -> str | None:
    """The sentence made wrong in one way, with numbers and names taken from `context` where it has others; or None if
    it holds nothing of the three kinds drawn.
    """
    for kind in rng.sample(_KINDS, 3):
        spoilt = kind(sentence, context, rng)
        if spoilt and spoilt != sentence:
            return spoilt
    return None


def _number(sentence: str, context: str, rng: random.Random) -> str | None:
    found = _NUMBER.findall(sentence)
    if not found:
        return None
    number = rng.choice(found)
    others = [other for other in _NUMBER.findall(context) if other not in found]
    if others and rng.random() < 0.6:
        return sentence.replace(number, rng.choice(others), 1)
    value = float(number.replace(",", ""))
    other = rng.choice([value * 2, value + 1, value * 10, value / 2, abs(100 - value), value * 1.1, value - 1])
    told = f"{other:,.1f}" if "." in number else f"{other:.0f}"
    return sentence.replace(number, told, 1) if told != number else None


def _name(sentence: str, context: str, rng: random.Random) -> str | None:
    named = _NAME.findall(sentence)
    strangers = [name for name in _NAME.findall(context) if name not in sentence]
    return sentence.replace(rng.choice(named), rng.choice(strangers), 1) if named and strangers else None


def _exchange(sentence: str, context: str, rng: random.Random) -> str | None:
    """Two names or two numbers change places: every word is right, and who did what is wrong."""
    pairs = [found for found in (_NAME.findall(sentence), _NUMBER.findall(sentence)) if len(set(found)) > 1]
    if not pairs:
        return None
    one, two = rng.sample(sorted(set(rng.choice(pairs))), 2)
    return (
        sentence.replace(one, "\0").replace(two, one).replace("\0", two) if one not in two and two not in one else None
    )


def _denial(sentence: str, context: str, rng: random.Random) -> str | None:
    ways = [(said, denied) for said, denied in _DENIALS if said in sentence]
    return sentence.replace(*rng.choice(ways), 1) if ways else None


def _swap(pairs: str, both_ways: bool) -> Callable[[str, str, random.Random], str | None]:
    ways = [tuple(pair.split("/")) for pair in pairs.split("|")]
    ways += [(b, a) for a, b in ways] if both_ways else []

    def swap(sentence: str, context: str, rng: random.Random) -> str | None:
        fitting = [(a, b) for a, b in ways if re.search(rf"\b{a}\b(?!['’])", sentence)]
        if not fitting:
            return None
        said, other = rng.choice(fitting)
        return re.sub(rf"\b{said}\b(?!['’])", other, sentence, count=1)

    return swap


def _unit(sentence: str, context: str, rng: random.Random) -> str | None:
    for units in (group.split() for group in _UNITS.split("|")):
        for unit in units:
            if re.search(rf"\b{unit}\b", sentence):
                return re.sub(rf"\b{unit}\b", rng.choice([u for u in units if u != unit]), sentence, count=1)
    return None


_KINDS = (_number, _name, _exchange, _denial, _swap(_OPPOSITES, True), _swap(_SCOPES, False), _unit)
