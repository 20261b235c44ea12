"""language/kinds.py: what a column is about, by its values first."""

from __future__ import annotations

from collections import Counter

import pytest

from samebut.language.kinds import is_link, kind_of
from samebut.values import understand


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("c1", ["Navy Blue", "red", "Black/White"], "colour"),
        ("颜色分类", ["红色", "藏青色", "白色"], "colour"),
        ("color", ["Midnight Dream", "Storm"], "colour"),
        ("what", ["T-Shirts", "Shoes", "dress"], "article"),
        ("look", ["striped", "Polka Dots", "solid"], "pattern"),
        ("who", ["Men", "women", "Boys"], "gender"),
        ("性别", ["男款", "女款"], "gender"),
        ("cloth", ["Cotton", "Linen"], "material"),
        ("Vendor", ["Acme", "Umbrella"], "brand"),
        ("品牌", ["安踏", "李宁"], "brand"),
        ("kosten", ["€ 5,00", "€ 7,50"], "price"),
        ("Variant Price", ["19.90", "25"], "price"),
        ("score", ["3", "4.5"], "number"),
        ("Size", ["S", "M", "XL"], "size"),
        ("shoe_size", ["EU 38", "EU 39"], "size"),
        ("where", ["https://a.example/1", "http://a.example/2", "soon"], "url"),
        ("link", ["javascript:alert(1)", "soon", "later"], "text"),
        ("fold", ["train", "val", "test", "train"], "split"),
        ("数据集", ["训练集", "测试集"], "split"),
        ("SKU", ["A-1", "A-2"], "id"),
        ("number", [str(n) for n in range(1000, 1040)], "id"),
        ("code", [f"X{n}-b" for n in range(40)], "id"),
        ("caption", [f"A linen shirt of kind {n}" for n in range(40)], "title"),
        ("Title", ["Linen Shirt", "Hat"], "title"),
        ("notes", [f"{'a very long text ' * 8}{n}" for n in range(40)], "description"),
        ("subCategory", ["Topwear", "Bottomwear"], "category"),
        ("added", ["2024-05-01", "2024-06-01"], "date"),
        ("city", ["Paris", "Rome"], "text"),
        ("empty", [], "text"),
    ],
)
def test_kinds(name: str, values: list[str], kind: str) -> None:
    counts = Counter(values)
    assert kind_of(name, understand(counts), counts) == kind


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://shop.example/p/1?x=y", True),
        (" HTTP://shop.example ", True),
        ("ftp://shop.example", False),
        ("javascript:alert(1)//https://a", False),
        ("https://", False),
        ("https://a b", False),
        ("data:text/html,x", False),
        ("//shop.example", False),
    ],
)
def test_links(text: str, is_one: bool) -> None:
    assert is_link(text) is is_one
