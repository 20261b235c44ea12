"""Several galleries on one command line: their names, and what belongs to each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from samebut.errors import QueryError
from samebut.remote import Place, place

_NAME = re.compile(r"[\w-]{1,60}")
_NOT_IN_NAMES = re.compile(r"[^\w-]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A gallery to serve. ``name`` is "" if it is the only one."""

    name: str
    photos: Place
    store: str | None
    metadata: Place | None
    file_column: str | None


def wanted(
    photos: Sequence[str | Path],
    stores: Sequence[str],
    tables: Sequence[str | Path],
    columns: Sequence[str],
) -> list[Wanted]:
    """The galleries that a command line asks for.

    One folder takes its options as they are. Several are named by their folders, or as NAME=FOLDER,
    and their options are given as NAME=VALUE.

    Raises QueryError if a name is missing, does not fit in an address, or occurs twice.
    """
    folders = {"": place(photos[0])} if len(photos) == 1 else _named(photos)
    of_store = _by_name("--store", stores, folders)
    of_table = _by_name("--metadata", [str(table) for table in tables], folders)
    of_column = _by_name("--file-column", columns, folders)
    return [
        Wanted(
            name,
            folder,
            of_store.get(name),
            place(of_table[name]) if name in of_table else None,
            of_column.get(name),
        )
        for name, folder in folders.items()
    ]


def _named(photos: Sequence[str | Path]) -> dict[str, Place]:
    named: dict[str, Place] = {}
    for said in map(str, photos):
        name, sign, folder = said.partition("=")
        if not sign or not _NAME.fullmatch(name) or Path(said).exists():
            name, folder = _NOT_IN_NAMES.sub("-", _last_part(place(said))).strip("-")[:60], said
        if not name or name in named:
            raise QueryError(
                f"{said}: another gallery is called {name}" if name else f"{said} needs a name",
                hint=f"Give it one: NAME={folder}",
            )
        named[name] = place(folder)
    return named


def _last_part(folder: Place) -> str:
    return (folder.resolve() if isinstance(folder, Path) else folder).name


def _by_name(option: str, said: Sequence[str], folders: dict[str, Place]) -> dict[str, str]:
    if "" in folders:
        if len(said) > 1:
            raise QueryError(
                f"{option} was given {len(said)} times for one gallery",
                hint=f"Give {option} once. To serve several galleries, give each folder as "
                "NAME=FOLDER.",
            )
        return dict.fromkeys([""], said[0]) if said else {}
    pairs = [each.partition("=") for each in said]
    for name, sign, _ in pairs:
        if not sign or name not in folders:
            raise QueryError(
                f"{option} does not say which gallery it is for",
                hint=f"Write {option} NAME=..., where NAME is one of {', '.join(folders)}.",
            )
    return {name: value for name, _, value in pairs}
