"""Kill the indexer at random moments, again and again; nothing acknowledged may be lost.

    python tests/e2e/kills.py PHOTOS --kills 50 [--seed 0]

Each round starts indexing and sends SIGKILL after a random time. Whatever was acknowledged by
then must be in the store, and the store must open. When a store is complete the next round starts
from nothing. At the end the command itself finishes the last one, which must equal a store that
was built without a disturbance: the same pictures, digests, sizes, skipped files and embeddings.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samebut.errors import StoreMissing
from samebut.gallery import store_path
from samebut.index.local import LocalIndex

# Says how many files are done only when they are stored: what Gallery.update promises.
INDEXER = """
import sys
from samebut.gallery import Gallery
say = lambda done, total, skipped=0: print(done - skipped, flush=True)
Gallery.build(sys.argv[1], store=sys.argv[2], progress=say)
"""


@dataclass
class Tally:
    """What the rounds came to."""

    kills: int = 0
    finished: int = 0
    acknowledged: int = 0


def kill_often(photos: Path, store: Path, kills: int, seconds: float, seed: int) -> Tally:
    """Start and kill the indexer until ``kills`` kills hit it; AssertionError if a row is lost."""
    rng, tally = random.Random(seed), Tally()
    while tally.kills < kills:
        before = count(store)
        acknowledged, killed = _one_round(photos, store, rng.uniform(0, seconds))
        now = count(store)
        assert now >= before + acknowledged, f"{before} + {acknowledged} stored, {now} left"
        tally.acknowledged += acknowledged
        if killed:
            tally.kills += 1
        else:
            tally.finished += 1
            for file in store_path(photos, store).parent.glob("gallery.sqlite*"):
                file.unlink()
    return tally


def _one_round(photos: Path, store: Path, seconds: float) -> tuple[int, bool]:
    """How many rows the indexer acknowledged before it was killed, and whether it was."""
    child = subprocess.Popen(
        [sys.executable, "-c", INDEXER, str(photos), str(store)],
        stdout=subprocess.PIPE,
        text=True,
    )
    killer = threading.Timer(seconds, child.send_signal, [signal.SIGKILL])
    killer.start()
    output, _ = child.communicate()
    killer.cancel()
    lines = [line for line in output.split("\n")[:-1] if line]  # the last may be cut short
    return int(lines[-1]) if lines else 0, child.returncode == -signal.SIGKILL


def count(store: Path) -> int:
    """How many pictures the store holds; 0 before there is one."""
    try:
        with LocalIndex.open(store / "gallery.sqlite") as index:
            return len(index)
    except StoreMissing:  # killed before, or while, its tables were made
        return 0


def content(store: Path) -> dict[str, tuple[object, ...]]:
    """All that a store says of each path, embeddings apart."""
    with LocalIndex.open(store / "gallery.sqlite") as index:
        ids = [index.id_of(path) or 0 for path in index.files()]
        rows: dict[str, tuple[object, ...]] = {
            each.path: (each.size, each.digest, each.width, each.height)
            for each in index.pictures(ids)
        }
        rows |= {each.path: (each.size, each.reason) for each in index.skipped()}
        return rows


def embeddings(store: Path) -> np.ndarray:
    """Embeddings in the order of their paths."""
    with LocalIndex.open(store / "gallery.sqlite") as index:
        return index.embedding([index.id_of(path) or 0 for path in sorted(index.files())])


def command(photos: Path, store: Path) -> None:
    """The command itself, to the end."""
    done = subprocess.run(
        [sys.executable, "-m", "samebut", "index", str(photos), "--store", str(store)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr


def compare(photos: Path, kills: int, seed: int) -> tuple[Tally, float]:
    """The tally, and the largest difference between the embeddings of both stores."""
    with tempfile.TemporaryDirectory() as made:
        undisturbed, disturbed = Path(made, "undisturbed"), Path(made, "disturbed")
        for store in (undisturbed, disturbed):
            store.mkdir()
        started = time.monotonic()
        command(photos, undisturbed)
        tally = kill_often(photos, disturbed, kills, time.monotonic() - started, seed)
        command(photos, disturbed)
        assert content(disturbed) == content(undisturbed)
        return tally, float(np.abs(embeddings(disturbed) - embeddings(undisturbed)).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    tally, difference = compare(arguments.photos, arguments.kills, arguments.seed)
    print(
        f"{tally.kills} kills, {tally.finished} runs that finished first, "
        f"{tally.acknowledged:,} rows acknowledged before kills and none lost; "
        f"largest difference of an embedding's element to the undisturbed store: {difference:g}"
    )


if __name__ == "__main__":
    main()
