"""``export-embeddings``: a gallery's embeddings for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from samebut.commands.building import Photos, Store
from samebut.commands.output import say


def add_to(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(export_embeddings)


def export_embeddings(
    photos: Photos,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="Write this file: .npz (NumPy) or .parquet (pandas; extra 'parquet').",
        ),
    ],
    store: Store = None,
) -> None:
    """Write the embeddings of an indexed folder, one row a picture, with path and table."""
    from samebut.embedding_files import write_embeddings
    from samebut.gallery import Gallery

    with Gallery.open(photos, store=store) as gallery:
        written = write_embeddings(gallery, out)
        say(f"{written:,} embeddings of {gallery.model.dim} numbers in {out}", err=True)
