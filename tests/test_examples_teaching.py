"""The examples that need no library but samebut's own extras; the others: ``make examples``."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

from serving import RED, drawn

EXAMPLES = Path(__file__).parents[1] / "examples"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
ROOT, BELOW = "photos.example.org", "www.example.org"


def run(example: str, *arguments: object) -> str:
    command = [sys.executable, EXAMPLES / example, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_benchmark_is_read_ranked_and_scored(tmp_path: Path) -> None:
    said = run("read_a_benchmark.py", tmp_path)
    assert "12 queries over 25 pictures" in said
    assert re.search(r"R@1 is \d+\.\d by this protocol: gallery: original split", said)
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_a_fusion_from_outside_learns(tmp_path: Path) -> None:
    said = run("add_a_fusion.py", tmp_path)
    low, high = re.search(r"are (\S+) to (\S+) now", said).groups()
    assert float(low) < 0.5 < float(high)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as bound:
        return bound.getsockname()[1]


@contextmanager
def running(*command: object) -> Iterator[None]:
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def served(photos: Path, port: int, host: str, *options: str) -> Iterator[None]:
    """`samebut serve`, as the file says."""
    proxied = ("--behind-proxy", "--allow-host", host, "--max-upload-mb", "25", "--port", port)
    with running(sys.executable, "-m", "samebut", "serve", photos, *proxied, *options):
        yield


def site(folder: Path, ports: dict[str, str]) -> Path:
    """The example with ports of this machine, in what nginx wants around it."""
    text = (EXAMPLES / "nginx.conf").read_text(encoding="utf-8")
    for old, new in ports.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "site.conf").write_text(text, encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "" if os.geteuid() else "user root;"  # else its workers can't write below `folder`
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log {folder}/error.log;"
        f"events {{}} http {{ access_log off; {temporary} include {folder}/site.conf; }}",
        encoding="utf-8",
    )
    return folder / "nginx.conf"


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of nginx before two servers, one at the root and one below /photos."""
    if NGINX is None:
        pytest.skip("needs nginx: apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("nginx")
    photos = drawn(folder / "photos", "round")
    front, root, below = free_port(), free_port(), free_port()
    ports = {"listen 80;": f"listen 127.0.0.1:{front};", ":8620": f":{root}", ":8621": f":{below}"}
    config = site(folder, ports)
    with ExitStack() as all_of_them:
        all_of_them.enter_context(served(photos, root, ROOT))
        all_of_them.enter_context(served(photos, below, BELOW, "--root-path", "/photos"))
        all_of_them.enter_context(running(NGINX, "-c", config, "-e", folder / "error.log"))
        for host, path in ((ROOT, ""), (BELOW, "/photos")):
            until_ready(f"http://127.0.0.1:{front}{path}/api/v1/ready", host)
        yield f"http://127.0.0.1:{front}"


def until_ready(address: str, host: str) -> None:
    """Some of the first answers are that nobody listens yet."""
    for _ in range(600):
        try:
            if httpx.get(address, headers={"Host": host}).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{address} never became ready")


@pytest.mark.parametrize(("host", "path"), [(ROOT, ""), (BELOW, "/photos")])
def test_page_and_search_pass_nginx(nginx: str, host: str, path: str) -> None:
    with httpx.Client(base_url=nginx, headers={"Host": host}) as client:
        page = client.get(f"{path}/")
        assert page.status_code == 200 and "text/html" in page.headers["content-type"]
        for kind in ("src", "href"):  # addresses of the page's own files, relative to it
            for name in re.findall(rf'{kind}="(static/[^"]+)"', page.text):
                assert client.get(f"{path}/{name}").status_code == 200
        query = '{"turns": [{"upload": "photo", "text": "in blue"}]}'
        files = {"photo": ("a.png", RED)}
        asked = client.post(f"{path}/api/v1/search", data={"query": query}, files=files)
        assert asked.status_code == 200, asked.text
        thumbnail = asked.json()["hits"][0]["thumbnail"]
        assert thumbnail.startswith(f"{path}/api/v1/")
        assert client.get(thumbnail).status_code == 200


def test_the_path_without_its_slash_leads_to_the_page(nginx: str) -> None:
    answer = httpx.get(f"{nginx}/photos", headers={"Host": BELOW})
    assert answer.status_code == 301 and answer.headers["location"].endswith("/photos/")


@pytest.mark.parametrize(("host", "path"), [(ROOT, ""), (BELOW, "/photos")])
def test_uploads_of_more_than_a_megabyte_pass_and_huge_ones_do_not(
    nginx: str, host: str, path: str
) -> None:
    def status(megabytes: int) -> int:
        files = {"photo": ("a.png", RED + bytes(megabytes * 1_000_000))}
        asked = {"query": '{"turns": [{"upload": "photo"}]}'}
        address = f"{nginx}{path}/api/v1/search"
        return httpx.post(address, headers={"Host": host}, data=asked, files=files).status_code

    assert (status(5), status(22)) == (200, 413)


def test_a_host_that_is_not_allowed_is_refused_by_samebut(nginx: str) -> None:
    """The name that a client asks for reaches samebut, which knows its own."""
    answer = httpx.get(f"{nginx}/api/v1/ready", headers={"Host": "other.example.org"})
    assert answer.status_code == 403 and answer.json()["code"] == "host_unknown"
