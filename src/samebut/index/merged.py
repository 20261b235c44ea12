"""An inverted file, and what changed in the store since it was made, searched as one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from samebut.confidence import spread
from samebut.index import Found
from samebut.index.beside import Changed
from samebut.index.inverted_file import Allowed, InvertedFile
from samebut.index.vectors import Nearest, Searched, Vectors, ordered

_DROPPED = 100  # excluded ids; if there are more, they are masked out of the scan


class Merged:
    """The vectors of an inverted file, but of those that ``changed`` as they are now."""

    def __init__(self, file: InvertedFile, changed: Changed) -> None:
        self._file = file
        self._recent = Vectors(changed.here, changed.codes)
        known = file.known
        self._size = max(len(known), int(changed.ids.max(initial=0)) + 1)
        in_file = np.zeros(self._size, np.bool_)
        in_file[: len(known)] = known
        in_file[changed.ids] = False
        self._in_file = in_file
        self._has_changed = len(changed.ids) > 0
        self._all_in_file = Allowed(in_file, everything=not self._has_changed)

    def among(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which ids, from 0 on, are of ``ids``."""
        marks = np.zeros(self._size, np.bool_)
        marks[ids[(ids >= 0) & (ids < self._size)]] = True
        return marks

    def of(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors ``(K, D)`` of ``ids (K,)``, all of which must be here."""
        from_file = self._in_file[ids]
        rows = np.empty((len(ids), self._recent.dim), np.float32)
        rows[from_file] = self._file.rows(ids[from_file])
        rows[~from_file] = self._recent.of(ids[~from_file])
        return rows

    def sampled(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `Vectors.sampled`: the same pictures and the same scores."""
        return queries @ self._sample.T

    @cached_property
    def _sample(self) -> NDArray[np.float32]:
        ids = np.flatnonzero(self._here)
        return self.of(ids[spread(len(ids))])

    @property
    def _here(self) -> NDArray[np.bool_]:
        here = self._in_file.copy()
        here[self._recent.ids] = True
        return here

    def answer(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        exclude: Sequence[int] = (),
        *,
        exact: bool = False,
    ) -> Searched:
        """The best of the pictures that the mask ``allowed`` (as `among` returns it; None: all)
        lets through, without the ids in ``exclude``. With ``exact`` all of them are compared."""
        left_out = np.unique(np.asarray(exclude, np.int64))
        if not len(left_out):
            return self._answer(queries, k, allowed, exact=exact)
        if allowed is not None or len(left_out) > _DROPPED:
            others = ~self.among(left_out)
            return self._answer(
                queries, k, others if allowed is None else allowed & others, exact=exact
            )
        # Fetching a few more and dropping the excluded is faster than testing every picture.
        found, recall = self._answer(queries, k + len(left_out), None, exact=exact)
        inside = left_out[(left_out >= 0) & (left_out < self._size)]
        is_recent = np.isin(inside, self._recent.ids)
        there = int(np.count_nonzero(self._in_file[inside] | is_recent))
        kept = min(k, self._all_in_file.number + len(self._recent) - there)
        dropped = np.isin(found.ids, left_out)
        order = np.argsort(dropped, axis=1, kind="stable")[:, :kept]
        ids = np.take_along_axis(found.ids, order, 1)
        return Searched(Found(ids, np.take_along_axis(found.scores, order, 1)), recall)

    def _answer(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_] | None,
        *,
        exact: bool,
    ) -> Searched:
        recent, in_file = None, self._all_in_file
        if allowed is not None:
            recent = allowed[self._recent.ids]
            in_file = Allowed(allowed & self._in_file)
        (scores, ids), recall = self._file.search(queries, k, in_file, exact=exact)
        if self._has_changed:
            scores, ids = _merged(Found(ids, scores), self._recent.search(queries, k, recent), k)
        return Searched(Found(ids, scores), recall)


def _merged(one: Found, other: Found, k: int) -> Nearest:
    scores = np.concatenate([one.scores, other.scores], axis=1)
    ids = np.concatenate([one.ids, other.ids], axis=1)
    return ordered(scores, ids, k)
