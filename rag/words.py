"""What the rules look at in a text: its content words, numbers and names. No model, no language but English and digits.

Words are compared by a crude stem, so that "captured" meets "capture"; a rule that needs more than that is a model's.
"""

import re
import unicodedata

from corpus.stopwords import FUNCTION_WORDS as SEARCH_WORDS

# Words that carry grammar rather than content: those that a search leaves out, and the ones that only pad a sentence.
FUNCTION_WORDS = SEARCH_WORDS | frozenset(
    """after all also am because been before being both doing done down each ever every few get gets got having here
    hers him however itself just like made make makes many might more most much must nor now off once one only other
    out over own per rather really s said same say says such t thing things through too under until up upon very
    whether while""".split()
)
_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
NUMBER_WORDS = (
    {word: str(value) for value, word in enumerate(_UNITS)}
    | {word: str(10 * value) for value, word in enumerate(_TENS, 2)}
    | {"hundred": "100", "thousand": "1000", "million": "1000000", "billion": "1000000000", "dozen": "12"}
)
# Words that deny, or that leave what follows to somebody else: "wrongly claims that …" doesn't say it.
NEGATIONS = frozenset(
    """no not never none nobody nothing neither nor without cannot hardly barely fails failed myth wrong wrongly false
    falsely misconception deny denies denied doubt doubts doubted allegedly supposedly claim claims claimed""".split()
)
HEDGES = frozenset(
    """may might could possibly perhaps probably likely unlikely seems seem seemed suggests suggest suggested appears
    appear appeared would if unless""".split()
)
ABSOLUTES = frozenset("all every always only entirely completely must will everyone everybody everything any".split())

_MAGNITUDES = {"thousand": "k", "k": "k", "million": "m", "m": "m", "billion": "b", "bn": "b", "trillion": "t"}
_MONEY = frozenset("dollar dollars euro euros pound pounds yen yuan cents cent".split())

_WORD = re.compile(r"[^\W_]+(?:[.,:][0-9]+)*(?:['’][^\W_]+)?")
_NUMBER = re.compile(r"(?<![\d.,])\.\d+|\d+(?:[.,:]\d+)*")
_QUANTITY = re.compile(
    r"""(?P<sign>(?<![\w.])[-−])? (?P<money>[$€£¥])? (?P<number>(?<![\d.,])\.\d+|\d+(?:[.,:]\d+)*) (?P<decade>s\b)?
    (?:[ -]?(?P<unit>%|[a-z]+))? (?:[ ](?P<next>[a-z]+))?""",
    re.I | re.X,
)
_SUFFIXES = "ations ation ments ment ingly ings ing edly ies ied ers er est ed es ly s e y".split()  # longest first


def words(text: str) -> list[str]:
    """The words and numbers as they stand, in order."""
    return _WORD.findall(text)


def stem(word: str) -> str:
    """A crude stem: accents, case, possessive and the commonest endings off, at least four letters kept."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c)).replace("’", "'").removesuffix("'s")
    for suffix in _SUFFIXES:
        if plain.endswith(suffix) and len(plain) - len(suffix) >= 4:
            return plain.removesuffix(suffix)
    return plain


def content(text: str) -> list[str]:
    """Stems of the content words, in order, with repetitions; numbers are left to `numbers`."""
    return [stem(word) for word in words(text) if not is_function(word) and not _NUMBER.match(word)]


def is_function(word: str) -> bool:
    """Does the word carry grammar only? One in capitals doesn't: the US, the WHO and IT are names."""
    return word.casefold() in FUNCTION_WORDS and not (len(word) > 1 and word.isupper())


def numbers(text: str) -> set[str]:
    """Every number as plain digits: 3,200 and 3200 are equal, so are eleven and 11; 41% is 41."""
    found = {_plain(match) for match in _NUMBER.findall(text)}
    spelled = re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)?", text.casefold())
    for word in spelled:
        tens, _, unit = word.partition("-")
        if tens in NUMBER_WORDS and unit in NUMBER_WORDS:  # twenty-two
            found.add(str(int(NUMBER_WORDS[tens]) + int(NUMBER_WORDS[unit])))
        else:
            found |= {NUMBER_WORDS[part] for part in (tens, unit) if part in NUMBER_WORDS and part != "one"}
    return found


def quantities(text: str) -> set[tuple[str, str, str]]:
    """Each number in digits with its sign or decade, magnitude and kind: ("-3.5", "m", "money"), ("1960s", "", "")."""
    found = set()
    for match in _QUANTITY.finditer(text):
        unit, following = (match["unit"] or "").casefold(), (match["next"] or "").casefold()
        magnitude = _MAGNITUDES.get(unit, "")
        if unit in ("%", "percent") or (unit, following) == ("per", "cent"):
            kind = "%"
        else:
            kind = "money" if match["money"] or (following if magnitude else unit) in _MONEY else ""
        found.add((f"{match['sign'] or ''}{_plain(match['number'])}{match['decade'] or ''}", magnitude, kind))
    return found


def company(text: str, width: int) -> dict[str, set[str]]:
    """Each number with the stems of the content words that stand within `width` words of it: what it counts."""
    said = words(text)
    found: dict[str, set[str]] = {}
    for at, word in enumerate(said):
        near = said[max(0, at - width) : at] + said[at + 1 : at + 1 + width]
        for number in numbers(word):
            found.setdefault(number, set()).update(stem(w) for w in near if not is_function(w))
    return found


def names(text: str) -> set[str]:
    """Stems of the capitalised words that a sentence's beginning doesn't explain: people, places, things."""
    found = set()
    initial, previous, previous_capital = True, "", False
    for match in _WORD.finditer(text):
        word = match.group()
        capital = word[0].isupper() and not is_function(word)
        if capital and (not initial or (len(word) > 1 and word[1:] != word[1:].lower())):
            found.add(stem(word))
            if previous_capital:  # "Ines Okafor" opens a sentence: the first word is part of the name
                found.add(stem(previous))
        rest = text[match.end() : match.end() + 3]
        previous, previous_capital = word, capital and initial
        initial = bool(re.match(r"[\"'”’)]*[.!?:…][\"'”’)]*(\s|$)", rest))
    return found


def negations(text: str) -> int:
    """How many words deny something."""
    return sum(w.casefold() in NEGATIONS or w.casefold().endswith(("n't", "n’t")) for w in words(text))


def _plain(number: str) -> str:
    """12,000 -> 12000; 4.20 -> 4.2; 1,5 (a decimal comma) -> 1.5; 7:30 stays."""
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", number):
        number = number.replace(",", "")
    number = number.replace(",", ".")
    number = f"0{number}" if number.startswith(".") else number
    if number.count(".") == 1:
        number = number.rstrip("0").rstrip(".")
    return number.lstrip("0") or "0"
