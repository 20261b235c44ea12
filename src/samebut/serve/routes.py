"""The API, version 1. What each address takes and gives is in ``/openapi.json`` and docs/api.md."""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse

from samebut import __version__
from samebut.answers import Hit, Results
from samebut.composition.choice import Choice
from samebut.composition.rows import BLEND, COMPOSITIONS
from samebut.errors import PictureError, SamebutError
from samebut.explain import explain
from samebut.gallery import Gallery
from samebut.images import picture_size
from samebut.index import Entry
from samebut.index.where import Filter
from samebut.looks import Fulfilment, in_words
from samebut.remote import RemotePath
from samebut.runtime import Model
from samebut.serve import chinese, schemas, telemetry, thumbnails
from samebut.serve.asking import ReceivedQuery, query_of
from samebut.serve.guard import API
from samebut.serve.problems import LANGUAGES, MEDIA_TYPE, Language, Problem, preferred_language
from samebut.serve.serving import Serving
from samebut.turns import SearchSeconds

FACET_VALUES = 50
STACK_SHOWN = 20
SHOWN_VALUES = 200
_DIGITS = 3
_CHUNK_BYTES = 1 << 20
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


def _language(request: Request) -> Language:
    return preferred_language(request.headers.get("accept-language", ""))


Liked = Annotated[Language, Depends(_language)]

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": schemas.inlined(schemas.Refusal)}},
    }
    for status in (400, 401, 403, 404, 408, 410, 413, 415, 422, 429, 503, 507)
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
async def search(request: Request, serving: Shared, liked: Liked) -> schemas.Hits:
    """Search by turns. Pictures are uploaded as files of a form, named by the turns' `upload`."""
    async with query_of(request) as asked:
        return await serving.search(lambda current: _search(serving, current, asked, liked))


@router.get("/similar/{id}")
async def similar(
    serving: Shared,
    liked: Liked,
    number: Number,
    k: Count = schemas.START_PAGE,
    offset: Offset = 0,
    where: Where = None,
    exact: Annotated[bool, Query()] = False,
) -> schemas.Hits:
    """Pictures most like one of the gallery. With `exact` all pictures are compared, however many
    there are."""

    def job(current: Gallery) -> schemas.Hits:
        results = current.similar(number, k, offset=offset, where=_filter(where), exact=exact)
        answer = _answer(serving, current, results)
        answer.nothing = _nothing(current, _filter(where), results.total, liked)
        return answer

    return await serving.search(job)


@router.get("/browse")
async def browse(
    serving: Shared,
    liked: Liked,
    k: Count = schemas.START_PAGE,
    offset: Offset = 0,
    where: Where = None,
) -> schemas.Hits:
    """Pictures by their path: a start page."""

    def job(current: Gallery) -> schemas.Hits:
        spent = SearchSeconds()
        with spent.on("search"):
            found, total = current.listing(k, offset=offset, where=_filter(where))
        hits = [
            _shown(serving.root, each, rank) for rank, each in enumerate(found, start=offset + 1)
        ]
        return schemas.Hits(
            hits=hits,
            gate=None,
            total=total,
            milliseconds=_milliseconds(spent),
            nothing=_nothing(current, _filter(where), total, liked),
        )

    return await serving.search(job)


@router.post("/explain", openapi_extra=_QUERY_BODY)
async def explain_turn(
    request: Request, serving: Shared, of_answer: Annotated[bool, Query()] = False
) -> schemas.Explained:
    """Where the words of a single turn, with a picture, were looked for; with `of_answer` where a
    picture that answers them is like them."""
    async with query_of(request) as asked:
        if len(asked.query.turns) != 1:
            raise Problem(
                "query_unclear",
                zh={"why": "一次只能解释一步"},
                why="One turn at a time can be explained",
            )
        return await serving.search(
            lambda current: _explain(serving, current, asked, of_answer=of_answer)
        )


@router.post("/look", openapi_extra=_QUERY_BODY)
async def look(request: Request, serving: Shared) -> schemas.Looked:
    """What the picture of a single turn shows, in the values of the gallery's own columns."""
    async with query_of(request) as asked:
        turns = asked.query.turns
        if len(turns) != 1 or not turns[0].has_picture:
            raise Problem(
                "query_unclear",
                zh={"why": "一次只看一张图片"},
                why="One turn with a picture can be looked at",
            )
        return await serving.search(lambda current: _look(serving, current, asked))


@router.get("/facets")
async def facets(serving: Shared, where: Where = None) -> schemas.Facets:
    """What can be filtered by: metadata columns, their commonest values, and counts among the
    pictures that pass `where`. A column's own tests in it do not narrow its own counts."""

    def job(current: Gallery) -> schemas.Facets:
        columns, shown = current.facets(SHOWN_VALUES, _filter(where))
        serving.note_labels(current.table.labels_error)
        return schemas.Facets(
            columns={name: values[:FACET_VALUES] for name, values in columns.items()},
            shown=[schemas.ShownColumn(**asdict(facet)) for facet in shown],
        )

    return await serving.search(job)


@router.get("/info")
async def info(serving: Shared) -> schemas.Info:
    """What is served, and what it allows."""
    settings = serving.settings

    def job(current: Gallery) -> tuple[int, Model, Choice | None]:
        with current.index.snapshot():
            current.index.revision()  # is it this model's still?
            return len(current), current.model, current.choice

    pictures, model, choice = await serving.search(job)
    return schemas.Info(
        pictures=pictures,
        model=schemas.ModelInfo(
            name=model.name,
            knows=model.knows,
            fingerprint=model.fingerprint,
            fusion=model.fusions[0],
            fusions=list(model.fusions),
            chosen=choice.composition if choice else None,
            compositions=[*COMPOSITIONS, BLEND],
            dim=model.dim,
        ),
        version=__version__,
        languages=list(LANGUAGES),
        limits=schemas.Limits(
            upload_bytes=settings.upload_bytes,
            pixels=settings.pixels,
            turns=schemas.MAX_TURNS,
            without=schemas.MAX_UNWANTED,
            text=schemas.MAX_TEXT,
            k=schemas.MAX_HITS,
        ),
    )


@router.get("/pictures/{id}", response_class=FileResponse)
async def picture(serving: Shared, number: Number) -> Response:
    """A picture's file as it is."""

    def job(current: Gallery) -> Response:
        file = current.file_of(current.picture(number).path)
        kind = _MEDIA_TYPES.get(file.suffix.lower(), "application/octet-stream")
        headers = {"Cache-Control": _CACHED}
        try:
            if isinstance(file, RemotePath):
                return _remote_file(serving, file, kind, headers)
            # What is no picture any more must not be sent: it may hold anything by now.
            picture_size(file)
            return FileResponse(file, media_type=kind, stat_result=file.stat(), headers=headers)
        except (PictureError, OSError) as error:
            raise Problem("picture_gone", number=number) from error

    return await serving.draw(job)


@router.get(
    "/thumbnails/{id}",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {}, "image/webp": {}}},
        304: {"description": "Not changed"},
    },
)
async def thumbnail(
    request: Request,
    serving: Shared,
    number: Number,
    size: Annotated[int, Query(ge=16, le=thumbnails.SIZES[-1])] = 320,
) -> Response:
    """A small picture, its longer side at least `size` where the picture has that: a JPEG, or a
    WebP for those who accept that by name."""
    kind = thumbnails.accepted(request.headers.get("accept", ""))

    def job(current: Gallery) -> Response:
        entry = current.picture(number)
        asked = request.headers.get("if-none-match", "")
        file = current.file_of(entry.path)
        small = serving.resources.thumbnails
        try:
            if (etag := small.etag(file, size, kind)) in asked:
                return Response(status_code=304, headers=_cached(etag))
            made = small.get(file, size, kind)
        except PictureError as error:
            raise Problem("picture_gone", number=number) from error
        return Response(made.content, media_type=f"image/{kind}", headers=_cached(made.etag))

    return await serving.draw(job)


@router.get("/health")
async def health() -> schemas.State:
    """The process is alive."""
    return schemas.State(status="alive")


@router.get("/ready")
async def ready(serving: Shared) -> schemas.State:
    """The gallery is open, its model loaded, and its folder kept up with if it is watched."""

    def job(current: Gallery) -> None:
        index = current.index
        index.search(np.eye(1, index.dim, dtype=np.float32), 1)

    try:
        await serving.look(job)
    except SamebutError as error:
        raise Problem("not_ready", headers={"Retry-After": "5"}) from error
    if serving.is_behind:
        raise Problem("watch_behind", headers={"Retry-After": "5"})
    return schemas.State(status="ready")


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(serving: Shared) -> PlainTextResponse:
    """Numbers about the server, for Prometheus."""
    text = await serving.resources.looking.run(serving.telemetry.text)
    return PlainTextResponse(text, media_type=telemetry.CONTENT_TYPE)


def _remote_file(
    serving: Serving, file: RemotePath, kind: str, headers: dict[str, str]
) -> Response:
    content, _ = serving.resources.originals.read(file)
    picture_size(content)
    if isinstance(content, bytes):
        return Response(content, media_type=kind, headers=headers)
    stream = content.open("rb")
    chunks = iter(partial(stream.read, _CHUNK_BYTES), b"")
    return StreamingResponse(chunks, media_type=kind, headers=headers)


def _search(
    serving: Serving, current: Gallery, asked: ReceivedQuery, liked: Language
) -> schemas.Hits:
    query, pixels, spent = asked.query, serving.settings.pixels, SearchSeconds()
    uploads = asked.uploads(current, pixels, spent)
    results = current.search(
        asked.turns(current, uploads, serving.resources),
        query.k,
        offset=query.offset,
        where=_filter(query.where),
        text_weight=query.text_weight,
        fusion=query.fusion,
        rescore=query.rescore,
        without=asked.without(current, uploads, serving.resources),
        without_weight=query.without.weight,
        include_references=query.include_references,
        collapse=query.collapse,
        min_score=query.min_score,
        min_confidence=query.min_confidence,
        read_filters=query.read_filters,
        ignore=query.ignore,
        why=query.why,
        exact=query.exact,
        max_pixels=pixels,
    )
    results.spent.add(spent)
    answer = _answer(serving, current, results, asked.upload_seconds)
    answer.nothing = _nothing(current, results.where, results.total, liked)
    answer.uploads = {
        name: serving.resources.kept.keep(picture, current.model.fingerprint)
        for name, picture in uploads.items()
    }
    return answer


def _look(serving: Serving, current: Gallery, asked: ReceivedQuery) -> schemas.Looked:
    pixels = serving.settings.pixels
    uploads = asked.uploads(current, pixels, SearchSeconds())
    (turn,) = asked.turns(current, uploads, serving.resources)
    assert turn.source is not None
    found = current.look(turn.source, turn.box, max_pixels=pixels)
    kept = [
        serving.resources.kept.keep(each, current.model.fingerprint) for each in uploads.values()
    ]
    return schemas.Looked(
        upload=kept[0] if kept else None,
        seen=[
            schemas.SeenBody(
                column=each.column,
                kind=each.look,
                value=each.value,
                probability=round(each.probability, _DIGITS),
                label=called,
                say=in_words(each.look, called),
            )
            for each, called in (
                (each, current.table.called(each.look, each.value)) for each in found
            )
        ],
    )


def _explain(
    serving: Serving, current: Gallery, asked: ReceivedQuery, *, of_answer: bool
) -> schemas.Explained:
    pixels = serving.settings.pixels
    uploads = asked.uploads(current, pixels, SearchSeconds())
    (turn,) = asked.turns(current, uploads, serving.resources)
    found = explain(current.model, turn, of_answer=of_answer, max_pixels=pixels)
    words = [
        schemas.WordMap(
            text=word.text,
            map=word.map.astype(float).round(_DIGITS).tolist(),
            function_word=word.is_function_word,
        )
        for word in found.words
    ]
    rows, columns = found.words[0].map.shape if found.words else (0, 0)
    return schemas.Explained(
        words=words,
        kind=found.kind,
        grid=(rows, columns),
        box=found.box,
        gate=found.gate,
        picture=schemas.Size(width=found.width, height=found.height),
    )


def _cached(etag: str) -> dict[str, str]:
    return {"Cache-Control": _CACHED, "ETag": f'"{etag}"', "Vary": "Accept"}


def _filter(where: str | None) -> str | None:
    """A filter of nothing but blanks is none: an empty field of a form."""
    return where if where and where.strip() else None


def _nothing(
    current: Gallery, where: str | Filter | None, total: int, liked: Language
) -> list[str]:
    """Why no picture passes the filter, if none does."""
    if total or where is None:
        return []
    said = current.index.why_nothing(where)
    return [chinese.reason(each) for each in said] if liked == "zh" else said


def _answer(
    serving: Serving, current: Gallery, results: Results, upload: float = 0.0
) -> schemas.Hits:
    for stage in ("decode", "encode", "fuse", "search"):
        if seconds := getattr(results.spent, stage):
            serving.telemetry.observe("samebut_stage_seconds", seconds, stage=stage)
    return schemas.Hits(
        hits=[_shown(serving.root, hit, hit.rank, hit.score) for hit in results.hits],
        gate=results.gate,
        confidence=results.confidence,
        total=results.total,
        milliseconds=_milliseconds(results.spent, upload),
        unread=list(results.unread),
        unsure=results.unsure,
        where=str(results.where) if results.where else None,
        filters=[schemas.ReadFilter(**asdict(fact)) for fact in results.filters],
        lent=[
            schemas.LentBody(
                text=each.text,
                picture=each.picture,
                kind=each.look,
                value=each.value,
                say=each.say,
            )
            for each in results.lent
        ],
        holds=[
            schemas.Held(value=v, label=current.table.called("article", v)) for v in results.holds
        ],
        exact=results.exact,
        recall=results.recall,
    )


def _shown(
    root: str, picture: Entry | Hit, rank: int, score: float | None = None
) -> schemas.HitBody:
    copies = picture.copies if isinstance(picture, Hit) else ()
    return schemas.HitBody(
        rank=rank,
        score=score,
        id=picture.id,
        path=_text(picture.path),
        width=picture.width,
        height=picture.height,
        metadata=picture.metadata,
        picture=f"{root}{API}/pictures/{picture.id}",
        thumbnail=f"{root}{API}/thumbnails/{picture.id}",
        copies=len(copies),
        stack=list(copies[:STACK_SHOWN]),
        why=[_reason(each) for each in (picture.why if isinstance(picture, Hit) else ())],
    )


def _reason(why: Fulfilment) -> schemas.Reason:
    return schemas.Reason(
        wish=why.wish,
        kind=why.look,
        refused=why.is_refused,
        fulfilled=why.fulfilled,
        source=why.source,
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
