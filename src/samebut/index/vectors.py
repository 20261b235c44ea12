"""Embeddings in memory, and exact search over them.

FAISS scans half-precision vectors at the speed of memory; nothing is approximated, so the order is
that of the scores. `Vectors` never changes after it was made: threads search it freely while a
newer one is being loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from samebut.confidence import spread
from samebut.index import Found

# The Python layer of FAISS takes arrays and keywords here, which its own type hints do not know.
_BITMAP: Any = faiss.IDSelectorBitmap
_WITH: Any = faiss.SearchParameters

_SPARE = 16  # Fetched beyond k, so that a few equal scores at the end need no second scan.


class Vectors:
    """Half-precision vectors, each with an id. ``ids (N,) int64`` ascend, ``codes (N, D)`` are
    little-endian float16 as they are stored."""

    def __init__(self, ids: NDArray[np.int64], codes: NDArray[np.float16]) -> None:
        self.ids = ids
        self._index = faiss.IndexScalarQuantizer(
            codes.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        self._index.add_sa_codes(codes.view(np.uint8))
        self._sample = codes[spread(len(codes))].astype(np.float32)

    def __len__(self) -> int:
        return len(self.ids)

    def among(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which vectors, in the order of ``self.ids``, have one of ``ids``."""
        return np.isin(self.ids, ids)

    def of(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors ``(K, D)`` of ``ids (K,)``, all of which must be here."""
        with _one_thread():
            found = self._index.reconstruct_batch(np.searchsorted(self.ids, ids))
        return np.asarray(found, np.float32).reshape(len(ids), self._index.d)

    def sampled(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores ``(Q, S)`` of vectors from all over, for ``queries (Q, D)``; S is at most 2,000.

        They say how scores are spread, whatever a filter lets through, in the same time for any
        number of vectors.
        """
        return queries @ self._sample.T

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> Found:
        """The ``k`` largest inner products for each query, among those ``allowed``.

        Equal scores are ordered by id, the smaller first, and that also decides which of them are
        among the ``k``. FAISS promises neither.

        Args:
            queries: ``(Q, D)``.
            allowed: ``(N,)`` in the order of ``ids``; None allows all.

        Returns:
            ``ids`` and ``scores``, ``(Q, min(k, number allowed))``.
        """
        available = len(self) if allowed is None else int(np.count_nonzero(allowed))
        k = min(k, available)
        if k == 0:
            empty = (len(queries), 0)
            return Found(np.empty(empty, np.int64), np.empty(empty, np.float32))
        fetch = min(k + _SPARE, available)
        with _one_thread():
            scores, places = self._nearest(queries, fetch, allowed)
            best_places, best_scores = _ordered(scores, places, k)
            for row in np.flatnonzero(scores[:, k - 1] == scores[:, -1]):
                best_places[row], best_scores[row] = self._all_ties(
                    queries[row : row + 1], k, fetch, available, allowed
                )
        return Found(self.ids[best_places], best_scores)

    def _all_ties(
        self,
        query: NDArray[np.float32],
        k: int,
        fetch: int,
        available: int,
        allowed: NDArray[np.bool_] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Fetch more until the ``k``-th score ends before what was fetched does."""
        while True:
            fetch = min(4 * fetch, available)
            scores, places = self._nearest(query, fetch, allowed)
            if fetch == available or scores[0, k - 1] > scores[0, -1]:
                best_places, best_scores = _ordered(scores, places, k)
                return best_places[0], best_scores[0]

    def _nearest(
        self, queries: NDArray[np.float32], count: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        scores, places = self._index.search(queries, count, params=_parameters(allowed))
        return scores, places


def _ordered(
    scores: NDArray[np.float32], places: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The first ``k`` of each row, by falling score and then by rising place."""
    order = np.lexsort((places, -scores))[:, :k]
    return np.take_along_axis(places, order, 1), np.take_along_axis(scores, order, 1)


def _parameters(allowed: NDArray[np.bool_] | None) -> Any:
    if allowed is None:
        return None
    bits = np.packbits(allowed, bitorder="little")
    return _WITH(sel=_BITMAP(bits))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep FAISS to the calling thread.

    Waking a team of threads costs more than a scan of ten thousand vectors takes, and on a busy
    machine the slowest of them decides: a 99th percentile of 20 ms instead of 0.3. The setting
    belongs to the calling thread, so it has to be made in each one that searches.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
