"""How far to trust a mean over queries: a bootstrap interval, and a paired test of two systems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from samebut.metrics import Values

LEVEL = 0.95
SAMPLES = 2_000
FLIPS = 10_000
SEED = 0
BLOCK = 250  # samples at a time: bounds memory, changes no number


def mean(values: Values, groups: Sequence[str], *, macro: bool) -> float:
    """Mean of ``values`` (Q,) over the queries it is defined for: all alike, or, if ``macro``, the
    mean over groups of the mean within a group."""
    parts = [values[rows][~np.isnan(values[rows])] for rows in _strata(groups, macro)]
    return float(np.mean([np.mean(part) for part in parts if len(part)]))


def shares(values: Values, groups: Sequence[str], *, macro: bool) -> Values:
    """The weight of each query in ``mean``, (Q,), summing to 1; 0 where its value is NaN."""
    defined = ~np.isnan(values)
    weights = np.zeros(len(values))
    for rows in _strata(groups, macro):
        count = defined[rows].sum()
        if count:
            weights[rows] = defined[rows] / count
    total = weights.sum()
    return weights / total if total else weights


def intervals(
    found: Mapping[str, Values],
    groups: Sequence[str],
    *,
    macro: bool,
    means: Mapping[str, Sequence[str]] | None = None,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap intervals, in percent, of the mean of each of ``found``.

    Queries are drawn with replacement, within each group if ``macro``, since the groups are
    fixed there (Efron and Tibshirani 1993, chapter 13). ``means`` adds means of several numbers,
    such as the headline, taken within each sample.
    """
    names = list(found)
    values = np.stack([found[name] for name in names], axis=1)
    strata = [rows for rows in _strata(groups, macro) if not np.isnan(values[rows]).all()]
    random = np.random.default_rng(seed)
    drawn = np.zeros((samples, len(names)))
    for rows in strata:
        defined = ~np.isnan(values[rows])
        filled = np.where(defined, values[rows], 0.0)
        for block, counts in _resamples(len(filled), samples, random):
            drawn[block] += (counts @ filled) / np.maximum(counts @ defined.astype(float), 1.0)
    drawn /= len(strata)
    columns = {name: drawn[:, i] for i, name in enumerate(names)}
    for name, parts in (means or {}).items():
        columns[name] = np.mean([columns[part] for part in parts], axis=0)
    edges = [50 * (1 - LEVEL), 50 * (1 + LEVEL)]
    return {name: _pair(100 * np.percentile(column, edges)) for name, column in columns.items()}


def paired_test(differences: Values, *, flips: int = FLIPS, seed: int = SEED) -> float:
    """Two-sided p of a randomisation test that ``differences`` (Q,) sum to zero.

    If two systems are the same, the sign of each query's difference is a coin toss (Fisher's
    randomisation test; Smucker, Allan and Carterette, CIKM 2007). Of ``flips`` random signings,
    p is the share whose sum is at least as far from zero, the observed one counted in.
    """
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    observed = abs(moved.sum()) * (1 - 1e-9)  # sums of the same terms may differ in the last bit
    random = np.random.default_rng(seed)
    beyond = 0
    for start in range(0, flips, BLOCK):
        size = (min(BLOCK, flips - start), len(moved))
        signs = random.integers(0, 2, size, dtype=np.int8).astype(np.float64) * 2 - 1
        beyond += int((np.abs(signs @ moved) >= observed).sum())
    return (1 + beyond) / (1 + flips)


def _strata(groups: Sequence[str], macro: bool) -> list[NDArray[np.intp]]:
    if not macro:
        return [np.arange(len(groups))]
    names = np.array(groups)
    return [np.flatnonzero(names == name) for name in dict.fromkeys(groups)]


def _resamples(
    size: int, samples: int, random: np.random.Generator
) -> Iterator[tuple[slice, Values]]:
    """How often each of ``size`` queries was drawn, (block, size), for blocks of the samples."""
    for start in range(0, samples, BLOCK):
        block = min(BLOCK, samples - start)
        picks = random.integers(0, size, (block, size)) + size * np.arange(block)[:, None]
        counts = np.bincount(picks.ravel(), minlength=block * size).reshape(block, size)
        yield slice(start, start + block), counts.astype(np.float64)


def _pair(edges: Values) -> tuple[float, float]:
    return float(edges[0]), float(edges[1])
