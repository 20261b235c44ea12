"""A report on a catalogue: which rows gave which queries, and why others gave none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from samebut import catalog
from samebut.errors import DataError
from samebut.query_maker.queries import CatalogueQueries, Change, QueryRules, details_of
from samebut.query_maker.relative_captions import YES_NO, RelativeCaptions
from samebut.query_maker.table import CatalogueTable
from samebut.values import is_empty

NAMED = 3  # of a long list, in the printed report; report.json has them all
VALUES_SHOWN = 8


@dataclass
class ChangeCount:
    """Counts for one kind of change. ``lacking`` counts pictures by the missing attribute that
    keeps them from being its reference, ``unanswered`` those for which no picture is an answer."""

    keeps: tuple[str, ...]
    queries: dict[str, int] = field(default_factory=dict)  # by language
    lacking: dict[str, int] = field(default_factory=dict)
    unanswered: int = 0


@dataclass
class SplitCount:
    """One split: its pictures, those that are references, and its queries."""

    pictures: int
    references: int
    queries: int
    targets_median: float = 0
    targets_most: int = 0
    without_subset: int = 0


@dataclass
class Values:
    """A column's values with how many pictures have each."""

    counts: dict[str, int]
    empty: int
    once: list[str]
    untranslated: list[str]


@dataclass
class CatalogueReport:
    """Everything that was used, and everything that was not, with the reason."""

    catalogue: str
    images: str
    rows: int
    pictures: int
    missing: list[str]
    unreadable: dict[str, str]
    without_row: list[str]
    unclear: dict[str, str]
    several_values: dict[str, int]
    unusable: list[str]
    matched: dict[str, int]
    notes: list[str]
    ignored_columns: list[str]
    renamed_columns: dict[str, str]
    details: tuple[str, ...]
    split_by: str
    titles_in_two_splits: list[str]
    attributes: dict[str, Values]
    too_vague: int = 0
    too_rare: int = 0
    splits: dict[str, SplitCount] = field(default_factory=dict)
    changes: dict[str, ChangeCount] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        table: CatalogueTable,
        rules: QueryRules,
        captions: RelativeCaptions,
        splits: Mapping[str, Sequence[str]],
        split_by: str,
    ) -> CatalogueReport:
        """A report of the table alone; queries are added by :meth:`add`."""
        used = {*rules.columns, "title", "title_zh", "split"}
        rows = list(table.rows.values())
        return cls(
            catalogue=str(table.path),
            images=str(table.images),
            rows=sum(table.matched.values()) + len(table.missing) + len(table.unclear),
            pictures=len(rows),
            missing=table.missing,
            unreadable=table.unreadable,
            without_row=table.without_row,
            unclear=table.unclear,
            several_values=table.several,
            unusable=table.unusable,
            matched=table.matched,
            notes=table.notes,
            ignored_columns=[own for name, own in table.columns.items() if name not in used],
            renamed_columns={own: n for n, own in table.columns.items() if own != n and n in used},
            details=details_of(rules, rows),
            split_by=split_by,
            titles_in_two_splits=_in_two(table, splits),
            attributes={name: _values(name, rows, captions) for name in rules.columns},
        )

    def add(
        self, split: str, queries: CatalogueQueries, lines: Sequence[Mapping[str, Any]]
    ) -> None:
        """Count the queries of one split."""
        sizes = [len(line["targets"]) for line in lines]
        self.splits[split] = SplitCount(
            pictures=len(queries.rows),
            references=len({line["reference"] for line in lines}),
            queries=len(lines),
            targets_median=median(sizes) if sizes else 0,
            targets_most=max(sizes, default=0),
            without_subset=sum(line["subset"] is None for line in lines),
        )
        self.too_vague += len(queries.too_vague)
        self.too_rare += len(queries.too_rare)
        asked = Counter((line["change"], line["lang"]) for line in lines)
        for change in queries.changes:
            count = self.changes.setdefault(change.name, ChangeCount(change.kept))
            for (name, language), number in sorted(asked.items()):
                if name == change.name:
                    count.queries[language] = count.queries.get(language, 0) + number
            _count_unasked(queries, change, count)

    def require_queries(self) -> None:
        """Raise DataError if a split has no query, saying what stood in the way."""
        empty = [name for name, count in self.splits.items() if not count.queries]
        missing = [] if self.splits.keys() - {"val"} else ["train"]
        if empty or missing:
            raise DataError(
                f"{self.catalogue}: no query could be made for the split {(empty + missing)[0]}",
                hint="\n".join(["The report says what is missing:", *self.lines()]),
            )

    def as_dict(self) -> dict[str, Any]:
        """The whole report as plain data."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The report in short, for people."""
        return [
            *self._rows_said(),
            "",
            *_columns(self._splits_said()),
            "",
            *_columns(self._changes_said()),
            *self._left_out(),
            "",
            *_columns(self._values_said()),
        ]

    def _rows_said(self) -> list[str]:
        said = [
            f"{self.rows:,} rows, {self.pictures:,} pictures in use; split by {self.split_by}",
            *self.notes,
            _matched_said(self.matched),
            _some(self.unusable, "rows that can't be used"),
            _some(self.missing, "rows whose picture is missing"),
            _some(
                [f"{name} fits {picture}" for name, picture in self.unclear.items()],
                "rows that fit several pictures, or one that another row fits as well",
            ),
            _some(
                [
                    f"{column} of {count:,} pictures"
                    for column, count in self.several_values.items()
                ],
                "columns with several values for a picture, which are left out",
            ),
            _some(
                [f"{name} ({reason})" for name, reason in self.unreadable.items()],
                "pictures that can't be read",
            ),
            _some(self.without_row, "pictures that no row names"),
            _some(self.titles_in_two_splits, "titles in more than one split"),
        ]
        for own, name in self.renamed_columns.items():
            said.append(f"column {own} is read as {name}")
        if self.ignored_columns:
            said.append(f"columns not used: {', '.join(self.ignored_columns)}")
        if self.details:
            said.append(f"details, asked for and not kept: {', '.join(self.details)}")
        return [line for line in said if line]

    def _splits_said(self) -> list[list[str]]:
        rows = [["split", "pictures", "references", "queries", "targets", "without subset"]]
        for name, c in self.splits.items():
            targets = f"{c.targets_median:g} (most {c.targets_most})"
            counts = [f"{n:,}" for n in (c.pictures, c.references, c.queries)]
            rows.append([name, *counts, targets, f"{c.without_subset:,}"])
        return rows

    def _changes_said(self) -> list[list[str]]:
        rows = [["change", "keeps", "en", "zh", "pictures that lack", "without an answer"]]
        for name, count in self.changes.items():
            lacking = ", ".join(f"{column} {n:,}" for column, n in count.lacking.items())
            numbers = [f"{count.queries.get(language, 0):,}" for language in ("en", "zh")]
            keeps = ", ".join(count.keeps) or "nothing"
            rows.append([name, keeps, *numbers, lacking or "-", f"{count.unanswered:,}"])
        return rows

    def _left_out(self) -> list[str]:
        said = []
        if self.too_vague:
            said.append(f"{self.too_vague:,} answers left out: more targets than --max-targets")
        if self.too_rare:
            said.append(f"{self.too_rare:,} answers left out: a value below --min-support")
        return said

    def _values_said(self) -> list[list[str]]:
        rows = [["column", "values", "empty", "once", "no Chinese", "most frequent"]]
        for name, values in self.attributes.items():
            most = list(values.counts.items())[:VALUES_SHOWN]
            more = ", …" if len(values.counts) > VALUES_SHOWN else ""
            numbers = [len(values.counts), values.empty, len(values.once), len(values.untranslated)]
            said = ", ".join(f"{value} {count:,}" for value, count in most) + more
            rows.append([name, *(f"{number:,}" for number in numbers), said])
        return rows


def _in_two(table: CatalogueTable, splits: Mapping[str, Sequence[str]]) -> list[str]:
    first: dict[str, str] = {}
    return sorted(
        {
            title
            for split, names in splits.items()
            for title in (table.rows[name].get("title", "") for name in names)
            if title and first.setdefault(" ".join(title.casefold().split()), split) != split
        }
    )


def _values(name: str, rows: Sequence[Mapping[str, str]], captions: RelativeCaptions) -> Values:
    said = (" ".join(row.get(name, "").casefold().split()) for row in rows)
    counts = Counter("" if is_empty(value) else value for value in said)
    empty = counts.pop("", 0)
    return Values(
        counts=dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))),
        empty=empty,
        once=sorted(value for value, count in counts.items() if count == 1),
        untranslated=sorted(
            value
            for value in counts
            if value not in YES_NO and not captions.word(name, value, "zh")
        ),
    )


def _count_unasked(queries: CatalogueQueries, change: Change, count: ChangeCount) -> None:
    for number in range(len(queries.rows)):
        lacks = queries.lacking(number, change)
        if lacks:
            count.lacking[lacks] = count.lacking.get(lacks, 0) + 1
        elif not queries.answers(number, change):
            count.unanswered += 1


def _matched_said(matched: Mapping[str, int]) -> str:
    """How names found their pictures, if not all of them exactly."""
    if len(matched) < 2 and catalog.EXACT in matched:
        return ""
    return "names matched: " + ", ".join(f"{count:,} {way}" for way, count in matched.items())


def _some(names: Sequence[str], what: str) -> str:
    if not names:
        return ""
    more = ", …" if len(names) > NAMED else ""
    return f"{len(names):,} {what}: {', '.join(names[:NAMED])}{more}"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
