"""learning/objective/losses.py: values worked out by hand, and gradients across processes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, distributed, multiprocessing
from torch.nn import functional

from samebut.learning.distributed import gather
from samebut.learning.objective.losses import info_nce, symmetric_info_nce

pytestmark = pytest.mark.usefixtures("quiet_torch")


def eye(count: int) -> Tensor:
    return torch.eye(count, dtype=torch.bool)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(*shape, generator=rng), dim=-1)


def test_zeros_cost_the_logarithm_of_the_candidates() -> None:
    loss = info_nce(torch.zeros(4, 8), torch.zeros(16, 8), torch.eye(4, 16).bool(), scale=100.0)
    assert math.isclose(float(loss), math.log(16), rel_tol=1e-6)


def test_one_positive_is_cross_entropy() -> None:
    q, c = drawn(5, 8), drawn(5, 8, seed=1)
    for scale in (3.0, 100.0):  # 100 is CLIP4Cir's constant
        expected = functional.cross_entropy(scale * q @ c.T, torch.arange(5))
        torch.testing.assert_close(info_nce(q, c, eye(5), scale=scale), expected)


def test_several_positives_are_averaged() -> None:
    q, c = drawn(1, 8), drawn(3, 8, seed=1)
    both = info_nce(q, c, torch.tensor([[True, True, False]]), scale=1.0)
    one, other = (info_nce(q, c, eye(3)[[row]], scale=1.0) for row in (0, 1))
    torch.testing.assert_close(both, (one + other) / 2)


def test_what_is_not_allowed_does_not_count() -> None:
    q, c = drawn(2, 8), drawn(3, 8, seed=1).requires_grad_()
    allowed = torch.tensor([[True, True, False]] * 2)
    for options in ({}, {"smoothing": 0.2}, {"hardness": 0.5}):
        loss = info_nce(q, c, torch.eye(2, 3).bool(), scale=1.0, allowed=allowed, **options)
        torch.testing.assert_close(loss, info_nce(q, c[:2], eye(2), scale=1.0, **options))
        (grad,) = torch.autograd.grad(loss, c)
        assert grad[2].abs().max() == 0
        assert torch.isfinite(grad).all()


@pytest.mark.parametrize("smoothing", [0.1, 1.0])
def test_smoothing_is_the_librarys(smoothing: float) -> None:
    q, c = drawn(5, 8), drawn(5, 8, seed=1)
    expected = functional.cross_entropy(3.0 * q @ c.T, torch.arange(5), label_smoothing=smoothing)
    found = info_nce(q, c, eye(5), scale=3.0, smoothing=smoothing)
    torch.testing.assert_close(found, expected)


@settings(deadline=None, max_examples=40)
@given(st.floats(0.0, 1.5), st.floats(0.0, 2.0), st.integers(0, 99))
def test_hard_negatives_by_their_formula(hardness: float, alpha: float, seed: int) -> None:
    """Two queries, the second with two positives and one candidate that does not count."""
    positives = torch.tensor([[1, 0, 0, 0, 0], [0, 1, 1, 0, 0]]).bool()
    allowed = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]).bool()
    q, c = drawn(2, 4, seed=seed).double(), drawn(5, 4, seed=seed + 1).double()
    costs = []
    for logits, right, counts in zip((3 * q @ c.T).tolist(), positives, allowed, strict=True):
        wrong = [s for s, r, a in zip(logits, right, counts, strict=True) if a and not r]
        share = sum(math.exp(hardness * s) for s in wrong)
        weights = [len(wrong) * math.exp(hardness * s) / share for s in wrong]
        below = sum(w * math.exp(s) for w, s in zip(weights, wrong, strict=True))
        hits = [s for s, r in zip(logits, right, strict=True) if r]
        below += sum(alpha * math.exp(s) for s in hits)
        costs += [sum(math.log(below) - s for s in hits) / len(hits)]
    found = info_nce(
        q, c, positives, scale=3.0, allowed=allowed, hardness=hardness, positive_weight=alpha
    )
    assert math.isclose(float(found), sum(costs) / 2, rel_tol=1e-9, abs_tol=1e-9)


def test_hardness_pushes_harder_on_the_hardest() -> None:
    q, c = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    shares = []
    for hardness in (0.0, 1.0):
        leaf = c.clone().requires_grad_()
        info_nce(q, leaf, eye(3)[:1], scale=5.0, hardness=hardness).backward()
        assert leaf.grad is not None
        shares.append(float(leaf.grad[1, 0] / leaf.grad[1:, 0].sum()))
    assert shares[1] > shares[0]


def test_a_query_without_wrong_candidates_costs_nothing_and_breaks_nothing() -> None:
    q, c = drawn(2, 4).requires_grad_(), drawn(2, 4, seed=1)
    allowed = torch.tensor([[True, False], [True, True]])
    loss = info_nce(q, c, eye(2), scale=2.0, allowed=allowed, hardness=0.5)
    (grad,) = torch.autograd.grad(loss, q)
    assert grad[0].abs().max() == 0
    assert grad.isfinite().all()


def test_symmetric_is_both_ways() -> None:
    q, c = drawn(5, 8), drawn(5, 8, seed=1)
    logits, places = 3.0 * q @ c.T, torch.arange(5)
    expected = (
        functional.cross_entropy(logits, places) + functional.cross_entropy(logits.T, places)
    ) / 2
    torch.testing.assert_close(symmetric_info_nce(q, c, eye(5), scale=3.0), expected)


def test_candidates_that_answer_nothing_do_not_ask() -> None:
    """The third candidate is the first query's reference: it is wrong for the second alone."""
    q, c = drawn(2, 8), drawn(3, 8, seed=1)
    allowed = torch.tensor([[True, True, False], [True, True, True]])
    positives = torch.eye(2, 3).bool()
    there = info_nce(q, c, positives, scale=3.0, allowed=allowed)
    back = info_nce(c[:2], q, eye(2), scale=3.0)
    found = symmetric_info_nce(q, c, positives, scale=3.0, allowed=allowed)
    torch.testing.assert_close(found, (there + back) / 2)


def test_alone_rows_come_back_as_they_are() -> None:
    rows = torch.arange(6).reshape(3, 2)
    assert gather(rows) is rows


# Across processes. A "model" of one matrix a side; picture 1 is in both halves of the batch.

BATCH = 6
PICTURES = torch.tensor([0, 1, 2, 3, 1, 4])


def of_whole_batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    weights = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(7)).double()
    return weights, drawn(BATCH, 5).double(), drawn(BATCH, 5, seed=1).double()[PICTURES], PICTURES


def loss_of(part: slice, weights: Tensor) -> Tensor:
    """One way, as CLIP4Cir; and symmetric, over what all processes brought."""
    _, asked, shown, pictures = of_whole_batch()
    queries = functional.normalize(asked[part] @ weights[0], dim=1)
    candidates = functional.normalize(shown[part] @ weights[1], dim=1)
    everything, ids = gather(candidates), gather(pictures[part])
    same = pictures[part][:, None] == ids[None]
    one_way = info_nce(queries, everything, same, scale=5.0, hardness=0.3, smoothing=0.1)
    square = ids[:, None] == ids[None]
    return one_way + symmetric_info_nce(gather(queries), everything, square, scale=5.0)


def one_of_two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    weights = of_whole_batch()[0].requires_grad_()
    loss = loss_of(slice(rank * BATCH // 2, (rank + 1) * BATCH // 2), weights)
    loss.backward()
    grad, value = weights.grad, loss.detach()
    for tensor in (grad, value):  # as data-parallel training does
        distributed.all_reduce(tensor)
    torch.save([grad / 2, value / 2], f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_have_the_gradient_of_one(tmp_path: Path) -> None:
    multiprocessing.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    weights = of_whole_batch()[0].requires_grad_()
    loss = loss_of(slice(None), weights)
    loss.backward()
    for rank in (0, 1):
        grad, value = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(grad, weights.grad, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(value, loss.detach(), rtol=1e-12, atol=1e-12)
