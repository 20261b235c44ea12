"""Pages of other sites: none may ask, unless their site was named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from samebut.errors import QueryError
from samebut.serve.settings import Settings
from samebut.serve.sites import origins
from serving import API, client_of, drawn, error_of

SHOP = "https://shop.example"
OTHER = "https://other.example"
TOKEN = "correct horse battery"
ASK = {"turns": [{"text": "in blue"}]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("sites") / "photos", "round")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with client_of(folder, Settings(origins=frozenset({SHOP}))) as client:
        yield client


@pytest.fixture(scope="module")
def locked(folder: Path) -> Iterator[TestClient]:
    with client_of(folder, Settings(origins=frozenset({SHOP}), token=TOKEN)) as client:
        yield client


def from_site(origin: str, **more: str) -> dict[str, str]:
    return {"Origin": origin, "Sec-Fetch-Site": "cross-site", **more}


def preflight(origin: str, **more: str) -> dict[str, str]:
    return from_site(origin, **{"Access-Control-Request-Method": "POST", **more})


def test_a_named_site_may_ask(client: TestClient) -> None:
    answer = client.post(f"{API}/search", json=ASK, headers=from_site(SHOP))
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "access-control-allow-credentials" not in answer.headers
    assert "Origin" in answer.headers["vary"]
    before = client.options(f"{API}/search", headers=preflight(SHOP))
    assert (before.status_code, before.content) == (204, b"")
    assert before.headers["access-control-allow-origin"] == SHOP
    assert before.headers["access-control-allow-methods"] == "GET, POST"
    assert before.headers["access-control-allow-headers"] == "Authorization, Content-Type"
    refused = client.get(f"{API}/pictures/999", headers=from_site(SHOP))
    assert refused.headers["access-control-allow-origin"] == SHOP  # it may read why
    error_of(refused, 404, "picture_unknown")


@pytest.mark.parametrize("origin", [OTHER, "null", "*", "", f"{SHOP}.evil.example", f"{SHOP}:8443"])
def test_another_site_may_not(client: TestClient, origin: str) -> None:
    answer = client.post(f"{API}/search", json=ASK, headers=from_site(origin))
    error_of(answer, 403, "other_site")
    assert "access-control-allow-origin" not in answer.headers
    before = client.options(f"{API}/search", headers=preflight(origin))
    assert before.status_code == 403
    assert "access-control-allow-origin" not in before.headers


def test_a_picture_in_a_page_of_a_named_site_needs_its_name(client: TestClient) -> None:
    """Without an Origin nothing says which of the other sites it is."""
    headers = {"Sec-Fetch-Site": "cross-site", "Referer": f"{SHOP}/"}
    error_of(client.get(f"{API}/thumbnails/1", headers=headers), 403, "other_site")
    assert client.get(f"{API}/thumbnails/1", headers=from_site(SHOP)).status_code == 200


def test_a_named_site_needs_the_token_too(locked: TestClient) -> None:
    error_of(locked.get(f"{API}/info", headers=from_site(SHOP)), 401, "token_needed")
    assert locked.options(f"{API}/info", headers=preflight(SHOP)).status_code == 204
    shown = from_site(SHOP, Authorization=f"Bearer {TOKEN}")
    assert locked.get(f"{API}/info", headers=shown).status_code == 200
    assert locked.options(f"{API}/info", headers=preflight(OTHER)).status_code == 403


def test_a_named_site_does_not_open_another_host(client: TestClient) -> None:
    headers = from_site(SHOP, Host="evil.example")
    error_of(client.get(f"{API}/info", headers=headers), 403, "host_unknown")
    error_of(
        client.options(f"{API}/info", headers={**headers, **preflight(SHOP)}), 403, "host_unknown"
    )


def test_the_search_box_may_be_framed_by_named_sites_alone(
    client: TestClient, folder: Path
) -> None:
    framed = client.get("/embed?language=zh&theme=dark")
    assert framed.status_code == 200
    assert 'lang="zh-CN"' in framed.text
    assert 'data-theme="dark"' in framed.text
    assert "data-framed" in framed.text
    policy = framed.headers["content-security-policy"]
    assert f"frame-ancestors {SHOP}" in policy
    assert "script-src 'self'; style-src 'self';" in policy
    assert "x-frame-options" not in framed.headers
    script = client.get("/embed.js", headers={"Sec-Fetch-Site": "cross-site"})
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cross-origin-resource-policy"] == "cross-origin"
    page = client.get("/").headers
    assert "frame-ancestors 'none'" in page["content-security-policy"]
    assert page["x-frame-options"] == "DENY"
    assert client.get("/static/none.js").headers["cross-origin-resource-policy"] == "same-origin"
    with client_of(folder) as unnamed:
        for address in ("/embed", "/embed.js"):
            error_of(unnamed.get(address), 404, "not_found")


@pytest.mark.parametrize(
    ("said", "origin"),
    [
        ("https://shop.example", SHOP),
        ("https://Shop.Example:443/", SHOP),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://商店.example", "https://xn--czrs0t.example"),
    ],
)
def test_origins(said: str, origin: str) -> None:
    assert origins([said]) == {origin}


@pytest.mark.parametrize(
    "said",
    [
        "*",
        "https://*",
        "https://*.shop.example",
        "shop.example",
        "https://shop.example/page",
        "https://shop.example?x",
        "https://user@shop.example",
        "ftp://shop.example",
        "https://",
        "null",
        "https://shop.example:x",
        "https://shop example",
        "https://shop.example;script-src",
    ],
)
def test_what_is_no_origin(said: str) -> None:
    with pytest.raises(QueryError, match="is not the origin of a website"):
        origins([said])
