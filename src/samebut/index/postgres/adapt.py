"""Values on their way to PostgreSQL and back.

PostgreSQL's texts are Unicode without surrogates, and names of files need not be. Each such
character is kept as `_MARK` and its number in six digits, and so is `_MARK` itself. Embeddings and
lists of ids travel in the binary forms of ``halfvec`` and ``bigint[]``.
"""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np
import psycopg
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format
from psycopg.types.string import StrDumperUnknown, TextBinaryLoader

from samebut.index.paths import kept
from samebut.index.sql import Halves, Ids, Name

_MARK = "\U0010ffff"
_UNKEPT = re.compile("[\ud800-\udfff\U0010ffff]")
_KEPT = re.compile("\U0010ffff(00d[89a-f][0-9a-f]{2}|10ffff)")

_BIGINT, _BIGINTS, _TEXT = 20, 1016, 25  # as PostgreSQL's catalogue numbers its own types
_ELEMENT = np.dtype([("bytes", ">i4"), ("id", ">i8")])


def escaped(text: str) -> str:
    """A text as PostgreSQL can keep it."""
    if text.isascii():
        return text
    return _UNKEPT.sub(lambda found: f"{_MARK}{ord(found[0]):06x}", text)


def unescaped(text: str) -> str:
    """What `escaped` was given."""
    return _KEPT.sub(lambda found: chr(int(found[1], 16)), text)


class _StrDumper(StrDumperUnknown):
    def dump(self, obj: str) -> Any:
        return super().dump(escaped(obj))


class _NameDumper(StrDumperUnknown):
    def dump(self, obj: bytes) -> Any:
        return super().dump(escaped(obj.decode("utf-8", "surrogatepass")))


class _TextLoader(TextBinaryLoader):
    def load(self, data: Any) -> str | bytes:
        text = str(super().load(data))
        return kept(unescaped(text)) if _MARK in text else text


class _HalvesDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return (
            struct.pack(">HH", len(obj) // 2, 0) + np.frombuffer(obj, "<f2").astype(">f2").tobytes()
        )


class _HalvesLoader(Loader):
    format = Format.BINARY

    def load(self, data: Any) -> bytes:
        return np.frombuffer(data, ">f2", offset=4).astype("<f2").tobytes()


class _IdsDumper(Dumper):
    format = Format.BINARY
    oid = _BIGINTS

    def dump(self, obj: bytes) -> bytes:
        ids = np.frombuffer(obj, "<i8")
        if not len(ids):
            return struct.pack(">iii", 0, 0, _BIGINT)
        elements = np.empty(len(ids), _ELEMENT)
        elements["bytes"], elements["id"] = 8, ids
        return struct.pack(">iiiii", 1, 0, _BIGINT, len(ids), 1) + elements.tobytes()


class _IdsLoader(Loader):
    format = Format.BINARY

    def load(self, data: Any) -> bytes:
        (dimensions,) = struct.unpack_from(">i", data)
        if not dimensions:
            return b""
        return np.frombuffer(data, _ELEMENT, offset=20)["id"].astype("<i8").tobytes()


def adapt(connection: Any, halfvec: int) -> None:
    """Let a psycopg ``connection`` take and give the store's values; ``halfvec`` is the number
    that the server has given to that type."""
    adapters = connection.adapters
    adapters.register_dumper(str, _StrDumper)
    adapters.register_dumper(Name, _NameDumper)
    adapters.register_dumper(Ids, _IdsDumper)
    adapters.register_dumper(Halves, type("_HalvesDumper", (_HalvesDumper,), {"oid": halfvec}))
    adapters.register_loader(_TEXT, _TextLoader)
    adapters.register_loader(_BIGINTS, _IdsLoader)
    adapters.register_loader(halfvec, _HalvesLoader)


def connect(parameters: dict[str, str]) -> Any:
    """A connection in which every statement is a transaction. Raises psycopg.Error."""
    return psycopg.connect(**parameters, autocommit=True)
