"""commands/progress.py: one reporter for every command that opens many pictures."""

from __future__ import annotations

import sys

import pytest

from samebut.commands import progress as module
from samebut.commands.progress import progress_shown


def test_lines_come_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with progress_shown() as progress:
        progress(1, 1000)
        now += 5
        progress(50, 1000, 2)
        now += 4
        progress(60, 1000)
        now += 1
        progress(1000, 1000)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "50 of 1,000, 10 pictures/s, 95 s left, 2 skipped",
        "1,000 of 1,000, 100 pictures/s, 0 s left",
    ]


def test_a_terminal_gets_a_bar_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_shown() as progress:
        progress(3, 10, 1)
    out, err = capsys.readouterr()
    assert out == ""
    assert "3/10" in err and "1 skipped" in err
