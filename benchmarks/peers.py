"""What somebody would use instead of samebut, measured beside it in one run.

    python benchmarks/peers.py ../shared/data/products --out runs/peers.json [--rounds 3]
    python benchmarks/peers_report.py runs/peers.json --plot docs/images/peers.svg

Programs index a copy of the same pictures and are asked for the ten most alike to each of
`QUERIES` of them; engines store the same 100,000 embeddings (made as `index_engines.py` says) and
are asked for the ten nearest to 100 others. Each has an environment of its own below
``.venv-peers``, where pip installs it as its users do. Every step is a process of its own, and in
each round all take their turn. One that can't be installed or fails is reported with its last line
of error and stops no other; ``--out`` is added to, so that rounds may be measured one by one.

Peers whose weights lie at a model hub are tried with these. Where the hub can't be reached, they
run with random weights of the same shape: their speed is the same, their answers mean nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

# What runs inside a peer's environment knows the standard library and this folder alone.
sys.path.insert(0, str(Path(__file__).parent))
from peers_rows import ENGINES, PEERS, UNTRIED, Engine, Peer

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".venv-peers"
QUERIES, WARM, K = 100, 5, 10
LIMIT = 900  # seconds that one step may take
Figures = dict[str, Any]
ROWS: dict[str, Peer | Engine] = {**PEERS, **ENGINES}
CLIP_PREPROCESSING = {  # of openai/clip-vit-base-patch32, preprocessor_config.json
    "image_processor_type": "CLIPImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": 224},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "do_convert_rgb": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


# Inside a peer's environment


def processors() -> float:
    """Seconds of this process and of those that it started and has seen end."""
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system


def peak_mb() -> float:
    """At most so far. ``getrusage`` would count the process that started this one, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


class Timed:
    """``with Timed() as spent``: its seconds by the clock and of the processors."""

    def __enter__(self) -> Timed:
        self.started = time.perf_counter(), processors()
        return self

    def __exit__(self, *raised: object) -> None:
        clock, work = self.started
        self.wall, self.processor = time.perf_counter() - clock, processors() - work


def asked(search: Any, queries: Iterable[Any]) -> tuple[Figures, list[list[Any]]]:
    """Latencies of one query after the other in ms, the first `WARM` of them left out of count."""
    queries = list(queries)
    for query in queries[:WARM]:
        search(query)
    clocks, answers = [], []
    with Timed() as spent:
        for query in queries:
            started = time.perf_counter()
            answers.append(search(query))
            clocks.append((time.perf_counter() - started) * 1e3)
    clocks.sort()
    return {
        "median_ms": clocks[len(clocks) // 2],
        "p99_ms": clocks[min(len(clocks) - 1, round(0.99 * len(clocks)))],
        "processor_ms": spent.processor / len(queries) * 1e3,
    }, answers


def measure_peer(peer: Peer, work: Path, place: Path) -> Figures:
    """Index the pictures of ``work`` and search them, as one process."""
    folder = work / "pictures"
    pictures = sorted(folder.iterdir())
    with Timed() as loading:
        model = peer.load(work)
    with Timed() as indexing:
        index = peer.index(model, folder, place)
    indexed_mb = peak_mb()
    figures, answers = asked(
        lambda picture: peer.search(model, index, picture), pictures[:: len(pictures) // QUERIES]
    )
    return figures | {
        "load_s": loading.wall,
        "pictures_s": len(pictures) / indexing.wall,
        "index_processor_ms": indexing.processor / len(pictures) * 1e3,
        "peak_mb": max(indexed_mb, peak_mb()),
        "answers": answers if peer.trained else None,
    }


def build_engine(engine: Engine, vectors: Path, place: Path) -> Figures:
    import numpy as np

    rows = np.load(vectors / "rows.npy")
    with Timed() as spent:
        engine.build(rows, place)
    size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    return {"build_s": spent.wall, "build_processor_s": spent.processor, "disk_mb": size / 1e6}


def search_engine(engine: Engine, vectors: Path, place: Path) -> Figures:
    import numpy as np

    queries, truth = np.load(vectors / "queries.npy"), np.load(vectors / "truth.npy")
    with Timed() as opening:
        search = engine.open(place)
        search(queries[0])
    figures, answers = asked(search, queries)
    right = sum(
        len(set(got) & set(best)) for got, best in zip(answers, truth.tolist(), strict=True)
    )
    return figures | {
        "open_s": opening.wall,
        "recall": right / truth.size,
        "peak_mb": peak_mb(),
    }


STEPS = {
    "peer": lambda name, *paths: measure_peer(PEERS[name], *paths),
    "build": lambda name, *paths: build_engine(ENGINES[name], *paths),
    "search": lambda name, *paths: search_engine(ENGINES[name], *paths),
}


# Outside: installs, turns, what fails


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it ended without a word"


def environment(install: tuple[str, ...]) -> Path:
    return ENVIRONMENTS / "-".join(
        each.partition("==")[0].replace(".", "samebut") for each in install
    )


@cache
def installed(install: tuple[str, ...]) -> Figures:
    """What installing takes: MB and seconds to fetch, then seconds to install, and MB installed."""
    place = environment(install)
    known = place / "installed.json"
    if known.exists() and ("." not in install or known.stat().st_mtime > last_edit()):
        kept: Figures = json.loads(known.read_text())
        return kept
    print(f"installing {' '.join(install)}", file=sys.stderr, flush=True)
    shutil.rmtree(place, ignore_errors=True)
    venv.create(place, with_pip=True)
    before = megabytes(place)
    with tempfile.TemporaryDirectory() as wheels:
        fetching = pip(place, "wheel", "-w", wheels, *install)
        names = ["samebut" if each == "." else each for each in install]
        fetched = megabytes(Path(wheels))
        installing = pip(place, "install", "--no-index", "--find-links", wheels, *names)
    figures = {
        "fetch_mb": fetched,
        "fetch_s": fetching,
        "install_s": installing,
        "install_mb": megabytes(place) - before,
    }
    known.write_text(json.dumps(figures))
    return figures


def last_edit() -> float:
    """When a source file of this repository was last written, in seconds since 1970."""
    return max(file.stat().st_mtime for file in (ROOT / "src").rglob("*.py"))


def pip(place: Path, *given: str | Path) -> float:
    """Seconds that one run of pip takes. RuntimeError says why it failed."""
    command = [place / "bin/python", "-m", "pip", *given, "-q", "--disable-pip-version-check"]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(last_line(done.stderr))
    return time.perf_counter() - started


def megabytes(folder: Path) -> float:
    return sum(f.stat().st_size for f in folder.rglob("*") if not f.is_symlink()) / 1e6


def stepped(step: str, name: str, install: tuple[str, ...], *paths: Path) -> Figures:
    """One step in a process of the peer's environment. RuntimeError says why it failed."""
    python = environment(install) / "bin/python"
    command: list[str | Path] = [python, __file__, "--step", step, name, *paths]
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1", "PYTHONPATH": ""}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT, env=os.environ | quiet
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"not done after {LIMIT} seconds") from None
    if done.returncode:
        raise RuntimeError(last_line(done.stderr))
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def pictures_of(products: Path, count: int, place: Path) -> dict[str, str]:
    """Copy pictures of the catalogue's split val to ``place``: file to what it shows."""
    with (products / "catalog.csv").open(encoding="utf-8") as table:
        shown = {
            row["file"]: row["article"] for row in csv.DictReader(table) if row["split"] == "val"
        }
    chosen = sorted(shown)[:: max(1, len(shown) // count)][:count]
    place.mkdir()
    for file in chosen:
        shutil.copy(products / "images" / file, place / file)
    return {file: shown[file] for file in chosen}


def random_clip(place: Path) -> None:
    """A picture tower of ViT-B/32's shape with random weights, as fastembed reads models."""
    import torch

    from samebut.learning.encoders.vit import TowerSize, VisionShape, VisionTower

    tower = VisionTower(VisionShape(TowerSize(768, 12, 12, 3072, "quick_gelu"), 7, 32, 512))

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower = tower

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            return self.tower(pixel_values)[0]

    place.mkdir()
    pixels = torch.zeros(2, 3, 224, 224)
    torch.onnx.export(
        Pooled().eval(),
        (pixels,),
        place / "model.onnx",
        input_names=["pixel_values"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    (place / "preprocessor_config.json").write_text(json.dumps(CLIP_PREPROCESSING))


def precision(answers: list[list[str]], files: list[str], shown: dict[str, str]) -> float:
    """Of the first answers, the query's own picture left out, the share that shows the same."""
    right = asked_for = 0
    for file, answer in zip(files, answers, strict=True):
        others = [other for other in answer if other != file][: K - 1]
        right += sum(shown[other] == shown[file] for other in others)
        asked_for += len(others)
    return right / asked_for


def vectors_of(count: int, place: Path) -> None:
    """The embeddings, queries and exact answers that all engines are given."""
    import numpy as np

    from index_engines import Task, real_embeddings

    task = Task(real_embeddings(), count, {})
    rows = np.concatenate([some for _, some in task.chunks()])
    truth = task.scanned()["all"]
    place.mkdir()
    for name, array in (("rows", rows), ("queries", task.queries), ("truth", truth)):
        np.save(place / f"{name}.npy", array)


def peer_round(name: str, work: Path, shown: dict[str, str]) -> Figures:
    with tempfile.TemporaryDirectory(dir=work) as place:
        figures = stepped("peer", name, PEERS[name].install, work, Path(place))
    answers = figures.pop("answers")
    if answers:
        files = sorted(shown)
        figures["precision"] = precision(answers, files[:: len(files) // QUERIES], shown)
    return figures


def engine_round(name: str, work: Path, shown: dict[str, str]) -> Figures:
    install = ENGINES[name].install
    with tempfile.TemporaryDirectory(dir=work) as place:
        paths = work / "vectors", Path(place)
        return stepped("build", name, install, *paths) | stepped("search", name, install, *paths)


def attempt(row: Figures, work: Callable[[], Figures]) -> Figures:
    """What ``work`` found, or nothing, and the row says why."""
    row.pop("failed", None)
    try:
        return work()
    except (RuntimeError, OSError) as error:
        row["failed"] = str(error)
        print(f"failed: {error}", file=sys.stderr, flush=True)
        return {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("products", type=Path, help="a folder with images/ and catalog.csv")
    parser.add_argument("--out", type=Path, default=Path("runs/peers.json"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", help="names of PEERS and ENGINES")
    given = parser.parse_args()
    chosen = [name for name in ROWS if not given.only or name in given.only]
    report: Figures = {"pictures": given.pictures, "vectors": given.vectors, "rows": {}}
    if given.out.exists():
        report = json.loads(given.out.read_text())
    report["untried"] = UNTRIED
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name in chosen:
            row = report["rows"].setdefault(name, {"does": ROWS[name].does, "rounds": []})
            row |= attempt(row, partial(installed, ROWS[name].install))
        shown = pictures_of(given.products, given.pictures, work / "pictures")
        random_clip(work / "clip")
        vectors_of(given.vectors, work / "vectors")
        for number in range(given.rounds):
            for name in chosen:
                row = report["rows"][name]
                if "failed" in row:
                    continue
                print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
                measure = peer_round if name in PEERS else engine_round
                one = attempt(row, partial(measure, name, work, shown))
                row["rounds"] += [one] if one else []
                given.out.parent.mkdir(parents=True, exist_ok=True)
                given.out.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        print(json.dumps(STEPS[sys.argv[2]](sys.argv[3], *map(Path, sys.argv[4:]))))
    else:
        main()
