"""catalog/shops.py: exports of shops as they are (fixtures made after their documentation)."""

from __future__ import annotations

from pathlib import Path

import pytest

from samebut import catalog

SHOPS = Path(__file__).parents[1] / "golden" / "shops"


def read(name: str) -> tuple[dict[str, dict[str, str]], catalog.Catalog]:
    table = catalog.read(SHOPS / name)
    return {picture.rpartition("/")[2]: row for picture, row in table.rows.items()}, table


def of(row: dict[str, str], *columns: str) -> list[str]:
    return [row.get(column, "") for column in columns]


def test_shopify() -> None:
    rows, table = read("shopify.csv")
    assert list(rows) == ["linen-blue.jpg", "linen-back.jpg", "linen-green.jpg", "bag.png"]
    columns = ("Title", "Colour", "Size", "Variant Price", "Image Alt Text")
    assert of(rows["linen-blue.jpg"], *columns) == [
        "Linen Shirt", "Blue", "S, M", "29.90", "The front",
    ]  # fmt: skip
    assert of(rows["linen-back.jpg"], *columns) == [
        "Linen Shirt", "Blue, Green", "S, M", "29.90, 31.50", "The back",
    ]  # fmt: skip
    assert of(rows["linen-green.jpg"], *columns) == ["Linen Shirt", "Green", "S", "31.50", ""]
    assert "Title" in table.columns and "Option1 Value" not in table.columns
    assert of(rows["bag.png"], "Title", "Type") == ["Canvas Bag", "Bags"]
    assert [(e.line, e.reason) for e in table.unusable] == [
        (6, "product 'gift-card' has no picture")
    ]
    assert table.notes[-1].startswith("read as Shopify's products; for pictures and options")


def test_shopify_with_the_columns_of_today() -> None:
    rows, _ = read("shopify-new.csv")
    assert of(rows["linen-blue.jpg"], "Title", "Colour", "Price", "Image alt text") == [
        "Linen Shirt", "Blue, Green", "29.90, 31.50", "The front",
    ]  # fmt: skip
    assert of(rows["linen-green.jpg"], "Title", "Colour", "Price") == [
        "Linen Shirt", "Green", "31.50",
    ]  # fmt: skip


def test_woocommerce() -> None:
    rows, table = read("woocommerce.csv")
    assert list(rows) == ["hoodie.jpg", "hoodie-back.jpg", "hoodie-blue.jpg", "mug.jpg"]
    columns = ("Name", "Colour", "Size", "Regular price", "Categories")
    for picture in ("hoodie.jpg", "hoodie-back.jpg"):
        assert of(rows[picture], *columns) == [
            "Hoodie", "Blue, Red", "S, M, L, long", "45, 42", "Clothing > Hoodies",
        ]  # fmt: skip
    assert of(rows["hoodie-blue.jpg"], *columns) == [
        "Hoodie - Blue", "Blue", "S, M, L, long", "45", "Clothing > Hoodies",
    ]  # fmt: skip
    sizes = [row["Size"] for row in table.values.values() if "Size" in row]
    assert sizes[0] == ("S", "M", "L, long")
    assert [each.line for each in table.unusable] == [6]


def test_google_merchant() -> None:
    rows, table = read("google-merchant.txt")
    assert list(rows) == ["linen-blue.jpg", "linen-back.jpg", "linen-detail.jpg"]
    assert of(rows["linen-blue.jpg"], "color", "size", "price") == ["Blue", "S, M", "29.90 EUR"]
    assert rows["linen-back.jpg"]["title"] == 'Linen shirt 15" sleeve'
    assert [each.line for each in table.unusable] == [4]


@pytest.mark.parametrize(
    ("language", "name", "attribute", "values"),
    [
        ("de", "Name", "Farbe", "Blau, Rot"),
        ("fr", "Nom", "Couleur", "Bleu, Rouge"),
        ("es", "Nombre", "Color", "Azul, Rojo"),
        ("zh", "名称", "颜色", "蓝色, 红色"),
    ],
)
def test_woocommerce_in_other_languages(
    language: str, name: str, attribute: str, values: str
) -> None:
    rows, table = read(f"woocommerce-{language}.csv")
    assert list(rows) == ["hoodie.jpg", "hoodie-back.jpg", "hoodie-blue.jpg", "mug.jpg"]
    for picture in ("hoodie.jpg", "hoodie-back.jpg"):
        assert rows[picture][attribute] == values
    first = values.partition(",")[0]
    assert rows["hoodie-blue.jpg"][attribute] == first
    assert rows["hoodie-blue.jpg"][name].endswith(f" - {first}")
    assert not table.unusable
    assert not [column for column in table.columns if "1" in column]
    assert table.notes[-1].startswith("read as WooCommerce's products")


def test_google_merchant_in_xml() -> None:
    rows, table = read("google-merchant.xml")
    assert list(rows) == ["linen-blue.jpg", "linen-back.jpg", "linen-detail.jpg"]
    assert of(rows["linen-blue.jpg"], "color", "size", "price") == ["Blue", "S, M", "29.90 EUR"]
    assert of(rows["linen-back.jpg"], "title", "description", "shipping.country") == [
        "Linen shirt & sleeve", "Light <b>linen</b>", "DE",
    ]  # fmt: skip
    assert [(each.line, each.reason) for each in table.unusable] == [(27, "names no picture")]
    assert table.notes[0] == "a feed in XML"


def test_a_named_column_decides_before_a_shops_form() -> None:
    table = catalog.read(SHOPS / "shopify.csv", "Variant SKU")
    assert list(table.rows)[:2] == ["LS-B-S", "LS-B-M"]
