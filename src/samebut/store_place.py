"""Finds the store that belongs to a folder of pictures, and places for further files about both."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path

from samebut.errors import OtherFolder, QueryError, StoreDamaged, StoreError, StoreMissing
from samebut.index import Address, Index
from samebut.index.address import address_of
from samebut.remote import Place, RemotePath
from samebut.scan import STORE_FOLDER

STORE_FILE = "gallery.sqlite"


def own_folder(address: Address, folder: Place) -> Path | None:
    """The local folder for files about a gallery; None if its pictures and its store are both
    remote."""
    if (beside := address.folder) is not None:
        return beside
    return None if isinstance(folder, RemotePath) else folder / STORE_FOLDER


def file_inside(folder: Place, path: str, address: Address) -> Place:
    """Where a picture lies that a store calls ``path``. Raises StoreDamaged for a path that leads
    out of the folder.

    A store refuses such paths when it is opened; this one holds on every system.
    """
    inside = Path(path)
    if inside.is_absolute() or inside.drive or inside.root or ".." in inside.parts:
        raise StoreDamaged(
            f"{address}: holds the path {path!r}, which is outside of {folder}",
            hint=f"To replace the store, {address.discard} and index again: indexing stores no "
            "such path.",
        )
    return folder / path if isinstance(folder, RemotePath) else folder / inside


def is_usual_place(address: Address, folder: Place) -> bool:
    return not isinstance(folder, RemotePath) and address == store_address(folder, None)


def store_address(folder: Place, store: str | Path | Address | None) -> Address:
    """Where a gallery's store is: in the folder itself, or as ``--store`` says.

    Raises StoreError for an address that can't be understood, or none for a folder elsewhere.
    """
    if store is None or isinstance(store, Path) or (isinstance(store, str) and "://" not in store):
        store = store_path(folder, store)
    return address_of(store) if isinstance(store, str | Path) else store


def store_path(folder: Place, store: str | Path | None) -> Path:
    """The file of a gallery's store: in the folder itself, or as ``--store`` says.

    ``store`` may be a file's name or a folder's. Raises StoreError if it has to be said.
    """
    if store is None and isinstance(folder, RemotePath):
        raise StoreError(
            f"the store can't be kept in {folder}, which is not on a disk of this machine",
            hint="Say where to keep it: --store FOLDER, or --store postgresql://HOST/DATABASE.",
        )
    if store is None:
        return Path(str(folder)) / STORE_FOLDER / STORE_FILE
    path = Path(store)
    return path / STORE_FILE if path.is_dir() or not path.suffix else path


def existing_folder(folder: Place) -> Place:
    if isinstance(folder, Path) and not folder.is_dir():  # a remote one is checked when read
        raise QueryError(f"{folder} is not a folder", hint="Give the folder your pictures are in.")
    return folder


def remembered_model(address: Address) -> str | None:
    """The model a store was built with, or None if there is no store yet."""
    try:
        with closing(address.open()) as index:
            return index.model
    except StoreMissing:  # or its creation was interrupted
        return None


def folder_name(folder: Place) -> str:
    """How a store remembers its folder."""
    return str(folder if isinstance(folder, RemotePath) else folder.resolve())


def refuse_other_folder(index: Index, folder: Place) -> None:
    """Refuse a store outside of the folder that was made for another folder. A store inside of the
    folder may have been moved together with it."""
    theirs = index.folder
    if theirs is None or theirs == folder_name(folder):
        return
    if isinstance(folder, Path) and _is_same(folder, theirs, index.address.folder):
        return
    raise OtherFolder(
        f"{index.address} is the store of the folder {theirs}, not of {folder}",
        hint=f"Give {folder} a store of its own: --store FOLDER. If the pictures were moved: "
        f"samebut index {folder} --store {index.address} --move",
    )


def _is_same(folder: Path, theirs: str, home: Path | None) -> bool:
    if home is not None and home.resolve().is_relative_to(folder.resolve()):
        return True
    with suppress(OSError):
        return folder.samefile(theirs)
    return False


def model_reference(model: str | Path) -> str:
    """How a store remembers a model: by name if it ships, else by its absolute path."""
    return "bundled" if str(model) == "bundled" else str(Path(model).resolve())
