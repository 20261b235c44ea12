"""The API over a shop's table: filters read in words, labels, live counts, why nothing passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from conftest import COLOURS, draw_picture
from samebut.gallery import Gallery
from samebut.index.mentions import mentions_in
from serving import API, RED, client_of, error_of, form

TABLE = """file,split,sku,Marque,price,Size,hue,shop
red-round.png,train,A-1,Nike,$20,M,Red,https://shop.example/1
blue-round.png,train,A-2,Nike,$90,L,Navy Blue,https://shop.example/2
green-round.png,val,A-3,Adidas,$50,M,green,javascript:alert(1)
yellow-round.png,train,A-4,Adidas,$500,S,yellow,https://shop.example/4
black-round.png,val,A-5,Acme,$30,M,Navy Blue,soon
"""
LABELS = '[Marque]\nzh = "牌子"\n[Marque.values]\nNike = { zh = "耐克" }\n'


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    photos = tmp_path_factory.mktemp("words") / "photos"
    photos.mkdir()
    for name, colour in COLOURS.items():
        draw_picture(colour, "round").save(photos / f"{name}-round.png")
    (photos / "labels.toml").write_text(LABELS, encoding="utf-8")
    table = photos.parent / "table.csv"
    table.write_text(TABLE, encoding="utf-8")
    gallery, _ = Gallery.build(photos, metadata=table)
    gallery.close()
    return photos


@pytest.fixture(scope="module")
def client(shop: Path) -> Iterator[TestClient]:
    with client_of(shop) as client:
        yield client


def ask(client: TestClient, *texts: str, language: str = "en", **more: Any) -> dict[str, Any]:
    query = {"turns": [{"text": text} for text in texts], "read_filters": True, **more}
    answer = client.post(f"{API}/search", json=query, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def brands(answer: dict[str, Any]) -> set[str]:
    return {hit["metadata"]["Marque"] for hit in answer["hits"]}


def test_words_become_filters_that_are_said(client: TestClient) -> None:
    answer = ask(client, "red shoes by Nike", "under 50")
    assert answer["filters"] == [
        {"text": "Nike", "where": "\"Marque\" = 'Nike'", "turn": 0, "outcome": "applied"},
        {"text": "under 50", "where": '"price" <= 50', "turn": 1, "outcome": "applied"},
    ]
    assert [hit["path"] for hit in answer["hits"]] == ["red-round.png"]
    assert answer["total"] == 1


def test_own_words_of_a_value_are_read_too(client: TestClient) -> None:
    answer = ask(client, "耐克的红色鞋子，不超过50美元")
    assert [hit["path"] for hit in answer["hits"]] == ["red-round.png"]


def test_a_filter_can_be_taken_off_and_is_none_unless_asked_for(client: TestClient) -> None:
    assert ask(client, "by Nike", ignore=["Nike"])["filters"] == []
    assert len(brands(ask(client, "by Nike", ignore=["Nike"]))) == 3
    plain = client.post(f"{API}/search", json={"turns": [{"text": "by Nike"}]}).json()
    assert (plain["filters"], plain["total"]) == ([], 5)


def test_a_filter_that_nothing_passes_is_said_and_not_applied(client: TestClient) -> None:
    answer = ask(client, "red, under 5")
    assert (answer["filters"][0]["outcome"], answer["total"]) == ("nothing", 5)


def test_the_picture_alone_is_asked_where_the_words_are_facts(client: TestClient) -> None:
    query = {"turns": [{"upload": "p0", "text": "by Nike"}], "read_filters": True, "k": 5}
    answer = client.post(f"{API}/search", **form(query, p0=RED)).json()
    assert brands(answer) == {"Nike"}
    assert answer["gate"] is None


def test_too_much_to_ignore_is_refused(client: TestClient) -> None:
    query = {"turns": [{"text": "x"}], "ignore": ["x"] * 51}
    error_of(client.post(f"{API}/search", json=query), 422, "query_malformed")


def shown(client: TestClient, **asked: str) -> dict[str, dict[str, Any]]:
    found = client.get(f"{API}/facets", params=asked).json()["shown"]
    return {column["column"]: column for column in found}


def test_facets_speak_both_languages_whatever_columns_are_called(client: TestClient) -> None:
    columns = shown(client)
    assert list(columns) == ["Marque", "price", "Size", "hue", "shop"]
    assert [column["kind"] for column in columns.values()] == [
        "brand", "price", "size", "colour", "url",
    ]  # fmt: skip
    assert columns["Marque"]["label"] == {"en": "Marque", "zh": "牌子"}
    assert columns["hue"]["label"]["zh"] == "颜色"
    assert columns["shop"]["values"] == columns["price"]["values"] == []


def test_the_counts_are_live_but_for_a_columns_own_filter(client: TestClient) -> None:
    def counts(where: str) -> dict[str, list[list[Any]]]:
        answer = client.get(f"{API}/facets", params={"where": where} if where else {}).json()
        return {name: answer["columns"][name] for name in ("Marque", "Size")}

    assert counts("")["Size"] == [["M", 3], ["L", 1], ["S", 1]]
    assert counts("marque = 'Adidas'") == {
        "Marque": [["Adidas", 2], ["Nike", 2], ["Acme", 1]],
        "Size": [["M", 1], ["S", 1]],
    }
    both = counts("\"Marque\" in ('Adidas') and \"Size\" in ('M')")
    assert both == {
        "Marque": [["Acme", 1], ["Adidas", 1], ["Nike", 1]],
        "Size": [["M", 1], ["S", 1]],
    }
    assert counts("(Size = 'M' or Marque = 'Nike')")["Size"] == [["M", 3], ["L", 1]]


def test_facets_refuse_a_filter_that_can_not_be_understood(client: TestClient) -> None:
    for where in ("colour =", "nocolumn = 1"):
        error_of(client.get(f"{API}/facets", params={"where": where}), 400, "filter_unclear")


@pytest.mark.parametrize("place", ["search", "browse", "similar/1"])
def test_the_nearest_values_are_named_where_nothing_passes(client: TestClient, place: str) -> None:
    where = "Marque = 'Nikee'"

    def nothing(where: str, language: str) -> list[str]:
        headers = {"Accept-Language": language}
        if place == "search":
            return list(ask(client, "red", where=where, language=language)["nothing"])
        address = f"{API}/{place}"
        return list(client.get(address, params={"where": where}, headers=headers).json()["nothing"])

    assert nothing(where, "en") == ["Marque: no picture has 'Nikee'; nearest: 'Nike' (2)"]
    assert nothing(where, "zh") == ["Marque：没有图片是 'Nikee'；最接近的：'Nike' (2)"]
    assert nothing("price > 1000", "zh") == ["price：没有图片符合 > 1000；范围是 '$20' 到 '$500'"]
    assert nothing("Marque = 'Nike'", "en") == []


def test_labels_are_read_again_when_they_change(shop: Path) -> None:
    with Gallery.open(shop, threads=1) as gallery:
        file = shop / "labels.toml"
        assert gallery.table.labels.column("Marque", "brand")["zh"] == "牌子"
        try:
            file.write_text("[Marque]\nzh = 3\n")
            assert "Marque.zh" in str(gallery.table.labels_error)
            assert gallery.table.labels.column("Marque", "brand")["zh"] == "品牌"
            file.unlink()
            assert gallery.table.labels_error is None
        finally:
            file.write_text(LABELS, encoding="utf-8")


def test_the_log_says_once_why_labels_can_not_be_read(
    client: TestClient, shop: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = shop / "labels.toml"
    try:
        file.write_text("[Marque]\nzh = 30\n")
        for _ in range(2):
            assert shown(client)["Marque"]["label"]["zh"] == "品牌"
    finally:
        file.write_text(LABELS, encoding="utf-8")
    assert shown(client)["Marque"]["label"]["zh"] == "牌子"
    said = [record.getMessage() for record in caplog.records if "labels" in record.getMessage()]
    assert len(said) == 1 and "Marque.zh" in said[0]


def test_words_follow_the_table_when_it_changes(shop: Path, tmp_path: Path) -> None:
    table = tmp_path / "more.csv"
    store = tmp_path / "store"
    table.write_text("file,brand\nred-round.png,Acme\n")
    with Gallery.build(shop, store=store, metadata=table)[0] as gallery:
        assert [m.text for m in mentions_in("by Acme", gallery.table.vocabulary)] == ["Acme"]
        assert gallery.table.vocabulary is gallery.table.vocabulary
        table.write_text("file,brand\nred-round.png,Umbro\n")
        with Gallery.open(shop, store=store) as other:
            assert [m.text for m in mentions_in("by Acme", other.table.vocabulary)] == ["Acme"]
            gallery.update(metadata=table)
            for each in (gallery, other):
                found = mentions_in("by Acme or Umbro", each.table.vocabulary)
                assert [mention.text for mention in found] == ["Umbro"]
