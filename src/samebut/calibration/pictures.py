"""Pictures of a data folder's val split, encoded once: they are galleries and query pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samebut import catalog
from samebut.data import triplets
from samebut.embedding import Floats
from samebut.errors import DataError
from samebut.language import lexicon
from samebut.language.synonyms import common_name
from samebut.loader import Loaded, PictureFile, Progress, in_batches, load_pictures, silent
from samebut.query_maker.queries import tells_nothing
from samebut.remote import Place
from samebut.runtime import FeatureArrays, Model, Surroundings

VAL_SHARE = 0.2
"""Share of val in a catalogue without a column ``split``, as by ``val_share`` in ``samebut
train``."""
KINDS = ("kind", "article", "label")
"""Columns that say what a thing is, the plainest first."""
AT_ONCE = 256
Right = NDArray[np.bool_]


@dataclass(frozen=True)
class ValPictures:
    """Val pictures of a folder: what the table says, features and ``embeddings (N, D)``.

    ``kinds (N,)`` are common names of what they show, ``colours (N,)`` their colours; "" where the
    table doesn't say. ``features`` lack regions where the model composes without them.
    """

    name: str
    root: Path
    model: Model
    files: Mapping[str, Place]
    kinds: NDArray[np.str_]
    colours: NDArray[np.str_]
    features: FeatureArrays
    embeddings: Floats

    def __len__(self) -> int:
        return len(self.kinds)

    def common(self, least: int) -> list[str]:
        """Kinds of ``least`` pictures or more, by name."""
        names, counts = np.unique(self.kinds[self.kinds != ""], return_counts=True)
        return [str(name) for name in names[counts >= least]]


def read(name: str, root: Path, model: Model, progress: Progress = silent) -> ValPictures:
    """Open and encode the val pictures that ``root``'s catalogue lists.

    DataError: no catalogue, no column that says what a thing is, or a picture can't be used.
    """
    files, table = triplets.pictures(root, "val", VAL_SHARE), catalog.rows_beside(root)
    columns = {column for row in table.values() for column in row}
    kind = next((column for column in KINDS if column in columns), None)
    if kind is None:
        raise DataError(
            f"{root / catalog.BESIDE}: no column says what the pictures show",
            hint=f"Add one, called {' or '.join(KINDS)}.",
        )
    rows = [table[name] for name in files]
    colour = next((c for c in sorted(columns) if lexicon.column(c) == "colour"), "")
    features = encode(model, files, progress)
    return ValPictures(
        name,
        root,
        model,
        files,
        np.array([_kind(row[kind]) for row in rows]),
        np.array([row.get(colour, "").lower() for row in rows]),
        features,
        model.embed(features),
    )


def _kind(said: str) -> str:
    return "" if tells_nothing(said) else common_name(said)


def encode(model: Model, files: Mapping[str, Place], progress: Progress = silent) -> FeatureArrays:
    """Features of pictures, (N, ...). DataError names a picture that can't be used."""
    prepare, chunks, done = model.preprocess, [], 0
    sources = [PictureFile(file, name) for name, file in files.items()]
    loaded = load_pictures(sources, prepare, shorter_side=prepare.wanted_shorter_side)
    for batch in in_batches(loaded):
        pixels = []
        for each in batch:
            if not isinstance(each, Loaded):
                why = getattr(each, "reason", "can't be used")
                raise DataError(
                    f"{each.source.file} can't be used for calibration: it {why}",
                    hint="Replace the picture, or remove its row from the folder's catalog.csv.",
                )
            pixels.append(each.content)
        chunks.append(_kept(model, model.encode_images(np.stack(pixels))))
        done += len(pixels)
        progress(done, len(sources), 0)
    return _joined(chunks)


def said(model: Model, texts: Sequence[str]) -> Floats:
    """Embeddings of texts alone, (Q, D)."""
    if not texts:
        return np.zeros((0, model.dim), np.float32)
    parts = [texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE)]
    return np.concatenate([model.embed(model.encode_texts(part)) for part in parts])


def composed(pictures: ValPictures, rows: Sequence[int], texts: Sequence[str]) -> Floats:
    """Queries (Q, D), each of the picture in one of ``rows`` and a text."""
    model, distinct = pictures.model, [*dict.fromkeys(texts)]
    if not distinct:
        return np.zeros((0, model.dim), np.float32)
    place = {text: number for number, text in enumerate(distinct)}
    encoded, queries = model.encode_texts(distinct), []
    for start in range(0, len(rows), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        image = pictures.features[[*rows[part]]]
        text = encoded[[place[text] for text in texts[part]]]
        beside = Surroundings(said=texts[part])
        queries.append(model.compose(image, text, model.usual, beside).embedding)
    return np.concatenate(queries)


def _kept(model: Model, made: FeatureArrays) -> FeatureArrays:
    """Drop the regions, by far the largest part, unless the model composes queries from them."""
    if model.reads_tokens:
        return made
    return FeatureArrays(made.pooled, made.tokens[:, :1], made.mask[:, :1])


def _joined(chunks: Sequence[FeatureArrays]) -> FeatureArrays:
    names = ("pooled", "tokens", "mask")
    return FeatureArrays(*(np.concatenate([getattr(c, name) for c in chunks]) for name in names))
