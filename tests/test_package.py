"""The package itself: its public names, and what importing it costs."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

import samebut


def test_public_names() -> None:
    for name in samebut.__all__:
        assert getattr(samebut, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Galery'"):
        samebut.Galery  # noqa: B018


def test_version() -> None:
    assert samebut.__version__ == importlib.metadata.version("samebut")


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, samebut, samebut.cli; heavy = {'numpy', 'PIL', 'faiss', 'onnxruntime'};"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
