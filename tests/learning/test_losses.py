"""learning/losses.py: values that can be worked out by hand."""

from __future__ import annotations

import math

import torch

from samebut.learning.losses import info_nce


def eye(count: int) -> torch.Tensor:
    return torch.eye(count, dtype=torch.bool)


def test_zeros_cost_the_logarithm_of_the_candidates() -> None:
    loss = info_nce(torch.zeros(4, 8), torch.zeros(16, 8), torch.eye(4, 16).bool(), scale=100.0)
    assert math.isclose(float(loss), math.log(16), rel_tol=1e-6)


def test_one_positive_is_cross_entropy() -> None:
    torch.manual_seed(0)
    q, c = torch.randn(5, 8), torch.randn(5, 8)
    expected = torch.nn.functional.cross_entropy(3.0 * q @ c.T, torch.arange(5))
    torch.testing.assert_close(info_nce(q, c, eye(5), scale=3.0), expected)


def test_several_positives_are_averaged() -> None:
    torch.manual_seed(0)
    q, c = torch.randn(1, 8), torch.randn(3, 8)
    both = info_nce(q, c, torch.tensor([[True, True, False]]), scale=1.0)
    one, other = (info_nce(q, c, torch.eye(3)[[row]].bool(), scale=1.0) for row in (0, 1))
    torch.testing.assert_close(both, (one + other) / 2)


def test_what_is_not_allowed_does_not_count() -> None:
    torch.manual_seed(0)
    q, c = torch.randn(2, 8), torch.randn(3, 8, requires_grad=True)
    allowed = torch.tensor([[True, True, False]] * 2)
    loss = info_nce(q, c, torch.eye(2, 3).bool(), scale=1.0, allowed=allowed)
    torch.testing.assert_close(loss, info_nce(q, c[:2], eye(2), scale=1.0))
    loss.backward()
    assert c.grad is not None
    assert c.grad[2].abs().max() == 0
    assert torch.isfinite(c.grad).all()
