"""index/mentions.py: which facts of a table a sentence names, and which it does not."""

from __future__ import annotations

from collections import Counter

import pytest

from samebut.index.counting import Value
from samebut.index.mentions import Mention, mentions_in
from samebut.index.vocabulary import ColumnValues, Vocabulary
from samebut.language.kinds import kind_of
from samebut.language.labels import Labels
from samebut.values import fold, understand

SHOP = {
    "brand": [
        "Nike",
        "Adidas",
        "Puma",
        "Red Tape",
        "H&M",
        "Levi's",
        "Uniqlo",
        "安踏",
        "Classic Polo",
    ],
    "title": [
        "Nike Air Zoom Pegasus 40",
        "striped blue dress",
        "Puma Men Blue T-Shirt",
        "Linen Summer Classic",
        "The Great Gatsby",
    ],
    "price": ["$19.90", "$45", "$120.00", "$300", "$499"],
    "Size": ["S", "M", "L", "XL", "38", "One Size"],
    "gender": ["men", "women", "unisex", "boys"],
    "colour": ["blue", "red", "navy blue"],
    "kind": ["shirt", "shoes", "dress"],
    "sleeve": ["long", "short", "sleeveless"],
    "heel height": ["3 cm", "5 cm", "12 cm"],
    "city": ["Paris", "New York", "上海", "Jersey"],
    "rating": ["3.5", "4", "5"],
    "sku": ["LS-B-100", "LS-B-200", "AB-9-300"],
}
LABELS = Labels(values={("brand", "nike"): {"zh": "耐克"}, ("brand", "puma"): {"zh": "彪马"}})


def known(values: list[str]) -> ColumnValues:
    column = understand(Counter(values))
    return ColumnValues(column, [Value(text, column.number(text), 3) for text in values])


def vocabulary(table: dict[str, list[str]], labels: Labels = LABELS) -> Vocabulary:
    return Vocabulary.of({name: known(values) for name, values in table.items()}, labels)


@pytest.fixture(scope="module")
def shop() -> Vocabulary:
    return vocabulary(SHOP)


def said(mentions: list[Mention]) -> dict[str, str]:
    return {mention.text: str(mention.where).replace('"', "") for mention in mentions}


FACTS: dict[str, dict[str, str]] = {
    # brands
    "red shoes by Nike": {"Nike": "brand = 'Nike'"},
    "NIKE shoes": {"NIKE": "brand = 'Nike'"},
    "ｎｉｋｅ shoes": {"ｎｉｋｅ": "brand = 'Nike'"},
    "I'd like nike or adidas": {"nike": "brand = 'Nike'", "adidas": "brand = 'Adidas'"},
    "jeans from Levis": {"Levis": "brand = 'Levi''s'"},
    "an H & M dress": {"H & M": "brand = 'H&M'"},
    "red tape shoes": {"red tape": "brand = 'Red Tape'"},
    "brand Classic Polo": {"brand Classic Polo": "brand = 'Classic Polo'"},
    "shirts by classic polo": {"classic polo": "brand = 'Classic Polo'"},
    "puma shoes": {"puma": "brand = 'Puma'"},
    "with a Puma shirt": {"Puma": "brand = 'Puma'"},
    "耐克的红色鞋子": {"耐克": "brand = 'Nike'"},
    "来一双安踏运动鞋": {"安踏": "brand = '安踏'"},
    "一双彪马": {"彪马": "brand = 'Puma'"},
    "in red, not Nike": {"not Nike": "not brand = 'Nike'"},
    "without any Adidas": {"without any Adidas": "not brand = 'Adidas'"},
    "不要耐克": {"不要耐克": "not brand = 'Nike'"},
    "neither nike nor puma": {
        "neither nike": "not brand = 'Nike'",
        "nor puma": "not brand = 'Puma'",
    },
    # limits
    "under 500": {"under 500": "price <= 500"},
    "a red dress under $50 with pockets": {"under $50": "price <= 50"},
    "between 20 and 40": {"between 20 and 40": "price >= 20 and price <= 40"},
    "$20-$40": {"$20-$40": "price >= 20 and price <= 40"},
    "not under 100 please": {"not under 100": "price >= 100"},
    "price over 100": {"price over 100": "price >= 100"},
    "price is at most 1,000": {"price is at most 1,000": "price <= 1000"},
    "500 or less": {"500 or less": "price <= 500"},
    "不超过300美元的裙子": {"不超过300美元": "price <= 300"},
    "300以下": {"300以下": "price <= 300"},
    "三百块以内的鞋": {"三百块以内": "price <= 300"},
    "价格在100到200之间": {"价格在100到200之间": "price >= 100 and price <= 200"},
    "heels under 5 cm": {"under 5 cm": "heel height <= 5"},
    "heel height over 4": {"heel height over 4": "heel height >= 4"},
    "跟高不超过50毫米": {"跟高不超过50毫米": "heel height <= 5"},
    "rating at least 4": {"rating at least 4": "rating >= 4"},
    "rating 5": {"rating 5": "rating = 5"},
    # sizes
    "in size M": {"size M": "Size = 'M'"},
    "size xl, in blue": {"size xl": "Size = 'XL'"},
    "M码的红色衬衫": {"M码": "Size = 'M'"},
    "尺码38": {"尺码38": "Size = '38'"},
    "one size": {"one size": "Size = 'One Size'"},
    # titles, numbers of articles, other columns
    "Nike Air Zoom Pegasus 40 in blue": {
        "Nike Air Zoom Pegasus 40": "title = 'Nike Air Zoom Pegasus 40'"
    },
    "the great gatsby": {"the great gatsby": "title = 'The Great Gatsby'"},
    "like this, sku LS-B-100": {"sku LS-B-100": "sku = 'LS-B-100'"},
    "a street in Paris": {"Paris": "city = 'Paris'"},
    "上海的街道": {"上海": "city = '上海'"},
    # whom it is for
    "the same for women": {"for women": "gender in ('women', 'unisex')"},
    "men's shoes": {"men's": "gender in ('men', 'unisex')"},
    "换成女款": {"女款": "gender in ('women', 'unisex')"},
    # several
    "Nike shoes under 100 in size 38": {
        "Nike": "brand = 'Nike'",
        "under 100": "price <= 100",
        "size 38": "Size = '38'",
    },
}

NO_FACTS = [
    "in blue",
    "换成藏青色",
    "a striped blue dress",
    "with long sleeves",
    "in a size bigger",
    "one size bigger",
    "like the one under the table",
    "under an umbrella",
    "more than 3 stripes",
    "over 2 pockets",
    "超过3条条纹",
    "三个口袋",
    "一双鞋",
    "20 to 40",
    "2020-2024",
    "around 50",
    "with a Nike logo",
    "with a bigger nike swoosh",
    "with 'Nike' logo",
    "with Nike on the sleeve",
    "a black puma",
    "instead of a puma",
    "something like Nike",
    "in the style of Nike",
    "in Nike style",
    "耐克风格",
    "类似耐克",
    "带耐克标志的",
    "a puma on the front",
    "with a puma",
    "m",
    "38",
    "a jersey with stripes",
    "unlike nikes",
    "pikenike",
    "a man on a horse",
    "a girl with a hat",
    "a classic polo shirt",
    "less red",
    "no pockets",
    "under €50",  # the prices are in dollars
    "",
    "🙂 ?!",
]


@pytest.mark.parametrize("sentence", FACTS)
def test_facts_of_the_table_are_read(shop: Vocabulary, sentence: str) -> None:
    assert said(mentions_in(sentence, shop)) == FACTS[sentence]


@pytest.mark.parametrize("sentence", NO_FACTS)
def test_what_is_seen_or_counted_is_no_fact(shop: Vocabulary, sentence: str) -> None:
    assert said(mentions_in(sentence, shop)) == {}


@pytest.mark.parametrize(
    ("sentence", "taken"),
    [
        ("red shoes by Nike under 500", "red shoes  "),
        ("耐克的红色鞋子，不超过300美元", "红色鞋子，"),
        ("a Nike shirt", "a  shirt"),
        ("the same for women", "the same for women"),
        ("a street in Paris", "a street in Paris"),
    ],
)
def test_only_what_says_nothing_about_looks_is_taken_out(
    shop: Vocabulary, sentence: str, taken: str
) -> None:
    left = sentence
    for mention in reversed(mentions_in(sentence, shop)):
        if mention.taken:
            start, end = mention.taken
            left = left[:start] + left[end:]
    assert left == taken


def test_a_value_of_two_columns_is_either() -> None:
    found = vocabulary({"brand": ["Nike", "Paris"], "city": ["Paris", "Rome"]})
    assert said(mentions_in("from Paris", found)) == {"Paris": "brand = 'Paris' or city = 'Paris'"}


def test_an_unnamed_limit_means_every_price() -> None:
    found = vocabulary({"price": ["5 €", "9 €"], "sale price": ["4", "7"]})
    assert said(mentions_in("under 8 euros", found)) == {
        "under 8 euros": "price <= 8 or sale price <= 8"
    }


def test_brands_are_found_in_titles_where_no_column_has_them() -> None:
    titles = ["United Colors of Benetton Men Red Shirt", "United Colors of Benetton Women Top"]
    titles += ["Nike Men Shorts", "Nike Women Tee", "nike Kids Cap", "Blue Linen Shirt", "Blue Top"]
    titles += ["W Women Kurta", "Classic Shirt", "Classic Dress"]
    found = vocabulary({"title": titles})
    assert said(mentions_in("by Nike", found)) == {
        "Nike": "title like 'Nike %' or title like 'nike %'"
    }
    assert said(mentions_in("united colors of benetton shirts", found)) == {
        "united colors of benetton": "title like 'United Colors of Benetton %'"
    }
    for words in ("a blue shirt", "classic shirt", "w"):
        assert said(mentions_in(words, found)) == {}


def test_a_table_without_columns_says_nothing() -> None:
    assert mentions_in("Nike under 500", vocabulary({})) == []


def test_a_long_sentence_is_read_whole(shop: Vocabulary) -> None:
    sentence = "in blue " * 500 + "by Nike"
    assert list(said(mentions_in(sentence, shop))) == ["Nike"]


@pytest.mark.parametrize("sentence", ["ﬃ by Nike", "İstanbul, Nike", "e\u0301té Nike", "㍿ Nike"])
def test_places_are_those_of_what_was_written(shop: Vocabulary, sentence: str) -> None:
    (mention,) = mentions_in(sentence, shop)
    assert mention.text == "Nike"
    assert mention.taken is not None and sentence[slice(*mention.taken)].endswith("Nike")


def test_columns_are_known_by_their_values() -> None:
    kinds = {name: kind_of(name, known(v).column, Counter(v)) for name, v in SHOP.items()}
    assert {fold(name): kind for name, kind in kinds.items()} == {
        "brand": "brand", "title": "title", "price": "price", "size": "size", "gender": "gender",
        "colour": "colour", "kind": "article", "sleeve": "looks", "heel height": "size",
        "city": "text", "rating": "number", "sku": "id",
    }  # fmt: skip
