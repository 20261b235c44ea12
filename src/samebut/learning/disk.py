"""The disk of a training run: is there room, and files that are written whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from samebut import files
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
    """Replace a file's text whole or not at all. RecipeError if it can't be written."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """As ``files.replacing``; RecipeError if it can't be written, and ``path`` stays as it was."""
    try:
        with files.replacing(path) as partial:
            yield partial
    except (OSError, SafetensorError) as error:
        raise RecipeError(
            f"{path} can't be written: {error}",
            hint="Free some disk space and run the same command again; what was written is intact.",
        ) from error
