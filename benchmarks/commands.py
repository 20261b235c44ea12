"""How long a person waits for a command, as a whole process.

    python benchmarks/commands.py PHOTOS PICTURE [--store STORE] [--runs 7]

PHOTOS is indexed already. The commands take turns, so a change of the machine's speed hits all.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    samebut = [sys.executable, "-m", "samebut"]
    search = [*samebut, "search", str(arguments.photos)]
    if arguments.store:
        search += ["--store", str(arguments.store)]
    picture = ["-i", str(arguments.picture)]
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "samebut --help": [*samebut, "--help"],
        "samebut search -t": [*search, "-t", "in blue"],
        "samebut search -i -t": [*search, *picture, "-t", "in blue"],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(arguments.runs):
        for name, command in commands.items():
            taken[name].append(seconds(command))
    print(f"{'command':<24}{'median':>10}{'least':>10}{'most':>10}")
    for name, times in taken.items():
        shown = (statistics.median(times), min(times), max(times))
        print(f"{name:<24}" + "".join(f"{value:>8.2f} s" for value in shown))


if __name__ == "__main__":
    main()
