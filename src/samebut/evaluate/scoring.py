"""Scores of a ranking: the value of each metric for each query, and the means that are printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from samebut import metrics
from samebut.data.benchmark import Benchmark, Rules
from samebut.errors import DataError
from samebut.evaluate import significance
from samebut.evaluate.ranking import Ranked, rank
from samebut.metrics import Floats, Values

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Score:
    """The scores of a ranking. ``numbers`` and ``intervals`` are percentages by printed name, the
    headline mean last; ``groups`` and ``aspects`` the same numbers over a part of the queries.
    ``median_rank`` is that of the best placed target."""

    numbers: dict[str, float]
    intervals: dict[str, Interval]
    groups: dict[str, dict[str, float]] = field(default_factory=dict)
    aspects: dict[str, dict[str, float]] = field(default_factory=dict)
    median_rank: float = float("nan")


def outcomes(benchmark: Benchmark, ranked: Ranked) -> dict[str, Values]:
    """The value of each metric for each query: name to (Q,), from 0 to 1.

    It is NaN where the metric is not defined (RecallSubset of a query without a subset).

    Raises DataError if a query has no target: its answer is not public, see ``samebut.submit``.
    """
    if not all(query.targets for query in benchmark.queries):
        raise DataError(
            f"{benchmark.name} {benchmark.split}: its targets are not public, so it can't be "
            "scored",
            hint="Write the files for its test server: samebut submit",
        )
    found: dict[str, Values] = {}
    for numbers in _NUMBERS:
        found |= numbers(benchmark, ranked)
    return found


def _recall(benchmark: Benchmark, ranked: Ranked) -> dict[str, Values]:
    counted = ranked.target_ranks if benchmark.rules.recall_any else ranked.target_ranks[:, :1]
    return {f"R@{k}": metrics.recall(counted, k) for k in benchmark.rules.recall}


def _precision(benchmark: Benchmark, ranked: Ranked) -> dict[str, Values]:
    ranks, rules, relevant = ranked.target_ranks, benchmark.rules, _relevant(benchmark)
    found = {f"P@{k}": metrics.precision(ranks, k) for k in rules.precision}
    for k in rules.average_precision:
        found[f"mAP@{k}"] = metrics.average_precision(ranks, relevant, k)
    if rules.trapezoidal_precision:
        found["mAP"] = metrics.trapezoidal_precision(ranks, relevant)
    return found


def _negatives(benchmark: Benchmark, ranked: Ranked) -> dict[str, Values]:
    if not benchmark.rules.negatives:
        return {}
    wrong, relevant = ranked.wrong_ranks, _relevant(benchmark)
    listed = np.array([len(query.wrong) for query in benchmark.queries])
    without = metrics.ranks_without(ranked.target_ranks, wrong)
    found: dict[str, Values] = {}
    for k in benchmark.rules.negatives:
        found[f"NegRecall@{k}"] = metrics.negative_recall(wrong, listed, k)
        found[f"mAP@{k}_noNeg"] = metrics.average_precision(without, relevant, k)
    return found


def _subset(benchmark: Benchmark, ranked: Ranked) -> dict[str, Values]:
    has_subset = np.array([query.subset is not None for query in benchmark.queries])
    found: dict[str, Values] = {}
    for k in benchmark.rules.subset_recall:
        value = metrics.subset_recall(ranked.target_ranks[:, 0], ranked.rival_ranks, k)
        found[f"RecallSubset@{k}"] = np.where(has_subset, value, np.nan)
    return found


def _paraphrases(benchmark: Benchmark, ranked: Ranked) -> dict[str, Values]:
    together = [query.together for query in benchmark.queries]
    return {
        f"range of P@{k}": metrics.range_within(metrics.precision(ranked.target_ranks, k), together)
        for k in benchmark.rules.paraphrases
    }


def _sessions(benchmark: Benchmark, ranked: Ranked) -> dict[str, Values]:
    k = benchmark.rules.session_hits
    if not k:
        return {}
    together = [query.together for query in benchmark.queries]
    hits = metrics.recall(ranked.target_ranks, k)
    longest = max(map(len, metrics.rows_together(together)), default=0)
    found = {
        f"Hits@{k} by turn {turn}": metrics.best_by_turn(hits, together, turn)
        for turn in range(1, longest)
    }
    return found | {f"Hits@{k}": metrics.best_by_turn(hits, together, None)}


def _reciprocal_rank(benchmark: Benchmark, ranked: Ranked) -> dict[str, Values]:
    return {"MRR": metrics.reciprocal_rank(ranked.target_ranks)}


_NUMBERS: tuple[Callable[[Benchmark, Ranked], dict[str, Values]], ...] = (
    _recall,
    _precision,
    _negatives,
    _subset,
    _paraphrases,
    _sessions,
    _reciprocal_rank,
)
"""Families of metrics, in the order of printing; a benchmark's rules say which are computed."""


def _relevant(benchmark: Benchmark) -> NDArray[np.intp]:
    """The number of right answers of each query that metrics divide by, (Q,)."""
    return np.array([query.relevant or len(query.targets) for query in benchmark.queries], np.intp)


def summary(found: Mapping[str, Values], groups: Sequence[str], rules: Rules) -> dict[str, float]:
    """Percentages of ``outcomes``: means over queries, or over groups if the rules are macro.

    With a headline, its mean comes last, named by its terms: ``(R@10+R@50)/2``. A metric that is
    NaN for all queries is left out.
    """
    means = {
        name: 100 * significance.mean(values, groups, macro=rules.macro)
        for name, values in found.items()
        if not np.isnan(values).all()
    }
    if len(rules.headline) > 1 and all(name in means for name in rules.headline):
        means[headline_name(rules)] = float(np.mean([means[name] for name in rules.headline]))
    return means


def headline_name(rules: Rules) -> str:
    """The number that systems are ranked by: ``R@1``, or a mean such as ``(R@10+R@50)/2``."""
    if len(rules.headline) > 1:
        return f"({'+'.join(rules.headline)})/{len(rules.headline)}"
    return rules.headline[0] if rules.headline else f"R@{rules.recall[0]}"


def score(benchmark: Benchmark, ranked: Ranked) -> Score:
    """Numbers of a ranking with intervals, also by group and aspect. Raises as ``outcomes``."""
    found = outcomes(benchmark, ranked)
    return score_outcomes(benchmark, found, metrics.median_rank(ranked.target_ranks))


def score_outcomes(
    benchmark: Benchmark, found: Mapping[str, Values], median_rank: float = float("nan")
) -> Score:
    """Numbers and intervals from the values of each query, an array (Q,) for each metric."""
    rules, groups = benchmark.rules, [query.group for query in benchmark.queries]
    numbers = summary(found, groups, rules)
    headline = headline_name(rules)
    return Score(
        numbers=numbers,
        intervals=significance.intervals(
            {name: found[name] for name in numbers if name in found},
            groups,
            macro=rules.macro,
            means={headline: rules.headline}
            if headline in numbers and headline not in found
            else {},
        ),
        groups=_parts(found, [(group,) for group in groups], rules),
        aspects=_parts(found, [query.aspects for query in benchmark.queries], rules),
        median_rank=median_rank,
    )


def score_embeddings(
    benchmark: Benchmark, query_embeddings: Floats, gallery_embeddings: Floats
) -> dict[str, float]:
    """Rank and score: ``query_embeddings`` (Q, D) in the order of ``benchmark.queries``,
    ``gallery_embeddings`` (N, D) in the order of ``benchmark.images``, both unit length.

    Returns percentages by the names they are printed with: ``R@1``, ``mAP@10``,
    ``RecallSubset@1``, ``MRR``, and the headline mean if the rules have one.
    """
    ranked = rank(benchmark, query_embeddings, gallery_embeddings)
    groups = [query.group for query in benchmark.queries]
    return summary(outcomes(benchmark, ranked), groups, benchmark.rules)


def _parts(
    found: Mapping[str, Values], labels: Sequence[tuple[str, ...]], rules: Rules
) -> dict[str, dict[str, float]]:
    """Numbers over the queries of each label; nothing if they all carry the same one."""
    names = sorted({name for label in labels for name in label if name})
    parts = {}
    for name in names:
        rows = np.array([name in label for label in labels])
        part = {metric: values[rows] for metric, values in found.items()}
        parts[name] = {"queries": float(rows.sum())} | summary(part, [name] * rows.sum(), rules)
    return parts if len(parts) > 1 else {}
