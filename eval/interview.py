"""A person judges proposed questions in the terminal: a key and Enter each. What is decided is on the disk at once.

It needs nothing but lines in and lines out, so it works in any terminal, and in a test.
"""

import shlex
import shutil
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from corpus.errors import UsageError
from corpus.insight import one_line
from eval.cases import Case, Passed, add_case, add_passed, change_case, read_cases, read_passed, remove_case
from eval.propose import Proposal
from eval.questions import Question
from rag.pipeline import checked_question

EVERY = 4  # each fourth question is unanswerable, as long as there are accepted ones to take insights from
WIDEST = 80  # columns
LONGEST = 2000  # characters of a question
KEYS = ("accept", "edit", "reject", "skip", "back", "quit")
PROMPT = f"{'  '.join(f'[{key[0]}]{key[1:]}' for key in KEYS)}: "
FLATTERED = (
    "Unless you word them anew or take --unfound, proposed questions are such that their insight is found: so R@k and "
    "false_refusal_rate look better than they are."
)
HELP = "Type a, e, r, s, b or q and Enter. Accept: it goes into the file. Skip: decide another time."

Ask = Callable[[str], str]  # shows a prompt and returns the line typed; raises EOFError where there are no more
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Seen:
    """A proposal as the person has it before them, and what they decided."""

    proposal: Proposal
    edited: bool = False
    decision: str = ""  # accepted or rejected
    case: Case | None = None  # in the file


@dataclass(slots=True)
class Table:
    """What lies on the table: the file, what was decided before, and what is seen in this session."""

    file: Path
    cases: list[Question]  # in the file at the beginning
    rejected: list[Passed]  # beside it
    seen: list[Seen] = field(default_factory=list)

    @property
    def before(self) -> int:
        """How many were decided in earlier sessions."""
        return len(self.cases) + len(self.rejected)

    @property
    def decided(self) -> int:
        """How many are decided by now."""
        return self.before + sum(bool(each.decision) for each in self.seen)


def open_table(file: Path) -> Table:
    """What is in the file and beside it. Raises UsageError for a file of another kind."""
    rejected = [each for each in read_passed(file) if each.outcome == "rejected"]
    return Table(file, read_cases(file), rejected)


def taken(table: Table) -> set[str]:
    """Ids of the insights that were decided on: they are in a case, or rejected."""
    found = {id_ for case in table.cases for id_ in (*case.gold, *case.without)}
    return found | {each.insight_id for each in table.rejected}


def fruitless(table: Table, writer: str) -> set[str]:
    """Ids of the insights that gave this writer no question that will do."""
    return {each.insight_id for each in read_passed(table.file) if each.writer == writer}


def interview(
    table: Table,
    proposals: Iterator[Proposal],
    count: int,
    ask: Ask,
    say: Say,
) -> bool:
    """Show one proposal after the other until `count` are decided in all, or the person quits. Whether there were no
    more proposals before that.

    A proposal that was skipped counts in this session only, and comes again in the next.
    """
    place = 0
    while True:
        if place == len(table.seen):
            proposal = None
            if table.before + place < count:
                proposal = _twin(table, place) or next(proposals, None)
            if proposal is None:
                if not place or not _goes_back(ask):
                    return table.before + place < count
                place -= 1
            else:
                table.seen.append(Seen(proposal))
        _show(table.seen[place], table.before + place + 1, count, say)
        match _key(ask, say):
            case "quit":
                return False
            case "skip":
                place += 1
            case "back" if place:
                place -= 1
            case "back":
                say("This is the first one of this session.")
            case "edit":
                table.seen[place] = _edited(table.seen[place], ask, say)
            case "accept":
                place += _accept(table, place, say)
            case "reject":
                _reject(table, place)
                place += 1


def accept_all(
    table: Table,
    proposals: Iterator[Proposal],
    count: int,
    say: Say,
) -> bool:
    """Accept what is proposed, unread, and say each question. Whether there were too few."""
    while table.before + len(table.seen) < count:
        place = len(table.seen)
        proposal = _twin(table, place) or next(proposals, None)
        if proposal is None:
            return True
        table.seen.append(Seen(proposal))
        number = f"{table.before + place + 1} of {count}"
        say(_hanging(f"{number}  ", proposal.question + ("" if proposal.answerable else " (unanswerable)")))
        _accept(table, place, say, origin="unread")
    return False


def summary(table: Table, count: int, exhausted: bool, library: str) -> str:
    """What the file holds by now, what is left, what to do with it, and what it can't tell."""
    cases = read_cases(table.file)
    unanswerable = sum(not case.answerable for case in cases)
    rejected = sum(each.outcome == "rejected" for each in read_passed(table.file))
    parts = [f"{table.file} holds {_counted(len(cases), 'question')}, {unanswerable} of them unanswerable"]
    parts += [f"{rejected} rejected"] if rejected else []
    lines = [f"{'; '.join(parts)}."]
    if exhausted:
        lines.append(f"The library gives no more than these {table.decided}: another --writer may.")
    elif (left := count - table.decided) > 0:
        lines.append(f"{left} of {count} are left: the same command goes on there.")
    else:
        lines.append(f"For more of them: --count {2 * count}")
    if cases:
        run = shlex.join(["footnoted", "eval", "run", str(table.file), "--library", library])
        lines.append(f"How good are the answers? {run}")
        lines.append(_wrapped(FLATTERED))
    return "\n".join(lines)


def _twin(table: Table, place: int) -> Proposal | None:
    """If unanswerable questions are fewer than their share: the last accepted one of this session that has no twin yet,
    with what answers it taken away.
    """
    twins = {case.text for case in table.cases if not case.answerable}
    twins |= {each.question for each in table.rejected if not each.answerable}
    twins |= {each.proposal.question for each in table.seen if not each.proposal.answerable}
    if len(twins) >= (table.before + place + 1) // EVERY:
        return None
    for each in reversed(table.seen):
        if each.case and each.proposal.answerable and each.proposal.without and each.case.question not in twins:
            return replace(each.proposal, question=each.case.question, answerable=False)
    return None


def _accept(table: Table, place: int, say: Say, origin: str = "accepted") -> bool:
    """Write the case; False, and a word on why, if it can't be."""
    seen = table.seen[place]
    if not seen.proposal.question:
        say("There is no question yet: type e to write it, s to skip it.")
        return False
    old, case = seen.case, _case(seen, origin)
    if case != old and not (change_case(table.file, old.case_id, case) if old else add_case(table.file, case)):
        say("That question is in the file already: edit it, or reject it.")
        return False
    if seen.decision == "rejected":
        add_passed(table.file, replace(_passed(seen.proposal), outcome="kept"))
    table.seen[place] = replace(seen, decision="accepted", case=case)
    return True


def _case(seen: Seen, origin: str) -> Case:
    proposal, answerable = seen.proposal, seen.proposal.answerable
    return Case(
        proposal.question,
        proposal.insight_ids if answerable else (),
        proposal.short if answerable else "",
        answerable,
        () if answerable else proposal.without,
        origin="edited" if seen.edited else origin,
    )


def _reject(table: Table, place: int) -> None:
    seen = table.seen[place]
    add_passed(table.file, _passed(seen.proposal))
    if seen.case:
        remove_case(table.file, seen.case.case_id)
    table.seen[place] = replace(seen, decision="rejected", case=None)


def _passed(proposal: Proposal) -> Passed:
    return Passed(proposal.insight_ids[0], "rejected", proposal.answerable, proposal.question)


def _edited(seen: Seen, ask: Ask, say: Say) -> Seen:
    """The proposal with another question and short answer; what is left empty stays."""
    proposal = seen.proposal
    try:
        question = one_line(ask("Question (Enter keeps it): "))
        short = one_line(ask("Short answer (Enter keeps it, - for none): ")) if proposal.answerable else ""
    except EOFError:
        return seen
    if question:
        try:
            question = checked_question(question, LONGEST)
        except UsageError as error:
            say(str(error))
            question = ""
    new = replace(
        proposal,
        question=question or proposal.question,
        short="" if short == "-" else short or proposal.short,
    )
    return replace(seen, proposal=new, edited=seen.edited or new != proposal)


def _key(ask: Ask, say: Say) -> str:
    while True:
        try:
            typed = ask(PROMPT).strip().casefold()
        except EOFError:
            return "quit"
        for key in KEYS:
            if typed in (key, key[0]):
                return key
        say(HELP)


def _goes_back(ask: Ask) -> bool:
    try:
        return ask("That was the last one. Enter ends, b goes back: ").strip().casefold() in ("b", "back")
    except EOFError:
        return False


def _show(seen: Seen, number: int, count: int, say: Say) -> None:
    proposal = seen.proposal
    kind = "" if proposal.answerable else " · unanswerable"
    kind = kind if proposal.question else " · write your own"
    say("")
    say(f"── {number} of {count}{kind} ".ljust(_width(), "─"))
    if proposal.answerable:
        say(_wrapped(proposal.text))
        if proposal.about:
            say(_wrapped(f"— {proposal.about}"))
    else:
        taken = (
            "The insight that answers it is" if len(proposal.without) == 1 else f"{len(proposal.without)} insights are"
        )
        say(_wrapped(f"{taken} taken away. The nearest of the others:"))
        for text in proposal.nearest:
            say(_hanging("  • ", text))
    say("")
    say(_hanging("Question  ", proposal.question or "none yet: type e to write what this insight answers"))
    if proposal.answerable:
        if proposal.answer:
            say(_hanging("Answer    ", proposal.answer))
        if proposal.question:
            say(_hanging("Short     ", proposal.short or "none: edit it to give one"))
        if not proposal.found:
            say(_wrapped("The library's first hit is another insight: does that one answer it too?"))
    else:
        say(_wrapped("Accept it if your insights don't answer it now."))
    if seen.case and _case(seen, seen.case.origin) != seen.case:
        say("You accepted it as it was: accept it again to keep the change.")
    elif seen.decision:
        say(f"You {seen.decision} it.")
    say("")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _width() -> int:
    return min(WIDEST, shutil.get_terminal_size().columns)


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.fill(line, _width()) for line in text.splitlines())


def _hanging(label: str, text: str) -> str:
    """The text beside a label, its further lines below its first one."""
    return textwrap.fill(" ".join(text.split()), _width(), initial_indent=label, subsequent_indent=" " * len(label))
