"""Features and annotations drawn from a seed, for the tests that compare with published code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samebut.embedding import unit
from samebut.metrics import Floats, Ints


@dataclass(frozen=True)
class Drawn:
    """``queries`` (Q, D) lie near ``gallery[targets[:, 0]]`` (N, D); ``targets`` is padded with
    -1; ``references`` (Q,); ``subsets`` (Q, 6) hold reference and first target."""

    queries: Floats
    gallery: Floats
    targets: Ints
    references: Ints
    subsets: Ints


def drawn(seed: int, queries: int, pictures: int, *, dim: int = 64, most_targets: int = 1) -> Drawn:
    random = np.random.default_rng(seed)
    gallery = unit(random.standard_normal((pictures, dim)))
    places = np.argsort(random.random((queries, pictures)), axis=1)[:, : 7 + most_targets]
    counts = random.integers(1, most_targets + 1, queries)
    targets = places[:, :most_targets].copy()
    targets[np.arange(most_targets) >= counts[:, None]] = -1
    references, rest = places[:, most_targets], places[:, most_targets + 1 : most_targets + 5]
    subsets = np.column_stack([references, targets[:, 0], rest])
    noise = 3.0 * random.standard_normal((queries, dim)) / np.sqrt(dim)
    return Drawn(
        unit(gallery[targets[:, 0]] + noise),
        gallery,
        targets.astype(np.int32),
        references.astype(np.int32),
        random.permuted(subsets, axis=1).astype(np.int32),
    )


ASPECTS = (
    "cardinality",
    "addition",
    "negation",
    "direct_addressing",
    "compare_change",
    "comparative_statement",
    "statement_with_conjunction",
    "spatial_relations_background",
    "viewpoint",
)


def aspects_of(query: int) -> list[str]:
    """Some of CIRCO's nine aspects, differing from query to query."""
    return [name for i, name in enumerate(ASPECTS) if (query >> (i % 4)) % 3 == i % 3]


def listed_of(features: Drawn, seed: int) -> tuple[list[list[int]], list[list[int | None]]]:
    """Right and wrong answers of each query as PinPoint lists them: some twice, some of both."""
    random = np.random.default_rng(seed)
    right: list[list[int]] = []
    wrong: list[list[int | None]] = []
    for query, row in zip(features.queries, features.targets, strict=True):
        targets = [int(place) for place in row if place >= 0]
        right.append([*targets, *targets[: random.integers(0, 3)]])
        near = [int(place) for place in np.argsort(-(features.gallery @ query))[:40]]
        taken = random.permutation([place for place in near if place not in targets])
        named = [int(place) for place in taken[: random.integers(0, 30)]]
        both = targets[-1:] if random.random() < 0.2 else []
        wrong.append([*named, *named[:1], *both, *([None] if named else [])])
    return right, wrong


def wishes_of(queries: int) -> list[str]:
    """Which wish each query says in its own words: of one, two, three … queries."""
    sizes = [1 + wish % 7 for wish in range(queries)]
    return [str(wish) for wish, size in enumerate(sizes) for _ in range(size)][:queries]
