"""The two stages of the thesis (3.4.2): queries against their targets within a batch.

``tune`` trains the encoders under the plain sum, ``fuse`` the fusion on features of encoders that
are frozen, encoded once (Baldrati et al., CVPR Workshops 2022). Both contrast the same way and
differ in where features come from.

The candidates of a query are the targets of the whole batch, over all processes, and, if asked
for, mined negatives and the references of other queries. All its known targets among them are
positives, and its own reference does not count.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from samebut.errors import RecipeError
from samebut.learning import processes
from samebut.learning.batches import Batch, Triplets
from samebut.learning.corpus import Corpus
from samebut.learning.encoders import Features
from samebut.learning.features import Store, Views, picture_features, text_features
from samebut.learning.fusion import make_fusion
from samebut.learning.losses import gather, info_nce, symmetric_info_nce
from samebut.learning.model import CIRModel, unit
from samebut.learning.negatives import Schedule, mine
from samebut.learning.pictures import vary
from samebut.learning.recipe import Recipe, Stage
from samebut.learning.runs import say
from samebut.learning.tasks import Learner, Task, precision
from samebut.learning.writing import written

ENCODED_AT_ONCE = 256
RECOMPUTED_AT_ONCE = 32  # pictures or texts whose activations are in memory together
MINED_PER_QUERY_AT_ONCE = 512


class Contrast(Task, ABC):
    """What ``tune`` and ``fuse`` share: batches, candidates, mined negatives and the loss."""

    views = 1

    def __init__(self, corpus: Corpus, stage: Stage, recipe: Recipe) -> None:
        self.corpus, self.stage, self.recipe = corpus, stage, recipe
        self.triplets = Triplets(corpus.queries)
        self.schedule = Schedule(stage.mine_every, stage.mine_from) if stage.negatives else None
        self.negatives: Tensor | None = None
        self.folder = Path()

    @abstractmethod
    def encode(
        self, learner: Learner, batch: Batch
    ) -> tuple[Features, Features, Tensor, Tensor, Tensor]:
        """Of the rows of this process: features of references and texts, pooled features of
        targets ``(b, D)``, negatives ``(b M, D)`` and references ``(b, D)``."""

    @abstractmethod
    def everything(self, model: CIRModel) -> tuple[Tensor, Tensor]:
        """Unit-length queries ``(Q, D)`` and pictures ``(N, D)`` of the whole corpus, to mine."""

    def check(self, model: CIRModel) -> None:
        pictures = len(self.corpus.files)
        left = pictures - 1 - max(len(targets) for targets in self.triplets.known)
        if self.stage.negatives > left:
            raise RecipeError(
                f"{self.stage.negatives} negatives of each query can't be mined from {pictures:,} "
                f"pictures: a query has {left:,} wrong ones",
                hint="Make negatives smaller.",
            )

    def prepare(self, learner: Learner, folder: Path, cache: Path) -> None:
        self.folder, self.negatives = folder, None

    def begin(self, learner: Learner, epoch: int) -> None:
        """Mine, or read what was mined for this epoch before a kill."""
        since = self.schedule.mined_before(epoch) if self.schedule else None
        if since is None:
            return
        path = self.folder / f"negatives-{since}.npy"
        with processes.first_alone():
            if not path.exists():
                self._mine(learner.model, path)
        self.negatives = torch.from_numpy(np.load(path, allow_pickle=False))

    def batches(self, dice: random.Random) -> Iterator[Batch]:
        return self.triplets.batches(
            dice, self.stage.batch, negatives=self.negatives, views=self.views
        )

    def part(self, batch: Batch) -> Batch:
        """The whole batch: its masks need it. ``loss`` encodes this process's rows alone."""
        return batch

    def loss(self, learner: Learner, batch: Batch) -> Tensor:
        own = batch[processes.own_rows(len(batch))]
        image, text, *candidates = self.encode(learner, own)
        with precision(self.recipe, processes.device_of(learner)):
            composed = self.compose(learner.model, image, text)
        queries = gather(composed)
        kinds = [batch.targets, batch.negatives.flatten(), batch.references]
        wanted = [True, bool(batch.negatives.numel()), self.stage.references]
        rows = torch.cat([kind for kind, want in zip(kinds, wanted, strict=True) if want])
        pooled = torch.cat(
            [gather(each) for each, want in zip(candidates, wanted, strict=True) if want]
        )
        positives, allowed = self.triplets.marks(batch.queries, rows)
        contrast = symmetric_info_nce if self.stage.symmetric else info_nce
        return contrast(
            queries,
            unit(pooled),
            positives.to(queries.device),
            allowed=allowed.to(queries.device),
            scale=self.stage.scale or learner.scale,
            smoothing=self.stage.smoothing,
            hardness=self.stage.hardness,
            positive_weight=self.stage.positive_weight,
        )

    @torch.no_grad()
    def _mine(self, model: CIRModel, path: Path) -> None:
        say(f"{self.folder.name}: mining {self.stage.negatives} negatives a query")
        training = model.training
        model.eval()
        with precision(self.recipe, processes.device_of(model)):
            queries, pictures = self.everything(model)
        model.train(training)
        known = [
            (*targets, reference)
            for targets, reference in zip(
                self.triplets.known, self.triplets.references.tolist(), strict=True
            )
        ]
        found = mine(queries, pictures, known, self.stage.negatives, chunk=MINED_PER_QUERY_AT_ONCE)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, found.cpu().numpy(), allow_pickle=False)
        part.replace(path)
        for older in path.parent.glob("negatives-*.npy"):
            if older != path:
                older.unlink()


class Tune(Contrast):
    """Stage 1: the encoders, or one of them, under the plain sum or the recipe's fusion."""

    def __init__(self, corpus: Corpus, stage: Stage, recipe: Recipe) -> None:
        super().__init__(corpus, stage, recipe)
        own = recipe.fusion["name"]
        if stage.fusion not in ("sum", own):
            raise RecipeError(
                f"a stage 'tune' can't compose with '{stage.fusion}'",
                hint=f"It composes with the plain sum or the recipe's own fusion: sum, {own}.",
            )
        self.own_fusion = stage.fusion == own
        self.sum = make_fusion("sum", 1)
        self.trains = "" if self.own_fusion else "encoder."

    def check(self, model: CIRModel) -> None:
        super().check(model)
        module: Any = model.encoder
        norms = [part for part in module.modules() if _is_batch_norm(part)]
        if self.stage.checkpointing and norms and not self.stage.frozen_norms:
            raise RecipeError(
                "checkpointing encodes twice, so batch norms would count everything twice",
                hint="Set frozen_norms = true in the stage, or checkpointing = false.",
            )

    def compose(self, model: CIRModel, image: Features, text: Features) -> Tensor:
        if self.own_fusion:
            return model.compose(image, text)
        return functional.normalize(self.sum(image, text).float(), dim=-1)

    def encode(
        self, learner: Learner, batch: Batch
    ) -> tuple[Features, Features, Tensor, Tensor, Tensor]:
        kinds = (batch.references, batch.targets, batch.negatives.flatten())
        rows, place = torch.cat(kinds).unique(return_inverse=True)
        references, targets, negatives = place.split([len(kind) for kind in kinds])
        preprocess, device = learner.model.preprocess, processes.device_of(learner)
        pixels = self.corpus.pictures.pixels(rows, preprocess, device)
        pixels = vary(pixels, preprocess, self.recipe.augment)
        pixels = pixels.to(memory_format=torch.channels_last)
        images = self._encode(learner.model, "image", pixels)
        said = [self.triplets.texts[row] for row in batch.texts.tolist()]
        texts = self._encode(learner.model, "text", written(said, self.recipe.augment))
        pooled = images.pooled
        return images[references], texts, pooled[targets], pooled[negatives], pooled[references]

    def everything(self, model: CIRModel) -> tuple[Tensor, Tensor]:
        tokens = self.own_fusion and model.fusion.reads_tokens
        images = [self._plain(model, rows) for rows in _parts(len(self.corpus.files))]
        pooled = torch.cat([part.pooled for part in images])
        queries = []
        for rows in _parts(len(self.triplets)):
            references = self.triplets.references[rows]
            image = (
                self._plain(model, references)
                if tokens
                else Store(pooled.unsqueeze(1)).features(references)
            )
            said = [self.triplets.texts[row] for row in self.triplets.first_texts[rows].tolist()]
            queries.append(self.compose(model, image, model.encoder.texts(said)))
        return torch.cat(queries), unit(pooled)

    def _plain(self, model: CIRModel, rows: Tensor) -> Features:
        """Features of pictures that are not varied."""
        device = processes.device_of(model)
        pixels = self.corpus.pictures.pixels(rows, model.preprocess, device)
        size = (self.recipe.size, self.recipe.size)
        pixels = functional.interpolate(pixels, size, mode="bilinear", antialias=True)
        features = model.encoder.images(pixels)
        pooled = features.pooled.float()
        if self.own_fusion and model.fusion.reads_tokens:
            return Features(pooled, features.tokens, features.mask)
        return Features(pooled, features.tokens[:, :0], features.mask[:, :0])

    def _encode(self, model: CIRModel, side: str, inputs: Any) -> Features:
        """Features of ``inputs`` by the tower ``side``, with gradients if it is tuned."""
        tuned = self.stage.encoder in ("both", side)
        encode = model.encoder.images if side == "image" else model.encoder.texts

        def run(part: Any) -> Features:
            # Set each time: going back, a checkpoint runs this once more, after the other tower.
            _set_mode(model.encoder, training=tuned, norms=not self.stage.frozen_norms)
            with precision(self.recipe, processes.device_of(model)):
                features = encode(part)
            return Features(features.pooled.float(), features.tokens.float(), features.mask)

        if not tuned:
            with torch.no_grad():
                return run(inputs)
        if not self.stage.checkpointing:
            return run(inputs)
        return _joined(
            [
                checkpoint(run, inputs[start : start + RECOMPUTED_AT_ONCE], use_reentrant=False)
                for start in range(0, len(inputs), RECOMPUTED_AT_ONCE)
            ]
        )


class Fuse(Contrast):
    """Stage 2: the fusion, on features of frozen encoders that are encoded once and kept."""

    trains = "fusion."

    def __init__(self, corpus: Corpus, stage: Stage, recipe: Recipe) -> None:
        super().__init__(corpus, stage, recipe)
        self.views = stage.views
        self.pictures = self.words = Store(torch.empty(0, 1, 0))

    def check(self, model: CIRModel) -> None:
        super().check(model)
        if not any(True for _ in model.fusion.parameters()):
            raise RecipeError(
                f"the fusion '{model.fusion_name}' has nothing to learn",
                hint="Leave out the stage 'fuse', or choose a fusion with weights.",
            )

    def prepare(self, learner: Learner, folder: Path, cache: Path) -> None:
        super().prepare(learner, folder, cache)
        model = learner.model
        tokens = model.fusion.reads_tokens
        views = Views(
            self.views, self.corpus.preprocess, self.recipe.augment, seed=self.recipe.seed
        )
        self.pictures = picture_features(
            model.encoder,
            self.corpus.files,
            model.preprocess,
            cache,
            tokens_of=self.triplets.references.tolist() if tokens else (),
            views=views,
        ).to(processes.device_of(model))
        self.words = text_features(model.encoder, self.triplets.texts, cache, tokens=tokens).to(
            processes.device_of(model)
        )

    def encode(
        self, learner: Learner, batch: Batch
    ) -> tuple[Features, Features, Tensor, Tensor, Tensor]:
        views = batch.views
        image = self.pictures.features(batch.references, views[:, 0])
        pooled = self.pictures.pooled
        return (
            image,
            self.words.features(batch.texts),
            pooled[batch.targets, views[:, 1]].float(),
            pooled[batch.negatives.flatten(), views[:, 2:].flatten()].float(),
            image.pooled,
        )

    def everything(self, model: CIRModel) -> tuple[Tensor, Tensor]:
        queries = [
            self.compose(
                model,
                self.pictures.features(self.triplets.references[rows]),
                self.words.features(self.triplets.first_texts[rows]),
            )
            for rows in _parts(len(self.triplets))
        ]
        return torch.cat(queries), unit(self.pictures.pooled[:, 0])


def _parts(total: int) -> Iterator[Tensor]:
    return iter(torch.arange(total).split(ENCODED_AT_ONCE))


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
        if _is_batch_norm(module):
            module.train(training and norms)


def _is_batch_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm)
