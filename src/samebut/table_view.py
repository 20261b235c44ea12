"""What a gallery's table says, in the reader's language, and what pictures show in its values."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from samebut.embedding import Floats
from samebut.errors import LabelsError
from samebut.facets import Facet, facets
from samebut.images import MAX_PIXELS, Box
from samebut.index import Index
from samebut.index.vocabulary import Vocabulary
from samebut.language.labels import FILE as LABELS_FILE
from samebut.language.labels import Labels, read_labels
from samebut.language.wishes import LOOKS, Look, Wish
from samebut.looks import (
    NEIGHBOURS,
    Eyes,
    Fulfilment,
    LookColumn,
    SeenValue,
    look_columns,
    usual_column,
)
from samebut.references import SeenLook
from samebut.remote import Place, RemotePath
from samebut.runtime import Model
from samebut.turns import Source, Turn, ask, fetched

_HOLDS_SHOWN = 4  # kinds of things, where none may be meant
_LOOK_VALUES = 50  # of a column, that a picture may be taken for
_REMOTE_LABELS_SECONDS = 60.0  # between two checks of a remote labels file


class TableView:
    """The current table of one gallery; what is read from it is cached until it changes."""

    def __init__(self, folder: Place, index: Index, model: Model) -> None:
        self.folder, self.index, self.model = folder, index, model
        self._labels: tuple[object, Labels, LabelsError | None] | None = None
        self._labels_looked = -math.inf
        self._eyes = Eyes(model)
        self._looks: tuple[Hashable, list[LookColumn]] | None = None

    def look(
        self,
        picture: Source | str,
        box: Box | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        exact: bool = False,
    ) -> list[SeenValue]:
        """What a picture shows, or its part in ``box``: for each column of the table that says how
        things look, its values, the likeliest first (``samebut.looks``).

        Raises PictureError for a picture that can't be used, QueryError for a box in no picture.
        """
        columns = self.looks
        turn = fetched(Turn(picture, box=box))
        (embedding,) = ask(self.model, [turn], max_pixels=max_pixels).pictures
        with self.index.snapshot():
            nearest = self.index.ranking(embedding, NEIGHBOURS, exact=exact)
            rows = [entry.metadata for entry in self.index.pictures(nearest.ids.tolist())]
        scores = nearest.scores.tolist()
        return [
            seen for column in columns for seen in self._eyes.seen(column, embedding, scores, rows)
        ]

    def seen(
        self, turn: Turn, look: Look, *, max_pixels: int = MAX_PIXELS, exact: bool = False
    ) -> SeenLook:
        """The likeliest value of a turn's picture, of the table or, without such a column, of the
        lexicon."""
        assert turn.source is not None
        seen = self.look(turn.source, turn.box, max_pixels=max_pixels, exact=exact)
        value = next((each.value for each in seen if each.look == look), "")
        if not value:
            (embedding,) = ask(self.model, [replace(turn, text="", called="")]).pictures
            value = self._eyes.seen(usual_column(look), embedding, [], [])[0].value
        return SeenLook(value, self.called(look, value))

    @property
    def looks(self) -> list[LookColumn]:
        """The columns that say how things look, as the store is now."""
        return self.looks_at(self.index.revision())

    def looks_at(self, revision: Hashable) -> list[LookColumn]:
        kept = self._looks
        if kept is None or kept[0] != revision:
            values, shown = self.facets(_LOOK_VALUES)
            columns = [
                LookColumn(look, facet.column, tuple(value for value, _ in values[facet.column]))
                for facet in shown
                for look in LOOKS
                if facet.kind == look
            ]
            self._looks = kept = revision, look_columns(columns)
        return kept[1]

    def called(self, look: Look, value: str) -> dict[str, str]:
        """The name, by language, of a value of the column about ``look``."""
        column = next((each.column for each in self.looks if each.look == look), "")
        return self.labels.value(column, look, value)

    def commonest(self, revision: Hashable) -> tuple[str, ...]:
        """The commonest kinds of things, as the table calls them."""
        looks = self.looks_at(revision)
        kinds = [column.values for column in looks if column.look == "article"]
        return kinds[0][:_HOLDS_SHOWN] if kinds else ()

    def reasons(
        self,
        said: list[Wish],
        embeddings: Floats,
        rows: Sequence[Mapping[str, str]],
        revision: Hashable,
    ) -> list[tuple[Fulfilment, ...]]:
        """What of the wishes ``said`` each hit fulfils: ``embeddings (N, D)`` and ``rows`` are
        those of the hits, in the store of ``revision``."""
        if not said or not rows:
            return [()] * len(rows)
        found = self._eyes.fulfilled(said, self.looks_at(revision), embeddings, rows)
        return [tuple(each) for each in found]

    @property
    def labels(self) -> Labels:
        """What people call columns and values, from ``labels.toml`` in the folder, as it is now;
        none while that can't be read: `labels_error` says why."""
        return self._read_labels()[0]

    @property
    def labels_error(self) -> LabelsError | None:
        """Why ``labels.toml`` can't be read; None if it can, or is not there."""
        return self._read_labels()[1]

    def facets(
        self, count: int, where: str | None = None
    ) -> tuple[dict[str, list[tuple[str, int]]], list[Facet]]:
        """The ``count`` commonest values of each column among the pictures that ``where`` lets
        through, as the table has them, and those to choose by in the reader's language.

        What ``where`` asks of a column alone does not narrow the column's own counts.

        Raises FilterError.
        """
        columns = self.index.facets(count, where)
        return columns, facets(columns, self.vocabulary, self.labels)

    @property
    def vocabulary(self) -> Vocabulary:
        """What sentences can say about the metadata."""
        return self.index.vocabulary(self.labels)

    def _read_labels(self) -> tuple[Labels, LabelsError | None]:
        file, kept = self.folder / LABELS_FILE, self._labels
        looked_again = time.monotonic() - self._labels_looked > _REMOTE_LABELS_SECONDS
        if isinstance(file, RemotePath) and kept is not None and not looked_again:
            return kept[1:]  # a request to a remote folder for each search would be too slow
        self._labels_looked = time.monotonic()
        try:
            state: object = (file.stat().st_mtime_ns, file.stat().st_size)
        except OSError:
            state = None
        if kept is None or kept[0] != state:
            try:
                kept = state, read_labels(file) if state else Labels(), None
            except LabelsError as error:
                kept = state, Labels(), error
            self._labels = kept
        return kept[1:]
