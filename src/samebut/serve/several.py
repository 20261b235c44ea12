"""Several galleries on one server: their list, and what is asked of the server as a whole."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from samebut.errors import SamebutError
from samebut.serve import schemas, telemetry
from samebut.serve.guard import API, KNOWN
from samebut.serve.page import Page
from samebut.serve.place import GALLERIES, gallery_path
from samebut.serve.problems import Problem
from samebut.serve.serving import Resources, Serving

_METHODS = ["GET", "HEAD", "POST"]
_logger = logging.getLogger("samebut.serve")


class ListedGallery(BaseModel):
    """``address``: where its page is; its API is below. ``pictures``: null if it can't be read."""

    name: str
    address: str
    status: Literal["ready", "unavailable"]
    pictures: int | None


class ListedGalleries(BaseModel):
    galleries: list[ListedGallery]


def add_to(
    site: FastAPI, page: Page, servings: Mapping[str, Serving | None], resources: Resources
) -> None:
    """Add to ``site`` the list of galleries and its own API. None: it could not be opened."""

    async def listed(root: str) -> list[ListedGallery]:
        def look() -> list[ListedGallery]:
            return [_listed(name, root, serving) for name, serving in servings.items()]

        return await resources.looking.run(look)

    @site.get("/", include_in_schema=False)
    async def listing(request: Request) -> Response:
        found = await listed(request.scope["root_path"]) if request.scope[KNOWN] else None
        counts = None if found is None else {each.name: each.pictures for each in found}
        return page.listing(request, counts)

    @site.get(f"{API}/galleries")
    async def galleries(request: Request) -> ListedGalleries:
        """What is served here, by name."""
        return ListedGalleries(galleries=await listed(request.scope["root_path"]))

    @site.get(f"{API}/health")
    async def health() -> schemas.State:
        """The process is alive."""
        return schemas.State(status="alive")

    @site.get(f"{API}/ready")
    async def ready(request: Request) -> schemas.State:
        """At least one gallery can be searched; each has a ``ready`` of its own."""
        if all(each.status != "ready" for each in await listed("")):
            raise Problem("not_ready", headers={"Retry-After": "5"})
        return schemas.State(status="ready")

    @site.get(f"{API}/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """Numbers about the server, for Prometheus."""
        text = await resources.looking.run(resources.telemetry.text)
        return PlainTextResponse(text, media_type=telemetry.CONTENT_TYPE)

    for name in (name for name, serving in servings.items() if serving is None):
        address = f"{GALLERIES}/{name}/{{path:path}}"
        site.add_api_route(address, _refusing(name), methods=_METHODS, include_in_schema=False)


def _refusing(name: str) -> Callable[[], Awaitable[Response]]:
    async def refuse() -> Response:
        raise Problem("gallery_unavailable", headers={"Retry-After": "60"}, name=name)

    return refuse


def _listed(name: str, root: str, serving: Serving | None) -> ListedGallery:
    pictures = None
    try:
        pictures = serving.current.run(len) if serving else None
    except SamebutError as error:
        _logger.error("%s: %s", name, error)
    return ListedGallery(
        name=name,
        address=f"{root}{gallery_path(name)}/",
        status="unavailable" if pictures is None else "ready",
        pictures=pictures,
    )
