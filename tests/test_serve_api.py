"""The API over a small gallery: what each address takes and gives."""

from __future__ import annotations

import io
import math
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from PIL import Image
from starlette.testclient import TestClient

from conftest import COLOURS
from samebut import demo, images
from samebut.confidence import KINDS, Calibration, Curve, Usual
from samebut.errors import DataError, ModelError, PictureError, StoreError
from samebut.gallery import Gallery
from samebut.index.local import LocalIndex
from samebut.runtime import BUNDLED, Model
from samebut.serve.problems import problem_of
from samebut.turns import Turn
from serving import API, RED, client_of, drawn, error_of, form, index

BLUE = "colour = 'blue'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("api") / "photos", "round", "square")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with client_of(folder) as client:
        yield client


def id_of(client: TestClient, path: str) -> int:
    hits = client.get(f"{API}/browse", params={"k": 50}).json()["hits"]
    return next(int(hit["id"]) for hit in hits if hit["path"] == path)


def test_a_search_with_an_upload_answers_as_the_library_does(
    client: TestClient, folder: Path
) -> None:
    query = {"turns": [{"upload": "p0", "text": "in blue"}], "k": 4}
    answer = client.post(f"{API}/search", **form(query, p0=RED))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    with Gallery.open(folder) as gallery:
        expected = gallery.search(Turn(RED, "in blue"), 4)
    assert [hit["path"] for hit in body["hits"]] == [hit.path for hit in expected.hits]
    assert body["gate"] == pytest.approx(expected.gate, abs=1e-5)
    assert body["total"] == 10
    first = body["hits"][0]
    assert first["rank"] == 1
    assert first["score"] == pytest.approx(expected.hits[0].score, abs=1e-3)
    assert (first["width"], first["height"]) == (160, 200)
    assert first["metadata"] == expected.hits[0].metadata
    assert first["picture"] == f"{API}/pictures/{first['id']}"
    assert set(body["milliseconds"]) == {"upload", "decode", "encode", "fuse", "search"}
    assert min(body["milliseconds"].values()) > 0


def test_a_calibrated_model_says_how_sure_it_is(tmp_path: Path) -> None:
    model = Path(shutil.copytree(BUNDLED, tmp_path / "model"))
    curves = {kind: Curve((0.0, 0.0, 0.0), -1.0, Usual(0.0, 1.0)) for kind in KINDS}
    Calibration(Model.load(model).fingerprint, curves).write(model)
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "red.png").write_bytes(RED)
    shutil.copy(photos / "red.png", photos / "red again.png")
    gallery, _ = Gallery.build(photos, model=model)
    gallery.close()
    with client_of(photos) as client:
        said = client.post(f"{API}/search", json={"turns": [{"text": "red"}]}).json()
        assert said["confidence"] == pytest.approx(1 / (1 + math.e))
        alike = client.get(f"{API}/similar/1").json()
        assert (alike["hits"], alike["confidence"]) == ([], 0)
        assert client.get(f"{API}/browse").json()["confidence"] is None


def test_a_conversation_of_uploads_gallery_pictures_and_words(client: TestClient) -> None:
    number = id_of(client, "green-round.png")
    query = {
        "turns": [
            {"upload": "mine", "text": "in blue"},
            {"picture": number},
            {"text": "方形"},
            {"upload": "mine"},
        ],
        "k": 10,
        "text_weight": 0.7,
    }
    body = client.post(f"{API}/search", **form(query, mine=RED)).json()
    assert "green-round.png" not in [hit["path"] for hit in body["hits"]]
    assert len(body["hits"]) == 9
    with_it = client.post(f"{API}/search", **form(query | {"include_references": True}, mine=RED))
    assert len(with_it.json()["hits"]) == 10


def test_several_pictures_in_one_wish(client: TestClient, folder: Path) -> None:
    number = id_of(client, "squares/blue-square.png")
    turns = [{"upload": "p0"}, {"picture": number, "text": "this shape, that colour"}]
    body = client.post(f"{API}/search", **form({"turns": turns, "k": 10}, p0=RED)).json()
    assert body["lent"] == [
        {
            "text": "that colour",
            "picture": 1,
            "kind": "colour",
            "value": "blue",
            "say": "in blue",
        }
    ]
    query = {"turns": [{"upload": "p0", "text": "in blue"}], "k": 10}
    said = client.post(f"{API}/search", **form(query, p0=RED)).json()
    assert said["lent"] == []
    ids = [hit["id"] for hit in said["hits"] if hit["id"] != number]
    assert [hit["id"] for hit in body["hits"]] == ids
    both = [{"upload": "p0", "weight": 4}, {"picture": number, "weight": 0.5}]
    weighed = client.post(f"{API}/search", **form({"turns": both}, p0=RED)).json()
    blue = Turn(folder / "squares/blue-square.png", weight=0.5)
    with Gallery.open(folder) as gallery:
        expected = gallery.search([Turn(RED, weight=4), blue])
    assert weighed["hits"][0]["score"] == pytest.approx(expected.hits[0].score, abs=1e-3)


def test_what_is_not_wanted(client: TestClient, folder: Path) -> None:
    number = id_of(client, "blue-round.png")
    turns = [{"upload": "p0", "text": "in green"}]
    unwanted = {"texts": ["黄色"], "pictures": [{"upload": "p1"}, {"picture": number}]}
    blue = (folder / "squares/blue-square.png").read_bytes()
    query = {"turns": turns, "without": unwanted, "k": 10}
    answer = client.post(f"{API}/search", **form(query, p0=RED, p1=blue))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    without = [Turn(text="黄色"), Turn(blue), Turn(folder / "blue-round.png")]
    with Gallery.open(folder) as gallery:
        expected = gallery.search(Turn(RED, "in green"), 10, without=without)
        weighed = gallery.search(Turn(RED, "in green"), 10, without=without, without_weight=0.3)
    assert [hit["path"] for hit in body["hits"]] == [hit.path for hit in expected.hits]
    assert len(body["hits"]) == 8
    assert body["confidence"] is None
    kept = {"pictures": [{"kept": body["uploads"]["p1"]}, {"picture": number}], "weight": 0.3}
    again = query | {"without": kept | {"texts": ["黄色"]}}
    found = client.post(f"{API}/search", **form(again, p0=RED)).json()
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == pytest.approx([hit.score for hit in weighed.hits], abs=1e-3)
    forgotten = query | {"without": {"pictures": [{"kept": "x" * 22}]}}
    error_of(client.post(f"{API}/search", **form(forgotten, p0=RED)), 410, "upload_forgotten")
    gone = query | {"without": {"pictures": [{"picture": 999}]}}
    error_of(client.post(f"{API}/search", **form(gone, p0=RED)), 404, "picture_unknown")
    missing = client.post(f"{API}/search", **form(query, p0=RED))
    error_of(missing, 400, "upload_missing")
    part = {"pictures": [{"upload": "p0", "box": [0, 0, 0.5, 1]}]}
    two = client.post(f"{API}/search", **form(query | {"without": part}, p0=RED))
    error_of(two, 422, "query_malformed")
    product = client.post(f"{API}/search", **form(query | {"fusion": "product"}, p0=RED, p1=blue))
    assert error_of(product, 400, "query_unclear")["hint"].startswith("Use another composition")


def test_words_that_were_not_read_are_in_the_answer(client: TestClient) -> None:
    turns = [{"text": "in blue, " * 60 + "zips"}, {"upload": "p0", "text": "in red"}]
    body = client.post(f"{API}/search", **form({"turns": turns}, p0=RED)).json()
    (unread,) = body["unread"]
    assert unread.endswith("zips") and len(unread) < len(turns[0]["text"])
    short = client.post(f"{API}/search", **form({"turns": turns[1:]}, p0=RED)).json()
    assert short["unread"] == []


def test_another_fusion(client: TestClient, folder: Path) -> None:
    query = {"turns": [{"upload": "p0", "text": "in blue"}], "k": 10}
    plain = client.post(f"{API}/search", **form(query | {"fusion": "sum"}, p0=RED)).json()
    with Gallery.open(folder) as gallery:
        expected = gallery.search(Turn(RED, "in blue"), 10, fusion="sum")
    assert [hit["path"] for hit in plain["hits"]] == [hit.path for hit in expected.hits]
    assert plain["gate"] == 0.5
    product = query | {"fusion": "product", "rescore": 4}
    twice = client.post(f"{API}/search", **form(product, p0=RED)).json()
    assert twice["hits"][0]["score"] < plain["hits"][0]["score"]
    assert twice["confidence"] is None
    titled = {"turns": [query["turns"][0] | {"caption": "red"}], "fusion": "pdv"}
    assert client.post(f"{API}/search", **form(titled, p0=RED)).status_code == 200
    unknown = client.post(f"{API}/search", **form(query | {"fusion": "film"}, p0=RED))
    error_of(unknown, 400, "query_unclear")


def test_pages_filters_and_total(client: TestClient) -> None:
    def paths(**more: object) -> list[str]:
        query = {"turns": [{"text": "in blue"}], **more}
        return [hit["path"] for hit in client.post(f"{API}/search", json=query).json()["hits"]]

    whole = paths(k=10)
    assert paths(k=4, offset=4) == whole[4:8]
    assert set(paths(where=BLUE)) == {"blue-round.png", "squares/blue-square.png"}
    assert paths(where=" ") == whole
    query = {"turns": [{"text": "x"}], "where": BLUE}
    assert client.post(f"{API}/search", json=query).json()["total"] == 2


def test_similar(client: TestClient) -> None:
    number = id_of(client, "red-round.png")
    body = client.get(f"{API}/similar/{number}", params={"k": 3, "offset": 1}).json()
    assert [hit["rank"] for hit in body["hits"]] == [2, 3, 4]
    assert number not in [hit["id"] for hit in body["hits"]]
    assert body["gate"] is None
    only = client.get(f"{API}/similar/{number}", params={"where": BLUE}).json()
    assert len(only["hits"]) == only["total"] == 2
    error_of(client.get(f"{API}/similar/999"), 404, "picture_unknown")


def test_browse_is_in_the_order_of_paths(client: TestClient) -> None:
    body = client.get(f"{API}/browse", params={"k": 20}).json()
    paths = [hit["path"] for hit in body["hits"]]
    assert paths == sorted(paths)
    assert (len(paths), body["total"]) == (10, 10)
    assert {hit["score"] for hit in body["hits"]} == {None}
    page = client.get(f"{API}/browse", params={"k": 1, "offset": 1, "where": BLUE}).json()
    assert [(hit["rank"], hit["path"]) for hit in page["hits"]] == [(2, "squares/blue-square.png")]
    assert page["total"] == 2


def test_facets_and_info(client: TestClient) -> None:
    columns = client.get(f"{API}/facets").json()["columns"]
    assert list(columns) == ["colour", "形状"]
    assert sorted(columns["colour"]) == [[colour, 2] for colour in sorted(COLOURS)]
    info = client.get(f"{API}/info").json()
    assert info["pictures"] == 10
    assert info["model"]["fusion"] == "combiner"
    assert info["model"]["fusions"] == ["combiner", "sum"]
    assert info["model"]["chosen"] is None
    assert {"slerp", "product", "blend"} <= {*info["model"]["compositions"]}
    assert info["languages"] == ["en", "zh"]
    assert (info["limits"]["turns"], info["limits"]["without"]) == (10, 10)


def test_a_picture_and_its_thumbnail(client: TestClient, folder: Path) -> None:
    number = id_of(client, "squares/red-square.png")
    whole = client.get(f"{API}/pictures/{number}")
    assert whole.content == (folder / "squares/red-square.png").read_bytes()
    assert whole.headers["content-type"] == "image/png"
    small = client.get(f"{API}/thumbnails/{number}", params={"size": 100})
    assert small.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(small.content)).size == (128, 160)
    again = client.get(
        f"{API}/thumbnails/{number}",
        params={"size": 90},
        headers={"If-None-Match": small.headers["etag"]},
    )
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(f"{API}/thumbnails/{number}", params={"size": 640})
    assert other.headers["etag"] != small.headers["etag"]
    for place in ("pictures", "thumbnails"):
        error_of(client.get(f"{API}/{place}/77"), 404, "picture_unknown")
    error_of(client.get(f"{API}/thumbnails/{number}?size=99999"), 422, "query_malformed")


def test_explain(client: TestClient) -> None:
    number = id_of(client, "red-round.png")
    query = {"turns": [{"picture": number, "text": "in blue, 红色"}]}
    body = client.post(f"{API}/explain", json=query).json()
    assert [word["text"] for word in body["words"]][:2] == ["in", "blue"]
    rows, columns = body["grid"]
    assert (rows, columns) == (40, 32)
    for word in body["words"]:
        assert len(word["map"]) == rows
        assert {len(row) for row in word["map"]} == {columns}
        assert all(0 <= value <= 1 for row in word["map"] for value in row)
    assert body["picture"] == {"width": 160, "height": 200}
    assert body["box"] == [0, 0, 160, 200]
    assert 0 <= body["gate"] <= 1
    two = {"turns": query["turns"] * 2}
    error_of(client.post(f"{API}/explain", json=two), 400, "query_unclear")
    uploaded = {"turns": [{"upload": "p0", "text": "?!"}]}
    none = client.post(f"{API}/explain", **form(uploaded, p0=RED)).json()
    assert (none["words"], none["grid"]) == ([], [0, 0])


def test_health_readiness_and_metrics(client: TestClient) -> None:
    assert client.get(f"{API}/health").json() == {"status": "alive"}
    assert client.get(f"{API}/ready").json() == {"status": "ready"}
    client.post(f"{API}/search", json={"turns": [{"text": "x"}]})
    answer = client.get(f"{API}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    for line in lines:
        assert re.fullmatch(r'# (HELP|TYPE) .+|[a-z_]+(\{\w+=".*"\})? [0-9.e+-]+', line), line
    assert "samebut_pictures 10" in lines
    assert any(line.startswith('samebut_requests_total{route="/api/v1/search"') for line in lines)


def test_not_ready_before_it_is_started(folder: Path) -> None:
    from samebut.serve.app import create_app

    with Gallery.open(folder) as gallery:
        client = TestClient(create_app(gallery), base_url="http://localhost")
        error_of(client.get(f"{API}/ready"), 503, "not_ready")
        assert client.get(f"{API}/health").status_code == 200


MALFORMED = {
    "no turns": {"turns": []},
    "too many turns": {"turns": [{"text": "x"}] * 11},
    "two pictures in a turn": {"turns": [{"upload": "p0", "picture": 1}]},
    "an unknown field": {"turns": [{"text": "x"}], "path": "/etc/passwd"},
    "k of 0": {"turns": [{"text": "x"}], "k": 0},
    "k of a million": {"turns": [{"text": "x"}], "k": 10**6},
    "an offset below 0": {"turns": [{"text": "x"}], "offset": -1},
    "a weight of 2": {"turns": [{"text": "x"}], "text_weight": 2},
    "a path for an id": {"turns": [{"picture": "../../etc/passwd"}]},
    "an id beyond 64 bits": {"turns": [{"picture": 2**63}]},
    "a name that is a path": {"turns": [{"upload": "../p0"}]},
    "nothing that is unwanted": {"turns": [{"text": "x"}], "without": {"texts": [""]}},
    "an unwanted picture without a name": {"turns": [{"text": "x"}], "without": {"pictures": [{}]}},
    "eleven unwanted": {
        "turns": [{"text": "x"}],
        "without": {"texts": ["x"] * 6, "pictures": [{"picture": 1}] * 5},
    },
    "an unwanted text too long": {"turns": [{"text": "x"}], "without": {"texts": ["x" * 1001]}},
    "a turn's weight of 0": {"turns": [{"text": "x", "weight": 0}]},
    "an unwanted weight of 11": {"turns": [{"text": "x"}], "without": {"weight": 11}},
    "a text too long": {"turns": [{"text": "x" * 1001}]},
    "a list": [],
}


@pytest.mark.parametrize("query", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_query(client: TestClient, query: object) -> None:
    error = error_of(client.post(f"{API}/search", json=query), 422, "query_malformed")
    assert error["hint"] == "See /openapi.json for what a query may hold."


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"turns": [{"text": "\\ud800"}]}',
        b'{"turns": [{"text": "x"}], "text_weight": NaN}',
        b'{"turns":' + b"[" * 100_000,
    ],
)
def test_json_that_is_none(client: TestClient, body: bytes) -> None:
    answer = client.post(
        f"{API}/search", content=body, headers={"Content-Type": "application/json"}
    )
    error_of(answer, 422, "query_malformed")


def test_questions_that_can_not_be_answered(client: TestClient) -> None:
    def ask(query: object) -> object:
        return client.post(f"{API}/search", json=query)

    error_of(ask({"turns": [{"text": "  "}]}), 400, "query_unclear")
    error_of(ask({"turns": [{"picture": 4711}]}), 404, "picture_unknown")
    error_of(ask({"turns": [{"upload": "p0"}]}), 400, "upload_missing")
    unclear = error_of(ask({"turns": [{"text": "x"}], "where": "size = 3"}), 400, "filter_unclear")
    assert "no column size" in unclear["detail"]
    assert unclear["hint"] == "Known columns: colour, 形状."
    error_of(client.get(f"{API}/browse", params={"where": "((("}), 400, "filter_unclear")
    query = {"turns": [{"upload": "p0"}]}
    error_of(client.post(f"{API}/search", **form(query, p0=RED, p1=RED)), 400, "upload_unused")
    error_of(client.post(f"{API}/search", content=b"x"), 415, "content_type")
    error_of(client.get(f"{API}/search"), 405, "method_not_allowed")
    error_of(client.get(f"{API}/nothing"), 404, "not_found")


def test_errors_speak_the_language_asked_for(client: TestClient) -> None:
    def refused(accept: str) -> dict[str, str]:
        answer = client.post(
            f"{API}/search",
            **form({"turns": [{"upload": "p0"}]}, p0=b"%PDF-1.7"),
            headers={"Accept-Language": accept},
        )
        return error_of(answer, 422, "picture_unusable")

    english = refused("en-GB,en;q=0.9,zh;q=0.8")
    assert english["detail"] == "The picture is a PDF, not a picture."
    assert english["hint"] == "Save it as a JPEG or PNG."
    chinese = refused("fr, zh-CN;q=0.9, en;q=0.4")
    assert chinese["detail"] == "这张图片是 PDF 文件，不是图片。"
    assert chinese["hint"] == "请另存为 JPEG 或 PNG。"
    assert refused("fr")["detail"] == english["detail"]
    assert refused("zh;q=nonsense")["detail"] == chinese["detail"]


def test_a_picture_that_is_gone_or_is_none_any_more(make_photos: object) -> None:
    photos = make_photos()  # type: ignore[operator]
    index(photos)
    with client_of(photos) as client:
        number, other = id_of(client, "red-round.png"), id_of(client, "blue-round.png")
        (photos / "red-round.png").unlink()
        (photos / "blue-round.png").write_bytes(b"<html><script>alert(1)</script></html>")
        for gone in (number, other):
            for place in ("pictures", "thumbnails"):
                error_of(client.get(f"{API}/{place}/{gone}"), 404, "picture_gone")
            query = {"turns": [{"picture": gone, "text": "in blue"}]}
            error = error_of(client.post(f"{API}/search", json=query), 422, "picture_unusable")
            assert str(photos) not in error["detail"]


@pytest.mark.skipif(sys.platform == "win32", reason="names are not bytes there")
def test_names_that_are_no_unicode_and_texts_that_are_html(
    make_photos: object, tmp_path: Path
) -> None:
    photos = make_photos()  # type: ignore[operator]
    raw = os.fsencode(photos) + b"/a\xe9.png"
    shutil.copy(photos / "red-round.png", raw)
    table = tmp_path / "odd.csv"
    table.write_text("file,<b>\nred-round.png,<script>alert(1)</script>\n")
    gallery, _ = Gallery.build(photos, metadata=table)
    gallery.close()
    with client_of(photos) as client:
        answer = client.get(f"{API}/browse", params={"k": 50})
        assert answer.headers["content-type"] == "application/json"
        hits = {hit["path"]: hit for hit in answer.json()["hits"]}
        assert client.get(hits["a\ufffd.png"]["picture"]).status_code == 200
        assert hits["red-round.png"]["metadata"] == {"<b>": "<script>alert(1)</script>"}


def test_an_empty_gallery(tmp_path: Path) -> None:
    gallery, _ = Gallery.build(tmp_path)
    gallery.close()
    with client_of(tmp_path) as client:
        body = client.post(f"{API}/search", json={"turns": [{"text": "x"}]}).json()
        assert (body["hits"], body["total"]) == ([], 0)
        assert client.get(f"{API}/browse").json()["hits"] == []
        assert client.get(f"{API}/facets").json() == {"columns": {}, "shown": []}


def test_what_is_wrong_on_the_servers_side_is_told_without_its_paths(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cases: list[tuple[Exception, int, str]] = [
        (StoreError("/secret/store: the disk is full"), 503, "store_unavailable"),
        (ModelError("/secret/model is missing"), 503, "model_unusable"),
        (DataError("/secret"), 500, "internal"),
        (RuntimeError("/secret"), 500, "internal"),
    ]
    for raised, status, code in cases:
        monkeypatch.setattr(LocalIndex, "listing", Mock(side_effect=raised))
        caplog.clear()
        answer = client.get(f"{API}/browse")
        error_of(answer, status, code)
        assert "secret" not in answer.text
        assert "secret" in caplog.text
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_document_describes_every_address(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    places = ["search", "similar/{id}", "browse", "look", "explain", "facets", "info"]
    places += ["pictures/{id}", "thumbnails/{id}", "health", "ready", "metrics"]
    assert set(document["paths"]) == {f"{API}/{place}" for place in places}
    for place in ("/docs", "/redoc"):
        error_of(client.get(place), 404, "not_found")


def test_a_visitor_is_not_told_to_install_anything() -> None:
    hint = "save it as a JPEG or PNG, or: pip install 'samebut[heic]'"
    assert hint in {hint for _, _, hint in images._STRANGERS}
    refused = PictureError("the picture", "is a HEIC picture, which samebut can't read", hint=hint)
    problem = problem_of(refused)
    said = "Save it as a JPEG or PNG, or take a screenshot of it."
    assert problem.said("en")["hint"] == said
    assert problem.said("zh")["hint"] == "请另存为 JPEG 或 PNG，或上传它的截图。"


def test_near_copies_and_thresholds_by_the_api(client: TestClient, folder: Path) -> None:
    query = {"turns": [{"upload": "p0", "text": "in blue"}], "k": 20}
    plain = client.post(f"{API}/search", **form(query, p0=RED)).json()
    assert all((hit["copies"], hit["stack"]) == (0, []) for hit in plain["hits"])
    stacks = client.post(f"{API}/search", **form({**query, "collapse": True}, p0=RED)).json()
    with Gallery.open(folder) as gallery:
        expected = gallery.search(Turn(RED, "in blue"), 20, collapse=True).hits
    assert [(h["id"], h["copies"], h["stack"]) for h in stacks["hits"]] == [
        (hit.id, len(hit.copies), [*hit.copies]) for hit in expected
    ]
    least = plain["hits"][2]["score"]
    some = client.post(f"{API}/search", **form({**query, "min_score": least}, p0=RED)).json()
    assert some["hits"] == plain["hits"][:3]
    sure = client.post(f"{API}/search", **form({**query, "min_confidence": 1}, p0=RED)).json()
    assert (sure["hits"], sure["unsure"], sure["total"]) == ([], True, plain["total"])


def test_a_box_by_the_api(client: TestClient) -> None:
    def asked(**turn: object) -> list[int]:
        query = {"turns": [{"upload": "p0", **turn}], "k": 20, "include_references": True}
        hits = client.post(f"{API}/search", **form(query, p0=both())).json()["hits"]
        return [hit["id"] for hit in hits]

    assert asked() == asked(box=[0, 0, 1, 1])
    assert asked(box=[0, 0, 0.5, 1])[0] != asked(box=[0.5, 0, 1, 1])[0]
    for box in ([0.5, 0, 0.5, 1], [0, 0, 1.5, 1], [0, 0, 1]):
        query = {"turns": [{"upload": "p0", "box": box}]}
        assert error_of(client.post(f"{API}/search", **form(query, p0=RED)), 422, "query_malformed")
    words_alone = {"turns": [{"text": "blue", "box": [0, 0, 1, 1]}]}
    assert error_of(client.post(f"{API}/search", json=words_alone), 422, "query_malformed")


def both() -> bytes:
    """A red and a blue thing beside each other."""
    from conftest import draw_picture

    picture, file = Image.new("RGB", (320, 200)), io.BytesIO()
    picture.paste(draw_picture(COLOURS["red"], "round"))
    picture.paste(draw_picture(COLOURS["blue"], "square"), (160, 0))
    picture.save(file, "PNG")
    return file.getvalue()


def test_a_picture_is_looked_at_once_and_then_asked_with(tmp_path: Path) -> None:
    photos = Path(shutil.copytree(demo.GALLERY, tmp_path / "photos"))
    for file in sorted(photos.glob("*.webp"))[::2]:
        file.unlink()
    with Gallery.build(photos, metadata=photos / "catalog.csv")[0]:
        pass
    dress = min(photos.glob("*dress.webp")).read_bytes()
    with client_of(photos) as client:
        turn = {"turns": [{"upload": "p0"}]}
        looked = client.post(f"{API}/look", **form(turn, p0=dress)).json()
        first = looked["seen"][0]
        assert (first["column"], first["kind"], first["value"]) == ("kind", "article", "dress")
        assert first["label"] == {"en": "dress", "zh": "连衣裙"}
        assert first["say"] == {"en": "as a dress", "zh": "连衣裙"}
        named = {"turns": [{"kept": looked["upload"], "text": first["say"]["en"]}], "why": True}
        hits = client.post(f"{API}/search", json=named).json()["hits"]
        assert [hit["why"] for hit in hits[:1]] == [
            [
                {
                    "wish": "dress",
                    "kind": "article",
                    "refused": False,
                    "fulfilled": True,
                    "from": "table",
                }
            ]
        ]
        gallery = {"turns": [{"picture": hits[0]["id"]}]}
        of_gallery = client.post(f"{API}/look", json=gallery).json()
        assert (of_gallery["upload"], of_gallery["seen"][0]["value"]) == (None, "dress")
        for turns in ([{"text": "blue"}], [{"picture": 1}, {"picture": 2}]):
            refused = client.post(f"{API}/look", json={"turns": turns})
            error_of(refused, 400, "query_unclear")
        unsure = client.post(
            f"{API}/search", json={"turns": [{"text": "zworblax"}], "min_confidence": 1}
        ).json()
        assert unsure["unsure"] is True
        assert {"value": "shirt", "label": {"en": "shirt", "zh": "衬衫"}} in unsure["holds"]
