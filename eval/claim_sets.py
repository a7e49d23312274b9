"""Claims that people have labelled, read from files: does its premise support the claim or not?

    path ─► load_claims ─► ClaimSet of Labelled …

| form | what it is | supported | not supported |
| --- | --- | --- | --- |
| nli | JSON lines with "premise", "hypothesis" and "label", maybe "question" | LABELS tells | LABELS tells |
| drafts | JSON lines as eval/questions/drafts.jsonl: "insight", "question", "sentence" | "supported": true | false |
| collections | a folder of collection files, or one | gold sentences | `wrong` ones, false restatements |

Files may be packed with gzip. What can't be read is a UsageError with file, line and reason.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import UsageError
from corpus.insight import make_insight
from eval.fields import items_of, needed, text_of, texts_of
from eval.files import each_object, first_keys, naming, stem, whole

# A claim that is supported in part isn't supported, as in LLM-AggreFact; nor is one that says nothing ("Generic").
LABELS = {
    **dict.fromkeys(("fully attributable", "attributable", "supported", "entailment"), True),
    **dict.fromkeys(("not fully attributable", "not attributable", "generic"), False),
    **dict.fromkeys(("not supported", "unsupported", "partially supported", "neutral", "contradiction"), False),
}

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A sentence, and whether its premises support it."""

    claim_id: str
    text: str
    premises: tuple[str, ...]  # each is looked at alone, as the check of an answer does: the best one counts
    supported: bool
    label: str  # as the file calls it, or of which kind the sentence is
    question: str = ""  # what it answers; without one it is checked as it stands
    group: str = ""  # claims that rise and fall together, as those of one question: a resample draws all or none


@dataclass(frozen=True, slots=True)
class ClaimSet:
    """The claims of one file or folder."""

    name: str
    form: str  # nli, drafts or collections
    claims: tuple[Labelled, ...]


def load_claims(path: Path, note: Note = lambda text: None) -> ClaimSet:
    """The claims of a file or folder in a form of the table above; `note` is told what was left out.

    Raises UsageError, naming file, line and reason, for what can't be read as it stands.
    """
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise UsageError(f"{path} holds no .json files.", "Name a folder of collections, or a file of claims.")
        return _filled(path, ClaimSet(path.resolve().name, "collections", _collections(files, note)))
    if not path.is_file():
        raise UsageError(f"{path} is neither a file nor a folder.", "Name a file of claims or a folder of collections.")
    keys = first_keys(path)
    if keys & {"insights", "questions"}:
        return _filled(path, ClaimSet(stem(path), "collections", _collections([path], note)))
    if keys >= {"premise", "hypothesis"}:
        return ClaimSet(stem(path), "nli", tuple(each_object(path, _nli)))
    if keys >= {"insight", "sentence"}:
        return ClaimSet(stem(path), "drafts", tuple(each_object(path, _draft)))
    raise UsageError(
        f"{path} holds no claims: its first object has {', '.join(sorted(keys)[:5]) or 'nothing'}.",
        'Write one object a line, {"premise": "…", "hypothesis": "…", "label": "supported"}; see eval/claim_sets.py.',
    )


def drawn(claims: Sequence[Labelled], limit: int | None, seed: int | None = None) -> list[Labelled]:
    """At most `limit` claims in their order, each label with its share, within a claim more or less.

    Without a seed they are spread evenly; with one they are drawn, by their place and the seed alone. Raises UsageError
    for a limit below 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"A limit of {limit} leaves no claim.", "Give --limit at least 1.")
    if limit is None or limit >= len(claims):
        return list(claims)

    def order(place: int) -> tuple[str, bytes, int]:
        chance = b"" if seed is None else hashlib.sha256(f"{seed} {place}".encode()).digest()
        return claims[place].label, chance, place

    by_label = sorted(range(len(claims)), key=order)
    return [claims[place] for place in sorted(by_label[int((n + 0.5) * len(claims) / limit)] for n in range(limit))]


def _filled(path: Path, found: ClaimSet) -> ClaimSet:
    if not found.claims:
        raise UsageError(
            f"{path} holds no claims.", "Gold sentences must cite an insight that is there: see eval/claim_sets.py."
        )
    return found


# What follows raises ValueError or UsageError with the reason; `naming` adds file and line.


def _nli(item: Mapping[str, Any], number: int) -> Labelled:
    text = needed(item, "hypothesis")
    supported, label = _judged(item.get("label"))
    # Several lines may hold one claim against several parts of its source: they aren't several claims.
    return Labelled(
        claim_id=text_of(item, "id") or f"line {number}",
        text=text,
        premises=(_premise(needed(item, "premise")),),
        supported=supported,
        label=label,
        question=text_of(item, "question").strip(),
        group=text,
    )


def _judged(label: object) -> tuple[bool, str]:
    """Whether it says supported, and the label as text. A bare number says 0 here and 1 there: it isn't guessed."""
    if isinstance(label, bool):
        return label, "supported" if label else "not supported"
    known = label.casefold().replace("_", " ").replace("-", " ").strip() if isinstance(label, str) else ""
    if known not in LABELS:
        raise ValueError(f"the label {str(label)[:40]!r} isn't one of {', '.join(LABELS)}")
    return LABELS[known], known


def _draft(item: Mapping[str, Any], number: int) -> Labelled:
    if not isinstance(supported := item.get("supported"), bool):
        raise ValueError("'supported' is neither true nor false")
    insight = _premise(needed(item, "insight"))
    return Labelled(
        claim_id=text_of(item, "id") or f"line {number}",
        text=needed(item, "sentence"),
        premises=(insight,),
        supported=supported,
        label="supported" if supported else "not supported",
        question=text_of(item, "question").strip(),
        group=insight,
    )


def _collections(files: Sequence[Path], note: Note) -> tuple[Labelled, ...]:
    """The claims of all files; a file may speak of another's insights. Those of insights that aren't there are left
    out."""
    loaded: list[tuple[Path, Mapping[str, Any]]] = []
    insights: dict[str, str] = {}
    for file in files:
        with naming(str(file)):
            data = whole(file)
            if not isinstance(data, dict):
                raise ValueError("it is no collection")
            loaded.append((file, data))
            insights |= {needed(item, "id"): _premise(needed(item, "text")) for item in items_of(data, "insights")}
    claims: list[Labelled] = []
    lost = 0
    for file, data in loaded:
        with naming(str(file)):
            for claim, cites in _of_collection(data, stem(file)):
                if cites and insights.keys() >= set(cites):
                    premises = tuple(insights[id_] for id_ in cites)
                    claims.append(dataclasses.replace(claim, premises=premises))
                else:
                    lost += 1
    if lost:
        note(f"claims of insights that aren't there, left out: {lost:,}")
    return tuple(claims)


def _of_collection(data: Mapping[str, Any], default: str) -> Iterator[tuple[Labelled, tuple[str, ...]]]:
    """Each claim, still without premises, and the ids of the insights that it is about."""
    name = text_of(data, "collection") or default
    for number, item in enumerate(items_of(data, "questions"), 1):
        id_ = text_of(item, "id") or f"{name}-q{number:02}"
        question = text_of(item, "standalone") or text_of(item, "question")  # a follow-up as it is understood
        gold: dict[str, None] = {}
        for place, (text, cites) in enumerate(_answers(item), 1):
            gold |= dict.fromkeys(cites)
            yield Labelled(f"{id_} gold {place}", text, (), True, "gold", question, id_), cites
        if (wrong := text_of(item, "wrong").strip()) and gold:
            yield Labelled(f"{id_} wrong", wrong, (), False, "wrong", question, id_), tuple(gold)
    for number, item in enumerate(items_of(data, "false"), 1):
        about = needed(item, "insight")
        yield Labelled(f"{name} false {number}", needed(item, "text"), (), False, "false", "", about), (about,)


def _answers(item: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The gold sentences with the ids that they cite; an answer that is one text has them beside it."""
    answer = item.get("answer")
    if isinstance(answer, str):
        parts: list[Any] = [{"text": answer, "cites": [*texts_of(item, "cites"), *texts_of(item, "gold")]}]
    else:
        parts = [part for part in items_of(item, "answer") if not isinstance(part, str)]  # a bare text cites nothing
    for part in parts:
        if text := text_of(part, "text").strip():
            yield text, tuple(dict.fromkeys(texts_of(part, "cites")))


def _premise(text: str) -> str:
    """Cleaned as an insight would be. Raises UsageError if it has no words or is longer than an insight may be."""
    return make_insight(text).text
