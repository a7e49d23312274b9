"""`footnoted eval claims`: is the check of sentences right about claims that people have labelled?

    files ─► eval.claim_sets ─► judge: the reader's support, and the hard rules ─► eval.claim_figures ─► text, JSON

A premise is cut into passages as an insight would be, and each passage is looked at alone, as for an answer; the best
one counts. Nothing is fitted or chosen here: the cut is the one that ships for normal caution.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from corpus.errors import UsageError
from corpus.insight import make_insight
from corpus.passages import split_passages
from eval.claim_figures import Judgement, figures
from eval.claim_sets import ClaimSet, Labelled, drawn, load_claims
from eval.provenance import checkout_state, fingerprint, machine
from eval.run import check_writable, write_json
from rag.datatypes import Citation, Claim, Evidence, Hit
from rag.edits import without_yes_or_no
from rag.models import Report, silent
from rag.read import Cuts, Reader
from rag.verify import check

CAUTION = "normal"


class Repeating:
    """A reader that says again what it said of a text, so that the check need not ask the models a second time."""

    def __init__(self, reader: Reader, said: Mapping[str, float]) -> None:
        self._reader, self._said = reader, said
        self.fingerprint = reader.fingerprint

    def support(self, question: str, sentence: str, texts: Sequence[str]) -> list[float]:
        """See Reader: what was said of these texts."""
        return [self._said[text] for text in texts]

    def tells(self, question: str, sentence: str, item: Evidence) -> bool:
        """See Reader: whether a claim answers is not what is asked here."""
        return True

    def find(self, question: str, hits: Sequence[Hit]) -> list[Evidence]:
        """See Reader."""
        return self._reader.find(question, hits)

    def answerable(self, question: str, evidence: Sequence[Evidence]) -> float:
        """See Reader."""
        return self._reader.answerable(question, evidence)

    def cuts(self, caution: str) -> Cuts:
        """See Reader."""
        return self._reader.cuts(caution)


def judge(claim: Labelled, reader: Reader) -> Judgement:
    """What the reader and the rules make of one claim: each passage of its premises alone, the best one counts."""
    sentence = " ".join(claim.text.split())
    evidence = [item for premise in claim.premises for item in passages_of(premise)]
    texts = [item.hit.passage.text for item in evidence]
    supports = reader.support(claim.question, without_yes_or_no(sentence), texts)  # as the check asks
    again = Repeating(reader, dict(zip(texts, supports, strict=True)))
    found = [check(sentence, claim.question, [item], again, 0.0) for item in evidence]
    passed = [outcome.support for outcome in found if isinstance(outcome, Claim)]
    return Judgement(
        claim_id=claim.claim_id,
        label=claim.label,
        supported=claim.supported,
        support=max(supports),
        passes=bool(passed),
        shown=max(passed, default=0.0),
        group=claim.group,
    )


def passages_of(premise: str) -> list[Evidence]:
    """The passages of a premise, each as the evidence that an answer would be checked against."""
    insight = make_insight(premise)
    return [
        Evidence(
            Hit(passage, insight, 1.0, rank), Citation(passage.passage_id, passage.start, passage.end), relevance=1.0
        )
        for rank, passage in enumerate(split_passages(insight), 1)
    ]


def measure(
    paths: Sequence[Path],
    limit: int | None = None,
    seed: int | None = None,
    report: Report = silent,
    json_file: Path | None = None,
    command: str = "",
    opened: Callable[[Report], Reader] | None = None,
) -> dict[str, Any]:
    """The figures of each file or folder of claims; at most `limit` claims of each are judged.

    They are returned and, with `json_file`, written, without any text of the claims; a folder gives the file its name.
    `opened` takes the place of loading the reader. Raises UsageError for what can't be read, ModelError for what can't
    be loaded.
    """
    if json_file is not None:
        check_writable(json_file)  # now, not after an hour
    if seed is not None and limit is None:
        raise UsageError("--seed draws the claims of --limit, which is missing.", "Give --limit N too.")

    def note(text: str) -> None:
        report(text, 0, 0)

    sets = [_limited(load_claims(path, note), limit, seed) for path in paths]
    for each in sets:
        note(f"{each.name}: {len(each.claims):,} claims")
    reader = (opened or _open)(report)
    cut = reader.cuts(CAUTION).support
    commit, dirty = checkout_state()
    data = {
        "form": "claims",
        "sets": [
            {
                "name": each.name,
                "form": each.form,
                "figures": dataclasses.asdict(figures(judged, cut)),
                "rows": list(_rows(judged)),
            }
            for each, judged in _judged(sets, reader, report)
        ],
        "caution": CAUTION,
        "cut": cut,
        "models": {"reader": reader.fingerprint},
        "config_fingerprint": f"claims-{fingerprint([[each.name, len(each.claims), seed] for each in sets])}",
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "dirty": dirty,
        "machine": machine(),
    }
    if json_file is not None:
        note(f"written to {write_json(data, json_file)}")
    return data


def _limited(found: ClaimSet, limit: int | None, seed: int | None) -> ClaimSet:
    return dataclasses.replace(found, claims=tuple(drawn(found.claims, limit, seed)))


def _judged(sets: Sequence[ClaimSet], reader: Reader, report: Report) -> Iterator[tuple[ClaimSet, list[Judgement]]]:
    total, done = sum(len(each.claims) for each in sets), 0
    for each in sets:
        judged = []
        for claim in each.claims:
            judged.append(judge(claim, reader))
            done += 1
            report("checking", done, total)
        yield each, judged


def _rows(judged: Sequence[Judgement]) -> Iterator[dict[str, Any]]:
    """As they stand in a result file. A group's name may be a claim's text, which may not be ours to hand on."""
    numbers: dict[str, int] = {}
    for each in judged:
        yield dataclasses.asdict(each) | {"group": numbers.setdefault(each.group or each.claim_id, len(numbers))}


def _open(report: Report) -> Reader:
    from rag.config import Config
    from rag.embed import open_embedder
    from rag.read import load_reader

    return load_reader(open_embedder(Config().embedder, report), report=report)


def text(results: Mapping[str, Any]) -> str:
    """For the terminal: each set with its figures and the same by label, at most 80 columns wide."""
    parts = [_set_text(each, results["cut"]) for each in results["sets"]]
    commit = str(results["commit"] or "unknown")[:12] + (" with changes" if results["dirty"] else "")
    about = (
        f"cut {results['cut']:.3f} ({results['caution']} caution), commit {commit}\n"
        f"reader {results['models']['reader']}\n"
        "Intervals: 95%, by a bootstrap over the claims, those of one question together."
    )
    return "\n\n".join((*parts, about)) + "\n"


def _set_text(each: Mapping[str, Any], cut: float) -> str:
    told = each["figures"]
    best = "–" if told["best_cut"] is None else f"{told['best_cut']:.3f}"
    lines = [
        ("support alone", "", ""),
        ("  area under the ROC curve", *_estimate(told["auc"])),
        (f"  balanced accuracy at the cut, {cut:.3f}", *_estimate(told["balanced"])),
        (f"  the same at the best cut, {best}", _number(told["best_balanced"]), "chosen on these claims: too good"),
        ("hard rules alone", "", ""),
        ("  supported claims that pass", _number(told["rules"]["supported"]), ""),
        ("  unsupported claims that pass", _number(told["rules"]["unsupported"]), ""),
        ("both, as for an answer", "", ""),
        ("  supported claims shown", _number(told["shown"]["supported"]), ""),
        ("  unsupported claims shown", _number(told["shown"]["unsupported"]), ""),
        ("  balanced accuracy", *_estimate(told["check"])),
    ]
    head = f"{each['name']}: {told['claims']:,} claims, {told['supported']:,} supported"
    table = [f"{name:<41}{value:>5}  {beside}".rstrip() for name, value, beside in lines]
    labels = [f"{'label':<30}{'claims':>7}{'support':>9}{'over cut':>10}{'pass rules':>12}{'shown':>8}"]
    labels += [
        f"{row['label'][:24] + (' (yes)' if row['supported'] else ' (no)'):<30}{row['claims']:>7,}"
        f"{row['support']:>9.3f}{row['over']:>10.3f}{row['passes']:>12.3f}{row['shown']:>8.3f}"
        for row in told["by_label"]
    ]
    return "\n".join((head, "", *table, "", *labels))


def _estimate(found: Mapping[str, Any] | None) -> tuple[str, str]:
    """The value, and from where to where."""
    if found is None:
        return "–", ""
    low_high = found["interval"]
    return _number(found["value"]), "" if low_high is None else f"{low_high[0]:.3f} to {low_high[1]:.3f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
