"""The report of a run as a page of its own: the one of `footnoted eval report`, in a new tab of the browser.

It holds everything in itself. Its own policy, and the sandbox around it, keep it from this page and from the network.
"""

import threading

from fastapi import FastAPI, Request, Response

from corpus.errors import FootnotedError
from ui.caller import caller_of
from ui.evaluation_desk import report_page
from ui.evaluation_runs import Runs, results_folder
from ui.handlers import Engine

PATH = "/evaluation/report/"
# The page's meta element narrows this to its one style sheet and its one script, by their hashes.
POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_report(app: FastAPI, engine: Engine, runs: Runs | None = None) -> None:
    """Serve the reports of runs (default: those of `results_folder()`) under PATH and their name."""
    own = runs or Runs(results_folder())
    public = Runs(own.folder, public=True)
    one_at_a_time = threading.Lock()  # a report's intervals take a second or more of a core

    @app.get(PATH + "{name}")
    def report(name: str, request: Request) -> Response:
        found = own if caller_of(request).alone else public
        try:
            with one_at_a_time:
                text = report_page(found, name, engine.library)
        except FootnotedError as error:
            return Response(str(error), 404, media_type="text/plain; charset=utf-8")
        headers = {"content-security-policy": POLICY, "cache-control": "no-store"}
        return Response(text, media_type="text/html; charset=utf-8", headers=headers)
