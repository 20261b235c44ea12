"""learning/negatives.py: the most similar wrong candidates, and when to look for them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from samebut.errors import RecipeError
from samebut.learning.objective.negatives import Schedule, mine

pytestmark = pytest.mark.usefixtures("quiet_torch")


def drawn(rows: int, seed: int, copies: int = 0) -> torch.Tensor:
    """Unit rows, the last ``copies`` of them equal to the first ones."""
    dice = torch.Generator().manual_seed(seed)
    vectors = functional.normalize(torch.randn(rows, 6, generator=dice), dim=1)
    vectors[rows - copies :] = vectors[:copies]
    return vectors


def test_the_nearest_first_without_what_is_known() -> None:
    candidates = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.0, 1.0]])
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert mine(queries, candidates, [[0], [3, 1]], 2).tolist() == [[1, 2], [2, 0]]


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 99),
    st.integers(1, 5),
    st.integers(1, 9),
    st.lists(st.integers(0, 19), max_size=9),
)
def test_it_is_the_whole_order_cut(seed: int, count: int, chunk: int, known: list[int]) -> None:
    """Beside a sort of all candidates; five of them are copies, so scores tie."""
    queries, candidates = drawn(7, seed), drawn(20, seed + 1, copies=5)
    found = mine(queries, candidates, [known] * 7, count, chunk=chunk)
    scores = (queries.double() @ candidates.double().T).float().tolist()
    for row, numbers in zip(scores, found.tolist(), strict=True):
        wrong = [number for number in range(20) if number not in known]
        assert numbers == sorted(wrong, key=lambda number: (-row[number], number))[:count]


def test_every_query_leaves_out_its_own() -> None:
    queries, candidates = drawn(9, 1), drawn(30, 2)
    known = [[row, 2 * row, 2 * row + 1] for row in range(9)]
    found = mine(queries, candidates, known, 27, chunk=4)
    for numbers, rows in zip(found.tolist(), known, strict=True):
        assert set(numbers) <= set(range(30)) - set(rows)
        assert len(set(numbers)) == 27


def test_it_learns_nothing_and_changes_nothing() -> None:
    queries, candidates = drawn(3, 1).requires_grad_(), drawn(8, 2)
    before = candidates.clone()
    found = mine(queries, candidates, [[0]] * 3, 2)
    assert found.dtype == torch.int64
    assert torch.equal(candidates, before)


def test_no_queries_have_no_negatives() -> None:
    assert mine(drawn(0, 1), drawn(8, 2), [], 3).shape == (0, 3)


def test_too_few_wrong_candidates_are_an_error() -> None:
    with pytest.raises(RecipeError, match="query 1 has 2 wrong candidates, 3 are to be mined"):
        mine(drawn(2, 1), drawn(5, 2), [[0], [0, 1, 2, 2]], 3)
    with pytest.raises(RecipeError, match="1 lists of known answers for 2 queries"):
        mine(drawn(2, 1), drawn(5, 2), [[0]], 3)
    with pytest.raises(RecipeError, match="0 negatives"):
        mine(drawn(2, 1), drawn(5, 2), [[0], [1]], 0)


def test_mining_at_an_interval() -> None:
    schedule = Schedule(every=3, first=2)
    assert [epoch for epoch in range(12) if schedule.is_due(epoch)] == [2, 5, 8, 11]
    assert [schedule.mined_before(epoch) for epoch in range(7)] == [None, None, 2, 2, 2, 5, 5]
    assert all(Schedule(every=1).is_due(epoch) for epoch in range(4))


@pytest.mark.parametrize(("every", "first"), [(0, 0), (-1, 0), (1, -1)])
def test_an_interval_is_an_epoch_or_more(every: int, first: int) -> None:
    with pytest.raises(RecipeError, match="negatives can't be mined"):
        Schedule(every, first)
