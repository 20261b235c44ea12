"""What a gallery asks of an index, and the records that go in and come out.

A *store* is the file (or server) of record; the *index* answers searches from memory. `Index` is
the whole of what a gallery may use, so another engine can stand behind the same gallery:
`samebut.index.local` is SQLite with FAISS. Paths are relative to the gallery's folder, with
forward slashes on every platform. An id belongs to a path for as long as the store lives: a
picture that is replaced keeps it, and no other path ever gets it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from samebut.index.where import Filter
from samebut.loader import Progress, silent
from samebut.values import Column

if TYPE_CHECKING:
    from samebut.index.vocabulary import Vocabulary
    from samebut.language.labels import Labels

__all__ = [
    "Acceleration",
    "Address",
    "Changes",
    "Entry",
    "FileState",
    "Found",
    "Index",
    "PictureRow",
    "RankedPictures",
    "Reading",
    "Skipped",
    "TableRow",
]


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One picture as it is written. ``width`` and ``height`` are those of the upright picture,
    ``embedding`` is a unit-length float32 vector ``(D,)``."""

    path: str
    size: int
    mtime_ns: int
    digest: str
    width: int
    height: int
    embedding: NDArray[np.float32] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture as it is listed: ``id`` is what a search answers with, ``width`` and ``height``
    are those of the upright picture, ``metadata`` maps a column to a text."""

    id: int
    path: str
    size: int
    mtime_ns: int
    digest: str
    width: int
    height: int
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that could not be used, the state it was in then, and the reason."""

    path: str
    size: int
    mtime_ns: int
    reason: str


class FileState(NamedTuple):
    """What tells whether a file changed since it was indexed."""

    size: int
    mtime_ns: int
    digest: str


class Found(NamedTuple):
    """``ids (Q, K) int64`` and ``scores (Q, K) float32``, best first; K may be less than asked."""

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]


class RankedPictures(NamedTuple):
    """The answer to one query: ``ids (K,)``, ``scores (K,)`` and the pictures' ``embeddings
    (K, D)``, best first; K may be less than asked. ``recall``: which share of the nearest such an
    answer has on average, as it was measured when the index was made; None if all pictures were
    compared."""

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    recall: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How one column of the metadata is read: ``column``, None if that was before values were
    understood. ``told`` pictures have a value, ``untold`` have none. ``unread`` are the values
    that are compared as texts alone and how many pictures have each, the commonest first."""

    name: str
    column: Column | None
    told: int
    untold: int
    unread: tuple[tuple[str, int], ...]


class Acceleration(NamedTuple):
    """What makes the searches of many pictures fast: of how many ``pictures``, how many
    ``changed`` since and are compared one by one, which ``recall`` was measured, and the ``fault``
    for which all pictures are compared instead, if there is one."""

    pictures: int
    changed: int
    recall: float
    fault: str = ""


class TableRow(NamedTuple):
    """A kept row of a metadata table: rows of one table have the same number, ``picture`` is the
    path of its picture, None while it waits for one."""

    table: int
    picture: str | None


@dataclass
class Changes:
    """What a table changed: pictures of which it says anything new, values that were there and
    became others, and values that are gone."""

    pictures: int = 0
    replaced: int = 0
    cleared: int = 0


class Index(Protocol):
    """A store of pictures with their embeddings and metadata, and search over it.

    Every method may raise `StoreError`; what a method returned from was stored durably.
    """

    @property
    def address(self) -> Address:
        """Where the store is, to open it again; as a text, what messages call it."""

    @property
    def fingerprint(self) -> str:
        """Digest of the model that made the embeddings."""

    @property
    def dim(self) -> int:
        """Length of an embedding."""

    @property
    def model(self) -> str:
        """Name of that model, as a user knows it."""

    @property
    def folder(self) -> str | None:
        """The folder of pictures that was indexed, absolute; None if nobody has said."""

    def keep_folder(self, folder: str) -> None:
        """Remember the folder of pictures that this is about."""

    def inconsistencies(self) -> list[str]:
        """What the database finds wrong in its own file, nothing if another sees to that."""

    def damaged(self) -> list[str]:
        """Paths of pictures whose rows are not as they were written, by their digests."""

    def damaged_metadata(self) -> list[str]:
        """Paths of which the tables of metadata contradict each other, in order."""

    def __len__(self) -> int:
        """How many pictures can be found."""

    def close(self) -> None:
        """Let go of the store. Closing twice is fine."""

    def snapshot(self) -> AbstractContextManager[object]:
        """All that this thread reads inside is of the same moment, whoever writes meanwhile."""

    def revision(self) -> Hashable:
        """Changes with the embeddings; `FingerprintMismatch` once they are another model's."""

    def writer_lock(self) -> AbstractContextManager[None]:
        """Held by whoever indexes; raises `StoreBusy` while another process holds it."""

    def replace_model(self, *, fingerprint: str, dim: int, model: str) -> None:
        """Turn to the pictures that another model embeds: none yet, or those of a run with the same
        model that was cut off. Until `publish`, everybody else goes on with those that are there.
        The same model as theirs: no change."""

    def publish(self) -> None:
        """All that `replace_model` asked for is there: let every process search it, in one step."""

    def accelerate(
        self, progress: Progress = silent, *, threads: int | None = None
    ) -> float | None:
        """Make what the searches of many pictures are fast by, if it is missing or much has changed
        since. That takes minutes for millions; searches go on, and compare all of them meanwhile.
        Returns the recall that was measured; None if there was nothing to do. It uses so many
        ``threads``, or all cores. An engine may see to that itself."""

    def acceleration(self) -> Acceleration | None:
        """What `accelerate` made last, looked at to its last byte; None if there is none."""

    def put(self, pictures: Sequence[PictureRow]) -> None:
        """Insert pictures or replace them by path; clears skip records of their paths."""

    def skip(self, records: Sequence[Skipped]) -> None:
        """Remember files that could not be used; pictures of these paths are forgotten."""

    def touch(self, path: str, *, size: int, mtime_ns: int) -> None:
        """Note a new size and time of a picture whose content is the same."""

    def rename(self, old: str, new: str, *, size: int, mtime_ns: int) -> None:
        """Move a picture to another path, which is another id; metadata comes with `follow`."""

    def remove(self, paths: Iterable[str]) -> None:
        """Forget pictures and skip records of these paths; unknown paths are fine."""

    def files(self) -> dict[str, FileState]:
        """Every indexed picture's state, by path."""

    def skipped(self) -> list[Skipped]:
        """Files that could not be used, ordered by path."""

    def by_digest(self, digest: str) -> PictureRow | None:
        """A picture with this content, ready to be `put` under another path."""

    def copies(self, digest: str) -> list[int]:
        """Ids of all pictures with this content, rising."""

    def id_of(self, path: str) -> int | None:
        """Id of an indexed picture."""

    def pictures(self, ids: Sequence[int]) -> list[Entry]:
        """Entries with their metadata, in the order asked. An id that has left is left out."""

    def embedding(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Stored embeddings ``(N, D)`` in the order asked; `UnknownPicture` for an unknown id."""

    def set_metadata(self, rows: Mapping[str, Mapping[str, str]]) -> None:
        """Replace all metadata: path to column to text. An empty text is a missing value."""

    def describe(
        self,
        rows: Mapping[str, Mapping[str, Sequence[str]]],
        places: Mapping[str, str | None],
        *,
        afresh: bool = False,
    ) -> Changes:
        """Keep rows of a table by the name of their picture, and let them speak of the pictures
        at ``places``; None: no picture fits."""

    def follow(self) -> int:
        """Let what is said of pictures follow those that were renamed, copied or came back, by
        their content. Returns how many got something."""

    def table_rows(self) -> dict[str, TableRow]:
        """Every kept row of metadata tables, by the name that it gives its picture."""

    def described(self) -> set[str]:
        """Paths of indexed pictures that have metadata."""

    def columns(self) -> list[str]:
        """Names of the metadata columns, in the order they were given."""

    def count(self, where: str | Filter | None = None) -> int:
        """How many pictures the filter lets through."""

    def listing(
        self, count: int, *, offset: int = 0, where: str | Filter | None = None
    ) -> list[int]:
        """Ids of ``count`` pictures after ``offset`` of them, by path, of those that pass."""

    def facets(
        self, limit: int, where: str | Filter | None = None
    ) -> dict[str, list[tuple[str, int]]]:
        """Each column's commonest values among the pictures that ``where`` lets through, with
        their counts; what it asks of the column alone does not count."""

    def readings(self) -> list[Reading]:
        """How the values of each column are read, in the order of the columns."""

    def why_nothing(self, where: str | Filter) -> list[str]:
        """Sentences with what is nearest to a filter that no picture passes, else none."""

    def vocabulary(self, labels: Labels) -> Vocabulary:
        """What sentences can say about the metadata, kept for as long as the store is the same."""

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        where: str | Filter | None = None,
        exclude: Sequence[int] = (),
        exact: bool = False,
    ) -> Found:
        """The ``k`` best pictures for each query ``(Q, D)``, of those the filter lets through.
        With ``exact`` all of them are compared, however many there are."""

    def ranking(
        self,
        query: NDArray[np.float32],
        k: int,
        *,
        where: str | Filter | None = None,
        exclude: Sequence[int] = (),
        exact: bool = False,
    ) -> RankedPictures:
        """As `search` of one query ``(D,)``, with the embeddings of what was found."""

    def sampled(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores ``(Q, S)`` of pictures from all over the store, at most 2,000 of them, for
        ``queries (Q, D)``, unit length."""


class Address(Protocol):
    """Where a store is or will be; equal to another of the same store. ``str(address)`` is what
    ``--store`` takes and messages show: it never holds a password."""

    @property
    def folder(self) -> Path | None:
        """The folder it lies in; None on a server."""

    @property
    def discard(self) -> str:
        """What to do before all is indexed anew, as in "move the file away"."""

    def open(self, *, writable: bool = False) -> Index:
        """Open a store that is there. Raises `StoreMissing` if nothing was indexed yet, and
        StoreDamaged, StoreNewer, StoreError if it can't be used."""

    def create(self, *, dim: int, fingerprint: str, model: str) -> Index:
        """Open a store for indexing, making it first if it is not there. One that is there is
        opened as it is, whatever made its embeddings: compare `fingerprint`."""
