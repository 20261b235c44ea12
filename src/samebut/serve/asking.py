"""A request to a query with its pictures: two ways to send one, checked before work is begun."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from samebut.gallery import Gallery
from samebut.serve.problems import Problem
from samebut.serve.schemas import MAX_TURNS, Query
from samebut.turns import Turn

_LARGEST_FIELD = 200_000  # bytes; ten turns of a thousand characters, every one of them escaped


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, the bytes of the pictures sent with it by name, and the seconds they took."""

    query: Query
    pictures: dict[str, bytes] = field(default_factory=dict)
    upload_seconds: float = 0.0

    def turns(self, gallery: Gallery) -> list[Turn]:
        """The turns, pictures of the gallery as files.

        Raises Problem "picture_unknown" for an id that the gallery does not have.
        """
        return [
            Turn(
                self.pictures[turn.upload]
                if turn.upload is not None
                else None
                if turn.picture is None
                else gallery.file_of(gallery_path(gallery, turn.picture)),
                turn.text,
            )
            for turn in self.query.turns
        ]


def gallery_path(gallery: Gallery, number: int) -> str:
    """The path of a picture by its id. Raises Problem "picture_unknown"."""
    entries = gallery.index.pictures([number])
    if not entries:
        raise Problem("picture_unknown", number=number)
    return entries[0].path


async def read_query(request: Request) -> Asked:
    """What is asked, from JSON or from a form with a field ``query`` and files.

    Raises Problem: the body is damaged, no query, or names other files than it holds.
    """
    started = time.perf_counter()
    content = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content not in _READERS:
        raise Problem("content_type")
    text, pictures = await _READERS[content](request)
    query = _parsed(text)
    for name in query.uploads:
        if name not in pictures:
            raise Problem("upload_missing", name=name)
    for name in pictures:
        if name not in query.uploads:
            raise Problem("upload_unused", name=_shown(name))
    return Asked(query, pictures, time.perf_counter() - started)


async def _from_json(request: Request) -> tuple[bytes, dict[str, bytes]]:
    return await request.body(), {}


async def _from_form(request: Request) -> tuple[bytes, dict[str, bytes]]:
    try:
        form = await request.form(max_files=MAX_TURNS, max_fields=1, max_part_size=_LARGEST_FIELD)
    except (HTTPException, UnicodeError, ValueError, LookupError) as error:
        raise Problem("body_malformed") from error
    async with request.form() as form:
        text = form.get("query")
        if isinstance(text, UploadFile):  # some clients send JSON as a file of its own type
            text = (await text.read(_LARGEST_FIELD)).decode(errors="replace")
        pictures = {
            name: await part.read()
            for name, part in form.multi_items()
            if isinstance(part, UploadFile) and name != "query"
        }
    if text is None:
        raise _malformed("the form has no field 'query'", "表单缺少字段 query")
    return text.encode(errors="replace"), pictures


_READERS = {"application/json": _from_json, "multipart/form-data": _from_form}


def _parsed(text: bytes) -> Query:
    try:
        return Query.model_validate_json(text)
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
