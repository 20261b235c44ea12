"""An inverted file in memory: embeddings in clusters. A search compares those of the nearest
clusters.

FAISS' `IndexIVFScalarQuantizer`: each cluster has a list of half-precision vectors with their
pictures' ids ("IVFADC", Jégou et al., "Product quantization for nearest neighbor search", 2011,
section IV, here without the product quantizer). Scores equal those of a scan of all, bit for bit;
an answer only lacks pictures of clusters that were not compared. The file is memory-mapped: opening
it takes the time of a checksum, and processes share its pages.
"""

from __future__ import annotations

import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from samebut.errors import StoreDamaged
from samebut.index.beside import FileBeside
from samebut.index.vectors import Nearest, Vectors, best, selector

# Functions of FAISS that its type hints lack.
_FAISS: Any = faiss

FEW = 20_000
"""Pictures that a filter lets through, up to which all of them are compared."""
_MOST = 0.7  # of all pictures: if a filter lets more through, clusters are chosen as without it
_FILTERED = 4  # times as many clusters with a filter, whose pictures may be far from the query
_READ_AT_ONCE = 1 << 24


class Allowed:
    """The ids that may be in an answer: a mask ``marks`` over ids from 0 on, or ``everything``."""

    def __init__(self, marks: NDArray[np.bool_], *, everything: bool = False) -> None:
        self.marks = marks
        self.everything = everything
        self.number = int(np.count_nonzero(marks))

    @cached_property
    def selector(self) -> Any:
        """The FAISS selector of these ids."""
        return None if self.everything else selector(self.marks)


class InvertedFile:
    """Half-precision vectors by their ids, opened from ``path``; it never changes.

    Raises:
        StoreDamaged: the file is not there, or not as it was written.
    """

    def __init__(self, path: Path, file: FileBeside, dim: int) -> None:
        if checksum(path) != file.checksum:
            raise StoreDamaged(
                f"{path}: was changed after it was written",
                hint="Index again, which replaces it.",
            )
        self.probes = file.probes
        self._bytes = np.memmap(path, np.uint8, "r")
        reader = _FAISS.ZeroCopyIOReader(faiss.swig_ptr(self._bytes), len(self._bytes))
        self._index = _FAISS.read_index(reader)
        if self._index.d != dim or self._index.ntotal != file.pictures:
            raise StoreDamaged(
                f"{path}: belongs to another store", hint="Index again, which replaces it."
            )
        self._row_bytes = int(self._index.code_size)
        lists = self._index.invlists
        self._sizes = np.array([lists.list_size(n) for n in range(lists.nlist)], np.int64)
        self._ends = np.cumsum(self._sizes)
        self._starts = np.zeros(len(self._sizes), np.int64)  # of a list's vectors, in the bytes
        self.ids: NDArray[np.int64] = np.empty(self._index.ntotal, np.int64)
        """In the order of the lists."""
        for number in np.flatnonzero(self._sizes).tolist():
            size, end = int(self._sizes[number]), int(self._ends[number])
            self._starts[number] = int(lists.get_codes(number)) - self._bytes.ctypes.data
            self.ids[end - size : end] = faiss.rev_swig_ptr(lists.get_ids(number), size)
        self._places = np.full(int(self.ids.max()) + 1, -1, np.int32)
        self._places[self.ids] = np.arange(len(self.ids), dtype=np.int32)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which ids, from 0 on, have a vector."""
        return self._places >= 0

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.float16]:
        """The vectors ``(K, D)`` of ``ids (K,)``, all of which must be here."""
        places = self._places[ids]
        cluster = np.searchsorted(self._ends, places, side="right")
        before = places - (self._ends - self._sizes)[cluster]
        at = self._starts[cluster] + before * self._row_bytes
        every = np.lib.stride_tricks.as_strided(
            self._bytes, (len(self._bytes) - self._row_bytes + 1, self._row_bytes), (1, 1)
        )
        return np.ascontiguousarray(every[at]).view("<f2")

    def search(
        self, queries: NDArray[np.float32], k: int, allowed: Allowed, *, exact: bool
    ) -> tuple[Nearest, float | None]:
        """Scores and ids ``(Q, K)`` of the best, by falling score and rising id; K is ``k`` or as
        many as are allowed. With ``exact`` all of them are compared.

        Returns:
            Them, and the recall that was measured for such a search; None: all were compared.
        """
        if not exact and not allowed.everything and allowed.number <= FEW:
            return self._few(queries, k, np.flatnonzero(allowed.marks)), None
        every = len(self._sizes)
        near, recall = (every, None) if exact else self._how_near(queries, k, allowed.number)
        is_filtered = near < every and allowed.number < _MOST * len(self.ids)
        counts = self._counted(allowed.marks) if is_filtered else None

        def nearest(some: NDArray[np.float32], count: int) -> Nearest:
            looked = near
            while True:
                found = self._nearest(some, count, allowed.selector, looked, counts)
                if looked >= every or found[1].min() >= 0:
                    return found
                looked *= 4  # the clusters hold fewer pictures than were asked for

        return best(nearest, queries, k, allowed.number), recall

    def _how_near(
        self, queries: NDArray[np.float32], k: int, available: int
    ) -> tuple[int, float | None]:
        """How many clusters to compare, and the recall measured for that number; None if it is all
        clusters, because for so many pictures nothing was measured or fewer clusters find too few.

        If m of n pictures are allowed, the ``k`` nearest of them reach as far as the ``k n / m``
        nearest of all. Queries far from all clusters, as texts are, need more clusters.
        """
        count = k * len(self.ids) / max(available, 1)
        nearest = next((each.nearest for each in self.probes if each.nearest >= count), None)
        levels = [each for each in self.probes if each.nearest == nearest]
        if not levels:
            return len(self._sizes), None
        top = self._index.quantizer.search(queries, 1)[0].min(initial=1)
        found = next((each for each in levels if top >= each.least), levels[-1])
        return found.clusters, found.recall if found.clusters < len(self._sizes) else None

    def _few(self, queries: NDArray[np.float32], k: int, ids: NDArray[np.int64]) -> Nearest:
        found = Vectors(ids, self.rows(ids)).search(queries, k)
        return found.scores, found.ids

    def _counted(self, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many pictures of each cluster are allowed."""
        passed = np.concatenate([[0], np.cumsum(allowed[self.ids])])
        counts: NDArray[np.int64] = passed[self._ends] - passed[self._ends - self._sizes]
        return counts

    def _nearest(
        self,
        queries: NDArray[np.float32],
        count: int,
        chosen: Any,
        near: int,
        counts: NDArray[np.int64] | None = None,
    ) -> Nearest:
        """The best pictures of the ``near`` nearest clusters. With a filter, which lets ``counts``
        pictures of each cluster through: of as many clusters as together hold enough of those."""
        near = min(near, len(self._sizes))
        if counts is None or near == len(self._sizes):
            with_sel = _FAISS.SearchParametersIVF(sel=chosen, nprobe=near)
            scores, ids = self._index.search(queries, count, params=with_sel)
            return scores, ids
        scores, clusters = self._index.quantizer.search(queries, len(self._sizes))
        return self._among(queries, count, chosen, _reaching(clusters, counts, _FILTERED * near))

    def _among(
        self, queries: NDArray[np.float32], count: int, chosen: Any, clusters: NDArray[np.int64]
    ) -> Nearest:
        """The best pictures of these ``clusters (Q, P)``."""
        scores = np.empty((len(queries), count), np.float32)
        ids = np.empty((len(queries), count), np.int64)
        unused = np.zeros(clusters.shape, np.float32)  # distances to the clusters
        given: list[NDArray[Any]] = [queries, clusters, unused, scores, ids]
        rows, lists, distances, to_scores, to_ids = [faiss.swig_ptr(each) for each in given]
        with_sel = _FAISS.SearchParametersIVF(sel=chosen, nprobe=clusters.shape[1])
        self._index.search_preassigned_c(
            len(queries), rows, count, lists, distances, to_scores, to_ids, False, with_sel
        )
        return scores, ids


def _reaching(
    clusters: NDArray[np.int64], counts: NDArray[np.int64], near: int
) -> NDArray[np.int64]:
    """The first of ``clusters (Q, N)``, nearest first, that together hold as many allowed pictures
    as ``near`` average clusters do, without those that hold none; padded with -1."""
    held = counts[clusters]
    before = np.cumsum(held, axis=1) - held
    wanted = np.where((held > 0) & (before < near * counts.mean()), clusters, -1)
    # Move those that are wanted to the front, in their order.
    order = np.argsort(wanted < 0, axis=1, kind="stable")
    most = int((wanted >= 0).sum(axis=1).max())
    return np.ascontiguousarray(np.take_along_axis(wanted, order, 1)[:, :most])


def checksum(path: Path) -> int:
    """CRC-32 of a file, -1 if it can't be read."""
    value = 0
    try:
        with path.open("rb") as file:
            while part := file.read(_READ_AT_ONCE):
                value = zlib.crc32(part, value)
    except OSError:
        return -1
    return value
