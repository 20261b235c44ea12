"""Fits a calibration to queries whose first answers are right or wrong, and measures how well the
confidence separates the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samebut.calibration.queries import AnsweredQueries
from samebut.confidence import KINDS, Calibration, Curve, Kind, Signals, Usual, signals
from samebut.errors import DataError
from samebut.metrics import area_under_roc

FOLDS = 5
STEPS = 50  # of Newton's method, which converges within ten
RIDGE = 1e-2  # on weights of standardised signals: keeps them finite if classes are separable
SAMPLES = 2_000
BINS = 10
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """Queries of one kind with confidences of a fit that has not seen them, ``(Q,)``."""

    kind: Kind
    sorts: tuple[str, ...]
    confidence: NDArray[np.float64]
    fits: Flags


@dataclass(frozen=True)
class Area:
    """The area under the ROC of ``name`` over ``count`` queries, with a 95 % interval, 0 to 1."""

    name: str
    value: float
    low: float
    high: float
    count: int
    fit: float


def fit(asked: Sequence[AnsweredQueries], fingerprint: str) -> Calibration:
    """A curve for each kind of query, of every query asked.

    DataError: of a kind there is no query that fits, or none that doesn't.
    """
    return Calibration(fingerprint, {kind: _curve(_of(asked, kind)) for kind in KINDS})


def judged(asked: Sequence[AnsweredQueries]) -> list[Judged]:
    """Every query of ``asked`` with the confidence of a curve that was fitted without it.

    Queries are shared among five folds by their place in their sort, so a query that was asked of
    a whole gallery and of a part of it is in one fold both times.
    """
    return [_judged(kind, _of(asked, kind)) for kind in KINDS]


def _judged(kind: Kind, asked: Sequence[AnsweredQueries]) -> Judged:
    confidence = [np.zeros(len(each.fits)) for each in asked]
    for fold in range(FOLDS):
        inside = [np.arange(len(each.fits)) % FOLDS == fold for each in asked]
        curve = _curve([each.part(~rows) for each, rows in zip(asked, inside, strict=True)])
        for found, each, rows in zip(confidence, asked, inside, strict=True):
            found[rows] = curve.probability(signals(each.first, each.sample, curve.usual))[rows]
    sorts = tuple(f"{each.gallery}: {each.sort}" for each in asked for _ in each.fits)
    fits = np.concatenate([each.fits for each in asked])
    return Judged(kind, sorts, np.concatenate(confidence), fits)


def elsewhere(asked: Sequence[AnsweredQueries]) -> list[tuple[str, list[Judged]]]:
    """Confidences in a gallery that the calibration was not fitted on, for each gallery in turn.

    A gallery is left out of the result if no calibration can be fitted without it.
    """
    found = []
    for name in dict.fromkeys(each.gallery for each in asked):
        others = [each for each in asked if each.gallery != name]
        own = [each for each in asked if each.gallery == name]
        try:
            curves = fit(others, "").curves
        except DataError:
            continue
        found.append((name, [_by_curve(kind, curves[kind], own) for kind in KINDS]))
    return found


def _by_curve(kind: Kind, curve: Curve, asked: Sequence[AnsweredQueries]) -> Judged:
    chosen = [each for each in asked if each.kind == kind]
    rows = [curve.probability(signals(each.first, each.sample, curve.usual)) for each in chosen]
    sorts = tuple(f"{each.gallery}: {each.sort}" for each in chosen for _ in each.fits)
    return Judged(kind, sorts, np.concatenate(rows), np.concatenate([e.fits for e in chosen]))


def areas(found: Sequence[Judged]) -> list[Area]:
    """The area under the ROC of each kind of query, and of all of them together."""
    every = [(each.kind, each.confidence, each.fits) for each in found]
    together = [np.concatenate([each[i] for each in every]) for i in (1, 2)]
    named = [*every, ("all", together[0], together[1].astype(np.bool_))]
    return [
        Area(name, area_under_roc(scores, fits), *interval(scores, fits), len(fits), fits.mean())
        for name, scores, fits in named
    ]


def interval(scores: NDArray[np.float64], fits: Flags, seed: int = 0) -> tuple[float, float]:
    """A 95 % percentile bootstrap interval of the area under the ROC, over queries."""
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(SAMPLES):
        rows = random.integers(0, len(fits), len(fits))
        drawn.append(area_under_roc(scores[rows], fits[rows]))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def reliability(found: Sequence[Judged]) -> list[tuple[float, float, float, int]]:
    """Tenths of confidence: its lower edge, mean confidence, the share that fits, how many.

    A tenth without a query is left out.
    """
    confidence = np.concatenate([each.confidence for each in found])
    fits = np.concatenate([each.fits for each in found])
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        (each / BINS, float(confidence[rows].mean()), float(fits[rows].mean()), int(rows.sum()))
        for each in range(BINS)
        if (rows := place == each).any()
    ]


def by_sort(found: Sequence[Judged]) -> list[tuple[Kind, str, float, float, int]]:
    """Each sort of queries: its kind and name, mean confidence, the share that fits, how many."""
    lines = []
    for each in found:
        names = np.array(each.sorts)
        for name in dict.fromkeys(each.sorts):
            rows = names == name
            mean, fits = each.confidence[rows].mean(), each.fits[rows].mean()
            lines.append((each.kind, name, float(mean), float(fits), int(rows.sum())))
    return lines


def _of(asked: Sequence[AnsweredQueries], kind: Kind) -> list[AnsweredQueries]:
    chosen = [each for each in asked if each.kind == kind]
    fits = np.concatenate([each.fits for each in chosen]) if chosen else np.zeros(0, np.bool_)
    if not fits.any() or fits.all():
        what = "fits" if not fits.any() else "fails"
        raise DataError(
            f"the data gives no {kind} query whose first answer {what}, and both sorts are needed",
            hint="Give folders of several subjects, each with a catalogue: --data NAME=FOLDER.",
        )
    return chosen


def _curve(asked: Sequence[AnsweredQueries]) -> Curve:
    usual = Usual(
        float(np.mean([each.sample.mean(axis=1).mean() for each in asked if len(each.fits)])),
        float(np.mean([each.sample.std(axis=1).mean() for each in asked if len(each.fits)])),
    )
    rows = np.concatenate([signals(each.first, each.sample, usual) for each in asked])
    weights, bias = logistic(rows, np.concatenate([each.fits for each in asked]))
    return Curve(tuple(weights.tolist()), bias, usual)


def logistic(rows: Signals, fits: Flags) -> tuple[NDArray[np.float64], float]:
    """Weights ``(F,)`` and bias of a logistic regression of ``fits (Q,)`` on ``rows (Q, F)``.

    Newton's method on standardised columns with a small ridge (Hastie, Tibshirani and Friedman,
    "The Elements of Statistical Learning", section 4.4.1).
    """
    middle, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)
    design: NDArray[Any] = np.c_[(rows - middle) / scale, np.ones(len(rows))]
    ridge = np.full(design.shape[1], RIDGE)
    ridge[-1] = 1e-9  # the bias is free
    weights = np.zeros(design.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -700, 700)))
        slope = design.T @ (chance - fits) + ridge * weights
        bend = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    plain = weights[:-1] / scale
    return plain, float(weights[-1] - plain @ middle)
