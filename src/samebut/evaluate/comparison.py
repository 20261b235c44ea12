"""Two runs of one benchmark, compared query by query: is the difference more than chance, and on
which queries is it largest?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from samebut.data.benchmark import Query
from samebut.errors import DataError
from samebut.evaluate import significance
from samebut.evaluate.report import columns
from samebut.evaluate.run import Run
from samebut.evaluate.scoring import Interval, headline_name, outcomes, summary
from samebut.metrics import NEVER, Values

SAME = ("benchmark", "split", "protocol", "rules")


@dataclass(frozen=True, slots=True)
class Difference:
    """One number of both runs, in percent: ``second - first`` with its 95 % interval, and the p of
    a paired randomisation test that there is none."""

    name: str
    first: float
    second: float
    interval: Interval
    p: float


@dataclass(frozen=True, slots=True)
class Moved:
    """A query and the rank of its best placed target in both runs."""

    query: Query
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """``gained`` are the queries the second run answers best against the first, ``lost`` the
    opposite, the largest difference of reciprocal rank first."""

    label: str
    names: tuple[str, str]
    differences: tuple[Difference, ...]
    gained: tuple[Moved, ...]
    lost: tuple[Moved, ...]


def compare(first: Run, second: Run, *, most: int = 5) -> Comparison:
    """Compare two runs, paired by query; ``most`` queries each way.

    Raises DataError if they were not measured by the same protocol over the same data.
    """
    _require_same(first, second)
    benchmark = first.benchmark
    found = outcomes(benchmark, first.ranked), outcomes(benchmark, second.ranked)
    groups = [query.group for query in benchmark.queries]
    ours, theirs = (summary(part, groups, benchmark.rules) for part in found)
    changes = {name: found[1][name] - found[0][name] for name in ours if name in found[0]}
    means = {headline_name(benchmark.rules): benchmark.rules.headline}
    macro = benchmark.rules.macro
    intervals = significance.intervals(
        changes, groups, macro=macro, means={n: p for n, p in means.items() if n not in changes}
    )
    return Comparison(
        label=first.about["label"],
        names=_names(first, second),
        differences=tuple(
            Difference(
                name,
                ours[name],
                theirs[name],
                intervals[name],
                significance.paired_test(_terms(name, changes, means, groups, macro)),
            )
            for name in ours
        ),
        gained=_moved(first, second, most, sign=1),
        lost=_moved(first, second, most, sign=-1),
    )


def as_text(comparison: Comparison) -> str:
    """The comparison as lines; each with a number says the protocol."""
    rows = [["", *comparison.names, "difference", "p", ""]]
    for line in comparison.differences:
        low, high = line.interval
        rows.append(
            [
                line.name,
                f"{line.first:.2f}",
                f"{line.second:.2f}",
                f"{line.second - line.first:+.2f} [{low:+.2f}, {high:+.2f}]",
                f"{line.p:.4f}",
                comparison.label,
            ]
        )
    tested = (
        f"p: paired randomisation test, {significance.FLIPS:,} random signings, two-sided; "
        "not corrected for the number of lines"
    )
    return "\n".join(
        [
            *columns(rows),
            tested,
            *_movements(f"better in {comparison.names[1]}", comparison.gained),
            *_movements(f"better in {comparison.names[0]}", comparison.lost),
        ]
    )


def _movements(title: str, moved: Sequence[Moved]) -> list[str]:
    if not moved:
        return []
    rows = [["query", "rank", "rank", "text"]]
    rows += [
        [m.query.id, _rank(m.first), _rank(m.second), " / ".join(m.query.texts)] for m in moved
    ]
    return ["", title, *columns(rows)]


def _rank(rank: int) -> str:
    return "–" if rank == NEVER else f"{rank:,}"


def _terms(
    name: str,
    changes: Mapping[str, Values],
    means: Mapping[str, Sequence[str]],
    groups: Sequence[str],
    macro: bool,
) -> Values:
    """Each query's share of the difference of a number, (Q,); the shares sum to the difference."""
    parts = [changes[part] for part in (means[name] if name not in changes else (name,))]
    shares = [significance.shares(part, groups, macro=macro) for part in parts]
    weighed = [share * np.nan_to_num(part) for share, part in zip(shares, parts, strict=True)]
    return np.asarray(np.mean(weighed, axis=0))


def _moved(first: Run, second: Run, most: int, *, sign: int) -> tuple[Moved, ...]:
    before, after = (run.ranked.target_ranks.min(axis=1) for run in (first, second))
    change = sign * (1.0 / after - 1.0 / before)
    order = [row for row in np.argsort(-change, kind="stable")[:most] if change[row] > 0]
    queries = first.benchmark.queries
    return tuple(Moved(queries[row], int(before[row]), int(after[row])) for row in order)


def _require_same(first: Run, second: Run) -> None:
    apart = [key for key in SAME if first.about[key] != second.about[key]]
    if not apart and first.about["data"]["digest"] != second.about["data"]["digest"]:
        apart = ["data"]
    if apart:
        raise DataError(
            f"the runs can't be compared: their {' and '.join(apart)} differ; "
            f"{first.about['label']} against {second.about['label']}",
            hint="Compare runs over the same queries and gallery, scored by the same rules.",
        )


def _names(first: Run, second: Run) -> tuple[str, str]:
    """Names that tell the runs apart: model and query mode, or the model's fingerprint in place of
    its name if those are the same."""
    short = [f"{run.about['model']['name']}, {run.about['query']}" for run in (first, second)]
    if short[0] == short[1]:
        short = [
            f"{run.about['model']['fingerprint']}, {run.about['query']}" for run in (first, second)
        ]
    return short[0], short[1]
