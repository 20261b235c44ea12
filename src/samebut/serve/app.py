"""The app: the API and the page over a gallery, or over several, behind the guard."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from samebut import __version__
from samebut.errors import SamebutError
from samebut.gallery import Gallery
from samebut.serve import several, sites
from samebut.serve.asking import malformed
from samebut.serve.compression import Compression
from samebut.serve.current import CurrentGallery, warm_up
from samebut.serve.guard import KNOWN, Guard
from samebut.serve.page import Page, shipped
from samebut.serve.place import GALLERIES
from samebut.serve.problems import KINDS, Problem, preferred_language, problem_of
from samebut.serve.routes import router
from samebut.serve.serving import Resources, Serving
from samebut.serve.settings import Settings
from samebut.serve.watch import watch_of

_logger = logging.getLogger("samebut.serve")

_HTTP = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
}


class Member(NamedTuple):
    """A gallery among several, or why it could not be opened; and settings of its own."""

    gallery: Gallery | SamebutError
    settings: Settings


def create_app(gallery: Gallery, settings: Settings | None = None) -> FastAPI:
    """An ASGI app that serves ``gallery``. The caller closes the gallery.

    The model is loaded and the store read when the app starts up, not by the first search.
    """
    settings = settings or Settings()
    resources = Resources(settings)
    served: list[_Served] = []
    app = _app(resources, served)
    serving = Serving(CurrentGallery(gallery), settings, resources)
    served.append(_Served(app, serving))
    _add_gallery(app, shipped(), serving)
    return _guarded(app, settings, resources)


def create_site(members: Mapping[str, Member], settings: Settings) -> FastAPI:
    """An ASGI app that serves galleries by their names, each at ``/g/NAME/``, with a list at ``/``.

    One that could not be opened is listed, and what is asked of it is refused; the others are
    served. The caller closes the galleries.
    """
    settings = replace(settings, several=True)
    resources, page = Resources(settings), shipped()
    served: list[_Served] = []
    site = _app(resources, served)
    for name, member in members.items():
        if isinstance(member.gallery, Gallery):
            current = CurrentGallery(member.gallery)
            serving = Serving(current, member.settings, resources, name=name)
            served.append(_Served(_app(resources, []), serving))
    servings = {each.serving.name: each.serving for each in served}
    several.add_to(site, page, {name: servings.get(name) for name in members}, resources)
    _add_files(site, page)
    for app, serving in served:
        _add_gallery(app, page, serving)
        site.mount(f"{GALLERIES}/{serving.name}", app)
    return _guarded(site, settings, resources)


class _Served(NamedTuple):
    app: FastAPI
    serving: Serving


def _app(resources: Resources, served: Sequence[_Served]) -> FastAPI:
    """An app without routes, which starts and ends what is ``served``."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for app, serving in served:
            await run_in_threadpool(_start, serving)
            app.state.serving = serving
        yield
        for app, serving in served:
            app.state.serving = None
            serving.accelerating.stop()
            if serving.watch:
                await run_in_threadpool(serving.watch.stop)
        if await run_in_threadpool(resources.close):
            for _app, serving in served:
                serving.current.close()

    # Only the OpenAPI document is served: FastAPI's documentation pages load scripts from other
    # servers.
    app = FastAPI(
        title="samebut",
        description="Find pictures by example plus words.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        openapi_url="/openapi.json",
    )
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    return app


def _start(serving: Serving) -> None:
    """Load what the first search would wait for, and start the watch. If one of several galleries
    fails, the others are served; each request to it tries again and is refused if that fails."""
    try:
        warm_up(serving.gallery)
        serving.watch = watch_of(serving.gallery, serving.settings, serving.name)
    except SamebutError as error:
        if not serving.name:
            raise
        _logger.error("%s: %s", serving.name, error)
    if serving.watch:
        serving.watch.start()
    serving.accelerating.start()


def _add_gallery(app: FastAPI, page: Page, serving: Serving) -> None:
    app.include_router(router)
    _add_files(app, page)

    def document(request: Request, *, framed: bool = False) -> Response:
        knows = serving.gallery.model.knows if request.scope[KNOWN] else {}
        return page.document(request, knows, gallery=serving.name, framed=framed)

    @app.get("/", include_in_schema=False)
    async def whole(request: Request) -> Response:
        return document(request)

    if not serving.settings.origins:
        return

    @app.get(sites.FRAMED, include_in_schema=False)
    async def framed(request: Request) -> Response:
        return document(request, framed=True)

    @app.get(sites.FRAMING, include_in_schema=False)
    async def framing(request: Request) -> Response:
        return page.framing.to(request)


def _add_files(app: FastAPI, page: Page) -> None:
    @app.get("/static/{name}", include_in_schema=False)
    async def asset(request: Request, name: str) -> Response:
        if name not in page.assets:
            raise Problem("not_found")
        return page.assets[name].to(request)


def _guarded(app: FastAPI, settings: Settings, resources: Resources) -> FastAPI:
    app.add_middleware(Compression)
    app.add_middleware(Guard, settings=settings, telemetry=resources.telemetry)
    return app


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
