"""Who may reach a store on a server: passwords and TLS, on a server that asks for both."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from postgres_server import USER, PostgresServer, encrypted, started
from samebut.errors import StoreError
from samebut.index.address import address_of

PASSWORD = "s3:cr\\et"  # what a password file needs escaped


class Locked(NamedTuple):
    """A server that asks for `PASSWORD` at a ``port``, where it shows a certificate of
    ``localhost``. ``folder`` has the root that signed it, another root, and the password's file."""

    server: PostgresServer
    port: int
    folder: Path

    def url(self, *, host: str = "localhost", root: str = "root.pem", user: str = USER) -> str:
        more = f"?sslmode=verify-full&sslrootcert={self.folder / root}"
        return f"postgresql://{user}@{host}:{self.port}/postgres{more}"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    folder = tmp_path_factory.mktemp("certificates")
    root = trustme.CA()
    root.cert_pem.write_to_path(folder / "root.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    for name, text in (("right", escaped), ("wrong", "s3cond")):
        (folder / name).write_text(f"localhost:*:*:{USER}:{text}\n")
        (folder / name).chmod(0o600)
    with started(PASSWORD) as server, encrypted(server, root.issue_cert("localhost")) as port:
        yield Locked(server, port, folder)


@pytest.fixture
def password_file(locked: Locked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(locked.folder / "right"))


def command(*arguments: object) -> str:
    """All that a command says, which has to go well."""
    done = subprocess.run(
        [sys.executable, "-m", "samebut", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.usefixtures("password_file")
def test_the_commands_read_the_password_from_its_file_and_tell_it_to_nobody(
    locked: Locked, photos: Path
) -> None:
    said = command("index", photos, "--store", locked.url())
    said += command("info", photos, "--store", locked.url())
    assert "10 pictures" in said and f"localhost:{locked.port}" in said
    with locked.server.connect() as administrator:
        rows = administrator.execute("SELECT * FROM samebut.store, samebut_m1.gallery").fetchall()
    log = (locked.server.folder / "log").read_text()
    for told in (said, log, str(rows), str(address_of(locked.url()))):
        assert PASSWORD not in told and "s3" not in told


def refused(url: str) -> str:
    """All that an error says, and those that it comes from."""
    with pytest.raises(StoreError, match="the server can't be reached") as caught:
        address_of(url).open()
    assert str(address_of(url)) in str(caught.value)
    said, error = "", caught.value.__cause__
    while error is not None:
        said, error = f"{said}{error}\n", error.__cause__
    assert "s3" not in f"{caught.value}{caught.value.hint}{said}"
    return str(caught.value)


@pytest.mark.usefixtures("password_file")
def test_a_server_that_is_another_is_not_told_the_password(locked: Locked) -> None:
    assert "certificate verify failed" in refused(locked.url(root="other.pem"))
    assert 'does not match host name "127.0.0.1"' in refused(locked.url(host="127.0.0.1"))
    assert "root certificate file" in refused(locked.url(root="missing.pem"))


def test_a_wrong_password_is_said_so_but_not_what_it_was(
    locked: Locked, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = f'password authentication failed for user "{USER}"'
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(locked.folder / "wrong"))
    assert wrong in refused(locked.url())
    monkeypatch.setenv("PGPASSWORD", "s3cond")
    assert wrong in refused(locked.url())
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("PGPASSFILE", str(locked.folder / "none"))
    assert "no password supplied" in refused(locked.url())
    log = (locked.server.folder / "log").read_text()
    assert "s3" not in log
