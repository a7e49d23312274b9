"""An application on a real port, served from a thread."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.waiting import wait_for

if TYPE_CHECKING:
    from starlette.types import ASGIApp


@contextmanager
def served(make: "Callable[[], ASGIApp]") -> Iterator[str]:
    """The address of what `make` makes; it is made in the loop that serves it."""
    import uvicorn

    started: list[uvicorn.Server] = []

    async def work() -> None:
        config = uvicorn.Config(make(), host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=1)
        started.append(uvicorn.Server(config))
        await started[0].serve()

    thread = threading.Thread(target=asyncio.run, args=(work(),), daemon=True)
    thread.start()
    wait_for(lambda: (started and started[0].started) or not thread.is_alive())
    assert thread.is_alive(), "the server did not start"
    server = started[0]
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://localhost:{port}/"
    finally:
        server.should_exit = True
        thread.join(10)
        gc.collect()  # here: CPython 3.11 fails if what the loop left is finalised while a module is parsed
