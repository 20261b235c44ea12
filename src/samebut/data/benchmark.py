"""A benchmark: a gallery of picture files, queries over it, and the rules of scoring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from samebut.errors import DataError


@dataclass(frozen=True, slots=True)
class QueryStep:
    """A further picture with its texts, in a query of several pictures."""

    reference: str
    texts: tuple[str, ...]
    weight: float = 1.0  # the query's own reference and texts have weight 1


@dataclass(frozen=True, slots=True)
class Query:
    """One composed query. Pictures are named by their id in ``Benchmark.images``.

    ``texts`` are the relative captions; a protocol that joins several has done so already, one
    that averages the embeddings of several keeps them apart. ``targets`` are all right answers,
    the annotated one first. ``subset`` (or None) are the members of the query's hard subset,
    the reference among them; only ``targets[0]`` counts there.

    ``also`` are further steps: the query's embedding is the weighted mean over all steps.
    ``wrong`` are explicit wrong answers, as the data set lists them: some may be listed twice or
    not be in the gallery. ``relevant`` is the number of right answers that the data set counts
    where it lists some twice; 0: the number of ``targets``. Queries with the same ``together`` are
    paraphrases of one wish, or the turns of one conversation, in order.
    """

    id: str
    reference: str
    texts: tuple[str, ...]
    targets: tuple[str, ...]
    subset: tuple[str, ...] | None = None
    group: str = ""  # macro averages are over groups: a FashionIQ category, a kind of change
    language: str = "en"
    aspects: tuple[str, ...] = ()  # what the text asks for, as CIRCO labels it; may be several
    also: tuple[QueryStep, ...] = ()
    wrong: tuple[str, ...] = ()
    relevant: int = 0
    together: str = ""

    @property
    def references(self) -> tuple[str, ...]:
        """The reference pictures of all steps."""
        return (self.reference, *(step.reference for step in self.also))

    @property
    def asks(self) -> tuple[tuple[str, str, float], ...]:
        """A reference, a text and its weight, for every text of every step."""
        return tuple(
            (step.reference, text, step.weight / len(step.texts))
            for step in (QueryStep(self.reference, self.texts), *self.also)
            for text in step.texts
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """How a ranking is scored. Every printed number names these rules.

    ``recall`` and ``subset_recall``: the K of Recall@K and RecallSubset@K.
    ``average_precision``: the K of mAP@K as CIRCO defines it, AP@K = sum of P(k) rel(k) over
    k <= K, divided by min(number of targets, K).
    ``precision``: the K of P@K, the share of right answers among the first K.
    ``trapezoidal_precision``: mAP over the whole ranking as i-CIR defines it, by the trapezoidal
    rule.
    ``negatives``: the K of NegRecall@K, the share of explicit wrong answers among the first K, and
    of mAP@K_noNeg, mAP@K of the ranking without them (PinPoint).
    ``paraphrases``: the K of the range of P@K among queries that are the same wish in other words.
    ``session_hits``: K; Hits@K by turn T is the share of conversations with a right answer among
    the first K of one of their first T turns (CIRCLED).
    ``drop_reference``: the reference is taken out of the ranking before anything is counted.
    ``recall_any``: Recall@K counts any target; if False only the annotated one (CIRCO).
    ``macro``: headline numbers are means over groups, not over queries.
    ``headline``: the numbers whose mean the field ranks systems by, for example R@10 and R@50.
    """

    recall: tuple[int, ...] = (1, 5, 10, 50)
    subset_recall: tuple[int, ...] = ()
    average_precision: tuple[int, ...] = ()
    precision: tuple[int, ...] = ()
    trapezoidal_precision: bool = False
    negatives: tuple[int, ...] = ()
    paraphrases: tuple[int, ...] = ()
    session_hits: int = 0
    drop_reference: bool = True
    recall_any: bool = True
    macro: bool = False
    headline: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A gallery with queries and rules. ``images`` maps a picture's id to its file, in order.

    ``galleries`` maps a group to the pictures its queries are ranked against, in order; a group
    not named there is ranked against all of ``images``. Equal scores are ranked in that order.
    ``captions`` reads the descriptions of pictures, by id, if the data set has them; else empty.
    """

    name: str
    split: str
    images: dict[str, Path]
    queries: tuple[Query, ...]
    rules: Rules = field(default_factory=Rules)
    protocol: str = ""  # one line that says every choice a reader made
    galleries: dict[str, tuple[str, ...]] = field(default_factory=dict)
    choices: tuple[str, ...] = ()  # what makes numbers of this benchmark differ, in short
    part: tuple[str, ...] = ()  # what makes it less than the whole benchmark, in short
    captions: Callable[[], Mapping[str, str]] = field(default=dict, compare=False)

    @property
    def label(self) -> str:
        """The protocol in a few words, short enough to stand beside every number."""
        reference = "reference removed" if self.rules.drop_reference else "reference kept"
        return " · ".join((f"{self.name} {self.split}", *self.choices, *self.part, reference))

    def on_what_is_there(self) -> Benchmark:
        """Itself without the pictures whose files are missing, and the queries that need one.

        A query needs its reference and a right answer: the annotated one, if recall counts only
        that. A hard subset that lacks a member is dropped, because fewer rivals would make it
        easier. The result states how much is left in its protocol and beside every number. With no
        picture missing, it is the unchanged benchmark.

        Raises DataError if no query is left.
        """
        there = {name: path for name, path in self.images.items() if path.is_file()}
        if len(there) == len(self.images):
            return self
        queries = tuple(
            _without(query, there) for query in self.queries if self._can_be_asked(query, there)
        )
        if not queries:
            raise DataError(
                f"{self.name} {self.split}: {len(there):,} of {len(self.images):,} pictures "
                "exist, too few for any query",
                hint="Check that this folder holds the pictures; `samebut doctor` lists the "
                "missing ones.",
            )
        groups = {query.group for query in queries}
        counted = (
            f"{len(queries):,} of {len(self.queries):,} queries, "
            f"{len(there):,} of {len(self.images):,} pictures"
        )
        return replace(
            self,
            images=there,
            queries=queries,
            protocol=f"{self.protocol}; missing pictures left out: {counted}; "
            "not comparable with a full run",
            galleries={
                group: tuple(name for name in names if name in there)
                for group, names in self.galleries.items()
                if group in groups
            },
            part=(*self.part, counted),
        )

    def _can_be_asked(self, query: Query, there: Mapping[str, Path]) -> bool:
        annotated = self.rules.subset_recall or not self.rules.recall_any
        answers = query.targets[:1] if annotated else query.targets
        shown = all(name in there for name in query.references)
        return shown and (not answers or any(name in there for name in answers))

    def require_images(self) -> None:
        """Raise DataError with the count and the first names if picture files are missing."""
        missing = [path for path in self.images.values() if not path.is_file()]
        if missing:
            raise DataError(
                f"{self.name} {self.split}: {len(missing):,} of {len(self.images):,} pictures "
                f"are missing, {_first_names(missing)}",
                hint="Add them; `samebut doctor` lists them. Or leave them out with -o "
                "missing=drop, which gives numbers that can't be compared with a full run.",
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
            for name in (*query.references, *query.targets, *(query.subset or ()))
            if name not in self.images
            or (name in query.targets and name not in galleries.get(query.group, self.images))
        ]

    def _require_no(self, faults: Sequence[str], what: str) -> None:
        if faults:
            raise DataError(
                f"{self.name} {self.split}: {len(faults):,} {what}, {_first_names(faults)}",
                hint="The annotation files and the list of pictures are of different versions: "
                "download both again.",
            )


def _without(query: Query, there: Mapping[str, Path]) -> Query:
    whole = query.subset is not None and all(name in there for name in query.subset)
    return replace(
        query,
        targets=tuple(name for name in query.targets if name in there),
        subset=query.subset if whole else None,
    )


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _first_names(things: Sequence[object], count: int = 3) -> str:
    more = ", …" if len(things) > count else ""
    return "first: " + ", ".join(str(thing) for thing in things[:count]) + more
