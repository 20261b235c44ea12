"""calibration/fit.py: a logistic regression, judged on what it has not seen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from samebut.calibration import fit
from samebut.calibration.queries import AnsweredQueries
from samebut.confidence import KINDS, Kind, signals
from samebut.errors import DataError

SIZE = 4_000


def asked(kind: Kind, slope: float, seed: int = 0) -> AnsweredQueries:
    """Queries that fit with the probability 1 / (1 + exp(-slope (score - 0.5)))."""
    random = np.random.default_rng(seed)
    first = random.uniform(0, 1, SIZE).astype(np.float32)
    sample = random.normal(0.1, 0.2, (SIZE, 40)).astype(np.float32)
    fits = random.uniform(0, 1, SIZE) < 1 / (1 + np.exp(-slope * (first - 0.5)))
    return AnsweredQueries(kind, "drawn", "nowhere", first, sample, fits)


def test_the_regression_finds_the_curve_that_made_the_data() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(3, 2, (40_000, 2))
    chance = 1 / (1 + np.exp(-(1.5 * rows[:, 0] - 0.5 * rows[:, 1] - 2)))
    weights, bias = fit.logistic(rows, random.uniform(0, 1, len(rows)) < chance)
    assert weights.tolist() == pytest.approx([1.5, -0.5], abs=0.08)
    assert bias == pytest.approx(-2, abs=0.15)


def test_where_nothing_overlaps_the_weights_stay_finite() -> None:
    rows = np.array([[0.0], [0.1], [0.9], [1.0]])
    weights, bias = fit.logistic(rows, np.array([False, False, True, True]))
    assert np.isfinite([*weights, bias]).all()
    assert (rows @ weights + bias > 0).tolist() == [False, False, True, True]


def test_a_calibration_says_what_share_fits() -> None:
    every = [asked(kind, 8.0, seed) for seed, kind in enumerate(KINDS)]
    curves = fit.fit(every, "f00d").curves
    for each in every:
        curve = curves[each.kind]
        confidence = curve.probability(signals(each.first, each.sample, curve.usual))
        for low in (0.2, 0.5, 0.8):
            rows = abs(confidence - low) < 0.1
            assert each.fits[rows].mean() == pytest.approx(low, abs=0.06)
        assert curve.usual.mean == pytest.approx(0.1, abs=0.01)
        assert curve.usual.std == pytest.approx(0.2, abs=0.01)


def test_chance_is_judged_as_chance() -> None:
    """A curve that had seen the queries would find something in 4,000 coin tosses."""
    judged = fit.judged([asked(kind, 0.0, seed) for seed, kind in enumerate(KINDS)])
    areas = fit.areas(judged)
    assert [area.name for area in areas] == [*KINDS, "all"]
    for area in areas:
        assert area.low < area.value < area.high
        assert area.value == pytest.approx(0.5, abs=0.03)
    assert areas[-1].count == 3 * SIZE


def test_a_gallery_left_out_is_judged_by_the_others() -> None:
    """Where a high score means the opposite, what was learned elsewhere puts all in wrong order."""
    usual = [asked(kind, 30.0) for kind in KINDS]
    other = [
        AnsweredQueries(each.kind, each.sort, "elsewhere", each.first, each.sample, ~each.fits)
        for each in usual
    ]
    found = dict(fit.elsewhere([*usual, *other]))
    assert [*found] == ["nowhere", "elsewhere"]
    for judged in found.values():
        assert [each.kind for each in judged] == [*KINDS]
        assert all(area.value < 0.2 for area in fit.areas(judged))
    assert fit.elsewhere(usual) == []


def test_reliability_counts_every_query_once() -> None:
    judged = fit.judged([asked(kind, 8.0, seed) for seed, kind in enumerate(KINDS)])
    table = fit.reliability(judged)
    assert sum(count for *_, count in table) == 3 * SIZE
    for low, mean, fits, count in table:
        assert low <= mean <= low + 0.1
        assert fits == pytest.approx(mean, abs=4 * (0.25 / count) ** 0.5)
    assert all(before[0] < after[0] for before, after in pairwise(table))


def test_sorts_are_told_apart() -> None:
    judged = fit.judged([asked(kind, 8.0) for kind in KINDS])
    lines = fit.by_sort(judged)
    assert [(kind, name, count) for kind, name, _, _, count in lines] == [
        (kind, "nowhere: drawn", SIZE) for kind in KINDS
    ]


def test_an_interval_of_perfect_order_is_a_point() -> None:
    assert fit.interval(np.arange(40.0), np.arange(40) > 20) == (1.0, 1.0)


@pytest.mark.parametrize(("fits", "message"), [(True, "answer fails"), (False, "answer fits")])
def test_one_sided_queries_are_refused(fits: bool, message: str) -> None:
    each = asked("text", 8.0)
    alike = AnsweredQueries(
        "text", "drawn", "nowhere", each.first, each.sample, np.full(SIZE, fits)
    )
    with pytest.raises(DataError, match=message):
        fit.fit([alike], "f00d")
