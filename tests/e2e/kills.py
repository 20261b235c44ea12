"""Kill whatever writes to a store at random moments; nothing acknowledged may be lost.

    python tests/e2e/kills.py PHOTOS --kills 200 [--seed 0] [--phases birth,index]

A phase is a child that writes: it is started and sent SIGKILL after a random time, again and again.
After each kill the store must open, hold what was acknowledged, and have no damaged row. A child
that ends with an error counts as neither killed nor finished: the error is raised. When a store is
complete the next round starts from where its phase begins. At the end of ``index`` the command
itself finishes the last store, which must equal one that was built without a disturbance: the same
pictures, digests, sizes, skipped files and embeddings.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from samebut.errors import StoreMissing
from samebut.index import Index
from samebut.index.address import address_of
from samebut.runtime import BUNDLED
from samebut.store_place import STORE_FILE

# Each child says "begin" when its work starts, and then how many rows are stored. Gallery.update
# promises that they are stored when it says that they are done.
_START = """
import json, sys
from pathlib import Path
from samebut.gallery import Gallery
photos, store, other = sys.argv[1:]
say = lambda done, total, skipped=0: print(done - skipped, flush=True)
print("begin", flush=True)
"""
INDEXER = _START + "Gallery.build(photos, store=store, progress=say)[0].close()"
REPLACER = (
    _START
    + """
with Gallery.open(photos, store=store) as gallery:
    model = "bundled" if gallery.model.folder == Path(other) else other
Gallery.build(photos, store=store, model=model, replace_model=True, progress=say)[0].close()
"""
)
DESCRIBER = (
    _START
    + """
number = 0
while True:
    number += 1
    table = Path(other, f"{number % 2}.csv")
    Gallery.build(photos, store=store, metadata=table)[0].close()
"""
)
# A checkpoint after every few pages, and pictures that are written again and again.
CHECKPOINTER = (
    _START
    + """
with Gallery.open(photos, store=store) as gallery:
    path = gallery.index.path
from samebut.index.local import LocalIndex
with LocalIndex.open(path, writable=True) as index:
    index._database._connection.execute("PRAGMA wal_autocheckpoint = 2")
    rows = [index.by_digest(state.digest) for state in index.files().values()]
    for _ in range(200):
        for row in rows:
            index.put([row])
"""
)
SERVER = (
    _START
    + """
import threading, time
from PIL import Image
from samebut.cli import app
def draw():
    number = 0
    while True:
        number += 1
        Image.new("RGB", (40, 40), (number % 256, 9, 9)).save(Path(photos, "new.png"))
        time.sleep(0.05)
threading.Thread(target=draw, daemon=True).start()
from samebut.commands import serve
serve._WATCH_SECONDS = 0.02
app(["serve", photos, "--store", store, "--watch", "--port", "0"])
"""
)


@dataclass
class Tally:
    """What the rounds came to."""

    kills: int = 0
    finished: int = 0
    acknowledged: int = 0


@dataclass
class Undisturbed:
    """Pictures, and the store that indexing makes of them where nothing is killed, in how long."""

    photos: Path
    store: Path
    seconds: float = 60.0


@dataclass(frozen=True)
class Phase:
    """What is killed: ``child`` is a program; ``begin(whole, store)`` brings the store to where it
    begins, ``whole`` being a store that was built without a disturbance.

    ``seconds`` after its first line a child is killed at the latest; None: as long as indexing
    takes. ``grows``: the rows that it says are stored come on top of those before. ``whole``: at
    every moment the store holds all pictures.
    """

    child: str
    begin: Callable[[Path, Path], None]
    seconds: float | None
    grows: bool = False
    whole: bool = False


def _nothing(whole: Path, store: Path) -> None:
    for file in store.glob(f"{STORE_FILE}*"):
        file.unlink()


def _go_on(whole: Path, store: Path) -> None:
    """What an earlier round left is where the next begins."""


def _copied(whole: Path, store: Path) -> None:
    if not count(store):
        _nothing(whole, store)  # a log of another file would be taken for the copy's
        shutil.copyfile(whole / STORE_FILE, store / STORE_FILE)


PHASES = {
    "birth": Phase(INDEXER, _nothing, 0.1),
    "index": Phase(INDEXER, _go_on, None, grows=True),
    "replace-model": Phase(REPLACER, _copied, None, whole=True),
    "metadata": Phase(DESCRIBER, _copied, 1.0),
    "checkpoint": Phase(CHECKPOINTER, _copied, 1.5),
    "watch": Phase(SERVER, _copied, 3.0),
}


def kill_often(
    phase: Phase, given: Undisturbed, store: Path, other: Path, kills: int, seed: int
) -> Tally:
    """Start and kill a child until ``kills`` kills hit it; AssertionError if a row is lost."""
    rng, tally = random.Random(seed), Tally()
    while tally.kills < kills:
        phase.begin(given.store, store)
        before = count(store) if phase.grows else 0
        after = rng.uniform(0, given.seconds if phase.seconds is None else phase.seconds)
        ended = one_round(phase.child, given.photos, store, other, after)
        assert ended.status in (0, -signal.SIGKILL), ended.said
        now = count(store)
        assert now >= before + ended.acknowledged, f"{before} + {ended} stored, {now} left"
        assert not phase.whole or content(store) == content(given.store)
        tally.acknowledged += ended.acknowledged
        if ended.status:
            tally.kills += 1
        else:
            tally.finished += 1
            if phase.grows:
                _nothing(given.store, store)
    return tally


class Ended(NamedTuple):
    """How a child ended: rows that it said are stored, its status, and what it said on stderr."""

    acknowledged: int
    status: int
    said: str


def _killed(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)


def one_round(
    program: str,
    photos: Path,
    store: Path | str,
    other: Path,
    seconds: float,
    kill: Callable[[subprocess.Popen[str]], None] = _killed,
) -> Ended:
    """Start a child, and ``kill`` it, or what it needs, unless it has ended by itself before."""
    arguments = [str(place) for place in (photos, store, other)]
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert child.stdout is not None
        begun = child.stdout.readline()
        killer = threading.Timer(seconds, kill, [child])
        killer.start()
        output, _ = child.communicate()
        killer.cancel()
        killer.join()
        errors.seek(0)
        said = errors.read()
    assert begun == "begin\n", said
    # The last line may be cut short, and a server says other things.
    lines = [line for line in output.split("\n")[:-1] if line.isdigit()]
    return Ended(int(lines[-1]) if lines else 0, child.returncode, said)


def opened(store: Path | str) -> Index:
    """A store in a folder, or at an address."""
    return address_of(store if isinstance(store, str) else store / STORE_FILE).open()


def count(store: Path | str) -> int:
    """How many pictures the store holds, none of them damaged; 0 before there is one."""
    try:
        with closing(opened(store)) as index:
            assert index.damaged() == []
            pictures = index.pictures([index.id_of(path) or 0 for path in index.files()])
            tables = {row.metadata["table"] for row in pictures if row.metadata}
            assert len(tables) <= 1, f"metadata of several tables at once: {tables}"
            return len(pictures)
    except StoreMissing:  # killed before, or while, its tables were made
        return 0


def content(store: Path | str) -> dict[str, tuple[object, ...]]:
    """All that a store says of each path, embeddings apart."""
    with closing(opened(store)) as index:
        ids = [index.id_of(path) or 0 for path in index.files()]
        rows: dict[str, tuple[object, ...]] = {
            each.path: (each.size, each.digest, each.width, each.height)
            for each in index.pictures(ids)
        }
        rows |= {each.path: (each.size, each.reason) for each in index.skipped()}
        return rows


def embeddings(store: Path | str) -> np.ndarray:
    """Embeddings in the order of their paths."""
    with closing(opened(store)) as index:
        return index.embedding([index.id_of(path) or 0 for path in sorted(index.files())])


def command(photos: Path, store: Path | str, *more: str) -> None:
    """The command itself, to the end."""
    done = subprocess.run(
        [sys.executable, "-m", "samebut", "index", str(photos), "--store", str(store), *more],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr


def other_model(folder: Path) -> Path:
    """The bundled model with another preprocessing, so that it embeds otherwise."""
    shutil.copytree(BUNDLED, folder)
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description["preprocess"]["fill"] = "mean"
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    return folder


def write_tables(folder: Path, photos: Path) -> Path:
    """Two tables about all pictures, for children to take turns with."""
    names = [file.relative_to(photos).as_posix() for file in photos.rglob("*.*") if file.is_file()]
    for number in range(2):
        rows = "\n".join(f'"{name}",{number}' for name in names if "." in name)
        (folder / f"{number}.csv").write_text(f"file,table\n{rows}\n", encoding="utf-8")
    return folder


def build(photos: Path, folder: Path) -> Undisturbed:
    """A copy of ``photos`` (a watched folder changes) and its store, both in ``folder``."""
    built = Undisturbed(folder / "photos", folder / "whole")
    shutil.copytree(photos, built.photos)
    built.store.mkdir()
    started = time.monotonic()
    command(built.photos, built.store)
    built.seconds = time.monotonic() - started
    return built


def compare(given: Undisturbed, kills: int, seed: int, phase: str = "index") -> tuple[Tally, float]:
    """The tally, and the largest difference between the embeddings of both stores."""
    with tempfile.TemporaryDirectory() as made:
        disturbed, other = Path(made, "killed"), Path(made, "other")
        disturbed.mkdir()
        if phase == "metadata":
            other.mkdir()
            write_tables(other, given.photos)
        elif phase == "replace-model":
            other_model(other)
        tally = kill_often(PHASES[phase], given, disturbed, other, kills, seed)
        (given.photos / "new.png").unlink(missing_ok=True)
        command(given.photos, disturbed, "--model", "bundled", "--replace-model")
        assert content(disturbed) == content(given.store)
        return tally, float(np.abs(embeddings(disturbed) - embeddings(given.store)).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--kills", type=int, default=60, help="over all phases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--phases", default=",".join(PHASES))
    arguments = parser.parse_args()
    phases = arguments.phases.split(",")
    made = tempfile.TemporaryDirectory()
    given = build(arguments.photos, Path(made.name))
    for phase in phases:
        share = -(-arguments.kills // len(phases))
        tally, difference = compare(given, share, arguments.seed, phase)
        print(
            f"{phase}: {tally.kills} kills, {tally.finished} runs that finished first, "
            f"{tally.acknowledged:,} rows acknowledged before kills and none lost; largest "
            f"difference of an embedding's element to the undisturbed store: {difference:g}",
            flush=True,
        )


if __name__ == "__main__":
    main()
