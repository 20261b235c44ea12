"""Searching: the embeddings of a store in memory, what a filter selects of them, the best of those.

Embeddings are read into memory by the first search and again when the store has changed them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from samebut.errors import QueryError
from samebut.index import metadata
from samebut.index.sql import Transaction
from samebut.index.where import Filter

if TYPE_CHECKING:
    from samebut.index.vectors import Vectors

Embeddings = tuple[NDArray[np.int64], NDArray[np.float16]]
"""Ids ``(N,)``, ascending, and half-precision vectors ``(N, D)``."""


class Searcher:
    """Vectors in memory, of the revision of the store that they were read at."""

    def __init__(self) -> None:
        self._loaded: tuple[tuple[int, int], Vectors] | None = None

    def vectors(self, revision: tuple[int, int], read: Callable[[], Embeddings]) -> Vectors:
        """Those of ``revision``, from memory if they are there, else from ``read``."""
        from samebut.index.vectors import Vectors  # FAISS: an indexer has no need to wait for it.

        if self._loaded is None or self._loaded[0] != revision:
            self._loaded = revision, Vectors(*read())
        return self._loaded[1]


def allowed(
    connection: Transaction,
    vectors: Vectors,
    *,
    where: Filter | None,
    exclude: Sequence[int],
) -> NDArray[np.bool_] | None:
    """Which of ``vectors`` the filter lets through and are not excluded; None: all of them."""
    passed = None if where is None else metadata.select(connection, where, vectors.among)
    if len(exclude):
        others = ~vectors.among(np.asarray(exclude, np.int64))
        return others if passed is None else passed & others
    return passed


def checked(queries: NDArray[np.float32], k: int, dim: int) -> NDArray[np.float32]:
    """The queries as FAISS takes them.

    Raises:
        QueryError: they are not finite numbers ``(Q, dim)``, or ``k`` is below 1.
    """
    queries = np.ascontiguousarray(queries, np.float32)
    if queries.ndim != 2 or queries.shape[1] != dim:
        shape = "x".join(map(str, queries.shape))
        raise QueryError(f"queries of shape {shape}, this store wants Qx{dim}")
    if not np.isfinite(queries).all():
        raise QueryError("a query holds numbers that are not finite")
    if k < 1:
        raise QueryError(f"{k} results were asked for; ask for at least one")
    return queries
