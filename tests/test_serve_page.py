"""The page as it is sent: one script, one style sheet, and words in the reader's language."""

from __future__ import annotations

import gzip
import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from samebut.serve.bundle import bundled
from samebut.serve.page import STATIC, Page, takes_gzip
from samebut.serve.settings import Settings
from serving import API, client_of, drawn

WORDS = {
    tag: json.loads((STATIC / "i18n" / f"{tag}.json").read_text("utf-8")) for tag in ("en", "zh")
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("page") / "photos", "round")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with client_of(folder) as client:
        yield client


# ------------------------------------------------------------------------------- the document


@pytest.mark.parametrize(
    ("headers", "address", "language"),
    [
        ({}, "/", "en"),
        ({"Accept-Language": "zh-CN,zh;q=0.9"}, "/", "zh"),
        ({"Accept-Language": "zh-CN", "Cookie": "samebut.language=en"}, "/", "en"),
        ({"Accept-Language": "en", "Cookie": "samebut.language=zh"}, "/", "zh"),
        ({"Accept-Language": "en", "Cookie": "samebut.language=<b>"}, "/", "en"),
        ({"Cookie": "samebut.language=en"}, "/?language=zh", "zh"),
    ],
)
def test_the_document_comes_in_the_readers_language(
    client: TestClient, headers: dict[str, str], address: str, language: str
) -> None:
    answer = client.get(address, headers=headers)
    words = WORDS[language]
    assert re.search(r'<html lang="([\w-]+)"', answer.text)[1].startswith(language)  # type: ignore[index]
    for key in ("heading", "lead", "words.alone"):
        assert f">{html.escape(words[key], quote=False)}</" in answer.text
    assert f'aria-label="{html.escape(words["search"])}"' in answer.text
    assert not re.search(r"data-i18n=\"[^\"]+\"[^>]*></", answer.text)  # no empty heading
    assert {"Accept-Language", "Cookie"} <= set(answer.headers["vary"].split(", "))


def test_the_words_are_in_the_document_as_data_alone(client: TestClient) -> None:
    text = client.get("/").text
    block = re.search(r'<script type="application/json" id="page-words">(.*?)</script>', text)
    assert block and json.loads(block[1])["words"] == WORDS["en"]
    scripts = re.findall(r"<script\b([^>]*)>", text)
    assert all("src=" in each or 'type="application/json"' in each for each in scripts)
    assert len([each for each in scripts if "src=" in each]) == 1
    assert text.count('rel="stylesheet"') == 1
    for tag, address in json.loads(block[1])["addresses"].items():
        assert client.get(f"/{address}").json() == WORDS[tag]


def test_a_chosen_theme_is_there_before_the_script(client: TestClient) -> None:
    assert "data-theme" not in client.get("/").text
    for chosen, said in (("dark", 'data-theme="dark"'), ('"onload=', "data-theme")):
        text = client.get("/", headers={"Cookie": f"samebut.theme={chosen}"}).text
        assert (said in text) == (chosen == "dark")


# ------------------------------------------------------------------------------- caching, gzip


def assets_of(client: TestClient) -> list[str]:
    return sorted(set(re.findall(r'(?:href|src)="(static/[^"]+)"', client.get("/").text)))


def test_files_are_kept_for_good_by_the_digest_in_their_names(client: TestClient) -> None:
    found = assets_of(client)
    names = sorted(re.sub(r"\.[0-9a-f]{12}\.", ".", each) for each in found)
    assert names == ["static/icon.svg", "static/page.css", "static/page.js"]
    for each in found:
        answer = client.get(f"/{each}")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        again = client.get(f"/{each}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert client.get("/static/page.js").status_code == 404


def test_a_document_that_did_not_change_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/")
    assert first.headers["cache-control"] == "private, no-cache"
    known = {"If-None-Match": first.headers["etag"]}
    assert client.get("/", headers=known).status_code == 304
    assert client.get("/", headers={**known, "Accept-Language": "zh"}).status_code == 200


def test_texts_are_packed_for_those_who_can_unpack_them(client: TestClient) -> None:
    addresses = ["/", *(f"/{each}" for each in assets_of(client)), f"{API}/browse"]
    for address in addresses:
        with client.stream("GET", address, headers={"Accept-Encoding": "gzip"}) as packed:
            sent = b"".join(packed.iter_raw())
        plain = client.get(address, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["content-length"] == str(len(sent))
        assert "Accept-Encoding" in packed.headers["vary"]
        if address != f"{API}/browse":  # it says how long it took
            assert gzip.decompress(sent) == plain.content
    picture = client.get(f"{API}/thumbnails/1", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in picture.headers
    small = client.get(f"{API}/health", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers


@pytest.mark.parametrize(
    ("accept", "takes"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=1", True),
    ],
)
def test_who_can_unpack(accept: str, takes: bool) -> None:
    headers = [(b"accept-encoding", accept.encode())]
    assert takes_gzip(HTTPConnection({"type": "http", "headers": headers})) is takes


def test_the_page_needs_no_token_and_says_nothing_of_the_gallery(folder: Path) -> None:
    with client_of(folder, Settings(token="correct horse battery")) as client:
        text = client.get("/").text
        assert WORDS["en"]["heading"] in text
        assert "round.png" not in text
        assert all(client.get(f"/{each}").status_code == 200 for each in assets_of(client))


# ------------------------------------------------------------------------------- the bundle


def test_every_address_in_the_page_is_relative() -> None:
    """So that it works wherever it is mounted."""
    sources = [STATIC / "index.html", *STATIC.glob("js/*.js"), *STATIC.glob("css/*.css")]
    for path in sources:
        assert re.findall(r'["\'`(]/(?:api|static)\b', path.read_text("utf-8")) == [], path.name


def test_all_modules_are_in_the_bundle() -> None:
    page = Page()
    script = next(sent for name, sent in page.assets.items() if name.endswith(".js"))
    found = re.findall(r"^const \$(\w+) = ", script.content.decode(), re.MULTILINE)
    assert sorted(found) == sorted(path.stem.replace("-", "_") for path in STATIC.glob("js/*.js"))
    assert found[-1] == "page"


MODULES = {
    "main": """
import { one, two as zwei } from "./low-down.js";
import * as all from "./low-down.js";
import "./aside.js";
console.log(one + zwei(), Object.keys(all).sort().join());
""",
    "low-down": """
export const one = 1;
export async function later() {}
export function two() {
  return hidden;
}
const hidden = 2;
export class Three {}
""",
    "aside": """
import { one } from "./low-down.js";
console.log("aside", one);
""",
}


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_bundle_does_what_its_modules_do(tmp_path: Path) -> None:
    for name, source in MODULES.items():
        (tmp_path / f"{name}.js").write_text(source)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "all.js").write_text(bundled(MODULES, "main"))
    for name in ("main.js", "all.js"):
        said = subprocess.run(["node", name], cwd=tmp_path, capture_output=True, check=True)
        assert said.stdout.decode().split() == ["aside", "1", "3", "Three,later,one,two"]


@pytest.mark.parametrize(
    ("modules", "complaint"),
    [
        (
            {"a": 'import { b } from "./b.js";\n', "b": 'import { a } from "./a.js";\n'},
            "a -> b -> a",
        ),
        ({"a": 'import { b } from "./b.js";\n'}, "no module b"),
        ({"a": "export let x = 1;\n"}, "export let x"),
        ({"a": "export default 1;\n"}, "export default"),
        ({"a": 'import b from "./b.js";\n'}, "import b"),
        ({"a": 'const b = await import("./b.js");\n'}, "import"),
        ({"a": 'import { b } from "https://elsewhere/b.js";\n'}, "elsewhere"),
    ],
)
def test_what_a_bundle_can_not_hold_is_named(modules: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        bundled(modules, "a")
