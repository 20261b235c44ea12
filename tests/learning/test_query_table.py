"""learning/batches.py: batches as tensors, against the same said with loops."""

from __future__ import annotations

import random

import pytest
import torch

from samebut.learning.data.sampler import Triplets
from samebut.learning.data.corpus import Composed


def drawn(queries: int, pictures: int, seed: int = 0) -> list[Composed]:
    dice = random.Random(seed)
    made = []
    for number in range(queries):
        rows = dice.sample(range(pictures), dice.randint(2, 6))
        texts = tuple(f"text {number % 7} {way}" for way in range(dice.randint(1, 4)))
        made.append(Composed(rows[0], texts, tuple(rows[1:])))
    return made


def test_every_query_once_in_whole_batches() -> None:
    queries = drawn(50, 30)
    triplets = Triplets(queries)
    batches = list(triplets.batches(random.Random(1), 8))
    assert [len(batch) for batch in batches] == [8] * 6
    seen = torch.cat([batch.queries for batch in batches]).tolist()
    assert len(set(seen)) == 48
    assert seen != sorted(seen)
    for batch in batches:
        for row in range(8):
            query = queries[batch.queries[row]]
            assert batch.references[row] == query.reference
            assert batch.targets[row] in query.targets
            assert triplets.texts[batch.texts[row]] in query.texts


def test_the_same_dice_give_the_same_batches() -> None:
    triplets = Triplets(drawn(40, 30))
    ours, theirs, others = (
        torch.stack([batch.queries for batch in triplets.batches(random.Random(seed), 8)])
        for seed in (3, 3, 4)
    )
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, others)


def test_every_target_and_every_text_is_drawn_equally() -> None:
    """FashionIQ's four ways to say a query, 25 % each: 4,000 draws within five deviations."""
    triplets = Triplets([Composed(0, ("a", "b", "c", "d"), (1, 2, 3, 4))] * 4)
    dice = random.Random(0)
    batches = [b for _ in range(1000) for b in triplets.batches(dice, 4)]
    for drawn_rows, least in (("texts", 0), ("targets", 1)):
        counts = torch.cat([getattr(b, drawn_rows) for b in batches]).bincount()[least:]
        assert counts.sum() == 4000
        assert (counts - 1000).abs().max() < 5 * (4000 * 0.25 * 0.75) ** 0.5


@pytest.mark.parametrize("seed", range(5))
def test_marks_are_what_loops_would_find(seed: int) -> None:
    """Candidates repeat, as targets, negatives and references of a batch do."""
    queries = drawn(40, 15, seed)
    triplets = Triplets(queries)
    dice = random.Random(seed)
    rows = torch.tensor(dice.sample(range(40), 12))
    candidates = torch.tensor([dice.randrange(15) for _ in range(50)])
    positives, allowed = triplets.marks(rows, candidates)
    for place, row in enumerate(rows.tolist()):
        for column, picture in enumerate(candidates.tolist()):
            assert positives[place, column] == (picture in queries[row].targets)
            assert allowed[place, column] == (picture != queries[row].reference)


def test_negatives_and_views_come_along() -> None:
    triplets = Triplets(drawn(20, 30))
    negatives = torch.arange(60).reshape(20, 3)
    views = []
    for batch in triplets.batches(random.Random(0), 5, negatives=negatives, views=4):
        assert torch.equal(batch.negatives, negatives[batch.queries])
        assert batch.views.shape == (5, 5)
        views.append(batch.views)
    assert torch.stack(views).unique().tolist() == [0, 1, 2, 3]
    assert not next(triplets.batches(random.Random(0), 5)).views.any()


def test_a_part_of_a_batch_is_a_batch() -> None:
    batch = next(Triplets(drawn(20, 30)).batches(random.Random(0), 8))
    halves = batch[:4], batch[4:]
    for name in ("queries", "references", "targets", "texts", "negatives", "views"):
        assert torch.equal(
            torch.cat([getattr(half, name) for half in halves]), getattr(batch, name)
        )


def test_the_first_way_to_say_it() -> None:
    triplets = Triplets([Composed(0, ("a", "b"), (1,)), Composed(1, ("b", "c"), (0,))])
    assert triplets.texts == ["a", "b", "c"]
    assert triplets.first_texts.tolist() == [0, 1]
