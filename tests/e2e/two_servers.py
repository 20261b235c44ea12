"""Two servers of one store on PostgreSQL under clients, while pictures come and the model changes.

    python tests/e2e/two_servers.py PHOTOS [--seconds 120] [--clients 8]

A third of PHOTOS is indexed at the start; the others come into the folder one by one, which one of
the servers watches. In the middle all is encoded anew with another model by `samebut index`. Each
client asks one server, then the other: for words, for what is like a hit, for facets, thumbnails.

Nothing may fail. An answer may not lack a picture that another had before it was asked for, nor be
of the old model after one was of the new, nor mix the two. Prints the rate, how long answers took,
and their age: how long before an answer was asked for the oldest picture had come that it lacks;
apart for the time in which all was encoded anew, while which the folder is not looked at.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from browsing import free_port, wait_until_ready
from kills import other_model

from postgres_server import started
from samebut.gallery import Gallery
from samebut.turns import Turn

API = "/api/v1"
TEXT = "a striped shirt, in blue"
SHOWN = 30
CLOSE = 2e-3  # of scores: embeddings are kept in half precision
Scores = dict[str, float]


def ask(port: int, path: str, query: object = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with closing(connection):
        body = None if query is None else json.dumps(query)
        method = "GET" if query is None else "POST"
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()


@dataclass(frozen=True)
class Answer:
    """Of a search: when it was asked for and came, how many pictures it searched and by which
    model, and what other answers had shown when it was asked for."""

    asked: float
    came: float
    total: int
    model: str
    seen_total: int
    seen_new: bool


@dataclass
class Watched:
    """What clients saw, all together."""

    scores: dict[str, Scores]  # of all pictures, by model
    answers: list[Answer] = field(default_factory=list)
    others: int = 0
    wrong: list[str] = field(default_factory=list)
    total: int = 0
    new: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def search(self, port: int) -> list[dict[str, Any]]:
        seen_total, seen_new, asked = self.total, self.new, time.monotonic()
        status, body = ask(port, f"{API}/search", {"turns": [{"text": TEXT}], "k": SHOWN})
        came = time.monotonic()
        if status != 200:
            self.wrong.append(f"search: {status} {body[:200]!r}")
            return []
        found = json.loads(body)
        model = self._model({hit["path"]: hit["score"] for hit in found["hits"]})
        with self.lock:
            answer = Answer(asked, came, found["total"], model, seen_total, seen_new)
            self.answers.append(answer)
            self.total = max(self.total, answer.total)
            self.new |= model == "new"
        if answer.total < seen_total or (seen_new and model == "old") or not model:
            self.wrong.append(str(answer))
        hits: list[dict[str, Any]] = found["hits"]
        return hits

    def look(self, port: int, path: str) -> None:
        status, body = ask(port, path)
        self.others += 1
        if status != 200:
            self.wrong.append(f"{path}: {status} {body[:200]!r}")

    def _model(self, scores: Scores) -> str:
        """Whose scores these are; none if they are not all of one."""
        for model, each in self.scores.items():
            if all(abs(score - each[path]) < CLOSE for path, score in scores.items()):
                return model
        return ""


def client(ports: Iterator[int], watched: Watched, until: float) -> None:
    number = 0
    while time.monotonic() < until:
        number += 1
        hits = watched.search(next(ports))
        if hits and number % 5 == 0:
            watched.look(next(ports), f"{API}/similar/{hits[0]['id']}")
            watched.look(next(ports), f"{API}/facets")
            watched.look(next(ports), hits[0]["thumbnail"])


@contextmanager
def serving(log: Path, *arguments: object) -> Iterator[int]:
    """The port of ``samebut serve`` with these arguments; all that it says goes to ``log``."""
    port = free_port()
    command = [sys.executable, "-m", "samebut", "serve", *map(str, arguments), "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until_ready(process, f"http://127.0.0.1:{port}", log)
            yield port
        finally:
            process.terminate()
            process.wait(20)


def all_scores(photos: Path, store: Path, model: Path | str) -> Scores:
    """What the model gives every picture for `TEXT`."""
    with Gallery.build(photos, store=store, model=model)[0] as gallery:
        hits = gallery.search(Turn(text=TEXT), len(gallery)).hits
        return {hit.path: hit.score for hit in hits}


def come(photos: list[Path], folder: Path, every: float, until: float) -> list[float]:
    """Let them come into the folder whole; returns when each did."""
    times = []
    for photo in photos:
        if time.monotonic() > until:
            break
        shutil.copyfile(photo, folder.parent / "coming")
        (folder.parent / "coming").rename(folder / photo.name)
        times.append(time.monotonic())
        time.sleep(every)
    return times


def encode_anew(photos: Path, store: str, model: Path) -> tuple[float, float]:
    """From when to when. The watching server may be at work: then it is tried again."""
    command = [sys.executable, "-m", "samebut", "index", photos, "--store", store]
    while True:
        begun = time.monotonic()
        done = subprocess.run(
            [*command, "--model", model, "--replace-model"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return begun, time.monotonic()
        assert "another process" in done.stderr, done.stderr


def ages(answers: list[Answer], first: int, times: list[float]) -> list[float]:
    """How long before each was asked for the oldest picture had come that it lacks."""
    missing = (
        times[each.total - first] if each.total - first < len(times) else each.asked
        for each in answers
    )
    return [max(0.0, each.asked - came) for each, came in zip(answers, missing, strict=True)]


def report(watched: Watched, times: list[float], first: int, anew: tuple[float, float]) -> None:
    answers = sorted(watched.answers, key=lambda each: each.asked)
    span = max(each.came for each in answers) - answers[0].asked
    took = np.array([each.came - each.asked for each in answers]) * 1e3
    by_model = {model: sum(each.model == model for each in answers) for model in watched.scores}
    old = np.array(ages(answers, first, times))
    meanwhile = np.array([anew[0] - 1 < each.asked < anew[1] + 10 for each in answers])
    print(f"{len(answers):,} searches and {watched.others:,} others in {span:.0f} s: {by_model}")
    print(f"median {np.median(took):.0f} ms, p99 {np.quantile(took, 0.99):.0f} ms")
    print(f"{len(times)} pictures came; all encoded anew in {anew[1] - anew[0]:.1f} s")
    for what, chosen in (("otherwise", ~meanwhile), ("while encoded anew", meanwhile)):
        if chosen.any():
            print(
                f"age of answers, {what}: median {np.median(old[chosen]):.1f} s, "
                f"at most {old[chosen].max():.1f} s"
            )
    print(f"wrong: {len(watched.wrong)}", *watched.wrong[:5], sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=8)
    wanted = parser.parse_args()
    every = sorted(each for each in wanted.photos.iterdir() if each.is_file())
    with tempfile.TemporaryDirectory() as made, started() as postgres, ExitStack() as running:
        folder, other = Path(made, "photos"), other_model(Path(made, "other"))
        folder.mkdir()
        first = len(every) // 3
        for photo in every[:first]:
            shutil.copyfile(photo, folder / photo.name)
        scores = {
            "old": all_scores(wanted.photos, Path(made, "old.sqlite"), "bundled"),
            "new": all_scores(wanted.photos, Path(made, "new.sqlite"), other),
        }
        watched, store = Watched(scores), postgres.url()
        Gallery.build(folder, store=store)[0].close()
        logs = [Path(made, "log-1"), Path(made, "log-2")]
        ports = [
            running.enter_context(serving(logs[0], folder, "--store", store, "--watch")),
            running.enter_context(serving(logs[1], folder, "--store", store)),
        ]
        until = time.monotonic() + wanted.seconds
        turns = [itertools.cycle(ports[::way]) for way in (1, -1)]
        clients = [
            threading.Thread(target=client, args=(turns[i % 2], watched, until))
            for i in range(wanted.clients)
        ]
        times: list[float] = []
        coming = threading.Thread(
            target=lambda: times.extend(
                come(every[first:], folder, wanted.seconds / (len(every) - first), until - 5)
            )
        )
        for thread in (*clients, coming):
            thread.start()
        time.sleep(wanted.seconds / 2)
        anew = encode_anew(folder, store, other)
        for thread in (*clients, coming):
            thread.join()
        running.close()
        watched.wrong += [
            f"{log.name}: Traceback" for log in logs if b"Traceback" in log.read_bytes()
        ]
        report(watched, times, first, anew)
        sys.exit(bool(watched.wrong))


if __name__ == "__main__":
    main()
