"""Who may ask a server, how much, and what every answer carries."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from samebut.errors import QueryError
from samebut.gallery import Gallery
from samebut.serve.allowances import Allowances
from samebut.serve.guard import host_name
from samebut.serve.problems import KINDS, LANGUAGES, Problem, preferred_language
from samebut.serve.server import address_of, is_loopback, listen, with_names
from samebut.serve.settings import LOOPBACK, Settings
from samebut.serve.telemetry import Telemetry
from samebut.serve.workers import Workers
from serving import API, RED, client_of, drawn, error_of, form

TOKEN = "correct horse battery"
ASK = {"turns": [{"text": "in blue"}]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("guard") / "photos", "round")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with client_of(folder, Settings(upload_bytes=100_000, pixels=1_000_000)) as client:
        yield client


# ------------------------------------------------------------------------------- headers


@pytest.mark.parametrize("path", [f"{API}/info", f"{API}/none", "/none", f"{API}/pictures/1"])
def test_every_answer_is_locked_down(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


def test_what_is_found_is_not_kept_by_caches(client: TestClient) -> None:
    assert client.get(f"{API}/browse").headers["cache-control"] == "no-store"
    assert client.get(f"{API}/thumbnails/1").headers["cache-control"].startswith("private")


# ------------------------------------------------------------------------------- names, sites


@pytest.mark.parametrize("host", ["localhost", "localhost:8620", "127.0.0.1", "[::1]:80"])
def test_names_of_this_machine(client: TestClient, host: str) -> None:
    assert client.get(f"{API}/info", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.nip"])
def test_a_name_made_to_point_here(client: TestClient, host: str) -> None:
    error_of(client.get(f"{API}/info", headers={"Host": host}), 403, "host_unknown")


def test_pages_of_other_sites(client: TestClient) -> None:
    for site in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": site}
        error_of(client.post(f"{API}/search", json=ASK, headers=headers), 403, "other_site")
    for site in ("same-origin", "none"):
        headers = {"Sec-Fetch-Site": site}
        assert client.post(f"{API}/search", json=ASK, headers=headers).status_code == 200


def test_names_of_a_server() -> None:
    assert host_name("Localhost:80") == host_name("localhost.") == "localhost"
    assert host_name("[FE80::1]:80") == "fe80::1"
    assert with_names(Settings(), "127.0.0.1", []).hosts == LOOPBACK
    assert with_names(Settings(), "localhost", ["Me.lan"]).hosts == LOOPBACK | {"me.lan"}
    assert with_names(Settings(), "0.0.0.0", []).hosts is None
    assert with_names(Settings(), "10.0.0.7", ["me.lan"]).hosts == LOOPBACK | {"10.0.0.7", "me.lan"}
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.7", "me.lan", "")))


def test_addresses() -> None:
    with listen("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        assert address_of(bound, "127.0.0.1") == f"http://127.0.0.1:{port}/"
        assert address_of(bound, "0.0.0.0", "t") == f"http://127.0.0.1:{port}/?token=t"
        assert address_of(bound, "::1") == f"http://[::1]:{port}/"
        with pytest.raises(QueryError, match=f"can't listen on 127.0.0.1 port {port}"):
            listen("127.0.0.1", port)
    with pytest.raises(QueryError, match="can't listen on nowhere"):
        listen("nowhere.invalid", 0)


# ------------------------------------------------------------------------------- token


@pytest.fixture(scope="module")
def locked(folder: Path) -> Iterator[TestClient]:
    with client_of(folder, Settings(token=TOKEN), follow_redirects=False) as client:
        yield client


@pytest.fixture(autouse=True)
def no_cookies(request: pytest.FixtureRequest) -> None:
    if "locked" in request.fixturenames:
        request.getfixturevalue("locked").cookies.clear()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer caf\u00e9".encode("latin-1").decode("latin-1")},
        {"Cookie": f"samebut={TOKEN}"},
        {"Cookie": "samebut="},
    ],
)
def test_without_the_token(locked: TestClient, headers: dict[str, str]) -> None:
    sent = {name: text.encode("latin-1") for name, text in headers.items()}
    for path in ("info", "browse", "facets", "pictures/1", "thumbnails/1", "metrics"):
        answer = locked.get(f"{API}/{path}", headers=sent)
        error_of(answer, 401, "token_needed")
        assert answer.headers["www-authenticate"] == "Bearer"
    error_of(locked.post(f"{API}/search", json=ASK, headers=sent), 401, "token_needed")
    assert locked.get("/openapi.json", headers=sent).status_code == 401


def test_with_the_token(locked: TestClient) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert locked.post(f"{API}/search", json=ASK, headers=headers).status_code == 200
    for path in ("health", "ready"):  # those are for the machine that watches the server
        assert locked.get(f"{API}/{path}").status_code == 200


def test_the_token_in_an_address_becomes_a_cookie(locked: TestClient) -> None:
    answer = locked.get("/", params={"token": TOKEN, "a": "1&2"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?a=1%262")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert locked.get(f"{API}/info").status_code == 200
    locked.cookies.clear()
    assert locked.get(f"{API}/info", params={"token": "wrong"}).status_code == 401
    answer = locked.get("http://localhost//evil.example/", params={"token": TOKEN})
    assert answer.headers["location"] == "/evil.example/"
    locked.cookies.clear()
    error_of(locked.post(f"{API}/search", params={"token": TOKEN}, json=ASK), 401, "token_needed")


# ------------------------------------------------------------------------------- limits


def test_a_body_too_large(client: TestClient) -> None:
    query = {"turns": [{"upload": "p0"}]}
    answer = client.post(f"{API}/search", **form(query, p0=RED + bytes(100_000)))
    error = error_of(answer, 413, "body_too_large")
    assert error["detail"] == "The request is larger than the 0.1 MB allowed."

    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(10_000)

    headers = {"Content-Type": "application/json"}
    answer = client.post(f"{API}/search", content=_first(endless(), 900), headers=headers)
    error_of(answer, 413, "body_too_large")


def _first(chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield next(chunks)


def test_a_picture_of_too_many_pixels(client: TestClient) -> None:
    from odd_pictures import png

    query = {"turns": [{"upload": "p0"}]}
    bomb = png(1001, 1000, 8, 2, bytes(999))
    error = error_of(client.post(f"{API}/search", **form(query, p0=bomb)), 422, "picture_unusable")
    assert "1.1 million pixels" in error["detail"]


def test_a_rate(folder: Path) -> None:
    with client_of(folder, Settings(per_minute=2)) as client:
        for _ in range(2):
            assert client.post(f"{API}/search", json=ASK).status_code == 200
        answer = client.post(f"{API}/search", json=ASK)
        error_of(answer, 429, "too_many_requests")
        assert 1 <= int(answer.headers["retry-after"]) <= 30
        assert client.get(f"{API}/browse").status_code == 200  # only the model is worth counting


def test_allowances() -> None:
    allowances = Allowances(60)
    assert [allowances.wait("a", now=0.0) for _ in range(60)] == [0] * 60
    assert allowances.wait("a", now=0.0) == 1
    assert allowances.wait("b", now=0.0) == 0
    assert allowances.wait("a", now=1.0) == 0
    assert allowances.wait("a", now=1.0) == 1
    assert all(Allowances(0).wait("a") == 0 for _ in range(1000))


def test_a_queue_that_is_full_says_so_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, go_on = threading.Semaphore(0), threading.Event()
    search = Gallery.search

    def slow(*arguments: object, **more: object) -> object:
        held.release()
        assert go_on.wait(30)
        return search(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Gallery, "search", slow)
    settings = Settings(workers=1, waiting=1)
    with client_of(folder, settings) as client, ThreadPoolExecutor(2) as pool:
        serving = client.app.state.serving  # type: ignore[attr-defined]
        under_way = [pool.submit(client.post, f"{API}/search", json=ASK) for _ in range(2)]
        assert held.acquire(timeout=30)
        while serving.resources.searching.taken < 2:
            threading.Event().wait(0.01)
        answer = client.post(f"{API}/search", json=ASK)
        error_of(answer, 503, "busy")
        assert answer.headers["retry-after"] == "1"
        assert client.get(f"{API}/thumbnails/1").status_code == 200  # pictures have their own
        go_on.set()
        assert [each.result().status_code for each in under_way] == [200, 200]
        assert client.post(f"{API}/search", json=ASK).status_code == 200


def test_a_search_that_takes_too_long(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(Gallery, "search", lambda *_, **__: go_on.wait(30))
    with client_of(folder, Settings(workers=1, waiting=0, seconds=0.05)) as client:
        error_of(client.post(f"{API}/search", json=ASK), 503, "too_slow")
        # It can't be stopped, so its place is still taken.
        error_of(client.post(f"{API}/search", json=ASK), 503, "busy")
        go_on.set()


def test_jobs_that_fail_give_their_places_back() -> None:
    asyncio.run(_jobs_that_fail())


async def _jobs_that_fail() -> None:
    workers = Workers("test", threads=1, waiting=0, seconds=5)

    def fail() -> None:
        raise KeyError("x")

    for _ in range(3):
        with pytest.raises(KeyError):
            await workers.run(fail)
        while workers.taken:
            threading.Event().wait(0.001)
    assert await workers.run(lambda: 7) == 7
    workers.close()


def test_nothing_asked_is_logged(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "samebut.serve"):
        query = {"turns": [{"upload": "p0", "text": "my secret wish"}], "where": "colour = 'sec'"}
        client.post(f"{API}/search?token=hidden", **form(query, p0=RED))
        client.get(f"{API}/browse", params={"where": "colour = 'hidden'"})
        client.get("/line%0Abreak")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert lines[0].startswith("POST /api/v1/search 200 ")
    assert lines[2].startswith("GET /line\\nbreak 404 ")
    assert "secret" not in caplog.text
    assert "hidden" not in caplog.text


def test_a_client_that_goes_away_is_no_error(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[object] = []
    messages = iter(
        [
            {"type": "http.request", "body": b'{"turns"', "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> object:
        return next(messages)

    async def send(message: object) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": f"{API}/search",
        "raw_path": f"{API}/search".encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    with caplog.at_level(logging.INFO, "samebut.serve"):
        asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    assert sent == []
    assert "the client went away" in caplog.text
    assert "Traceback" not in caplog.text


# ------------------------------------------------------------------------------- words


def test_every_refusal_has_words_in_both_languages() -> None:
    values = {"why": "因为", "number": "7", "name": "p0", "megabytes": "20"}
    for code, kind in KINDS.items():
        said = {language: Problem(code, **values).said(language) for language in LANGUAGES}
        assert all(each["detail"] and "{" not in each["detail"] for each in said.values()), code
        assert bool(kind.hint_en) == bool(kind.hint_zh), code
        assert any("\u4e00" <= char <= "\u9fff" for char in said["zh"]["detail"]), code
        assert 400 <= kind.status < 600


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("zh-Hans-CN", "zh"),
        ("en-US,en;q=0.9,zh-CN;q=0.8", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("de,fr", "en"),
        (";;;,q=,zh;q=x", "zh"),
    ],
)
def test_the_language_preferred(accept: str, language: str) -> None:
    assert preferred_language(accept) == language


def test_numbers_for_prometheus() -> None:
    telemetry = Telemetry()
    telemetry.count("samebut_requests_total", route='a"\\\n', status="200")
    for seconds in (0.001, 0.005, 0.2, 99.0):
        telemetry.observe("samebut_stage_seconds", seconds, stage="fuse")
    lines = telemetry.text().splitlines()
    assert 'samebut_requests_total{route="a\\"\\\\\\n",status="200"} 1' in lines
    assert 'samebut_stage_seconds_bucket{stage="fuse",le="0.005"} 2' in lines
    assert 'samebut_stage_seconds_bucket{stage="fuse",le="0.25"} 3' in lines
    assert 'samebut_stage_seconds_bucket{stage="fuse",le="+Inf"} 4' in lines
    assert 'samebut_stage_seconds_sum{stage="fuse"} 99.206' in lines
    assert lines.count("# TYPE samebut_stage_seconds histogram") == 1
