"""Parses a request into a query with its pictures: JSON or a form, checked before any work
begins."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from samebut.gallery import Gallery
from samebut.serve.problems import Problem
from samebut.serve.schemas import MAX_TURNS, MAX_UNWANTED, QueryBody, QueryPicture
from samebut.serve.serving import Resources
from samebut.turns import EncodedPicture, SearchSeconds, Source, Turn, encoded

_LARGEST_QUERY = 300_000  # bytes; twenty texts of a thousand characters, every one of them escaped


@dataclass(frozen=True, slots=True)
class ReceivedQuery:
    """A query, the pictures sent with it by name, and the seconds they took to come.

    Large pictures lie on disk until a worker reads them: a queue of them in memory would be
    hundreds of megabytes.
    """

    query: QueryBody
    pictures: dict[str, UploadFile]
    upload_seconds: float

    def uploads(
        self, gallery: Gallery, max_pixels: int, spent: SearchSeconds
    ) -> dict[str, EncodedPicture]:
        """The pictures that were sent, each encoded once, by name. For a worker thread.

        Raises PictureError.
        """
        return {
            name: encoded(
                gallery.model, _content(part), max_pixels, spent, self.query.boxes.get(name)
            )
            for name, part in self.pictures.items()
        }

    def turns(
        self, gallery: Gallery, uploads: Mapping[str, EncodedPicture], resources: Resources
    ) -> list[Turn]:
        """The turns, pictures of the gallery as files, or what is kept of those elsewhere.

        Raises UnknownPicture for an id that the gallery does not have, and Problem
        "upload_forgotten" for one that is not kept.
        """
        return [
            Turn(
                _source(turn, gallery, uploads, resources),
                turn.text,
                turn.box,
                turn.caption,
                turn.called,
                turn.weight,
            )
            for turn in self.query.turns
        ]

    def without(
        self, gallery: Gallery, uploads: Mapping[str, EncodedPicture], resources: Resources
    ) -> list[Turn]:
        """What is not wanted, as ``turns`` has what is. Raises what it does."""
        unwanted = self.query.without
        pictures = [
            Turn(_source(each, gallery, uploads, resources), box=each.box)
            for each in unwanted.pictures
        ]
        return [*(Turn(text=text) for text in unwanted.texts), *pictures]


def _source(
    named: QueryPicture,
    gallery: Gallery,
    uploads: Mapping[str, EncodedPicture],
    resources: Resources,
) -> Source | None:
    if named.upload is not None:
        return uploads[named.upload]
    if named.kept is not None:
        found = resources.kept.find(named.kept, gallery.model.fingerprint)
        if found is None:
            raise Problem("upload_forgotten")
        return found
    if named.picture is not None:
        file = gallery.file_of(gallery.picture(named.picture).path)
        return file if isinstance(file, Path) else resources.originals.read(file)[0]
    return None


def _content(part: UploadFile) -> bytes:
    part.file.seek(0)  # an earlier try, with a gallery that was replaced, may have read it
    return part.file.read()


@asynccontextmanager
async def query_of(request: Request) -> AsyncIterator[ReceivedQuery]:
    """What is asked, from JSON or from a form with a field ``query`` and files.

    Raises Problem: the body is damaged, no query, or names other files than it holds.
    """
    started = time.perf_counter()
    content = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content not in _READERS:
        raise Problem("content_type")
    async with AsyncExitStack() as stack:
        text, pictures = await _READERS[content](request, stack)
        query = _parsed(text)
        for name in query.uploads:
            if name not in pictures:
                raise Problem("upload_missing", name=name)
        for name in pictures:
            if name not in query.uploads:
                raise Problem("upload_unused", name=_shown(name))
        yield ReceivedQuery(query, pictures, time.perf_counter() - started)


async def _from_json(
    request: Request, stack: AsyncExitStack
) -> tuple[bytes, dict[str, UploadFile]]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_QUERY:
            raise Problem("body_too_large", megabytes=f"{_LARGEST_QUERY / 1e6:g}")
    return body, {}


async def _from_form(
    request: Request, stack: AsyncExitStack
) -> tuple[bytes, dict[str, UploadFile]]:
    try:
        form = await stack.enter_async_context(
            request.form(
                max_files=MAX_TURNS + MAX_UNWANTED, max_fields=1, max_part_size=_LARGEST_QUERY
            )
        )
    except (HTTPException, UnicodeError, ValueError, LookupError) as error:
        raise Problem("body_malformed") from error
    text = form.get("query")
    if isinstance(text, UploadFile):  # some clients send JSON as a file of its own type
        text = (await text.read(_LARGEST_QUERY)).decode(errors="replace")
    if text is None:
        raise _malformed("the form has no field 'query'", "表单缺少字段 query")
    files: dict[str, UploadFile] = {}
    for name, part in form.multi_items():
        if not isinstance(part, UploadFile) or name == "query":
            continue
        if name in files:
            raise Problem("upload_twice", name=_shown(name))
        files[name] = part
    return text.encode(errors="replace"), files


_READERS = {"application/json": _from_json, "multipart/form-data": _from_form}


def _parsed(text: bytes) -> QueryBody:
    try:
        return QueryBody.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise malformed(first["loc"], first["msg"]) from None


def malformed(place: tuple[int | str, ...], message: str) -> Problem:
    """A Problem "query_malformed" that names the place and says what is wrong there."""
    where = _shown(".".join(map(str, place)))
    said = message.removeprefix("Value error, ")
    said = said[:1].lower() + said[1:]
    return _malformed(f"{where}: {said}" if where else said, where or "不是有效的 JSON")


def _malformed(why: str, zh: str) -> Problem:
    return Problem("query_malformed", zh={"why": zh}, why=why)


def _shown(name: str) -> str:
    """The beginning of a name from a request, nothing in it that could not be printed."""
    return re.sub(r"[^\w.\- ]", "?", name)[:60]
