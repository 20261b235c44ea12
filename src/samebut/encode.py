"""Many pictures to embeddings: what `samebut.loader` opens ahead, a model encodes in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from samebut.embedding import Floats
from samebut.errors import PictureError, SamebutError
from samebut.loader import (
    Known,
    Loaded,
    LoadingSeconds,
    PictureFile,
    Unusable,
    in_batches,
    load_pictures,
)
from samebut.runtime import Model


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture with its embedding ``(D,)``; ``width`` and ``height`` are those when upright."""

    source: PictureFile
    digest: str
    width: int
    height: int
    embedding: Floats


@dataclass(slots=True)
class IndexingSeconds(LoadingSeconds):
    """Seconds of work. ``wait`` is near nothing when encoding is the bottleneck."""

    encode: float = 0.0
    write: float = 0.0  # spent by the caller that stores the outcomes
    started: float = field(default_factory=time.monotonic)

    @property
    def wall(self) -> float:
        return time.monotonic() - self.started


Outcome = Encoded | Known | Unusable


def encode_pictures(
    model: Model,
    sources: Iterable[PictureFile],
    *,
    is_known: Callable[[PictureFile, str], bool] = lambda source, digest: False,
    workers: int | None = None,
    spent: IndexingSeconds | None = None,
) -> Iterator[list[Outcome]]:
    """Outcomes of ``sources`` in their order, in lists of at most ``samebut.loader.BATCH``.

    ``is_known(source, digest)`` says that a content needs no encoding; worker threads call it.
    ``workers`` (as many as cores if None) threads decode. ``spent`` is added to as work goes on.
    """
    spent = spent if spent is not None else IndexingSeconds()
    loaded = load_pictures(
        sources,
        lambda picture: _prepared(model, picture),
        shorter_side=model.preprocess.wanted_shorter_side,
        is_known=is_known,
        workers=workers,
        spent=spent,
    )
    for batch in in_batches(loaded):
        yield _encode(model, batch, spent)


def _prepared(model: Model, picture: Image.Image) -> Floats:
    """An error of any kind in one picture must not stop the others."""
    try:
        return model.preprocess(picture)
    except SamebutError:
        raise
    except Exception as error:
        said = f"can't be prepared for the model: {type(error).__name__} {error}".strip()
        raise PictureError("the picture", said, hint="save it as a JPEG or PNG") from error


def _encode(
    model: Model, batch: Sequence[Loaded[Floats] | Known | Unusable], spent: IndexingSeconds
) -> list[Outcome]:
    pixels = [each.content for each in batch if isinstance(each, Loaded)]
    if not pixels:
        return [each for each in batch if not isinstance(each, Loaded)]
    started = time.monotonic()
    embeddings = iter(model.embed(model.encode_images(np.stack(pixels))))
    spent.encode += time.monotonic() - started
    return [
        Encoded(each.source, each.digest, each.width, each.height, next(embeddings))
        if isinstance(each, Loaded)
        else each
        for each in batch
    ]
