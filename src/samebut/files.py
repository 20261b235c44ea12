"""Text and JSON read whole, and any file written whole or not at all."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from samebut.errors import DataError

MAX_TOML_DEPTH = 100
"""Tables and lists within each other in a TOML file, at most."""


def read_text(path: Path) -> str:
    """A text file in UTF-8. Raises DataError if it is none, or can't be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is not UTF-8 text, at byte {error.start}", hint="Save it as UTF-8."
        ) from error
    except OSError as error:
        raise DataError(
            f"{path}: can't be read, {error.strerror or error}",
            hint="Give a file that exists and that you are allowed to read.",
        ) from error


def read_lines(path: Path) -> list[str]:
    """The lines of ``read_text``. Only a newline ends one: a caption may hold other separators."""
    return read_text(path).removesuffix("\n").split("\n")


def json_of(text: str, **options: Any) -> Any:
    """`json.loads`, but too deep nesting raises ValueError, not RecursionError."""
    return _shallow(lambda: json.loads(text, **options))


def toml_of(text: str) -> dict[str, Any]:
    """`tomllib.loads`, but too deep nesting raises ValueError, not RecursionError."""
    table: dict[str, Any] = _shallow(lambda: tomllib.loads(text))
    level: list[Any] = [table]
    for _ in range(MAX_TOML_DEPTH):  # keys with dots nest without brackets
        level = [inner for each in level for inner in _inside(each)]
    if level:
        raise ValueError(f"is nested deeper than {MAX_TOML_DEPTH} levels")
    return table


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    """The tables and lists in a table or list."""
    inner = value.values() if isinstance(value, dict) else value
    return (each for each in inner if isinstance(each, dict | list))


def _shallow(parse: Callable[[], Any]) -> Any:
    try:
        return parse()
    except RecursionError as error:
        raise ValueError("is nested too deep") from error


def read_json(path: Path, kind: type) -> Any:
    """The content of a JSON file whose top is a ``kind`` (list or dict). Raises DataError."""
    try:
        content = json_of(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise DataError(
            f"{path}: can't be read as JSON, {error}",
            hint="Download or unpack the file again: it may be incomplete.",
        ) from error
    if not isinstance(content, kind):
        raise DataError(
            f"{path}: holds a {type(content).__name__} where a {kind.__name__} is expected",
            hint="Download or write the file again: it may be of another version.",
        )
    return content


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError from writing below ``path`` into a DataError."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path}: can't be written, {error.strerror or error}",
            hint="Give a folder that you may write to, on a disk with free space.",
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file to write to, which replaces ``path`` when the block ends.

    A reader sees the old file or the whole new one. The content is synced to the disk before the
    file is renamed: otherwise a power cut could leave an empty file of that name. If the block
    raises an error, ``path`` stays as it was and the temporary file is removed.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: str | bytes) -> None:
    """Write ``content``, text as UTF-8, whole or not at all; see :func:`replacing`."""
    with replacing(path) as partial:
        partial.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
