"""Builds the inverted file (IVF) of a store when there are enough pictures, and replaces old ones.

It is built from one consistent state of the store, through a connection of its own, while others
search and write. A kill at any time leaves the store as it was: until the last transaction names
the new file, nobody reads it. A file that no store names is removed when the next one is built.
"""

from __future__ import annotations

import glob
import math
import secrets
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from samebut.errors import DiskFull, StoreBusy, StoreError
from samebut.index import Acceleration, beside, embeddings, schema
from samebut.index.beside import FileBeside
from samebut.index.database import Database, exclusive
from samebut.index.sql import Transaction
from samebut.index.store import StoredModel, gallery_of
from samebut.loader import Progress

if TYPE_CHECKING:
    from samebut.index.clustering import Clustering

MANY = 300_000
"""Stores with at least this many pictures get an inverted file: comparing all of fewer takes 10 ms
at most."""
RECENT = 100_000
"""Number of changed embeddings after which the file is rebuilt, or a twentieth of all if that is
less: every search compares each of them."""
COUNTS = (100, 1_000, 10_000)
"""How many pictures the recall is measured for."""
_SHARE = 20
_QUERIES = 100  # at each distance
_SAMPLED = 50  # vectors for each cluster, to find their centres
_AT_ONCE = 32_768  # vectors in memory as single precision


def accelerate(
    database: Database, model: StoredModel, progress: Progress, threads: int | None = None
) -> float | None:
    """Build the inverted file of a store if the store is large enough and has none, or much has
    changed since. Returns the recall that was measured; None if there was nothing to do or another
    process is building it. ``database`` may be read-only; ``threads`` None: all cores.

    Raises:
        DiskFull, StoreError: it can't be written; searches compare all pictures, as before.
    """
    path = database.path
    busy = StoreBusy(
        f"{path}: another process is building its clusters",
        hint="Wait for it; until then searches compare all pictures.",
    )
    try:
        if not _is_wanted(database):
            return None
        with (
            exclusive(path.with_name(f"{path.name}.ivf.lock"), busy),
            closing(_opened(path, writable=True)) as writer,
        ):
            if not _is_wanted(writer):  # another process has made it meanwhile
                return None
            from samebut.index.vectors import using_threads

            with using_threads(threads):
                return _made(writer, model, progress)
    except StoreBusy as error:
        if error is busy:
            return None
        raise


def examined(connection: Transaction, store: Path) -> Acceleration | None:
    """The state of the store's inverted file, every byte of which is checked."""
    from samebut.index.inverted_file import checksum

    file = beside.file_beside(connection)
    if file is None:
        return None
    path = store.with_name(file.name)
    whole = checksum(path) == file.checksum
    fault = "" if whole else f"{path} is {'not as it was written' if path.exists() else 'gone'}"
    changed = beside.number_changed(connection)
    return Acceleration(file.pictures, changed, file.probes[0].recall, fault)


def is_due(connection: Transaction, pictures: int) -> bool:
    """Whether so much has changed since the file was built that it should be rebuilt."""
    return beside.number_changed(connection) > min(RECENT, pictures // _SHARE)


def _is_wanted(database: Database) -> bool:
    with database.reading() as connection:
        (pictures,) = connection.execute("SELECT count(*) FROM picture").fetchone()
        if pictures < MANY:
            return False
        file = beside.file_beside(connection)
        if file is None or is_due(connection, pictures):
            return True
    return _checksum(database.path.with_name(file.name)) != file.checksum


def _opened(path: Path, *, writable: bool) -> Database:
    return Database.open(path, schema.APPLICATION_ID, schema.MIGRATIONS, writable=writable)


def _checksum(path: Path) -> int:
    try:
        found = path.stat()
    except OSError:
        return -1
    return _checksum_of(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=8)
def _checksum_of(path: Path, _mtime_ns: int, _size: int) -> int:
    """The checksum; cached while the file's state is the same."""
    from samebut.index.inverted_file import checksum

    return checksum(path)


def _made(database: Database, model: StoredModel, progress: Progress) -> float | None:
    path = database.path
    name = f"{path.name}.{secrets.token_hex(4)}.ivf"
    with database.writing() as connection:
        beside.begin(connection)
    try:
        file = _written(path, name, model, progress)
        with database.writing() as connection:
            now, _ = gallery_of(connection, database.name)
            if now != model or file is None:  # another model's embeddings took their place
                return None
            beside.keep(connection, file)
        return file.probes[0].recall
    finally:
        _remove_others(database)


def _written(path: Path, name: str, model: StoredModel, progress: Progress) -> FileBeside | None:
    """Write the file that is called ``name``; None if the store has another model meanwhile."""
    from samebut.index.clustering import Clustering, made_queries
    from samebut.index.inverted_file import checksum

    with closing(_opened(path, writable=False)) as source, source.reading() as connection:
        now, revision = gallery_of(connection, source.name)
        if now != model:
            return None
        rows = connection.execute("SELECT id FROM picture ORDER BY id").fetchall()
        ids = np.array([number for (number,) in rows], np.int64)
        del rows
        clusters = clusters_for(len(ids))
        dice = np.random.default_rng(len(ids))
        some = np.sort(dice.choice(ids, min(_SAMPLED * clusters, len(ids)), replace=False))
        sample = _vectors(connection, some, model.dim, source.name)
        queries = made_queries(sample, _QUERIES, dice)
        most = min(COUNTS[-1], len(ids))
        clustering = Clustering(sample, clusters, queries, most)
        _fill(clustering, connection, model.dim, source.name, progress, len(ids))
    target = path.with_name(name)
    try:
        clustering.write(target)
    except (OSError, RuntimeError) as error:  # RuntimeError: of FAISS, when a disk is full
        raise DiskFull(
            f"{target}: can't be written: {error}",
            hint="Free some disk space, and index again. Until then searches compare all pictures, "
            "which takes longer.",
        ) from error
    measured = clustering.probes([min(count, len(ids)) for count in COUNTS])
    return FileBeside(name, revision, len(ids), checksum(target), measured)


def clusters_for(pictures: int) -> int:
    """The number of clusters, a power of two: about as many as each has pictures, so that finding
    the nearest clusters takes about as long as comparing the pictures in some of them."""
    return int(2 ** round(math.log2(max(pictures, 1)) / 2))


def _fill(
    clustering: Clustering,
    connection: Transaction,
    dim: int,
    store: str,
    progress: Progress,
    total: int,
) -> None:
    done = 0
    for ids, codes in _pieces(connection, dim, store):
        clustering.assign(codes)
        done += len(ids)
        progress(done, 2 * total)
    clustering.allocate()
    for ids, codes in _pieces(connection, dim, store):
        clustering.place(ids, codes)
        done += len(ids)
        progress(done, 2 * total)


def _pieces(
    connection: Transaction, dim: int, store: str
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
    cursor = connection.execute("SELECT id, vector FROM embedding ORDER BY id")
    while rows := cursor.fetchmany(_AT_ONCE):
        ids, vectors = zip(*rows, strict=True)
        yield np.array(ids), embeddings.halves(b"".join(vectors), (len(rows), dim), store)


def _vectors(
    connection: Transaction, ids: NDArray[np.int64], dim: int, store: str
) -> NDArray[np.float16]:
    one = "SELECT vector FROM embedding WHERE id = ?"
    found = [connection.execute(one, (number,)).fetchone() for number in ids.tolist()]
    if None in found:
        raise StoreError(
            f"{store}: pictures without an embedding",
            hint="List what is damaged: samebut doctor gallery PHOTOS",
        )
    return embeddings.halves(b"".join(row[0] for row in found), (len(found), dim), store)


def _remove_others(database: Database) -> None:
    """Remove inverted files of this store that it does not name: those that were replaced, and
    those that were never finished. Called by whoever holds the lock."""
    path = database.path
    with database.reading() as connection:
        file = beside.file_beside(connection)
    for each in path.parent.glob(f"{glob.escape(path.name)}.*.ivf"):
        if file is None or each.name != file.name:
            with suppress(OSError):  # Windows, while somebody searches it: the next one does it
                each.unlink()
