"""Kill the writer of a store on PostgreSQL and the server, in turns and at random moments.

    python tests/e2e/kills_postgres.py PHOTOS --kills 100 [--seed 0] [--phases index,replace-model]

A child writes: it indexes (``index``), or encodes a complete store anew with one of two models in
turns (``replace-model``). Whichever is killed, the child or all processes of the tests' own server,
afterwards the store has to hold what the child said is stored, each row as an undisturbed store has
it; another model's pictures have to be found all or none. A child that ends by itself may do so
for the server alone. At the end the command itself finishes the last store, which must equal the
undisturbed one.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from kills import (
    INDEXER,
    REPLACER,
    Undisturbed,
    build,
    command,
    content,
    count,
    embeddings,
    one_round,
    opened,
    other_model,
)

from postgres_server import PostgresServer, started

Kill = Callable[[subprocess.Popen[str]], None]


@dataclass
class ServerTally:
    """What the rounds came to."""

    writers: int = 0
    servers: int = 0
    finished: int = 0
    acknowledged: int = 0


class Rounds:
    """Rounds of one phase on a ``server``; ``seconds`` after its first line a child is killed at
    the latest."""

    def __init__(self, server: PostgresServer, given: Undisturbed, other: Path, seed: int) -> None:
        self.server, self.given, self.other = server, given, other
        self.rng = random.Random(seed)
        self.tally = ServerTally()
        self.whole = content(given.store)
        self.store = ""

    def run(self, phase: str, kills: int) -> float:
        """``kills`` kills; returns the largest difference of an embedding to the undisturbed
        store's. AssertionError if anything was lost."""
        self.store = self.server.url()
        if phase == "replace-model":
            command(self.given.photos, self.store)
        while self.tally.writers + self.tally.servers < kills:
            PHASES[phase](self)
        command(self.given.photos, self.store, "--model", "bundled", "--replace-model")
        assert content(self.store) == self.whole
        return float(np.abs(embeddings(self.store) - embeddings(self.given.store)).max())

    def index(self) -> None:
        before = count(self.store)
        acknowledged, finished = self._killed(INDEXER)
        self.tally.acknowledged += acknowledged
        now = count(self.store)
        assert now >= before + acknowledged, f"{before} + {acknowledged} stored, {now} left"
        if now:
            self._check_rows()
        if finished:
            self.store = self.server.url()

    def replace(self) -> None:
        self._killed(REPLACER)
        count(self.store)  # which looks for damage
        assert content(self.store) == self.whole

    def _check_rows(self) -> None:
        """Each row is as the undisturbed store has it."""
        assert content(self.store).items() <= self.whole.items()
        with closing(opened(self.store)) as index, closing(opened(self.given.store)) as whole:
            paths = sorted(index.files())
            kept, expected = (
                each.embedding([each.id_of(path) or 0 for path in paths]) for each in (index, whole)
            )
        assert np.allclose(kept, expected, atol=1e-3)

    def _killed(self, program: str) -> tuple[int, bool]:
        """How many rows a child acknowledged, and whether it ended before anything was killed."""
        server_next = self.tally.servers < self.tally.writers
        kill: Kill = self._kill_server if server_next else _kill_writer
        after = self.rng.uniform(0, self.given.seconds)
        ended = one_round(program, self.given.photos, self.store, self.other, after, kill)
        if self.server.is_down:
            self.server.start()
            assert ended.status == 0 or "samebut.errors.Store" in ended.said, ended.said
            self.tally.servers += 1
        elif ended.status == -signal.SIGKILL:
            self.tally.writers += 1
        else:
            assert ended.status == 0, ended.said
            self.tally.finished += 1
            return ended.acknowledged, True
        return ended.acknowledged, ended.status == 0

    def _kill_server(self, child: subprocess.Popen[str]) -> None:
        self.server.kill()


def _kill_writer(child: subprocess.Popen[str]) -> None:
    child.kill()


PHASES: dict[str, Callable[[Rounds], None]] = {
    "index": Rounds.index,
    "replace-model": Rounds.replace,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--kills", type=int, default=60, help="over all phases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--phases", default=",".join(PHASES))
    arguments = parser.parse_args()
    phases = arguments.phases.split(",")
    with tempfile.TemporaryDirectory() as made, started() as server:
        given = build(arguments.photos, Path(made))
        other = other_model(Path(made, "other"))
        for phase in phases:
            rounds = Rounds(server, given, other, arguments.seed)
            difference = rounds.run(phase, -(-arguments.kills // len(phases)))
            tally = rounds.tally
            print(
                f"{phase}: {tally.writers} kills of the writer, {tally.servers} of the server, "
                f"{tally.finished} runs that finished first, {tally.acknowledged:,} rows "
                "acknowledged before kills and none lost; largest difference of an embedding's "
                f"element to the undisturbed store: {difference:g}",
                flush=True,
            )


if __name__ == "__main__":
    main()
