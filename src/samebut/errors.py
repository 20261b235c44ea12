"""Every error samebut raises on purpose.

    SamebutError
    ├── PictureError            one picture can't be used: names the file and the reason
    │   └── PictureUnread       its bytes can't be had, perhaps only now
    ├── ModelError              a model folder is missing, damaged or lacks something
    ├── StoreError              the file that remembers a gallery
    │   ├── StoreMissing        not indexed yet
    │   ├── StoreDamaged        not ours, cut short or overwritten
    │   ├── StoreNewer          written by a later samebut
    │   ├── StoreBusy           another process is indexing into it
    │   ├── FingerprintMismatch embedded by another model than the one asked for
    │   ├── OtherFolder         it belongs to another folder of pictures
    │   └── DiskFull            there is no room left to write
    ├── MetadataError           a table of metadata that can't be read or matched
    ├── FilterError             a `--where` that can't be understood
    ├── QueryError              a search that can't be run as asked
    │   └── UnknownPicture      no picture of the gallery has this id
    ├── DataError               a benchmark's files: missing, of another version, inconsistent
    └── RecipeError             a training recipe or run that can't start

A message says what is wrong with which thing; ``hint`` says what to do about it. The command
line prints both and exits with 1; nothing that was stored before is lost.
"""

from __future__ import annotations


class SamebutError(Exception):
    """Base of the tree. ``str(error)`` is the message, ``error.hint`` the remedy, or empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class PictureError(SamebutError):
    """One picture can't be used. ``name`` is the file as the user knows it, ``reason`` a phrase."""

    def __init__(self, name: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{name}: {reason}", hint=hint)
        self.name = name
        self.reason = reason


class PictureUnread(PictureError):
    """A picture's bytes can't be had: a permission, a disk or a network. It may be good."""


class ModelError(SamebutError):
    """A model folder is missing, damaged, or lacks something that was asked of it."""


class StoreError(SamebutError):
    """The file that remembers a gallery can't be used."""


class StoreMissing(StoreError):
    """There is no store yet: the folder has not been indexed."""


class StoreDamaged(StoreError):
    """The store is not ours, cut short or overwritten."""


class StoreNewer(StoreError):
    """The store was written by a later samebut, whose schema this one does not know."""


class StoreBusy(StoreError):
    """Another process is indexing into this store."""


class FingerprintMismatch(StoreError):
    """The store was embedded by another model than the one asked for."""


class OtherFolder(StoreError):
    """The store belongs to another folder of pictures than the one asked for."""


class DiskFull(StoreError):
    """There is no room left on the disk; what was stored before is still there."""


class MetadataError(SamebutError):
    """A table of metadata can't be read, or none of its rows match a picture."""


class LabelsError(SamebutError):
    """A labels file (``labels.toml``) can't be read, or says what none says."""


class FilterError(SamebutError):
    """A filter (``--where``) can't be understood."""


class QueryError(SamebutError):
    """A search can't be run as asked."""


class UnknownPicture(QueryError):
    """No picture of the gallery has this id: there never was one, or it has left since."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no picture with id {number}")
        self.number = number


class DataError(SamebutError):
    """A benchmark's files are missing, of another version, or inconsistent."""


class RecipeError(SamebutError):
    """A training recipe or run can't start."""
