"""Embeddings in memory, and exact search over them.

FAISS scans half-precision vectors at the speed of memory; nothing is approximated, so the order is
that of the scores. `Vectors` never changes after it was made: threads search it freely while a
newer one is being loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from samebut.confidence import spread
from samebut.index import Found

# The Python layer of FAISS takes arrays and keywords here, which its own type hints do not know.
_BITMAP: Any = faiss.IDSelectorBitmap
_WITH: Any = faiss.SearchParameters

Nearest = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Scores and keys, ``(Q, K)`` each."""


class Searched(NamedTuple):
    """What was found, and the recall that was measured of such answers; None if all pictures were
    compared."""

    found: Found
    recall: float | None


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

    @property
    def dim(self) -> int:
        return int(self._index.d)

    def among(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which vectors, in the order of ``self.ids``, have one of ``ids``."""
        return np.isin(self.ids, ids)

    def of(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors ``(K, D)`` of ``ids (K,)``, all of which must be here."""
        with one_thread():
            found = self._index.reconstruct_batch(np.searchsorted(self.ids, ids))
        return np.asarray(found, np.float32).reshape(len(ids), self._index.d)

    def sampled(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores ``(Q, S)`` of vectors from all over, for ``queries (Q, D)``; S is at most 2,000.

        They show the distribution of scores, independent of filters, in the same time for any
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
        chosen = None if allowed is None else selector(allowed)
        scores, places = best(
            lambda some, count: self._nearest(some, count, chosen), queries, k, available
        )
        return Found(self.ids[places], scores)

    def answer(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        exclude: Sequence[int] = (),
        *,
        exact: bool = False,
    ) -> Searched:
        """As `search`, with the signature of `samebut.index.merged.Merged.answer`."""
        if len(exclude):
            others = ~self.among(np.asarray(exclude, np.int64))
            allowed = others if allowed is None else allowed & others
        return Searched(self.search(queries, k, allowed), None)

    def _nearest(self, queries: NDArray[np.float32], count: int, chosen: Any) -> Nearest:
        scores, places = self._index.search(
            queries, count, params=None if chosen is None else _WITH(sel=chosen)
        )
        return scores, places


def best(
    nearest: Callable[[NDArray[np.float32], int], Nearest],
    queries: NDArray[np.float32],
    k: int,
    available: int,
) -> Nearest:
    """Scores and keys ``(Q, min(k, available))`` of the best, by falling score and rising key.

    ``nearest`` gives them for ``queries`` in any number, of ``available``, best first; which of
    equal scores it gives is not promised.
    """
    k = min(k, available)
    if k == 0:
        empty = (len(queries), 0)
        return np.empty(empty, np.float32), np.empty(empty, np.int64)
    fetch = min(k + _SPARE, available)
    with one_thread():
        scores, keys = nearest(queries, fetch)
        best_scores, best_keys = ordered(scores, keys, k)
        for row in np.flatnonzero(scores[:, k - 1] == scores[:, -1]):
            query, count = queries[row : row + 1], fetch
            # Fetch more until the last score fetched is below the k-th: then all ties of the k-th
            # are there.
            while count < available:
                count = min(4 * count, available)
                more = nearest(query, count)
                best_scores[row], best_keys[row] = (part[0] for part in ordered(*more, k))
                if more[0][0, k - 1] > more[0][0, -1]:
                    break
    return best_scores, best_keys


def ordered(scores: NDArray[np.float32], keys: NDArray[np.int64], k: int) -> Nearest:
    """The first ``k`` of each row, by falling score and then by rising key."""
    order = np.lexsort((keys, -scores))[:, :k]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(keys, order, 1)


def selector(allowed: NDArray[np.bool_]) -> Any:
    """The FAISS selector of the keys that are ``allowed``."""
    return _BITMAP(np.packbits(allowed, bitorder="little"))


@contextmanager
def using_threads(count: int | None) -> Iterator[None]:
    """Let FAISS use ``count`` threads where this one calls it; None: as many as it likes."""
    before = faiss.omp_get_max_threads()
    if count is not None:
        faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def one_thread() -> AbstractContextManager[None]:
    """Keep FAISS to the calling thread.

    Waking a team of threads costs more than a scan of ten thousand vectors takes, and on a busy
    machine the slowest of them decides: a 99th percentile of 20 ms instead of 0.3. The setting
    belongs to the calling thread, so it has to be made in each one that searches.
    """
    return using_threads(1)
