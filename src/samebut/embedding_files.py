"""A gallery's embeddings as a file for other programs: NumPy's ``.npz``, or Parquet for pandas,
Polars, DuckDB and the like.

Rows stand in the order of the paths. The embeddings are those that are searched: unit length,
float32; so the product of two is their cosine.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from samebut.errors import QueryError
from samebut.files import replacing, writing
from samebut.gallery import Gallery
from samebut.index import Entry

_BATCH = 10_000  # rows at once


class EmbeddedPictures(NamedTuple):
    """Some pictures with what the table says of them, and their embeddings ``(N, D)``."""

    entries: list[Entry]
    embeddings: NDArray[np.float32]


def write_embeddings(gallery: Gallery, out: Path) -> int:
    """Write ``out`` whole, as its suffix says, all rows of one moment; how many there are.

    Raises QueryError for another suffix or where pyarrow is missing, DataError where ``out``
    can't be written, and StoreError.
    """
    write = WRITERS.get(out.suffix.lower())
    if write is None:
        raise QueryError(
            f"{out}: embeddings can't be written as {out.suffix or 'a file without a suffix'}",
            hint=f"Give a name that ends in {' or '.join(WRITERS)}.",
        )
    index = gallery.index
    with index.snapshot(), writing(out), replacing(out) as partial:
        write(partial, gallery, _batches(gallery))
        return len(index)


def _batches(gallery: Gallery) -> Iterator[EmbeddedPictures]:
    index = gallery.index
    ids = index.listing(len(index))
    for start in range(0, len(ids), _BATCH):
        some = ids[start : start + _BATCH]
        yield EmbeddedPictures(index.pictures(some), index.embedding(some))


def _write_npz(out: Path, gallery: Gallery, batches: Iterator[EmbeddedPictures]) -> None:
    """Arrays ``ids (N,)``, ``paths (N,)``, ``embeddings (N, D)`` and ``fingerprint``."""
    found = list(batches)
    entries = [entry for batch in found for entry in batch.entries]
    parts = [batch.embeddings for batch in found]
    with out.open("wb") as file:
        np.savez(
            file,
            ids=np.array([entry.id for entry in entries], np.int64),
            paths=np.array([entry.path for entry in entries], np.str_),
            embeddings=np.concatenate(parts) if parts else np.zeros((0, gallery.model.dim), "f4"),
            fingerprint=np.array(gallery.model.fingerprint),
        )


def _write_parquet(out: Path, gallery: Gallery, batches: Iterator[EmbeddedPictures]) -> None:
    """Columns ``id``, ``path``, ``embedding`` (a list of D floats), and the table's own as texts,
    null where nothing is said. A column called as one of ours gets ``table.`` before its name."""
    if importlib.util.find_spec("pyarrow") is None:
        raise QueryError(
            "Parquet can't be written: pyarrow is not installed",
            hint="Install it: pip install 'samebut[parquet]'. Or give a name that ends in .npz.",
        )
    import pyarrow as pa
    import pyarrow.parquet as pq

    ours = {"id": pa.int64(), "path": pa.string(), "embedding": pa.list_(pa.float32())}
    columns = {
        (f"table.{name}" if name in ours else name): name for name in gallery.index.columns()
    }
    schema = pa.schema(
        [*ours.items(), *((name, pa.string()) for name in columns)],
        metadata={"samebut.fingerprint": gallery.model.fingerprint},
    )
    with pq.ParquetWriter(out, schema) as writer:
        for entries, embeddings in batches:
            said = _said(entries, columns)
            rows = {
                "id": [entry.id for entry in entries],
                "path": [_text(entry.path) for entry in entries],
                "embedding": list(embeddings),
            }
            writer.write_table(pa.table({**rows, **said}, schema=schema))


def _said(entries: list[Entry], columns: Mapping[str, str]) -> dict[str, list[str | None]]:
    """The table's cells by column, None where nothing is said."""
    return {
        name: [entry.metadata.get(column) or None for entry in entries]
        for name, column in columns.items()
    }


def _text(path: str) -> str:
    """Parquet holds Unicode alone: other bytes of a name are shown as a replacement character."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


WRITERS: Mapping[str, Callable[[Path, Gallery, Iterator[EmbeddedPictures]], None]] = {
    ".npz": _write_npz,
    ".parquet": _write_parquet,
}
