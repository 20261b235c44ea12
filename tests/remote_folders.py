"""Remote folders for tests, each with a way to add and remove files."""

from __future__ import annotations

import importlib.util
import os
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import patch

import pytest

SECRET = "wJalrXUtnFEMI-a-secret-key-EXAMPLE"


@dataclass(frozen=True)
class RemoteFolder:
    """``put`` writes a file below ``address``, ``drop`` removes one."""

    address: str
    put: Callable[[str, bytes], None]
    drop: Callable[[str], None]

    def fill(self, folder: Path) -> None:
        """Put there what lies in ``folder``."""
        for file in folder.rglob("*"):
            if file.is_file():
                self.put(file.relative_to(folder).as_posix(), file.read_bytes())


@contextmanager
def _in_memory(tmp_path: Path) -> Iterator[RemoteFolder]:
    pytest.importorskip("fsspec", reason="the extra `remote` is not installed")
    from fsspec.implementations.memory import MemoryFileSystem

    top = f"/{uuid.uuid4().hex}/photos"
    system = MemoryFileSystem()
    system.makedirs(top)
    yield RemoteFolder(
        f"memory:/{top}",
        lambda name, content: system.pipe_file(f"{top}/{name}", content),
        lambda name: system.rm(f"{top}/{name}"),
    )


class _Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, whole or a range of one, as most servers send them."""

    def do_GET(self) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        file = Path(self.translate_path(self.path))
        if found is None or not file.is_file():
            super().do_GET()
            return
        whole = file.read_bytes()
        part = whole[int(found[1]) : int(found[2]) + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {found[1]}-{found[2]}/{len(whole)}")
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a web server that runs meanwhile."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _on_the_web(tmp_path: Path) -> Iterator[RemoteFolder]:
    pytest.importorskip("aiohttp", reason="the extra `remote` is not installed")
    root = tmp_path / "web"
    (root / "photos").mkdir(parents=True)

    def put(name: str, content: bytes) -> None:
        file = root / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.stat().st_mtime if file.exists() else None
        file.write_bytes(content)
        if before is not None:  # the server tells whole seconds
            os.utime(file, (before + 2, before + 2))

    with serving(partial(_Quiet, directory=str(root))) as address:
        yield RemoteFolder(f"{address}/photos", put, lambda name: (root / "photos" / name).unlink())


@contextmanager
def _in_a_bucket(tmp_path: Path) -> Iterator[RemoteFolder]:
    for name in ("s3fs", "moto", "flask"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: pip install s3fs 'moto[server]'")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    said = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        with patch.dict(os.environ, said):
            import fsspec

            system = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
            bucket = uuid.uuid4().hex  # the server's buckets outlive it
            system.mkdir(bucket)
            yield RemoteFolder(
                f"s3://{bucket}/photos",
                lambda name, content: system.pipe_file(f"{bucket}/photos/{name}", content),
                lambda name: system.rm(f"{bucket}/photos/{name}"),
            )
    finally:
        server.stop()


FOLDERS: Mapping[str, Callable[[Path], AbstractContextManager[RemoteFolder]]] = {
    "memory": _in_memory,
    "web": _on_the_web,
    "s3": _in_a_bucket,
}


@dataclass
class Internal:
    """A server that nobody may be sent to; ``asked`` are the paths that somebody was."""

    address: str = ""
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[Internal]:
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.end_headers()

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *arguments: object) -> None:
                pass

        with serving(Handler) as self.address:
            yield self
