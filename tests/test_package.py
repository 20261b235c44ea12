"""The package itself: its public names, and what importing it costs."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from collections import Counter
from pathlib import Path

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


def test_a_class_name_means_one_thing() -> None:
    source = Path(samebut.__file__).parent
    names = Counter(
        node.name
        for path in source.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []
