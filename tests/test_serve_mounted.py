"""A server below a path of a proxy, which may take that path off what it passes on, or leave it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from samebut.errors import QueryError
from samebut.serve.place import root_path
from samebut.serve.settings import Settings
from serving import API, client_of, drawn, error_of

TOKEN = "correct horse battery"
ROOT = "/photos"
PASSED_ON = [ROOT, ""]  # what is left of the path when a request arrives


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("mounted") / "photos", "round")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with client_of(folder, Settings(root_path=ROOT), follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="module")
def locked(folder: Path) -> Iterator[TestClient]:
    settings = Settings(root_path=ROOT, token=TOKEN)
    with client_of(folder, settings, follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize("left", PASSED_ON)
def test_addresses_begin_with_the_path(client: TestClient, left: str) -> None:
    (hit, *_) = client.get(f"{left}{API}/browse").json()["hits"]
    assert hit["picture"] == f"{ROOT}{API}/pictures/{hit['id']}"
    assert hit["thumbnail"] == f"{ROOT}{API}/thumbnails/{hit['id']}"
    for address in (hit["picture"], hit["thumbnail"]):
        assert client.get(left + address.removeprefix(ROOT)).status_code == 200
    described = client.get(f"{left}/openapi.json").json()
    assert described["servers"] == [{"url": ROOT}]
    assert f"{API}/search" in described["paths"]
    assert f'data-root="{ROOT}"' in client.get(f"{left}/").text


def test_the_page_is_at_an_address_that_ends_with_a_slash(client: TestClient) -> None:
    answer = client.get(ROOT, params={"a": "1"})
    assert (answer.status_code, answer.headers["location"]) == (307, f"{ROOT}/?a=1")


@pytest.mark.parametrize("left", PASSED_ON)
def test_the_cookie_is_for_the_path_alone(locked: TestClient, left: str) -> None:
    locked.cookies.clear()
    for path in ("info", "browse", "pictures/1", "metrics"):
        error_of(locked.get(f"{left}{API}/{path}"), 401, "token_needed")
    for open_path in ("/", f"{API}/health", f"{API}/ready"):
        assert locked.get(left + open_path).status_code == 200
    answer = locked.get(f"{left}/", params={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{ROOT}/")
    assert f"path={ROOT}/;" in answer.headers["set-cookie"].lower()
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert locked.get(f"{left}{API}/info", headers={"Cookie": cookie}).status_code == 200


@pytest.mark.parametrize("left", PASSED_ON)
def test_the_guard_reads_the_address_that_is_answered(locked: TestClient, left: str) -> None:
    locked.cookies.clear()
    for path in (
        "//api/v1/info",
        "/static//api/v1/info",
        f"{ROOT}{ROOT}{API}/info",
        "/g/x/static/",
    ):
        assert locked.get(f"http://localhost{left}{path}").status_code in (401, 404)
    headers = {"Sec-Fetch-Site": "cross-site", "Authorization": f"Bearer {TOKEN}"}
    error_of(locked.get(f"{left}{API}/info", headers=headers), 403, "other_site")


@pytest.mark.parametrize(
    ("said", "root"), [("", ""), ("/", ""), ("photos", ROOT), ("/a/b.c/", "/a/b.c"), ("/~x", "/~x")]
)
def test_paths_to_mount_below(said: str, root: str) -> None:
    assert root_path(said) == root


@pytest.mark.parametrize(
    "said", ["/a//b", "/a b", "/..", "/a/../b", "/a?b", "http://x/", "/api", "/g/a"]
)
def test_paths_that_can_not_be_mounted_below(said: str) -> None:
    with pytest.raises(QueryError, match=r"is not a path|an address of samebut itself"):
        root_path(said)
