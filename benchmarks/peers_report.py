"""The tables and the plot of what `peers.py` measured: medians over its rounds.

python benchmarks/peers_report.py runs/peers.json --plot docs/images/peers.svg
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
OURS = {"pictures_s": "samebut", "build_s": "samebut's store"}
HEADS = {
    "pictures_s": "| | answers | pictures/s (ratio) | processor, ms a picture | load, s | search, "
    "median (p99), ms; ratio | memory, MB | right "
    "| to fetch, MB | to install, s | MB installed |",
    "build_s": "| | what it does | store, s (processor) | on disk, MB | open, s | search, "
    "median (p99), ms | processor, ms | ratio | recall@10 | memory, MB | MB installed |",
}


def medians(row: Figures) -> Figures:
    """A row's figures, each the median over its rounds."""
    rounds = row["rounds"]
    return {key: statistics.median(each[key] for each in rounds) for key in rounds[0]} | {
        key: value for key, value in row.items() if key != "rounds"
    }


def measured(report: Figures, kind: str) -> dict[str, Figures]:
    """The rows that were measured and have the figure ``kind``."""
    found = {name: medians(row) for name, row in report["rows"].items() if row["rounds"]}
    return {name: row for name, row in found.items() if kind in row}


def program(name: str, row: Figures, ours: Figures) -> list[str]:
    right = f"{row['precision']:.2f}" if "precision" in row else ""
    rate, median = row["pictures_s"], row["median_ms"]
    return [
        name,
        row["does"],
        f"{rate:.0f} ({rate / ours['pictures_s']:.2f})",
        f"{row['index_processor_ms']:.1f}",
        f"{row['load_s']:.1f}",
        f"{median:.1f} ({row['p99_ms']:.1f}); {median / ours['median_ms']:.2f}",
        f"{row['peak_mb']:.0f}",
        right,
        *(f"{row[key]:.0f}" for key in ("fetch_mb", "install_s", "install_mb")),
    ]


def engine(name: str, row: Figures, ours: Figures) -> list[str]:
    return [
        name,
        row["does"],
        f"{row['build_s']:.1f} ({row['build_processor_s']:.1f})",
        f"{row['disk_mb']:.0f}",
        f"{row['open_s']:.2f}",
        f"{row['median_ms']:.2f} ({row['p99_ms']:.2f})",
        f"{row['processor_ms']:.2f}",
        f"{row['median_ms'] / ours['median_ms']:.2f}",
        f"{row['recall']:.3f}",
        f"{row['peak_mb']:.0f}",
        f"{row['install_mb']:.0f}",
    ]


def table(report: Figures, kind: str, cells: Callable[..., list[str]]) -> list[str]:
    rows = measured(report, kind)
    lines = [HEADS[kind], "|---" * (HEADS[kind].count("|") - 1) + "|"]
    ours = rows[OURS[kind]]
    return lines + [f"| {' | '.join(cells(name, row, ours))} |" for name, row in rows.items()]


def missing(report: Figures) -> list[str]:
    failed = {name: row["failed"] for name, row in report["rows"].items() if "failed" in row}
    return [f"* {name}: {why}" for name, why in (failed | report["untried"]).items()]


def draw(report: Figures, path: Path) -> None:
    """Bars, one axis a figure: how fast pictures are indexed, and how soon an engine answers."""
    from matplotlib import rcParams
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rcParams["svg.hashsalt"] = "samebut"  # the same figures give the same file
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2)
    for axis, kind, figure_of, title in (
        (axes[0], "pictures_s", "pictures_s", "Indexing, pictures/s (more is better)"),
        (axes[1], "build_s", "median_ms", "Search of the vectors, ms (less is better)"),
    ):
        rows = measured(report, kind)
        names = list(reversed(rows))
        values = [rows[name][figure_of] for name in names]
        colours = ["#0b6e4f" if "samebut" in name else "#9aa5b1" for name in names]
        bars = axis.barh(names, values, color=colours)
        axis.bar_label(bars, [f"{value:.3g}" for value in values], padding=3, fontsize=8)
        axis.set_title(title, fontsize=10)
        axis.set_xscale("log")
        axis.margins(x=0.15)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--plot", type=Path, help="an SVG or PNG file to draw to")
    given = parser.parse_args()
    report = json.loads(given.report.read_text())
    for kind, cells in (("pictures_s", program), ("build_s", engine)):
        print(*table(report, kind, cells), "", sep="\n")
    print("Not measured:", *missing(report), sep="\n")
    if given.plot:
        draw(report, given.plot)


if __name__ == "__main__":
    main()
