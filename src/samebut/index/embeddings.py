"""Embeddings as the store keeps them: blobs of half-precision numbers, one a picture.

Half the bytes cost a cosine about 0.0005. Everything here runs inside a transaction of the caller.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samebut.errors import StoreDamaged, StoreError
from samebut.index import PictureRow
from samebut.index.sql import Halves, Transaction

_HALF = np.dtype("<f2")
_UNIT_TOLERANCE = 0.01
_ROWS_AT_ONCE = 4096


def as_blob(picture: PictureRow, dim: int) -> Halves:
    """The embedding of ``picture`` as it is kept.

    Raises:
        StoreError: it is not a unit vector of ``dim`` numbers.
    """
    embedding = np.asarray(picture.embedding, np.float32)
    if embedding.shape != (dim,):
        shape = "x".join(map(str, embedding.shape))
        raise StoreError(
            f"{picture.path}: its embedding has shape {shape}, and this store holds {dim} numbers "
            "each",
            hint="Index with the model that the store was made with, or index all pictures again.",
        )
    length = float(np.linalg.norm(embedding))
    if not abs(length - 1) <= _UNIT_TOLERANCE:
        raise StoreError(
            f"{picture.path}: its embedding has length {length:g}, not 1",
            hint="Divide the embedding by its length before you store it.",
        )
    return Halves(embedding.astype(_HALF).tobytes())


def from_blob(blob: bytes, dim: int, store: str) -> NDArray[np.float32]:
    """The embedding ``(dim,)`` that was kept. ``store`` is named if it is damaged."""
    full: NDArray[np.float32] = halves(blob, (1, dim), store)[0].astype(np.float32)
    return full


def read_all(
    connection: Transaction, dim: int, store: str
) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Every embedding: ids ``(N,)``, ascending, and half-precision rows ``(N, dim)``."""
    (count,) = connection.execute("SELECT count(*) FROM embedding").fetchone()
    ids = np.empty(count, np.int64)
    codes = np.empty((count, dim), _HALF)
    cursor = connection.execute("SELECT id, vector FROM embedding ORDER BY id")
    at = 0
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        block = slice(at, at + len(rows))
        ids[block], blobs = zip(*rows, strict=True)
        codes[block] = halves(b"".join(blobs), (len(rows), dim), store)
        at += len(rows)
    return ids, codes


def halves(blob: bytes, shape: tuple[int, int], store: str) -> NDArray[np.float16]:
    """Embeddings of this ``shape``. ``store`` is named if it is damaged."""
    if len(blob) != shape[0] * shape[1] * _HALF.itemsize:
        raise StoreDamaged(
            f"{store}: an embedding does not have {shape[1]} numbers",
            hint="Move the file away and index again; your pictures are not touched.",
        )
    kept: NDArray[np.float16] = np.frombuffer(blob, _HALF).reshape(shape)
    return kept
