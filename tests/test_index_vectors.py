"""Exact search in memory: the right scores in a promised order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from samebut.index import Found
from samebut.index.vectors import Vectors


def in_order(
    ids: NDArray[np.int64],
    halves: NDArray[np.float16],
    query: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.bool_],
) -> tuple[list[int], list[float]]:
    """By falling score, then by rising id: the whole list, sorted in Python."""
    scores = halves.astype(np.float32) @ query
    kept = zip(scores, ids, allowed, strict=True)
    rows = sorted((-float(score), int(i)) for score, i, ok in kept if ok)[:k]
    return [i for _, i in rows], [-score for score, _ in rows]


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_equal_scores_are_ordered_by_id_also_at_the_end(data: st.DataObject) -> None:
    """Vectors of small whole numbers: sums are exact and most scores are shared."""
    count, dim = data.draw(st.integers(1, 90)), data.draw(st.sampled_from([1, 3, 8, 16]))
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    ids = np.sort(draw.choice(1000, count, replace=False)).astype(np.int64)
    halves = draw.integers(-1, 2, (count, dim)).astype("<f2")
    queries = draw.integers(-1, 2, (data.draw(st.integers(1, 4)), dim)).astype(np.float32)
    k = data.draw(st.integers(1, 100))
    allowed = draw.random(count) < data.draw(st.sampled_from([0.0, 0.3, 1.0]))
    vectors = Vectors(ids, halves)
    everything = np.ones(count, bool)
    for mask, found in [
        (everything, vectors.search(queries, k)),
        (everything, vectors.search(queries, k, everything)),
        (allowed, vectors.search(queries, k, allowed)),
    ]:
        assert found.ids.shape == found.scores.shape == (len(queries), min(k, mask.sum()))
        for row, query in enumerate(queries):
            expected = in_order(ids, halves, query, k, mask)
            assert (found.ids[row].tolist(), found.scores[row].tolist()) == expected


def test_a_thousand_copies_of_a_picture_and_one_better() -> None:
    halves = np.zeros((1001, 4), "<f2")
    halves[:, 0] = 0.5
    halves[777, 0] = 1
    found = Vectors(np.arange(1, 1002), halves).search(np.eye(4, dtype=np.float32)[:1], 5)
    assert found.ids.tolist() == [[778, 1, 2, 3, 4]]
    assert found.scores.tolist() == [[1, 0.5, 0.5, 0.5, 0.5]]


@pytest.mark.parametrize("better", [1, 5, 17, 40])
def test_only_the_last_place_is_shared_by_a_thousand(better: int) -> None:
    """More equal scores than are fetched to spare, and better ones that push some of them out."""
    halves = np.zeros((1000 + better, 4), "<f2")
    halves[:, 0] = 0.5
    halves[1000:, 0] = 1 + np.arange(better) / 64
    vectors = Vectors(np.arange(1000 + better), halves)
    found = vectors.search(np.eye(4, dtype=np.float32)[:1], better + 1)
    assert found.ids.tolist() == [[*range(999 + better, 999, -1), 0]]


def random_vectors(count: int, dim: int) -> Vectors:
    rows = np.random.default_rng(3).standard_normal((count, dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Vectors(np.arange(count), rows.astype("<f2"))


def same(found: Found, other: Found) -> bool:
    return np.array_equal(found.ids, other.ids) and np.array_equal(found.scores, other.scores)


def test_an_answer_does_not_depend_on_its_neighbours() -> None:
    """Nor on the filter that let a picture through: scores are equal to the last bit."""
    vectors = random_vectors(500, 24)
    queries = np.random.default_rng(4).standard_normal((7, 24)).astype(np.float32)
    together = vectors.search(queries, 500)
    for row in range(len(queries)):
        alone = vectors.search(queries[row : row + 1], 500)
        assert same(alone, Found(together.ids[row : row + 1], together.scores[row : row + 1]))
        even = vectors.search(queries[row : row + 1], 500, np.arange(500) % 2 == 0)
        kept = together.ids[row] % 2 == 0
        assert same(even, Found(together.ids[row][None, kept], together.scores[row][None, kept]))


@pytest.mark.parametrize("queries", [0, 1, 3])
def test_nothing_to_find(queries: int) -> None:
    for vectors, allowed in [
        (Vectors(np.empty(0, np.int64), np.empty((0, 8), "<f2")), None),
        (random_vectors(5, 8), np.zeros(5, bool)),
    ]:
        found = vectors.search(np.ones((queries, 8), np.float32), 3, allowed)
        assert (found.ids.shape, found.scores.shape) == ((queries, 0), (queries, 0))
        assert (found.ids.dtype, found.scores.dtype) == (np.int64, np.float32)
    assert random_vectors(5, 8).search(np.ones((queries, 8), np.float32), 3).ids.shape == (
        queries,
        3,
    )


def test_many_threads_and_the_callers_setting_of_faiss() -> None:
    vectors = random_vectors(2000, 16)
    queries = np.random.default_rng(5).standard_normal((64, 16)).astype(np.float32)
    expected = vectors.search(queries, 10)
    with ThreadPoolExecutor(8) as pool:
        alone = list(pool.map(lambda row: vectors.search(queries[row : row + 1], 10), range(64)))
    for row, found in enumerate(alone):
        assert same(found, Found(expected.ids[row : row + 1], expected.scores[row : row + 1]))
    before = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(2)
        vectors.search(queries, 10)
        assert faiss.omp_get_max_threads() == 2
    finally:
        faiss.omp_set_num_threads(before)


def test_membership() -> None:
    vectors = Vectors(np.array([2, 5, 9]), np.zeros((3, 4), "<f2"))
    assert vectors.among(np.array([9, 1, 2, 2, 700])).tolist() == [True, False, True]
    assert vectors.among(np.array([], np.int64)).tolist() == [False, False, False]
    assert len(vectors) == 3
