"""A data set's folder as it was unpacked, whatever the copy: files found by name at any depth."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from samebut.errors import DataError
from samebut.images import PICTURE_SUFFIXES

ARCHIVE_SUFFIXES = frozenset({".zip", ".tar", ".tgz", ".gz", ".7z", ".rar", ".part", ".crdownload"})


@dataclass(frozen=True)
class Folder:
    """Everything below ``root``, listed once. ``files`` maps a file's name to where it lies,
    the shallowest first, then in alphabetical order."""

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
        """The file called ``name``. Raises DataError, saying what lies there in its place."""
        if name in self.files:
            return self.files[name][0]
        raise DataError(f"{self.root}: holds no {name}, at any depth", hint=self._instead_of(name))

    def picture(self, stem: str) -> Path | None:
        """The picture called ``stem``, with whichever suffix, or None."""
        paths = self._pictures.get(stem)
        return paths[0] if paths else None

    def copies_of(self, stem: str) -> tuple[Path, ...]:
        """Every picture called ``stem``: more than one if a copy holds it twice."""
        return self._pictures.get(stem, ())

    @property
    def archives(self) -> list[Path]:
        """Archives and unfinished downloads lying about: signs of a half-unpacked data set."""
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

    def _instead_of(self, name: str) -> str:
        first, _, last = name.partition(".")
        alike = sorted(n for n in self.files if n.startswith(first + ".") and n.endswith(last[-5:]))
        if alike:
            return f"It holds {', '.join(alike[:4])}{', …' if len(alike) > 4 else ''}."
        if self.archives:
            return f"{self.archives[0].name} lies there: unpack it first."
        return "Is this the folder that the data set was unpacked into?"


def require_fields(entry: Any, kinds: Mapping[str, type], where: str) -> dict[str, Any]:
    """``entry`` itself, if it is an object with these fields of these types; else DataError."""
    if not isinstance(entry, dict):
        raise DataError(f"{where}: is a {type(entry).__name__}, not an object with named fields")
    for field, kind in kinds.items():
        if not isinstance(entry.get(field), kind):
            state = "is missing" if field not in entry else f"is no {kind.__name__}"
            raise DataError(
                f"{where}: {field} {state}",
                hint="The file may be of another version of the data set.",
            )
    return entry


def _depth(path: Path) -> tuple[int, str]:
    return len(path.parts), str(path)
