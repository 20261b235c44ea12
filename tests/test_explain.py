"""explain.py: the words of a text, and the regions of the picture that each attends to."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import COLOURS, draw_picture
from samebut.errors import ModelError, PictureError, QueryError
from samebut.explain import LONGER_SIDE, as_square, explain, over_picture, words_of
from samebut.language.wishes import is_function_word
from samebut.preprocess import Preprocess
from samebut.runtime import Composed, FeatureArrays, Model
from samebut.turns import Turn


def as_png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


PICTURE = as_png(draw_picture(COLOURS["red"], "round", 120))


@pytest.mark.parametrize(
    ("text", "spans", "expected"),
    [
        ("in blue", [(0, 0), (0, 2), (2, 7), (0, 0)], [("in", [1]), ("blue", [2])]),
        ("please", [(0, 2), (2, 4), (4, 6)], [("please", [0, 1, 2])]),
        ("blue, red", [(0, 4), (4, 5), (5, 9)], [("blue", [0]), ("red", [2])]),
        ("换成红色", [(0, 2), (2, 4)], [("换成", [0]), ("红色", [1])]),
        ("带条", [(0, 2), (1, 2), (1, 2)], [("带条", [0, 1, 2])]),
        ("T恤", [(0, 1), (1, 2)], [("T", [0]), ("恤", [1])]),
        ("?!", [(0, 1), (1, 2)], []),
    ],
)
def test_words(
    text: str, spans: list[tuple[int, int]], expected: list[tuple[str, list[int]]]
) -> None:
    assert words_of(text, spans) == expected


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=40))
def test_every_letter_is_in_one_word(model: Model, text: str) -> None:
    text = text.strip()
    said = "".join(word for word, _ in words_of(text, model.text_spans(text)))
    letters = [char for char in text if char.isalnum()]
    within = [char for char in said if char.isalnum()]
    assert within == letters[: len(within)]  # a long text is cut by the encoder


def test_a_turn_is_explained_word_by_word(model: Model) -> None:
    found = explain(model, Turn(PICTURE, "in blue, 红色"))
    assert [word.text for word in found.words][:2] == ["in", "blue"]
    assert "".join(word.text for word in found.words[2:]) == "红色"
    assert (found.width, found.height) == (120, 150)
    assert 0 <= found.gate <= 1
    assert found.kind == "nearness"  # the Combiner has no attention
    for word in found.words:
        assert word.map.shape == (LONGER_SIDE, 32)
        assert word.map.min() >= 0
        assert 0.8 < word.map.max() <= 1


def test_a_fusion_with_attention_says_where_it_looks(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word in two pieces gets the mean of theirs; marks and padding are no words."""
    composed = model.compose

    def attending(image: FeatureArrays, text: FeatureArrays) -> Composed:
        said = composed(image, text)
        attention = np.zeros((1, text.tokens.shape[1], image.tokens.shape[1]), np.float32)
        attention[0, :, 0] = 1  # all look at the top left
        return Composed(said.embedding, said.gate, attention)

    monkeypatch.setattr(Model, "compose", lambda self, image, text: attending(image, text))
    found = explain(model, Turn(PICTURE, "in blue"))
    assert found.kind == "attention"
    for word in found.words:
        assert word.map[:12, :8].max() > 0.9
        assert word.map[20:].max() == word.map[:, 16:].max() == 0


def test_a_map_lies_where_its_regions_were() -> None:
    prepare = Preprocess(size=64, mean=(0, 0, 0), std=(1, 1, 1), padding="square")
    left = np.zeros((8, 8), np.float32)
    left[:, :4] = 1
    wide = over_picture(prepare, left, (4000, 1000))
    assert wide.shape == (10, LONGER_SIDE)
    assert (wide[:, :16] > 0.99).all()
    assert (wide[:, 24:] < 0.01).all()
    # Above and below a wide picture there is padding: what the encoder saw there is dropped.
    only_padding = np.zeros((8, 8), np.float32)
    only_padding[0] = 1
    assert not over_picture(prepare, only_padding, (4000, 1000)).any()


def test_what_was_cropped_away_is_0() -> None:
    prepare = Preprocess(size=64, mean=(0, 0, 0), std=(1, 1, 1), padding="none")
    rising = np.tile(np.linspace(1, 2, 8, dtype=np.float32), (8, 1))
    map_ = over_picture(prepare, rising, (400, 100))
    assert not map_[:, :15].any()
    assert not map_[:, 25:].any()
    middle = map_[5, 15:25]
    assert (np.diff(middle) >= 0).all()
    assert middle[0] < 0.1
    assert middle[-1] > 0.9


def test_one_pixel_and_thin_pictures(model: Model) -> None:
    for size in ((1, 1), (3, 900), (900, 2)):
        found = explain(model, Turn(as_png(Image.new("RGB", size, "red")), "in blue"))
        assert found.words[0].map.shape == (
            max(1, round(size[1] * LONGER_SIDE / max(size))),
            max(1, round(size[0] * LONGER_SIDE / max(size))),
        )
        assert np.isfinite(found.words[0].map).all()


@pytest.mark.parametrize("turn", [Turn(PICTURE), Turn(PICTURE, "  "), Turn(text="in blue")])
def test_half_a_turn(model: Model, turn: Turn) -> None:
    with pytest.raises(QueryError, match="picture with a text"):
        explain(model, turn)


def test_limits(model: Model) -> None:
    with pytest.raises(PictureError, match="more than"):
        explain(model, Turn(PICTURE, "x"), max_pixels=100)
    with pytest.raises(ModelError, match="50 region tokens make no square"):
        as_square(np.zeros(50, np.float32))


def test_a_box_is_mapped_where_it_lies(model: Model) -> None:
    picture = draw_picture(COLOURS["red"], "round")
    part = as_png(picture.crop((0, 0, 80, 200)))
    boxed = explain(model, Turn(as_png(picture), "in blue", (0, 0, 0.5, 1)))
    cut = explain(model, Turn(part, "in blue"))
    assert (boxed.width, boxed.height, boxed.box) == (160, 200, (0, 0, 80, 200))
    assert cut.box == (0, 0, 80, 200)
    np.testing.assert_allclose(boxed.words[1].map, cut.words[1].map, atol=1e-4)


def test_an_answer_is_never_looked_at_by_the_fusion(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose = type(model).compose

    def attentive(self: Model, image: FeatureArrays, text: FeatureArrays) -> Composed:
        said = compose(self, image, text)
        attention = np.zeros((1, text.tokens.shape[1], image.tokens.shape[1]), np.float32)
        return Composed(said.embedding, said.gate, attention)

    monkeypatch.setattr(type(model), "compose", attentive)
    assert explain(model, Turn(PICTURE, "in blue")).kind == "attention"
    assert explain(model, Turn(PICTURE, "in blue"), of_answer=True).kind == "nearness"


def test_words_that_only_hold_the_sentence_together_are_marked(model: Model) -> None:
    said = explain(model, Turn(PICTURE, "the same, but in blue with stripes")).words
    assert [word.text for word in said if not word.is_function_word] == ["blue", "stripes"]
    assert [word for word in ("换成", "蓝色", "的", "In", "裙子") if is_function_word(word)] == [
        "换成",
        "的",
        "In",
    ]
