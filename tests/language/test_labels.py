"""language/labels.py: columns and values in the reader's language."""

from __future__ import annotations

from pathlib import Path

import pytest

from samebut.errors import LabelsError
from samebut.language import palette
from samebut.language.kinds import Kind
from samebut.language.labels import Labels, read_labels
from samebut.wardrobe.attributes import ALLOWED, COLOURS, KINDS, MOTIFS, PATTERNS

NONE = Labels()


@pytest.mark.parametrize(
    ("kind", "value", "en", "zh"),
    [
        ("colour", "navy blue", "navy blue", "藏青色"),
        ("colour", "Navy-Blue", "Navy-Blue", "藏青色"),
        ("colour", "Black/White", "Black/White", "黑色、白色"),
        ("colour", "red, blue", "red, blue", "红色、蓝色"),
        ("colour", "藏青色", "navy blue", "藏青色"),
        ("colour", "Storm", "Storm", "Storm"),
        ("article", "T-Shirts", "T-Shirts", "T恤"),
        ("article", "Watches", "Watches", "手表"),
        ("article", "衬衫", "shirt", "衬衫"),
        ("article", "sofa", "sofa", "沙发"),
        ("pattern", "solid", "solid", "纯色"),
        ("gender", "Women", "Women", "女款"),
        ("gender", "男款", "men", "男款"),
        ("category", "Topwear", "Topwear", "上装"),
        ("looks", "Summer", "Summer", "夏季"),
        ("brand", "Acme", "Acme", "Acme"),
        ("text", "yes", "yes", "有"),
    ],
)
def test_values(kind: Kind, value: str, en: str, zh: str) -> None:
    assert NONE.value("any", kind, value) == {"en": en, "zh": zh}


@pytest.mark.parametrize(
    ("name", "kind", "en", "zh"),
    [
        ("colour", "colour", "Colour", "颜色"),
        ("baseColour", "colour", "Colour", "颜色"),
        ("c1", "colour", "C1", "颜色"),
        ("颜色", "colour", "Colour", "颜色"),
        ("kind", "article", "Kind", "种类"),
        ("sub_category", "category", "Sub category", "子类别"),
        ("Heel Height", "size", "Heel height", "跟高"),
        ("Vendor", "brand", "Vendor", "品牌"),
        ("shop_page", "url", "Shop page", "链接"),
        ("花纹样式", "text", "花纹样式", "花纹样式"),
        ("Café & more", "text", "Café & more", "Café & more"),
    ],
)
def test_columns(name: str, kind: Kind, en: str, zh: str) -> None:
    assert NONE.column(name, kind) == {"en": en, "zh": zh}


def test_columns_of_one_kind_are_told_apart() -> None:
    assert NONE.column("c1", "colour", alone=False)["zh"] == "颜色（C1）"


def test_everything_the_wardrobe_draws_has_a_name_in_chinese() -> None:
    allowed: dict[str, set[str]] = {}
    for kind in ALLOWED.values():
        for column, values in kind.items():
            allowed.setdefault(column, set()).update(values)
    kinds: dict[str, tuple[Kind, set[str]]] = {name: ("looks", v) for name, v in allowed.items()}
    kinds |= {"colour": ("colour", {*COLOURS}), "kind": ("article", {*KINDS})}
    kinds |= {"pattern": ("pattern", {*PATTERNS}), "motif": ("looks", {*MOTIFS})}
    same = [
        (name, value)
        for name, (kind, values) in kinds.items()
        for value in values - {"none"}
        if NONE.value(name, kind, value)["zh"] == value
    ]
    assert same == []
    assert [name for name in kinds if NONE.column(name, kinds[name][0])["zh"] == name] == []


def test_colours_are_called_as_the_palette_does() -> None:
    said = {name: NONE.value("colour", "colour", name)["zh"] for name in palette.COLOURS}
    assert said == {name: colour.zh for name, colour in palette.COLOURS.items()}


def test_own_words_come_first(tmp_path: Path) -> None:
    file = tmp_path / "labels.toml"
    file.write_text(
        """
        [Brand]
        zh = "牌子"
        de = "Marke"
        [Brand.values]
        Nike = { zh = "耐克" }
        "H&M" = { en = "H & M" }
        [price]
        currency = "EUR"
        [colour.values]
        red = { zh = "大红" }
        """,
        encoding="utf-8",
    )
    labels = read_labels(file)
    assert labels.column("brand", "brand") == {"en": "Brand", "zh": "牌子", "de": "Marke"}
    assert labels.value("BRAND", "brand", "nike") == {"en": "nike", "zh": "耐克"}
    assert labels.value("Brand", "brand", "H&M") == {"en": "H & M", "zh": "H&M"}
    assert labels.value("colour", "colour", "red")["zh"] == "大红"
    assert (labels.currency("price"), labels.currency("brand")) == ("EUR", None)
    assert list(labels.own_words("Brand")) == [("nike", "耐克"), ("h&m", "H & M")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("brand = ", "Invalid value"),
        ("brand = 3", "brand is not a table"),
        ("[brand]\nzh = 3", "brand.zh is not a text under the code of a language"),
        ("[brand]\nChinese = 'x'", "brand.Chinese is not a text under the code of a language"),
        ("[brand.values]\nNike = '耐克'", "brand.values.Nike is not a table"),
        ("[brand]\nvalues = 1", "brand.values is not a table"),
        ("[price]\ncurrency = 'euro'", "price.currency is not the code of a currency"),
    ],
)
def test_what_is_wrong_in_a_labels_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "labels.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(LabelsError, match=said) as caught:
        read_labels(file)
    assert str(file) in str(caught.value)
    assert caught.value.hint


def test_a_labels_file_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    file = tmp_path / "labels.toml"
    file.write_bytes(b"\xff\xfe\xff")
    for path in (file, tmp_path / "other.toml"):
        with pytest.raises(LabelsError, match=path.name):
            read_labels(path)
