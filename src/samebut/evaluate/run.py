"""A run: one ranking of one benchmark, kept in a folder that says everything about itself.

    ranking.json     protocol, rules, model, versions, and the gallery's names in order
    queries.jsonl    the queries, in the order of the ranking's rows
    ranking.npz      the first 100 of each ranking with scores, and the ranks of all that counts
    metrics.json     the numbers, as printed; written last

The ranking is written first and every number is computed from it, so a run can be scored again,
compared and inspected without the model or the pictures.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from samebut.data.benchmark import Benchmark, Query, QueryStep, Rules
from samebut.errors import DataError
from samebut.evaluate import significance
from samebut.evaluate.embeddings import (
    EvaluatedModel,
    embed_benchmark,
    meaning,
    texts_cut,
)
from samebut.evaluate.ranking import KEPT, Ranked, rank
from samebut.evaluate.scoring import Score, score
from samebut.files import json_of, read_lines, replacing, write_whole, writing
from samebut.loader import Progress, silent

FORMAT = 1
DESCRIPTION, QUERIES, RANKING, METRICS = (
    "ranking.json",
    "queries.jsonl",
    "ranking.npz",
    "metrics.json",
)
ORDER = "exact; dot products in float64, rounded to float32; equal scores in gallery order"


@dataclass(frozen=True)
class Run:
    """A ranked benchmark. ``about`` is what ``ranking.json`` says: protocol, query, model, data,
    versions. Read from disk, ``benchmark.images`` maps names to themselves."""

    benchmark: Benchmark
    ranked: Ranked
    about: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Protocol and query in a few words, to stand beside every number."""
        return f"{self.about['label']} · {self.about['query']}"

    def score(self) -> Score:
        """Numbers with intervals. Raises DataError if the targets are not public."""
        return score(self.benchmark, self.ranked)

    def save(self, folder: Path) -> None:
        """Write the ranking into ``folder``; files replace each other whole."""
        lines = [json.dumps(asdict(query), ensure_ascii=False) for query in self.benchmark.queries]
        described = {"format": FORMAT, **self.about, "gallery": list(self.benchmark.images)}
        text = json.dumps(described, ensure_ascii=False, indent=1) + "\n"
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(folder / RANKING) as partial, partial.open("wb") as file:
                np.savez(file, **{f.name: getattr(self.ranked, f.name) for f in fields(Ranked)})
            write_whole(folder / QUERIES, "\n".join(lines) + "\n")
            write_whole(folder / DESCRIPTION, text)

    @classmethod
    def load(cls, folder: Path) -> Run:
        """Read a run. Raises DataError if ``folder`` holds none, or one of a later format."""
        folder = Path(folder)
        try:
            about = json_of((folder / DESCRIPTION).read_text(encoding="utf-8"))
            lines = read_lines(folder / QUERIES)
            with (folder / RANKING).open("rb") as file, np.load(file) as arrays:
                names = [f.name for f in fields(Ranked) if f.name in arrays]
                ranked = Ranked(**{name: arrays[name] for name in names})
            queries = tuple(_query(json_of(line)) for line in lines)
            images = {name: Path(name) for name in about.pop("gallery")}
            found, rules = about.pop("format"), _rules(about["rules"])
        except (DataError, OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise DataError(
                f"{folder} is not a run that can be read ({error})",
                hint="Give a folder written by: samebut eval --out FOLDER",
            ) from error
        if found != FORMAT or len(queries) != len(ranked.ids):
            raise DataError(
                f"{folder}: the run is incomplete, or of format {found} and not {FORMAT}",
                hint="Evaluate again: samebut eval --out FOLDER",
            )
        benchmark = Benchmark(
            about["benchmark"], about["split"], images, queries, rules, about["protocol"]
        )
        return cls(benchmark, ranked, about)


def evaluate(
    benchmark: Benchmark,
    model: EvaluatedModel,
    *,
    modes: Sequence[str] = ("composed",),
    out: Path | None = None,
    cache: Path | None = None,
    kept: int = KEPT,
    chosen: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> dict[str, tuple[Run, Score]]:
    """Embed, rank and score ``benchmark`` for each query mode; returns run and score by mode.

    With ``out``, each run is kept there (in a folder of its mode's name if there are several), and
    embeddings in ``cache`` (``out/cache`` if not said), so that a second call only ranks.

    A mode is "composed" (the model's fusion), "image", "text", or a composition of
    ``samebut.composition.rows``, such as "sum" or "slerp:0.65". ``chosen`` maps a mode to how it
    was chosen, which is printed beside the protocol.

    Raises QueryError for an unknown mode, DataError for unusable pictures, private targets, or if
    ``out`` already holds a run of something else.
    """
    places = {mode: out and place_of(out, mode, modes) for mode in modes}
    abouts = {mode: describe(benchmark, model, mode) for mode in modes}
    for mode, said in (chosen or {}).items():
        abouts[mode]["chosen"] = said
    for mode, place in places.items():
        _require_free(place, abouts[mode])
    embedded = embed_benchmark(
        benchmark, model, cache=cache or (out and out / "cache"), progress=progress
    )
    results = {}
    for mode, place in places.items():
        ranked = rank(benchmark, embedded.queries(mode), embedded.gallery, kept=kept)
        run = Run(benchmark, ranked, abouts[mode])
        if place:
            run.save(place)
        if not any(query.targets for query in benchmark.queries):
            continue
        results[mode] = run, run.score()
        if place:
            write_whole(place / METRICS, json.dumps(as_json(*results[mode]), indent=1) + "\n")
    return results


def place_of(out: Path, mode: str, modes: Sequence[str]) -> Path:
    """Where the run of one of ``modes`` is kept: in ``out`` itself if there is no other."""
    return out / mode.replace(":", "-") if len(modes) > 1 else out  # Windows has no ":" in names


def describe(benchmark: Benchmark, model: EvaluatedModel, mode: str) -> dict[str, Any]:
    """Everything that decides a run's numbers, as ``ranking.json`` and ``metrics.json`` say it."""
    texts = [text for query in benchmark.queries for _, text, _ in query.asks]
    return {
        "label": benchmark.label,
        "benchmark": benchmark.name,
        "split": benchmark.split,
        "choices": list(benchmark.choices),
        "part": list(benchmark.part),
        "protocol": benchmark.protocol,
        "rules": asdict(benchmark.rules),
        "query": mode,
        "query_means": meaning(mode),
        "order": ORDER,
        "model": {"name": model.name, "fingerprint": model.fingerprint},
        "data": {
            "queries": len(benchmark.queries),
            "pictures": len(benchmark.images),
            "galleries": {group: len(names) for group, names in benchmark.galleries.items()},
            "queries_with_subset": sum(q.subset is not None for q in benchmark.queries),
            "texts": len(texts),
            "texts_cut": texts_cut(model, texts),
            "digest": digest(benchmark),
        },
        "versions": versions(),
    }


def digest(benchmark: Benchmark) -> str:
    """A digest of queries, answers and gallery: 16 hex digits. Runs are comparable only if it is
    equal."""
    whole = hashlib.sha256()
    for query in benchmark.queries:
        what = [query.id, query.reference, query.targets, query.subset]
        what += [part for part in (query.references[1:], query.wrong) if part]
        whole.update(json.dumps(what).encode())
    whole.update(json.dumps([list(benchmark.images), benchmark.galleries]).encode())
    return whole.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Versions of what computed a number."""
    packages = ("numpy", "onnxruntime", "pillow", "tokenizers")
    from samebut import __version__

    return {
        "samebut": __version__,
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }


def as_json(run: Run, scored: Score) -> dict[str, Any]:
    """What ``metrics.json`` holds: the numbers as printed, in percent, then what they mean."""
    return {
        **scored.numbers,
        "MedianRank": scored.median_rank,
        "intervals": {name: list(edges) for name, edges in scored.intervals.items()},
        "interval": {
            "level": significance.LEVEL,
            "method": "percentile bootstrap over queries"
            + (", within each group" if run.benchmark.rules.macro else ""),
            "samples": significance.SAMPLES,
            "seed": significance.SEED,
        },
        "groups": scored.groups,
        "aspects": scored.aspects,
        **run.about,
    }


def _require_free(place: Path | None, about: Mapping[str, Any]) -> None:
    if place is None or not (place / DESCRIPTION).is_file():
        return
    kept = Run.load(place).about
    what = ("benchmark", "split", "protocol", "query", "model")
    changed = [key for key in what if kept.get(key) != about[key]]
    if changed:
        raise DataError(
            f"{place} holds a run of another {' and '.join(changed)}, which is not overwritten",
            hint="Give another folder: --out FOLDER.",
        )


def _query(row: Mapping[str, Any]) -> Query:
    steps = tuple(QueryStep(**_with_tuples(step)) for step in row.get("also", ()))
    return Query(**_with_tuples(row) | {"also": steps})


def _rules(row: Mapping[str, Any]) -> Rules:
    return Rules(**_with_tuples(row))


def _with_tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
