"""Sheets of a workbook (.xlsx), by openpyxl, which the extra ``xlsx`` brings."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, time
from typing import Any

from samebut.errors import MetadataError
from samebut.remote import Place

MAX_UNPACKED_BYTES = 2_000_000_000
"""Largest unpacked size that is read: a small file that repeats itself can unpack to very much."""
MAX_CELLS = 50_000_000
"""Most cells of a sheet, counting empty ones before the last of a row."""

Records = list[tuple[int, list[str]]]

_AS_CSV = "Save the sheet as CSV UTF-8."
_HEADER_WITHIN = 10


def read(
    path: Place, data: bytes, is_header: Callable[[Sequence[str]], bool]
) -> tuple[str, Records, list[str]]:
    """Name of the sheet that is read, its rows by line, and what was left out.

    The first sheet with a header is read, or the first that holds anything.

    Raises MetadataError: no openpyxl, no workbook, or a larger one than is read.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise MetadataError(
            f"{path} is a workbook, and the package that reads workbooks is not installed",
            hint=f"Install it: pip install 'samebut[xlsx]'. Or: {_AS_CSV}",
        ) from error
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            raise MetadataError(
                f"{path} unpacks to {unpacked:,} bytes, more than the {MAX_UNPACKED_BYTES:,} "
                "allowed",
                hint=_AS_CSV,
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which are not read
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            with closing(book):
                sheets = {sheet.title: _rows(path, sheet) for sheet in book.worksheets}
    except MetadataError:
        raise
    except Exception as error:  # a damaged file raises any type: from zipfile, the parser, openpyxl
        raise MetadataError(f"{path} can't be read as a workbook: {error}", hint=_AS_CSV) from (
            error
        )
    filled = {title: rows for title, rows in sheets.items() if rows}
    if not filled:
        raise MetadataError(
            f"{path} is empty",
            hint="Give a workbook whose first row names the columns, such as file, title, colour.",
        )

    def has_header(title: str) -> bool:
        return any(is_header(cells) for _, cells in filled[title][:_HEADER_WITHIN])

    chosen = next(filter(has_header, filled), next(iter(filled)))
    others = [title for title in filled if title != chosen]
    return chosen, filled[chosen], [f"sheets not used: {', '.join(others)}"] if others else []


def _rows(path: Place, sheet: Any) -> Records:
    sheet.reset_dimensions()  # the size that a file states may be wrong
    return list(_filled(path, sheet))


def _filled(path: Place, sheet: Any) -> Iterator[tuple[int, list[str]]]:
    cells = 0
    for number, row in enumerate(sheet.iter_rows(), start=1):
        cells += len(row)
        if cells > MAX_CELLS:
            raise MetadataError(
                f"{path}: sheet '{sheet.title}' has more than {MAX_CELLS:,} cells", hint=_AS_CSV
            )
        texts = [_text(cell) for cell in row]
        if any(texts):
            yield number, texts


def _text(cell: Any) -> str:
    """A cell's text as the spreadsheet shows it, where the format matters (dates, codes)."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value, cell.number_format or "")
    if isinstance(value, datetime):
        return str(value.date() if value.time() == time() else value)
    return str(value)


def _number(value: float, shown_as: str) -> str:
    if "%" in shown_as:
        return f"{value * 100:.15g}%"
    if shown_as and not shown_as.strip("0") and value == int(value):  # 00000: a code, not a number
        return f"{int(value):0{len(shown_as)}d}"
    return str(value) if isinstance(value, int) else f"{value:.15g}"
