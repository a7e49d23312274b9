"""When a request that failed is sent again. There is no clock and no network here: rag/endpoint.py has both."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

PASSING = frozenset({408, 409, 429})  # and 5xx: statuses that say "not now" rather than "not like this"


@dataclass(frozen=True, slots=True)
class Patience:
    """How often, and after how many seconds, a request is sent again."""

    attempts: int = 4  # requests in all
    first: float = 0.5  # the longest wait before the second one; before each further one it is twice as long
    most: float = 8.0  # the longest of those
    asked: float = 15.0  # the longest that a server may ask for: a person waits


def passes(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an HTTP status of 400 or more may be another one soon. What the server says about that comes first."""
    said = headers.get("x-should-retry", "")  # OpenAI's own: false for a used-up quota, which is a 429 too
    return said == "true" or (said != "false" and (status in PASSING or status >= 500))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds that the server asks to wait, 0.0 or more: Retry-After as a number or a date; None without one."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
            # RFC 9110: in GMT, which Python leaves out if it is written as -0000.
            seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def pause(patience: Patience, failures: int, asked: float | None, left: float, drawn: float) -> float | None:
    """Seconds to wait after so many failures, or None: give up. `left`: seconds that remain; `drawn`: from 0 to 1.

    Without the server's own wish the wait is drawn from the upper half of what it may be, so that those who failed
    together don't come back together. A wish is met or, if it is too long, taken for a refusal: asking earlier would
    be in vain.
    """
    if failures >= patience.attempts:
        return None
    if asked is None:
        asked = min(patience.most, patience.first * 2.0 ** (failures - 1)) * (1 + drawn) / 2
    elif asked > patience.asked:
        return None
    return asked if asked < left else None
