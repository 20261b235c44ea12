"""The disk: is there room, and files that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from samebut.errors import RecipeError

ROOM = "Make room, or put the cache on another disk with --cache."


def require_room(folder: Path, size: int, what: str) -> None:
    """RecipeError if the disk of ``folder`` has less than ``size`` bytes left for ``what``."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise RecipeError(
            f"{what} need {megabytes(size)}, {folder} has {megabytes(free)} left", hint=ROOM
        )


def megabytes(size: float) -> str:
    """A number of bytes for people: "1.2 GB", "3.4 MB"."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def write_whole(path: Path, text: str) -> None:
    """Replace a file's text whole or not at all. RecipeError if the disk won't have it."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write in place of ``path``; it replaces ``path`` when it is whole and on the disk.

    RecipeError if it can't be written; ``path`` stays as it was and no half file is left.
    """
    part = path.with_name(path.name + ".part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise RecipeError(
            f"{path} can't be written: {error}",
            hint="What was written before is whole: make room and run the same command again.",
        ) from error
