"""A gallery that changes while it is served, and the command that serves it."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from typer.testing import CliRunner

from conftest import COLOURS, draw_picture
from samebut.cli import app
from samebut.commands import serve
from samebut.errors import QueryError, SamebutError, StoreError
from samebut.gallery import Gallery
from samebut.serve import watch as watching
from samebut.serve.settings import Settings
from samebut.serve.watch import Watch
from serving import API, client_of, index


@pytest.fixture
def indexed(photos: Path) -> Path:
    index(photos)
    return photos


@pytest.fixture
def watch(indexed: Path) -> Iterator[Watch]:
    with Gallery.open(indexed, threads=1) as gallery:
        watch = Watch(gallery, 0.01)
        yield watch
        watch.start()
        watch.stop()


def paths(gallery: Path) -> set[str]:
    with Gallery.open(gallery) as opened:
        return set(opened.index.files())


def test_what_changed_is_taken_up(
    indexed: Path, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "samebut.serve")
    assert watch.look()
    assert not watch.look()
    draw_picture(COLOURS["blue"], "square", 64).save(indexed / "new.png")
    (indexed / "red-round.png").rename(indexed / "moved.png")
    (indexed / "green-round.png").unlink()
    (indexed / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert watch.look()
    now = paths(indexed)
    assert {"new.png", "moved.png"} <= now
    assert not {"red-round.png", "green-round.png", "cut.png"} & now
    assert "folder: 1 new or changed, 1 renamed, 1 gone, 1 unusable" in caplog.text
    draw_picture(COLOURS["red"], "round").save(indexed / "cut.png")  # the rest has arrived
    assert watch.look()
    assert "cut.png" in paths(indexed)


def test_how_long_a_change_took_does_not_put_off_the_next_look(
    indexed: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    real_scan, real_update = watch._gallery.scan, watch._update

    def scan() -> object:
        now[0] += 0.5
        return real_scan()

    def update() -> object:
        now[0] += 600
        return real_update()

    monkeypatch.setattr(watch._gallery, "scan", scan)
    monkeypatch.setattr(watch, "_update", update)
    assert watch._pause == 0.01
    assert watch.look() and now[0] >= 600
    assert watch._pause == pytest.approx(10)


def test_while_another_process_indexes_it_waits(indexed: Path, watch: Watch) -> None:
    draw_picture(COLOURS["blue"], "square", 64).save(indexed / "new.png")
    with Gallery.open(indexed) as other, other.index.writer_lock():
        assert watching._failure(watch.look) == ""
        assert "new.png" not in paths(indexed)
    assert watch.look()
    assert "new.png" in paths(indexed)


def test_a_folder_that_vanished_empties_nothing(
    indexed: Path, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    away = indexed.with_name("away")
    indexed.rename(away)
    indexed.mkdir()
    shutil.copytree(away / ".samebut", indexed / ".samebut")
    with pytest.raises(StoreError, match="holds no pictures now"):
        watch.look()
    for _ in range(3):
        watch._complain("the folder", watching._failure(watch.look))
    assert caplog.text.count("holds no pictures now") == 1


def test_a_folder_that_can_not_be_read_does_not_stop_the_others(
    indexed: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.look()
    real = os.scandir

    def scandir(path: str | Path) -> object:
        if Path(path).name == "squares":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    draw_picture(COLOURS["blue"], "square", 64).save(indexed / "new.png")
    assert watch.look()
    assert "new.png" in paths(indexed)
    assert len(paths(indexed)) == 11


def test_a_look_that_fails_is_not_the_last(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        watch, "look", Mock(side_effect=[RuntimeError("odd"), OSError("bad"), True])
    )
    for said in ("RuntimeError('odd')", "bad"):
        watch._complain("the folder", watching._failure(watch.look))
        assert f"the folder can't be indexed: {said}" in caplog.text
    assert watching._failure(watch.look) == ""


def values(gallery: Path) -> dict[str, str]:
    with Gallery.open(gallery) as opened:
        entries, _ = opened.listing(99, where="n is not null")
        return {entry.path: entry.metadata["n"] for entry in entries}


def test_a_table_that_changes_is_taken_up(
    indexed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "samebut.serve")
    table = tmp_path / "table.csv"
    table.write_text("file,n\nred-round.png,1\nlate.png,2\n")
    with Gallery.open(indexed, threads=1) as gallery:
        watch = Watch(gallery, 0.01, folder=False, table=table)
        assert [watch.look_at_table() for _ in range(3)] == [False, True, False]
        assert values(indexed) == {"red-round.png": "1"}
        assert "table: waits for its picture: late.png" in caplog.text
        table.write_text("file,n\nred-round.png,1\nblue-round.png,33\n")
        assert not watch.look_at_table()  # it may still be written to
        assert watch.look_at_table()
        assert values(indexed) == {"red-round.png": "1", "blue-round.png": "33"}
        table.write_text("nothing\nof use\n")
        for _ in range(4):
            watch._complain("the table", watching._failure(watch.look_at_table))
        assert caplog.text.count("the table can't be indexed") == 1
        table.unlink()
        assert "No such file" in watching._failure(watch.look_at_table)
        table.write_text("file,n\nred-round.png,4\n")
        with gallery.index.writer_lock():
            assert [watching._failure(watch.look_at_table) for _ in range(2)] == ["", ""]
        assert watch.look_at_table()
        assert values(indexed) == {"red-round.png": "4", "blue-round.png": "33"}
        watch.start()
        watch.stop()


def test_a_table_that_was_read_at_the_start_is_not_reported_again(
    indexed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    table = tmp_path / "table.csv"
    table.write_text("file,n\nred-round.png,1\nlate.png,2\n")
    with Gallery.open(indexed) as gallery:
        gallery.describe(table)
        watch = Watch(gallery, 0.01, folder=False, table=table)
        assert [watch.look_at_table() for _ in range(2)] == [False, True]
        assert "table: " not in caplog.text
        table.write_text("file,n\nred-round.png,1\nlater.png,2\n")
        assert [watch.look_at_table() for _ in range(2)] == [False, True]
        assert "table: waits for its picture: later.png" in caplog.text


def test_rows_that_waited_find_a_picture_that_comes_while_it_is_served(
    indexed: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("file,n\nlate.png,1\n")
    with client_of(indexed, Settings(watch_seconds=0.01, metadata=table)) as client:
        draw_picture((90, 90, 10), "round", 40).save(indexed / "late.png")

        def shown() -> bool:
            answer = client.post(f"{API}/search", json={"turns": [{"text": "x"}], "k": 99})
            return {"n": "1"} in [hit["metadata"] for hit in answer.json()["hits"]]

        wait_for(shown)
        (indexed / "late.png").rename(indexed / "moved.png")
        wait_for(lambda: values(indexed) == {"moved.png": "1"})


def test_searches_go_on_while_the_folder_changes(indexed: Path) -> None:
    """Every answer is of one state of the gallery, and the last one of the last."""
    with client_of(indexed, Settings(watch_seconds=0.01)) as client:
        failed: list[str] = []
        done = threading.Event()

        def search() -> None:
            while not done.is_set():
                answer = client.post(f"{API}/search", json={"turns": [{"text": "x"}], "k": 200})
                body = answer.json()
                ids = [hit["id"] for hit in body.get("hits", [])]
                if answer.status_code != 200 or len(set(ids)) != len(ids) or len(ids) < 10:
                    failed.append(answer.text)

        searching = threading.Thread(target=search)
        searching.start()
        for number in range(6):
            picture = draw_picture((number * 40, 90, 10), "round", 40 + number)
            picture.save(indexed / f"new-{number}.png")
            time.sleep(0.03)
        wait_for(lambda: client.get(f"{API}/info").json()["pictures"] == 16)
        (indexed / "new-3.png").unlink()
        wait_for(lambda: client.get(f"{API}/info").json()["pictures"] == 15)
        done.set()
        searching.join()
        assert failed == []
        hits = client.post(f"{API}/search", json={"turns": [{"text": "x"}], "k": 200}).json()
        assert len(hits["hits"]) == 15
    assert len(paths(indexed)) == 15


def wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    """Until ``true()``, failing after far longer than it can take."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


# ------------------------------------------------------------------------------- the command


def started(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "samebut", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONWARNINGS": "error", **environment},
    )


@contextlib.contextmanager
def server(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """A running ``samebut serve``: its process, the line it printed, and its port."""
    process = started("serve", *arguments, "--port", 0)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found, (line, process.stderr.read() if process.stderr else "")
        yield process, line, int(found[1])
    finally:
        process.kill()
        process.communicate()


def get(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_the_command_serves_watches_and_stops(photos: Path) -> None:
    with server(photos, "--watch") as (process, line, port):
        assert line == f"10 pictures on http://127.0.0.1:{port}/\n"
        wait_for(lambda: get(port, f"{API}/ready")[0] == 200)
        assert json.loads(get(port, f"{API}/info")[1])["pictures"] == 10
        draw_picture(COLOURS["blue"], "square", 64).save(photos / "new.png")
        wait_for(lambda: json.loads(get(port, f"{API}/info")[1])["pictures"] == 11)
        assert get(port, f"{API}/info", Host="evil.example")[0] == 403
        with contextlib.suppress(ConnectionError):  # it hangs up on what is still being sent
            assert get(port, f"{API}/info", Big="x" * 200_000)[0] == 400
        assert get(port, f"{API}/ready")[0] == 200
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGTERM)
    assert re.search(r"GET /api/v1/info 200 \d+ ms", log)
    assert "Traceback" not in log


def test_the_command_takes_up_a_table_that_changes(indexed: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("sku,n\nred-round,1\n")
    with server(indexed, "--metadata", table, "--file-column", "SKU") as (_, _, port):

        def said() -> list[list[object]]:
            columns: dict[str, list[list[object]]] = json.loads(get(port, f"{API}/facets")[1])[
                "columns"
            ]
            return columns["n"]

        assert said() == [["1", 1]]
        table.write_text("sku,n\nred-round,2\nblue-round,2\n")
        wait_for(lambda: said() == [["2", 2]])


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_the_command_serves_several_and_keeps_each(indexed: Path, tmp_path: Path) -> None:
    watched, table = tmp_path / "watched", tmp_path / "table.csv"
    watched.mkdir()
    draw_picture(COLOURS["red"], "square").save(watched / "red.png")
    table.write_text("sku,n\nred-round,1\n")
    told = ("--metadata", f"first={table}", "--file-column", "first=sku", "--watch")
    missing = tmp_path / "missing"
    with server(f"first={indexed}", missing, watched, *told) as (process, line, port):
        assert line == f"first: 10 pictures on http://127.0.0.1:{port}/g/first/\n"

        def asked(name: str, what: str) -> dict[str, object]:
            found: dict[str, object] = json.loads(get(port, f"/g/{name}{API}/{what}")[1])
            return found

        draw_picture(COLOURS["blue"], "square", 64).save(watched / "new.png")
        table.write_text("sku,n\nred-round,2\n")
        wait_for(lambda: asked("watched", "info")["pictures"] == 2)
        wait_for(lambda: '"n":[["2",1]]' in json.dumps(asked("first", "facets")).replace(" ", ""))
        assert asked("first", "info")["pictures"] == 10
        assert asked("missing", "info")["code"] == "gallery_unavailable"
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert re.search(r"missing is not served: .*missing is not", log)
    assert re.search(r"watched: folder: 1 new", log)
    assert re.search(r"first: table: ", log)
    assert "Traceback" not in log


def refusal(*arguments: str) -> str:
    """The error, with its hint, that a command ends with; no process is started for it."""
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, SamebutError), error
    return f"{error} {error.hint}"


def test_open_to_others_only_with_a_token(indexed: Path) -> None:
    def refused(*arguments: str) -> str:
        return refusal("serve", str(indexed), "--port", "0", *arguments)

    open_one = refused("--host", "0.0.0.0")
    assert "other machines can reach 0.0.0.0" in open_one
    assert "--token" in open_one
    assert "--no-auth" in open_one
    assert "a token of 5 characters" in refused("--token", "short")
    with server(indexed, "--host", "0.0.0.0", "--token", "long enough it is") as (_, line, port):
        assert line.endswith(f":{port}/?token=long%20enough%20it%20is\n")
        assert get(port, f"{API}/info")[0] == 401
        assert get(port, f"{API}/info", Authorization="Bearer long enough it is")[0] == 200
        assert get(port, f"{API}/health")[0] == 200


def test_a_folder_that_is_not_indexed(photos: Path) -> None:
    assert "samebut index" in refusal("serve", str(photos), "--port", "0")


def search(port: int) -> tuple[int, int]:
    """Status of a search for everything, and how many hits it had."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        query = json.dumps({"turns": [{"text": "in blue"}], "k": 200})
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"{API}/search", query, headers)
        answer = connection.getresponse()
        return answer.status, len(json.loads(answer.read())["hits"])


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_a_restart_under_load_loses_nothing(indexed: Path) -> None:
    """Every search that was taken is answered in full, and the store is as it was."""
    answers: list[tuple[int, int]] = []

    def ask_until_it_is_gone(port: int) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                answers.append(search(port))

    with server(indexed, "--watch") as (process, _, port):
        wait_for(lambda: get(port, f"{API}/ready")[0] == 200)
        clients = [threading.Thread(target=ask_until_it_is_gone, args=(port,)) for _ in "abc"]
        for client in clients:
            client.start()
        wait_for(lambda: len(answers) > 10)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
        for client in clients:
            client.join()
    assert "Traceback" not in log
    assert set(answers) == {(200, 10)}
    assert len(paths(indexed)) == 10


def test_the_demonstration_can_be_served(photos: Path, tmp_path: Path) -> None:
    process = started("demo", photos, "--out", tmp_path / "demo", "--serve", "--port", 0)
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        port = next(int(found[1]) for line in lines if (found := re.search(r":(\d+)/$", line)))
        assert get(port, f"{API}/ready")[0] == 200
        assert b"<html" in get(port, "/")[1]
    finally:
        process.kill()
        process.communicate()


def test_the_base_install_needs_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys, samebut.cli; sys.exit('fastapi' in sys.modules or 'uvicorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(QueryError, match="the packages of the server are not installed") as error:
        serve.check_installed()
    assert "pip install 'samebut[serve]'" in error.value.hint
