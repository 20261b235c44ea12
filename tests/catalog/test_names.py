"""catalog/names.py: names are matched with pictures as a person would match them."""

from __future__ import annotations

import itertools
import random
import unicodedata

import pytest

from samebut.catalog import WAYS, match
from samebut.catalog.names import file_name, names_in


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (" ./a\\b.jpg ", "a/b.jpg"),
        ("a//b/./c.jpg", "a/b/c.jpg"),
        ("https://x.org/a/b.jpg?v=1#top", "https://x.org/a/b.jpg"),
        ("https://x.org/image.php?id=7", "https://x.org/image.php?id=7"),
        ("C:\\photos\\a.jpg", "C:/photos/a.jpg"),
        ("/photos/a.jpg", "/photos/a.jpg"),
        ("", ""),
    ],
)
def test_file_name(cell: str, name: str) -> None:
    assert file_name(cell) == name


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("a.jpg;b.png", ["a.jpg", "b.png"]),
        ("a.jpg|b.png\nc.webp,", ["a.jpg", "b.png", "c.webp"]),
        ("a.jpg, a.jpg", ["a.jpg"]),
        ("black, white.jpg", ["black, white.jpg"]),
        (
            "https://x/a.jpg, https://x/w_1,h_2/b.jpg",
            ["https://x/a.jpg", "https://x/w_1,h_2/b.jpg"],
        ),
        ("10001", ["10001"]),
        (" ; ", []),
        ("[1]", ["[1]"]),
    ],
)
def test_names_in_a_cell(cell: str, names: list[str]) -> None:
    assert names_in(cell) == names


DECOMPOSED = unicodedata.normalize("NFD", "é.jpg")


@pytest.mark.parametrize(
    ("name", "picture", "way"),
    [
        ("a.jpg", "a.jpg", "exactly"),
        ("é.jpg", DECOMPOSED, "by Unicode form"),
        ("SUB/A.JPG", "sub/a.jpg", "by capitals"),
        ("my%20shoe.jpg", "my shoe.jpg", "by percent signs"),
        ("a.jpg?v=1", "a.jpg", "without a query"),
        ("a.jpeg", "a.jpg", "by suffix"),
        ("a", "a.jpg", "by suffix"),
        ("a.png", "a.webp", "by suffix"),
        ("a.jpg", "sub/a.jpg", "by name alone"),
        ("x/a.jpg", "y/a.jpg", "by name alone"),
        ("https://cdn.x.org/s/My%20Shoe.JPEG?w=200", "sub/my shoe.jpg", "by name alone"),
    ],
)
def test_ways(name: str, picture: str, way: str) -> None:
    matched = match([name], ["other.jpg", picture])
    assert matched.pictures == {name: picture}
    assert matched.counts({name}) == {way: 1}
    assert way in WAYS


@pytest.mark.parametrize(
    ("name", "pictures", "picture"),
    [
        ("a.jpeg", ["a.jpg", "a.png"], "a.jpg"),
        ("a.JPG", ["a.jpg", "a.png"], "a.jpg"),
        ("a.jpg", ["x/A.jpg", "y/a.jpg"], "y/a.jpg"),
        ("https://x.org/img/shoes/1.jpg", ["dresses/1.jpg", "shoes/1.jpg"], "shoes/1.jpg"),
        ("C:/photos/shoes/1.jpg", ["dresses/1.jpg", "shoes/1.jpg"], "shoes/1.jpg"),
    ],
)
def test_the_nearest_is_taken(name: str, pictures: list[str], picture: str) -> None:
    assert match([name], pictures).pictures == {name: picture}


def test_a_name_that_fits_several_pictures_is_ambiguous() -> None:
    matched = match(["1.jpg", "2"], ["a/1.jpg", "b/1.jpg", "2.jpg", "2.png"])
    assert matched.pictures == {}
    assert matched.ambiguous == {"1.jpg": "a/1.jpg, b/1.jpg", "2": "2.jpg, 2.png"}


def test_names_that_fit_one_picture_by_less_than_their_path_are_ambiguous() -> None:
    matched = match(["x/1.jpg", "y/1.jpg"], ["1.jpg"])
    assert matched.pictures == {}
    assert matched.ambiguous["x/1.jpg"] == "1.jpg, as does y/1.jpg"


def test_spellings_of_one_path_are_one_picture() -> None:
    assert match(["A.jpg", "a.JPG"], ["a.jpg"]).pictures == {"A.jpg": "a.jpg", "a.JPG": "a.jpg"}


def test_an_exact_row_keeps_its_picture() -> None:
    matched = match(["shoes/1.jpg", "dresses/1.jpg"], ["dresses/1.jpg"])
    assert matched.pictures == {"dresses/1.jpg": "dresses/1.jpg"}
    assert matched.unused == {"shoes/1.jpg": "dresses/1.jpg"}


def test_another_folder_is_not_given_a_picture_of_which_something_is_known() -> None:
    taken = {"dresses/1.jpg"}
    assert match(["shoes/1.jpg"], ["dresses/1.jpg"], taken).pictures == {}
    for name in ("1.jpg", "old/dresses/1.jpg", "https://x.org/1.jpg", "dresses/1.jpeg"):
        assert match([name], ["dresses/1.jpg"], taken).pictures == {name: "dresses/1.jpg"}


def test_a_number_sign_is_part_of_a_name() -> None:
    assert match(["a#1.jpg"], ["a#2.jpg"]).waiting == ["a#1.jpg"]
    assert match(["C#/a.jpg"], ["a.jpg"]).pictures == {"C#/a.jpg": "a.jpg"}


def nearest_by_definition(name: str, pictures: list[str]) -> str | None:
    """The picture that shares most folders with ``name``, from the file outwards, if one does."""

    def shared(picture: str) -> int:
        pairs = zip(name.split("/")[-2::-1], picture.split("/")[-2::-1], strict=False)
        return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))

    most = max(map(shared, pictures))
    nearest = [picture for picture in pictures if shared(picture) == most]
    return nearest[0] if most and len(nearest) == 1 else None


def test_the_nearest_of_many_pictures_of_one_name() -> None:
    dice = random.Random(0)
    folders = ["/".join(dice.choices("ab", k=dice.randrange(4))) for _ in range(40)]
    pictures = sorted({f"new/{each}/1.jpg".replace("//", "/") for each in folders})
    for each in folders:
        name = f"{each}/1.JPG".lstrip("/")
        found = match([name], pictures)
        assert found.pictures.get(name) == nearest_by_definition(name, pictures), name
        assert (name in found.ambiguous) == (name not in found.pictures)


def test_a_shop_whose_pictures_are_all_called_alike() -> None:
    """One folder a product: a comparison of each name with each picture would take minutes."""
    names = [f"p{number}/1.jpg" for number in range(20_000)]
    found = match(names, [f"shop/{name}" for name in names])
    assert found.pictures == {name: f"shop/{name}" for name in names}
    unclear = match([f"{number}/1.JPG" for number in range(5_000)], ["a/1.jpg", "b/1.jpg"])
    assert len(unclear.ambiguous) == 5_000
    rivals = match([f"{number}/1.JPG" for number in range(5_000)], ["a/1.jpg"])
    assert (
        rivals.ambiguous["7/1.JPG"] == "a/1.jpg, as does 0/1.JPG, 1/1.JPG, 2/1.JPG and 4,996 more"
    )
    assert (
        rivals.ambiguous["1/1.JPG"] == "a/1.jpg, as does 0/1.JPG, 2/1.JPG, 3/1.JPG and 4,996 more"
    )
