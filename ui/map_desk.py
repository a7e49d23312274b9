"""The map behind the page: made once for each state of the library, drawn for what the browser asks to see."""

import logging
import re
import threading
from typing import Protocol, runtime_checkable

from corpus.errors import FootnotedError
from rag.map import Map
from ui import map_view
from ui.handlers import UNEXPECTED, Engine
from ui.map_view import Area

MOST_LIT = 30  # sources of an answer that are lit
LONGEST_ID = 200  # characters

log = logging.getLogger(__name__)


@runtime_checkable
class Mapped(Protocol):
    """An engine that can place its insights."""

    def library_map(self, known: Map | None = None) -> Map:
        """The map of the library as it is now: `known` itself if it still is that."""
        ...


class MapDesk:
    """Draws the map of an engine's library for whoever asks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._making = threading.Lock()
        self._known: Map | None = None
        self._names: dict[str, str] = {}

    def draw(self, area: object = "", lit: object = ()) -> str:
        """The map as HTML, or a sentence why there is none.

        `area` is "" for all of it, "r" and the number of a region, or "s" and a place as a hexagon tells it; `lit` are
        ids of insights that must not vanish in a crowd. Whatever else a browser sends shows the whole map.
        """
        try:
            if not isinstance(self._engine, Mapped):
                return map_view.problem("This library has no map.")
            found, names = self._current(self._engine)
            if not found.points:
                return map_view.problem("There is nothing to place yet. Add insights, and they will be here.")
            ids = lit[:MOST_LIT] if isinstance(lit, list) else []
            return map_view.draw(found, names, _area(found, area), {i for i in ids if _is_id(i)})
        except FootnotedError as error:
            return map_view.problem(str(error))
        except Exception:
            log.exception("the map failed")
            return map_view.problem(UNEXPECTED)

    def _current(self, engine: Mapped) -> tuple[Map, dict[str, str]]:
        """The map and the points' names. One makes it, others wait for that."""
        with self._making:
            found = engine.library_map(self._known)
            if found is not self._known:
                insights = self._engine.library.insights()
                self._names = {insight.insight_id: map_view.name_of(insight) for insight in insights}
                self._known = found
            return found, self._names


def _area(found: Map, wanted: object) -> Area | None:
    if not isinstance(wanted, str):
        return None
    if (match := re.fullmatch(r"r(\d{1,3})", wanted, re.ASCII)) and int(match[1]) < len(found.regions):
        return map_view.region_area(found, int(match[1]))
    if match := re.fullmatch(r"s([01]\.\d{1,6}),([01]\.\d{1,6})", wanted, re.ASCII):
        return map_view.spot_area(found, float(match[1]), float(match[2]))
    return None


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID
