"""embedding.py: rows of length one."""

from __future__ import annotations

import numpy as np
import pytest

from samebut.embedding import unit


def test_rows_have_length_one_and_keep_their_direction() -> None:
    rows = unit([[3, 4], [0, -0.25], [1e-15, 0]])
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, -1], [1, 0]], rtol=1e-6)
    assert rows.dtype == np.float32


def test_a_row_shorter_than_one_grows() -> None:
    """A clamp at one instead of at nothing would leave it as it is."""
    np.testing.assert_allclose(unit([[0.03, 0.04]]), [[0.6, 0.8]], rtol=1e-6)


def test_a_row_of_zeros_stays_zeros() -> None:
    assert unit(np.zeros((2, 3))).tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize("size", [0, 1, 3])
def test_a_batch_keeps_its_axis(size: int) -> None:
    assert unit(np.ones((size, 4))).shape == (size, 4)
