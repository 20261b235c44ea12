"""The lint of `make check` refuses modules and calls that Windows or macOS lack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def lint(code: str) -> str:
    """What ruff says of ``code`` as a module of the package."""
    place = ROOT / "src" / "samebut" / "made_up.py"
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--stdin-filename", place, "-"],
        cwd=ROOT,
        input=code,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import fcntl\n\nfcntl.flock(0, 0)\n",
        "from resource import getrusage\n\ngetrusage(0)\n",
        "import os\n\nos.fork()\n",
        "import os as system\n\nsystem.sched_getaffinity(0)\n",
        "def inner() -> None:\n    import winreg\n\n    winreg.CloseKey(0)\n",
    ],
)
def test_what_a_system_lacks_is_refused(code: str) -> None:
    assert "TID251" in lint(code)


def test_what_all_have_is_not() -> None:
    assert "All checks passed" in lint("import os\n\nos.getpid()\n")
