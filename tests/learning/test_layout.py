"""learning/data/layout.py: which process encodes which pictures, and where a batch finds them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from samebut.learning.data.layout import lay_out
from samebut.learning.data.sampler import NO_ROWS, Batch, batch_of_pictures

PICTURES = 40


def batch_of(queries: int, negatives: int, pictures: int, seed: int) -> Batch:
    """Rows of few pictures, so that many are named twice; about a third of negatives are none."""
    rng = torch.Generator().manual_seed(seed)

    def rows(*shape: int, least: int = 0) -> torch.Tensor:
        return torch.randint(least, 12, shape, generator=rng)

    wrong = rows(queries, negatives, least=-6).clamp(min=-1)
    further = torch.randperm(PICTURES, generator=rng)[:pictures]
    return Batch(torch.arange(queries), rows(queries), rows(queries), rows(queries), wrong, further)


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from([1, 2, 3]),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 2),
    st.booleans(),
    st.integers(0, 999),
)
def test_every_process_finds_its_pictures(
    processes: int, queries: int, negatives: int, pictures: int, rounded: bool, seed: int
) -> None:
    """``queries`` and ``pictures`` are of each process, and one of them is not 0."""
    batch = batch_of(queries * processes, negatives, (pictures or not queries) * processes, seed)
    layout = lay_out(batch, PICTURES, processes=processes, rounded=rounded)
    count, flat = layout.rows.shape[1], layout.rows.flatten()
    assert layout.rows.shape[0] == processes  # of equal counts, being one tensor
    for own in layout.rows.tolist():
        assert len(set(own)) == count
        assert set(own) <= set(range(PICTURES))
    for places, named in (
        (layout.references, batch.references),
        (layout.targets, batch.targets),
        (layout.negatives, batch.negatives),
    ):
        assert places.shape == named.shape
        assert torch.equal(places < 0, named < 0)
        assert torch.equal(flat[places[named >= 0]], named[named >= 0])
        # Each in the rows of the process that has the query: it composes from what it encodes.
        owner = torch.arange(len(named)) // max(queries, 1)
        owner = owner.view(-1, *[1] * (named.ndim - 1)).expand_as(named)
        assert torch.equal((places // count)[named >= 0], owner[named >= 0])
    for rank in range(processes):
        assert set(batch.share(rank, processes).pictures.tolist()) <= set(
            layout.rows[rank].tolist()
        )
    once = layout.each_once()
    assert sorted(flat[once].tolist()) == flat.unique().tolist()
    assert count == 32 or not rounded


def test_nothing_is_encoded_that_nobody_named() -> None:
    batch = batch_of(6, 2, 0, seed=1)
    named = torch.cat((batch.references, batch.targets, batch.negatives.flatten())).unique()
    assert lay_out(batch, PICTURES).rows[0].tolist() == named[named >= 0].tolist()


def test_a_process_that_names_fewer_pictures_is_filled_up() -> None:
    references, targets = torch.tensor([0, 0, 2, 3]), torch.tensor([1, 1, 4, 5])
    batch = Batch(torch.arange(4), references, targets, NO_ROWS, NO_ROWS.view(4, 0), NO_ROWS)
    layout = lay_out(batch, PICTURES, processes=2)
    assert layout.rows.shape == (2, 4)
    assert layout.rows[0, :2].tolist() == [0, 1]
    assert layout.rows[1].tolist() == [2, 3, 4, 5]
    assert torch.equal(lay_out(batch, PICTURES, processes=2).rows, layout.rows)


@pytest.mark.parametrize(("pictures", "wanted"), [(100, 32), (40, 32), (20, 20)])
def test_up_to_a_round_number(pictures: int, wanted: int) -> None:
    """Pictures that are named first; others until their number is round, or there are no more."""
    batch = batch_of_pictures(torch.arange(18))
    rows = lay_out(batch, pictures, rounded=True).rows[0].tolist()
    assert len(rows) == len(set(rows)) == wanted
    assert set(range(18)) <= set(rows) <= set(range(pictures))
    assert rows == lay_out(batch, pictures, rounded=True).rows[0].tolist()
    more = batch_of_pictures(torch.arange(33))
    if pictures > 33:
        assert lay_out(more, pictures, rounded=True).rows.shape == (1, min(64, pictures))


def test_shares_count_every_picture_once() -> None:
    """A mean over the processes of sums by these is the mean over all pictures."""
    empty = torch.empty(0, dtype=torch.int64)
    rows = torch.tensor([3, 5, 3, 7])
    targets = torch.tensor([5, 6, 8, 3])
    batch = Batch(
        torch.arange(4), rows, targets, empty, torch.empty(4, 0, dtype=torch.int64), empty
    )
    layout = lay_out(batch, 20, processes=2)
    shares = layout.shares()
    pictures = {3, 5, 6, 7, 8}
    of: dict[int, float] = {}
    for row, share in zip(layout.rows.flatten().tolist(), shares.flatten().tolist(), strict=True):
        of[row] = of.get(row, 0.0) + share / 2
    named = {row: share for row, share in of.items() if share}
    assert named == pytest.approx(dict.fromkeys(named, 1 / len(named)))
    assert pictures <= named.keys()
