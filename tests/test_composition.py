"""Compositions without training: golden values, a contract for all rows, exact rescoring."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from samebut.composition.basic import corpora
from samebut.composition.keep import directions, names_kind
from samebut.composition.made import Asked, Corpora, Made, Sample
from samebut.composition.pairs import Pair
from samebut.composition.rows import COMPOSITIONS, read
from samebut.embedding import Floats, unit
from samebut.errors import QueryError
from samebut.index import RankedPictures
from samebut.rescoring import rescored

GOLDEN = json.loads((Path(__file__).parent / "golden" / "compositions.json").read_text())["scores"]
BLENDS = ("blend:0.3", "blend:0.3:slerp:0.5", "blend:0.3:product")


class Pictures:
    """A gallery in memory, nothing left out."""

    def __init__(self, rows: Floats) -> None:
        self.rows = rows

    def sample(self) -> Sample:
        return Sample(self.rows)

    def nearest(self, queries: Floats, count: int) -> Floats:
        return self.rows[np.argsort(-(queries @ self.rows.T), axis=1)[:, :count]]


def published() -> tuple[Asked, Floats]:
    """What ``golden/compositions.json`` is of: six queries and a gallery of sixty."""
    rng = np.random.default_rng(23)

    def rows(count: int, shift: NDArray[np.float64] | float) -> Floats:
        drawn = rng.normal(size=(count, 12)) + shift
        return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)

    base = rng.normal(size=12)
    gallery, image, text = rows(60, base), rows(6, base), rows(6, -0.5 * base)
    words = Corpora(rows(40, -0.5 * base), rows(24, -0.5 * base))
    own = unit(3 * image + text), np.full(6, 0.2, np.float32)
    captions = unit(text + 0.3 * image), unit(text - 0.3 * image)
    around = Pictures(gallery)
    kinds = directions(words.things)
    said = ["in blue"] * 3 + ["as a skirt"] * 3
    asked = Asked(image, text, lambda: own, lambda: words, *captions, around, lambda: kinds, said)
    return asked, gallery


@pytest.mark.parametrize("name", GOLDEN)
def test_scores_agree_with_the_authors_code(name: str) -> None:
    asked, gallery = published()
    pair = read(name).make(asked).pair
    assert pair is not None
    assert pair.scores(gallery) == pytest.approx(np.array(GOLDEN[name]), abs=2e-4, rel=1e-4)


def of_one(name: str, image: list[float], text: list[float], **more: object) -> Made:
    nothing = np.zeros((1, len(image)), np.float32)
    asked = Asked(
        np.array([image], np.float32),
        np.array([text], np.float32),
        lambda: (np.array([[0, 1, 0]], np.float32), np.array([0.9], np.float32)),
        lambda: Corpora(nothing, nothing),
        **more,  # type: ignore[arg-type]
    )
    return read(name).make(asked)


ROOT = 2**-0.5


@pytest.mark.parametrize(
    ("name", "image", "text", "expected", "gate"),
    [
        ("sum", [2, 0, 0], [0, 1, 0], [ROOT, ROOT, 0], 0.5),  # both of length one first
        ("sum:0.75", [2, 0, 0], [0, 1, 0], [0.8, 0.6, 0], 3 / 7),
        ("raw-sum:1.5", [2, 0, 0], [0, 1, 0], [0.8, 0.6, 0], 0.6),  # (2, 1.5) / 2.5
        ("slerp:0.5", [2, 0, 0], [0, 1, 0], [ROOT, ROOT, 0], 0.5),
        ("slerp:0.333333333", [2, 0, 0], [0, 1, 0], [3**0.5 / 2, 0.5, 0], 1 / 3),  # 30 degrees
        ("slerp:0.25", [1, 0, 0], [5, 0, 0], [1, 0, 0], 0.25),  # one direction: no angle
        ("blend:0.5:slerp:1", [0, 0, 1], [1, 0, 0], [ROOT, ROOT, 0], 0.95),  # own is (0, 1, 0)
    ],
)
def test_vectors_by_hand(
    name: str, image: list[float], text: list[float], expected: list[float], gate: float
) -> None:
    made = of_one(name, image, text)
    assert made.embedding[0] == pytest.approx(expected, abs=1e-6)
    assert made.gate[0] == pytest.approx(gate, abs=1e-6)


@pytest.mark.parametrize(
    ("said", "expected"), [("in blue", [0, 0.8, 0.6]), ("换成裙子", [0, 1, 0])]
)
def test_the_kind_is_kept_unless_the_words_name_one(said: str, expected: list[float]) -> None:
    kinds = np.array([[0, 0, 1]], np.float32)  # own is (0, 1, 0), the picture (0.6, 0, 0.8)
    made = of_one("keep:0.9375", [3, 0, 4], [1, 0, 0], kinds=lambda: kinds, said=[said])
    assert made.embedding[0] == pytest.approx(expected, abs=1e-6)
    assert made.gate[0] == pytest.approx(0.9)


def test_the_directions_of_kinds_are_where_they_differ() -> None:
    rows = np.zeros((30, 12), np.float32)
    rows[:, 0], rows[:15, 3], rows[15:, 3] = 1, 0.5, -0.5
    found = directions(rows)
    assert found.shape == (10, 12)
    assert abs(found[0]) == pytest.approx(np.eye(12)[3], abs=1e-6)


@pytest.mark.parametrize(
    "text", ["as a skirt", "换成裙子", "but as a gorilla", "a cat", "shorts in blue"]
)
def test_words_that_name_a_kind(text: str) -> None:
    assert names_kind(text)


@pytest.mark.parametrize(
    "text",
    ["in blue", "换成蓝色", "in orange", "长袖的", "not a dress", "striped", "darker", "in velvet"],
)
def test_words_that_name_none(text: str) -> None:
    assert not names_kind(text)


def test_the_text_difference_by_hand() -> None:
    captions = {
        "caption": np.array([[0, 1, 0]], np.float32),
        "captioned": np.array([[0, 0.6, 0.8]], np.float32),
    }
    # d = (0, -0.4, 0.8); at share 0 the picture with it, at 1 the caption with half of it.
    picture = of_one("pdv:1:0.5:0", [1, 0, 0], [1, 0, 0], **captions).embedding[0]
    assert picture == pytest.approx(np.array([1, -0.4, 0.8]) / 1.8**0.5, abs=1e-6)
    said = of_one("pdv:1:0.5:1", [1, 0, 0], [1, 0, 0], **captions).embedding[0]
    assert said == pytest.approx(np.array([0, 0.8, 0.4]) / 0.8**0.5, abs=1e-6)
    with pytest.raises(QueryError, match="needs a text that describes the reference"):
        of_one("pdv", [1, 0, 0], [1, 0, 0])


def test_a_pair_by_hand() -> None:
    one = np.ones((1, 1), np.float32)
    pair = Pair(one, one, np.array([0.1]), np.array([-0.2]), 0.1)
    # x = 0.5 - 0.1, y = 0.5 + 0.2: 0.28 - 0.1 * 1.21; then x below its offset, so s = -0.1 * 0.04
    found = pair.scores(np.array([[0.5], [0.0]], np.float32))[0]
    assert found == pytest.approx([0.28 - 0.121, -0.004])
    own = replace(pair, own=2 * one, share=0.25)
    assert own.scores(np.array([[0.5]], np.float32))[0] == pytest.approx([0.25 + 0.75 * 0.159])


@pytest.mark.parametrize("name", [*COMPOSITIONS, *BLENDS])
def test_what_every_composition_promises(name: str) -> None:
    asked, gallery = published()
    made = read(name).make(asked)
    scores = made.pair.scores(gallery) if made.pair else made.embedding @ gallery.T
    assert made.embedding.shape == (6, 12)
    assert made.embedding.dtype == made.gate.dtype == np.float32
    assert np.linalg.norm(made.embedding, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.all((made.gate >= 0) & (made.gate <= 1))
    assert asked.caption is not None
    assert asked.captioned is not None
    assert asked.said is not None
    own, gates = asked.own()
    for row in range(6):  # a batch of one is its row
        one = slice(row, row + 1)
        alone = read(name).make(
            replace(
                asked,
                image=asked.image[one],
                text=asked.text[one],
                own=lambda one=one: (own[one], gates[one]),  # type: ignore[misc]
                caption=asked.caption[one],
                captioned=asked.captioned[one],
                said=asked.said[one],
            )
        )
        assert alone.embedding[0] == pytest.approx(made.embedding[row], abs=1e-5)
        if made.pair and alone.pair:
            assert alone.pair.scores(gallery)[0] == pytest.approx(scores[row], abs=1e-3)
            assert made.pair[one].scores(gallery)[0] == pytest.approx(scores[row], abs=1e-9)
    rolled = {
        side: np.roll(getattr(asked, side), 1, axis=0) for side in ("image", "text", "captioned")
    }
    rolled["own"] = lambda: (np.roll(own, 1, axis=0), gates)
    words = {"pdv": "captioned", "keep": "own"}.get(name, "text")
    for other in ("image", words):  # both sides matter
        changed = replace(asked, **{other: rolled[other]})
        assert not np.allclose(read(name).make(changed).embedding, made.embedding, atol=1e-2)


@pytest.mark.parametrize("name", ["product", "basic", "blend:0.3:product"])
def test_no_picture_scores_more_than_its_bound(name: str) -> None:
    asked, gallery = published()
    pair = read(name).make(asked).pair
    assert pair is not None
    scores = pair.scores(gallery)
    for row, near in enumerate(pair.candidates @ gallery.T):
        for column, similarity in enumerate(near):
            bound = pair.bound(np.full(6, similarity, np.float64))[row]
            assert scores[row, column] <= bound + 1e-5


def test_candidates_scored_again_are_what_a_scan_of_all_finds() -> None:
    rng = np.random.default_rng(3)
    rows = unit(rng.normal(size=(5_000, 16)) + 0.4)
    fetched: list[int] = []

    def near(query: Floats, count: int) -> RankedPictures:
        fetched.append(count)
        scores = rows @ query
        ids = np.argsort(-scores, kind="stable")[:count]
        return RankedPictures(ids, scores[ids], rows[ids])

    for query in range(200):
        image, text = rows[query : query + 1], unit(rng.normal(size=(1, 16)) + 0.2)
        nothing = np.zeros(1)
        pair = Pair(image, text, nothing, nothing)
        found = rescored(partial(near, pair.candidates[0]), pair, 20)(10)
        every = pair.scores(rows)[0].astype(np.float32)
        assert found.ids.tolist() == np.argsort(-every, kind="stable")[:10].tolist()
        assert found.scores == pytest.approx(np.sort(every)[::-1][:10])
    assert len(fetched) > 200  # some first candidates were too few, and it was seen


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("film", "no fusion called 'film'"),
        ("slerp:1.5", "weight is '1.5'"),
        ("slerp:half", "weight is 'half'"),
        ("sum:nan", "weight is 'nan'"),
        ("slerp:0.5:0.5", "too many numbers"),
        ("blend:2", "share is '2'"),
        ("blend:0.5:film", "no fusion called 'film'"),
        ("blend:0.5:blend:0.5", "a blend can't be part of a blend"),
    ],
)
def test_names_that_are_refused_say_what_there_is(name: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        read(name)


def test_names_in_full() -> None:
    assert read("slerp").name == "slerp:0.65"
    assert read("basic:0.1::0").name == "basic:0.1:250:0:0.1"
    assert read("blend").name == "blend:0.5:sum:1"
    assert read("blend:0.75:slerp:0.5").name == "blend:0.75:slerp:0.5"


def test_there_are_words_for_things_and_for_styles() -> None:
    things, styles = corpora()
    assert len(things) > 800
    assert len(styles) > 80
    assert {"dress", "goldfish"} <= {*things}
    assert {"red", "striped", "leather"} <= {*styles}
    assert not {*things} & {*styles}
