"""Published numbers, with the protocol they were measured by and where they were read.

The table is ``samebut/data/published.json``: one row a line. A row has the numbers as its source
prints them; a mean that does not follow from its own columns stays as printed, with a note.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from samebut.errors import DataError
from samebut.evaluate.report import columns
from samebut.evaluate.run import Run
from samebut.evaluate.scoring import Score, headline_name


@dataclass(frozen=True, slots=True)
class Row:
    """One system on one benchmark. ``choices`` and ``reference`` (``kept``, ``removed``, or None
    where the source does not say) are the protocol; ``captions`` how captions were joined, where
    known. ``numbers`` are percentages by printed name, ``groups`` the same by category."""

    benchmark: str
    split: str
    choices: tuple[str, ...]
    system: str
    source: str
    numbers: Mapping[str, float]
    groups: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    reference: str | None = None
    captions: str | None = None
    year: int | None = None
    backbone: str | None = None
    note: str = ""

    @property
    def label(self) -> str:
        """The protocol in a few words, as a run of ours says it."""
        reference = f"reference {self.reference or 'not said'}"
        return " · ".join((f"{self.benchmark} {self.split}", *self.choices, reference))


def rows(benchmark: str) -> list[Row]:
    """Every published row of ``benchmark``. Raises DataError if there is none, naming the known."""
    table = json.loads(
        resources.files("samebut.data").joinpath("published.json").read_text(encoding="utf-8")
    )
    known = list(dict.fromkeys(row["benchmark"] for row in table))
    if benchmark not in known:
        raise DataError(
            f"there are no published numbers for {benchmark!r}", hint=f"Known: {', '.join(known)}."
        )
    return [_row(row) for row in table if row["benchmark"] == benchmark]


def alike(run: Run, among: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Rows measured by the run's own protocol, and rows that may have been, because their source
    does not state whether the reference was removed. All others are left out; if the run is on a
    part of the benchmark, all are."""
    if run.about.get("part"):
        return [], []
    reference = "removed" if run.benchmark.rules.drop_reference else "kept"
    same_gallery = [
        row
        for row in among
        if row.split == run.about["split"] and set(row.choices) <= set(run.about["choices"])
    ]
    return (
        [row for row in same_gallery if row.reference == reference],
        [row for row in same_gallery if row.reference is None],
    )


def beside(run: Run, scored: Score, *, unstated: bool = False) -> str:
    """The run among the published systems of the same protocol, best first, as a text table.

    With ``unstated``, also those whose source does not state whether the reference was removed.
    Every row names its protocol and its source; rows left out are counted.
    """
    every = rows(run.about["benchmark"])
    same, silent = alike(run, every)
    names = list(scored.numbers)
    headline = headline_name(run.benchmark.rules)
    shown = same + (silent if unstated else [])
    entries = [(row.numbers.get(headline), _cells(row, names)) for row in shown]
    own = [f"{scored.numbers[name]:.2f}" for name in names]
    model = run.about["model"]["name"]
    entries.append(
        (scored.numbers[headline], [f"→ {model}, {run.about['query']}", "", "", *own, run.label])
    )
    entries.sort(key=lambda entry: -1.0 if entry[0] is None else entry[0], reverse=True)
    lines = columns([["system", "year", "backbone", *names, ""], *(cells for _, cells in entries)])
    if silent and not unstated:
        lines.append(f"{len(silent)} more do not say whether the reference was removed.")
    others = len(every) - len(same) - len(silent)
    if others:
        lines.append(f"{others} were measured by another protocol and are not comparable.")
    return "\n".join(lines)


def listing(benchmark: str) -> str:
    """Every published row of ``benchmark``, protocol by protocol, as a text table."""
    every = rows(benchmark)
    lines: list[str] = []
    for label in sorted({row.label for row in every}):
        part = [row for row in every if row.label == label]
        names = list(dict.fromkeys(name for row in part for name in row.numbers))
        head = ["system", "year", "backbone", *names, ""]
        lines += [*columns([head, *(_cells(row, names) for row in part)]), ""]
    return "\n".join(lines)


def _cells(row: Row, names: Sequence[str]) -> list[str]:
    numbers = [f"{row.numbers[name]:.2f}" if name in row.numbers else "–" for name in names]
    said = "; ".join(part for part in (row.source, row.note) if part)
    about = f"{row.label}{f' · {row.captions}' if row.captions else ''} ({said})"
    return [row.system, str(row.year or "–"), row.backbone or "–", *numbers, about]


def _row(row: Mapping[str, Any]) -> Row:
    return Row(**{**row, "choices": tuple(row["choices"])})
