"""A gallery as tools of the Model Context Protocol, for assistants: search by picture and words
with turns, pictures alike, what can be filtered by, and the pictures themselves.

Limits are those of the API (``samebut.serve.schemas``, ``Settings``). Over standard input and
output the assistant works for whoever started it, and may name files of this machine; over HTTP
it may not.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent, ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.types import ASGIApp

from samebut import __version__
from samebut.answers import Hit, Results
from samebut.errors import PictureError, SamebutError
from samebut.gallery import Gallery
from samebut.serve import schemas
from samebut.serve.current import CurrentGallery
from samebut.serve.guard import Guard
from samebut.serve.problems import Problem, problem_of
from samebut.serve.serving import Resources, Serving
from samebut.serve.settings import Settings
from samebut.turns import Source, Turn

PATH = "/mcp"
_IMAGES = 12  # thumbnails in one answer: each is some 10 kB that the assistant has to read
_THUMBNAIL = 320  # pixels
_FACET_VALUES = 30
_DIGITS = 3
_READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_INSTRUCTIONS = """\
Finds pictures in one gallery by an example and words ("this one, but in blue"), in English or \
Chinese. search_pictures takes a conversation: each turn has a picture, a text, or both, and a \
text without a picture goes on about the picture before it. To refine an answer, send all earlier \
turns again with one more, or begin anew with the id of a hit as the picture. Text alone works \
too. list_filters says what `where` can ask for."""

T = TypeVar("T")

PictureNumber = Annotated[
    int, Field(ge=1, le=schemas.LARGEST_ID, description="Id of a picture, from an earlier answer.")
]
Count = Annotated[int, Field(ge=1, le=schemas.MAX_HITS, description="How many pictures.")]
Images = Annotated[
    int,
    Field(ge=0, le=_IMAGES, description="How many of the first are shown, as small images."),
]
Offset = Annotated[int, Field(ge=0, le=schemas.MAX_OFFSET, description="How many to leave out.")]
Filtered = Annotated[
    str | None,
    Field(
        max_length=schemas.MAX_WHERE,
        description="A filter on the table, such as: colour = 'blue' and price < 50",
    ),
]


class McpTurn(BaseModel):
    """One step of a conversation."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(
        "", max_length=schemas.MAX_TEXT, description='What shall be different, such as "in blue".'
    )
    picture: schemas.PictureId | None = Field(
        None, description="Id of a picture of the gallery to start from."
    )
    file: str | None = Field(
        None, max_length=4096, description="Path of a picture on this machine to start from."
    )
    image_base64: str | None = Field(
        None, description="A picture to start from: the bytes of a JPEG or PNG file in base64."
    )

    @model_validator(mode="after")
    def _one_picture(self) -> McpTurn:
        if sum(each is not None for each in (self.picture, self.file, self.image_base64)) > 1:
            raise ValueError("a turn has one of picture, file and image_base64")
        return self


Turns = Annotated[
    list[McpTurn],
    Field(
        min_length=1,
        max_length=schemas.MAX_TURNS,
        description="The conversation so far, oldest turn first.",
    ),
]


def mcp_server(serving: Serving, *, files: bool) -> MCPServer[Any]:
    """The tools of one gallery. ``files``: whether a turn may name a file of this machine."""
    tools = _Tools(serving, files=files)
    server: MCPServer[Any] = MCPServer(
        "samebut",
        title="samebut picture search",
        instructions=_INSTRUCTIONS,
        version=__version__,
        log_level="WARNING",
    )
    for tool in (
        tools.search_pictures,
        tools.similar_pictures,
        tools.show_picture,
        tools.list_filters,
        tools.gallery_info,
    ):
        server.tool(annotations=_READS)(tool)
    return server


def serving_of(gallery: Gallery, settings: Settings) -> Serving:
    """What the tools search with; its ``resources`` are the caller's to close."""
    return Serving(CurrentGallery(gallery), settings, Resources(settings))


def run_on_stdio(gallery: Gallery, settings: Settings) -> None:
    """Answer on standard input and output until the input ends. The log goes to stderr."""
    import anyio

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    serving = serving_of(gallery, settings)
    try:
        anyio.run(mcp_server(serving, files=True).run_stdio_async)
    finally:
        serving.current.close()
        serving.resources.close()


def http_app(serving: Serving) -> ASGIApp:
    """The tools at `PATH`, behind the guard: token, names of this server, size of a request.

    Pages of web sites may not ask, whatever name they reach it by.
    """
    settings = serving.settings
    app = mcp_server(serving, files=False).streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        max_request_body_size=settings.upload_bytes,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=settings.hosts is not None,
            allowed_hosts=_hosts(settings.hosts or ()),
        ),
    )
    return Guard(app, settings, serving.telemetry)


def _hosts(names: Collection[str]) -> list[str]:
    """The names of this server as the SDK checks them. A server that may be called anything has
    clients that must show a token, which no page of a web site has."""
    named = [f"[{name}]" if ":" in name else name for name in sorted(names)]
    return [form for name in named for form in (name, f"{name}:*")]


class _Tools:
    """Each method is a tool: its docstring and parameters are what an assistant reads."""

    def __init__(self, serving: Serving, *, files: bool) -> None:
        self._serving, self._files = serving, files

    async def search_pictures(
        self,
        turns: Turns,
        count: Count = 8,
        images: Images = 4,
        offset: Offset = 0,
        where: Filtered = None,
    ) -> CallToolResult:
        """Find pictures by an example plus words, by words alone, or by an example alone."""

        def job(gallery: Gallery) -> CallToolResult:
            results = gallery.search(
                [self._turn(gallery, each) for each in turns],
                count,
                offset=offset,
                where=_filter(where),
                collapse=True,
                read_filters=True,
                max_pixels=self._serving.settings.pixels,
            )
            return self._answer(gallery, results, images)

        return await self._run(job)

    async def similar_pictures(
        self,
        picture: PictureNumber,
        count: Count = 8,
        images: Images = 4,
        offset: Offset = 0,
        where: Filtered = None,
    ) -> CallToolResult:
        """Find the pictures most like one of the gallery."""

        def job(gallery: Gallery) -> CallToolResult:
            results = gallery.similar(picture, count, offset=offset, where=_filter(where))
            return self._answer(gallery, results, images)

        return await self._run(job)

    async def show_picture(
        self,
        picture: PictureNumber,
        size: Annotated[
            int, Field(ge=16, le=1024, description="Pixels of its longer side, rounded up.")
        ] = 640,
    ) -> CallToolResult:
        """Look at one picture of the gallery, and at what the table says of it."""

        def job(gallery: Gallery) -> CallToolResult:
            entry = gallery.picture(picture)
            about = {
                "id": entry.id,
                "path": _text(entry.path),
                "width": entry.width,
                "height": entry.height,
                "metadata": entry.metadata,
            }
            return _result(about, [self._image(gallery, entry.path, size)])

        return await self._run(job)

    async def list_filters(self, where: Filtered = None) -> CallToolResult:
        """The table's columns, their commonest values, and how many pictures have each."""

        def job(gallery: Gallery) -> CallToolResult:
            columns, shown = gallery.facets(_FACET_VALUES, _filter(where))
            kinds = {facet.column: facet.kind for facet in shown}
            return _result(
                {
                    "columns": [
                        {
                            "column": name,
                            "about": kinds.get(name),
                            "values": [{"value": v, "count": n} for v, n in values],
                        }
                        for name, values in columns.items()
                    ]
                }
            )

        return await self._run(job)

    async def gallery_info(self) -> CallToolResult:
        """How many pictures there are, and what the model knows."""

        def job(gallery: Gallery) -> CallToolResult:
            model = gallery.model
            return _result(
                {"pictures": len(gallery), "model": model.name, "knows": model.knows.get("en")}
            )

        return await self._run(job)

    async def _run(self, job: Callable[[Gallery], T]) -> T:
        """``job`` on a worker. Raises ToolError with what is wrong and what to do about it."""
        try:
            return await self._serving.search(job)
        except Problem as problem:
            raise _refusal(problem) from problem
        except SamebutError as error:
            raise _refusal(problem_of(error)) from error

    def _turn(self, gallery: Gallery, turn: McpTurn) -> Turn:
        return Turn(self._source(gallery, turn), turn.text)

    def _source(self, gallery: Gallery, turn: McpTurn) -> Source | None:
        if turn.picture is not None:
            return gallery.file_of(gallery.picture(turn.picture).path)
        if turn.image_base64 is not None:
            return _decoded(turn.image_base64)
        if turn.file is None:
            return None
        if not self._files:
            raise ToolError(
                "Files of this server can't be named. Send the picture as image_base64, or the id "
                "of a picture of the gallery."
            )
        return Path(turn.file).expanduser()  # of this machine: an address is never asked

    def _answer(self, gallery: Gallery, results: Results, images: int) -> CallToolResult:
        seen: list[ContentBlock] = [
            block for hit in results.hits[:images] for block in self._shown(gallery, hit)
        ]
        return _result(_said(gallery, results), seen)

    def _shown(self, gallery: Gallery, hit: Hit) -> list[ContentBlock]:
        """A hit as an image under its id. One whose file is gone stops no other."""
        try:
            image: ContentBlock = self._image(gallery, hit.path, _THUMBNAIL)
        except PictureError as error:
            image = TextContent(type="text", text=f"can't be shown: {error.reason}")
        return [TextContent(type="text", text=f"picture {hit.id}:"), image]

    def _image(self, gallery: Gallery, path: str, size: int) -> ImageContent:
        made = self._serving.resources.thumbnails.get(gallery.file_of(path), size)
        data = base64.b64encode(made.content).decode()
        return ImageContent(type="image", data=data, mime_type="image/jpeg")


def _said(gallery: Gallery, results: Results) -> dict[str, Any]:
    """An answer in names and numbers; what is empty is left out."""
    nothing = [] if results.total or results.where is None else _why(gallery, results)
    notes = {
        "unsure": "None of these may be meant." if results.unsure else "",
        "filter": str(results.where) if results.where else "",
        "not_read": list(results.unread),
        "nothing_passes_the_filter": nothing,
    }
    return {
        "hits": [_hit(hit) for hit in results.hits],
        "searched": results.total,
        "confidence": _rounded(results.confidence),
        **{name: value for name, value in notes.items() if value},
    }


def _why(gallery: Gallery, results: Results) -> list[str]:
    assert results.where is not None
    return list(gallery.index.why_nothing(results.where))


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "rank": hit.rank,
        "id": hit.id,
        "path": _text(hit.path),
        "score": round(hit.score, _DIGITS),
        "metadata": hit.metadata,
        "near_copies": list(hit.copies),
    }


def _result(about: dict[str, Any], seen: Iterable[ContentBlock] = ()) -> CallToolResult:
    """``about`` as an object for programs, and as text before what can be ``seen``."""
    text = json.dumps(about, ensure_ascii=False)
    return CallToolResult(
        content=[TextContent(type="text", text=text), *seen], structured_content=about
    )


def _decoded(text: str) -> bytes:
    """The bytes of a picture; an address ``data:image/png;base64,...`` is read too."""
    head, comma, rest = text.partition(",")
    try:
        return base64.b64decode(rest if comma and head.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ToolError(f"image_base64 is not base64: {error}") from error


def _refusal(problem: Problem) -> ToolError:
    said = problem.said("en")
    return ToolError(f"{said['detail']} {said['hint']}".strip())


def _filter(where: str | None) -> str | None:
    return where if where and where.strip() else None


def _text(path: str) -> str:
    return path.encode(errors="surrogateescape").decode(errors="replace")


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, _DIGITS)
