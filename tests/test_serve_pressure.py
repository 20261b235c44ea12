"""The server under pressure: full, slow, told to stop; and another store or model behind it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http.client
import json
import logging
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
import uvicorn
from starlette.testclient import TestClient

from conftest import COLOURS, draw_picture
from samebut import images
from samebut.errors import DiskFull, PictureError
from samebut.gallery import Gallery
from samebut.runtime import BUNDLED
from samebut.serve import connections, guard, server
from samebut.serve.app import create_app
from samebut.serve.current import CurrentGallery
from samebut.serve.problems import Problem
from samebut.serve.settings import Settings
from samebut.serve.workers import Workers
from serving import API, client_of, error_of, index
from test_serve_watch import get, wait_for
from test_serve_watch import server as command

ASK = {"turns": [{"text": "in blue"}], "k": 50}


@pytest.fixture
def indexed(photos: Path) -> Path:
    index(photos)
    return photos


@pytest.fixture
def client(indexed: Path) -> Iterator[TestClient]:
    with client_of(indexed) as client:
        yield client


@pytest.fixture
def port(indexed: Path) -> Iterator[int]:
    """The port of a server in this process, its connections as those of the command."""
    bound = server.listen("127.0.0.1", 0)
    with Gallery.open(indexed, threads=1) as gallery, bound:
        config = uvicorn.Config(
            create_app(gallery), log_config=None, http=connections.Connection, lifespan="on"
        )
        running = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(running.serve(sockets=[bound])))
        thread.start()
        wait_for(lambda: running.started)
        yield bound.getsockname()[1]
        running.should_exit = True
        thread.join()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def read_all(link: socket.socket) -> bytes:
    with contextlib.suppress(ConnectionError):
        return b"".join(iter(lambda: link.recv(65536), b""))
    return b""


def refusal_in(answer: bytes) -> tuple[dict[str, str], dict[str, object]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
    return {name.lower(): value for name, value in lines}, json.loads(body)


# ------------------------------------------------------------------------------- connections


def test_idle_connections_lock_nobody_out(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 20)
    with contextlib.ExitStack() as held:
        idle = [held.enter_context(connect(port)) for _ in range(60)]
        for path in ("health", "ready", "info"):
            assert get(port, f"{API}/{path}")[0] == 200
        assert read_all(idle[0]) == b""  # the oldest had to go


@pytest.mark.parametrize("sent", [b"", b"GET /api/v1/he", b"GET / HTTP/1.1\r\nHost: local"])
def test_headers_have_a_deadline(port: int, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    with connect(port) as link:
        link.sendall(sent)
        answer = read_all(link)
    if not sent:
        assert answer == b""
        return
    headers, body = refusal_in(answer)
    assert (body["status"], body["code"]) == (408, "headers_slow")
    assert headers["content-type"] == "application/problem+json"


def test_the_deadline_holds_for_the_second_request_too(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
    with connect(port) as link:
        link.sendall(f"GET {API}/health HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert b" 200 " in link.recv(65536)
        time.sleep(0.5)  # that the connection is kept is another matter
        link.sendall(b"GET /api/v1/he")
        assert b"headers_slow" in read_all(link)


def test_what_is_no_request_is_refused_in_the_usual_shape(port: int) -> None:
    with connect(port) as link:
        link.sendall(b"\x16\x03\x01 no request\r\n\r\n")
        headers, body = refusal_in(read_all(link))
    assert (body["status"], body["code"]) == (400, "request_malformed")
    assert headers.items() >= {name.lower(): value for name, value in guard.HEADERS.items()}.items()


def test_health_and_ready_answer_when_all_else_is_full(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = client.app.state.serving  # type: ignore[attr-defined]
    for workers in (serving.resources.searching, serving.resources.drawing):
        monkeypatch.setattr(workers, "_room", 0)
    monkeypatch.setattr(guard, "_AT_ONCE", 0)
    for path in ("health", "ready"):
        assert client.get(f"{API}/{path}").status_code == 200
    busy = client.get(f"{API}/info")
    error_of(busy, 503, "busy")
    assert busy.headers["retry-after"] == "1"
    assert busy.headers.items() >= {n.lower(): v for n, v in guard.HEADERS.items()}.items()
    monkeypatch.setattr(guard, "_AT_ONCE", 200)
    error_of(client.get(f"{API}/info"), 503, "busy")


# ------------------------------------------------------------------------------- workers


def test_a_picture_past_its_time_frees_the_worker() -> None:
    async def work() -> None:
        workers = Workers("test", threads=1, waiting=1, seconds=0.2)
        # Whoever looks at the clock first says so: the waiting request or the decoder.
        with pytest.raises((Problem, PictureError), match=r"too_slow|takes longer to decode"):
            await workers.run(decode_for_ever)
        until = time.monotonic() + 5
        while workers.taken:
            assert time.monotonic() < until
            await asyncio.sleep(0.01)
        assert await workers.run(lambda: 7) == 7
        assert workers.close()

    asyncio.run(work())


def test_a_picture_is_given_up_when_the_server_stops() -> None:
    async def work() -> None:
        workers = Workers("test", threads=1, waiting=1, seconds=60)
        job = asyncio.create_task(workers.run(decode_for_ever))
        await asyncio.sleep(0.1)
        assert workers.close(5)
        with pytest.raises(PictureError, match="takes longer"):
            await job

    asyncio.run(work())


def decode_for_ever() -> None:
    while True:
        images.check_time()
        time.sleep(0.01)


STUCK = """
import sys, threading, time
from samebut.serve import routes
def stuck(*_):
    print("stuck", flush=True)
    time.sleep(60)
routes._search = stuck
from samebut.cli import app
sys.argv[0] = "samebut"
app()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_a_signal_is_obeyed_whatever_a_worker_does(indexed: Path) -> None:
    """Three servers at once: each takes some seconds to give its worker up. Somebody types a
    second Ctrl+C to the third."""
    kinds = ((signal.SIGTERM,), (signal.SIGINT,), (signal.SIGINT, signal.SIGINT))
    others = (indexed.with_name(name) for name in ("another", "a third"))
    folders = (indexed, *(Path(shutil.copytree(indexed, other)) for other in others))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", STUCK, "serve", str(folder), "--port", "0", "--watch"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for folder in folders
    ]
    try:
        links = [stuck(process) for process in processes]
        before = time.monotonic()
        for process, signals in zip(processes, kinds, strict=True):
            for number, kind in enumerate(signals):
                time.sleep(number)  # two of one kind at once are one
                process.send_signal(kind)
        for process in processes:
            _, log = process.communicate(timeout=60)
            assert time.monotonic() - before < 10
            assert "Traceback" not in log
        for link in links:
            link.close()
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def stuck(process: subprocess.Popen[str]) -> http.client.HTTPConnection:
    """The connection of a search that the server will not end."""
    assert process.stdout is not None
    port = int(process.stdout.readline().rstrip("/\n").rpartition(":")[2])
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    link.request("POST", f"{API}/search", json.dumps(ASK), {"Content-Type": "application/json"})
    assert process.stdout.readline() == "stuck\n"
    return link


# ------------------------------------------------------------------------------- the log


def test_no_token_in_the_log(indexed: Path) -> None:
    token = "a secret/of mine"
    with command(indexed, "--token", token) as (process, _, port):
        for path in (
            "/?token=a%20secret%2Fof%20mine",
            "/%3Ftoken=a%20secret%2Fof%20mine",
            "/a%20secret/of%20mine",
            "/a+secret%2Fof+mine",
            "/a%2520secret%252Fof%2520mine",
            "/wrong",
        ):
            get(port, path)
        get(port, f"{API}/info", Authorization=f"Bearer {token}")
        process.terminate()
        _, log = process.communicate(timeout=60)
    assert "GET /[token] " in log and "GET /wrong " in log
    for form in ("a secret/of mine", "a%20secret", "a+secret"):
        assert form not in log


def test_control_characters_are_shown_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    loggers = [logging.getLogger(name) for name in ("samebut.serve", "uvicorn")]
    before = [(each, each.handlers, each.level, each.propagate) for each in loggers]
    try:
        server._log_to_stderr(None)
        odd = "a\x1b[31m\nnot a line"
        loggers[0].warning("skipped %s", odd)
        try:
            raise ValueError(odd)
        except ValueError:
            loggers[1].exception("failed: %s", odd)
    finally:
        for each, handlers, level, propagate in before:
            each.handlers, each.propagate = handlers, propagate
            each.setLevel(level)
    log = capsys.readouterr().err
    assert "skipped a\\x1b[31m\\nnot a line\n" in log
    assert "\x1b" not in log
    begins = [line for line in log.splitlines() if not line.startswith(("Traceback", "    "))]
    assert len(begins) == 2, begins


# ------------------------------------------------------------------------------- disk


@pytest.mark.parametrize(
    "error", [DiskFull("full"), OSError(errno.ENOSPC, "no space"), OSError(errno.EDQUOT, "quota")]
)
def test_a_full_disk_is_507(
    client: TestClient, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gallery, "search", Mock(side_effect=error))
    said = error_of(client.post(f"{API}/search", json=ASK), 507, "disk_full")
    assert "disk is full" in said["detail"]


# ------------------------------------------------------------------------------- the store


def other_model(folder: Path) -> Path:
    """The bundled model with another preprocessing, so that it embeds otherwise."""
    shutil.copytree(BUNDLED, folder)
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description["preprocess"]["fill"] = "mean"
    description["name"] = "another"
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    return folder


def test_another_model_is_taken_up_and_no_search_mixes_two(indexed: Path, tmp_path: Path) -> None:
    model = other_model(tmp_path / "model")
    with client_of(indexed) as client:
        failed: list[object] = []
        done = threading.Event()

        def search() -> None:
            while not done.is_set():
                answer = client.post(f"{API}/search", json=ASK)
                if answer.status_code != 200:
                    failed.append(answer.text)

        searching = [threading.Thread(target=search) for _ in range(2)]
        for thread in searching:
            thread.start()
        for said in (model, "bundled", model):
            Gallery.build(indexed, model=said, replace_model=True)[0].close()
        done.set()
        for thread in searching:
            thread.join()
        assert failed == []
        assert client.get(f"{API}/info").json()["model"]["name"] == "another"
        with Gallery.open(indexed) as gallery:
            from samebut.turns import Turn

            right = [hit.path for hit in gallery.search(Turn(None, "in blue"), 50).hits]
        answer = client.post(f"{API}/search", json=ASK).json()
        assert [hit["path"] for hit in answer["hits"]] == right


def test_a_model_that_is_overwritten_on_disk_is_told_and_not_mixed_in(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "samebut.serve")
    folder = tmp_path / "model"
    shutil.copytree(BUNDLED, folder)
    Gallery.build(photos, model=folder)[0].close()
    with client_of(photos) as client:
        before = client.post(f"{API}/search", json=ASK).json()["hits"]
        assert "samebut_model_changed 0" in client.get(f"{API}/metrics").text
        shutil.rmtree(folder)
        other_model(folder)
        for _ in range(3):
            assert client.post(f"{API}/search", json=ASK).json()["hits"] == before
        assert caplog.text.count("has changed on disk") == 1
        assert "Searching goes on with the one that was loaded. Embed" in caplog.text
        assert "--replace-model --model" in caplog.text
        assert "samebut_model_changed 1" in client.get(f"{API}/metrics").text
        (folder / "model.json").write_text("{", encoding="utf-8")
        assert client.get(f"{API}/info").status_code == 200
        assert "can't be read as the description of a model" in caplog.text
        shutil.rmtree(folder)
        other_model(folder)
        Gallery.build(photos, model=folder, replace_model=True)[0].close()
        assert client.get(f"{API}/info").json()["model"]["name"] == "another"
        assert "samebut_model_changed 0" in client.get(f"{API}/metrics").text


def test_a_gallery_that_was_replaced_is_closed_when_nobody_uses_it(
    indexed: Path, tmp_path: Path
) -> None:
    with Gallery.open(indexed) as given:
        current = CurrentGallery(given)
        model = other_model(tmp_path / "model")

        def job(gallery: Gallery) -> str:
            if gallery is given:
                Gallery.build(indexed, model=model, replace_model=True)[0].close()
            gallery.similar(1)
            return gallery.model.name

        assert current.run(job) == "another"
        newer = current.gallery
        Gallery.build(indexed, model="bundled", replace_model=True)[0].close()
        assert current.run(lambda gallery: (gallery.similar(1), gallery.model.name)[1]) != "another"
        current.close()
        for gallery in (newer, current.gallery):
            with pytest.raises(sqlite3.ProgrammingError), gallery.index.snapshot():
                pass


def test_a_store_that_was_deleted_is_not_ready_until_it_is_there_again(indexed: Path) -> None:
    with client_of(indexed) as client:
        shutil.rmtree(indexed / ".samebut")
        error_of(client.get(f"{API}/ready"), 503, "not_ready")
        error_of(client.post(f"{API}/search", json=ASK), 503, "store_unavailable")
        (indexed / "red-round.png").unlink()
        Gallery.build(indexed)[0].close()
        assert client.get(f"{API}/ready").status_code == 200
        assert len(client.post(f"{API}/search", json=ASK).json()["hits"]) == 9


def test_a_watched_store_that_was_deleted_is_made_anew(indexed: Path, tmp_path: Path) -> None:
    with client_of(indexed, Settings(watch_seconds=0.01)) as client:
        shutil.rmtree(indexed / ".samebut")
        wait_for(lambda: client.get(f"{API}/ready").status_code == 200)
        draw_picture(COLOURS["blue"], "square", 64).save(indexed / "new.png")
        wait_for(lambda: client.get(f"{API}/info").json().get("pictures") == 11)
        model = other_model(tmp_path / "model")
        Gallery.build(indexed, model=model, replace_model=True)[0].close()
        draw_picture(COLOURS["red"], "square", 65).save(indexed / "newer.png")
        wait_for(lambda: client.get(f"{API}/info").json().get("pictures") == 12)
        assert client.get(f"{API}/info").json()["model"]["name"] == "another"


def test_ready_tells_of_a_watcher_that_does_not_keep_up(
    indexed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "samebut.serve")
    with client_of(indexed, Settings(watch_seconds=0.01)) as client:
        wait_for(lambda: client.get(f"{API}/ready").status_code == 200)
        away = indexed.with_name("away")
        indexed.rename(away)
        indexed.mkdir()
        shutil.copytree(away / ".samebut", indexed / ".samebut")
        wait_for(lambda: client.get(f"{API}/ready").status_code == 503)
        error_of(client.get(f"{API}/ready"), 503, "watch_behind")
        assert "samebut_watch_behind 1" in client.get(f"{API}/metrics").text
        assert client.get(f"{API}/health").status_code == 200
        for file in away.glob("*.png"):
            shutil.copy2(file, indexed)
        wait_for(lambda: client.get(f"{API}/ready").status_code == 200)
