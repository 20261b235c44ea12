"""What a benchmark is: a gallery of picture files, queries over it, and the rules of scoring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    aspects: tuple[str, ...] = ()  # what the text asks for, as CIRCO labels it; may be several


@dataclass(frozen=True, slots=True)
class Rules:
    """How a ranking is scored. Every number printed names these.

    ``recall`` and ``subset_recall``: the K of Recall@K and RecallSubset@K.
    ``average_precision``: the K of mAP@K as CIRCO defines it, AP@K = sum of P(k) rel(k) over
    k <= K, divided by min(number of targets, K).
    ``drop_reference``: the reference is taken out of the ranking before anything is counted.
    ``recall_any``: Recall@K counts any target; if False only the annotated one (CIRCO).
    ``macro``: headline numbers are means over groups, not over queries.
    ``headline``: the numbers whose mean the field ranks systems by, for example R@10 and R@50.
    """

    recall: tuple[int, ...] = (1, 5, 10, 50)
    subset_recall: tuple[int, ...] = ()
    average_precision: tuple[int, ...] = ()
    drop_reference: bool = True
    recall_any: bool = True
    macro: bool = False
    headline: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A gallery with queries and rules. ``images`` maps a picture's id to its file, in order.

    ``galleries`` maps a group to the pictures its queries are ranked against, in order; a group
    not named there sees all of ``images``. Equal scores are ranked in that order. ``captions``
    reads what describes each picture, by id, where the data set says it; empty elsewhere.
    """

    name: str
    split: str
    images: dict[str, Path]
    queries: tuple[Query, ...]
    rules: Rules = field(default_factory=Rules)
    protocol: str = ""  # one line that says every choice a reader made
    galleries: dict[str, tuple[str, ...]] = field(default_factory=dict)
    choices: tuple[str, ...] = ()  # what makes numbers of this benchmark differ, in short
    captions: Callable[[], Mapping[str, str]] = field(default=dict, compare=False)

    @property
    def label(self) -> str:
        """The protocol in a few words, short enough to stand beside every number."""
        reference = "reference removed" if self.rules.drop_reference else "reference kept"
        return " · ".join((f"{self.name} {self.split}", *self.choices, reference))

    def require_images(self) -> None:
        """Raise DataError with the count and the first names if picture files are missing."""
        missing = [path for path in self.images.values() if not path.is_file()]
        if missing:
            raise DataError(
                f"{self.name} {self.split}: {len(missing):,} of {len(self.images):,} pictures "
                f"are missing, {_first_names(missing)}",
                hint="A benchmark is never scored on a part of its gallery; see: samebut doctor",
            )

    def require_consistent(self) -> None:
        """Raise DataError if a query can't be ranked as written.

        That is: an id used twice, a picture that is not in the gallery, or a target that is not
        in the part of the gallery its group is ranked against.
        """
        self._require_no(_repeated(query.id for query in self.queries), "query ids are used twice")
        self._require_no(
            self._unknown_pictures(), "pictures named by queries are not in the gallery"
        )

    def _unknown_pictures(self) -> list[str]:
        galleries = {group: set(names) for group, names in self.galleries.items()}
        return [
            f"{query.id} → {name}"
            for query in self.queries
            for name in (query.reference, *query.targets, *(query.subset or ()))
            if name not in self.images
            or (name in query.targets and name not in galleries.get(query.group, self.images))
        ]

    def _require_no(self, faults: Sequence[str], what: str) -> None:
        if faults:
            raise DataError(
                f"{self.name} {self.split}: {len(faults):,} {what}, {_first_names(faults)}",
                hint="The annotation files and the list of pictures don't belong together.",
            )


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _first_names(things: Sequence[object], count: int = 3) -> str:
    more = ", …" if len(things) > count else ""
    return "first: " + ", ".join(str(thing) for thing in things[:count]) + more
