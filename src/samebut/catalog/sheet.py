"""Rows and columns of a table's file, as written by a spreadsheet, a shop or a script.

`read_sheet` reads text with delimiters, JSON Lines, feeds in XML and workbooks (.xlsx) into one
form. It does not deal with pictures: its caller gives a function that recognises the header. A row
that can't be read is reported with its line, and the others are read.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from samebut.catalog import feed, workbook
from samebut.catalog.text import BAD_BYTES, decoded
from samebut.errors import MetadataError
from samebut.remote import Place

MAX_BYTES = 1_000_000_000
"""The largest file that is read: it is held in memory whole."""
MAX_COLUMNS = 16_384
"""Cells that a row may have, as many as in a spreadsheet."""
MAX_DEPTH = 32
"""How deep the objects of a JSON line may be nested."""

Values = tuple[str, ...]
"""The values of a cell: none, one, or several (a list in JSON)."""
Tells = Callable[[Sequence[str]], bool]
"""Whether these names of columns can be a header."""

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_NAMED = 5  # columns, in a note
_HEADER_WITHIN = 10  # rows: some exports have a title and a date above the header
_INVISIBLE = str.maketrans("", "", "\0\ufeff\u200b")
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK\x03\x04"
_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels"
_UNCLOSED = "a quote in it is opened and never closed"


@dataclass(frozen=True)
class SheetRow:
    """A row: the line where it begins (counted from 1), and its columns that are not empty."""

    line: int
    cells: Mapping[str, Values]


@dataclass(frozen=True)
class UnusableRow:
    """A row that can't be used: its line in the file, and why."""

    line: int
    reason: str


@dataclass
class TableSheet:
    """``columns`` in the file's order. ``notes`` say how the file was read wherever it is not UTF-8
    with commas and rows as long as the header."""

    columns: list[str]
    rows: list[SheetRow] = field(default_factory=list)
    unusable: list[UnusableRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_sheet(path: Place, is_header: Tells) -> TableSheet:
    """Read a table.

    Raises MetadataError if the file can't be read, is empty, larger than `MAX_BYTES`, or a
    workbook that can't be opened.
    """
    data = _bytes(path)
    if data.startswith(_OLD_WORKBOOK):
        raise MetadataError(
            f"{path} is a workbook of an old format (.xls)",
            hint="Save it as .xlsx or as CSV UTF-8.",
        )
    if data.startswith(_ZIP):
        name, records, notes = workbook.read(path, data, is_header)
        return _titled(_Records(records), is_header, [f"sheet '{name}'", *notes])
    text, encoding = decoded(data)
    notes = [] if encoding == "UTF-8" else [encoding]
    text = text.lstrip("\ufeff")
    if not text.strip():
        raise MetadataError(
            f"{path} is empty",
            hint="Give a table whose first row names its columns, such as: file,title,colour",
        )
    if feed.is_feed(text):
        return _of_feed(path, text, notes)
    if text.lstrip()[0] in "{[" and (objects := _objects(text)) is not None:
        return _of_objects(objects, [*notes, "JSON Lines"])
    lines, delimiter = _delimited(text, is_header)
    if delimiter != ",":
        notes.append(f"separated by {_DELIMITERS.get(delimiter, repr(delimiter))}")
    return _titled(lines, is_header, notes)


def _bytes(path: Place) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise MetadataError(
            f"{path} can't be read: {error.strerror}",
            hint="Give the path of a table that exists and that you are allowed to read.",
        ) from error
    except ValueError as error:  # a NUL in the name
        raise MetadataError(
            f"{path} can't be read: {error}",
            hint="Give the path of a table that exists and that you are allowed to read.",
        ) from error
    if len(data) > MAX_BYTES:
        raise MetadataError(
            f"{path} is larger than {MAX_BYTES:,} bytes",
            hint="Split it into several tables, and index with one after the other: each adds its "
            "rows.",
        )
    return data


@dataclass
class _Records:
    """Cells of each row with the line where it begins, and lines that can't be read as rows."""

    records: list[tuple[int, list[str]]]
    unusable: list[UnusableRow] = field(default_factory=list)


def _delimited(text: str, is_header: Tells) -> tuple[_Records, str]:
    """Rows of delimited text by the delimiter that it names, or that suits its header best."""
    lines = [*io.StringIO(text, newline="")]  # splitlines would split within titles
    named = _SEPARATOR.fullmatch(lines[0])
    if named:
        return _records(lines, named[1], first=1), named[1]
    beginning = lines[: 4 * _HEADER_WITHIN]

    def fit(delimiter: str) -> tuple[bool, int]:
        rows = [cells for _, cells in _records(beginning, delimiter).records if any(cells)]
        widest = max((len(cells) for cells in rows[:_HEADER_WITHIN]), default=0)
        return any(is_header(_names(cells)) for cells in rows[:_HEADER_WITHIN]), widest

    best = max(_DELIMITERS, key=fit)
    return _records(lines, best), best


def _records(lines: Sequence[str], delimiter: str, first: int = 0) -> _Records:
    """Cells of every row from ``lines[first]`` on.

    A quoted cell may contain line ends. If its quote is not closed by the rules, only the first
    line is read as the row, so that one stray quote does not swallow the rows after it.
    """
    csv.field_size_limit(MAX_BYTES)  # no limit on the size of a cell
    found = _Records([])
    while first < len(lines):
        start = first
        rest = (lines[number] for number in range(start, len(lines)))
        reader = csv.reader(rest, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                found.records.append((first + 1, cells))
                first = start + reader.line_num
            return found
        except csv.Error:
            alone = _stray_quotes(lines[first], delimiter)
            if alone is None:
                found.unusable.append(UnusableRow(first + 1, _UNCLOSED))
            else:
                found.records.append((first + 1, alone))
            first += 1
    return found


def _stray_quotes(line: str, delimiter: str) -> list[str] | None:
    """Cells of a line whose quotes break the rules, or None if one is opened and not closed."""
    if line.count('"') % 2 == 0:
        return next(csv.reader([line], delimiter=delimiter))
    plain = next(csv.reader([line], delimiter=delimiter, quoting=csv.QUOTE_NONE))
    if any(cell.startswith('"') and not cell.endswith('"') for cell in plain):
        return None
    return [cell[1:-1] if cell.startswith('"') else cell for cell in plain]


def _titled(lines: _Records, is_header: Tells, notes: list[str]) -> TableSheet:
    """Rows under their header: the first of the table that ``is_header`` knows, else its first."""
    records = [(line, cells) for line, cells in lines.records if any(map(str.strip, cells))]
    if not records:
        return TableSheet([], unusable=lines.unusable, notes=notes)
    beginning = [_names(cells) for _, cells in records[:_HEADER_WITHIN]]
    place = next((at for at, names in enumerate(beginning) if is_header(names)), 0)
    if place:
        above = ", ".join(str(line) for line, _ in records[:place])
        notes.append(f"header at line {records[place][0]}, not used: line {above}")
    header = records[place][1]
    if len(header) > MAX_COLUMNS:
        raise MetadataError(
            f"the header has {len(header):,} columns, more than {MAX_COLUMNS:,}",
            hint="Leave out the columns that nobody filters by.",
        )
    sheet = TableSheet(_distinct(_names(header), notes), notes=notes)
    sheet.unusable += [each for each in lines.unusable if each.line > records[place][0]]
    _fill(sheet, records[place + 1 :])
    _name_the_nameless(sheet, beginning[place])
    return sheet


def _name_the_nameless(sheet: TableSheet, names: Sequence[str]) -> None:
    """Drop columns that have neither name nor values; note the names given to the others."""
    filled = {name for row in sheet.rows for name in row.cells}
    nameless = {sheet.columns[place] for place, name in enumerate(names) if not name}
    sheet.columns = [each for each in sheet.columns if each in filled or each not in nameless]
    called = [each for each in sheet.columns if each in nameless]
    if called:
        sheet.notes.append(f"columns without a name are called {_quoted(called)}")


def _names(cells: Sequence[str]) -> list[str]:
    return [" ".join(cell.translate(_INVISIBLE).split()) for cell in cells]


def _distinct(names: Sequence[str], notes: list[str]) -> list[str]:
    """The names made unique: a second ``size`` becomes ``size (2)``, a column without a name is
    named by its position."""
    found: dict[str, None] = {}
    times: dict[str, int] = {}
    renamed = []
    for place, name in enumerate(names, start=1):
        named = name or f"column {place}"
        while named in found:
            times[name] = times.get(name, 1) + 1
            named = f"{name} ({times[name]})"
        if named not in (name, f"column {place}"):
            renamed.append(named)
        found[named] = None
    if renamed:
        notes.append(f"columns with the name of another are called {_quoted(renamed)}")
    return list(found)


def _quoted(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(f"'{name}'" for name in names[:_NAMED]) + more


def _fill(sheet: TableSheet, records: Iterable[tuple[int, list[str]]]) -> None:
    header = len(sheet.columns)
    short: list[int] = []
    long: list[int] = []
    for line, cells in records:
        while len(cells) > header and not cells[-1].strip():
            cells.pop()
        if len(cells) != header and len(cells) <= MAX_COLUMNS:
            (short if len(cells) < header else long).append(line)
        if len(cells) > MAX_COLUMNS:
            reason = f"has {len(cells):,} cells, more than {MAX_COLUMNS:,}"
            sheet.unusable.append(UnusableRow(line, reason))
            continue
        for place in range(len(sheet.columns) + 1, len(cells) + 1):
            sheet.columns.append(f"column {place}")
        _add(sheet, line, zip(sheet.columns, cells, strict=False))
    if short:
        sheet.notes.append(f"{_lines_said(short)} shorter than the header: the rest is empty")
    if long:
        extra = _quoted(sheet.columns[header:])
        sheet.notes.append(f"{_lines_said(long)} longer than the header: kept as {extra}")


def _lines_said(lines: Sequence[int]) -> str:
    if len(lines) == 1:
        return f"line {lines[0]} is"
    return f"{len(lines):,} lines (first: line {lines[0]}) are"


def _add(sheet: TableSheet, line: int, cells: Iterable[tuple[str, str]]) -> None:
    values = {name: (plain,) for name, cell in cells if (plain := _plain(cell))}
    _add_values(sheet, SheetRow(line, values))


def _add_values(sheet: TableSheet, row: SheetRow) -> None:
    """Keep a row unless it contains invalid text: half of a surrogate pair, or undecodable
    bytes."""
    for name, values in row.cells.items():
        if not all(map(_is_text, (name, *values))):
            sheet.unusable.append(
                UnusableRow(row.line, f"'{_shown(name)}' is not readable as text")
            )
            return
    sheet.rows.append(row)


def _plain(cell: str) -> str:
    return cell.replace("\0", "").strip()


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def _shown(name: str) -> str:
    return name.replace(BAD_BYTES, "?").encode(errors="replace").decode()


def _objects(text: str) -> Iterator[tuple[int, Any]] | None:
    """The value of each line of JSON Lines, or of each element of a JSON array; None if the text is
    neither. For a line that is not JSON, the value is the error."""
    if text.lstrip().startswith("["):
        try:
            every = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return ((number, each) for number, each in enumerate(every, start=1))
    lines = text.split("\n")
    if not any(isinstance(_loaded(line), dict) for line in lines[:_HEADER_WITHIN]):
        return None
    return ((number, _loaded(line)) for number, line in enumerate(lines, start=1) if line.strip())


def _loaded(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return error


def _of_feed(path: Place, text: str, notes: list[str]) -> TableSheet:
    found, cut_off = feed.items(path, text)
    if not found:
        why = f": line {cut_off[0]} {cut_off[1]}" if cut_off else ""
        raise MetadataError(
            f"{path} is a feed in which no product was found{why}",
            hint="Download it again, or export a CSV: products are read from <item> (RSS) and "
            "<entry> (Atom).",
        )
    sheet = _of_objects(found, [*notes, "a feed in XML"])
    if cut_off:
        sheet.unusable.append(UnusableRow(*cut_off))
    return sheet


def _of_objects(objects: Iterable[tuple[int, Any]], notes: list[str]) -> TableSheet:
    """Rows from JSON objects or a feed's items; None stands for one that is nested too deep."""
    sheet = TableSheet([], notes=notes)
    names: dict[str, None] = {}
    for line, content in objects:
        if content is None:
            sheet.unusable.append(UnusableRow(line, _TOO_DEEP))
            continue
        if not isinstance(content, dict):
            sheet.unusable.append(UnusableRow(line, "is not a JSON object"))
            continue
        cells: dict[str, list[str]] = {}
        try:
            _flatten(content, "", cells, MAX_DEPTH)
        except RecursionError:
            sheet.unusable.append(UnusableRow(line, _TOO_DEEP))
            continue
        names |= dict.fromkeys(cells)
        _add_values(sheet, SheetRow(line, {n: tuple(v) for n, v in cells.items() if v}))
    sheet.columns = list(names)
    return sheet


def _flatten(value: Any, name: str, into: dict[str, list[str]], depth: int) -> None:
    """Columns of a JSON value: an object's are called ``outer.inner``, a list has many values."""
    if not depth:
        raise RecursionError
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(inner, f"{name}.{key}" if name else " ".join(key.split()), into, depth - 1)
        return
    values = into.setdefault(name, [])
    if isinstance(value, list):
        for inner in value:
            _flatten(inner, name, into, depth - 1)
    elif value is not None:
        plain = _plain(value if isinstance(value, str) else json.dumps(value))
        if plain and plain not in values:
            values.append(plain)
