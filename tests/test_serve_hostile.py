"""Hostile requests: each is refused with a proper error, and the server stays healthy."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from starlette.testclient import TestClient

from conftest import COLOURS, draw_picture
from odd_pictures import BROKEN, as_bytes, draw, make_odd_pictures, png, png_chunk
from samebut.serve import chinese
from samebut.serve.settings import Settings
from serving import API, HOST, RED, client_of, error_of, form, index

QUERY = {"turns": [{"upload": "p0", "text": "in blue"}]}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    photos = tmp_path_factory.mktemp("hostile") / "photos"
    photos.mkdir()
    for name, colour in COLOURS.items():
        draw_picture(colour, "round").save(photos / f"{name}-round.png")
    index(photos)
    with client_of(photos, Settings(upload_bytes=3_000_000, pixels=20_000_000)) as client:
        yield client


@pytest.fixture(autouse=True)
def healthy_after(client: TestClient) -> Iterator[None]:
    yield
    assert client.get(f"{API}/ready").json() == {"status": "ready"}
    answer = client.post(f"{API}/search", **form(QUERY, p0=RED))
    assert answer.status_code == 200
    assert client.app.state.serving.resources.searching.taken == 0  # type: ignore[attr-defined]


def refused(answer: Any) -> dict[str, str]:
    """The error in an answer, which must be a 4xx of ours."""
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:300])
    error: dict[str, str] = answer.json()
    assert set(error) == {"type", "title", "status", "code", "detail", "hint"}
    return error


# ------------------------------------------------------------------------------- contents


def zlib_bomb() -> bytes:
    """A picture of few pixels with a colour profile that grows to 100 MB."""
    profile = b"icc\0\0" + zlib.compress(bytes(100_000_000), 9)
    whole = as_bytes(draw(), "PNG")
    return whole[:33] + png_chunk(b"iCCP", profile) + whole[33:-400]


def text_bomb() -> bytes:
    whole = as_bytes(draw(), "PNG")
    text = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(90_000_000), 9))
    return whole[:33] + text * 3 + whole[33:60]


CONTENTS: dict[str, Callable[[], bytes]] = {
    **{name: make for name, (make, _) in BROKEN.items()},
    "svg with a script": lambda: (
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'
    ),
    "svg with an entity": lambda: (
        b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>'
    ),
    "xml of a thousand laughs": lambda: b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">]><l/>',
    "html": lambda: b"<html><script>alert(1)</script></html>",
    "gif and script at once": lambda: b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)",
    "jpeg and html at once": lambda: b"\xff\xd8\xff\xe0<html><script>alert(1)</script>",
    "script behind a bitmap's letters": lambda: b"BM=1;alert(document.cookie)" + b"/" * 60,
    "shell script": lambda: b"#!/bin/sh\nrm -rf /\n",
    "elf": lambda: b"\x7fELF\x02\x01\x01" + bytes(200),
    "pickle": lambda: b"\x80\x04\x95\x1a\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94",
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\n",
    "imagemagick": lambda: b"push graphic-context\nimage over 0,0 0,0 'https://x/'\npop\n",
    "a list of pictures": lambda: b"#EXTM3U\nfile:///etc/passwd\n",
    "gzip": lambda: zlib.compress(bytes(10_000_000), 9, wbits=31),
    "a name": lambda: b"/etc/passwd",
    "one byte": lambda: b"\xff",
    "zeros": lambda: bytes(1000),
    "png of no size": lambda: png(0, 0, 8, 2, b""),
    "png of one long row": lambda: png(2**31 - 1, 1, 8, 2, bytes(99)),
    "png of 46000 squared": lambda: png(46_000, 46_000, 1, 0, bytes(999)),
    "png with a profile that grows": zlib_bomb,
    "png with a text that grows": text_bomb,
    "png of an unknown depth": lambda: png(8, 8, 3, 2, bytes(99)),
    "png without pixels": lambda: as_bytes(draw(), "PNG")[:33],
    "webp that says it is larger": lambda: b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(50),
    "tiff that leads back to itself": lambda: b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "tiff with a directory far away": lambda: b"II*\0\xf0\xff\xff\xff" + bytes(40),
    "icon": lambda: b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0" + bytes(60),
    "avif of boxes in boxes": lambda: b"\0\0\0\x1cftypavif" + bytes(16) + b"\0\0\0\x08meta" * 99,
    "jpeg of 65500 squared": lambda: _jpeg_of(65_500, progressive=True),
}


def _jpeg_of(side: int, *, progressive: bool) -> bytes:
    whole = bytearray(as_bytes(draw(), "JPEG", progressive=progressive))
    frame = whole.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    whole[frame + 5 : frame + 9] = side.to_bytes(2, "big") * 2
    return bytes(whole)


@pytest.mark.parametrize("name", CONTENTS)
def test_contents(client: TestClient, name: str) -> None:
    data = CONTENTS[name]()
    answer = client.post(f"{API}/search", **form(QUERY, p0=data))
    error = refused(answer)
    assert error["code"] == "picture_unusable", error
    other = client.post(f"{API}/explain", **form(QUERY, p0=data), headers={"Accept-Language": "zh"})
    said = refused(other)["detail"]
    known = error["detail"].removeprefix("The picture ").removesuffix(".")
    assert chinese.reason(known) != known, f"no Chinese for {known}"
    assert said == f"这张图片{chinese.reason(known)}。"


def test_odd_pictures_are_searched_with_or_refused(client: TestClient, tmp_path: Path) -> None:
    odd = make_odd_pictures(tmp_path)
    files = [each for each in odd.values() if each.path.is_file()]
    for each in files:
        data = each.path.read_bytes()
        answer = client.post(f"{API}/search", **form(QUERY, p0=data))
        good = each.good or each.unprivileged  # only its permissions are bad
        assert answer.status_code == (200 if good else 422), (each.name, answer.text[:200])
    assert len(files) > 60


# ------------------------------------------------------------------------------- forms


def multipart(*parts: tuple[str, bytes], end: bytes = b"--x--\r\n") -> bytes:
    """A form with the boundary x of parts (headers, content)."""
    return (
        b"".join(
            b"--x\r\n" + headers.encode("utf-8") + b"\r\n\r\n" + content + b"\r\n"
            for headers, content in parts
        )
        + end
    )


def disposition(name: str, file: str | None = None) -> str:
    said = f'Content-Disposition: form-data; name="{name}"'
    return said if file is None else f'{said}; filename="{file}"'


JSON = json.dumps(QUERY).encode()
WHOLE = (disposition("query"), JSON), (disposition("p0", "a.png"), RED)
TYPE = "multipart/form-data; boundary=x"

FORMS: dict[str, tuple[str, bytes]] = {
    "no boundary": ("multipart/form-data", multipart(*WHOLE)),
    "another boundary": ("multipart/form-data; boundary=y", multipart(*WHOLE)),
    "a boundary of a megabyte": (f"multipart/form-data; boundary={'y' * 60_000}", b"--y"),
    "an unknown charset": ("multipart/form-data; charset=nonsense; boundary=y", multipart(*WHOLE)),
    "a charset that is none": (
        "multipart/form-data; charset=idna; boundary=x",
        multipart((disposition("query"), b"\xff" * 100), WHOLE[1]),
    ),
    "a charset of transformations": (
        "multipart/form-data; charset=zlib_codec; boundary=x",
        multipart((disposition("query"), zlib.compress(bytes(1_000_000))), WHOLE[1]),
    ),
    "nothing": (TYPE, b""),
    "cut off": (TYPE, multipart(*WHOLE)[:300]),
    "no end": (TYPE, multipart(WHOLE[0], end=b"")),
    "parts without names": (TYPE, multipart(("Content-Type: text/plain", JSON))),
    "parts without headers": (TYPE, multipart(("", JSON))),
    "a header of a megabyte": (TYPE, multipart((disposition("q" * 1_000_000), JSON))),
    "ten thousand headers": (TYPE, multipart(("A: b\r\n" * 10_000 + disposition("query"), JSON))),
    "ten thousand fields": (
        TYPE,
        multipart(*[(disposition(f"f{i}"), b"1") for i in range(10_000)]),
    ),
    "a thousand files": (
        TYPE,
        multipart(WHOLE[0], *[(disposition(f"p{i}", "a"), b"1") for i in range(1000)]),
    ),
    "two queries": (TYPE, multipart(WHOLE[0], *WHOLE)),
    "a query of a megabyte": (TYPE, multipart((disposition("query"), b" " * 1_000_000), WHOLE[1])),
    "a query that is a file of a megabyte": (
        TYPE,
        multipart((disposition("query", "q"), b" " * 1_000_000), WHOLE[1]),
    ),
    "a file for no turn": (TYPE, multipart(*WHOLE, (disposition("../../p1", "a"), RED))),
    "two files of one name": (TYPE, multipart(*WHOLE, WHOLE[1])),
    "no file": (TYPE, multipart(WHOLE[0])),
    "a text for a file": (TYPE, multipart(WHOLE[0], (disposition("p0"), b"red.png"))),
    "no query": (TYPE, multipart(WHOLE[1])),
    "a form of another kind": ("application/x-www-form-urlencoded", b"query=%7B%7D"),
    "xml": ("application/xml", b"<a/>"),
    "a type that is none": ("\x00/;;=", b"{}"),
    "json as a form": ("application/json", multipart(*WHOLE)),
}


# Of a form that ends early the parser forgets the last file, which is closed as garbage.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", FORMS)
def test_forms(client: TestClient, name: str) -> None:
    kind, body = FORMS[name]
    headers = {"Content-Type": kind}
    refused(client.post(f"{API}/search", content=body, headers=headers))


FILE_NAMES = (
    "../../../etc/passwd",
    "..\\..\\windows\\system32\\x.png",
    "/etc/passwd",
    "file:///etc/passwd",
    "a.png\x00.sh",
    "<img src=x onerror=alert(1)>.png",
    "$(touch x).png",
    "CON",
    "n" * 4000,
    "",
    "红.png",
)


@pytest.mark.parametrize("name", FILE_NAMES, ids=range(len(FILE_NAMES)))
def test_names_of_files_mean_nothing(client: TestClient, name: str, tmp_path: Path) -> None:
    headers = {"Content-Type": TYPE}
    body = multipart(WHOLE[0], (disposition("p0", name), RED))
    answer = client.post(f"{API}/search", content=body, headers=headers)
    assert answer.status_code in (200, 400), answer.text
    if name:
        plain = client.post(f"{API}/search", **form(QUERY, p0=RED)).json()
        if answer.status_code == 200:
            assert answer.json()["hits"] == plain["hits"]


PATHS = (
    "/static/../app.py",
    "/static/%2e%2e/app.py",
    "/static/..%2fapp.py",
    "/static/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc/passwd",
    "/static//etc/passwd",
    "/static/..%5capp.py",
    "/static/%00",
    "/static/" + "a" * 5000,
    f"{API}/pictures/../../../../etc/passwd",
    f"{API}/pictures/..%2f..%2fetc%2fpasswd",
    f"{API}/pictures/red-round.png",
    f"{API}/pictures/-1",
    f"{API}/pictures/0",
    f"{API}/pictures/1e3",
    f"{API}/pictures/9223372036854775808",
    f"{API}/pictures/1%00",
    f"{API}/thumbnails/%f0%9f%91%97",
    f"{API}/thumbnails/1?size=-1",
    f"{API}/thumbnails/1?size=1e9",
    f"{API}/browse?k=99999999999999999999",
    f"{API}/browse?offset=-1",
    f"{API}/browse?where=%00",
    f"{API}/browse?where=" + "(" * 500,
    f"{API}/browse?where=colour%20=%20'x'%20union%20select%201",
    f"{API}/browse?where='%20OR%201=1%20--",
    f"{API}/similar/1?where=%ff%fe",
)


@pytest.mark.parametrize("path", PATHS)
def test_paths(client: TestClient, path: str) -> None:
    answer = client.get(path)
    refused(answer)
    assert "root:" not in answer.text


def test_methods(client: TestClient) -> None:
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT", "NONSENSE"):
        for path in ("search", "pictures/1", "browse"):
            error_of(client.request(method, f"{API}/{path}"), 405, "method_not_allowed")


def test_headers(client: TestClient) -> None:
    for name in ("Accept-Language", "Authorization", "Cookie", "If-None-Match", "Sec-Fetch-Site"):
        for value in (b"x" * 60_000, b"\xff\xfe", b"zh;q=" + b"9" * 5000, b'"' * 999, b""):
            answer = client.get(f"{API}/thumbnails/1", headers={name: value})
            assert answer.status_code == 200, (name, value[:20])
    ranges = client.get(f"{API}/pictures/1", headers={"Range": "bytes=" + "0-1," * 5000})
    assert ranges.status_code < 500


# ------------------------------------------------------------------------------- fuzzing


@pytest.fixture(scope="module")
def operations(client: TestClient) -> dict[str, Any]:
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    return {each.ok().label: each.ok() for each in schema.get_all_operations()}


def sent(client: TestClient, request: dict[str, Any]) -> Any:
    """The answer to a request as schemathesis describes it: in the words of ``requests``."""
    parts = ("method", "url", "headers", "params", "data", "json", "files", "cookies")
    made = requests.Request(**{name: request.get(name) for name in parts}).prepare()
    assert made.method is not None
    headers = {name: value for name, value in made.headers.items() if name != "Content-Length"}
    return client.request(made.method, str(made.url), headers=headers, content=made.body)


WITH_PARAMETERS = (
    *(f"POST {API}/{place}" for place in ("search", "explain", "look")),
    *(f"GET {API}/{place}/{{id}}" for place in ("similar", "pictures", "thumbnails")),
    *(f"GET {API}/{place}" for place in ("browse", "facets")),
)
WITHOUT = tuple(f"GET {API}/{place}" for place in ("info", "health", "ready", "metrics"))
FUZZED = [
    *((label, mode) for label in WITH_PARAMETERS for mode in GenerationMode),
    *((label, GenerationMode.POSITIVE) for label in WITHOUT),
]


def test_every_operation_is_fuzzed(operations: dict[str, Any]) -> None:
    assert {label for label, _ in FUZZED} == set(operations)


EXAMPLES = int(os.environ.get("SAMEBUT_EXAMPLES", "25"))
"""Requests for each operation and mode; 600 make more than 10,000."""


@pytest.mark.parametrize(("label", "mode"), FUZZED)
def test_requests_made_from_the_document(
    operations: dict[str, Any], client: TestClient, label: str, mode: GenerationMode
) -> None:
    """Whatever fits the document, or just does not, is answered, and never with a 5xx."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operations[label].as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        answer = sent(client, case.as_transport_kwargs(base_url=HOST))
        assert answer.status_code < 500, answer.text

    ask()
