"""commands/calibrate.py: from data folders to confidence.json, and what is printed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from samebut.cli import app
from samebut.confidence import FILE, KINDS, Calibration
from samebut.errors import QueryError
from samebut.runtime import BUNDLED, Model
from shop_folder import drawn


def test_it_writes_what_it_measured_and_the_same_each_time(tmp_path: Path) -> None:
    clothes = drawn(tmp_path / "clothes", {"shirt": "round", "skirt": "square"})
    food = drawn(tmp_path / "food", {"apple": "round", "milk": "square"})
    model = Path(shutil.copytree(BUNDLED, tmp_path / "model"))
    (model / FILE).unlink(missing_ok=True)
    data = ["--data", f"clothes={clothes}", "--data", f"food={food}", "--threads", "1"]
    tried = CliRunner().invoke(app, ["calibrate", str(model), *data, "--dry-run"])
    assert tried.exit_code == 0, tried.output
    assert not (model / FILE).exists()
    before = Model.load(model).fingerprint
    done = CliRunner().invoke(app, ["calibrate", str(model), *data])
    assert done.exit_code == 0, done.output
    for part in (
        "| queries | area under the ROC |",
        "| all |",
        "| confidence | mean | fit |",
        "| fitted without |",
    ):
        assert part in done.stdout
    assert "| text | clothes: made-up words, mash |" in done.stdout
    assert done.stdout.rstrip().endswith(FILE)
    first = (model / FILE).read_bytes()
    assert CliRunner().invoke(app, ["calibrate", str(model), *data]).exit_code == 0
    assert (model / FILE).read_bytes() == first
    loaded = Model.load(model)
    assert loaded.fingerprint == before
    assert isinstance(loaded.calibration, Calibration)
    assert loaded.calibration.curves.keys() == {*KINDS}


@pytest.mark.parametrize("entries", [["folder"], ["=folder"], ["a=x", "a=y"]])
def test_a_folder_without_a_name_of_its_own_is_refused(entries: list[str]) -> None:
    options = [part for entry in entries for part in ("--data", entry)]
    done = CliRunner().invoke(app, ["calibrate", "bundled", *options])
    assert isinstance(done.exception, QueryError)
    assert "--data products=FOLDER" in done.exception.hint
