"""Runs as plain text. Every line with a number names the protocol it was measured by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from samebut.evaluate import significance
from samebut.evaluate.run import Run
from samebut.evaluate.scoring import Score


def table(results: Mapping[str, tuple[Run, Score]]) -> str:
    """Runs of one benchmark side by side: a line per metric, a column per query mode."""
    if not results:
        return ""
    run, first = next(iter(results.values()))
    numbers = list(first.numbers)
    rows = [["", *results, ""]]
    for name in numbers:
        cells = [
            cell(scored.numbers[name], scored.intervals[name]) for _, scored in results.values()
        ]
        rows.append([name, *cells, run.about["label"]])
    medians = [f"{scored.median_rank:g}" for _, scored in results.values()]
    rows.append(["median rank", *medians, run.about["label"]])
    chosen = [
        f"{mode}: {found.about['chosen']}"
        for mode, (found, _) in results.items()
        if found.about.get("chosen")
    ]
    return "\n".join([*_head(run, chosen), "", *columns(rows), "", *_groups(results)])


def cell(number: float, interval: tuple[float, float]) -> str:
    """``45.21 [43.58, 46.90]``: percent, with its 95 % interval."""
    return f"{number:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines: the first and last column aligned left, the others right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    last = len(widths) - 1
    return [
        "  ".join(
            text.ljust(width) if i in (0, last) else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _head(run: Run, chosen: Sequence[str]) -> list[str]:
    about, data = run.about, run.about["data"]
    cut = f"{data['texts_cut']:,} of {data['texts']:,} texts are longer than the model reads; "
    lines = [
        f"{about['benchmark']} {about['split']}: {data['queries']:,} queries, "
        f"{data['pictures']:,} pictures",
        "; ".join([f"protocol   {about['protocol']}", *chosen]),
        f"ranking    {about['order']}",
        f"model      {about['model']['name']} {about['model']['fingerprint']}",
        f"intervals  95 %, bootstrap over queries, {significance.SAMPLES:,} samples",
    ]
    if data["texts_cut"]:
        lines.append(f"texts      {cut}what is beyond was cut")
    if 0 < data["queries_with_subset"] < data["queries"]:
        lines.append(f"subsets    {data['queries_with_subset']:,} of {data['queries']:,} queries")
    return lines


def _groups(results: Mapping[str, tuple[Run, Score]]) -> list[str]:
    """The first run's numbers over each group and aspect; those of the others are only in
    metrics.json."""
    mode, (run, scored) = next(iter(results.items()))
    lines: list[str] = []
    for parts in filter(None, (scored.groups, scored.aspects)):
        shown = [name for name in scored.numbers if any(name in part for part in parts.values())]
        rows = [[mode, "queries", *shown, ""]]
        for name, part in parts.items():
            numbers = [f"{part[key]:.2f}" if key in part else "–" for key in shown]
            rows.append([name, f"{part['queries']:,.0f}", *numbers, run.about["label"]])
        lines += [*columns(rows), ""]
    return lines
