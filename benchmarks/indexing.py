"""How fast folders are indexed, what the time goes into, and how much memory it takes.

    python benchmarks/indexing.py FOLDER [FOLDER ...] [--runs 3]

Each run is a fresh process on a fresh store. Printed are medians over the runs. "waited" is the
time the model stood still for want of pictures: near nothing when the encoder is the bottleneck.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

INDEXER = """
import json, resource, sys
from samebut.gallery import Gallery
gallery, report = Gallery.build(sys.argv[1], store=sys.argv[2])
spent = report.spent
print(json.dumps({
    "pictures": report.encoded, "skipped": len(report.skipped), "wall": spent.wall,
    "decode": spent.decode, "encode": spent.encode, "write": spent.write, "waited": spent.wait,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def run(folder: Path) -> dict[str, float]:
    """One fresh indexing of ``folder``."""
    with tempfile.TemporaryDirectory() as store:
        done = subprocess.run(
            [sys.executable, "-c", INDEXER, str(folder), store],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    columns = ("pictures", "wall", "pictures/s", "decode", "encode", "write", "waited", "peak MB")
    print(("{:<24}" + "{:>12}" * len(columns)).format("folder", *columns))
    for folder in arguments.folders:
        runs = [run(folder) for _ in range(arguments.runs)]
        median = {key: statistics.median(each[key] for each in runs) for key in runs[0]}
        name, rate = "/".join(folder.parts[-2:]), median["pictures"] / median["wall"]
        seconds = [median[key] for key in ("decode", "encode", "write", "waited")]
        print(
            f"{name:<24}{median['pictures']:>12,.0f}{median['wall']:>10.1f} s{rate:>12.0f}"
            + "".join(f"{value:>10.1f} s" for value in seconds)
            + f"{median['peak_mb']:>12.0f}"
        )


if __name__ == "__main__":
    main()
