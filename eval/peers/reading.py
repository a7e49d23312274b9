"""How a reply is read: its sentences, what each of them cites, and whether it refuses.

People are generous readers, and so is this: whatever can be meant as a marker or a refusal is taken for one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from corpus.passages import sentences


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence without its markers, and the ids of the insights that it cites, each once."""

    text: str
    cited: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a system said. A refusal has no sentences; `dropped` keeps what isn't shown, each with the reason."""

    sentences: tuple[Sentence, ...] = ()
    refused: bool = False
    dropped: tuple[str, ...] = ()


_NUMBERS = r"\d{1,3}(?:\s*(?:,|;|-|–|&|and)\s*\d{1,3})*"  # no year has three digits
_MARKER = re.compile(
    rf"(?:\b(?:source|document)s?\s*)?\[\s*(?:(?:source|document)s?\s*)?({_NUMBERS})\s*\]"  # [2], [1, 3], Document[2]
    rf"|\(?\b(?:source|document)s?\s+({_NUMBERS})\b\)?:?",  # Source 2:, (sources 1 and 3)
    re.IGNORECASE,
)
_LIST_MARK = re.compile(r"^[ \t]*(?:\d{1,2}[.)]|[-*•])[ \t]+(?=\S)", re.MULTILINE)
_LIST_NUMBER = re.compile(r"\d{1,2}[.)]")  # within a line
_AFTER_STOP = re.compile(r"([.!?]+)((?:[ \t]*\[[^\]\n]*\d[^\]\n]*\])+)")
_THINGS = r"(?:sources?|documents?|context|passages?|texts?|insights?|information|question)"
_LACK = r"(?:answer|contain|mention|provide|include|state|specify|address|discuss|say|give|have|hold|help|indicate)"
_LACKED = (
    r"(?:answered|mentioned|stated|provided|specified|given|found|contained|included|addressed|available|discussed)"
)
_CANNOT = r"(?:cannot|can't|could not|couldn't|am unable to|am not able to|do not|don't)"
_NOT = r"(?:does not|doesn't|do not|don't|did not|didn't|cannot|can't|is not|isn't|are not|aren't)"
_REFUSAL = re.compile(
    "|".join(
        (
            rf"\bnone of (?:the|these)\b[^.]*\b{_THINGS}\b",  # None of the sources are helpful.
            rf"\bno {_THINGS} (?:\w+ )?{_LACK}s?\b",  # No document answers this.
            # The documents given do not mention it. The question cannot be answered.
            rf"\b{_THINGS}(?: (?:provided|given|above|here))* {_NOT} (?:\w+ )?(?:{_LACK}|(?:be )?{_LACKED}|helpful)\b",
            # It isn't stated in the provided context.
            rf"(?:\bnot|n't|\bnever) (?:\w+ )?{_LACKED} (?:in|by|from) (?:any of )?(?:the|these) (?:\w+ )?{_THINGS}\b",
            rf"\banswer (?:is|was) not {_LACKED}\b",
            # There is no mention of it in the sources.
            r"\b(?:no|not enough|insufficient) (?:information|mention|answer)\b[^.]*\b(?:in|from) (?:the|these)\b",
            rf"\b(?:i|we) {_CANNOT} (?:answer|find|know|determine|have (?:enough |any |the )?information)\b",
            r"\bunanswerable\b",
            r"\bempty response\b",  # LlamaIndex, where nothing was retrieved
        )
    ),
    re.IGNORECASE,
)


def refuses(text: str) -> bool:
    """Whether a reply begins by saying that what was retrieved holds no answer; English, and on the generous side."""
    first = next((text[start:end] for start, end in sentences(text)), "")
    return _REFUSAL.search(" ".join(first.replace("’", "'").split())) is not None


def numbered_reply(text: str, sources: Sequence[str]) -> Reply:
    """A reply whose sentences carry the numbers of its sources: n means `sources[n - 1]`.

    A marker belongs to the sentence that it stands in, or that it directly follows, also after the full stop; in a line
    that begins with one, to the sentence that it precedes; alone on a line, to the sentence before.

    Numbers without a source are dropped, with a note, and not counted against anybody: nothing can be looked up there.
    """
    if refuses(text):
        return _refusal(text)
    found: list[Sentence] = []
    missing: list[str] = []
    for sentence in _pieces(text):
        cited = []
        for match in _MARKER.finditer(sentence):
            numbers = _numbers(match[1] or match[2])
            there = [sources[n - 1] for n in numbers if 1 <= n <= len(sources)]
            cited += there
            if match[1] and len(there) < len(numbers):
                missing.append(f"{match[0]} (there is no such source)")
        bare = _bare(sentence, len(sources))
        if bare or found:
            found.append(Sentence(bare or found[-1].text, tuple(cited)))
    return Reply(_merged(found), dropped=tuple(dict.fromkeys(missing)))


def whole_reply(text: str, cited: Sequence[str]) -> Reply:
    """A reply that the system gives sources for as a whole: each of its sentences cites all of them."""
    if refuses(text):
        return _refusal(text)
    said = [sentence for sentence in _pieces(text) if any(map(str.isalnum, sentence))]
    return Reply(_merged([Sentence(" ".join(sentence.split()), tuple(cited)) for sentence in said]))


def _pieces(text: str) -> Iterator[str]:
    """The sentences, each with its markers on its own side of the full stop; the numbers and dots of lists are none."""
    for line in _LIST_MARK.sub("", text).split("\n"):
        settled = _AFTER_STOP.sub(r"\1\n\2" if line.lstrip().startswith("[") else r"\2\1", line)
        for part in settled.split("\n"):  # one by one: a marker that begins a line would be taken to end the one before
            found = (part[start:end] for start, end in sentences(part))
            yield from (piece for piece in found if not _LIST_NUMBER.fullmatch(piece))


def _merged(found: Sequence[Sentence]) -> tuple[Sentence, ...]:
    """The sentences, one that is said again only once, with all that it cites: small models repeat themselves."""
    merged: dict[str, list[str]] = {}
    for sentence in found:
        merged.setdefault(sentence.text, []).extend(sentence.cited)
    return tuple(Sentence(text, tuple(dict.fromkeys(cited))) for text, cited in merged.items())


def _refusal(text: str) -> Reply:
    return Reply(refused=True, dropped=(f"{' '.join(text.split())} (taken as a refusal)",))


def _numbers(listed: str) -> list[int]:
    """The numbers of "1, 3 and 5" and of the range "2-4"; a range that runs backwards is its two ends."""
    found: list[int] = []
    for part in re.split(r"\s*(?:,|;|&|and)\s*", listed):
        first, *rest = (int(number) for number in re.split(r"\s*[-–]\s*", part))
        last = rest[-1] if rest else first
        found += range(first, last + 1) if first <= last else (first, last)
    return found


def _bare(sentence: str, count: int) -> str:
    """The sentence without its markers and the gaps that they leave; "" if no word is left.

    "Document 451" stays where there are fewer: in words it names something else.
    """

    def gap(match: re.Match[str]) -> str:
        meant = match[1] or any(1 <= n <= count for n in _numbers(match[2]))
        return " " if meant else match[0]

    if _MARKER.fullmatch(sentence):
        return ""
    text = " ".join(_MARKER.sub(gap, sentence).split())
    text = re.sub(r"\s+(?=[.,;:!?])|\(\s*\)", "", text).strip()
    return text if any(map(str.isalnum, text)) else ""
