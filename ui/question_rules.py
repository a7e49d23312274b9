"""Questions as a person would put them, made of an insight's sentences by rule: no model, English only.

    Refund speed beats refund generosity.            Does refund speed beat refund generosity?
    Sponge cities are undone by brooms.              Are sponge cities undone by brooms?
    … Director Paul Renwick argues that …            What does Paul Renwick argue?
    At Heliotrope Software, … 17 deals lost …        What happened at Heliotrope Software?

Sentences that say more than one thing, that deny something, or whose words point elsewhere give none. Whether the
library answers a question is found out elsewhere (ui/suggest.py).
"""

import re
from collections.abc import Iterator

from corpus.passages import sentences

MOST_SUBJECT, MOST_REST = 7, 11  # words
ROLES = frozenset(
    """agency agent analyst architect author baker captain chef coach chief critic designer director economist editor
    engineer founder guide historian host hydrologist judge manager mayor minister nurse nutritionist officer pilot
    photographer physicist physiologist physiotherapist planner poet president priest producer professor psychologist
    registrar researcher scientist senator sociologist teacher writer ceo cpo cto cfo dr mr mrs ms""".split()
)
# Verbs of theses: a closed list, because no other rule tells a verb from a noun in the plural.
_VERBS = """age beat bring build create decide depend die explain fail feed fill flatter follow give grow help hide hurt
    improve keep kill lose lower make matter mean outlast pay predict protect punish raise reduce respond reward save
    sell serve solve stop teach transform""".split()
_IRREGULAR = {
    **{"beat": "beat", "bring": "brought", "build": "built", "feed": "fed", "give": "gave", "grow": "grew"},
    **{"hide": "hid", "hurt": "hurt", "keep": "kept", "lose": "lost", "make": "made", "mean": "meant", "pay": "paid"},
    **{"sell": "sold", "stop": "stopped", "teach": "taught"},
}
_BE = frozenset("is are was were can will should".split())
_ELSEWHERE = frozenset(
    "it they them he she this that these those such there here one ones former latter who which".split()
)
_NO_SUBJECT = _ELSEWHERE | frozenset(
    """we you i what when where why how if while although though as since because but and or so yet also not than
    another for in on at by with from to both each some most many all any no only even just instead however often
    nothing nobody everything everyone more less its their his her our your nor neither either yes""".split()
)
_DENIED = frozenset(
    "no not never nor neither without hardly only also thus therefore still now just but though".split()
)
_CLAUSES = frozenset("that how when what why because where whether if".split())
_NO_QUALITY = _CLAUSES | frozenset("to so as like".split())  # behind "is": "The trick is to hide it"
_FORM = re.compile(r"(?P<said>[A-Z][^,;:.?!()“”\"‘—–]+?)(?:, not [^,;:.?!]+)?\.")
_COMMON = re.compile(r"\w{2,}(?:ing|tions?|sions?|ments?|ness|ages?|ity|ities|ship|ence|ance|ism|ers|ors)")
_PLACED = re.compile(r"(?:ese|ish|ican|ern|ian)$|^(?:Dutch|French|German|Greek|Latin|Swiss)$")
_NAME = r"(?:[A-Z][\w’'-]*[^\W_](?: (?:de|van|von|of))? )*[A-Z][\w’'-]*[^\W_]"
_SAYS = re.compile(  # before or behind the name
    rf"(?P<name>{_NAME}) (?P<verb>argue|say|think|believe|claim|warn|insist|suggest|recommend|reckon|propose|want)s\b"
    rf"|(?:, |\b)(?P<verb2>argue|say|think|believe|claim|warn|insist|suggest|reckon)s (?:[a-z]+ )?(?P<name2>{_NAME})"
)
_FOUND = re.compile(
    rf"(?P<name>{_NAME}) (?:found|worked out|discovered|examined|tested|studied|measured|noticed|observed)\b"
)
_WHERE = re.compile(rf"\b(?P<word>[Aa]t|[Ii]n) (?P<the>the )?(?P<name>{_NAME})(?=[,.; ])")
_HAPPENED = re.compile(r"\b(?:was|were|had|fell|rose|grew|took|gave|made|sold|lost|kept|put|won|[a-z]{3,}ed)\b")


def thesis(sentence: str, text: str) -> str:
    """Whether it is so, asked of a sentence that states one thing; "" if it doesn't."""
    match = _FORM.fullmatch(sentence.strip())
    said = match["said"].split() if match else []
    if not said or {word.casefold() for word in said} & (_ELSEWHERE | _DENIED) or said[0].casefold() in _NO_SUBJECT:
        return ""
    for place in range(1, min(len(said) - 1, MOST_SUBJECT) + 1):
        subject, verb, rest = said[:place], said[place], said[place + 1 :]
        helper, base = _parts(verb, plural=any(re.search(r"[^s’']s$", word) for word in subject))
        if helper:
            opening = _as_inside(subject, text, plural=verb == "are" or helper == "Do")
            fits = opening and 1 + (verb in _BE) <= len(rest) <= MOST_REST and not rest[0][0].isupper()
            fits = fits and rest[0] not in (_NO_QUALITY if verb in _BE else _CLAUSES)
            return f"{' '.join((helper, opening, *subject[1:], *base, *rest))}?" if fits else ""
    return ""


def about_people(text: str) -> Iterator[str]:
    """What somebody says or found out, and what happened somewhere, as far as the text tells in so many words."""
    for start, end in sentences(text):
        sentence = text[start:end]
        for match in _SAYS.finditer(sentence):
            name, verb = match["name"] or match["name2"], match["verb"] or match["verb2"]
            if is_whole(name := person(name)):
                yield f"What does {name} {verb}?"
        for match in _FOUND.finditer(sentence):
            if is_whole(name := person(match["name"])):
                yield f"What did {name} find out?"
        for match in _WHERE.finditer(sentence):
            if is_whole(match["name"]) and _HAPPENED.search(sentence):
                yield f"What happened {match['word'].lower()} {match['the'] or ''}{match['name']}?"


def person(name: str) -> str:
    """A name without the role that stands before it: "Producer Malik Thorsen" is Malik Thorsen."""
    words = name.split()
    return " ".join(words[1:]) if len(words) > 1 and words[0].casefold() in ROLES else name


def is_whole(name: str) -> bool:
    """Whether a name has more than one word, so that it hardly is anything else."""
    return " " in name and not re.search(r"['’]s?$", name)


def is_adjective(name: str) -> bool:
    """Whether a name says where something is from: "Chinese" alone is nothing to ask about."""
    return " " not in name and bool(_PLACED.search(name))


def _as_inside(words: list[str], text: str, *, plural: bool) -> str:
    """The first word of a subject as it is spelled inside a sentence; "" if that can't be told."""
    word = words[0]
    lower = word[0].lower() + word[1:]
    if word.casefold() in ("the", "a", "an"):
        return lower
    inside = re.findall(rf"(?<=[\w,] ){re.escape(word)}\b", text, re.I)
    if any(found[0].islower() for found in inside):
        return lower
    if inside or word[1:] != word[1:].lower() or re.search(r"['’]s$", word) or is_adjective(word):
        return word
    if len(words) > 1:
        return word if words[1][0].isupper() else lower
    return lower if plural or _COMMON.fullmatch(word.casefold()) else ""


def _parts(verb: str, *, plural: bool) -> tuple[str, tuple[str, ...]]:
    """What opens the question and what is left of the verb: ("Does", ("beat",)) of "beats"; "" if it is unknown."""
    if verb in _BE:
        return verb.capitalize(), ()
    if plural and verb in _VERBS:
        return "Do", (verb,)
    for base in _VERBS:
        if verb == base + ("es" if base.endswith(("sh", "ch")) else "s"):
            return "Does", (base,)
        if verb == _IRREGULAR.get(base, base + ("d" if base.endswith("e") else "ed")) and verb != base:
            return "Did", (base,)
    return "", ()
