"""Where the time of a search goes, with several clients at a server at once, and its memory.

    python benchmarks/serving.py PHOTOS PICTURE [--store STORE] [--clients 8] [--seconds 60]

PHOTOS is indexed already. A server is started on a free port, and each client sends PICTURE with
a text, waits for the answer, and sends the next. ``upload`` to ``search`` are what the server says
of each answer; ``whole`` is what the client waited, with the queue for a worker in it. The clients
run on the same machine and take their share of it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

API = "/api/v1"
STAGES = ("upload", "decode", "encode", "fuse", "search")
TEXTS = ("in blue", "with stripes", "换成红色", "longer sleeves")


@dataclass
class Tally:
    """What the clients saw: milliseconds by stage, and how often each status came."""

    taken: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in (*STAGES, "whole")}
    )
    statuses: Counter[int] = field(default_factory=Counter)


def body_of(picture: bytes, text: str) -> tuple[bytes, dict[str, str]]:
    """A form with a query and a file, and its headers."""
    query = json.dumps({"turns": [{"upload": "p0", "text": text}]})
    parts = (
        b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\n' + query.encode(),
        b'--x\r\nContent-Disposition: form-data; name="p0"; filename="p0"\r\n\r\n' + picture,
    )
    return b"\r\n".join([*parts, b"--x--\r\n"]), {"Content-Type": "multipart/form-data; boundary=x"}


def client(port: int, picture: bytes, until: float, tally: Tally) -> None:
    """Search again and again until the clock says ``until``."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    number = 0
    while time.perf_counter() < until:
        body, headers = body_of(picture, TEXTS[number % len(TEXTS)])
        number += 1
        started = time.perf_counter()
        connection.request("POST", f"{API}/search", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        tally.statuses[answer.status] += 1
        if answer.status != http.HTTPStatus.OK:
            continue
        tally.taken["whole"].append(1000 * (time.perf_counter() - started))
        for stage, milliseconds in json.loads(content)["milliseconds"].items():
            tally.taken[stage].append(milliseconds)


def resident_megabytes(port: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", f"{API}/metrics")
    text = connection.getresponse().read().decode()
    found = re.search(r"^samebut_resident_bytes (\S+)", text, re.MULTILINE)
    return float(found[1]) / 1e6 if found else 0.0


def drive(port: int, picture: bytes, clients: int, seconds: float) -> Tally:
    tally = Tally()
    until = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=client, args=(port, picture, until, tally)) for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def report(tally: Tally, seconds: float) -> None:
    print(f"{'ms':<10}{'median':>10}{'p99':>10}")
    for name, values in tally.taken.items():
        if len(values) > 1:
            p99 = statistics.quantiles(values, n=100)[98]
            print(f"{name:<10}{statistics.median(values):>10.1f}{p99:>10.1f}")
    answers = len(tally.taken["whole"])
    statuses = ", ".join(f"{count:,} x {status}" for status, count in tally.statuses.items())
    print(f"{answers / seconds:.0f} searches/s; answers: {statuses}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "samebut", "serve", str(arguments.photos), "--port", "0"]
    if arguments.store:
        command += ["--store", str(arguments.store)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        found = re.search(r":(\d+)/", server.stdout.readline())
        if not found:
            sys.exit("the server did not start")
        port, picture = int(found[1]), arguments.picture.read_bytes()
        drive(port, picture, 1, 1)
        before = resident_megabytes(port)
        tally = drive(port, picture, arguments.clients, arguments.seconds)
        report(tally, arguments.seconds)
        print(f"memory {before:.0f} MB before, {resident_megabytes(port):.0f} MB after")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
