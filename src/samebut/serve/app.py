"""The app: the API and the page over one gallery, behind the guard."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from samebut import __version__
from samebut.errors import SamebutError
from samebut.gallery import Gallery
from samebut.serve.asking import malformed
from samebut.serve.compression import Compression
from samebut.serve.current import CurrentGallery, warm_up
from samebut.serve.guard import Guard
from samebut.serve.page import Page
from samebut.serve.problems import KINDS, Problem, preferred_language, problem_of
from samebut.serve.routes import Serving, router
from samebut.serve.settings import Settings
from samebut.serve.watch import watch_of

_logger = logging.getLogger("samebut.serve")

_HTTP = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
}


def create_app(gallery: Gallery, settings: Settings | None = None) -> FastAPI:
    """An ASGI app that serves ``gallery``, which stays the caller's to close.

    The model is loaded and the store read when the app starts up, not by the first search.
    """
    settings = settings or Settings()
    serving = Serving(CurrentGallery(gallery), settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(warm_up, gallery)
        watch = watch_of(gallery, settings)
        if watch:
            watch.start()
        serving.watch = watch
        app.state.serving = serving
        yield
        app.state.serving = None
        if watch:
            await run_in_threadpool(watch.stop)
        await run_in_threadpool(serving.close)

    # The documentation pages of FastAPI load scripts from other servers; the document does not.
    app = FastAPI(
        title="samebut",
        description="Find pictures by example plus words.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        openapi_url="/openapi.json",
    )
    app.include_router(router)
    _serve_page(app, Page(), serving)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(Compression)
    app.add_middleware(Guard, settings=settings, telemetry=serving.telemetry)
    return app


def _serve_page(app: FastAPI, page: Page, serving: Serving) -> None:
    @app.get("/", include_in_schema=False)
    async def document(request: Request) -> Response:
        return page.document(request, serving.gallery.model.knows)

    @app.get("/static/{name}", include_in_schema=False)
    async def asset(request: Request, name: str) -> Response:
        if name not in page.assets:
            raise Problem("not_found")
        return page.assets[name].to(request)


def _refused(request: Request, problem: Problem) -> JSONResponse:
    return problem.response(preferred_language(request.headers.get("accept-language", "")))


async def _on_problem(request: Request, error: Any) -> Response:
    return _refused(request, error)


async def _on_samebut_error(request: Request, error: Any) -> Response:
    problem = problem_of(error)
    if problem.kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _logger.error("%s: %s", type(error).__name__, error)
    return _refused(request, problem)


async def _on_invalid_parameter(request: Request, error: Any) -> Response:
    first = error.errors()[0]
    return _refused(request, malformed(first["loc"][1:], first["msg"]))


async def _on_http_error(request: Request, error: Any) -> Response:
    code = _HTTP.get(error.status_code, "body_malformed" if error.status_code < 500 else "internal")
    assert code in KINDS
    return _refused(request, Problem(code, headers=error.headers))


_HANDLERS: dict[type[Exception], Any] = {
    Problem: _on_problem,
    SamebutError: _on_samebut_error,
    RequestValidationError: _on_invalid_parameter,
    HTTPException: _on_http_error,
}
