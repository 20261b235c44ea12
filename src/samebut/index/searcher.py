"""Searching: the embeddings of a store in memory, and the best of them.

Without an inverted file, the first search reads all embeddings into memory, and a later one reads
them again if they have changed. With one, which is memory-mapped, only what changed since it was
built is read into memory and compared one by one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from samebut.errors import QueryError, StoreDamaged
from samebut.index.beside import FileBeside, changed_since, file_beside
from samebut.index.sql import Transaction

if TYPE_CHECKING:
    from samebut.index.inverted_file import InvertedFile
    from samebut.index.merged import Merged
    from samebut.index.vectors import Vectors

    Pictures = Vectors | Merged

Embeddings = tuple[NDArray[np.int64], NDArray[np.float16]]
"""Ids ``(N,)``, ascending, and half-precision vectors ``(N, D)``."""
_logger = logging.getLogger("samebut.index")


class Searcher:
    """The vectors of one revision of the store, kept until a search needs another."""

    def __init__(self, path: Path, dim: int) -> None:
        self._path = path
        self._dim = dim
        self._loaded: tuple[object, Pictures] | None = None
        self._file: tuple[FileBeside, InvertedFile | None] | None = None

    def pictures(
        self, connection: Transaction, revision: object, read: Callable[[], Embeddings]
    ) -> Pictures:
        """The vectors of ``revision``: kept ones if they are of it, else opened from the inverted
        file or, if there is none, loaded with ``read``."""
        # Imported here: these load FAISS, which an indexer does not need.
        from samebut.index.merged import Merged
        from samebut.index.vectors import Vectors

        file = file_beside(connection)
        moment = revision, file
        if self._loaded is None or self._loaded[0] != moment:
            opened = None if file is None else self._opened(file)
            if file is None or opened is None:
                self._loaded = None  # free the old ones before the new ones are read
                self._loaded = moment, Vectors(*read())
            else:
                changed = changed_since(connection, file, self._dim, str(self._path))
                self._loaded = moment, Merged(opened, changed)
        return self._loaded[1]

    def _opened(self, file: FileBeside) -> InvertedFile | None:
        from samebut.index.inverted_file import InvertedFile

        if self._file is None or self._file[0] != file:
            path = self._path.with_name(file.name)
            try:
                self._file = file, InvertedFile(path, file, self._dim)
            except StoreDamaged as error:
                _logger.warning("%s; all pictures are compared until it is made anew", error)
                self._file = file, None
        return self._file[1]


def checked(queries: NDArray[np.float32], k: int, dim: int) -> NDArray[np.float32]:
    """The queries as FAISS takes them.

    Raises:
        QueryError: they are not finite numbers ``(Q, dim)``, or ``k`` is below 1.
    """
    queries = np.ascontiguousarray(queries, np.float32)
    if queries.ndim != 2 or queries.shape[1] != dim:
        shape = "x".join(map(str, queries.shape))
        raise QueryError(
            f"the queries have shape {shape}; this store takes (Q, {dim})",
            hint="Embed the queries with the model that the store was made with.",
        )
    if not np.isfinite(queries).all():
        raise QueryError(
            "the embedding of a query holds NaN or infinity",
            hint="Check the numbers that you pass, or the model that made them.",
        )
    if k < 1:
        raise QueryError(f"{k} results were asked for", hint="Ask for one or more.")
    return queries
