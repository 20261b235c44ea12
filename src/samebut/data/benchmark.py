"""What a benchmark is: a gallery of picture files, queries over it, and the rules of scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samebut.errors import DataError


@dataclass(frozen=True, slots=True)
class Query:
    """One composed query. Pictures are named by their id in ``Benchmark.images``.

    ``texts`` are the relative captions; a protocol that joins several has done so already, one
    that averages the embeddings of several keeps them apart. ``targets`` are all right answers,
    the annotated one first. ``subset`` (or None) are the members of the query's hard subset,
    the reference among them; only ``targets[0]`` counts there.
    """

    id: str
    reference: str
    texts: tuple[str, ...]
    targets: tuple[str, ...]
    subset: tuple[str, ...] | None = None
    group: str = ""  # macro averages are over groups: a FashionIQ category, a kind of change
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Rules:
    """How a ranking is scored. Every number printed names these.

    ``recall`` and ``subset_recall``: the K of Recall@K and RecallSubset@K.
    ``average_precision``: the K of mAP@K as CIRCO defines it, AP@K = sum of P(k) rel(k) over
    k <= K, divided by min(number of targets, K).
    ``drop_reference``: the reference is taken out of the ranking before anything is counted.
    ``macro``: headline numbers are means over groups, not over queries.
    """

    recall: tuple[int, ...] = (1, 5, 10, 50)
    subset_recall: tuple[int, ...] = ()
    average_precision: tuple[int, ...] = ()
    drop_reference: bool = True
    macro: bool = False


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A gallery with queries and rules. ``images`` maps a picture's id to its file, in order."""

    name: str
    split: str
    images: dict[str, Path]
    queries: tuple[Query, ...]
    rules: Rules = field(default_factory=Rules)
    protocol: str = ""  # one line that says every choice a reader made

    def require_images(self) -> None:
        """Raise DataError with the count and the first names if picture files are missing."""
        missing = [path for path in self.images.values() if not path.is_file()]
        if missing:
            raise DataError(
                f"{self.name} {self.split}: {len(missing):,} of {len(self.images):,} pictures "
                f"are missing, {_first_names(missing)}",
                hint="A benchmark is never scored on a part of its gallery; fetch the missing ones.",
            )

    def require_consistent(self) -> None:
        """Raise DataError if a query names a picture that is not in the gallery, or ids repeat."""
        unknown = [
            f"{query.id} → {name}"
            for query in self.queries
            for name in (query.reference, *query.targets, *(query.subset or ()))
            if name not in self.images
        ]
        if unknown:
            raise DataError(
                f"{self.name} {self.split}: {len(unknown):,} pictures named by queries are not in "
                f"the gallery, {_first_names(unknown)}"
            )
        seen: set[str] = set()
        repeated = [q.id for q in self.queries if q.id in seen or seen.add(q.id)]  # type: ignore[func-returns-value]
        if repeated:
            raise DataError(
                f"{self.name} {self.split}: {len(repeated):,} query ids are used twice, "
                f"{_first_names(repeated)}"
            )


def _first_names(things: Sequence[object], count: int = 3) -> str:
    more = ", …" if len(things) > count else ""
    return "first: " + ", ".join(str(thing) for thing in things[:count]) + more
