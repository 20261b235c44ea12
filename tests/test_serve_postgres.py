"""The command that serves a gallery whose store is on a PostgreSQL server; two of them on one."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import COLOURS, draw_picture
from postgres_server import PostgresServer
from samebut.gallery import Gallery
from samebut.runtime import BUNDLED
from serving import API, RED
from test_serve_watch import get, server, started, wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
TEXT = {"turns": [{"text": "something round, in blue"}], "k": 200}


def asked(port: int, path: str, query: object = None) -> tuple[int, Any]:
    """Status and body of an answer of the API; ``query`` is posted if there is one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with closing(connection):
        body = None if query is None else json.dumps(query)
        method = "GET" if query is None else "POST"
        connection.request(method, f"{API}/{path}", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def uploaded(port: int, turn: dict[str, str], *files: tuple[str, bytes]) -> tuple[int, Any]:
    """Status and body of a search with a turn, and the files that it names."""
    query = ("query", json.dumps({"turns": [turn]}).encode())
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"'.encode()
        + (b'; filename="a.png"\r\nContent-Type: image/png' if name != "query" else b"")
        + b"\r\n\r\n"
        + data
        for name, data in (query, *files)
    ]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with closing(connection):
        connection.request(
            "POST",
            f"{API}/search",
            b"\r\n".join([*parts, b"--x--\r\n"]),
            {"Content-Type": "multipart/form-data; boundary=x"},
        )
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def paths(answer: Any) -> set[str]:
    return {hit["path"] for hit in answer["hits"]}


def darker_model(folder: Path) -> Path:
    """The bundled model with another idea of black, so that it embeds otherwise."""
    shutil.copytree(BUNDLED, folder)
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description["preprocess"]["mean"] = [0.8, 0.8, 0.8]
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    return folder


def test_a_store_on_a_server_is_served_and_a_restart_of_that_is_got_over(
    photos: Path, postgres: PostgresServer, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("file,colour\nblue-round.png,blue\nred-round.png,red\n")
    url = postgres.url()
    with server(photos, "--store", url, "--watch", "--metadata", table) as (process, line, port):
        assert line.startswith("10 pictures on")
        status, answer = asked(port, "search", {**TEXT, "where": "colour = 'blue'"})
        assert (status, paths(answer)) == (200, {"blue-round.png"})
        assert asked(port, "facets")[1]["columns"]["colour"] == [["blue", 1], ["red", 1]]
        status, picture = get(port, answer["hits"][0]["thumbnail"])
        assert status == 200 and picture[:2] in (b"\xff\xd8", b"RI")

        postgres.kill()
        status, answer = asked(port, "search", TEXT)
        assert (status, answer["code"]) == (503, "store_unavailable")
        assert answer["detail"] and answer["hint"] and url not in str(answer)
        assert asked(port, "health")[0] == 200
        assert asked(port, "ready")[0] == 503
        assert process.stderr is not None
        complaint = next(line for line in process.stderr if "folder can't be indexed" in line)
        assert "the server can't be reached" in complaint
        draw_picture(COLOURS["blue"], "square", 64).save(photos / "new.png")
        postgres.start()
        wait_for(lambda: asked(port, "ready")[0] == 200)
        wait_for(lambda: len(paths(asked(port, "search", TEXT)[1])) == 11)

        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert "Traceback" not in log


def test_two_servers_of_one_store_and_one_of_them_watches(
    photos: Path, postgres: PostgresServer
) -> None:
    url = postgres.url()
    with (
        server(photos, "--store", url, "--watch") as (_, _, first),
        server(photos, "--store", url) as (_, _, second),
    ):
        draw_picture(COLOURS["blue"], "square", 64).save(photos / "new.png")
        wait_for(lambda: "new.png" in paths(asked(first, "search", TEXT)[1]))
        assert asked(second, "search", TEXT)[1]["hits"] == asked(first, "search", TEXT)[1]["hits"]
        assert "new.png" in paths(asked(second, "search", TEXT)[1])

        status, answer = uploaded(first, {"text": "in blue", "upload": "p"}, ("p", RED))
        assert status == 200
        kept = {"text": "in green", "kept": answer["uploads"]["p"]}
        assert uploaded(first, kept)[0] == 200
        status, answer = uploaded(second, kept)
        assert (status, answer["code"]) == (410, "upload_forgotten")
        assert uploaded(second, {"text": "in green", "upload": "p"}, ("p", RED))[0] == 200


def test_two_servers_take_up_another_model_and_never_mix_the_two(
    photos: Path, postgres: PostgresServer, tmp_path: Path
) -> None:
    """Every answer is the old model's or the new one's, and once a server has given one of the
    new's, it gives no other."""
    url, model = postgres.url(), darker_model(tmp_path / "model")
    Gallery.build(photos, store=url)[0].close()
    answers: dict[int, list[dict[str, float]]] = {}
    done = threading.Event()

    def ask(port: int) -> None:
        while not done.is_set():
            status, answer = asked(port, "search", TEXT)
            assert status == 200, answer
            answers[port].append({hit["path"]: hit["score"] for hit in answer["hits"]})

    with (
        server(photos, "--store", url) as (_, _, first),
        server(photos, "--store", url) as (_, _, second),
    ):
        answers |= {first: [], second: []}
        clients = [threading.Thread(target=ask, args=(port,)) for port in answers]
        for client in clients:
            client.start()
        wait_for(lambda: all(map(len, answers.values())))
        replacing = started("index", photos, "--store", url, "--model", model, "--replace-model")
        _, said = replacing.communicate(timeout=120)
        assert replacing.returncode == 0, said
        ends = {port: len(each) for port, each in answers.items()}
        wait_for(lambda: all(len(answers[port]) > end + 2 for port, end in ends.items()))
        done.set()
        for client in clients:
            client.join()
    old = answers[first][0]
    with Gallery.open(photos, store=url) as gallery:
        assert gallery.model.folder == model
    new = answers[first][-1]
    different = [abs(old[path] - new[path]) for path in old]
    assert len(old) == len(new) == 10 and min(different) > 0.001
    for port, given in answers.items():
        changed = given.index(new)
        assert all(each == old for each in given[:changed]), port
        assert all(each == new for each in given[changed:]), port
        assert changed <= ends[port] + 1  # the first search after the switch has the new model
