"""What `benchmarks/peers.py` measures is right: answers, recalls, shares, and who is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from peers import attempt, precision, search_engine
from peers_report import engine, medians, missing, table
from peers_rows import ENGINES

HERE = ("numpy", "samebut's store")


@pytest.mark.parametrize("name", HERE)
def test_engines_find_the_nearest_and_recall_counts_them(name: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(3).standard_normal((40, 16), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries = rows[:8]
    truth = np.argsort(-(queries @ rows.T), axis=1)[:, :10]
    truth[:, 9] = 99  # one of ten right answers is none that there is
    for array, file in ((queries, "queries"), (truth, "truth")):
        np.save(tmp_path / f"{file}.npy", array)
    place = tmp_path / "place"
    place.mkdir()
    ENGINES[name].build(rows, place)
    assert search_engine(ENGINES[name], tmp_path, place)["recall"] == pytest.approx(0.9)


def test_precision_leaves_the_query_out() -> None:
    shown = {"a": "shirt", "b": "shirt", "c": "watch"}
    assert precision([["a", "b", "c"], ["c", "a"]], ["a", "c"], shown) == pytest.approx(1 / 3)


def test_a_failure_is_kept_with_its_reason() -> None:
    row = {"does": "", "rounds": []}

    def fail() -> dict[str, object]:
        raise RuntimeError("no such package")

    assert attempt(row, fail) == {}
    assert missing({"rows": {"peer": row}, "untried": {"other": "a server"}}) == [
        "* peer: no such package",
        "* other: a server",
    ]


def test_tables_hold_medians_and_ratios_to_ours() -> None:
    figures = {
        "build_s": 2.0,
        "build_processor_s": 1.0,
        "disk_mb": 5.0,
        "open_s": 0.5,
        "p99_ms": 9.0,
        "processor_ms": 1.0,
        "recall": 1.0,
        "peak_mb": 80.0,
    }

    def row(*times: float) -> dict[str, object]:
        rounds = [figures | {"median_ms": time} for time in times]
        return {"does": "exact", "install_mb": 10.0, "rounds": rounds}

    report = {"rows": {"samebut's store": row(1, 2, 9), "numpy": row(8, 3, 1)}}
    assert medians(row(1, 2, 9))["median_ms"] == 2
    ours, theirs = table(json.loads(json.dumps(report)), "build_s", engine)[2:]
    assert "2.00 (9.00)" in ours and "3.00 (9.00) | 1.00 | 1.50 | 1.000" in theirs
