"""dialogue.py: several texts about one picture to one query."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from samebut import dialogue
from samebut.dialogue import JOINED, REMINDED, Reference
from samebut.embedding import Floats, unit
from samebut.runtime import FeatureArrays, Model, Surroundings


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load("bundled")


@pytest.fixture(scope="module")
def image(model: Model) -> FeatureArrays:
    side = model.preprocess.size
    pixels = np.random.default_rng(3).normal(size=(1, 3, side, side)).astype(np.float32)
    return model.encode_images(pixels)


def said(model: Model, text: str) -> Floats:
    return model.embed(model.encode_texts([text]))


def composed(model: Model, image: FeatureArrays, text: str, fusion: str = "combiner") -> Floats:
    beside = Surroundings(said=[text])
    return model.compose(image, model.encode_texts([text]), fusion, beside).embedding


def asked(model: Model, image: FeatureArrays, texts: list[str], fusion: str = "combiner") -> Floats:
    reference, stand = Reference(image), dialogue.read(model, texts)
    return dialogue.compose(model, reference, stand, fusion).embedding


def by_hand(model: Model, image: FeatureArrays, texts: list[str], reminded: list[str]) -> Floats:
    length, query = np.linalg.norm(image.pooled), model.embed(image)
    for text in texts:
        query = composed(model, replace(image, pooled=query * length), text)
    whole = composed(model, image, ", ".join(texts))
    again = sum(said(model, text) for text in reminded)
    return unit(JOINED * whole + (1 - JOINED) * query + REMINDED * again)


def test_one_text_is_composed_as_it_is(model: Model, image: FeatureArrays) -> None:
    one = asked(model, image, ["in blue"])
    np.testing.assert_allclose(one, composed(model, image, "in blue"), atol=1e-6)


def test_three_texts_by_hand(model: Model, image: FeatureArrays) -> None:
    texts = ["in blue", "with stripes", "as a skirt"]
    expected = by_hand(model, image, texts, texts[:2])
    np.testing.assert_allclose(asked(model, image, texts), expected, atol=1e-5)


def test_what_a_later_text_replaces_is_left_out(model: Model, image: FeatureArrays) -> None:
    texts = ["in red", "with stripes", "in blue"]
    expected = by_hand(model, image, texts[1:], texts[1:2])
    np.testing.assert_allclose(asked(model, image, texts), expected, atol=1e-5)


def test_a_text_that_refuses_is_not_said_again(model: Model, image: FeatureArrays) -> None:
    texts = ["with stripes", "not red", "as a skirt"]
    expected = by_hand(model, image, texts, texts[:1])
    np.testing.assert_allclose(asked(model, image, texts), expected, atol=1e-5)


def test_chinese_texts_are_joined_as_chinese_is_written() -> None:
    assert dialogue.joined(["换成蓝色", "要裙子"]) == "换成蓝色，要裙子"
    assert dialogue.joined(["in blue", "a skirt"]) == "in blue, a skirt"


def test_the_oldest_are_not_joined_where_the_model_reads_no_more(model: Model) -> None:
    texts = ["with " + "very " * 50 + "thin stripes", "with a round neck and long sleeves", "blue"]
    stand = dialogue.read(model, texts)
    assert stand.texts == tuple(texts)
    assert stand.text == ", ".join(texts[1:])
    assert dialogue.read(model, texts, whole=True).text == ", ".join(texts)


def test_a_composition_of_two_similarities_has_those_of_all_texts(
    model: Model, image: FeatureArrays
) -> None:
    stand = dialogue.read(model, ["in blue", "striped"])
    found = dialogue.compose(model, Reference(image), stand, "product")
    assert found.pair is not None
    np.testing.assert_allclose(found.pair.text, said(model, "in blue, striped"), atol=1e-5)
    np.testing.assert_allclose(found.pair.image, model.embed(image), atol=1e-6)


def test_a_caption_grows_by_what_was_wished_before(model: Model, image: FeatureArrays) -> None:
    texts = ["in blue", "striped"]
    reference = Reference(image, "a red dress")
    found = dialogue.compose(model, reference, dialogue.read(model, texts), "pdv")

    def pdv(image: FeatureArrays, caption: str, text: str) -> Floats:
        beside = Surroundings(said(model, caption), said(model, f"{caption}, {text}"))
        return model.compose(image, model.encode_texts([text]), "pdv", beside).embedding

    whole = pdv(image, "a red dress", "in blue, striped")
    first = replace(image, pooled=pdv(image, "a red dress", "in blue"))
    last = pdv(first, "a red dress, in blue", "striped")
    again = REMINDED * said(model, "in blue")
    expected = unit(JOINED * whole + (1 - JOINED) * last + again)
    np.testing.assert_allclose(found.embedding, expected, atol=1e-5)
