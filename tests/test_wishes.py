"""language/wishes.py: the changes of a thing's looks that a sentence asks for."""

from __future__ import annotations

import pytest

from samebut.language.wishes import Look, fits, standing, wishes


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["in navy blue"], ["colour navy"]),
        (["换成蓝色"], ["colour blue"]),
        (["要红裙子"], ["colour red", "article skirt"]),
        (["In Grey, a T-Shirt"], ["colour grey", "article t-shirt"]),
        (["polka dots, please"], ["pattern dotted"]),
        (["a red skirt, not black"], ["colour red", "article skirt", "no colour black"]),
        (["is black instead of blue"], ["colour black", "no colour blue"]),
        (["把蓝色改成绿色"], ["no colour blue", "colour green"]),
        (["没有条纹的衬衫"], ["no pattern striped", "article shirt"]),
        (["anything but red"], ["no colour red"]),
        (["除了红色都行"], ["no colour red"]),
        (["I don't want blue"], ["no colour blue"]),
        (["nothing too blue"], ["no colour blue"]),
        (["not blue or green"], ["no colour blue", "no colour green"]),
        (["neither blue nor striped"], ["no colour blue", "no pattern striped"]),
        (["not blue, red"], ["no colour blue", "colour red"]),
        (["blue or green"], ["colour blue", "colour green"]),
        (["我不喜欢蓝色"], ["no colour blue"]),
        (["不要太蓝"], ["no colour blue"]),
        (["不要蓝色和绿色"], ["no colour blue", "no colour green"]),
        (["蓝色的不要"], ["no colour blue"]),
        (["把条纹去掉"], ["no pattern striped"]),
        (["红色不要蓝色"], ["colour red", "no colour blue"]),
        (["特别红"], ["colour red"]),
        (["in blue", "a T-shirt", "in red"], ["article t-shirt", "colour red"]),
        (["not red", "in red"], ["colour red"]),
        (["not red", "in blue"], ["no colour red", "colour blue"]),
        (["shorter, with long sleeves", "再短一点"], []),
        (["a greyhound in Redmond"], []),
        (["İ in blue"], ["colour blue"]),
    ],
)
def test_wishes(texts: list[str], expected: list[str]) -> None:
    found = [
        f"{'no ' if wish.is_refused else ''}{wish.look} {wish.value}" for wish in wishes(texts)
    ]
    assert found == expected


def test_a_wish_is_called_as_it_was_said() -> None:
    assert [wish.text for wish in wishes(["Some Jeans or a T恤 in Navy Blue"])] == [
        "Jeans",
        "T恤",
        "Navy Blue",
    ]


@pytest.mark.parametrize(
    ("look", "value", "wished", "expected"),
    [
        ("colour", "Navy Blue", "blue", True),
        ("colour", "blue", "navy", None),
        ("colour", "black", "blue", False),
        ("colour", "multi", "red", None),
        ("colour", "灰色", "gray", True),
        ("article", "polo shirt", "shirt", True),
        ("article", "shirt", "polo shirt", None),
        ("article", "jackets", "coat", True),
        ("article", "skirt", "dress", False),
        ("article", "shoes", "shoe", True),
        ("article", "shirt", "shirts", True),
        ("article", "Watches", "watch", True),
        ("article", "Dresses", "dress", True),
        ("article", "Casual Shoes", "shoe", True),
        ("article", "Tshirts", "t-shirt", True),
        ("article", "trainers", "sneaker", True),
        ("article", "鞋子", "shoe", True),
        ("article", "boots", "shoe", False),
        ("pattern", "striped across", "stripes", True),
        ("pattern", "solid", "plain", True),
        ("pattern", "checked", "striped", False),
    ],
)
def test_a_value_of_a_table_fits_what_is_wished(
    look: Look, value: str, wished: str, expected: bool | None
) -> None:
    assert fits(look, value, wished) is expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["in red", "as a skirt"], ["in red", "as a skirt"]),
        (["in red", "as a skirt", "back to blue"], ["", "as a skirt", "back to blue"]),
        (["换成红色", "要裙子", "还是要蓝色"], ["", "要裙子", "还是要蓝色"]),
        (["in red, with stripes", "in blue"], ["with stripes", "in blue"]),
        (["a red skirt", "in blue"], ["a red skirt", "in blue"]),
        (["in red", "not red after all"], ["", "not red after all"]),
        (["换成红色", "还是不要红色了"], ["", "还是不要红色了"]),
        (["not red", "not blue"], ["not red", "not blue"]),
        (["not red", "in blue"], ["not red", "in blue"]),
        (["not red", "in red"], ["", "in red"]),
        (["from red to blue", "in green"], ["", "in green"]),
        (["in red", "in blue", "in red"], ["", "", "in red"]),
        (["shorter", "longer"], ["shorter", "longer"]),
        (["in red,  shorter", "longer"], ["in red,  shorter", "longer"]),
        ([], []),
    ],
)
def test_what_stands_of_a_conversation(texts: list[str], expected: list[str]) -> None:
    assert standing(texts) == expected


def test_what_stands_is_judged_by_what_a_model_reads_and_given_as_it_was_said() -> None:
    simplified = {"換成紅色": "换成红色", "還是要藍色": "还是要蓝色"}
    said = ["換成紅色", "A, B", "還是要藍色"]
    assert standing(said, lambda text: simplified.get(text, text)) == ["", *said[1:]]
