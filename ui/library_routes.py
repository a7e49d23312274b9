"""The library tab's two routes: a file comes in, all insights go out. What came in is never sent out again."""

from urllib.parse import unquote

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from corpus.errors import FootnotedError
from corpus.export import EXPORTS
from ui.library_desk import LibraryDesk, export_suffix

UPLOAD = "/library/upload"


def add_routes(app: FastAPI, desk: LibraryDesk) -> None:
    """Add the routes to an application; its guard must limit the size of what may come in.

    A page of another origin can't use the first: its header makes a browser ask before, and nobody answers that.
    """

    @app.post(UPLOAD)
    async def upload(request: Request) -> Response:
        if "x-file-name" not in request.headers:
            return JSONResponse({"detail": "The file has no name."}, 400)
        try:
            data = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody
        try:
            token = await run_in_threadpool(desk.accept, unquote(request.headers["x-file-name"]), data)
        except FootnotedError as error:
            return JSONResponse({"detail": str(error)}, 400)
        return JSONResponse({"token": token})

    @app.get("/library/export{suffix}")
    def export(suffix: str) -> Response:
        format_name = export_suffix(suffix)
        try:
            pieces = desk.export(format_name) if format_name else None
        except FootnotedError as error:
            return JSONResponse({"detail": str(error)}, 503)
        if format_name is None or pieces is None:
            return JSONResponse({"detail": "Not found."}, 404)
        name = f'attachment; filename="insights{suffix}"'
        return StreamingResponse(
            pieces,
            media_type=f"{EXPORTS[format_name].media_type}; charset=utf-8",
            headers={"content-disposition": name},
        )
