"""learning/run/journal.py: what a run says, and its plot."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path

import pytest
from PIL import Image

from samebut.learning.run import journal as journals
from samebut.learning.run.journal import Journal, plot


def steps_of(folder: Path) -> list[str]:
    return [line.split(",")[0] for line in (folder / "log.csv").read_text().splitlines()]


def test_a_row_a_step(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "stage1", 4, 0)
    for step in range(3):
        journal.step(0, 2.5 - step, 0.1, 8)
    journal.close()
    lines = (tmp_path / "stage1" / "log.csv").read_text().splitlines()
    assert lines[0] == "step,epoch,loss,lr,queries_per_second"
    rows = ["1,1,2.5,0.1", "2,1,1.5,0.1", "3,1,0.5,0.1"]
    assert [line.rpartition(",")[0] for line in lines[1:]] == rows


def test_carrying_on_takes_out_what_is_done_again(tmp_path: Path) -> None:
    """The log went on after the checkpoint, and its last line was cut short by the kill."""
    journal = Journal(tmp_path, 9, 0)
    for _ in range(4):
        journal.step(0, 1.0, 0.1, 8)
    journal.close()
    with (tmp_path / "log.csv").open("a") as file:
        file.write("5,1,0.3")
    again = Journal(tmp_path, 9, 2)
    again.step(0, 1.0, 0.1, 8)
    again.close()
    assert steps_of(tmp_path) == ["step", "1", "2", "3"]


def test_lines_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "EVERY", 0.0)
    journal = Journal(tmp_path / "stage2", 10, 4)
    journal.scores({"epoch": 1, "R@1": 12.3456, "loss": 2.0}, "R@1")
    journal.step(1, 1.5, 0.1, 8)
    journal.close()
    said = capsys.readouterr().err
    assert "stage2  epoch 1  R@1 12.35  loss 2" in said
    for part in ("step 5 of 10", "loss 1.5", "R@1 12.35", "queries/s", "GB", "s left"):
        assert part in said.splitlines()[1]


def test_a_live_line_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    journal = Journal(tmp_path / "stage2", 10, 4)
    journal.step(1, 1.5, 0.1, 8)
    journal.scores({"R@1": 12.3456}, "R@1")
    journal.close()
    said = capsys.readouterr().err
    assert "5/10" in said
    assert "R@1 12.35" in said


def test_other_processes_are_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(tmp_path / "stage1", 4, 0, quiet=True)
    journal.step(0, 1.0, 0.1, 8)
    journal.scores({"R@1": 1.0}, "R@1")
    journal.say("hello")
    journal.close()
    assert not (tmp_path / "stage1").exists()
    assert capsys.readouterr().err == ""


def test_tensorboard_if_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    class SummaryWriter:
        def __init__(self, folder: str, purge_step: int) -> None:
            written.append((Path(folder).name, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def close(self) -> None:
            written.append(("closed",))

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(journals.importlib.util, "find_spec", lambda name: name == "tensorboard")
    journal = Journal(tmp_path, 9, 5)
    journal.step(2, 0.5, 0.1, 8)
    journal.scores({"epoch": 3, "step": 9, "loss": 0.4, "R@1": 40.0}, "R@1")
    journal.close()
    assert written == [
        ("tensorboard", 6),
        ("loss", 0.5, 6),
        ("lr", 0.1, 6),
        ("val/R@1", 40.0, 6),
        ("closed",),
    ]


def test_the_plot_follows_what_was_logged(tmp_path: Path) -> None:
    """Two stages after one another; a loss that is drawn leaves marks of its colour."""
    for number, losses in ((1, [3.0, 2.0, 1.0]), (2, [2.5, 2.4])):
        journal = Journal(tmp_path / f"stage{number}", len(losses), 0)
        for loss in losses:
            journal.step(0, loss, 0.1, 8)
        journal.close()
        history = [{"epoch": 1, "step": len(losses), "loss": 1.0, "R@1": 5.0, "R@10": 20.0}]
        progress = {"history": history}
        (tmp_path / f"stage{number}" / "progress.json").write_text(json.dumps(progress))
    picture = Image.open(plot(tmp_path)).convert("RGB")
    colours = {colour: count for count, colour in picture.getcolors(1 << 20) or []}
    assert colours[(31, 119, 180)] > 50
    assert colours[(255, 127, 14)] > 50
    assert not list(tmp_path.glob("*.part*"))


ON_WINDOWS = """
import sys
from pathlib import Path
import torch
import samebut.learning.run.train
# Other packages are imported; samebut once more, as it would be there.
for name in [name for name in sys.modules if name.startswith("samebut")]:
    del sys.modules[name]
sys.platform = "win32"
sys.modules["resource"] = None  # importing it fails
torch.cuda.is_available = lambda: False
import samebut.learning.run.train
from samebut.learning.run import journal
assert journal.memory() == ""
one = journal.Journal(Path(sys.argv[1]), 2, 0)
one.step(0, 1.5, 0.1, 8)
one.close()
"""


def test_training_starts_where_there_is_no_module_resource(tmp_path: Path) -> None:
    """As on Windows; in a process of its own, since here it is imported already."""
    command = [sys.executable, "-c", ON_WINDOWS, str(tmp_path / "stage1")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert steps_of(tmp_path / "stage1") == ["step", "1"]
