"""Kill training at random steps, again and again; it has to end as if nothing had happened.

    python tests/e2e/kills_training.py RECIPE --data [NAME=]FOLDER --kills 20 [--seed 0]

A first run is left alone. A second one is sent SIGKILL when its log has reached a random step, or
a moment later, and is started again, until all kills are spent; then it is left to end. Weights,
losses of every step and scores of every epoch must be those of the first, bit for bit. The recipe
should say ``checkpoint_seconds = 0``, so that a kill falls between checkpoints of single steps.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from samebut.learning import distributed
from samebut.learning.recipe.read import read_recipe
from samebut.learning.run import train

# Imports torch once and forks: each start costs what training costs, not what imports cost.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["samebut.learning.run.train"])
LONGEST_DELAY = 0.05  # seconds after a step was logged: it may be writing then


def run(recipe: Path, data: Mapping[str, Path], out: Path) -> None:
    """What a started process does: one thread, so that sums are added in one order."""
    distributed.use_threads(1)
    torch._C._set_mkldnn_enabled(False)  # it crashes now and then on layers of a few channels
    train.train(read_recipe(recipe), data, out)


def start(recipe: Path, data: Mapping[str, Path], out: Path) -> multiprocessing.Process:
    process = CONTEXT.Process(target=run, args=(recipe, dict(data), out))
    process.start()
    return process  # type: ignore[return-value]


def steps_of(out: Path) -> int:
    """How many steps all stages have logged."""
    return sum(len(log.read_bytes().splitlines()) - 1 for log in out.glob("stage*/log.csv"))


def kill_often(
    recipe: Path, data: Mapping[str, Path], out: Path, steps: int, kills: int, seed: int
) -> list[int]:
    """Start and kill at ``kills`` steps spread over ``steps``; returns those it was killed at."""
    assert kills < steps, f"{kills} kills don't fit into {steps} steps: give a longer recipe"
    rng = random.Random(seed)
    killed_at = []
    for wanted in sorted(rng.sample(range(1, steps), kills)):
        process = start(recipe, data, out)
        while process.is_alive() and steps_of(out) < wanted:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, LONGEST_DELAY))
        process.kill()
        process.join()
        if process.exitcode == 0:
            break  # it was done before the kill
        killed_at.append(steps_of(out))
    return killed_at


def compare(recipe: Path, data: Mapping[str, Path], kills: int, seed: int) -> tuple[list[int], int]:
    """The steps that kills fell on, and how many steps there are. AssertionError if they differ."""
    with tempfile.TemporaryDirectory() as made:
        undisturbed, disturbed = Path(made, "undisturbed"), Path(made, "disturbed")
        finish(recipe, data, undisturbed)
        steps = steps_of(undisturbed)
        killed_at = kill_often(recipe, data, disturbed, steps, kills, seed)
        finish(recipe, data, disturbed)
        assert_same(undisturbed, disturbed)
        return killed_at, steps


def finish(recipe: Path, data: Mapping[str, Path], out: Path) -> None:
    process = start(recipe, data, out)
    process.join()
    assert process.exitcode == 0, f"training ended with {process.exitcode}"


def assert_same(first: Path, second: Path) -> None:
    """Weights, losses and scores of two runs are equal to the last bit."""
    ours, theirs = (load_file(out / "model" / "weights.safetensors") for out in (first, second))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    assert (first / "metrics.json").read_text() == (second / "metrics.json").read_text()
    for log in first.glob("stage*/log.csv"):
        other = second / log.relative_to(first)
        assert told(log) == told(other), log


def told(log: Path) -> list[list[str]]:
    """Rows of a log without the rate, which is the machine's."""
    return [line.split(",")[:-1] for line in log.read_text().splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", action="append", required=True, metavar="[NAME=]FOLDER")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    pairs = [each.rpartition("=") for each in arguments.data]
    data = {name or Path(folder).resolve().name: Path(folder) for name, _, folder in pairs}
    killed_at, steps = compare(arguments.recipe, data, arguments.kills, arguments.seed)
    print(
        f"{len(killed_at)} kills in {steps} steps, after {', '.join(map(str, killed_at))}: "
        "weights, losses and scores equal to the undisturbed run's, bit for bit"
    )


if __name__ == "__main__":
    main()
