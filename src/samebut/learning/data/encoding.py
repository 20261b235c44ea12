"""Features of a batch: encoded at every step (live), or encoded once and read from a cache.

A side of the model (pictures, texts) is cached where the recipe asks for cached features and the
stage does not train its tower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from samebut.learning import distributed
from samebut.learning.data.augment import Augment, vary
from samebut.learning.data.backdrops import Scenes
from samebut.learning.data.corpus import Corpus
from samebut.learning.data.feature_cache import Views, picture_features, text_features
from samebut.learning.data.feature_store import FeatureStore
from samebut.learning.data.query_table import QueryTable
from samebut.learning.data.text_noise import noisy
from samebut.learning.encoders.base import Features, without_tokens
from samebut.learning.model.cir_model import CIRModel
from samebut.preprocess import Preprocess

ENCODED_AT_ONCE = 256
ALIKE_AT_ONCE = 64  # texts of like length
BACKDROPS_AT_ONCE = 32  # photos that the backgrounds of one step are cut from
RECOMPUTED_AT_ONCE = 32  # pictures or texts whose activations are in memory together

Trains = Literal["all", "encoder", "heads", "image", "text", "fusion"]
Side = Literal["image", "text"]


def trains_weight(trains: Trains, name: str) -> bool:
    """Whether a stage may change the model's weight of this name. For a stage of one tower it is
    True for both towers: the other one is encoded without gradients, which keeps it unchanged."""
    if trains == "heads":
        return not name.startswith("encoder.trunk.")
    if trains == "all":
        return True
    return name.startswith("fusion." if trains == "fusion" else "encoder.")


@dataclass(frozen=True)
class EncodingRules:
    """How a stage encodes: which part ``trains``, whether features are ``cached``, whether
    texts are ``resampled``, the input ``size``, and the recipe's settings for views and
    precision."""

    trains: Trains = "all"
    cached: bool = False
    resampled: bool = False
    size: int = 112
    views: int = 1
    frozen_norms: bool = False
    recompute: bool = False
    bf16: bool = False
    augment: Augment = field(default_factory=Augment)
    seed: int = 0

    def tunes(self, side: Side) -> bool:
        """Whether the tower of this side trains, or its head."""
        return self.trains in ("all", "encoder", "heads", side)

    @property
    def tunes_trunk(self) -> bool:
        """Whether the trunk of the picture tower trains."""
        return self.trains != "heads" and self.tunes("image")

    def caches(self, side: Side) -> bool:
        """Whether features of this side come from a cache; a picture's are those of the trunk.
        Texts that are resampled in every epoch are not cached: the cache would grow without end."""
        if side == "image":
            return self.cached and not self.tunes_trunk
        return self.cached and not self.tunes(side) and not self.resampled

    def precision(self, device: torch.device) -> torch.autocast:
        """bf16 arithmetic in encoders and fusion, if asked for; losses stay in fp32."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bf16)


@dataclass(frozen=True)
class Seen:
    """Features of a step's n pictures, ``pooled (n, D)``, and of its B references, which are the
    pictures at ``places (B,)``; and what they were computed from: ``pixels (n, 3, S, S)``, or
    ``cached`` trunk features of the pictures and of the references."""

    pooled: Tensor
    references: Features
    places: Tensor
    pixels: Tensor | None = None
    cached: tuple[Features, Features] | None = None


class BatchEncoder:
    """Encodes the pictures and texts of a stage's batches by its rules."""

    def __init__(self, corpus: Corpus, rules: EncodingRules) -> None:
        self.corpus, self.rules = corpus, rules
        self._pictures = self._texts = FeatureStore(torch.empty(0, 1, 0))
        self._text_place: dict[str, int] = {}

    def prepare(self, model: CIRModel, table: QueryTable, cache: Path) -> None:
        """Encode what the rules cache; tokens are kept for references only."""
        rules, tokens = self.rules, model.fusion.reads_tokens
        device = distributed.device_of(model)
        if rules.caches("image"):
            references = possible_references(self.corpus, table, rules) if tokens else ()
            views = Views(
                rules.views, self.corpus.preprocess, rules.augment, rules.seed,
                self.corpus.backdrop_files, rules.bf16,
            )  # fmt: skip
            self._pictures = picture_features(
                model.encoder, self.corpus.files, model.preprocess, cache,
                tokens_of=references, views=views,
            ).to(device)  # fmt: skip
        if rules.caches("text"):
            texts = list(dict.fromkeys(table.texts))
            found = text_features(model.encoder, texts, cache, tokens=tokens).to(device)
            self.use(self._pictures, found, texts)

    def use(self, pictures: FeatureStore, words: FeatureStore, texts: Sequence[str]) -> None:
        """Read cached features from these stores; ``texts[i]`` is the text of row i of
        ``words``."""
        self._pictures, self._texts = pictures, words
        self._text_place = {text: row for row, text in enumerate(texts)}

    def pictures(self, model: CIRModel, rows: Tensor, references: Tensor) -> Seen:
        """Pictures ``rows (n,)`` of the corpus; ``references (B,)`` are places in ``rows``."""
        if self.rules.caches("image"):
            views = torch.randint(self.rules.views, (len(rows),))
            trunk = without_tokens(self._pictures.pooled[rows, views].float())
            theirs = self._pictures.features(rows[references], views[references])
            pooled = self.project(model, trunk).pooled
            image = replace(self.project(model, theirs), pooled=pooled[references])
            return Seen(pooled, image, references, cached=(trunk, theirs))
        pixels = self.views(model, rows)
        images = self.encode(model, "image", pixels)
        return Seen(images.pooled, images[references], references, pixels)

    def project(self, model: CIRModel, trunk: Features) -> Features:
        """Cached features of the trunk to features of the shared space."""
        tuned = self.rules.tunes("image")
        _set_mode(model.encoder, training=tuned, norms=False)
        with torch.set_grad_enabled(tuned), self.rules.precision(trunk.pooled.device):
            return as_float(model.encoder.project(trunk))

    def views(self, model: CIRModel, rows: Tensor) -> Tensor:
        """A random view of each picture, in the stage's size: ``(n, 3, S, S)``."""
        preprocess = replace(model.preprocess, size=self.rules.size)
        pixels = self.corpus.pictures.pixels(rows, preprocess, distributed.device_of(model))
        scenes = self._scenes(rows, preprocess, pixels.device)
        views = vary(pixels, preprocess, self.rules.augment, scenes)
        return views.to(memory_format=torch.channels_last)

    def _scenes(self, rows: Tensor, preprocess: Preprocess, device: torch.device) -> Scenes | None:
        """The cut-outs of these pictures, and photos to take backgrounds from; None if the recipe
        asks for no backdrops."""
        corpus = self.corpus
        if not (self.rules.augment.backdrops and corpus.backdrop_files):
            return None
        some = torch.randint(len(corpus.backdrop_files), (BACKDROPS_AT_ONCE,))
        photos = corpus.backdrops.pixels(some, preprocess, device)
        return Scenes(torch.from_numpy(corpus.cutouts[rows.numpy()]).to(device), photos)

    def texts(self, model: CIRModel, texts: Sequence[str]) -> tuple[Features, list[str]]:
        """Features of texts, and the texts as they were encoded: with noise, unless cached."""
        if self.rules.caches("text"):
            return self._cached_texts(texts), list(texts)
        written = noisy(texts, self.rules.augment)
        if model.fusion.reads_tokens:
            return self.encode(model, "text", written), written
        return without_tokens(self.pooled_texts(model, written)), written

    def pooled_texts(self, model: CIRModel, texts: Sequence[str]) -> Tensor:
        """Pooled features ``(N, D)`` of texts, encoded in groups of similar length: most phrases
        have few tokens, and padding all to the longest takes twice the time."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place].encode()))
        parts = [
            self.encode(model, "text", [texts[place] for place in part.tolist()]).pooled
            for part in torch.tensor(order).split(ALIKE_AT_ONCE)
        ]
        return torch.cat(parts)[torch.tensor(order).argsort()]

    def encode(self, model: CIRModel, side: Side, inputs: Any) -> Features:
        """Features of pixels or texts, with gradients if their tower trains."""
        tuned = self.rules.tunes(side)
        run = self._runner(model, side, tuned)
        if not tuned:
            with torch.no_grad():
                return run(inputs)
        if not self.rules.recompute:
            return run(inputs)
        parts = [
            checkpoint(run, inputs[start : start + RECOMPUTED_AT_ONCE], use_reentrant=False)
            for start in range(0, len(inputs), RECOMPUTED_AT_ONCE)
        ]
        return _joined(parts)

    def _runner(self, model: CIRModel, side: Side, tuned: bool) -> Callable[[Any], Features]:
        encoder, trunk = model.encoder, self.rules.tunes_trunk
        norms = not self.rules.frozen_norms and self.rules.trains != "heads"

        def images(pixels: Tensor) -> Features:
            with torch.set_grad_enabled(tuned and trunk):
                seen = encoder.trunk_features(pixels)
            return encoder.project(seen)

        encode = images if side == "image" else encoder.texts

        def run(part: Any) -> Features:
            # Set on each call: in the backward pass, activation checkpointing calls this again,
            # and by then the other tower may have set another mode.
            _set_mode(encoder, training=tuned, norms=norms)
            with self.rules.precision(distributed.device_of(model)):
                return as_float(encode(part))

        return run

    def plain_pictures(self, model: CIRModel, rows: Tensor) -> Features:
        """Features of pictures without augmentation, in evaluation mode and without gradients."""
        if self.rules.caches("image"):
            return as_float(model.encoder.project(self._pictures.features(rows)))
        pixels = self.corpus.pictures.pixels(rows, model.preprocess, distributed.device_of(model))
        size = (self.rules.size, self.rules.size)
        pixels = functional.interpolate(pixels, size, mode="bilinear", antialias=True)
        features = model.encoder.images(pixels)
        kept = slice(None) if model.fusion.reads_tokens else slice(0, 0)
        return Features(features.pooled.float(), features.tokens[:, kept], features.mask[:, kept])

    def plain_texts(self, model: CIRModel, texts: Sequence[str]) -> Features:
        """Features of texts without noise; in evaluation mode and without gradients."""
        if self.rules.caches("text"):
            return self._cached_texts(texts)
        return as_float(model.encoder.texts(list(texts)))

    def _cached_texts(self, texts: Sequence[str]) -> Features:
        rows = torch.tensor([self._text_place[text] for text in texts], dtype=torch.int64)
        return self._texts.features(rows)

    def all_pooled(self, model: CIRModel) -> Tensor:
        """Pooled features of every picture of the corpus, without augmentation: ``(N, D)``."""
        parts = torch.arange(len(self.corpus.files)).split(ENCODED_AT_ONCE)
        if not self.rules.caches("image"):
            return torch.cat([self.plain_pictures(model, rows).pooled for rows in parts])
        trunk = (without_tokens(self._pictures.pooled[rows, 0].float()) for rows in parts)
        return torch.cat([model.encoder.project(part).pooled.float() for part in trunk])


def possible_references(corpus: Corpus, table: QueryTable, rules: EncodingRules) -> list[int]:
    """Rows of the pictures that can be a query's reference: where queries are resampled from a
    catalogue, any of its pictures."""
    found = set(table.references.tolist())
    for part in corpus.parts:
        if rules.resampled and part.catalogue:
            found.update(range(part.first, part.last))
    return sorted(found)


def as_float(features: Features) -> Features:
    """Features in fp32, whatever precision they were computed in."""
    return Features(features.pooled.float(), features.tokens.float(), features.mask)


def _joined(parts: Sequence[Features]) -> Features:
    """Features of parts as one; texts of several parts are padded to the longest."""
    longest = max(part.tokens.shape[1] for part in parts)

    def padded(values: Tensor) -> Tensor:
        room = (0, 0) * (values.ndim - 2) + (0, longest - values.shape[1])
        return functional.pad(values, room)

    return Features(
        torch.cat([part.pooled for part in parts]),
        torch.cat([padded(part.tokens) for part in parts]),
        torch.cat([padded(part.mask) for part in parts]),
    )


def _set_mode(encoder: Any, *, training: bool, norms: bool) -> None:
    """Training or not; batch norms train only if ``norms``."""
    encoder.train(training)
    for module in encoder.modules():
        if is_batch_norm(module):
            module.train(training and norms)


def is_batch_norm(module: nn.Module) -> bool:
    """Whether a module is a batch norm of any dimension."""
    return isinstance(module, nn.modules.batchnorm._BatchNorm)
