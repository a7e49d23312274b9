"""What the doctor finds: one line each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    part: str
    ok: bool
    text: str
    mark: str = ""  # "note": no fault, but worth knowing; "done": was mended just now

    @property
    def line(self) -> str:
        """As it is printed."""
        return f"{self.mark or ('ok' if self.ok else 'FAIL'):<4} {self.part}: {self.text}"


def found(part: str, text: str, remedy: str, *, fault: bool = True, mended: bool = False) -> Finding:
    """A sentence on what is wrong, and what --fix would do about it or has just done (`remedy`: half a sentence)."""
    if mended:
        return Finding(part, True, f"{text} Mended: {remedy}.", "done")
    return Finding(part, not fault, f"{text} With --fix {remedy}.", "" if fault else "note")
