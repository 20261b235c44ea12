"""Builds an inverted file (`samebut.index.inverted_file`): k-means, then vectors into their
clusters.

It also measures, against a scan of all, how many clusters a search has to compare.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from samebut.index.beside import Probes

ENOUGH = 0.99
"""The recall that a search must reach, on average over the queries that it is measured with."""
_ROUNDS = 10  # of k-means
_FEWEST = 16  # clusters at least compared: fewer save no time, and other queries may need them
_WORTH = 0.3  # of all clusters: if more are needed, comparing all takes hardly longer
OFF = (0.5, 1.0, 2.0)
"""How far from the line between two pictures queries are made: as far as compositions are, and as
words are (`docs/experiments/stores.md`)."""
_NEAREST = 0.25  # of queries that far: what is nearer to a cluster than these is asked as they are


class Clustering:
    """Makes an inverted file: trained on some vectors, then given all of them twice, by `assign`
    to be counted and by `place` to be kept."""

    def __init__(
        self, sample: NDArray[np.float16], clusters: int, queries: NDArray[np.float32], most: int
    ) -> None:
        """``sample (S, D)`` are vectors from all over the store; with ``queries (Q, D)`` the recall
        for up to ``most`` pictures is measured."""
        dim = sample.shape[1]
        means: Any = faiss.Kmeans(
            dim, clusters, niter=_ROUNDS, spherical=True, seed=1, min_points_per_centroid=1
        )
        means.train(sample.astype(np.float32))
        self._quantizer: Any = faiss.IndexFlatIP(dim)
        self._quantizer.add(means.centroids)
        self._index: Any = faiss.IndexIVFScalarQuantizer(
            self._quantizer,
            dim,
            clusters,
            faiss.ScalarQuantizer.QT_fp16,
            faiss.METRIC_INNER_PRODUCT,
            False,
        )
        self._index.is_trained = True  # half precision needs no training
        self._queries = queries
        self._most = most
        self._assigned: list[NDArray[np.int32]] = []
        self._best = np.full((len(queries), 0), -np.inf, np.float32)
        self._best_in = np.empty((len(queries), 0), np.int32)
        self._filled = np.zeros(clusters, np.int64)

    def assign(self, codes: NDArray[np.float16]) -> None:
        """Find the clusters of the next vectors ``(N, D)``."""
        rows = codes.astype(np.float32)
        _, found = self._quantizer.search(rows, 1)
        clusters = found[:, 0].astype(np.int32)
        self._assigned.append(clusters)
        scores = np.concatenate([self._best, self._queries @ rows.T], axis=1)
        within = np.broadcast_to(clusters, (len(self._queries), len(clusters)))
        within = np.concatenate([self._best_in, within], axis=1)
        if scores.shape[1] > self._most:
            keep = np.argpartition(-scores, self._most - 1, axis=1)[:, : self._most]
            scores, within = (np.take_along_axis(each, keep, 1) for each in (scores, within))
        self._best, self._best_in = scores, within

    def probes(self, counts: Sequence[int]) -> tuple[Probes, ...]:
        """For each of ``counts`` and each distance in `OFF`, the smallest number of clusters that
        reaches the recall `ENOUGH`."""
        scores, clusters = self._quantizer.search(self._queries, self._index.nlist)
        ranks = np.argsort(clusters, axis=1)
        order = np.argsort(-self._best, axis=1)
        needed = np.take_along_axis(ranks, np.take_along_axis(self._best_in, order, 1), 1)
        least = [float(np.quantile(some, _NEAREST)) for some in np.split(scores[:, 0], len(OFF))]
        return tuple(
            _fewest(some[:, :count], count, least[level], self._index.nlist)
            for count in counts
            for level, some in enumerate(np.split(needed, len(OFF)))
        )

    def allocate(self) -> None:
        """Allocate the lists, once all vectors are assigned."""
        clusters = np.concatenate(self._assigned)
        sizes = np.bincount(clusters, minlength=self._index.nlist)
        for number, size in enumerate(sizes.tolist()):
            self._index.invlists.resize(number, size)
        self._index.ntotal = len(clusters)
        self._assigned.reverse()

    def place(self, ids: NDArray[np.int64], codes: NDArray[np.float16]) -> None:
        """Put vectors into their clusters, in the pieces and the order of `assign`."""
        clusters = self._assigned.pop()
        order = np.argsort(clusters, kind="stable")
        ids, codes = ids[order], np.ascontiguousarray(codes[order])
        sizes = np.bincount(clusters, minlength=self._index.nlist)
        ends = np.cumsum(sizes)
        for number in np.flatnonzero(sizes).tolist():
            some = slice(ends[number] - sizes[number], ends[number])
            self._index.invlists.update_entries(
                number,
                int(self._filled[number]),
                int(sizes[number]),
                faiss.swig_ptr(ids[some]),
                faiss.swig_ptr(codes[some].view(np.uint8)),
            )
        self._filled += sizes

    def write(self, path: Path) -> None:
        """Write the file; it is on the disk when this returns."""
        faiss.write_index(self._index, str(path))
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _fewest(needed: NDArray[np.int64], count: int, least: float, clusters: int) -> Probes:
    """``needed (Q, count)`` are the ranks of the clusters in which the nearest lie."""
    found = np.cumsum(np.bincount(needed.ravel(), minlength=clusters)) / needed.size
    near = min(max(int(np.searchsorted(found, ENOUGH)) + 1, _FEWEST), clusters)
    if near > clusters * _WORTH:
        near = clusters
    return Probes(count, least, near, round(float(found[near - 1]), 4))


def made_queries(
    sample: NDArray[np.float16], count: int, dice: np.random.Generator
) -> NDArray[np.float32]:
    """``count`` queries ``(count * len(OFF), D)`` at each of the distances: between two pictures of
    ``sample``, and off both."""
    made = [_between(sample, count, dice, off) for off in OFF]
    return np.concatenate(made)


def _between(
    sample: NDArray[np.float16], count: int, dice: np.random.Generator, off: float
) -> NDArray[np.float32]:
    share = dice.random((count, 1), np.float32)
    one, other = (sample[dice.integers(0, len(sample), count)].astype(np.float32) for _ in range(2))
    noise = dice.standard_normal(one.shape, np.float32)
    noise *= off / np.linalg.norm(noise, axis=1, keepdims=True)
    rows = share * one + (1 - share) * other + noise
    made: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return made
