"""A question and its short answer made of a sentence by rule, for where no writer gives one that will do. English only.

Some kinds of sentences become questions without knowing how their verbs are inflected:

    A moat is a trench of water …                       What is …?      (of something named closer)
    The trench was deep because rain …                  Why was the trench deep?
    When the Bank held rates, inflation …               What happened when the Bank held rates?
    If the model spreads, copyright could …             What could happen if the model spreads?
    By controlling models, a nation can shape …         How can a nation shape …?
    Mayor Ida Kroll pays on day two, …                  Which mayor pays on day two?
    …, 64% of the stops came down to a rule …           What share of the stops came down to a rule?

All others give nothing, nor do those in which a word points elsewhere: few questions, but good ones. They keep the
sentence's words, so they are easy to find.
"""

import re
from collections.abc import Callable

from rag.words import names

FEWEST, MOST = 3, 16  # words of what is taken over from the sentence
MOST_SUBJECT = 7  # words
MOST_SHORT = 15  # words of a short answer

_PIECE = r"[^,;:.?!()“”\"—–]+?"
_MODAL = "can|could|will|would|should|may|might|must"
_LONG = r"(?:[^,;:.?!()“”\"—–]|(?<=\d)[.,](?=\d))+"  # a number's own are no ends
_BECAUSE = re.compile(rf"(?P<subject>{_PIECE}) (?P<verb>is|are|was|were|{_MODAL}) (?P<rest>{_PIECE}),? because\b", re.I)
_CALLED = re.compile(
    rf"(?P<subject>{_PIECE}) (?P<verb>is|was) (?:an?|the|its|their|to|that|how|when|not {_PIECE} but) ", re.I
)
_WHEN = re.compile(rf"(?P<word>When|Once|If) (?P<clause>{_LONG}), (?P<main>.+)", re.S)
_BY = re.compile(
    rf"By [a-z]+ing\b[^;:.?!()“”\"—–]*?, (?P<subject>{_PIECE}) (?P<verb>{_MODAL}) (?P<rest>{_PIECE})(?=[,;:.]|$)"
)
_PERSON = re.compile(
    r"(?:The )?(?P<role>[A-Z]?[a-z]+) (?P<name>[A-Z][\w'’-]+ (?:(?:de|van|von) )?[A-Z][\w'’-]+) (?P<verb>[a-z]+) "
    rf"(?P<rest>{_LONG})(?=[,;:.]|$)"
)
_SHARE = re.compile(
    r"(?:^|[,;:] )(?:and |but |yet )?(?:only |just |about |nearly |some |roughly |around )?"
    rf"(?P<share>\d[\d.]*(?:%| per ?cent)) of (?P<rest>{_LONG})(?=[,;:.]|$)"
)
_ANOTHER = re.compile(r" and (?=(?:the|an?|its|their|his|her|[A-Z]\w*) )")  # another clause may begin here
_NEW_SUBJECT = re.compile(rf"\w (?:the|an?|its|their) \w+ (?:is|are|was|were|had|has|rose|fell|went|{_MODAL})\b")
_IS_ROLE = re.compile(
    r"(agent|chef|coach|captain|chief|critic|guide|host|judge|mayor|monk|nurse|pilot|physio|poet|priest|tailor|cook"
    r"|\w{3,}(er|or|ist|ian|eer|man|woman|wright|monger|smith))",
    re.I,
)
_NO_ROLE = frozenset(
    """after under over per however another other whether either neither rather later earlier former latter inner outer
    upper lower ever never better major minor senior junior together altogether human woman man corner center river
    winter summer october september november december paper power water number tower order border""".split()
)
_PAST = frozenset(
    """was were had did went fell rose grew gave took made built bought sold sent spent kept left lost paid ran saw said
    told thought found began came became brought caught drew flew got held knew led met read rode sat shot slid slept
    spoke stood stole struck taught threw understood woke wore won wrote quit cut put set let hit shut spread cost
    beat drove broke chose rang sank shrank sprang swam dug hung lent meant bent dealt felt froze""".split()
)
_EITHER = frozenset("quit cut put set let hit shut spread cost beat read".split())  # present and past alike
_PRESENT = re.compile(rf"\b(is|are|has|have|does|do|isn't|aren't|{_MODAL})\b")
_ELSEWHERE = frozenset("it they them he she this that these those such there here one ones former latter".split())
_NO_SUBJECT = _ELSEWHERE | frozenset(
    """we you i what which who when where why how if while although though as since because but and or so yet also not
    than another for in on at by with from to both each some most many all any no only even just instead however often
    reality""".split()
)
_OF = re.compile(r"['’]s\b|s['’](?= )| (?:of|for|in|to|from|between) ")
_ARTICLES = frozenset("the a an its their his her our your every".split())


Made = tuple[str, str]  # question and short answer
NOTHING = "", ""


def question_of(sentence: str, text: str) -> Made:
    """The question that a sentence of the text answers, and its short answer; both "" if the rules make none of it."""
    return next((made for rule in _RULES if (made := rule(sentence, text))[0]), NOTHING)


def _because(sentence: str, text: str) -> Made:
    match = _BECAUSE.match(sentence)
    if not match or set(match["rest"].casefold().split()) & (_ELSEWHERE | {"and", "but", "which"}):
        return NOTHING
    subject = _subject(match["subject"], text)
    question = f"Why {match['verb']} {subject} {match['rest']}?"
    return (question, _clause(sentence[match.end() :])) if subject else NOTHING


def _called(sentence: str, text: str) -> Made:
    match = _CALLED.match(sentence)
    if not match or not (_OF.search(match["subject"]) or names(match["subject"])):
        return NOTHING  # "What is a common misconception?" could be about anything
    subject = _subject(match["subject"], text)
    question = f"What {match['verb']} {subject}?"
    return (question, _clause(sentence[match.end("verb") :])) if len(subject.split()) > 1 else NOTHING


def _when(sentence: str, text: str) -> Made:
    match = _WHEN.match(sentence)
    if not match:
        return NOTHING
    clause, main, word = match["clause"], match["main"], match["word"].lower()
    if not _fits(clause) or clause.split()[0] in ("you", "we", "I") or _NEW_SUBJECT.search(clause):
        return NOTHING
    modal = re.search(rf"\b({_MODAL})\b", main)
    present = not _past(clause) and not _past(main)
    if word == "if":
        question = f"What {f'{modal[0]} happen' if modal else 'happens'} if {clause}?"
        return (question, _clause(main)) if present else NOTHING
    past = _past(clause) or (bool(_EITHER & set(clause.split())) and _past(main))
    if past == present or (past and _PRESENT.search(clause)):
        return NOTHING
    return f"What {'happened' if past else 'happens'} {word} {clause}?", _clause(main)


def _by(sentence: str, text: str) -> Made:
    match = _BY.match(sentence)
    if not match or set(match["rest"].split()) & _ELSEWHERE or set(match["subject"].split()) & _NO_SUBJECT:
        return NOTHING
    question = f"How {match['verb']} {match['subject']} {match['rest']}?"
    return question, _clause(sentence[: match.start("subject")].rstrip(", "))


def _person(sentence: str, text: str) -> Made:
    match = _PERSON.match(sentence)
    if not match or not (match["verb"] in _PAST or re.search("(s|ed)$", match["verb"])):
        return NOTHING
    role, rest = match["role"].lower(), _ANOTHER.split(match["rest"])[0]
    if role in _NO_ROLE or not _IS_ROLE.fullmatch(role):
        return NOTHING  # without a role it may be a company, a place or a show
    return (f"Which {role} {match['verb']} {rest}?", match["name"]) if _fits(rest) else NOTHING


def _share(sentence: str, text: str) -> Made:
    match = _SHARE.search(sentence)
    if not match:
        return NOTHING
    rest = _ANOTHER.split(match["rest"])[0]
    said = _fits(rest) and (_past(rest) or _PRESENT.search(rest))
    return (f"What share of {rest}?", match["share"]) if said else NOTHING


_RULES: tuple[Callable[[str, str], Made], ...] = (_share, _person, _because, _when, _by, _called)


def _clause(text: str) -> str:
    """The text up to where its first clause ends, at a comma if it is long; "" if it is too long even so."""
    clause = re.split(r"[;:.!?—–](?:\s|$)", text.strip(), maxsplit=1)[0]
    if len(clause.split()) > MOST_SHORT:
        clause = clause.partition(", ")[0]
    return clause if len(clause.split()) <= MOST_SHORT else ""


def _fits(taken: str) -> bool:
    """Whether what is taken over has a fit length, and no word that points elsewhere."""
    words = taken.casefold().split()
    return FEWEST <= len(words) <= MOST and not set(words) & _ELSEWHERE


def _past(text: str) -> bool:
    """Whether it has a word that is only a verb's past."""
    words = set(re.findall(r"[a-z]+", text))
    return bool(words & (_PAST - _EITHER)) or any(len(word) > 4 and word.endswith("ed") for word in words)


def _subject(subject: str, text: str) -> str:
    """The subject as it is spelled inside a sentence; "" if it is none, or the text doesn't tell."""
    words = subject.split()
    lowered = [word.casefold() for word in words]
    if not 1 <= len(words) <= MOST_SUBJECT or lowered[0] in _NO_SUBJECT:
        return ""
    if set(lowered) & {"that", "which", "who", "is", "are", "was", "were", "can", "could", "will", "would", "has"}:
        return ""  # a clause of its own is inside
    first = _inside(words, text)
    return " ".join((first, *words[1:])) if first else ""


def _inside(words: list[str], text: str) -> str:
    """The first word as it is spelled inside a sentence; "" if the text doesn't tell."""
    word = words[0]
    if word.casefold() in _ARTICLES:
        return word.casefold()
    bare = re.escape(word.removesuffix("'s").removesuffix("’s"))
    inside = re.findall(rf"(?<=[\w,] )(?:{bare})\b", text, re.I)
    if any(found[0].islower() for found in inside):
        return word[0].lower() + word[1:]
    named = bool(inside) or word[1:] != word[1:].lower() or (len(words) > 1 and words[1][0].isupper())
    return word if named else ""
