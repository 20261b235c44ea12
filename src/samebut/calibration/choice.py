"""Chooses the composition for a gallery, by queries made from its own table or given by its user.

No composition is best everywhere. On the queries of one half of the references the composition with
the best mean of R@1 and R@10 is chosen. The queries of the other half compare it with the model's
default: it is taken only if the whole 95 % interval of its gain there is above zero.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samebut import catalog, metrics
from samebut.calibration.pictures import encode
from samebut.composition.choice import Choice
from samebut.composition.made import Asked, Made
from samebut.composition.rows import read
from samebut.data import triplets
from samebut.data.benchmark import Query
from samebut.embedding import Floats
from samebut.errors import DataError
from samebut.language import lexicon
from samebut.loader import Progress, silent
from samebut.metrics import NOBODY, Ints, Values
from samebut.query_maker.queries import CatalogueQueries, QueryRules
from samebut.query_maker.relative_captions import RelativeCaptions
from samebut.remote import Place
from samebut.runtime import FeatureArrays, Model

TRIED = (
    *(f"sum:{weight}" for weight in (0.5, 1, 2)),
    *(f"slerp:{weight}" for weight in (0.35, 0.65, 0.8)),
    *(f"blend:{share}:sum:1" for share in (0.25, 0.5, 0.75)),
    *(f"blend:{share}:slerp:0.65" for share in (0.25, 0.5, 0.75)),
)
"""Compositions of one vector: they take a text weight, and answer as fast as the model's own."""
MOST = 1_000  # queries
OF_ONE = 3  # queries of one reference
LEAST = 100  # queries: with fewer, differences are not significant
LANGUAGES = 0.5  # share of Chinese
SAMPLES = 2_000
AT_ONCE = 64
CHANGING, GROUPS = ("colour", "article", "pattern", "material"), ("gender",)
HINT = "Index with a table that says colours or kinds, or give your own queries: --triplets FOLDER."


@dataclass(frozen=True)
class Tried:
    """One composition: its mean of R@1 and R@10 on the half that chooses and on the half that
    judges, and its gain there over the model's own, in percent, with a 95 % interval."""

    name: str
    chosen_by: float
    judged: float
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """Every composition that was tried, the model's own first, and the choice, if any."""

    tried: tuple[Tried, ...]
    queries: int
    choice: Choice | None
    best: str


def of_table(rows: Mapping[str, Mapping[str, str]], seed: int = 0) -> list[Query]:
    """Queries made from a table's columns of colour, kind, pattern and material.

    DataError: it has none of these, or gives too few queries.
    """
    columns = {name for row in rows.values() for name in row}
    ours = {name: lexicon.column(name) for name in sorted(columns, key=lexicon.sureness)}
    told = [
        {kind: row[name] for name, kind in reversed(ours.items()) if name in row}
        for row in rows.values()
    ]
    there = {kind for row in told for kind in row}
    attributes = tuple(kind for kind in CHANGING if kind in there)
    if not attributes:
        raise DataError("the gallery has no table that says what its pictures show", hint=HINT)
    rules = QueryRules(
        attributes, tuple(kind for kind in GROUPS if kind in there), chinese=LANGUAGES
    )
    queries = CatalogueQueries([*rows], told, rules, RelativeCaptions.read())
    rng = random.Random(seed)
    shown = rng.sample(queries.references, min(MOST, len(queries.references)))
    return [query for each in shown for query in queries.ask(rng, each, OF_ONE)][:MOST]


def of_folder(root: Path, split: str, pictures: Sequence[str]) -> list[Query]:
    """The user's own queries of ``root/SPLIT``, about these pictures; others are left out."""
    queries = triplets.read(root, split).queries
    named = {name for query in queries for name in (query.reference, *query.targets)}
    there = catalog.match(sorted(named), pictures).pictures
    return [
        Query(
            query.id,
            there[query.reference],
            query.texts,
            tuple(there[name] for name in query.targets if name in there),
            language=query.language,
        )
        for query in queries
        if query.reference in there and any(name in there for name in query.targets)
    ][:MOST]


def references(
    model: Model, folder: Place, queries: Sequence[Query], progress: Progress = silent
) -> FeatureArrays:
    """Features of each query's reference (Q, ...), which lies in ``folder``, each encoded once.

    DataError names one that can't be opened.
    """
    shown = [*dict.fromkeys(query.reference for query in queries)]
    pictures = encode(model, {name: folder / name for name in shown}, progress)
    row = {name: number for number, name in enumerate(shown)}
    return pictures[[row[query.reference] for query in queries]]


def measure(
    model: Model,
    names: Sequence[str],
    embeddings: Floats,
    queries: Sequence[Query],
    image: FeatureArrays,
) -> Measured:
    """Try every composition on ``queries`` about the pictures ``names``, whose ``embeddings
    (N, D)`` are in their order; ``image`` are the features of the queries' references.

    DataError: there are too few queries.
    """
    if len(queries) < LEAST:
        raise DataError(
            f"{len(queries)} queries are too few to choose a composition; at least {LEAST} are "
            "needed",
            hint=HINT,
        )
    asking = _Asking.of(model, names, embeddings, queries, image)
    shown = [*dict.fromkeys(query.reference for query in queries)]
    chooses = np.array([catalog.in_val(name, 0.5) for name in shown])
    if not 0 < chooses.sum() < len(chooses):
        raise DataError(
            "the queries are about too few pictures to be split in two halves", hint=HINT
        )
    row = {name: number for number, name in enumerate(shown)}
    owners = np.array([row[query.reference] for query in queries])
    usual = model.usual
    # Queries of one picture are not independent, so each picture counts once.
    values = {name: _means(asking.values(name), owners) for name in (usual, *TRIED)}
    tried = tuple(
        Tried(
            name,
            100 * found[chooses].mean(),
            100 * found[~chooses].mean(),
            *gain(found[~chooses] - values[usual][~chooses]),
        )
        for name, found in values.items()
    )
    best = max(tried, key=lambda each: each.chosen_by)  # the first of equals: the model's own
    choice = None
    if best.low > 0:
        choice = Choice(
            model.fingerprint, best.name, len(queries), (best.gain, best.low, best.high)
        )
    return Measured(tried, len(queries), choice, best.name)


def _means(values: Values, owners: NDArray[np.intp]) -> Values:
    """The mean over the queries of each reference."""
    return np.asarray(np.bincount(owners, values) / np.bincount(owners))


def gain(differences: Values, seed: int = 0) -> tuple[float, float, float]:
    """The mean of ``differences (Q,)`` and its 95 % bootstrap interval, in percent."""
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(differences, len(differences)).mean() for _ in range(SAMPLES)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return 100 * float(differences.mean()), 100 * float(low), 100 * float(high)


@dataclass(frozen=True)
class _Asking:
    """Queries with the pooled features ``image`` and ``text (Q, D)``, and their right answers."""

    model: Model
    embeddings: Floats
    image: Floats
    text: Floats
    said: Sequence[str]
    own: tuple[Floats, Floats]
    references: Ints
    targets: Ints

    @classmethod
    def of(
        cls,
        model: Model,
        names: Sequence[str],
        embeddings: Floats,
        queries: Sequence[Query],
        image: FeatureArrays,
    ) -> _Asking:
        place = {name: row for row, name in enumerate(names)}
        longest = max(len(query.targets) for query in queries)
        targets = np.full((len(queries), longest), NOBODY, np.int32)
        for line, query in zip(targets, queries, strict=True):
            line[: len(query.targets)] = [place[name] for name in query.targets]
        references = np.array([place[query.reference] for query in queries], np.int32)
        texts, owns = [], []
        for start in range(0, len(queries), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            words = model.encode_texts([query.texts[0] for query in queries[part]])
            composed = model.compose(image[part], words)
            owns.append((composed.embedding, composed.gate))
            texts.append(words.pooled)
        own = np.concatenate([each for each, _ in owns]), np.concatenate([g for _, g in owns])
        text = np.concatenate(texts)
        said = [query.texts[0] for query in queries]
        return cls(model, embeddings, image.pooled, text, said, own, references, targets)

    def values(self, name: str) -> Values:
        """The mean of R@1 and R@10 of each query by one composition, (Q,)."""
        made = self._made(name)
        ranked = metrics.rank(
            made.embedding if made.pair is None else made.pair,
            self.embeddings,
            1,
            drop=self.references,
            named=self.targets,
        )
        return (metrics.recall(ranked.ranks, 1) + metrics.recall(ranked.ranks, 10)) / 2

    def _made(self, name: str) -> Made:
        model = self.model
        if name == model.fusions[0]:
            return Made(*self.own)
        asked = Asked(
            self.image,
            self.text,
            lambda: self.own,
            lambda: model.corpora,
            kinds=lambda: model.kinds,
            said=self.said,
        )
        return read(name).make(asked)
