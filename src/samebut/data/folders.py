"""A data set's unpacked folder, in whichever layout: files are found by name at any depth."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from samebut.errors import DataError
from samebut.images import PICTURE_SUFFIXES

T = TypeVar("T")

ARCHIVE_SUFFIXES = frozenset({".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".part", ".crdownload"})
OTHER_VERSION = (
    "Download the file again: it may be incomplete, or of another version of the data set."
)
"""What to do where a file does not hold what its data set's files do."""


@dataclass(frozen=True)
class Folder:
    """Everything below ``root``, listed once. ``files`` maps a file's name to the paths that have
    it, the shallowest first, then in alphabetical order."""

    root: Path
    files: Mapping[str, tuple[Path, ...]]

    @classmethod
    def open(cls, root: Path) -> Folder:
        """List ``root``, following links to folders. Raises DataError if it is no folder."""
        root = Path(root)
        if not root.is_dir():
            what = "is a file, not a folder" if root.exists() else "no such folder"
            raise DataError(
                f"{root}: {what}", hint="Give the folder that the data set was unpacked into."
            )
        found: dict[str, list[Path]] = {}
        seen: set[tuple[int, int]] = set()
        for folder, below, names in os.walk(root, followlinks=True):
            status = Path(folder).stat()
            if (status.st_dev, status.st_ino) in seen:  # a link back up: never twice
                below.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            for name in names:
                found.setdefault(name, []).append(Path(folder, name))
        return cls(root, {name: tuple(sorted(paths, key=_depth)) for name, paths in found.items()})

    def file(self, name: str) -> Path:
        """The file called ``name``; some copies of a data set have changed its capitals.

        Raises DataError, naming what is there in its place.
        """
        paths = self.files.get(name) or self._called_alike(self.files, name)
        if paths:
            return paths[0]
        raise DataError(f"{self.root}: no file {name} at any depth", hint=self._instead_of(name))

    def picture(self, stem: str) -> Path | None:
        """The picture called ``stem``, with whichever suffix and capitals, or None."""
        paths = self.copies_of(stem)
        return paths[0] if paths else None

    def copies_of(self, stem: str) -> tuple[Path, ...]:
        """Every picture called ``stem``: more than one if a copy holds it twice."""
        return self._pictures.get(stem) or self._called_alike(self._pictures, stem)

    @property
    def archives(self) -> list[Path]:
        """Archives and unfinished downloads: signs of a data set that is not fully unpacked."""
        return sorted(
            path
            for name, paths in self.files.items()
            if Path(name).suffix.lower() in ARCHIVE_SUFFIXES
            for path in paths
        )

    @cached_property
    def _pictures(self) -> dict[str, tuple[Path, ...]]:
        pictures: dict[str, list[Path]] = {}
        for name, paths in self.files.items():
            stem, dot, suffix = name.rpartition(".")
            if dot + suffix.lower() in PICTURE_SUFFIXES:
                pictures.setdefault(stem, []).extend(paths)
        return {stem: tuple(sorted(paths, key=_depth)) for stem, paths in pictures.items()}

    def _called_alike(self, named: Mapping[str, tuple[Path, ...]], name: str) -> tuple[Path, ...]:
        """What differs from ``name`` in capitals alone, if there is just one such name."""
        folded = self._folded_pictures if named is self._pictures else self._folded_files
        alike = folded.get(name.casefold(), [])
        return named[alike[0]] if len(alike) == 1 else ()

    @cached_property
    def _folded_files(self) -> dict[str, list[str]]:
        return _folded(self.files)

    @cached_property
    def _folded_pictures(self) -> dict[str, list[str]]:
        return _folded(self._pictures)

    def _instead_of(self, name: str) -> str:
        first, _, last = name.partition(".")
        alike = sorted(n for n in self.files if n.startswith(first + ".") and n.endswith(last[-5:]))
        if alike:
            return (
                f"Files of similar name: {', '.join(alike[:4])}{', …' if len(alike) > 4 else ''}."
            )
        if self.archives:
            return f"The folder has {self.archives[0].name}: unpack it first."
        return "Give the folder that the data set was unpacked into."


def whatever_can_be_read(readings: Iterable[Callable[[], T]]) -> list[T]:
    """The results of ``readings`` that do not raise DataError; if all do, raises the first."""
    read: list[T] = []
    errors: list[DataError] = []
    for reading in readings:
        try:
            read.append(reading())
        except DataError as error:
            errors.append(error)
    if errors and not read:
        raise errors[0]
    return read


def require_fields(entry: Any, kinds: Mapping[str, type], where: str) -> dict[str, Any]:
    """``entry`` itself, if it is an object with these fields of these types; else DataError."""
    if not isinstance(entry, dict):
        raise DataError(
            f"{where}: is a {type(entry).__name__}, not an object with named fields",
            hint=OTHER_VERSION,
        )
    for field, kind in kinds.items():
        if not isinstance(entry.get(field), kind):
            state = "is missing" if field not in entry else f"is not of type {kind.__name__}"
            raise DataError(
                f"{where}: {field} {state}",
                hint=OTHER_VERSION,
            )
    return entry


def _folded(names: Iterable[str]) -> dict[str, list[str]]:
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(name.casefold(), []).append(name)
    return folded


def _depth(path: Path) -> tuple[int, str]:
    return len(path.parts), str(path)
