"""`pip install samebut` without extras: everything works but drawing, which needs ``draw``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

EXTRA = "Install it: pip install 'samebut[draw]'"


@pytest.fixture
def python(tmp_path: Path) -> Run:
    """Runs Python where pypdfium2 can't be imported, as if it were not installed."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "pypdfium2.py").write_text(
        "raise ModuleNotFoundError('No module named pypdfium2', name='pypdfium2')\n"
    )
    found_first = os.pathsep.join(filter(None, (str(blocked), os.environ.get("PYTHONPATH"))))

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=120,
            env={**os.environ, "PYTHONPATH": found_first, "PYTHONWARNINGS": "error"},
        )

    return run


def test_pypdfium2_is_really_out_of_reach(python: Run) -> None:
    assert "No module named pypdfium2" in python("-c", "import pypdfium2").stderr


def test_the_demo_draws_nothing(python: Run, tmp_path: Path) -> None:
    done = python("-m", "samebut", "demo", "--out", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    assert "300 pictures indexed: 300 encoded" in done.stderr
    assert done.stdout.count("rank") == 3


def test_index_and_search(python: Run, photos: Path) -> None:
    done = python("-m", "samebut", "index", photos)
    assert done.returncode == 0, done.stderr
    done = python(
        "-m", "samebut", "search", photos, "-i", photos / "red-round.png", "-t", "in blue"
    )
    assert done.returncode == 0, done.stderr
    assert "blue-round.png" in done.stdout


@pytest.mark.parametrize("module", ["samebut.data.readers", "samebut.learning.export.export"])
def test_what_could_draw_is_imported(python: Run, module: str) -> None:
    done = python("-W", "ignore", "-c", f"import {module}")
    assert done.returncode == 0, done.stderr


def test_drawing_a_benchmark_says_what_to_install(python: Run, tmp_path: Path) -> None:
    root = tmp_path / "drawn"
    done = python("-m", "samebut", "eval", "wardrobe", "--root", root, "-o", "size=small")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "samebut: drawing pictures needs pypdfium2, which is not installed",
        f"  {EXTRA}",
    ]
    assert not (root / "recipe.json").exists()  # another size can be asked for later


def test_drawing_a_gallery_says_what_to_install(python: Run, tmp_path: Path) -> None:
    done = python("-m", "samebut.wardrobe", tmp_path / "drawn", "--count", 1)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "drawing pictures needs pypdfium2, which is not installed",
        f"  {EXTRA}",
    ]
    assert not (tmp_path / "drawn").exists()
