"""A forbidden import is refused: every contract of pyproject.toml breaks when it is broken."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]


def test_every_contract_refuses_an_import_that_goes_up(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.onnx"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for contract in CONTRACTS:
        importer, imported = forbidden_pair(contract)
        path = module_file(tmp_path / "src", importer)
        path.write_text(f"{path.read_text()}\nimport {imported}\n")
    verdicts = lint(tmp_path)
    assert verdicts == {contract["name"]: "BROKEN" for contract in CONTRACTS}


def test_every_module_of_the_package_stands_in_a_contract() -> None:
    layers = next(c for c in CONTRACTS if c["name"].startswith("Layers"))["layers"]
    named = {module for layer in layers for module in layer.replace(" ", "").split("|")}
    package = ROOT / "src" / "samebut"
    modules = {path.stem for path in package.iterdir() if is_module(path)}
    assert {f"samebut.{module}" for module in modules} <= named


def is_module(path: Path) -> bool:
    module = path.suffix == ".py" and not path.stem.startswith("__")
    return module or (path / "__init__.py").exists()


def forbidden_pair(contract: dict[str, object]) -> tuple[str, str]:
    """A module of the lowest layer, and one of the highest, which it must not import."""
    if contract["type"] == "forbidden":
        sources, forbidden = contract["source_modules"], contract["forbidden_modules"]
        assert isinstance(sources, list) and isinstance(forbidden, list)
        return sources[-1], forbidden[0]
    layers, containers = contract["layers"], contract.get("containers", [""])
    assert isinstance(layers, list) and isinstance(containers, list)
    lowest, highest = (re.split(r"\s*[|:]\s*", layers[place])[0] for place in (-1, 0))
    prefix = f"{containers[0]}." if containers[0] else ""
    return prefix + lowest, prefix + highest


def module_file(source: Path, name: str) -> Path:
    path = source.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def lint(folder: Path) -> dict[str, str]:
    """The verdict of import-linter on each contract."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src"), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return dict(re.findall(r"^(.+?) (KEPT|BROKEN)", done.stdout, re.MULTILINE))
