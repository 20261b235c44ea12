"""Kill what indexes with Ray: nodes, workers, the command itself and the server it stores on.

    python tests/e2e/ray_kills.py PHOTOS [--postgres]
    python tests/e2e/ray_kills.py PHOTOS [--postgres] --kills 100 [--seed 0] [--victims worker]

Two nodes of Ray on this machine index PHOTOS by the real command, into a file or, with
``--postgres``, into a server of the tests' own. Without ``--kills`` one node is killed when a
quarter of the pictures is stored, the command (``kill -9``) when half are; the same command then
goes on. With ``--kills`` so many victims are killed in turns, each at a random moment: a worker
that has a claim, the command, all processes of the server. A store that is complete is followed by
a new one.

After each kill the store has to hold all rows that a reader saw before it, each with the bits that
one process makes; in the end it has to equal one process's.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from itertools import count
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from postgres_server import PostgresServer, started
from samebut.errors import StoreMissing
from samebut.gallery import Gallery
from samebut.index import Index
from samebut.index.address import address_of

Rows = dict[str, tuple[str, bytes]]
Command = subprocess.Popen[bytes]

VICTIMS = ("worker", "command", "server")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--cores", type=int, default=1, help="of each node")
    parser.add_argument("--postgres", action="store_true", help="store on a PostgreSQL server")
    parser.add_argument("--kills", type=int, default=0, help="over all victims")
    parser.add_argument("--victims", default="", help="of " + ",".join(VICTIMS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chosen = options.victims.split(",") if options.victims else VICTIMS[: 2 + options.postgres]
    with tempfile.TemporaryDirectory() as made:
        begun = time.monotonic()
        with Gallery.build(options.photos, store=Path(made, "alone.sqlite"))[0] as gallery:
            expected = rows(gallery.index)
        seconds = time.monotonic() - begun
        say(f"one process: {len(expected)} rows, {seconds:.1f} s")
        with (
            started() if options.postgres else nullcontext() as server,
            two_nodes(options.cores) as cluster,
        ):
            run = Run(options.photos, Path(made), server, cluster, expected)
            if options.kills:
                run.kill_often(options.kills, chosen, seconds, options.seed)
            else:
                run.kill_node_and_command()


@contextmanager
def two_nodes(cores: int) -> Iterator[Any]:
    """A cluster of Ray on this machine, whose processes are children of this one."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 -- as the command itself has
    from ray.cluster_utils import Cluster

    node = {"num_cpus": cores, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


class Run:
    """Commands that index ``photos`` on a ``cluster``, one after another, into ``store``."""

    def __init__(
        self, photos: Path, work: Path, server: PostgresServer | None, cluster: Any, expected: Rows
    ) -> None:
        self.photos, self.server, self.cluster, self.expected = photos, server, cluster, expected
        self._files = (str(work / f"{number}.sqlite") for number in count(1))
        self._errors = work / "errors.txt"
        self.store = self._new_store()
        self.killed: Counter[str] = Counter()
        self.finished = self.seen = 0

    def kill_node_and_command(self) -> None:
        """A node and then the command, once each."""
        started = time.monotonic()
        command, total = self._begin(), len(self.expected)
        self._until(total // 4, command)
        before = len(self._stored())
        say(f"node killed at {before} rows, {time.monotonic() - started:.1f} s")
        self.cluster.remove_node(self.cluster.worker_nodes.copy().pop(), allow_graceful=False)
        self._until(total // 2, command)
        self._kill_command(command)
        say(f"command killed at {len(self._stored())} rows, {time.monotonic() - started:.1f} s")
        started = time.monotonic()
        said = self._end(self._begin())
        say(f"command again: {time.monotonic() - started:.1f} s, all rows, no other bit")
        print(said, file=sys.stderr)

    def kill_often(
        self, kills: int, victims: list[str] | tuple[str, ...], seconds: float, seed: int
    ) -> None:
        """Kill the victims in turns, each ``seconds`` after the last at most. AssertionError if a
        row was lost, or is another."""
        dice = random.Random(seed)
        command = self._begin()
        while self.killed.total() < kills:
            victim = victims[self.killed.total() % len(victims)]
            if not _is_running_after(dice.uniform(0, seconds), command):
                self._end(command)
                self.finished, self.store = self.finished + 1, self._new_store()
                command = self._begin()
                continue
            before = self._stored()
            if not KILLS[victim](self, command):
                continue
            self.killed[victim] += 1
            if victim != "worker":
                command = self._begin()
            after = self._stored()
            assert before.keys() <= after.keys(), f"{len(before)} stored, {len(after)} left"
            self.seen += len(before)
        self._end(command)
        say(
            ", ".join(f"{n} kills of the {victim}" for victim, n in self.killed.items())
            + f"; {self.finished} runs that finished first; {self.seen:,} rows seen before kills, "
            "none lost and no other bit; the last store equals one process's"
        )

    def _until(self, stored: int, command: Command) -> None:
        """Wait until so many are stored. AssertionError if the command ends first."""
        while len(self._stored()) < stored:
            assert command.poll() is None, f"ended too early: {self._errors.read_text()}"
            time.sleep(0.1)

    def _new_store(self) -> str:
        return self.server.url() if self.server else next(self._files)

    def _begin(self) -> Command:
        """The real command."""
        said = ["--store", self.store, "--ray", self.cluster.address]
        with self._errors.open("w") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "samebut", "index", str(self.photos), *said], stderr=errors
            )

    def _end(self, command: Command) -> str:
        """Let a command end by itself, and compare what it made; returns what it said."""
        command.wait()
        said = self._errors.read_text()
        assert command.returncode in (0, 3), said
        found = self._stored()
        missing = sorted(self.expected.keys() - found.keys())
        assert not missing, f"{len(missing)} missing, such as {missing[0]}: {said}"
        return said

    def _stored(self) -> Rows:
        """What the store holds now, each row as one process makes it."""
        try:
            with closing(address_of(self.store).open()) as index:
                found = rows(index)
        except StoreMissing:  # a command was killed before it made it
            return {}
        other = [path for path, row in found.items() if self.expected.get(path) != row]
        assert not other, f"{len(other)} other rows, such as {other[0]}"
        return found

    def _kill_worker(self, command: Command) -> bool:
        """One that has a claim; False if the command ended before there was one."""
        while command.poll() is None:
            for process in psutil.Process().children(recursive=True):
                try:
                    if process.cmdline()[:1] == ["ray::_work"]:
                        process.kill()
                        return True
                except psutil.NoSuchProcess:
                    continue
        return False

    def _kill_command(self, command: Command) -> bool:
        command.kill()
        command.wait()
        return command.returncode == -signal.SIGKILL

    def _kill_server(self, command: Command) -> bool:
        """The command has to end, with an error in words, unless it had just ended."""
        assert self.server is not None, "--postgres is missing"
        self.server.kill()
        command.wait()
        self.server.start()
        said = self._errors.read_text()
        assert command.returncode in (0, 3) or "samebut: " in said, said
        assert "a fault of samebut" not in said and "Traceback" not in said, said
        return True


KILLS: dict[str, Callable[[Run, Command], bool]] = {
    "worker": Run._kill_worker,
    "command": Run._kill_command,
    "server": Run._kill_server,
}


def rows(index: Index) -> Rows:
    """The digest and the embedding's bytes of each picture."""
    found = {}
    with index.snapshot():
        for path, file in index.files().items():
            row = index.by_digest(file.digest)
            assert row is not None
            found[path] = file.digest, row.embedding.tobytes()
    return found


def _is_running_after(seconds: float, command: Command) -> bool:
    try:
        command.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
