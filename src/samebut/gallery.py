"""A gallery: a folder of pictures, a store that remembers their embeddings, and search by turns."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from samebut import catalog
from samebut.answers import Hit, Results, check_page, is_as_wished, kind_of
from samebut.catalog import Catalog
from samebut.cluster import Ray
from samebut.composition.choice import Choice
from samebut.composition.made import Sample
from samebut.confidence import UNSURE, Kind
from samebut.describe import MetadataReport, describe
from samebut.embedding import Floats
from samebut.errors import (
    FingerprintMismatch,
    ModelError,
    QueryError,
    StoreError,
    UnknownPicture,
)
from samebut.facets import Facet
from samebut.facts import Fact, read_facts
from samebut.files import writing
from samebut.images import MAX_PIXELS, Box
from samebut.index import Address, Entry, Index
from samebut.index.where import Filter, parse
from samebut.language.wishes import wishes
from samebut.loader import Progress, silent
from samebut.looks import (
    SeenValue,
)
from samebut.references import resolved
from samebut.remote import Place, RemotePath, place
from samebut.rescoring import (
    RESCORE,
    IndexAround,
    captioned,
    copies_of,
    digest_of_picture,
    rescored,
    sample_of,
)
from samebut.runtime import BUNDLED, PLAIN, Model
from samebut.scan import Scan, ScanRules, scan
from samebut.stacks import AnswerPage, Finding, page, page_of_stacks
from samebut.store_place import (
    existing_folder,
    file_inside,
    folder_name,
    is_usual_place,
    model_reference,
    own_folder,
    refuse_other_folder,
    remembered_model,
    store_address,
)
from samebut.table_view import TableView
from samebut.turns import NEUTRAL, SearchSeconds, Source, Turn, ask, fetched, spoken
from samebut.update import Update, UpdateReport


class _Described(NamedTuple):
    """The result of a search, from one state of the store: the hits of a ``page``, of ``total``
    pictures."""

    hits: list[Hit]
    total: int
    page: AnswerPage
    confidence: float | None
    revision: Hashable


class Gallery:
    """Pictures of a folder, searchable. Use ``build`` or ``open``, as a context manager."""

    def __init__(
        self, folder: Place, index: Index, model: Model, rules: ScanRules | None = None
    ) -> None:
        self.folder = folder
        self.index = index
        self.model = model
        self.exact = False
        """Whether every search compares all pictures, however many there are."""
        self._sample: tuple[object, Sample] | None = None
        self.rules = rules or ScanRules()
        self.table = TableView(folder, index, model)
        """What the table says, in the reader's language, and what pictures show in its values."""

    @classmethod
    def build(
        cls,
        folder: str | Place,
        *,
        store: str | Path | Address | None = None,
        model: str | Path | None = None,
        metadata: str | Place | None = None,
        file_column: str | None = None,
        replace_metadata: bool = False,
        replace_model: bool = False,
        move: bool = False,
        rules: ScanRules | None = None,
        recheck: bool = False,
        ray: Ray | None = None,
        progress: Progress = silent,
    ) -> tuple[Gallery, UpdateReport]:
        """Index ``folder`` into its store, continuing an interrupted run, and speed up searches of
        many pictures (``samebut.index.Index.accelerate``). ``folder`` may be a remote address such
        as ``s3://bucket/folder`` (`samebut.remote`); then ``store`` is required.

        ``metadata`` is a table about the pictures, ``file_column`` its column that names them; see
        ``update``. ``model`` is a model folder or "bundled"; None is the one the store remembers.
        Pictures embedded by another model are encoded anew only with ``replace_model``. A store
        outside of ``folder`` belongs to the folder it was made for; ``move`` assigns it to this
        one. ``rules`` say what is left out, now and in later updates of this gallery; ``recheck``
        and ``ray`` are as for ``update``.

        Raises StoreBusy while another process indexes, FingerprintMismatch for another model
        without ``replace_model``, OtherFolder without ``move``, and what ``update`` raises.
        """
        folder = existing_folder(place(folder))
        address = store_address(folder, store)
        model = model or remembered_model(address) or "bundled"
        chosen = Model.load(model)
        index = address.create(
            dim=chosen.dim, fingerprint=chosen.fingerprint, model=model_reference(model)
        )
        gallery = cls(folder, index, chosen, rules)
        try:
            if not move:
                refuse_other_folder(index, folder)
            if index.folder != folder_name(folder):
                index.keep_folder(folder_name(folder))
            if index.fingerprint != chosen.fingerprint:
                if not replace_model:
                    raise gallery._mismatch()
                with index.writer_lock():
                    index.replace_model(
                        fingerprint=chosen.fingerprint, dim=chosen.dim, model=model_reference(model)
                    )
            report = gallery.update(
                metadata=metadata,
                file_column=file_column,
                replace_metadata=replace_metadata,
                recheck=recheck,
                ray=ray,
                progress=progress,
            )
            report.acceleration = gallery._accelerated(progress)
            return gallery, report
        except BaseException:
            gallery.close()
            raise

    @classmethod
    def open(
        cls,
        folder: str | Place,
        *,
        store: str | Path | Address | None = None,
        model: str | Path | None = None,
        threads: int | None = None,
        rules: ScanRules | None = None,
    ) -> Gallery:
        """Open an indexed folder to search it. ``rules`` are for updates, as for ``build``.

        Raises StoreMissing if it is not indexed, FingerprintMismatch if ``model`` (or the model
        of that name, since changed) is not the one that embedded it, OtherFolder if the store
        belongs to another folder.
        """
        folder = existing_folder(place(folder))
        index = store_address(folder, store).open()
        try:
            refuse_other_folder(index, folder)
            gallery = cls(folder, index, Model.load(model or index.model, threads=threads), rules)
            if index.fingerprint != gallery.model.fingerprint:
                raise gallery._mismatch()
        except BaseException:
            index.close()
            raise
        return gallery

    def close(self) -> None:
        self.index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """How many pictures can be found."""
        return len(self.index)

    def update(
        self,
        *,
        metadata: str | Place | None = None,
        file_column: str | None = None,
        replace_metadata: bool = False,
        recheck: bool = False,
        ray: Ray | None = None,
        progress: Progress = silent,
    ) -> UpdateReport:
        """Bring the store in line with the folder: new, changed, renamed and vanished pictures.

        With ``ray`` other machines encode (`samebut.cluster`). With ``recheck`` files are read
        again even if size and time are unchanged. Pictures of a subfolder that can't be read stay
        indexed.

        Every batch is durable before ``progress`` is called for it, so a killed process loses
        nothing that was reported, and the same call continues.

        The rows of a table ``metadata`` (``samebut.catalog``) add to what is known of pictures;
        with ``replace_metadata`` all that was known is forgotten first. Rows whose picture is not
        there are kept, and find it in a later update.

        Raises MetadataError before any work if the table can't be read, and StoreError if the
        folder is empty now but was not.
        """
        table = catalog.read(place(metadata), file_column) if metadata is not None else None
        with self.index.writer_lock():
            report = Update(
                self.folder,
                self.rules,
                self.index,
                self.model,
                progress,
                recheck=recheck,
                ray=ray,
                addresses=self._addresses(table, afresh=replace_metadata),
            ).run()
            report.metadata = describe(self.index, table, afresh=replace_metadata)
            self.index.publish()
        return report

    def _accelerated(self, progress: Progress) -> str:
        """The result of `Index.accelerate` in a sentence; "" if there was nothing to do. A failure
        is only reported: searches then compare all pictures."""
        try:
            recall = self.index.accelerate(progress)
        except StoreError as error:
            return f"searches compare all pictures: {error}. {error.hint}"
        if recall is None:
            return ""
        return (
            f"searches compare the likeliest pictures, which finds {recall:.1%} of the nearest; "
            "--exact compares all"
        )

    def scan(self) -> Scan:
        """The folder as it is now. Raises StoreError if it can't be read."""
        return scan(self.folder, self.rules, self._addresses())

    def _addresses(self, table: Catalog | None = None, *, afresh: bool = False) -> list[str]:
        """The addresses that tables give pictures, for a folder on a web server, which may not list
        its files."""
        if not (isinstance(self.folder, RemotePath) and self.folder.is_web):
            return []
        return [*(table.values if table else ()), *(() if afresh else self.index.table_rows())]

    def describe(self, metadata: str | Place, file_column: str | None = None) -> MetadataReport:
        """Apply a table to the indexed pictures, as ``update`` does. The gallery itself may be open
        read-only; its store must be writable.

        Raises MetadataError if the table can't be read, StoreBusy while another process indexes.
        """
        table = catalog.read(place(metadata), file_column)
        with closing(self.index.address.open(writable=True)) as index, index.writer_lock():
            return describe(index, table)

    def search(
        self,
        turns: Sequence[Turn] | Turn,
        k: int = 10,
        *,
        offset: int = 0,
        where: str | None = None,
        text_weight: float = NEUTRAL,
        fusion: str | None = None,
        rescore: int = RESCORE,
        without: Sequence[Turn] = (),
        without_weight: float | None = None,
        include_references: bool = False,
        collapse: bool = False,
        min_score: float | None = None,
        min_confidence: float | None = None,
        read_filters: bool = False,
        ignore: Collection[str] = (),
        why: bool = False,
        exact: bool = False,
        max_pixels: int = MAX_PIXELS,
    ) -> Results:
        """The ``k`` pictures nearest to what the turns ask for, best first, from ``offset`` on.

        How turns become one query, and what ``text_weight`` and ``fusion`` do, is said in
        ``samebut.turns``; without ``fusion`` the gallery's ``choice`` composes, if there is one.
        Where the composition scores pictures twice, the nearest ``rescore`` and more
        (``samebut.rescoring``) are scored again. ``without`` is what is not wanted
        (``samebut.turns``): its pictures are no hits, and pictures like it rank lower, the more so
        the greater ``without_weight`` is. ``where`` filters by metadata (``samebut.index.where``).
        With ``read_filters`` words that name a value of the table or a limit are filters too
        (``samebut.facts``), but those of ``ignore``. Pictures of the turns are left out, recognised
        by their content, unless ``include_references``. Pictures of more than ``max_pixels`` are
        refused before they are decoded.

        A text may speak of several pictures of the turns, counted from the first: "the shape of the
        first in the colour of the second" (``samebut.references``).

        With ``collapse`` near-copies stand under one hit, those of the turns' pictures and of what
        is ``without`` are left out, and ``k`` and ``offset`` count stacks (``samebut.stacks``).

        Hits that score below ``min_score`` are left out. If the confidence is below
        ``min_confidence``, there are no hits. Where there is no confidence, the cosine of the
        first answer to the plain sum of pictures and texts stands for it. Without a threshold an
        answer is unsure below `samebut.confidence.UNSURE`, unless the first hit is of the kind that
        the texts wish for and fails no other wish.

        With ``why`` each hit says which of the colours, kinds and patterns that the texts wish for
        it has (``samebut.looks``).

        In a very large gallery only the most promising pictures are compared (`Results.exact`);
        with ``exact`` all are.

        Raises QueryError, FilterError, and PictureError for a picture that can't be used.
        """
        turns = [turns] if isinstance(turns, Turn) else list(turns)
        check_page(k, offset)
        chosen = None if where is None else parse(where)
        facts: tuple[Fact, ...] = ()
        if read_filters:
            vocabulary, count = self.table.vocabulary, self.index.count
            read = read_facts(turns, vocabulary, count, where=chosen, ignore=ignore)
            turns, chosen, facts = read.turns, read.where, read.facts
        turns = [fetched(turn) for turn in turns]
        without = [fetched(turn) for turn in without]
        shown = turns
        turns, lent = resolved(
            turns, partial(self.table.seen, max_pixels=max_pixels, exact=self.exact)
        )
        turns = spoken(turns)
        left_out = set() if include_references else _digests(shown)
        left_out |= _digests(without)
        if fusion is None and (choice := self.choice):
            fusion = choice.composition
        composition = self.model.composition(fusion)
        if composition is not None and composition.reads_caption:
            turns = captioned(self.index, turns)
        asking = partial(
            ask,
            self.model,
            turns,
            text_weight=text_weight,
            without=without,
            without_weight=without_weight,
            max_pixels=max_pixels,
        )
        exact = exact or self.exact
        around = IndexAround(self.index, left_out, self._sampled, exact=exact)
        asked = asking(fusion=fusion, around=around)

        def finding(query: Floats) -> Finding:
            return self._finding(query, chosen, copies_of(self.index, left_out), exact=exact)

        def search() -> AnswerPage:
            find = finding(asked.embedding)
            if asked.pair is not None:
                find = rescored(find, asked.pair, rescore)
            if not collapse:
                return page(find, k, offset)
            near = [] if include_references else [asked.pictures]
            return page_of_stacks(find, k, offset, np.concatenate([*near, asked.unlike]))

        usual = not without and (fusion in (None, self.model.usual) or asked.gate is None)
        with asked.spent.on("search"):
            kind = kind_of(turns, asked.gate, text_weight) if usual else None
            judged = None if asked.refuses else kind
            answer = self._answer(search, offset, chosen, judged, asked.embedding)
            hits, confidence = answer.hits, answer.confidence
            if kind is not None and asked.refuses:  # fitted to queries without subtraction
                first = page(finding(asked.said), 1, 0).first
                confidence = self._confidence(kind, first, asked.said)
            said = wishes(self.model.as_read(turn.text) for turn in turns)
            rows = [hit.metadata for hit in answer.hits]
            reasons = self.table.reasons(said, answer.page.embeddings, rows, answer.revision)
            if why:
                hits = [replace(hit, why=each) for hit, each in zip(hits, reasons, strict=True)]
        sure = confidence
        if sure is None and min_confidence is not None:
            sum_of_all = asking(fusion=PLAIN).embedding
            sure = page(finding(sum_of_all), 1, 0).first or 0.0
        unsure = sure is not None and sure < (UNSURE if min_confidence is None else min_confidence)
        if min_score is not None:
            hits = [hit for hit in hits if hit.score >= min_score]
        if unsure and min_confidence is not None:
            hits = []
        elif unsure and reasons and is_as_wished(reasons[0]):
            unsure = False  # the kind fits; names are new to the confidence's fit
        holds = self.table.commonest(answer.revision) if unsure else ()
        unread = asked.unread
        return Results(
            hits,
            asked.gate,
            answer.total,
            asked.spent,
            confidence,
            unread,
            unsure,
            facts,
            chosen,
            holds,
            lent,
            answer.page.recall,
        )

    def _sampled(self) -> Sample:
        """A sample of the gallery; the same object until the gallery changes."""
        revision = self.index.revision()
        if self._sample is None or self._sample[0] != revision:
            self._sample = revision, sample_of(self.index)
        return self._sample[1]

    def _finding(
        self, query: Floats, where: str | Filter | None, exclude: Sequence[int], *, exact: bool
    ) -> Finding:
        """A function that ranks the pictures for one query ``(D,)``, up to a given length."""
        return partial(self.index.ranking, query, where=where, exclude=exclude, exact=exact)

    def similar(
        self,
        number: int,
        k: int = 10,
        *,
        offset: int = 0,
        where: str | None = None,
        exact: bool = False,
    ) -> Results:
        """The ``k`` pictures nearest to the indexed picture with this id; its copies are left out.
        ``exact`` is as for ``search``.

        Raises UnknownPicture if there is no such picture, FilterError.
        """
        check_page(k, offset)
        spent = SearchSeconds()

        def search() -> AnswerPage:
            with self.index.snapshot():
                embedding = self.index.embedding([number])[0]
                copies = self.index.copies(self.picture(number).digest)
            find = self._finding(embedding, where, copies, exact=exact or self.exact)
            return page(find, k, offset)

        with spent.on("search"):
            answer = self._answer(search, offset, where, "picture", number)
        return Results(
            answer.hits,
            None,
            answer.total,
            spent,
            answer.confidence,
            recall=answer.page.recall,
        )

    def look(
        self, picture: Source | str, box: Box | None = None, *, max_pixels: int = MAX_PIXELS
    ) -> list[SeenValue]:
        """What a picture shows, or its part in ``box``: for each column of the table that says how
        things look, its values, the likeliest first (``samebut.looks``).

        Raises PictureError for a picture that can't be used, QueryError for a box in no picture.
        """
        return self.table.look(picture, box, max_pixels=max_pixels, exact=self.exact)

    def facets(
        self, count: int, where: str | None = None
    ) -> tuple[dict[str, list[tuple[str, int]]], list[Facet]]:
        """The ``count`` commonest values of each column among the pictures that ``where`` lets
        through, as the table has them, and those to choose by in the reader's language.

        What ``where`` asks of a column alone does not narrow the column's own counts.

        Raises FilterError.
        """
        return self.table.facets(count, where)

    def listing(
        self, count: int, *, offset: int = 0, where: str | None = None
    ) -> tuple[list[Entry], int]:
        """``count`` pictures by path, from ``offset`` on, and how many ``where`` lets through.

        Raises FilterError.
        """
        with self.index.snapshot():
            ids = self.index.listing(count, offset=offset, where=where)
            return self.index.pictures(ids), self.index.count(where)

    def picture(self, number: int) -> Entry:
        """The indexed picture with this id. Raises UnknownPicture."""
        for entry in self.index.pictures([number]):
            return entry
        raise UnknownPicture(number)

    def _answer(
        self,
        search: Callable[[], AnswerPage],
        offset: int,
        where: str | Filter | None,
        kind: Kind | None,
        query: Floats | int,
    ) -> _Described:
        """What ``search`` finds, described in one snapshot of the store, with the confidence of a
        ``query`` of this ``kind``, or of a picture's own by its number; of None there is none.

        The search itself runs outside of the snapshot, where it would block other threads'
        searches. If the store changed meanwhile, it is repeated inside.
        """
        before = self.index.revision()
        nearest = search()
        with self.index.snapshot():
            if (revision := self.index.revision()) != before:
                nearest = search()
            asked = self.index.embedding([query])[0] if isinstance(query, int) else query
            confidence = None if kind is None else self._confidence(kind, nearest.first, asked)
            hits, total = self._hits(nearest, offset), self.index.count(where)
        return _Described(hits, total, nearest, confidence, revision)

    def _confidence(self, kind: Kind, first: float | None, query: Floats) -> float | None:
        """The probability that a first hit of score ``first`` fits ``query (D,)``; 0 if there is
        none."""
        calibration = self.model.calibration
        if calibration is None:
            return None
        if first is None:
            return 0.0
        return calibration.confidence(kind, first, self.index.sampled(query[None])[0])

    def _hits(self, nearest: AnswerPage, offset: int) -> list[Hit]:
        """The hits with their metadata, read in the search's snapshot, so that none is missing."""
        found = self.index.pictures(nearest.ids.tolist())
        rows = zip(found, nearest.scores.tolist(), nearest.copies, strict=True)
        return [
            Hit(
                rank,
                score,
                each.id,
                each.path,
                each.width,
                each.height,
                each.metadata,
                tuple(copies),
            )
            for rank, (each, score, copies) in enumerate(rows, start=offset + 1)
        ]

    @cached_property
    def choice_file(self) -> Path:
        """The file with the composition that was chosen for this gallery. Raises QueryError where
        `beside_store` does."""
        store = re.sub(r"[^\w-]+", "-", Path(str(self.index.address)).stem)
        return self.beside_store(f"{store}.composition.json")

    @property
    def choice(self) -> Choice | None:
        """The composition that was chosen for this gallery; None where none was, or for another
        model. Raises StoreError if it can't be read."""
        if own_folder(self.index.address, self.folder) is None:
            return None
        found = Choice.read(self.choice_file)
        return found if found and found.fingerprint == self.model.fingerprint else None

    def choose(self, choice: Choice | None) -> None:
        """Use the composition ``choice`` from now on; None: the one of `Model.usual`."""
        with writing(self.choice_file.parent):
            if choice is None:
                self.choice_file.unlink(missing_ok=True)
            else:
                choice.write(self.choice_file)

    def beside_store(self, name: str) -> Path:
        """A file beside the store; in the folder of pictures if the store is on a server. Raises
        QueryError if both are remote."""
        folder = own_folder(self.index.address, self.folder)
        if folder is None:
            raise QueryError(
                f"{name} can't be written beside the store: the pictures and the store are on "
                "other "
                "machines",
                hint="Give a file on this machine, or a store in a folder: --store FOLDER.",
            )
        return folder / name

    def file_of(self, path: str) -> Place:
        """The file of a hit's picture. Raises StoreDamaged for a path that leads out of the
        folder."""
        return file_inside(self.folder, path, self.index.address)

    def model_on_disk(self) -> ModelError | FingerprintMismatch | None:
        """The error if the model's folder no longer holds the model that is in use. The loaded
        model stays in use."""
        try:
            found = Model.load(self.model.folder)
        except ModelError as error:
            return error
        if found.fingerprint == self.model.fingerprint:
            return None
        return Gallery(self.folder, self.index, found)._mismatch()

    def _mismatch(self) -> FingerprintMismatch:
        command = ["samebut index", str(self.folder), "--replace-model"]
        if self.model.folder != BUNDLED:
            command += ["--model", str(self.model.folder)]
        if not is_usual_place(self.index.address, self.folder):
            command += ["--store", str(self.index.address)]
        return FingerprintMismatch(
            f"{self.index.address} was indexed with another model ({self.index.fingerprint}) than "
            f"{self.model.name} ({self.model.fingerprint})",
            hint=f"Embed the pictures again: {' '.join(command)}",
        )


def _digests(turns: Sequence[Turn]) -> set[str]:
    """What identifies the contents of the turns' pictures. Raises PictureError for a file that
    can't be read any more."""
    return {digest_of_picture(turn.source) for turn in turns if turn.source is not None}
