"""The API, version 1. What each address takes and gives is in ``/openapi.json`` and docs/api.md."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse

from samebut import __version__, gallery
from samebut.errors import PictureError, SamebutError
from samebut.explain import explain
from samebut.images import picture_size
from samebut.index import Entry
from samebut.serve import schemas, telemetry, thumbnails
from samebut.serve.asking import ReceivedQuery, query_of
from samebut.serve.guard import API
from samebut.serve.problems import LANGUAGES, Problem
from samebut.serve.settings import Settings
from samebut.serve.telemetry import Telemetry
from samebut.serve.thumbnails import Thumbnails
from samebut.serve.workers import Workers
from samebut.turns import SearchSeconds

FACET_VALUES = 50
_THUMBNAIL_THREADS = 2
_THUMBNAILS_WAITING = 512
_DIGITS = 3
_CACHED = "private, max-age=300, stale-while-revalidate=86400"
_MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpe": "image/jpeg",
    ".jfif": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".hif": "image/heif",
}


@dataclass(frozen=True)
class Serving:
    """What requests share. ``searching`` threads call the model, ``drawing`` ones open files."""

    gallery: gallery.Gallery
    settings: Settings
    telemetry: Telemetry = field(default_factory=Telemetry)
    thumbnails: Thumbnails = field(default_factory=Thumbnails)
    searching: Workers = field(init=False)
    drawing: Workers = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        for name, threads, waiting in (
            ("searching", settings.workers, settings.waiting),
            ("drawing", _THUMBNAIL_THREADS, _THUMBNAILS_WAITING),
        ):
            workers = Workers(name, threads=threads, waiting=waiting, seconds=settings.seconds)
            object.__setattr__(self, name, workers)
            self.telemetry.gauge("samebut_jobs", lambda w=workers: w.taken, kind=name)  # type: ignore[misc]
        self.telemetry.gauge("samebut_pictures", lambda: len(self.gallery))

    def close(self) -> None:
        """Let running jobs end."""
        self.searching.close()
        self.drawing.close()


def _serving(request: Request) -> Serving:
    serving: Serving | None = getattr(request.app.state, "serving", None)
    if serving is None:
        raise Problem("not_ready", headers={"Retry-After": "1"})
    return serving


Shared = Annotated[Serving, Depends(_serving)]
Number = Annotated[int, Path(alias="id", ge=1, le=schemas.LARGEST_ID)]
Count = Annotated[int, Query(ge=1, le=schemas.MAX_HITS)]
Offset = Annotated[int, Query(ge=0, le=schemas.MAX_OFFSET)]
Where = Annotated[str | None, Query(max_length=schemas.MAX_WHERE)]

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Refusal}
    for status in (400, 401, 403, 404, 408, 413, 415, 422, 429, 503)
}
_QUERY = schemas.inlined(schemas.QueryBody)
_QUERY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _QUERY},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "query": _QUERY,
                        "p0": {"type": "string", "format": "binary"},
                    },
                    "required": ["query"],
                },
                "encoding": {"query": {"contentType": "application/json"}},
            },
        },
    }
}

router = APIRouter(prefix=API, responses=_REFUSALS)


@router.post("/search", openapi_extra=_QUERY_BODY)
async def search(request: Request, serving: Shared) -> schemas.Hits:
    """Search by turns. Pictures are uploaded as files of a form, named by the turns' `upload`."""
    async with query_of(request) as asked:
        return await serving.searching.run(lambda: _search(serving, asked))


@router.get("/similar/{id}")
async def similar(
    serving: Shared,
    number: Number,
    k: Count = schemas.START_PAGE,
    offset: Offset = 0,
    where: Where = None,
) -> schemas.Hits:
    """Pictures most like one of the gallery."""

    def job() -> schemas.Hits:
        results = serving.gallery.similar(number, k, offset=offset, where=_filter(where))
        return _answer(serving, results)

    return await serving.searching.run(job)


@router.get("/browse")
async def browse(
    serving: Shared, k: Count = schemas.START_PAGE, offset: Offset = 0, where: Where = None
) -> schemas.Hits:
    """Pictures by their path: a start page."""

    def job() -> schemas.Hits:
        spent = SearchSeconds()
        with spent.on("search"):
            found, total = serving.gallery.listing(k, offset=offset, where=_filter(where))
        hits = [_shown(each, rank) for rank, each in enumerate(found, start=offset + 1)]
        return schemas.Hits(hits=hits, gate=None, total=total, milliseconds=_milliseconds(spent))

    return await serving.searching.run(job)


@router.post("/explain", openapi_extra=_QUERY_BODY)
async def explain_turn(request: Request, serving: Shared) -> schemas.Explained:
    """Where the words of a single turn, with a picture, were looked for."""
    async with query_of(request) as asked:
        if len(asked.query.turns) != 1:
            raise Problem(
                "query_unclear",
                zh={"why": "一次只能解释一步"},
                why="One turn at a time can be explained",
            )
        return await serving.searching.run(lambda: _explain(serving, asked))


@router.get("/facets")
async def facets(serving: Shared) -> schemas.Facets:
    """What can be filtered by: metadata columns, their commonest values, and counts."""
    return await serving.searching.run(
        lambda: schemas.Facets(columns=serving.gallery.index.facets(FACET_VALUES))
    )


@router.get("/info")
async def info(serving: Shared) -> schemas.Info:
    """What is served, and what it allows."""
    model, settings = serving.gallery.model, serving.settings
    return schemas.Info(
        pictures=await serving.searching.run(lambda: len(serving.gallery)),
        model=schemas.ModelInfo(
            name=model.name,
            knows=model.knows,
            fingerprint=model.fingerprint,
            fusion=model.fusions[0],
            fusions=list(model.fusions),
            dim=model.dim,
        ),
        version=__version__,
        languages=list(LANGUAGES),
        limits=schemas.Limits(
            upload_bytes=settings.upload_bytes,
            pixels=settings.pixels,
            turns=schemas.MAX_TURNS,
            text=schemas.MAX_TEXT,
            k=schemas.MAX_HITS,
        ),
    )


@router.get("/pictures/{id}", response_class=FileResponse)
async def picture(serving: Shared, number: Number) -> FileResponse:
    """A picture's file as it is."""

    def job() -> FileResponse:
        file = serving.gallery.file_of(serving.gallery.picture(number).path)
        try:
            # What is no picture any more must not be sent: it may hold anything by now.
            picture_size(file)
            return FileResponse(
                file,
                media_type=_MEDIA_TYPES.get(file.suffix.lower(), "application/octet-stream"),
                stat_result=file.stat(),
                headers={"Cache-Control": _CACHED},
            )
        except (PictureError, OSError) as error:
            raise Problem("picture_gone", number=number) from error

    return await serving.drawing.run(job)


@router.get(
    "/thumbnails/{id}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 304: {"description": "Not changed"}},
)
async def thumbnail(
    request: Request,
    serving: Shared,
    number: Number,
    size: Annotated[int, Query(ge=16, le=thumbnails.SIZES[-1])] = 320,
) -> Response:
    """A small JPEG of a picture, its longer side at least `size` where the picture has that."""

    def job() -> Response:
        entry = serving.gallery.picture(number)
        asked = request.headers.get("if-none-match", "")
        file = serving.gallery.file_of(entry.path)
        try:
            if (etag := serving.thumbnails.etag(file, size)) in asked:
                return Response(status_code=304, headers=_cached(etag))
            small = serving.thumbnails.get(file, size)
        except PictureError as error:
            raise Problem("picture_gone", number=number) from error
        return Response(small.jpeg, media_type="image/jpeg", headers=_cached(small.etag))

    return await serving.drawing.run(job)


@router.get("/health")
async def health() -> schemas.State:
    """The process is alive."""
    return schemas.State(status="alive")


@router.get("/ready")
async def ready(serving: Shared) -> schemas.State:
    """The gallery is open and its model loaded; else 503."""

    def job() -> schemas.State:
        index = serving.gallery.index
        try:
            index.search(np.eye(1, index.dim, dtype=np.float32), 1)
        except SamebutError as error:
            raise Problem("not_ready", headers={"Retry-After": "5"}) from error
        return schemas.State(status="ready")

    return await serving.drawing.run(job)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(serving: Shared) -> PlainTextResponse:
    """Numbers about the server, for Prometheus."""
    text = await serving.drawing.run(serving.telemetry.text)
    return PlainTextResponse(text, media_type=telemetry.CONTENT_TYPE)


def _search(serving: Serving, asked: ReceivedQuery) -> schemas.Hits:
    query = asked.query
    results = serving.gallery.search(
        asked.turns(serving.gallery),
        query.k,
        offset=query.offset,
        where=_filter(query.where),
        text_weight=query.text_weight,
        fusion=query.fusion,
        include_references=query.include_references,
        max_pixels=serving.settings.pixels,
    )
    return _answer(serving, results, asked.upload_seconds)


def _explain(serving: Serving, asked: ReceivedQuery) -> schemas.Explained:
    (turn,) = asked.turns(serving.gallery)
    found = explain(serving.gallery.model, turn, max_pixels=serving.settings.pixels)
    words = [
        schemas.WordMap(text=word.text, map=word.map.astype(float).round(_DIGITS).tolist())
        for word in found.words
    ]
    rows, columns = found.words[0].map.shape if found.words else (0, 0)
    return schemas.Explained(
        words=words,
        kind=found.kind,
        grid=(rows, columns),
        box=(0, 0, found.width, found.height),
        gate=found.gate,
        picture=schemas.Size(width=found.width, height=found.height),
    )


def _cached(etag: str) -> dict[str, str]:
    return {"Cache-Control": _CACHED, "ETag": f'"{etag}"'}


def _filter(where: str | None) -> str | None:
    """A filter of nothing but blanks is none: an empty field of a form."""
    return where if where and where.strip() else None


def _answer(serving: Serving, results: gallery.Results, upload: float = 0.0) -> schemas.Hits:
    for stage in ("decode", "encode", "fuse", "search"):
        if seconds := getattr(results.spent, stage):
            serving.telemetry.observe("samebut_stage_seconds", seconds, stage=stage)
    return schemas.Hits(
        hits=[_shown(hit, hit.rank, hit.score) for hit in results.hits],
        gate=results.gate,
        confidence=results.confidence,
        total=results.total,
        milliseconds=_milliseconds(results.spent, upload),
        unread=list(results.unread),
    )


def _shown(picture: Entry | gallery.Hit, rank: int, score: float | None = None) -> schemas.HitBody:
    return schemas.HitBody(
        rank=rank,
        score=score,
        id=picture.id,
        path=_text(picture.path),
        width=picture.width,
        height=picture.height,
        metadata=picture.metadata,
        picture=f"{API}/pictures/{picture.id}",
        thumbnail=f"{API}/thumbnails/{picture.id}",
    )


def _text(path: str) -> str:
    """A file's name as text: what is no Unicode in it is shown as a replacement character."""
    return os.fsencode(path).decode(errors="replace")


def _milliseconds(spent: SearchSeconds, upload: float = 0.0) -> schemas.Milliseconds:
    seconds = {
        "upload": upload,
        "decode": spent.decode,
        "encode": spent.encode,
        "fuse": spent.fuse,
        "search": spent.search,
    }
    return schemas.Milliseconds(**{name: round(1000 * s, _DIGITS) for name, s in seconds.items()})
