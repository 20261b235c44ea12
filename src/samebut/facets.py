"""What pictures can be chosen by, in the reader's language: columns, their values and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from samebut.index.vocabulary import Vocabulary
from samebut.language.kinds import HIDDEN, Kind
from samebut.language.labels import Labels


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value, what it is called by language, and how many pictures have it."""

    value: str
    label: dict[str, str]
    count: int


@dataclass(frozen=True, slots=True)
class Facet:
    """A column: what it is about, what it is called by language, and the values to choose from;
    none where nearly every picture has its own. ``currency`` is a code, of prices."""

    column: str
    kind: Kind
    label: dict[str, str]
    values: list[FacetValue]
    currency: str | None = None


def facets(
    columns: Mapping[str, Sequence[tuple[str, int]]], vocabulary: Vocabulary, labels: Labels
) -> list[Facet]:
    """What to show of ``columns`` with their values and counts: not what tells pictures apart
    (ids), nor what belongs to an experiment (train, val, test)."""
    kinds = {name: vocabulary.kinds.get(name, "text") for name in columns}
    of_kind = Counter(kinds.values())
    shown = [name for name in columns if kinds[name] not in HIDDEN]
    return [
        Facet(
            name,
            kinds[name],
            labels.column(name, kinds[name], alone=of_kind[kinds[name]] == 1),
            [
                FacetValue(value, labels.value(name, kinds[name], value), count)
                for value, count in (columns[name] if name in vocabulary.choosable else ())
            ],
            _currency(name, vocabulary, labels),
        )
        for name in shown
    ]


def _currency(name: str, vocabulary: Vocabulary, labels: Labels) -> str | None:
    column = vocabulary.columns.get(name)
    return labels.currency(name) or (column.currency if column else None)
