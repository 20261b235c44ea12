"""Tasks: what a stage of training does with a corpus. A new one is a class and a row of TASKS in
``plan.py``."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from samebut.catalog import NOT_ATTRIBUTES
from samebut.errors import RecipeError
from samebut.learning import captions, processes
from samebut.learning.attributes import attributes_of, heads_for, naming_loss
from samebut.learning.corpus import Composed, Corpus
from samebut.learning.encoders import Encoder, Features
from samebut.learning.losses import info_nce
from samebut.learning.model import CIRModel, unit
from samebut.learning.pictures import vary
from samebut.learning.recipe import Recipe, Stage
from samebut.learning.staying import Anchor
from samebut.learning.writing import written

MOST_QUERIES_OF_A_REFERENCE = 3  # in one batch: more would make the batch about one picture
ROUND_NUMBER = 32  # of pictures in a batch of Compose
LARGEST_SCALE = 100.0  # CLIP's clip of the learned temperature


class Drawn(NamedTuple):
    """A query as a batch has it: one of its targets, one way to say it, and wrong answers that
    come along."""

    query: Composed
    target: int
    text: str
    wrong: tuple[int, ...]

    @property
    def pictures(self) -> tuple[int, ...]:
        return (self.query.reference, self.target, *self.wrong)


class Learner(nn.Module):
    """The model and what is learned beside it and thrown away: the temperature, and ``heads``."""

    def __init__(self, model: CIRModel, temperature: float, heads: nn.Module | None = None) -> None:
        super().__init__()
        self.model = model
        self.heads = nn.ModuleList() if heads is None else heads
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))

    @property
    def scale(self) -> Tensor:
        return self.log_scale.exp().clamp(max=LARGEST_SCALE)


class Task:
    """What a stage does with a corpus. Only ``batches`` and ``loss`` have to be said."""

    trains: str = ""
    """What the names of the weights that it changes begin with: ``fusion.``, say; empty: all."""

    def heads(self, dim: int) -> nn.Module:
        """What is learned in this stage beside a model whose features are ``dim`` wide."""
        return nn.ModuleList()

    def batches(self, dice: random.Random) -> Iterator[Any]:
        """An epoch's batches, whole ones; all chance is taken from ``dice``."""
        raise NotImplementedError

    def loss(self, learner: Learner, batch: Any) -> Tensor:
        """The loss of this process's part of a batch."""
        raise NotImplementedError

    def part(self, batch: Any) -> Any:
        """What ``loss`` is given of a batch, where several processes share the work."""
        return processes.own_part(batch)

    def check(self, model: CIRModel) -> None:
        """Raise RecipeError if the stage can't train this model; asked before the first stage."""

    def start(self, model: CIRModel) -> None:
        """Once, with the model as the stage found it, also where a killed run goes on."""

    def prepare(self, learner: Learner, folder: Path, cache: Path) -> None:
        """Once, before the first step; ``folder`` is the stage's, ``cache`` the run's."""

    def begin(self, learner: Learner, epoch: int) -> None:
        """Before the first step of an epoch, also of one that a killed run had begun."""

    def compose(self, model: CIRModel, image: Features, text: Features) -> Tensor:
        """The queries that the stage is scored by, unit length: ``(B, D)``."""
        return model.compose(image, text)


class Align(Task):
    """Pictures and captions into one space (Radford et al. 2021), equal attributes as positives.

    With ``stage.attributes`` a head for each column of the catalogue names its value from the
    pooled picture: on few pictures that teaches more in the same time (docs/log.md).
    """

    def __init__(
        self, corpus: Corpus, stage: Stage, recipe: Recipe, *, beside: bool = False
    ) -> None:
        """``beside``: another loss leads; captions count only if the stage says so."""
        self.corpus, self.stage, self.recipe = corpus, stage, recipe
        self.captions = stage.captions or float(not (beside or stage.attributes))
        names = [
            tuple(value for column, value in row.items() if column not in NOT_ATTRIBUTES)
            for row in corpus.rows
        ]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        self.kinds = torch.tensor([numbers[name] for name in names])
        self.known = attributes_of(corpus.rows) if stage.attributes else {}
        self.anchor: Anchor | None = None
        self.attributes = {
            name: labels
            for name, labels in self.known.items()
            if not stage.columns or name in stage.columns
        }

    def heads(self, dim: int) -> nn.ModuleList:
        return heads_for(self.attributes, dim, self.stage.prototypes)

    def check(self, model: CIRModel) -> None:
        if self.stage.attributes and not self.known:
            raise RecipeError(
                f"{self.stage.task}: attributes are to be learned, and no column of a catalogue "
                "has values that several pictures share",
                hint="Add a catalog.csv with such columns, or leave attributes out.",
            )
        if (self.stage.columns or self.stage.prototypes) and not self.stage.attributes:
            raise RecipeError(
                f"{self.stage.task}: columns and prototypes say how attributes are named, and none "
                "are to be",
                hint="Give attributes a weight, or leave the others out.",
            )
        folders = [part.name for part in self.corpus.parts]
        for name in self.stage.stay:
            if name not in folders:
                raise RecipeError(
                    f"{self.stage.task}: what is known of '{name}' is to stay, and the stage does "
                    "not learn from it",
                    hint=f"It learns from: {', '.join(folders)}.",
                )
        for name in self.stage.columns:
            if name not in self.known:
                raise RecipeError(
                    f"{self.stage.task}: a column '{name}' is to be named, and no catalogue has "
                    "one with values that several pictures share",
                    hint=f"Known: {', '.join(self.known)}.",
                )

    def batches(self, dice: random.Random) -> Iterator[tuple[list[int], list[str]]]:
        order = dice.sample(range(len(self.corpus.rows)), len(self.corpus.rows))
        for start in range(0, len(order) - self.stage.batch + 1, self.stage.batch):
            rows = order[start : start + self.stage.batch]
            yield rows, self.captions_of(rows, dice)

    def captions_of(self, rows: Sequence[int], dice: random.Random) -> list[str]:
        """A caption of each picture; none at all if the stage does not learn from them."""
        if not self.captions:
            return []
        return [captions.caption(self.corpus.rows[row], dice) for row in rows]

    def start(self, model: CIRModel) -> None:
        if any(self.stage.stay.values()):
            self.anchor = Anchor(model, self.corpus, self.stage.stay)

    def loss(self, learner: Learner, batch: tuple[list[int], list[str]]) -> Tensor:
        rows, texts = batch
        images, before = self.encode(learner.model, rows)
        loss = self.picture_loss(learner, images, rows, texts)
        if self.anchor and before:
            loss = loss + self.anchor.away(images.pooled, before.pooled, rows)
        return loss

    def encode(self, model: CIRModel, rows: Sequence[int]) -> tuple[Features, Features | None]:
        """Features of a random view of each picture; if the stage stays near what it began with,
        also those that it began with."""
        views = views_of(model, self.corpus, rows, self.stage, self.recipe)
        images = encode_pictures(model.encoder, views, self.recipe)
        if not self.anchor:
            return images, None
        with torch.no_grad():
            return images, encode_pictures(self.anchor.model.encoder, views, self.recipe)

    def picture_loss(
        self, learner: Learner, images: Features, rows: Sequence[int], texts: list[str]
    ) -> Tensor:
        """Captions and attributes of pictures, as the stage weighs them."""
        loss = images.pooled.new_zeros((), dtype=torch.float32)
        if self.captions:
            loss = loss + self.captions * self.caption_loss(learner, images, rows, texts)
        if self.stage.attributes:
            named = naming_loss(learner.heads, self.attributes, images.pooled.float(), rows)
            loss = loss + self.stage.attributes * named
        return loss

    def caption_loss(
        self, learner: Learner, images: Features, rows: Sequence[int], texts: list[str]
    ) -> Tensor:
        kinds = self.kinds[torch.tensor(rows)]
        same = (kinds[:, None] == kinds[None, :]).to(images.pooled.device)
        said = written(texts, self.recipe.augment)
        pictures = unit(images.pooled)
        words = unit(encode_texts(learner.model, said, self.recipe).pooled)
        there = info_nce(pictures, words, same, scale=learner.scale)
        back = info_nce(words, pictures, same, scale=learner.scale)
        return (there + back) / 2


class Compose(Task):
    """Queries to their targets, encoders and fusion together.

    Candidates are all pictures of the batch, references too; a query's own reference does not
    count. Queries of one reference come together, so each picture is encoded once and neighbours
    stand against each other as hard negatives; so do, with ``stage.similar``, those of references
    that are alike. With ``stage.wrong`` queries bring wrong answers of their hard subsets along.
    """

    def __init__(self, corpus: Corpus, stage: Stage, recipe: Recipe) -> None:
        self.corpus, self.stage, self.recipe = corpus, stage, recipe
        self.align = Align(corpus, stage, recipe, beside=True)

    def heads(self, dim: int) -> nn.ModuleList:
        return self.align.heads(dim)

    def start(self, model: CIRModel) -> None:
        self.align.start(model)

    def check(self, model: CIRModel) -> None:
        self.align.check(model)
        if self.stage.fresh and not any(part.catalogue for part in self.corpus.parts):
            raise RecipeError(
                "compose: queries are to be drawn anew, and nothing says how",
                hint="Add [fresh.NAME] with attributes for a NAME of --data, or leave fresh out.",
            )
        if self.stage.similar > 1 and not self._alike():
            raise RecipeError(
                "compose: similar pictures are to come together, and no query has a hard subset "
                "that says which are similar",
                hint="Give queries a subset, as samebut triplets does, or leave similar out.",
            )
        if self.stage.wrong and not any(query.wrong for query in self.corpus.queries):
            raise RecipeError(
                "compose: wrong answers are to come along, and no query has a hard subset that "
                "says which are near",
                hint="Give queries a subset, as samebut triplets does, or leave wrong out.",
            )

    def batches(self, dice: random.Random) -> Iterator[list[Drawn]]:
        by_reference: dict[int, list[Composed]] = {}
        for part in self.corpus.parts:
            for query in part.draw(dice, self.stage.fresh, subsets=self.stage.wrong > 0):
                by_reference.setdefault(query.reference, []).append(query)
        groups = []
        for queries in by_reference.values():
            order = dice.sample(queries, len(queries))
            step = MOST_QUERIES_OF_A_REFERENCE
            groups += [order[start : start + step] for start in range(0, len(order), step)]
        dice.shuffle(groups)
        flat = [
            Drawn(
                query,
                dice.choice(query.targets),
                dice.choice(query.texts),
                self._wrong(query, dice),
            )
            for group in self._similar_together(groups, dice)
            for query in group
        ]
        for start in range(0, len(flat) - self.stage.batch + 1, self.stage.batch):
            yield flat[start : start + self.stage.batch]

    def _wrong(self, query: Composed, dice: random.Random) -> tuple[int, ...]:
        return tuple(dice.sample(query.wrong, min(self.stage.wrong, len(query.wrong))))

    def _alike(self) -> dict[int, tuple[int, ...]]:
        """What is alike in the folders where it is to come together."""
        wanted = self.stage.similar_in
        parts = [part for part in self.corpus.parts if not wanted or part.name in wanted]
        return {row: others for part in parts for row, others in part.alike.items()}

    def _similar_together(
        self, groups: list[list[Composed]], dice: random.Random
    ) -> list[list[Composed]]:
        """All groups once, each with up to ``similar - 1`` groups of references like its own."""
        if self.stage.similar <= 1:
            return groups
        waiting: dict[int, list[list[Composed]]] = {}
        for group in reversed(groups):
            waiting.setdefault(group[0].reference, []).append(group)
        alike = self._alike()
        clumps = []
        for group in groups:
            row = group[0].reference
            if not waiting[row] or waiting[row][-1] is not group:
                continue  # it has followed another
            near = [row, *dice.sample(alike.get(row, ()), len(alike.get(row, ())))]
            chosen = [each for each in near if waiting.get(each)][: self.stage.similar]
            clumps.append([waiting[each].pop() for each in chosen])
        # Large clumps were found first: in that order an epoch would end on what is like nothing.
        dice.shuffle(clumps)
        return [group for clump in clumps for group in clump]

    def _pictures_of(self, batch: list[Drawn]) -> list[int]:
        """References, targets and wrong answers of a batch, and further pictures up to a round
        number.

        Those are candidates too. Of every number that it meets the convolution library keeps
        its kernels and scratch memory: without rounding, gigabytes in an hour.
        """
        rows = sorted({row for each in batch for row in each.pictures})
        total = min(-(-len(rows) // ROUND_NUMBER) * ROUND_NUMBER, len(self.corpus.files))
        dice, there = random.Random(f"{rows}"), set(rows)
        while len(rows) < total:
            row = dice.randrange(len(self.corpus.files))
            if row not in there:
                there.add(row)
                rows.append(row)
        return rows

    def loss(self, learner: Learner, batch: list[Drawn]) -> Tensor:
        model, anchor = learner.model, self.align.anchor
        rows = self._pictures_of(batch)
        place = {row: number for number, row in enumerate(rows)}
        asked = [each.query.reference for each in batch]
        references = torch.tensor([place[row] for row in asked])
        texts = written([each.text for each in batch], self.recipe.augment)
        images, before = self.align.encode(model, rows)
        queries = self._composed(model, images[references], texts)
        positives = torch.zeros(len(batch), len(rows), dtype=torch.bool)
        for number, each in enumerate(batch):
            positives[number, [place[row] for row in each.query.targets if row in place]] = True
        allowed = torch.ones_like(positives)
        allowed[torch.arange(len(batch)), references] = False
        loss = info_nce(
            queries,
            unit(images.pooled),
            positives.to(queries.device),
            scale=learner.scale,
            allowed=allowed.to(queries.device),
        )
        said = self.align.captions_of(rows, random.Random(rows[0]))
        loss = loss + self.align.picture_loss(learner, images, rows, said)
        if anchor and before:
            with torch.no_grad():
                once = self._composed(anchor.model, before[references], texts)
            loss = loss + anchor.away(images.pooled, before.pooled, rows)
            loss = loss + anchor.away(queries, once, asked)
        return loss

    def _composed(self, model: CIRModel, references: Features, texts: list[str]) -> Tensor:
        words = encode_texts(model, texts, self.recipe)
        return model.compose(_float(references), _float(words))


def views_of(
    model: CIRModel, corpus: Corpus, rows: Sequence[int], stage: Stage, recipe: Recipe
) -> Tensor:
    """A random view of each picture, in the stage's size, on the model's device."""
    preprocess = replace(model.preprocess, size=stage.size or recipe.size)
    device = processes.device_of(model)
    pixels = corpus.pictures.pixels(torch.tensor(rows), preprocess, device)
    views = vary(pixels, preprocess, recipe.augment)
    return views.to(memory_format=torch.channels_last)


def encode_pictures(encoder: Encoder, views: Tensor, recipe: Recipe) -> Features:
    """Features of pictures, in the recipe's precision."""
    with precision(recipe, views.device):
        return encoder.images(views)


def encode_texts(model: CIRModel, texts: list[str], recipe: Recipe) -> Features:
    """Features of texts, in the recipe's precision."""
    with precision(recipe, processes.device_of(model)):
        return model.encoder.texts(texts)


def precision(recipe: Recipe, device: torch.device) -> torch.autocast:
    """bf16 arithmetic in the model if the recipe says so; unit length and losses stay in fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16")


def _float(features: Features) -> Features:
    return Features(features.pooled.float(), features.tokens.float(), features.mask)
