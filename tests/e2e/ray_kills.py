"""The Ray run with a node killed, and then the driver: ``python tests/e2e/ray_kills.py PHOTOS``.

Two nodes of Ray on this machine index PHOTOS by the real command. One node is killed when a quarter
of the pictures is stored, the command itself (``kill -9``) when half are; the same command then
goes on. What the store holds at each moment, and whether it ends equal to one process's to the last
bit, is printed.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from samebut.errors import SamebutError
from samebut.gallery import Gallery
from samebut.index.local import StoreFile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--cores", type=int, default=1, help="of each node")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        run(options.photos, Path(made), options.cores)


def run(photos: Path, work: Path, cores: int) -> None:
    """One run; prints a line for each moment."""
    started = time.monotonic()
    gallery, _ = Gallery.build(photos, store=work / "alone.sqlite")
    with gallery:
        expected, total = rows(gallery), len(gallery)
    say(f"one process: {total} rows, {time.monotonic() - started:.1f} s")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 -- as the command itself has
    from ray.cluster_utils import Cluster

    node = {"num_cpus": cores, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    victim = cluster.add_node(**node)
    cluster.wait_for_nodes()
    store = work / "ray.sqlite"
    try:
        started = time.monotonic()
        first = begin(photos, store, cluster.address)
        until(lambda: stored(store) >= total // 4, first)
        say(f"node killed at {stored(store)} rows, {time.monotonic() - started:.1f} s")
        cluster.remove_node(victim, allow_graceful=False)
        until(lambda: stored(store) >= total // 2, first)
        first.send_signal(signal.SIGKILL)
        first.wait()
        before = stored(store)
        say(f"driver killed at {before} rows, {time.monotonic() - started:.1f} s")
        started = time.monotonic()
        second = begin(photos, store, cluster.address)
        said = second.communicate()[1]
        say(f"driver again: status {second.returncode}, {time.monotonic() - started:.1f} s")
        print(said, file=sys.stderr)
    finally:
        cluster.shutdown()
    with Gallery.open(photos, store=store) as gallery:
        found = rows(gallery)
    say(f"rows {len(found)}, missing {len(expected.keys() - found.keys())}")
    say(f"other last bits: {sum(expected[each] != found.get(each) for each in expected)}")
    if found != expected or second.returncode not in (0, 3):
        raise SystemExit(1)


def begin(photos: Path, store: Path, address: str) -> subprocess.Popen[str]:
    """The real command."""
    command = ["index", str(photos), "--store", str(store), "--ray", address]
    return subprocess.Popen(
        [sys.executable, "-m", "samebut", *command], stderr=subprocess.PIPE, text=True
    )


def stored(store: Path) -> int:
    """How many rows the store has now."""
    try:
        with StoreFile(store).open() as index:
            return len(index)
    except SamebutError:
        return 0


def rows(gallery: Gallery) -> dict[str, tuple[str, bytes]]:
    """The digest and the embedding's bytes of each picture."""
    found = {}
    for path, file in gallery.index.files().items():
        row = gallery.index.by_digest(file.digest)
        assert row is not None
        found[path] = file.digest, row.embedding.tobytes()
    return found


def until(true: Callable[[], bool], command: subprocess.Popen[str]) -> None:
    """Wait for it. Ends the script if the command ends first."""
    while not true():
        if command.poll() is not None:
            raise SystemExit(f"ended too early: {command.communicate()[1]}")
        time.sleep(0.1)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
