"""Which language a text is most likely in, as far as its sentences are cut differently. English if in doubt.

By script, and among the languages of the Latin one by their commonest words that are no words of the others.
"""

import re
from functools import lru_cache

ENGLISH = "en"
LEAST = 2  # of a language's words must stand in a text
_SCRIPTS = (  # the first whose letters are the most of a text's
    ("ru", "\u0400-\u052f"),
    ("el", "\u0370-\u03ff"),
    ("ar", "\u0600-\u06ff"),
    ("hi", "\u0900-\u097f"),
)
_WORDS = {
    ENGLISH: "the and of to is was that with for are it this from not which have they",
    "de": "der und ist nicht ein eine das mit auf für von den dem sich wird auch werden sie wenn",
    "fr": "le les est une pas et du dans qui pour que au sur avec ce sont ne il",
    "es": "el los es una y del que por las con para su se lo como más pero",
    "it": "il di che non è per della con sono gli nel una si le più ma",
    "pt": "o os é uma não e do da em que para com dos das por se mais",
    "nl": "het een en niet van is dat op te zijn voor met aan die wordt",
}
_LANGUAGES: dict[str, list[str]] = {}
for _language, _words in _WORDS.items():
    for _word in _words.split():
        _LANGUAGES.setdefault(_word, []).append(_language)


@lru_cache(maxsize=1024)
def language_of(text: str) -> str:
    """Its code: en, de, fr, es, it, pt, nl, ru, el, ar or hi. A short text that could be several is English."""
    if text.isascii() and len(text) < 40:
        return ENGLISH
    letters = sum(map(str.isalpha, text))
    for language, characters in _SCRIPTS:
        if 2 * len(re.findall(f"[{characters}]", text)) > letters > 0:
            return language
    counts = dict.fromkeys(_WORDS, 0)
    for word in re.findall(r"[^\W\d_]+", text.lower()):
        for language in _LANGUAGES.get(word, ()):
            counts[language] += 1
    best = max(counts, key=lambda language: counts[language])
    # English is what a text is taken for, so another language must be told from it beyond doubt.
    return best if counts[best] >= max(LEAST, 2 * counts[ENGLISH]) else ENGLISH
