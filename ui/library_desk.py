"""What the library tab does: handlers without Gradio. Each takes what a browser sent, and checks it.

The library that ships can't be changed. Who adds insights to it makes a library of their own, which is asked from then
on. Uploads wait in an Inbox: a file's bytes are read as insights and never sent back, a
pasted text only to whoever holds its token.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, Protocol, runtime_checkable

from corpus.browse import EVERYTHING, FACETS, SORTS, Selection
from corpus.edit import EDITABLE
from corpus.errors import FootnotedError, UsageError
from corpus.export import EXPORTS
from corpus.imports import Planned, Report, plan
from corpus.insight import Insight, one_line
from corpus.items import Item, Problem
from corpus.library import Library, open_library, own_library
from corpus.readers import FORMATS
from rag.datatypes import Hit
from rag.models import Report as Progress
from rag.models import silent
from ui import library_view as view
from ui.handlers import MAX_QUESTION, UNEXPECTED, Engine
from ui.inbox import MAX_ITEMS, Inbox, Parcel
from ui.library_view import Group, Rights, Shelf
from ui.removals import Removals
from ui.suggest import about

PAGE = 40  # rows that the list shows at a time
NEAR = 10  # of them near in meaning
MOST_SHOWN = 2000
LONGEST = 1000  # characters of a facet's value or an id
LOOK = 0.3  # seconds between two looks at how far an import is
SHIPPED = "These are the insights that ship with Footnoted; they can’t be changed."
INVITED = " Add yours, and they become a library of your own."
ELSEWHERE = "This library can only be read."

log = logging.getLogger(__name__)


@runtime_checkable
class Renewable(Protocol):
    """An engine that takes note of a change. Without these two the library can only be read on the page."""

    def renew(self, change: Callable[[], object], report: Progress = silent) -> None:
        """Change the library and bring the index up to date."""
        ...

    def move(self, library: Library, report: Progress = silent) -> None:
        """Ask another library from now on."""
        ...


@dataclass(frozen=True, slots=True)
class Shown:
    """What a session's list shows, but for the words in its search box."""

    selection: Selection = EVERYTHING
    limit: int = PAGE


@dataclass(frozen=True, slots=True)
class Turned:
    """The page that is shown next, and whether the library has changed, so that the list must be drawn anew."""

    page: str
    changed: bool = False


class LibraryDesk:
    """The library behind its tab. `changes`: whether visitors may add, edit, delete and undo.

    `shared`: several people log in here. To them the library that somebody has on this machine is never opened.
    """

    def __init__(
        self, engine: Engine, *, changes: bool = True, shared: bool = False, inbox: Inbox | None = None
    ) -> None:
        self._engine = engine
        self._changes = changes
        self._shared = shared
        self._inbox = inbox or Inbox()
        self._removals = Removals()
        self._searching = threading.Lock()
        self._importing = threading.Lock()

    # -------------------------------------------------------------------------------------------------------- list

    def listing(self, query: object = "", shown: Shown = Shown()) -> str:
        """The list: insights that contain the query, then those near it in meaning, narrowed by the chosen facets."""
        words = " ".join(query.split())[:MAX_QUESTION] if isinstance(query, str) else ""
        selection = replace(shown.selection, query=words)
        rights = self._rights()
        try:
            library = self._engine.library
            matched, facets = library.facets(selection)
            found = library.browse(selection, limit=shown.limit + 1)
            groups = [Group("Containing these words" if words else "", tuple(found[: shown.limit]))]
            if words:
                known = {insight.insight_id for insight in found}
                near = [hit.insight for hit in self._near(selection) if hit.insight.insight_id not in known]
                groups.append(Group("Near in meaning", tuple(near[:NEAR])))
            own = self._writable()
            return view.shelf(
                Shelf(
                    groups=tuple(groups),
                    matched=matched,
                    total=library.count(),
                    selection=selection,
                    facets=tuple(facets),
                    more=shown.limit + PAGE if len(found) > shown.limit else 0,
                    last=own.last_import() if own and rights.change else None,
                    rights=rights,
                )
            )
        except FootnotedError as error:
            return view.shelf(Shelf(rights=rights, problem=str(error)))
        except Exception:
            log.exception("the library's list failed")
            return view.shelf(Shelf(rights=rights, problem=UNEXPECTED))

    def _near(self, selection: Selection) -> list[Hit]:
        with self._searching:
            hits = self._engine.search(selection.query, NEAR, selection.filters)
        return [hit for hit in hits if selection.holds(hit.insight)]

    def narrow(self, shown: Shown, told: Mapping[str, object]) -> Shown:
        """The list after a facet's value was chosen or taken off, another order chosen, or more asked for."""
        chosen = shown.selection
        sort = told.get("sort")
        if isinstance(sort, str) and sort in SORTS:
            return Shown(replace(chosen, sort=sort), shown.limit)
        limit = told.get("limit")
        if isinstance(limit, int):
            return Shown(chosen, min(max(limit, PAGE), MOST_SHOWN))
        facet, value = told.get("facet"), told.get("value")
        if facet not in FACETS or not isinstance(value, str) or not 0 < len(value) <= LONGEST:
            return shown
        value = one_line(value)
        if facet == "tag":
            others = tuple(tag for tag in chosen.tags if tag != value)
            return Shown(replace(chosen, tags=others if told.get("off") else (*others, value)[-10:]))
        if facet == "year" and not (len(value) == 4 and value.isascii() and value.isdigit()):
            return shown
        changes: dict[str, Any] = {str(facet): "" if told.get("off") else value}
        return Shown(replace(chosen, **changes))

    # ------------------------------------------------------------------------------------------------------- pages

    def insight(self, insight_id: object) -> str:
        """An insight's page, or nothing if there's no such insight (any more)."""
        library = self._engine.library
        insight = library.get(insight_id[:LONGEST]) if isinstance(insight_id, str) else None
        if insight is None:
            return ""
        try:
            with self._searching:
                related = self._engine.related(insight.insight_id, 5)
        except Exception:  # its neighbours are an extra: the insight itself is still worth showing
            log.exception("no related insights for %s", insight.insight_id)
            related = []
        linked = library.linked([insight.insight_id]).get(insight.insight_id, ())
        again = [other for other in map(library.get, linked) if other]
        named = {insight.insight_id, *(other.insight_id for other in again)}
        others = [hit for hit in related if hit.insight.insight_id not in named]
        return view.insight_page(insight, others, self._rights(), again)

    def question(self, insight_id: object) -> str:
        """A question about an insight, or nothing if there's no such insight."""
        insight = self._engine.library.get(insight_id[:LONGEST]) if isinstance(insight_id, str) else None
        return about(insight) if insight else ""

    def open(self, told: Mapping[str, object]) -> str:
        """A page by its name: "add" (with what was pasted, if tokens are given), "edit" or "undo"; else no page."""
        return self._turned(lambda: self._page(told)).page

    def _page(self, told: Mapping[str, object]) -> Turned:
        match told.get("page"):
            case "add":
                rights = self._may_add()
                return Turned(view.add_form(rights, self._pasted(told.get("tokens"))))
            case "edit":
                library = self._changeable()
                insight_id = told.get("id")
                insight = library.get(insight_id[:LONGEST]) if isinstance(insight_id, str) else None
                if insight is None:
                    raise UsageError("This insight isn't here any more.", "Choose another one.")
                return Turned(view.edit_form(insight.insight_id, view.values_of(insight)))
            case "undo":
                last = self._changeable().last_import()
                if last is None:
                    raise UsageError("There is no import to undo.", "Add insights first.")
                return Turned(view.undo_page(last))
        return Turned("")

    def _pasted(self, tokens: object) -> str:
        """What was pasted under a token, to go on with it; nothing for files."""
        if tokens is None:
            return ""
        parcels = self._inbox.parcels(tokens)
        if len(parcels) == 1 and not parcels[0][1].sent:
            return parcels[0][1].data.decode("utf-8", "replace")
        return ""

    # ----------------------------------------------------------------------------------------------------- imports

    def accept(self, name: object, data: bytes) -> str:
        """Keep a file that was sent; the token it is known by. Raises UsageError if it can't be taken."""
        self._may_add()
        return self._inbox.send(name, data)

    def preview(self, told: Mapping[str, object]) -> str:
        """What an import of a pasted text or of files that were sent would do."""
        rights = self._rights()
        try:
            rights = self._may_add()
            tokens = told.get("tokens")
            if tokens is None:
                tokens = [self._inbox.paste(told.get("text"))]
            parcels = self._inbox.parcels(tokens, told.get("format"))
            # A format that was chosen belongs to the text from now on: it is what will be imported.
            held = self._inbox.settle([(token, parcel.opened()) for token, parcel in parcels])
            planned = self._planned(_items(parcel for _, parcel in held))
            read_as = [f"{parcel.name}, read as {FORMATS[parcel.format_name].title}." for _, parcel in held]
            return view.preview_page(planned, [token for token, _ in held], read_as, rights)
        except FootnotedError as error:
            text = told.get("text")
            format_name = told.get("format")
            return view.add_form(
                rights,
                text if isinstance(text, str) else "",
                format_name if isinstance(format_name, str) else "",
                str(error),
            )
        except Exception:
            log.exception("a preview failed")
            return view.message("fault", "Add insights", UNEXPECTED, problem=True)

    def run_import(self, told: Mapping[str, object]) -> Generator[Turned, None, None]:
        """Import what was looked at: pages with how far it is, then one with what came of it.

        It goes on to its end if the reader leaves.
        """
        if not self._importing.acquire(blocking=False):
            yield Turned(view.message("busy", "Add insights", "Another import is under way. Wait until it is done."))
            return
        try:
            parcels = self._inbox.parcels(told.get("tokens"))
            self._may_add()
        except FootnotedError as error:
            self._importing.release()
            yield Turned(view.message("fault", "Add insights", str(error), problem=True))
            return
        steps: queue.SimpleQueue[tuple[str, int, int] | Turned] = queue.SimpleQueue()
        threading.Thread(target=self._work, args=(parcels, steps.put), name="footnoted-import", daemon=True).start()
        yield Turned(view.progress_page("Reading", 0, 0))
        while True:
            step = steps.get()
            end = time.monotonic() + LOOK
            while not isinstance(step, Turned) and (left := end - time.monotonic()) > 0:
                try:
                    step = steps.get(timeout=left)
                except queue.Empty:
                    break
            if isinstance(step, Turned):
                yield step
                return
            yield Turned(view.progress_page(*step))

    def _work(
        self, parcels: Sequence[tuple[str, Parcel]], tell: Callable[[tuple[str, int, int] | Turned], None]
    ) -> None:
        """Carry an import out; its last word is a page."""
        try:
            items = _items(parcel for _, parcel in parcels)
            planned = self._planned(items)
            origin = ", ".join(parcel.name for _, parcel in parcels)

            def counted() -> Iterator[Item]:
                for done, item in enumerate(items):
                    if done % 100 == 0:
                        tell(("Storing", done, len(items)))
                    yield item

            def told(task: str, done: int, total: int) -> None:
                tell((task, done, total))

            report, moved = self._add(counted(), origin, told)
            self._inbox.drop([token for token, _ in parcels])
            tell(Turned(view.done_page(report, planned, self._rights(), moved), changed=True))
        except FootnotedError as error:
            tell(Turned(view.message("fault", "Add insights", str(error), problem=True), changed=True))
        except BaseException:
            log.exception("an import failed")
            tell(Turned(view.message("fault", "Add insights", UNEXPECTED, problem=True), changed=True))
        finally:
            self._importing.release()

    def _add(self, items: Iterator[Item], origin: str, told: Progress) -> tuple[Report, str]:
        """Import into the library that is asked, or into one's own, which then takes its place; its name if so."""
        engine = self._engine
        assert isinstance(engine, Renewable)  # else _may_add would have said no
        if not self._rights().own:
            reports: list[Report] = []
            library = self._changeable()
            engine.renew(lambda: reports.append(library.add(items, origin)), told)
            return reports[0], ""
        # An empty library of one's own would take the place of the insights that ship.
        problems: list[Item] = []
        for first in items:
            if not isinstance(first, Problem):
                break
            problems.append(first)
        else:
            return Report(unreadable=tuple(item for item in problems if isinstance(item, Problem))), ""
        own = open_library(own_library(), create=True)
        report = own.add(chain(problems, [first], items), origin)
        engine.move(own, told)
        return report, own.name

    def _planned(self, items: Sequence[Item]) -> list[Planned]:
        if not self._rights().own:
            return list(self._changeable().preview(items))
        if not own_library().exists():
            return list(plan(items))
        with open_library(own_library()) as own:
            return list(own.preview(items))

    # ----------------------------------------------------------------------------------------------------- changes

    def change(self, told: Mapping[str, object]) -> Turned:
        """Save an edited insight, delete one or bring it back, or undo the last import."""
        match told.get("act"):
            case "save":
                return self._save(told.get("id"), told.get("fields"))
            case "delete":
                return self._turned(lambda: self._delete(told.get("id")))
            case "restore":
                return self._turned(lambda: self._restore(told.get("token")))
            case "undo":
                return self._turned(lambda: self._undo(told.get("number")))
        return Turned("")

    def _save(self, insight_id: object, fields: object) -> Turned:
        given = {
            name: value
            for name, value in (fields.items() if isinstance(fields, dict) else ())
            if name in EDITABLE and isinstance(value, str)
        }
        if not isinstance(insight_id, str) or not given:
            return Turned("")
        try:
            library = self._changeable()
            before = library.get(insight_id[:LONGEST])
            if before is None:
                raise UsageError("This insight isn't here any more.", "Choose another one.")
            as_shown = view.values_of(before)
            changes = {name: value for name, value in given.items() if value != as_shown[name]}
            self._renew(lambda: library.edit(insight_id, changes))
        except FootnotedError as error:
            values = dict.fromkeys(EDITABLE, "") | given
            return Turned(view.edit_form(insight_id[:LONGEST], values, str(error)))
        return Turned(self.insight(insight_id), changed=True)

    def _delete(self, insight_id: object) -> Turned:
        library = self._changeable()
        if not isinstance(insight_id, str):
            return Turned("")
        tokens: list[str] = []
        self._renew(lambda: tokens.append(self._removals.remove(library, insight_id[:LONGEST])))
        return Turned(view.deleted_page(tokens[0]), changed=True)

    def _restore(self, token: object) -> Turned:
        library = self._changeable()
        found: list[Insight] = []
        self._renew(lambda: found.append(self._removals.bring_back(library, token)))
        return Turned(self.insight(found[0].insight_id), changed=True)

    def _undo(self, number: object) -> Turned:
        library = self._changeable()
        if not isinstance(number, int):
            return Turned("")
        undone: list[str] = []
        self._renew(lambda: undone.append(view.undone_text(library.undo_import(number))))
        return Turned(view.message(f"undone {number}", "The import was undone", undone[0]), changed=True)

    def _renew(self, change: Callable[[], object]) -> None:
        engine = self._engine
        assert isinstance(engine, Renewable)  # else _changeable would have said no
        engine.renew(change)

    def _turned(self, make: Callable[[], Turned]) -> Turned:
        try:
            return make()
        except FootnotedError as error:
            return Turned(view.message("fault", "This can’t be done", str(error), problem=True), changed=True)
        except Exception:
            log.exception("a change of the library failed")
            return Turned(view.message("fault", "This can’t be done", UNEXPECTED, problem=True), changed=True)

    # ------------------------------------------------------------------------------------------------------ export

    def export(self, format_name: str) -> Iterator[str] | None:
        """All insights in a format of EXPORTS, piece by piece; None if it isn't one."""
        return EXPORTS[format_name].write(self._engine.library.insights()) if format_name in EXPORTS else None

    # ------------------------------------------------------------------------------------------------------ rights

    def _rights(self) -> Rights:
        library = self._writable()
        if library is None:
            return Rights(change=False, add=False, why_not=SHIPPED if self._engine.library.name == "demo" else "")
        if library.name == "demo" and self._shared and own_library().exists():
            return Rights(change=False, add=False, why_not=SHIPPED)
        if library.name == "demo":
            return Rights(change=False, add=True, own=str(own_library()), why_not=SHIPPED + INVITED)
        if library.read_only:
            return Rights(change=False, add=False, why_not=ELSEWHERE)
        return Rights(change=True, add=True)

    def _may_add(self) -> Rights:
        rights = self._rights()
        if not rights.add:
            raise UsageError("Nothing can be added here.", "Add insights in the terminal: footnoted library add FILE")
        return rights

    def _writable(self) -> Library | None:
        """The library that is asked, if visitors may change libraries at all."""
        library = self._engine.library
        may = self._changes and isinstance(self._engine, Renewable)
        return library if may and isinstance(library, Library) else None

    def _changeable(self) -> Library:
        library = self._writable()
        if library is None or not self._rights().change:
            raise UsageError("This library can't be changed here.", "Make one of your own: add insights to it.")
        return library


def export_suffix(suffix: str) -> str | None:
    """The format that a suffix such as ".csv" stands for."""
    return next((name for name, export in EXPORTS.items() if export.suffix == suffix), None)


def _items(parcels: Iterator[Parcel]) -> list[Item]:
    """What is in the parcels. Raises UsageError if it is too much: a few bytes of each become a kilobyte in memory."""
    items = list(islice(chain.from_iterable(parcel.items for parcel in parcels), MAX_ITEMS + 1))
    if len(items) > MAX_ITEMS:
        raise UsageError(
            f"This holds more than {MAX_ITEMS:,} insights.",
            "Split it, or add it in the terminal: footnoted library add FILE",
        )
    return items
