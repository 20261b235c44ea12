"""Turns to one query: a conversation about pictures becomes a single embedding.

A turn is a picture, a text, or both. A picture begins a passage; the texts up to the next picture
are about it:

    picture alone            the picture's embedding
    then a text              the model's fusion of picture and text
    then more texts          those that still hold (``samebut.dialogue``)
    texts before a picture   those that still hold, joined into one

Greetings, thanks and words that only ask are left out (``samebut.language.courtesy``).
A later wish adds to earlier ones ("in blue", then "a T-shirt"), or replaces one ("in red").

A conversation with several pictures is the weighted mean of its passages, normalised, in which a
passage counts ``EARLIER`` times as much as the one that follows it, because the newest picture
matters most.

A composition that scores pictures twice (``samebut.composition.pairs``) does so for a conversation
about one picture; with several pictures its query vector is used instead.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from samebut import dialogue
from samebut.composition.made import Around
from samebut.composition.pairs import Pair
from samebut.dialogue import Reference
from samebut.embedding import Floats, unit
from samebut.errors import PictureError, QueryError
from samebut.images import MAX_PIXELS, Box, cropped, open_picture, picture_size
from samebut.language.courtesy import without_courtesy
from samebut.language.wishes import wishes
from samebut.loader import PictureFile, digest_of, read_picture
from samebut.printable import shown
from samebut.remote import Place, RemotePath
from samebut.runtime import Composed, FeatureArrays, Model
from samebut.unwanted import Unwanted, refusals

EARLIER = 0.5
NEUTRAL = 0.5
_PARTS = re.compile(r"\s*[,，]\s*")
_HAN = re.compile("[\u3400-\u9fff]")
_SMALLEST_SHARE = 0.02  # of a side; a picture is not decoded larger for a box below it


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPicture:
    """The features of a picture from one model, to use in later queries to it without the file.

    ``features`` is a batch of one, ``digest`` identifies the file's content and ``size`` is the
    width and height of the upright picture. ``box`` is the part of it that was encoded.
    """

    features: FeatureArrays
    digest: str
    size: tuple[int, int]
    box: Box | None = None

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in (self.features.pooled, self.features.tokens))


Source = Place | bytes | EncodedPicture


@dataclass(frozen=True, slots=True)
class Turn:
    """One step of a conversation; either side may be left out.

    ``picture`` is a file, the bytes of one, or a picture that the model has encoded before. ``box``
    is the part of it that is meant; None is all of it. ``caption`` describes
    it, for the composition `pdv`. ``called`` says in words what it is ("as a skirt"); see `spoken`.
    ``weight``, above 0, is the relative weight of the picture and its texts among several pictures.
    """

    picture: str | Source | None = None
    text: str = ""
    box: Box | None = None
    caption: str = ""
    called: str = ""
    weight: float = 1

    @property
    def source(self) -> Source | None:
        """The picture; a string becomes a local path, even if it looks like an address. Code that
        makes turns from clients' input must not open addresses for them."""
        return Path(self.picture) if isinstance(self.picture, str) else self.picture

    @property
    def says_something(self) -> bool:
        return bool(self.text.strip())


@dataclass(slots=True)
class SearchSeconds:
    """Seconds of one search, by stage."""

    decode: float = 0.0
    encode: float = 0.0
    fuse: float = 0.0
    search: float = 0.0

    @contextmanager
    def on(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes to ``stage``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, stage, getattr(self, stage) + time.perf_counter() - started)

    def add(self, other: SearchSeconds) -> None:
        """Add times that were spent for this search before it began."""
        for part in fields(self):
            setattr(self, part.name, getattr(self, part.name) + getattr(other, part.name))


@dataclass(frozen=True, slots=True)
class ConversationQuery:
    """The query of a conversation: ``embedding (D,)``, and the gate of its last composition.

    ``gate`` is the share of the text in the fusion's mixture, 0 to 1; None if nothing was composed.
    ``unread`` are the ends of texts that are longer than the model reads, oldest first.
    ``pictures (P, D)`` are the embeddings of the turns' pictures, ``unlike (U, D)`` of those that
    are not wanted. ``said (D,)`` is the query before any subtraction. With a ``pair``, pictures are
    scored by it, and those nearest to ``embedding`` are the candidates.
    """

    embedding: Floats
    gate: float | None
    spent: SearchSeconds = field(default_factory=SearchSeconds)
    unread: tuple[str, ...] = ()
    pictures: Floats = field(default_factory=lambda: np.zeros((0, 1), np.float32))
    unlike: Floats = field(default_factory=lambda: np.zeros((0, 1), np.float32))
    said: Floats = field(default_factory=lambda: np.zeros(1, np.float32))
    pair: Pair | None = None

    @property
    def refuses(self) -> bool:
        """Whether something was subtracted from the query."""
        return not np.array_equal(self.said, self.embedding)


def ask(
    model: Model,
    turns: Sequence[Turn],
    *,
    text_weight: float = NEUTRAL,
    fusion: str | None = None,
    around: Around | None = None,
    without: Sequence[Turn] = (),
    without_weight: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> ConversationQuery:
    """One query from ``turns``, oldest first.

    ``text_weight``, 0 to 1, leans a composed turn towards its picture (0: the picture alone) or
    its words (1: the words alone); at 0.5 the fusion decides. ``fusion`` is the model's
    ``usual`` one if None, or a composition of ``samebut.composition.rows``, some of which read the
    gallery ``around``. A picture of more than ``max_pixels`` is refused before it is decoded.

    ``without`` is what is not wanted, besides what the texts refuse ("not blue"): these embeddings
    are subtracted from the query (``samebut.unwanted``), those of ``without`` as long as
    ``without_weight`` or, if that is None, as long as is usual.

    Raises QueryError if no turn has a picture or a text, a box is outside of its picture, or the
    composition does not exist or takes no ``without``; PictureError if a picture can't be used.
    """
    if not 0 <= text_weight <= 1:
        raise QueryError(
            f"a text weight of {text_weight} is outside 0 to 1",
            hint="Give a number from 0, the picture alone, to 1, the words alone.",
        )
    fusion = fusion or model.usual
    model.composition(fusion)
    turns = spoken(turns)
    if not any(turn.picture is not None or turn.says_something for turn in turns):
        raise QueryError("there is nothing to search for", hint="Give a picture, a text, or both.")
    if without_weight is not None and without_weight < 0:
        raise QueryError(
            f"the weight of what is not wanted is {without_weight}, which is below 0",
            hint="Give 0 or more, or leave it out for the usual weight.",
        )
    for turn in (*turns, *without):
        if any("\ud800" <= sign <= "\udfff" for sign in turn.text):
            raise QueryError(
                f"the text “{shown(turn.text)}” holds bytes that are not UTF-8",
                hint="Give the text in UTF-8.",
            )
        _check_box(turn)
        if not turn.weight > 0:
            raise QueryError(
                f"a turn's weight of {turn.weight} is not above 0",
                hint="Give a number above 0; 1 is usual.",
            )
    spent = SearchSeconds()
    passages: list[_Passage] = []
    shares: list[float] = []
    for turn in turns:
        if (picture := turn.source) is not None:
            features = encode_picture(model, picture, max_pixels, spent, turn.box)
            passages.append(_Passage(model, Reference(features, turn.caption.strip(), around)))
            shares.append(turn.weight)
        if turn.says_something:
            if not passages:
                passages.append(_Passage(model, None))
                shares.append(turn.weight)
            passages[-1].texts.append(without_courtesy(turn.text.strip()))
    for passage in passages:
        passage.answer(text_weight, fusion, spent)
    weights = EARLIER ** np.arange(len(passages) - 1, -1, -1, dtype=np.float32)
    weights *= np.array(shares, np.float32)
    query = unit(weights @ np.concatenate([passage.query for passage in passages]))
    gates = [passage.gate for passage in passages if passage.gate is not None]
    unread = tuple(text for passage in passages for text in passage.unread)
    seen = [model.embed(each.reference.features) for each in passages if each.reference]
    pictures = _gathered(model, seen)
    pair = passages[0].pair if len(passages) == 1 else None
    if without and pair is not None:
        raise QueryError(
            "this composition scores every picture twice, so nothing can be left out of its query",
            hint="Use another composition, such as slerp:0.65.",
        )
    unwanted = Unwanted(
        _texts(model, [turn.text for turn in without], spent),
        _pictures(model, without, max_pixels, spent),
        _texts(
            model, _refused(model, turns, without) if pair is None and text_weight else [], spent
        ),
        without_weight,
    )
    gate = gates[-1] if gates else None
    asked = unwanted.taken_from(query, of_words=not len(pictures))
    return ConversationQuery(asked, gate, spent, unread, pictures, unwanted.pictures, query, pair)


def fetched(turn: Turn) -> Turn:
    """The turn with its remote picture, if it has one, read into memory. Raises PictureError."""
    if not isinstance(turn.picture, RemotePath):
        return turn
    content, _ = read_picture(PictureFile(turn.picture, str(turn.picture)))
    return replace(turn, picture=content)


def _pictures(model: Model, turns: Sequence[Turn], max_pixels: int, spent: SearchSeconds) -> Floats:
    """Embeddings ``(P, D)`` of the pictures of ``turns``."""
    found = [
        model.embed(encode_picture(model, picture, max_pixels, spent, turn.box))
        for turn in turns
        if (picture := turn.source) is not None
    ]
    return _gathered(model, found)


def _gathered(model: Model, embeddings: Sequence[Floats]) -> Floats:
    """Batches ``(B, D)`` as one, which may be empty."""
    return np.concatenate([np.zeros((0, model.dim), np.float32), *embeddings])


def _texts(model: Model, texts: Sequence[str], spent: SearchSeconds) -> Floats:
    """Embeddings ``(T, D)`` of the texts that are not empty."""
    said = [text.strip() for text in texts if text.strip()]
    if not said:
        return _gathered(model, [])
    with spent.on("encode"):
        return model.embed(model.encode_texts(said))


def _refused(model: Model, turns: Sequence[Turn], without: Sequence[Turn]) -> list[str]:
    said, left = ([model.as_read(turn.text) for turn in each] for each in (turns, without))
    return refusals(said, left)


def spoken(turns: Sequence[Turn]) -> list[Turn]:
    """The turns, with what a picture is ``called`` added to every text about it: "in blue, as a
    skirt". As a separate step it would be lost: for 310 phone photos the first answer to a
    following colour was of the right kind for 17 %, with the name added to the text for 82 %. So it
    is a text of its own only if no other follows.

    Parts of the name that the text contradicts are left out: if the picture is called a skirt, "but
    as a dress" asks for a dress.
    """
    said, called = [], ""
    for turn, following in zip_longest(turns, turns[1:]):
        called = turn.called if turn.picture is not None else called
        is_last = following is None or following.picture is not None
        wished = {wish.look for wish in wishes([turn.text])}
        parts = [
            part
            for part in _PARTS.split(called)
            if part and not wished & {wish.look for wish in wishes([part])}
        ]
        text = turn.text.strip()
        if parts and (text or (turn.picture is not None and is_last)):
            comma = "，" if _HAN.search(called) else ", "
            text = comma.join([text, *parts] if text else parts)
            said.append(replace(turn, text=text, called=""))
        else:
            said.append(replace(turn, called="") if turn.called else turn)
    return said


def _check_box(turn: Turn) -> None:
    if turn.box is None:
        return
    if isinstance(turn.picture, EncodedPicture) and turn.picture.box != turn.box:
        raise QueryError(
            f"the picture was encoded without the box {turn.box}",
            hint="Encode the picture with this box, or leave the box out of the turn.",
        )
    left, top, right, bottom = turn.box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise QueryError(
            f"the box {turn.box} is not a part of the picture",
            hint="Give left, top, right and bottom as shares of the picture, from 0 to 1, with "
            "left "
            "below right and top below bottom.",
        )


class _Passage:
    """A picture and the texts about it, or texts before any picture: the ``texts``, oldest first,
    and the answer, ``query (1, D)``."""

    def __init__(self, model: Model, reference: Reference | None) -> None:
        self.model = model
        self.reference = reference
        self.texts: list[str] = []
        self.query = np.zeros((1, model.dim), np.float32)
        self.gate: float | None = None
        self.pair: Pair | None = None
        self.unread: list[str] = []

    def answer(self, text_weight: float, fusion: str, spent: SearchSeconds) -> None:
        """Make the query of the picture and the texts."""
        if self.reference is not None:
            self.query = self.model.embed(self.reference.features)
        if not self.texts:
            return
        with spent.on("encode"):
            said = dialogue.read(self.model, self.texts, whole=self.reference is None)
        if self.reference is None:
            self.query = self.model.embed(said.joined)
            self.unread = [*filter(None, [self.model.unread(said.text)])]
            return
        self.unread = [*filter(None, map(self.model.unread, said.texts))]
        with spent.on("fuse"):
            composed = dialogue.compose(self.model, self.reference, said, fusion)
            picture = self.reference.features
            self.query = _leaning(self.model, composed, picture, said.joined, text_weight)
        self.gate, self.pair = float(composed.gate[0]), composed.pair


def encoded(
    model: Model,
    picture: bytes,
    max_pixels: int = MAX_PIXELS,
    spent: SearchSeconds | None = None,
    box: Box | None = None,
) -> EncodedPicture:
    """A picture from the bytes of its file, or its part in ``box``, to be asked with several times.

    Raises PictureError as `encode_picture` does.
    """
    features = encode_picture(model, picture, max_pixels, spent, box)
    return EncodedPicture(features, digest_of(picture), picture_size(picture), box)


def encode_picture(
    model: Model,
    picture: Source,
    max_pixels: int = MAX_PIXELS,
    spent: SearchSeconds | None = None,
    box: Box | None = None,
) -> FeatureArrays:
    """Features of one picture, or of its part in ``box``, a batch of one. The time it took is
    added to ``spent``.

    Raises PictureError if the picture can't be used or has more than ``max_pixels``.
    """
    if isinstance(picture, EncodedPicture):
        return picture.features
    spent = spent or SearchSeconds()
    prepare = model.preprocess
    name = "the picture" if isinstance(picture, bytes) else str(picture)
    with spent.on("decode"):
        share = 1.0 if box is None else min(box[2] - box[0], box[3] - box[1])
        wanted = math.ceil(prepare.wanted_shorter_side / max(share, _SMALLEST_SHARE))
        opened = open_picture(picture, shorter_side=wanted, max_pixels=max_pixels, name=name)
        try:
            pixels = prepare(opened if box is None else cropped(opened, box))[None]
        except PictureError as error:
            raise PictureError(name, error.reason, hint=error.hint) from error
    with spent.on("encode"):
        return model.encode_images(pixels)


def _leaning(
    model: Model, composed: Composed, image: FeatureArrays, text: FeatureArrays, text_weight: float
) -> Floats:
    """The query, interpolated towards picture or text as far as ``text_weight`` is from 0.5."""
    lean = 2 * abs(text_weight - NEUTRAL)
    if lean and composed.pair is not None:
        raise QueryError(
            "this composition scores every picture twice, so it takes no text weight",
            hint=f"Leave it at {NEUTRAL}, or use a sum: sum:2 gives the words more weight.",
        )
    side = model.embed(text if text_weight > NEUTRAL else image)
    return unit((1 - lean) * composed.embedding + lean * side)
