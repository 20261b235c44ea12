"""Queries for galleries of several subjects: what is there, what is not, and what means nothing.

Every list is drawn by a fixed seed. A query fits if its first answer is right; a senseless query
has no right answer. Two folders are of one subject if they share a kind of thing. Only pictures of
another subject serve as senseless queries: within a subject no table says whether, for example, a
blazer is an answer to a jacket.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samebut.calibration.pictures import Right, ValPictures, composed, said
from samebut.calibration.wordings import DRAWN, coloured_phrases, lacking, phrases, words
from samebut.confidence import Kind, spread
from samebut.data import triplets
from samebut.embedding import Floats
from samebut.errors import DataError
from samebut.language import lexicon

SHARES = (1.0, 0.1)
"""Shares of a gallery's pictures that are searched, so that the fit sees small galleries as well as
large ones: scores of small ones differ."""
LEAST = 3  # pictures that a kind needs to be asked for


@dataclass(frozen=True)
class Sort:
    """Queries of one sort: ``embeddings (Q, D)``, which pictures are ``right (Q, N)``, and ``own
    (Q,)``, the reference's row in the gallery, -1 where it is not in the gallery."""

    kind: Kind
    name: str
    embeddings: Floats
    right: Right
    own: NDArray[np.intp]


@dataclass(frozen=True)
class AnsweredQueries:
    """One sort of queries asked of one gallery: the score of the ``first (Q,)`` answer, scores of
    a ``sample (Q, S)`` of the gallery, and whether the first answer ``fits (Q,)``."""

    kind: Kind
    sort: str
    gallery: str
    first: Floats
    sample: Floats
    fits: Right

    def part(self, rows: Right) -> AnsweredQueries:
        """The queries at which ``rows (Q,)`` is True."""
        kept = (self.first[rows], self.sample[rows], self.fits[rows])
        return AnsweredQueries(self.kind, self.sort, self.gallery, *kept)


def ask(gallery: ValPictures, others: Sequence[ValPictures]) -> Iterator[AnsweredQueries]:
    """All sorts of queries, searched in each of ``SHARES`` of the gallery's pictures."""
    every = np.random.default_rng(0).permutation(len(gallery))
    parts = [np.sort(every[: max(2, round(share * len(gallery)))]) for share in SHARES]
    for sort in sorts(gallery, others):
        if len(sort.embeddings):
            for kept in parts:
                yield answered(gallery, sort, kept)


def answered(gallery: ValPictures, sort: Sort, kept: NDArray[np.intp]) -> AnsweredQueries:
    """The results of a search in the ``kept`` pictures of the gallery, without a query's own."""
    scores = sort.embeddings @ gallery.embeddings[kept].T
    answers = np.where(kept == sort.own[:, None], -np.inf, scores)
    best = answers.argmax(axis=1)
    queries = np.arange(len(best))
    sample = scores[:, spread(len(kept))]
    fits = sort.right[queries, kept[best]]
    return AnsweredQueries(sort.kind, sort.name, gallery.name, answers[queries, best], sample, fits)


def sorts(gallery: ValPictures, others: Sequence[ValPictures]) -> Iterator[Sort]:
    """Every sort of queries for a gallery; some may be empty.

    DataError: it has fewer than two kinds to ask for.
    """
    if len(gallery.common(LEAST)) < 2:
        raise DataError(
            f"{gallery.name}: its val split has fewer than two kinds of thing with {LEAST} "
            "pictures "
            "or more",
            hint="Give a folder with more pictures of each kind: the queries ask for kinds.",
        )
    strangers = [other for other in others if _is_stranger(gallery, other)]
    lacked = [kind for stranger in strangers for kind in stranger.common(LEAST)]
    yield from _texts(gallery, lacked)
    yield from _pictures(gallery, others)
    yield from _composed(gallery, strangers, lacked)


def _texts(gallery: ValPictures, lacked: Sequence[str]) -> Iterator[Sort]:
    kinds = gallery.common(LEAST)
    named = [(text, _of(gallery, kind)) for kind in kinds for text in phrases("kind", kind)]
    for name, asked in (("kinds in words", named), ("colour and kind", _coloured(gallery, kinds))):
        yield _of_texts(gallery, name, [text for text, _ in asked], [right for _, right in asked])
    for name in ("mash", "pronounceable"):
        made_up = [text for said in words()[name].values() for text in said]
        yield _of_texts(gallery, f"made-up words, {name}", made_up)
    yield _of_texts(gallery, "things it lacks", lacking(lacked, gallery.kinds, "kind"))


def _pictures(gallery: ValPictures, others: Sequence[ValPictures]) -> Iterator[Sort]:
    rows = _drawn(np.flatnonzero(gallery.kinds != ""))
    yield _of_pictures(gallery, gallery, "its own pictures", rows, own=np.array(rows))
    for other in others:
        name = f"pictures of {other.name}"
        if _is_stranger(gallery, other):
            yield _of_pictures(
                gallery, other, f"{name}, another subject", _drawn(range(len(other)))
            )
        else:
            known = np.isin(other.kinds, gallery.common(1))
            yield _of_pictures(gallery, other, name, _drawn(np.flatnonzero(known)))


def _composed(
    gallery: ValPictures, strangers: Sequence[ValPictures], lacked: Sequence[str]
) -> Iterator[Sort]:
    rng = random.Random(0)
    kinds, rows = gallery.common(LEAST), _drawn(np.flatnonzero(gallery.kinds != ""))
    wanted = [rng.choice([kind for kind in kinds if kind != gallery.kinds[row]]) for row in rows]
    texts = [rng.choice(phrases("but", kind)) for kind in wanted]
    yield _of_own(gallery, "as another kind", rows, texts, [_of(gallery, kind) for kind in wanted])
    yield _recoloured(gallery, rows, rng)
    yield _of_folder(gallery)
    things = lacking(lacked, gallery.kinds, "but")
    yield _of_own(gallery, "as a thing it lacks", rows, [rng.choice(things) for _ in rows])
    colours = [text for name in lexicon.COLOURS_ZH for text in phrases("recoloured", name)]
    for stranger in strangers:
        rows = _drawn(range(len(stranger)))
        texts = [rng.choice(colours if turn % 2 else things) for turn in range(len(rows))]
        name = f"pictures of {stranger.name}, in a colour or as a thing it lacks"
        queries = composed(stranger, rows, texts)
        yield Sort("composed", name, queries, _right(gallery, len(rows)), _none(len(rows)))


def _coloured(gallery: ValPictures, kinds: Sequence[str]) -> list[tuple[str, Right]]:
    """ "blue shirt", 蓝色的衬衫: every kind in every colour that three of its pictures have."""
    found = []
    for kind in kinds:
        for colour in sorted({*gallery.colours[gallery.kinds == kind]} - {""}):
            right = _of(gallery, kind) & (gallery.colours == colour)
            if right.sum() >= LEAST:
                found += [(text, right) for text in coloured_phrases(colour, kind)]
    return [found[number] for number in _drawn([*range(len(found))])]


def _recoloured(gallery: ValPictures, rows: Sequence[int], rng: random.Random) -> Sort:
    """ "in red": right are the pictures of the reference's kind in that colour."""
    references, texts, right = [], [], []
    for row in rows:
        same = gallery.kinds == gallery.kinds[row]
        there = sorted({*gallery.colours[same]} - {"", gallery.colours[row]})
        if there and gallery.colours[row]:
            colour = rng.choice(there)
            references.append(row)
            texts.append(rng.choice(phrases("recoloured", colour)))
            right.append(same & (gallery.colours == colour))
    return _of_own(gallery, "in another colour", references, texts, right)


def _of_folder(gallery: ValPictures) -> Sort:
    """Queries of the folder's own val, where it has one; those about other pictures left out."""
    there = "val" in triplets.splits(gallery.root)
    queries = triplets.read(gallery.root, "val").queries if there else ()
    places = {name: row for row, name in enumerate(gallery.files)}
    known = [q for q in queries if {q.reference, *q.targets} <= places.keys()]
    chosen = [known[number] for number in _drawn(range(len(known)))]
    right = _right(gallery, len(chosen))
    for answers, query in zip(right, chosen, strict=True):
        answers[[places[name] for name in query.targets]] = True
    references = [places[query.reference] for query in chosen]
    return _of_own(gallery, "queries of its val", references, [q.texts[0] for q in chosen], right)


def _of(gallery: ValPictures, kind: str) -> Right:
    return np.asarray(gallery.kinds == kind)


def _of_texts(
    gallery: ValPictures, name: str, texts: Sequence[str], right: Sequence[Right] = ()
) -> Sort:
    answers = _right(gallery, len(texts), right)
    return Sort("text", name, said(gallery.model, texts), answers, _none(len(texts)))


def _of_pictures(
    gallery: ValPictures,
    asking: ValPictures,
    name: str,
    rows: Sequence[int],
    own: NDArray[np.intp] | None = None,
) -> Sort:
    """Right are the pictures of the query picture's kind; none for one of another subject."""
    right = _right(gallery, len(rows), [_of(gallery, kind) for kind in asking.kinds[[*rows]]])
    own = _none(len(rows)) if own is None else own
    return Sort("picture", name, asking.embeddings[[*rows]], right, own)


def _of_own(
    gallery: ValPictures,
    name: str,
    rows: Sequence[int],
    texts: Sequence[str],
    right: Sequence[Right] | Right = (),
) -> Sort:
    answers = _right(gallery, len(rows), right)
    return Sort("composed", name, composed(gallery, rows, texts), answers, np.array(rows, np.intp))


def _right(gallery: ValPictures, count: int, right: Sequence[Right] | Right = ()) -> Right:
    """Right answers of ``count`` queries, (count, N); none if ``right`` is empty."""
    return np.stack([*right]) if len(right) else np.zeros((count, len(gallery)), np.bool_)


def _none(count: int) -> NDArray[np.intp]:
    return np.full(count, -1)


def _is_stranger(gallery: ValPictures, other: ValPictures) -> bool:
    return not set(other.kinds) & set(gallery.kinds) - {""}


def _drawn(numbers: Iterable[Any]) -> list[int]:
    """At most ``DRAWN`` of them, in a fixed random order."""
    every = [int(number) for number in numbers]
    return random.Random(0).sample(every, min(DRAWN, len(every)))
