"""One insight edited by hand: which fields there are, and which values they may have."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from corpus.errors import UsageError
from corpus.insight import FIELDS, Insight, make_insight
from corpus.rows import as_string, as_tags, iso_date

EDITABLE = tuple(name for name in FIELDS if name != "insight_id")  # citations and re-imports find it by its id
MAX_SHORT = 1000  # characters of a title, an author, …


def edited(insight: Insight, changes: Mapping[str, object]) -> Insight:
    """The insight with other values in some fields; fields that aren't named stay exactly as they are.

    Tags come as a list, or as a string with commas between them. Raises UsageError if a field doesn't exist, or if its
    value can't be.
    """
    if unknown := [name for name in changes if name not in EDITABLE]:
        raise UsageError(f'"{unknown[0]}" can\'t be edited.', f"The fields are: {', '.join(EDITABLE)}.")
    words = {name: as_string(value) for name, value in changes.items() if name != "tags"}
    if "date" in words:
        words["date"] = iso_date(" ".join(words["date"].split()))
        if words["date"] not in ("", insight.date) and not _is_date(words["date"]):
            raise UsageError(f"{words['date']} is not a date.", "Write it as 2024, 2024-05 or 2024-05-11.")
    for name, value in words.items():
        if name not in ("text", "note") and len(value) > MAX_SHORT:
            raise UsageError(
                f"The {name} has {len(value):,} characters, more than {MAX_SHORT:,}.", "Put the rest into the note."
            )
    tags = as_tags(changes["tags"]) if "tags" in changes else insight.tags
    cleaned = make_insight(
        words.pop("text", insight.text), insight_id=insight.insight_id, tags=tags, **_short(insight) | words
    )
    return replace(insight, **{name: getattr(cleaned, name) for name in changes})


def _short(insight: Insight) -> dict[str, str]:
    return {name: getattr(insight, name) for name in EDITABLE if name not in ("text", "tags")}


def _is_date(text: str) -> bool:
    parts = re.fullmatch(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", text, re.ASCII)
    if not parts:
        return False
    try:
        date(int(parts[1]), int(parts[2] or 1), int(parts[3] or 1))
    except ValueError:
        return False
    return True
