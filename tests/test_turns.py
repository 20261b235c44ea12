"""turns.py: conversations to one query."""

from __future__ import annotations

import io
import time
from dataclasses import asdict
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import COLOURS, draw_picture
from samebut import dialogue
from samebut.dialogue import Reference
from samebut.embedding import unit
from samebut.errors import PictureError, QueryError
from samebut.runtime import FeatureArrays, Model, Surroundings
from samebut.turns import EARLIER, SearchSeconds, Turn, ask, encode_picture, spoken
from samebut.unwanted import REFUSED, UNLIKE, WITHOUT


def picture(colour: str, shape: str = "round") -> bytes:
    buffer = io.BytesIO()
    draw_picture(COLOURS[colour], shape).save(buffer, "PNG")
    return buffer.getvalue()


def composed(model: Model, reference: bytes, text: str) -> np.ndarray:
    return usual(model, encode_picture(model, reference), text)


def usual(model: Model, image: FeatureArrays, text: str) -> np.ndarray:
    """The query as a search composes it."""
    beside = Surroundings(said=[text])
    return model.compose(image, model.encode_texts([text]), model.usual, beside).embedding[0]


def test_one_turn_is_the_usual_composition(model: Model) -> None:
    asked = ask(model, [Turn(picture("red"), "in blue")])
    np.testing.assert_allclose(
        asked.embedding, composed(model, picture("red"), "in blue"), atol=1e-5
    )
    assert asked.gate is not None
    assert 0 <= asked.gate <= 1


def test_another_fusion(model: Model) -> None:
    asked = ask(model, [Turn(picture("red"), "in blue")], fusion="sum")
    image, text = encode_picture(model, picture("red")), model.encode_texts(["in blue"])
    expected = model.compose(image, text, "sum").embedding[0]
    np.testing.assert_allclose(asked.embedding, expected, atol=1e-5)


@pytest.mark.parametrize("turn", [Turn(text="in blue"), Turn(picture("red"))])
def test_an_unknown_fusion_is_refused_by_name(model: Model, turn: Turn) -> None:
    with pytest.raises(QueryError, match="no fusion called 'nonsense'") as caught:
        ask(model, [turn], fusion="nonsense")
    assert caught.value.hint is not None
    assert "its own, combiner. There are: keep" in caught.value.hint


def test_a_picture_alone_and_a_text_alone(model: Model) -> None:
    image = ask(model, [Turn(picture("red"))])
    expected = model.embed(encode_picture(model, picture("red")))[0]
    np.testing.assert_allclose(image.embedding, expected, atol=1e-5)
    text = ask(model, [Turn(text=" a red dress ")])
    expected = model.embed(model.encode_texts(["a red dress"]))[0]
    np.testing.assert_allclose(text.embedding, expected, atol=1e-5)
    assert image.gate is text.gate is None


def test_a_picture_then_a_text_is_one_turn(model: Model) -> None:
    apart = ask(model, [Turn(picture("red")), Turn(text="in blue")])
    together = ask(model, [Turn(picture("red"), "in blue")])
    np.testing.assert_allclose(apart.embedding, together.embedding, atol=1e-6)


def test_more_texts_are_what_the_dialogue_makes_of_them(model: Model) -> None:
    reference = Reference(encode_picture(model, picture("red")))
    said = dialogue.read(model, ["in blue", "striped"])
    expected = dialogue.compose(model, reference, said, model.usual)
    asked = ask(model, [Turn(picture("red"), "in blue"), Turn(text="striped")])
    np.testing.assert_allclose(asked.embedding, expected.embedding[0], atol=1e-5)
    assert asked.gate == pytest.approx(float(expected.gate[0]))


def test_what_is_taken_back_is_not_asked_for(model: Model) -> None:
    red = picture("red")
    back = ask(model, [Turn(red, "in green"), Turn(text="striped"), Turn(text="in blue")])
    alone = ask(model, [Turn(red, "striped"), Turn(text="in blue")])
    np.testing.assert_allclose(back.embedding, alone.embedding, atol=1e-6)


def test_of_texts_alone_what_is_taken_back_is_not_asked_for(model: Model) -> None:
    back = ask(model, [Turn(text="a dress, in red"), Turn(text="还是要蓝色")])
    plain = ask(model, [Turn(text="a dress"), Turn(text="还是要蓝色")])
    np.testing.assert_allclose(back.embedding, plain.embedding, atol=1e-6)


def test_text_weight_of_several_texts_runs_from_the_picture_to_all_words(model: Model) -> None:
    turns = [Turn(picture("red"), "in blue"), Turn(text="striped")]
    at = {weight: ask(model, turns, text_weight=weight).embedding for weight in (0, 1)}
    np.testing.assert_allclose(at[0], ask(model, [Turn(picture("red"))]).embedding, atol=1e-5)
    words = ask(model, [Turn(text="in blue, striped")]).embedding
    np.testing.assert_allclose(at[1], words, atol=1e-5)


def test_texts_before_any_picture_are_joined(model: Model) -> None:
    asked = ask(model, [Turn(text="a dress"), Turn(text=" with stripes ")])
    joined = ask(model, [Turn(text="a dress, with stripes")])
    np.testing.assert_allclose(asked.embedding, joined.embedding, atol=1e-6)


def test_what_is_not_read_of_long_texts_is_said_for_every_turn(model: Model) -> None:
    first, second = "in blue, " * 60 + "with lace", "with dots, " * 60 + "of silk"
    assert ask(model, [Turn(picture("red"), "in blue")]).unread == ()
    asked = ask(model, [Turn(picture("red"), first), Turn(text="shorter"), Turn(text=second)])
    assert asked.unread == (model.unread(first), model.unread(second))
    assert asked.unread[0].endswith("lace") and asked.unread[1].endswith("silk")
    alone = ask(model, [Turn(text=first), Turn(text="shorter"), Turn(picture("red"), second)])
    assert alone.unread == (model.unread(f"{first}, shorter"), model.unread(second))


def test_a_later_picture_weighs_more(model: Model) -> None:
    first, second = picture("red"), picture("green", "square")
    asked = ask(model, [Turn(text="a dress"), Turn(first, "in blue"), Turn(second, "in black")])
    passages = [
        model.embed(model.encode_texts(["a dress"]))[0],
        composed(model, first, "in blue"),
        composed(model, second, "in black"),
    ]
    weights = np.array([EARLIER**2, EARLIER, 1.0], dtype=np.float32)
    np.testing.assert_allclose(asked.embedding, unit(weights @ np.stack(passages)), atol=1e-5)


def test_two_pictures_without_words_are_both_meant(model: Model) -> None:
    first, second = picture("red"), picture("green", "square")
    asked = ask(model, [Turn(first), Turn(second)])
    one, other = (model.embed(encode_picture(model, p))[0] for p in (first, second))
    np.testing.assert_allclose(asked.embedding, unit(EARLIER * one + other), atol=1e-5)
    assert asked.embedding @ one < asked.embedding @ other  # the later one is meant more


def test_text_weight_runs_from_the_picture_to_the_words(model: Model) -> None:
    turn = Turn(picture("red"), "in blue")
    at = {weight: ask(model, [turn], text_weight=weight).embedding for weight in (0, 0.5, 1)}
    np.testing.assert_allclose(at[0], ask(model, [Turn(turn.picture)]).embedding, atol=1e-5)
    np.testing.assert_allclose(at[1], ask(model, [Turn(text="in blue")]).embedding, atol=1e-5)
    lighter = ask(model, [turn], text_weight=0.3).embedding
    assert at[0] @ at[0.5] < at[0] @ lighter < 1


@pytest.mark.parametrize("turns", [[], [Turn()], [Turn(text="  ")]])
def test_nothing_asked(model: Model, turns: list[Turn]) -> None:
    with pytest.raises(QueryError, match="nothing to search for"):
        ask(model, turns)


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_outside_its_range(model: Model, weight: float) -> None:
    with pytest.raises(QueryError, match="outside 0 to 1"):
        ask(model, [Turn(text="x")], text_weight=weight)


def test_seconds_are_added_to_what_they_went_into(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))
    spent = SearchSeconds()
    for stage in ("search", "decode", "search"):
        with spent.on(stage):
            pass
    with pytest.raises(ZeroDivisionError), spent.on("fuse"):
        raise ZeroDivisionError
    assert asdict(spent) == {"decode": 1, "encode": 0, "fuse": 1, "search": 2}


def test_a_picture_that_is_none(model: Model, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"broken\.jpg"):
        ask(model, [Turn(broken, "in blue")])


def test_a_box_is_the_picture_cut_out_by_hand(model: Model) -> None:
    left, right = draw_picture(COLOURS["red"], "round"), draw_picture(COLOURS["blue"], "square")
    both = Image.new("RGB", (2 * left.width, left.height))
    both.paste(left)
    both.paste(right, (left.width, 0))
    alone, together = io.BytesIO(), io.BytesIO()
    right.save(alone, "PNG")
    both.save(together, "PNG")
    asked = ask(model, [Turn(together.getvalue(), box=(0.5, 0, 1, 1))])
    np.testing.assert_allclose(
        asked.embedding, ask(model, [Turn(alone.getvalue())]).embedding, atol=1e-5
    )
    whole = ask(model, [Turn(together.getvalue(), box=(0, 0, 1, 1))])
    np.testing.assert_allclose(
        whole.embedding, ask(model, [Turn(together.getvalue())]).embedding, atol=1e-6
    )
    sliver = ask(model, [Turn(together.getvalue(), "in blue", (0.999, 0.999, 1, 1))])
    assert np.isfinite(sliver.embedding).all()


@pytest.mark.parametrize("box", [(0.5, 0, 0.5, 1), (0, 0.7, 1, 0.2), (-0.1, 0, 1, 1), (0, 0, 1, 2)])
def test_a_box_outside_of_the_picture_is_refused(
    model: Model, box: tuple[float, float, float, float]
) -> None:
    with pytest.raises(QueryError, match="is not a part of the picture"):
        ask(model, [Turn(picture("red"), box=box)])


def test_a_part_of_a_large_photo_is_decoded_large_enough(model: Model) -> None:
    rng = np.random.default_rng(5)
    fine = Image.fromarray(rng.integers(0, 255, (2000, 2000, 3), dtype=np.uint8))
    file, part = io.BytesIO(), io.BytesIO()
    fine.save(file, "JPEG", quality=95)
    with Image.open(file) as opened:
        opened.crop((900, 900, 1100, 1100)).save(part, "PNG")
    boxed = ask(model, [Turn(file.getvalue(), box=(0.45, 0.45, 0.55, 0.55))]).embedding
    cut = ask(model, [Turn(part.getvalue())]).embedding
    assert float(boxed @ cut) > 0.99


def test_courtesy_is_not_read(model: Model) -> None:
    polite = ask(model, [Turn(text="hi, could you show me a red dress, please?")])
    assert np.array_equal(polite.embedding, ask(model, [Turn(text="a red dress")]).embedding)


def test_what_is_not_wanted_is_taken_from_the_query(model: Model) -> None:
    turn = Turn(picture("red"), "a dress")
    plain, unwanted = ask(model, [turn]), ask(model, [Turn(text="blue")]).embedding
    without = [Turn(text=" blue "), Turn(picture("green"))]
    asked = ask(model, [turn], without=without[:1], without_weight=0.5)
    np.testing.assert_allclose(asked.embedding, unit(plain.embedding - 0.5 * unwanted), atol=1e-5)
    assert asked.gate == plain.gate
    both = ask(model, [turn], without=without, without_weight=0.5)
    green = ask(model, [Turn(picture("green"))]).embedding
    expected = unit(plain.embedding - 0.5 * unwanted - 0.5 * green)
    np.testing.assert_allclose(both.embedding, expected, atol=1e-5)
    usual = ask(model, [turn], without=[*without, Turn(picture("black"))])
    black = ask(model, [Turn(picture("black"))]).embedding
    taken = WITHOUT * unwanted + UNLIKE * (green + black) / 2
    np.testing.assert_allclose(usual.embedding, unit(plain.embedding - taken), atol=1e-5)
    assert usual.unlike.shape == (2, model.dim)
    words = ask(model, [Turn(text="a dress")], without=without[:1])
    of_words = unit(ask(model, [Turn(text="a dress")]).embedding - REFUSED * unwanted)
    np.testing.assert_allclose(words.embedding, of_words, atol=1e-5)
    with pytest.raises(QueryError, match="nothing can be left out"):
        ask(model, [turn], without=without, fusion="product")
    with pytest.raises(QueryError, match="nothing to search for"):
        ask(model, [], without=without)
    with pytest.raises(QueryError, match="is below 0"):
        ask(model, [turn], without=without, without_weight=-1)


def test_pictures_count_as_much_as_they_are_said_to(model: Model) -> None:
    red, blue = ask(model, [Turn(picture("red"))]), ask(model, [Turn(picture("blue"))])
    turns = [Turn(picture("red"), weight=3), Turn(picture("blue"), weight=2)]
    expected = unit(EARLIER * 3 * red.embedding + 2 * blue.embedding)
    np.testing.assert_allclose(ask(model, turns).embedding, expected, atol=1e-5)
    for weight in (0, -1, float("nan")):
        with pytest.raises(QueryError, match="is not above 0"):
            ask(model, [Turn(picture("red"), weight=weight)])


def test_what_the_words_refuse_is_taken_once(model: Model) -> None:
    turn = Turn(picture("red"), "not blue")
    asked, blue = ask(model, [turn]), ask(model, [Turn(text="blue")]).embedding
    assert asked.refuses and not ask(model, [Turn(picture("red"), "in red")]).refuses
    np.testing.assert_allclose(asked.embedding, unit(asked.said - REFUSED * blue), atol=1e-5)
    once = ask(model, [turn], without=[Turn(text="in blue")], without_weight=0)
    np.testing.assert_allclose(once.embedding, asked.said, atol=1e-6)
    assert not ask(model, [turn], text_weight=0).refuses
    assert not ask(model, [turn], fusion="product").refuses
    later = ask(model, [turn, Turn(text="in blue")])
    assert not later.refuses
    assert ask(model, [turn, Turn(text="with stripes")]).refuses


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([Turn(b"x", called="as a skirt")], ["as a skirt"]),
        ([Turn(b"x", "in blue", called="as a skirt")], ["in blue, as a skirt"]),
        (
            [Turn(b"x", called="as a skirt, in grey"), Turn(text="in blue"), Turn(text="shorter")],
            ["", "in blue, as a skirt", "shorter, as a skirt, in grey"],
        ),
        ([Turn(b"x", "as a dress", called="as a skirt")], ["as a dress"]),
        ([Turn(b"x", "蓝色", called="裙子，灰色")], ["蓝色，裙子"]),
        ([Turn(b"x", "in red", called="as a skirt"), Turn(b"y")], ["in red, as a skirt", ""]),
        ([Turn(text="in blue", called="as a skirt")], ["in blue"]),
    ],
)
def test_what_a_picture_is_called_is_said_along(turns: list[Turn], expected: list[str]) -> None:
    said = spoken(turns)
    assert [turn.text for turn in said] == expected
    assert spoken(said) == said


def test_a_query_of_a_picture_that_has_a_name(model: Model) -> None:
    named = ask(model, [Turn(picture("red"), called="as a skirt"), Turn(text="in blue")])
    by_hand = ask(model, [Turn(picture("red"), "in blue, as a skirt")])
    np.testing.assert_allclose(named.embedding, by_hand.embedding, atol=1e-6)


@pytest.mark.parametrize(
    ("traditional", "simplified"), [("換成藍色", "换成蓝色"), ("換成裙子", "换成裙子")]
)
def test_traditional_chinese_asks_the_same(model: Model, traditional: str, simplified: str) -> None:
    one, other = (ask(model, [Turn(picture("red"), text)]) for text in (traditional, simplified))
    np.testing.assert_array_equal(one.embedding, other.embedding)
