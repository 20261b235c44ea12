"""Searching: the embeddings of a store in memory, and the best of them.

Few embeddings are read into memory by the first search and again when the store has changed them.
Many lie in an inverted file beside the store, which is mapped; what has changed since it was made
is read into memory and compared beside it.
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
    """Vectors in memory, of the revision of the store that they were read at."""

    def __init__(self, path: Path, dim: int) -> None:
        self._path = path
        self._dim = dim
        self._loaded: tuple[object, Pictures] | None = None
        self._file: tuple[FileBeside, InvertedFile | None] | None = None

    def pictures(
        self, connection: Transaction, revision: object, read: Callable[[], Embeddings]
    ) -> Pictures:
        """Those of ``revision``, from memory if they are there, else from the inverted file or, if
        there is none, from ``read``."""
        # FAISS: an indexer has no need to wait for it.
        from samebut.index.merged import Merged
        from samebut.index.vectors import Vectors

        file = file_beside(connection)
        moment = revision, file
        if self._loaded is None or self._loaded[0] != moment:
            opened = None if file is None else self._opened(file)
            if file is None or opened is None:
                self._loaded = None  # or old and new ones were in memory at once
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
