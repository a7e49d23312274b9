"""A browser's tab that notices what must not happen in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Screen = tuple[int, int, Literal["light", "dark"]]


@contextmanager
def watched(chromium: "Browser", screen: Screen, ours: Callable[[str], bool]) -> "Iterator[Page]":
    """A fresh tab. Afterwards: every request was one of ours and well answered, and the console holds no error."""
    width, height, scheme = screen
    phone = width < 500
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, is_mobile=phone, has_touch=phone
    )
    page = context.new_page()
    page.set_default_timeout(8000)
    faults: list[str] = []
    page.on("request", lambda r: None if ours(r.url) else faults.append(r.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("response", lambda r: faults.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    yield page
    context.close()
    assert not faults, faults
