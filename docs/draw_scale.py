"""Draws docs/images/scale.png from docs/scale.jsonl: ``python docs/draw_scale.py``.

The lines are what ``benchmarks/index_engines.py --json docs/scale.jsonl`` added.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
RATES = ("all", "10 %", "1 %", "0.1 %")
ENGINES = {
    "numpy": ("numpy, all compared", "#8a8a8a", ":"),
    "postgresql": ("PostgreSQL, pgvector", "#b8691b", "-."),
    "embedded": ("embedded, all compared", "#2f6db5", "--"),
    "clusters": ("embedded, with its clusters", "#35803a", "-"),
}


def main() -> None:
    lines = (HERE / "scale.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    measured = {
        (row["count"], row["engine"], row["what"].removeprefix("search, ")): row["median"]
        for row in rows
        if row["what"].startswith("search, ")
    }
    counts = sorted({count for count, _, _ in measured})
    figure, panels = plt.subplots(1, len(counts), figsize=(9, 3.6), sharey=True, squeeze=False)
    for count, panel in zip(counts, panels[0], strict=True):
        for engine, (label, colour, dashes) in ENGINES.items():
            shown = [rate for rate in RATES if (count, engine, rate) in measured]
            times = [measured[count, engine, rate] for rate in shown]
            if shown:
                panel.plot(shown, times, dashes, color=colour, marker="o", label=label)
        panel.set(title=f"{count:,} pictures", yscale="log", xlabel="pictures that pass the filter")
        panel.grid(axis="y", alpha=0.3)
    panels[0][0].set_ylabel("median of a search, ms")
    panels[0][0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(HERE / "images" / "scale.png", dpi=110)


if __name__ == "__main__":
    main()
