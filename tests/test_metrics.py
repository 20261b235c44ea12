"""Ranking and metrics: values by hand, properties, and the published code's own answers."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samebut import metrics
from samebut.errors import DataError
from samebut.metrics import NEVER, NOBODY


def unit(rng: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    vectors = rng.standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ints(rows: list[list[int]]) -> np.ndarray:
    return np.array(rows, np.int32)


def slow_order(scores: np.ndarray, dropped: int) -> list[int]:
    columns = [i for i in range(len(scores)) if i != dropped]
    return sorted(columns, key=lambda i: (-scores[i], i))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(2, 30),
    k=st.integers(1, 35),
    levels=st.integers(1, 6),
    chunk=st.sampled_from([1, 1000, 1 << 20]),
)
def test_rank_is_the_obvious_sort(seed: int, size: int, k: int, levels: int, chunk: int) -> None:
    rng = np.random.default_rng(seed)
    queries = rng.integers(0, levels, (7, 3)).astype(np.float32)
    gallery = rng.integers(0, levels, (size, 3)).astype(np.float32)
    drop = rng.integers(NOBODY, size, 7).astype(np.int32)
    named = rng.integers(NOBODY, size, (7, 2)).astype(np.int32)
    ranking = metrics.rank(queries, gallery, k, drop=drop, named=named, chunk_bytes=chunk)
    for row, scores in enumerate(queries @ gallery.T):
        order = slow_order(scores, drop[row])
        expected = order[: min(k, size - 1)]
        assert ranking.ids[row].tolist() == expected
        assert ranking.scores[row].tolist() == scores[expected].tolist()
        wanted = [order.index(i) + 1 if i in order else NEVER for i in named[row]]
        assert ranking.ranks[row].tolist() == wanted


def test_a_picture_stored_many_times_stays_in_gallery_order() -> None:
    rng = np.random.default_rng(0)
    gallery = np.tile(unit(rng, 50, 640), (41, 1))[:2033]
    queries = unit(rng, 101, 640)
    whole = metrics.rank(queries, gallery, 100)
    pieces = metrics.rank(queries, gallery, 100, chunk_bytes=1)
    assert np.array_equal(whole.ids, pieces.ids)
    assert np.array_equal(whole.scores, pieces.scores)
    copies = whole.ids[:, :41] if 2033 % 50 == 0 else whole.ids[:, :40]
    assert (copies % 50 == copies[:, :1] % 50).all()
    assert (np.diff(copies, axis=1) > 0).all()


def test_memory_stays_flat_whatever_the_number_of_queries() -> None:
    rng = np.random.default_rng(0)
    queries, gallery = unit(rng, 3000, 8), unit(rng, 4000, 8)
    named = np.zeros((3000, 1), np.int32)
    tracemalloc.start()
    metrics.rank(queries, gallery, 5, named=named, chunk_bytes=1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 << 20  # all scores at once would be 96 MB in float64


def test_one_query_and_one_picture_keep_their_axes() -> None:
    one = np.ones((1, 4), np.float32)
    ranking = metrics.rank(one, one, 10, named=ints([[0]]))
    assert ranking.ids.tolist() == [[0]]
    assert ranking.ranks.tolist() == [[1]]
    alone = metrics.rank(one, one, 10, drop=np.array([0], np.int32), named=ints([[0]]))
    assert alone.ids.shape == (1, 0)
    assert alone.ranks.tolist() == [[NEVER]]


@pytest.mark.parametrize(
    ("queries", "gallery", "message"),
    [
        (np.ones((2, 3)), np.ones((5, 4)), "shape"),
        (np.ones(3), np.ones((5, 3)), "shape"),
        (np.ones((2, 3)), np.ones((0, 3)), "empty"),
        (np.ones((2, 3)), np.array([[0, 0, 0], [0, np.nan, 0]]), "gallery embeddings hold a NaN"),
        (np.array([[0, np.inf, 0]]), np.ones((5, 3)), "query embeddings hold a NaN"),
    ],
)
def test_what_has_no_ranking_is_refused(
    queries: np.ndarray, gallery: np.ndarray, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        metrics.rank(queries.astype(np.float32), gallery.astype(np.float32), 3)


def test_recall_counts_a_query_once_however_many_targets_it_has() -> None:
    ranks = ints([[1, 2, 3], [4, NEVER, NEVER], [NEVER, NEVER, NEVER]])
    assert metrics.recall(ranks, 1).tolist() == [1, 0, 0]
    assert metrics.recall(ranks, 4).tolist() == [1, 1, 0]


def test_subset_recall_restricts_the_ranking_to_the_subset() -> None:
    target = np.array([30, 1, NEVER], np.int32)
    rivals = ints([[5, 29, 31, 400], [2, 3, 4, 5], [1, 2, 3, 4]])
    assert [metrics.subset_recall(target, rivals, k).tolist() for k in (1, 2, 3)] == [
        [0, 1, 0],
        [0, 1, 0],
        [1, 1, 0],
    ]


def test_average_precision_by_hand() -> None:
    ranks = ints([[1, 3, 12], [2, NEVER, NEVER], [7, 6, NEVER]])
    relevant = np.array([3, 1, 2])
    at_5 = [(1 / 1 + 2 / 3) / 3, 1 / 2, 0]
    at_10 = [(1 / 1 + 2 / 3) / 3, 1 / 2, (1 / 6 + 2 / 7) / 2]
    assert metrics.average_precision(ranks, relevant, 5) == pytest.approx(at_5)
    assert metrics.average_precision(ranks, relevant, 10) == pytest.approx(at_10)


def test_average_precision_divides_by_k_when_there_are_more_targets_than_places() -> None:
    ranks = ints([[1, 2, 3, 4, 5, 6]])
    assert metrics.average_precision(ranks, np.array([6]), 2).tolist() == [1]


def test_average_precision_counts_targets_that_a_short_list_leaves_out() -> None:
    assert metrics.average_precision(ints([[1, NEVER]]), np.array([2]), 10).tolist() == [0.5]


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 12))
def test_metrics_stay_in_range_and_grow_with_k(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    ranks = np.stack([rng.permutation(12)[:4] + 1 for _ in range(9)]).astype(np.int32)
    relevant = np.full(9, 4)
    assert (metrics.recall(ranks, k) <= metrics.recall(ranks, k + 1)).all()
    value = metrics.average_precision(ranks, relevant, k)
    assert ((value >= 0) & (value <= 1 + 1e-12)).all()
    assert ((value > 0) == (metrics.recall(ranks, k) > 0)).all()
    assert (metrics.reciprocal_rank(ranks) <= 1).all()
    target, rivals = ranks[:, 0], ranks[:, 1:]
    subset = [metrics.subset_recall(target, rivals, n) for n in (1, 2, 3, 4)]
    assert (np.diff(subset, axis=0) >= 0).all()
    assert subset[-1].all()


def test_reciprocal_and_median_rank_look_at_the_best_target() -> None:
    ranks = ints([[4, 2], [1, 9], [NEVER, NEVER]])
    assert metrics.reciprocal_rank(ranks).tolist() == [0.5, 1, 0]
    assert metrics.median_rank(ranks) == 2


def test_ranks_in_a_list() -> None:
    ids = ints([[7, 3, 5], [2, 9, 4]])
    assert metrics.ranks_in_list(ids, ints([[5, 8], [2, NOBODY]])).tolist() == [
        [3, NEVER],
        [1, NEVER],
    ]


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    fits = np.array([True, True, False, False])
    assert metrics.area_under_roc(np.array([4.0, 3, 2, 1]), fits) == 1
    assert metrics.area_under_roc(np.array([4.0, 1, 2, 3]), fits) == 0.5
    assert metrics.area_under_roc(np.array([2.0, 2, 2, 1]), fits) == 0.75
    assert np.isnan(metrics.area_under_roc(np.array([1.0]), np.array([True])))


def test_a_ranking_without_some_pictures_by_hand() -> None:
    ranks = np.array([[2, 5, metrics.NEVER], [4, 1, 3]], np.int32)
    wrong = np.array([[3, 1, metrics.NEVER], [2, 1, metrics.NEVER]], np.int32)
    left = [[1, 3, metrics.NEVER], [2, metrics.NEVER, 1]]
    assert metrics.ranks_without(ranks, wrong).tolist() == left


def test_the_range_among_rows_that_belong_together_stands_at_the_first() -> None:
    found = metrics.range_within(np.array([0.1, 0.5, 0.2, 0.4]), ["a", "b", "a", ""])
    assert found[0] == pytest.approx(0.1)
    assert np.isnan(found[1:]).all()


def test_negative_recall_divides_by_what_is_listed_or_by_k() -> None:
    wrong = np.array([[1, 7, 12], [3, metrics.NEVER, metrics.NEVER], [metrics.NEVER] * 3], np.int32)
    found = metrics.negative_recall(wrong, np.array([3, 2, 0]), 10)
    assert found.tolist() == [2 / 3, 0.5, 0]
    assert metrics.negative_recall(wrong, np.array([3, 2, 0]), 1).tolist() == [1, 0, 0]
