"""FashionIQ val at full size, from random features to the printed numbers: time and memory.

    python benchmarks/evaluation.py ANNOTATIONS [--published CLIP4CIR] [--runs 3] [--large]
    python benchmarks/evaluation.py --pinpoint PINPOINT

``ANNOTATIONS`` is a FashionIQ folder, pictures are not needed; features of dimension 640 are drawn.
``CLIP4CIR`` is a checkout of the published evaluation code (github.com/ABaldrati/CLIP4Cir, needs
torch): its ``compute_fiq_val_metrics`` is called on the same features in turns with ours, each run
a fresh process, and the recalls of both are compared. ``--large`` ranks the 6,016 queries against
74,381 pictures too, once. ``PINPOINT`` is a clone of pinterest/pinpoint-dataset, pictures are not
needed: 7,635 queries with 69,000 right and 264,000 wrong answers against 109,600 pictures, features
of dimension 256. The clock starts when the features are loaded and stops when the numbers
are printed; imports are not counted, intervals are. Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

DIM = 640
ALL_PICTURES = 74_381

# The peak of ``getrusage`` would count the parent's memory, as it was when the child was forked.
PEAK = """
def peak_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
"""

OURS = """
import json, sys, time
from pathlib import Path
import numpy as np
from samebut.data import fashioniq
from samebut.evaluate import rank, scoring
from samebut.evaluate.report import cell
arrays = {name: np.load(Path(sys.argv[1], f"{name}.npy")) for name in ("queries", "gallery")}
started = time.perf_counter()
benchmark = fashioniq.read(Path(sys.argv[2]), "val")
scored = scoring.score(benchmark, rank(benchmark, arrays["queries"], arrays["gallery"]))
for name, number in scored.numbers.items():
    print(name, cell(number, scored.intervals[name]), benchmark.label, file=sys.stderr)
seconds = time.perf_counter() - started
print(json.dumps({
    "seconds": seconds,
    "peak_mb": peak_mb(),
    "recalls": [part[k] for part in scored.groups.values() for k in ("R@10", "R@50")],
}))
"""

# The published functions take data sets and a model, of which they use only what is given here.
PUBLISHED = """
import contextlib, json, sys, time, types
from pathlib import Path
import numpy as np
import torch
given = {
    "clip": {}, "clip.model": {"CLIP": None}, "tqdm": {"tqdm": None},
    "data_utils": dict.fromkeys(
        ["FashionIQDataset", "CIRRDataset", "squarepad_transform", "targetpad_transform"], object
    ),
    "combiner": {"Combiner": None},
    "utils": dict.fromkeys(["extract_index_features", "collate_fn", "element_wise_sum", "device"]),
}
for name, attributes in given.items():
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(attributes)
sys.path.insert(0, str(Path(sys.argv[3], "src")))
import validate
arrays = {name: torch.from_numpy(np.load(Path(sys.argv[1], f"{name}.npy")))
          for name in ("queries", "gallery")}
started = time.perf_counter()
recalls, done, first = [], 0, {}
def listed(kind, category):
    found = next(Path(sys.argv[2]).rglob(f"{kind}.{category}.val.json"))
    return json.loads(found.read_text())
for category in ("dress", "shirt", "toptee"):
    for name in listed("split", category):
        first.setdefault(name, len(first))
for category in ("dress", "shirt", "toptee"):
    names, entries = listed("split", category), listed("cap", category)
    asked = arrays["queries"][done : done + len(entries)]
    done += len(entries)
    validate.generate_fiq_val_predictions = lambda *given: (asked, [e["target"] for e in entries])
    gallery = arrays["gallery"][[first[name] for name in names]]
    with contextlib.redirect_stdout(sys.stderr):
        data = types.SimpleNamespace(dress_types=[category])
        found = validate.compute_fiq_val_metrics(data, None, gallery, names, None)
        print(category, found)
    recalls += found
seconds = time.perf_counter() - started
print(json.dumps({
    "seconds": seconds,
    "peak_mb": peak_mb(),
    "recalls": recalls,
}))
"""

LARGE = """
import json, sys, time
from pathlib import Path
import numpy as np
from samebut import metrics
arrays = {name: np.load(Path(sys.argv[1], f"{name}.npy")) for name in ("queries", "large")}
named = np.arange(len(arrays["queries"]), dtype=np.int32)[:, None]
started = time.perf_counter()
metrics.rank(arrays["queries"], arrays["large"], 100, named=named)
seconds = time.perf_counter() - started
print(json.dumps({
    "seconds": seconds,
    "peak_mb": peak_mb(),
}))
"""


PINPOINT = """
import json, sys, time
from pathlib import Path
import numpy as np
from samebut.data import pinpoint
from samebut.embedding import unit
from samebut.evaluate import rank, scoring
benchmark = pinpoint.read(Path(sys.argv[1]))
random = np.random.default_rng(0)
gallery = unit(random.standard_normal((len(benchmark.images), 256), np.float32))
asked = unit(random.standard_normal((len(benchmark.queries), 256), np.float32))
started = time.perf_counter()
scoring.score(benchmark, rank(benchmark, asked, gallery))
print(json.dumps({"seconds": time.perf_counter() - started, "peak_mb": peak_mb()}))
"""


class Figures(TypedDict):
    """What one process measured."""

    seconds: float
    peak_mb: float
    recalls: NotRequired[list[float]]


def draw_features(folder: Path, annotations: Path, *, large: bool) -> None:
    """Unit rows: a gallery in the reader's order, and queries near their targets."""
    from samebut.data import fashioniq

    benchmark = fashioniq.read(annotations, "val")
    position = {name: i for i, name in enumerate(benchmark.images)}
    random = np.random.default_rng(0)
    gallery = _unit(random.standard_normal((len(position), DIM)))
    targets = [position[query.targets[0]] for query in benchmark.queries]
    noise = 5 * random.standard_normal((len(targets), DIM)) / np.sqrt(DIM)
    np.save(folder / "gallery.npy", gallery)
    np.save(folder / "queries.npy", _unit(gallery[targets] + noise))
    if large:
        np.save(folder / "large.npy", _unit(random.standard_normal((ALL_PICTURES, DIM))))


def run(script: str, *words: object) -> Figures:
    """One fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK + script, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    figures: Figures = json.loads(done.stdout)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("annotations", type=Path, nargs="?")
    parser.add_argument("--pinpoint", type=Path)
    parser.add_argument("--published", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    asked = parser.parse_args()
    if asked.pinpoint:
        figure = run(PINPOINT, asked.pinpoint)
        print(f"PinPoint: {figure['seconds']:.1f} s, {figure['peak_mb']:,.0f} MB peak")
    if asked.annotations:
        measure_fashioniq(asked)


def measure_fashioniq(asked: argparse.Namespace) -> None:
    sides = {"samebut": OURS} | ({"published": PUBLISHED} if asked.published else {})
    with tempfile.TemporaryDirectory() as place:
        draw_features(Path(place), asked.annotations, large=asked.large)
        words = (place, asked.annotations, asked.published)
        figures: dict[str, list[Figures]] = {name: [] for name in sides}
        for _ in range(asked.runs):
            for name, script in sides.items():
                figures[name].append(run(script, *words))
        for name, runs in figures.items():
            seconds = statistics.median(each["seconds"] for each in runs)
            peak = max(each["peak_mb"] for each in runs)
            print(f"{name:<12}{seconds:>8.2f} s{peak:>10,.0f} MB peak")
        if asked.published:
            ours, theirs = (np.array(figures[name][0]["recalls"]) for name in sides)
            apart = np.abs(ours - theirs).max()
            print(f"largest difference of the six recalls: {apart:.6f} points")
        if asked.large:
            figure = run(LARGE, place)
            print(f"6,016 x 74,381: {figure['seconds']:.1f} s, {figure['peak_mb']:,.0f} MB peak")


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    made: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return made.astype(np.float32)


if __name__ == "__main__":
    main()
