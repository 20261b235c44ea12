"""Matches rows of metadata tables with the pictures of an index: rows of a new table, and earlier
rows whose picture was missing until now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from samebut import catalog
from samebut.catalog import Catalog, UnusableRow, Values
from samebut.garbage import no_garbage
from samebut.index import Index, TableRow
from samebut.remote import Place

NAMED = 20  # of the rows that were not used, each for one reason


@dataclass
class MetadataReport:
    """What became of the rows of tables.

    ``table`` was read; ``notes`` say how it was understood, ``unusable`` which of its rows can't be
    used, and ``first_name`` is that of its first picture. None if only rows that were kept before
    were looked at. ``rows`` counts the pictures that it names, ``matched`` those of them that were
    found, by how (`samebut.catalog.WAYS`), and ``came`` the rows kept before whose picture has
    come. ``ambiguous``, ``unused`` and ``waiting`` are as in `samebut.catalog.Matched`, of this
    table, or of all rows that were kept if there is none now; ``waiting_before`` counts those of
    earlier tables.

    ``described`` pictures have metadata in all; of ``changed`` something new is said: ``replaced``
    values became others, ``cleared`` ones are gone; of ``forgotten`` pictures nothing is said any
    more, because all was begun afresh. ``followed`` pictures took what was said of
    their content at another path.
    """

    table: Place | None = None
    notes: Sequence[str] = ()
    rows: int = 0
    first_name: str = ""
    unusable: Sequence[UnusableRow] = ()
    matched: dict[str, int] = field(default_factory=dict)
    came: int = 0
    ambiguous: dict[str, str] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    waiting_before: int = 0
    described: int = 0
    changed: int = 0
    replaced: int = 0
    cleared: int = 0
    forgotten: int = 0
    followed: int = 0

    @property
    def nothing_matched(self) -> bool:
        """Whether a table was read and no row of it is about a picture that is there."""
        return self.table is not None and self.rows > 0 and not self.matched

    def lines(self) -> list[str]:
        """The report in sentences, none where there is nothing to say."""
        said = []
        if self.table is not None:
            said += [f"{self.table}: {note}" for note in self.notes]
            ways = ", ".join(f"{count:,} {way}" for way, count in self.matched.items())
            said.append(
                f"{self.rows:,} pictures are named in {self.table}, "
                f"{sum(self.matched.values()):,} matched" + (f": {ways}" if ways else "")
            )
            if self.nothing_matched:
                said.append(
                    f"no row names a picture that is here, the first says '{self.first_name}'; if "
                    "another column names the pictures: --file-column COLUMN"
                )
            if self.changed:
                said.append(
                    f"new values for {self.changed:,} pictures: {self.replaced:,} earlier values "
                    f"replaced, {self.cleared:,} cleared"
                )
        if self.forgotten:
            said.append(f"of {self.forgotten:,} pictures nothing is said any more")
        if self.came:
            said.append(f"{self.came:,} rows that were kept have found their pictures")
        if self.followed:
            said.append(f"{self.followed:,} renamed or copied pictures keep theirs")
        said += _some(
            [f"line {each.line} {each.reason}" for each in self.unusable], "can't be used", "rows"
        )
        said += _some([f"{n} fits {p}" for n, p in self.ambiguous.items()], "ambiguous", "rows")
        said += _some(
            [f"{n}: {p} has a row of its own" for n, p in self.unused.items()], "not used", "rows"
        )
        said += _some(self.waiting, "waits for its picture", "rows")
        if self.waiting_before:
            said.append(f"{self.waiting_before:,} rows of earlier tables wait for their pictures")
        return said


@no_garbage()
def describe(index: Index, table: Catalog | None = None, *, afresh: bool = False) -> MetadataReport:
    """Update the metadata of an index's pictures, with a new ``table`` or without.

    The rows of a table are merged into the metadata column by column; ``afresh`` deletes all
    earlier metadata first. Rows without a picture are kept until it is added. If a better match for
    a row has been added, the row moves to it. Call it while the writer's lock is held.

    Raises MetadataError, and then nothing is changed, if the table holds what is no text.
    """
    report = MetadataReport(followed=index.follow())
    kept = {} if afresh else index.table_rows()
    had = index.described() if afresh else set()
    given: Mapping[str, Mapping[str, Values]] = {}
    if table is not None:
        report.table, report.notes = table.path, table.notes
        report.rows, report.unusable = len(table.values), table.unusable
        report.first_name = next(iter(table.values), "")
        given = {
            name: {column: row.get(column, ()) for column in table.columns}
            for name, row in table.values.items()
        }
    if kept or given or afresh:
        places = _places(index, kept, given, report, afresh=afresh)
        changes = index.describe(given, places, afresh=afresh)
        report.changed = changes.pictures
        report.replaced, report.cleared = changes.replaced, changes.cleared
    described = index.described()
    report.described, report.forgotten = len(described), len(had - described)
    return report


def _places(
    index: Index,
    kept: Mapping[str, TableRow],
    given: Mapping[str, object],
    report: MetadataReport,
    *,
    afresh: bool,
) -> dict[str, str | None]:
    """The pictures of rows that are new or have found another. Rows of one table are matched
    together; those of another may name the same picture, perhaps in another way."""
    pictures = sorted(index.files())
    there = set(pictures)
    before = {name: row.picture for name, row in kept.items()}
    described = set() if afresh else index.described()
    tables: dict[int, list[str]] = {}
    for name, row in kept.items():
        if name not in given:
            tables.setdefault(row.table, []).append(name)
    places: dict[str, str | None] = {}
    for names in [*tables.values(), [*given]]:
        own = set(names)
        ours = {before[name] for name in names if name in before}
        others = {name for name in (*before, *given) if name not in own}
        theirs = (others & there) | {before[name] or "" for name in others if name in before}
        matched = catalog.match(names, pictures, (described - ours) | theirs)
        for name in names:
            place, was = matched.pictures.get(name), before.get(name)
            if name in matched.ambiguous and was in there:
                matched.ambiguous[name] += f"; stays with {was}"
            elif place != was or name not in before:
                places[name] = place
        if names and names[0] in given:
            report.matched = matched.counts(given)
        else:
            report.came += sum(places.get(name) is not None for name in names)
        if (names and names[0] in given) == (report.table is not None):
            report.ambiguous |= matched.ambiguous
            report.unused |= matched.unused
            report.waiting += matched.waiting
        else:
            open_rows = (matched.ambiguous, matched.unused, matched.waiting)
            report.waiting_before += sum(map(len, open_rows))
    return places


def _some(names: Sequence[str], what: str, things: str) -> list[str]:
    said = [f"{what}: {name}" for name in names[:NAMED]]
    if len(names) > NAMED:
        said.append(f"{what}: {len(names) - NAMED:,} more {things}")
    return said
