"""What a gallery asks of an index, and the records that go in and come out.

A *store* is the file (or server) of record; the *index* answers searches from memory. A gallery
uses nothing but `Index`, so engines can be exchanged: `samebut.index.local` is SQLite with FAISS,
`samebut.index.postgres` is PostgreSQL with pgvector. Paths are relative to the gallery's folder,
with forward slashes on every platform. An id belongs to a path for as long as the store lives: a
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
    (K, D)``, best first; K may be less than asked. ``recall``: the share of the true nearest
    pictures that such an answer contains on average, measured when the index was built; None if all
    pictures were compared."""

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    recall: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How one column of the metadata is interpreted: ``column``, None if the store was written by a
    version that compared all values as texts. ``told`` pictures have a value, ``untold`` have none.
    ``unread`` are the values that are compared as texts alone and how many pictures have each, the
    commonest first."""

    name: str
    column: Column | None
    told: int
    untold: int
    unread: tuple[tuple[str, int], ...]


class Acceleration(NamedTuple):
    """State of the structure that speeds up searches of many pictures: how many ``pictures`` it
    holds; how many ``changed`` since it was built, which searches compare one by one; the
    ``recall`` that was measured; and the ``fault`` because of which searches compare all pictures
    instead, or ""."""

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

    Every method may raise `StoreError`; once a method has returned, what it wrote is durable.
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
        """The folder of pictures that was indexed, absolute; None if it was never recorded."""

    def keep_folder(self, folder: str) -> None:
        """Remember the folder of pictures that this is about."""

    def inconsistencies(self) -> list[str]:
        """Faults that the database finds in its own file; empty if a server manages the files."""

    def damaged(self) -> list[str]:
        """Paths of pictures whose rows are not as they were written, by their digests."""

    def damaged_metadata(self) -> list[str]:
        """Paths of which the tables of metadata contradict each other, in order."""

    def __len__(self) -> int:
        """How many pictures can be found."""

    def close(self) -> None:
        """Close the store. Closing twice is fine."""

    def snapshot(self) -> AbstractContextManager[object]:
        """Everything this thread reads inside is one consistent state, even while others write."""

    def revision(self) -> Hashable:
        """A value that changes whenever embeddings change. Raises `FingerprintMismatch` once the
        store holds another model's embeddings."""

    def writer_lock(self) -> AbstractContextManager[None]:
        """Held by whoever indexes; raises `StoreBusy` while another process holds it."""

    def replace_model(self, *, fingerprint: str, dim: int, model: str) -> None:
        """Switch this index to a separate set of pictures, embedded by another model: an empty one,
        or what an interrupted run with the same model left. Until `publish`, everyone else keeps
        searching the current set. Does nothing if that set is of the same model."""

    def publish(self) -> None:
        """Let every process search the set that `replace_model` began, in one transaction."""

    def accelerate(
        self, progress: Progress = silent, *, threads: int | None = None
    ) -> float | None:
        """Build the structure that speeds up searches of many pictures, if it is missing or much
        has changed since. For millions of pictures that takes minutes, in which searches compare
        all of them. Returns the recall that was measured; None if there was nothing to do. Uses
        ``threads`` threads, or all cores if None. Does nothing where the engine maintains such a
        structure itself."""

    def acceleration(self) -> Acceleration | None:
        """What `accelerate` built last, every byte of it checked; None if there is none."""

    def put(self, pictures: Sequence[PictureRow]) -> None:
        """Insert pictures or replace them by path; clears skip records of their paths."""

    def skip(self, records: Sequence[Skipped]) -> None:
        """Remember files that could not be used; pictures of these paths are removed."""

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
        """Entries with their metadata, in the order asked. Unknown ids are left out."""

    def embedding(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Stored embeddings ``(N, D)`` in the order asked; `UnknownPicture` for an unknown id."""

    def set_metadata(self, rows: Mapping[str, Mapping[str, str]]) -> None:
        """Replace all metadata: path to column to text. An empty text is a missing value."""

    def describe(
        self,
        rows: Mapping[str, Mapping[str, tuple[str, ...]]],
        places: Mapping[str, str | None],
        *,
        afresh: bool = False,
    ) -> Changes:
        """Store rows of a table by the name they give their picture. ``places`` maps each name to
        the path that gets the row's values; None: no picture matches yet."""

    def follow(self) -> int:
        """Give metadata to pictures that were renamed, copied or came back, recognised by content.
        Returns how many pictures got some."""

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
        """Ids of the pictures that the filter lets through, by path: ``count`` of them from
        ``offset``."""

    def facets(
        self, limit: int, where: str | Filter | None = None
    ) -> dict[str, list[tuple[str, int]]]:
        """Each column's commonest values among the pictures that ``where`` lets through, with
        their counts; what it asks of the column alone does not count."""

    def readings(self) -> list[Reading]:
        """How the values of each column are read, in the order of the columns."""

    def why_nothing(self, where: str | Filter) -> list[str]:
        """Sentences that say which values come nearest to a filter that no picture passes; empty if
        one passes."""

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
        """As `search` for one query ``(D,)``, with the embeddings of the hits."""

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
