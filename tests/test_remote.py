"""remote.py: folders elsewhere are indexed, searched, served and kept up with as those here."""

from __future__ import annotations

import errno
import io
import logging
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from conftest import COLOURS, draw_picture
from remote_folders import FOLDERS, SECRET, Internal, RemoteFolder, serving
from samebut import remote
from samebut.errors import PictureError, QueryError, SamebutError, StoreError
from samebut.gallery import Gallery
from samebut.loader import READ_AT_ONCE
from samebut.remote import RemotePath, place
from samebut.runtime import Model
from samebut.serve import originals, watch
from samebut.serve.app import create_app
from samebut.serve.settings import Settings
from samebut.serve.watch import Watch
from samebut.turns import Turn
from serving import API, HOST, as_bytes, error_of, form


@pytest.fixture(autouse=True)
def _one_model(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are not about loading models, which would be most of their time."""
    monkeypatch.setattr(Model, "load", lambda *_, **__: model)


RED = as_bytes(draw_picture(COLOURS["red"], "round"))


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RemoteFolder]:
    remote._system_of.cache_clear()
    with FOLDERS[request.param](tmp_path) as made:
        yield made
    remote._system_of.cache_clear()


@pytest.fixture
def filled(folder: RemoteFolder, photos: Path) -> RemoteFolder:
    folder.fill(photos)
    return folder


def built(address: str, store: Path, **options: Any) -> tuple[Gallery, Any]:
    return Gallery.build(address, store=store / "store", **options)


def test_a_folder_elsewhere_is_indexed_to_the_last_bit_as_one_here(
    filled: RemoteFolder, photos: Path, tmp_path: Path
) -> None:
    here, _ = Gallery.build(photos)
    there, report = built(filled.address, tmp_path)
    with here, there:
        assert report.encoded == 10 and not report.skipped
        assert [*there.index.files()] == [*here.index.files()]
        for path, file in here.index.files().items():
            mine = here.index.by_digest(file.digest)
            theirs = there.index.by_digest(there.index.files()[path].digest)
            assert mine is not None and theirs is not None
            assert mine.embedding.tobytes() == theirs.embedding.tobytes()
            assert (mine.width, mine.height) == (theirs.width, theirs.height)
        assert there.index.folder == filled.address


def test_only_what_changed_is_read_again(filled: RemoteFolder, tmp_path: Path) -> None:
    built(filled.address, tmp_path)[0].close()
    gallery, report = built(filled.address, tmp_path)
    gallery.close()
    assert (report.unchanged, report.encoded) == (10, 0)
    filled.put("red-round.png", as_bytes(draw_picture((1, 2, 3), "square")))
    filled.put("new.png", as_bytes(draw_picture((90, 2, 99), "square")))
    filled.drop("blue-round.png")
    gallery, report = built(filled.address, tmp_path)
    with gallery:
        assert (report.encoded, report.removed, report.unchanged) == (2, 1, 8)
        assert len(gallery) == 10


def test_what_is_passed_over_is_said(folder: RemoteFolder, tmp_path: Path) -> None:
    for name in (
        "a.png",
        "drafts/b.png",
        "deep/er/c.png",
        "@eaDir/d.png",
        "no.gif",
        "10% off #1 ü?.png",
    ):
        folder.put(name, as_bytes(draw_picture((len(name), 2, 3), "round")))
    for name in ("raw.CR2", "notes.txt", ".hidden.png", "._mac.png"):
        folder.put(name, b"x")
    folder.put("nameless", RED)
    folder.put("broken.png", b"\x89PNG\r\n\x1a\n")
    folder.put(".samebutignore", b"drafts/\n*.gif\n")
    gallery, report = built(folder.address, tmp_path)
    with gallery:
        assert [*gallery.index.files()] == ["10% off #1 ü?.png", "a.png", "deep/er/c.png"]
        assert [(each.path, each.reason) for each in report.skipped] == [
            ("broken.png", "is cut short")
        ]
        assert report.scan.left_out == {"@eaDir": 1}
        assert report.scan.excluded == {"drafts/": 1, "*.gif": 1}
        assert {kind.name: n for kind, n in report.scan.other_kinds.items()} == {
            "raw pictures of cameras": 1,
            "hidden pictures": 1,
            "pictures without a suffix": 1,
        }


def test_search_takes_pictures_and_tables_from_elsewhere(
    filled: RemoteFolder, tmp_path: Path
) -> None:
    rows = "".join(f"{name}-round.png,{name}\n" for name in COLOURS)
    filled.put("table.csv", f"file,colour\n{rows}".encode())
    filled.put("labels.toml", '[colour]\nzh = "颜色"\n'.encode())
    gallery, report = built(filled.address, tmp_path, metadata=f"{filled.address}/table.csv")
    with gallery:
        assert report.metadata.described == 5
        red = place(f"{filled.address}/red-round.png")
        found = gallery.search(Turn(red), 3, where="colour = 'blue'")
        assert [hit.path for hit in found.hits] == ["blue-round.png"]
        assert gallery.search(Turn(red), 1, include_references=True).hits[0].path == red.name
        assert gallery.search(Turn(red), 1).hits[0].path != red.name
        assert gallery.table.labels.columns["colour"] == {"zh": "颜色"}
        assert gallery.beside_store("x") == tmp_path / "store" / "x"
        with pytest.raises(PictureError, match="can't be read"):
            gallery.search(Turn(place(f"{filled.address}/no.png")))


@pytest.fixture
def client(filled: RemoteFolder, tmp_path: Path) -> Iterator[TestClient]:
    built(filled.address, tmp_path)[0].close()
    with (
        Gallery.open(filled.address, store=tmp_path / "store", threads=1) as gallery,
        TestClient(create_app(gallery, Settings()), base_url=HOST) as made,
    ):
        yield made


def test_the_server_shows_pictures_from_elsewhere_and_asks_once(
    client: TestClient, filled: RemoteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    hit = next(
        each
        for each in client.get(f"{API}/browse").json()["hits"]
        if each["path"] == "red-round.png"
    )
    whole = client.get(hit["picture"])
    assert (whole.content, whole.headers["content-type"]) == (RED, "image/png")
    small = client.get(hit["thumbnail"])
    assert small.headers["content-type"] == "image/jpeg"
    monkeypatch.setattr(RemotePath, "stat", None)
    monkeypatch.setattr(RemotePath, "open", None)
    assert client.get(hit["picture"]).content == RED
    assert client.get(hit["thumbnail"], params={"size": 640}).status_code == 200
    unchanged = client.get(hit["thumbnail"], headers={"If-None-Match": small.headers["etag"]})
    assert unchanged.status_code == 304
    asked = client.post(f"{API}/search", json={"turns": [{"picture": hit["id"]}], "k": 2})
    assert asked.status_code == 200 and asked.json()["hits"]
    monkeypatch.undo()
    filled.drop("red-round.png")
    monkeypatch.setattr(originals, "STATE_SECONDS", -1)
    error_of(client.get(hit["picture"]), 404, "picture_gone")


def test_large_pictures_are_sent_in_pieces(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samebut.loader.READ_AT_ONCE", 100)
    hits = client.get(f"{API}/browse").json()["hits"]
    hit = next(each for each in hits if each["path"] == "red-round.png")
    assert client.get(hit["picture"]).content == RED
    assert client.get(hit["thumbnail"]).status_code == 200
    assert READ_AT_ONCE > 100


def test_a_watch_looks_again_and_no_oftener_than_once_a_minute(
    filled: RemoteFolder, tmp_path: Path
) -> None:
    gallery, _ = built(filled.address, tmp_path)
    with gallery:
        watching = Watch(gallery, 2.0)
        assert watching._seconds == watch._REMOTE_SECONDS
        assert watching.look() and not watching.look()
        filled.put("new.png", as_bytes(draw_picture((90, 2, 99), "square")))
        assert watching.look()
        assert len(gallery) == 11
        watching._gallery.close()


def test_what_gave_no_answer_is_asked_for_again(
    filled: RemoteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = RemotePath.open

    def failing(self: RemotePath, *arguments: Any, **options: Any) -> Any:
        if self.name == "red-round.png":
            raise ConnectionError(errno.ECONNABORTED, "it gives no answer (ReadTimeoutError)")
        return opened(self, *arguments, **options)

    monkeypatch.setattr(RemotePath, "open", failing)
    gallery, report = built(filled.address, tmp_path)
    gallery.close()
    assert [each.reason for each in report.skipped] == [
        "can't be read: it gives no answer (ReadTimeoutError)"
    ]
    monkeypatch.undo()
    gallery, report = built(filled.address, tmp_path)
    gallery.close()
    assert (report.encoded, len(report.skipped)) == (1, 0)


def test_a_folder_that_is_gone_empties_no_store(
    filled: RemoteFolder, tmp_path: Path, photos: Path
) -> None:
    built(filled.address, tmp_path)[0].close()
    for file in photos.rglob("*.png"):
        filled.drop(file.relative_to(photos).as_posix())
    with pytest.raises(StoreError):
        built(filled.address, tmp_path)
    with Gallery.open(filled.address, store=tmp_path / "store") as gallery:
        assert len(gallery) == 10


def test_a_store_needs_a_place_of_its_own(folder: RemoteFolder) -> None:
    with pytest.raises(StoreError, match="can't be kept in"):
        Gallery.build(folder.address)


# ------------------------------------------------------------------------------- addresses


def test_paths_stay_paths_and_addresses_become_places() -> None:
    assert place("photos") == Path("photos")
    assert place("file:///a%20b") == Path("/a b")
    assert place("C:\\photos") == Path("C:\\photos")
    said = place("S3://bucket/folder/")
    assert isinstance(said, RemotePath) and str(said) == "s3://bucket/folder"
    assert pickle.loads(pickle.dumps(said)) == said
    assert (said / "a b.jpg").suffix == ".jpg"


@pytest.mark.parametrize(
    "address",
    [
        f"https://me:{SECRET}@host/photos",
        f"sftp://me:{SECRET}@host/photos",
        f"https://host/photos?X-Amz-Signature={SECRET}",
        f"https://host/photos#{SECRET}",
        f"s3://AKIA:{SECRET}@bucket",
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(QueryError, match="password, a key or a query") as refused:
        place(address)
    assert SECRET not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense://host/x", "is not the address of a file system"),
        ("s3://", "is not the address of a folder"),
    ],
)
def test_an_address_that_nothing_opens_is_named(address: str, said: str, tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="the extra `remote` is not installed")
    with pytest.raises(QueryError, match=said):
        built(address, tmp_path)


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import fsspec

    def missing(*arguments: object, **options: object) -> None:
        raise ImportError("Install s3fs to access S3")

    remote._system_of.cache_clear()
    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(QueryError) as refused:
        built("s3://bucket/x", tmp_path)
    assert "samebut[s3]" in refused.value.hint


def test_a_server_that_is_down_is_no_folder_without_pictures(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="the extra `remote` is not installed")
    with serving(BaseHTTPRequestHandler) as address:
        pass
    with pytest.raises(StoreError, match="it gives no answer"):
        built(f"{address}/photos", tmp_path)
    with pytest.raises(ConnectionError, match="it gives no answer"):
        place(f"{address}/photos/a.jpg").stat()


def test_no_key_is_logged_or_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG, "samebut")
    remote._system_of.cache_clear()
    with FOLDERS["s3"](tmp_path) as folder:
        folder.put("broken.jpg", b"x")
        gallery, report = built(folder.address, tmp_path)
        with gallery:
            said = [str(gallery.index.address), str(gallery.index.folder), repr(report)]
        with pytest.raises(SamebutError) as refused:
            built("s3://no-such-bucket/x", tmp_path / "other")
        said += [str(refused.value), refused.value.hint]
    remote._system_of.cache_clear()
    store = b"".join(f.read_bytes() for f in tmp_path.rglob("*.sqlite*"))
    assert SECRET not in caplog.text + "".join(said)
    assert SECRET.encode() not in store


# ------------------------------------------------------------------------------- whom it asks


class _Sends(BaseHTTPRequestHandler):
    """Lists one picture, which lies on another server."""

    elsewhere = ""

    def do_GET(self) -> None:
        if self.path.endswith(".jpg"):
            self.send_response(302)
            self.send_header("Location", f"{self.elsewhere}/latest/meta-data.jpg")
            self.end_headers()
            return
        listed = f'<a href="a.jpg">a</a><a href="{self.elsewhere}/b.jpg">b</a>'.encode()
        self.send_response(200 if self.path.endswith("/") else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(listed)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        pass


def test_no_server_sends_us_to_another(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="the extra `remote` is not installed")
    with Internal().running() as internal:
        handler = type("_SendsThere", (_Sends,), {"elsewhere": internal.address})
        with serving(handler) as address:
            gallery, report = built(f"{address}/photos", tmp_path)
            gallery.close()
    assert [(each.path, each.reason) for each in report.skipped] == [
        ("a.jpg", "can't be read: it is redirected to another server")
    ]
    assert internal.asked == []


def test_addresses_in_a_table_are_read_below_the_folder_alone(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="the extra `remote` is not installed")

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there = self.path == "/photos/one.png"
            self.send_response(200 if there else 403)
            self.send_header("Content-Length", str(len(RED) if there else 0))
            self.end_headers()
            if there and self.command == "GET":
                self.wfile.write(RED)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with Internal().running() as internal, serving(Silent) as address:
        table = tmp_path / "products.csv"
        table.write_text(
            "image link,title\n"
            f"{address}/photos/one.png?v=7,one\n"
            f"{address}/photos/../../secret.png,two\n"
            f"{address}/photos-of-others/three.png,three\n"
            f"{internal.address}/latest/four.png,four\n"
        )
        gallery, _ = built(f"{address}/photos", tmp_path, metadata=table)
        with gallery:
            assert [*gallery.index.files()] == ["one.png"]
            assert gallery.index.pictures([1])[0].metadata == {"title": "one"}
            assert gallery.update().unchanged == 1  # the rows are remembered
    assert internal.asked == []


ADDRESSES = ("{}/x.png", "s3://bucket/x.png")


@pytest.mark.parametrize("said", ADDRESSES)
def test_the_api_takes_no_address(photos: Path, tmp_path: Path, said: str) -> None:
    Gallery.build(photos)[0].close()
    fields: dict[str, Callable[[str], dict[str, Any]]] = {
        name: partial(lambda name, text: {"turns": [{name: text, "text": "in blue"}]}, name)
        for name in ("picture", "upload", "kept", "path", "url", "image", "source")
    }
    with Internal().running() as internal:
        address = said.format(internal.address)
        with (
            Gallery.open(photos, threads=1) as gallery,
            TestClient(create_app(gallery, Settings()), base_url=HOST) as client,
        ):
            for asked in fields.values():
                for place in ("search", "explain", "look"):
                    answer = client.post(f"{API}/{place}", json=asked(address))
                    error_of(answer, 422, "query_malformed")
            for place in ("pictures", "thumbnails", "similar"):
                assert client.get(f"{API}/{place}/{address}").status_code in (404, 422)
            upload = form({"turns": [{"upload": "a"}]}, a=address.encode())
            assert client.post(f"{API}/search", **upload).status_code == 422
            for text in ({"text": address}, {"text": "red", "called": address}):
                assert client.post(f"{API}/search", json={"turns": [text]}).status_code == 200
        with pytest.raises(PictureError):  # a name in Python is one of this machine
            Gallery.open(photos).search(Turn(address))
    assert internal.asked == []


def test_a_picture_of_the_folder_that_is_a_page_is_not_sent(
    filled: RemoteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(filled.address, tmp_path)[0].close()
    filled.put("red-round.png", b"<html><script>alert(1)</script></html>")
    with (
        Gallery.open(filled.address, store=tmp_path / "store", threads=1) as gallery,
        TestClient(create_app(gallery, Settings()), base_url=HOST) as client,
    ):
        hits = client.get(f"{API}/browse").json()["hits"]
        hit = next(each for each in hits if each["path"] == "red-round.png")
        error_of(client.get(hit["picture"]), 404, "picture_gone")
        error_of(client.get(hit["thumbnail"]), 404, "picture_gone")


def test_a_file_elsewhere_reads_as_a_file(folder: RemoteFolder) -> None:
    content = np.arange(100_000, dtype=np.uint32).tobytes()
    folder.put("a.bin", content)
    with place(f"{folder.address}/a.bin").open("rb") as stream:
        assert stream.seek(0, io.SEEK_END) == len(content)
        stream.seek(1000)
        assert stream.read(8) == content[1000:1008]
        buffer = bytearray(16)
        assert stream.readinto(buffer) == 16 and buffer == content[1008:1024]
