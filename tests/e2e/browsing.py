"""A server on a drawn gallery, and a browser that notices what a page should never do."""

from __future__ import annotations

import csv
import importlib.util
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from samebut.serve.page import STATIC

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
DESK = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
PATIENCE = 20_000  # milliseconds a page may take for what a test waits for
FAILED = "Failed to load resource"  # what Chromium says of every answer that is an error
STARTING = 30  # seconds a server may take until it answers
PICTURES = 90  # of the drawn gallery that the tests of the page share
SEED = 11
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>{title}"
GRAVE = {"serious", "critical"}  # what axe calls the faults that no state of the page may have


def missing() -> str:
    """Why no browser can be driven here, or "" if one can."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed"
    return "" if CHROMIUM.exists() else f"{CHROMIUM} is not installed"


@contextmanager
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextmanager
def serving(photos: Path, store: Path) -> Iterator[str]:
    """The address of ``samebut serve`` on an indexed folder."""
    with serving_with(photos, "--store", store) as address:
        yield address


@contextmanager
def serving_with(*arguments: object) -> Iterator[str]:
    """The address of ``samebut serve`` with these arguments, on any port."""
    port = free_port()
    command = [sys.executable, "-m", "samebut", "serve", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder, Path(folder, "log").open("wb") as output:
        server = subprocess.Popen(
            [*command, "--port", str(port)], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_ready(server, address, Path(folder, "log"))
            yield address
        finally:
            server.terminate()
            server.wait(10)


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Until a server that was started can search; AssertionError with its log if it can't."""
    until = time.monotonic() + STARTING
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/api/v1/ready", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")


def rewrite_titles(table: Path, titles: dict[str, str]) -> None:
    """Put other titles into a drawn gallery's catalog, by file name."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | {"title": titles.get(row["file"], row["title"])} for row in rows)


@dataclass
class Visit:
    """A visitor with one tab open.

    ``complaints`` is what the browser's console said, and ``elsewhere`` what was asked of other
    hosts. With ``may_fail``, requests that are answered with an error are no complaint.
    """

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    may_fail: bool = False

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not (self.may_fail and FAILED in message.text):
            self.complaints.append(message.text)

    def _note(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.address).netloc:
            self.elsewhere.append(request.url)

    def with_modules(self) -> Visit:
        """Let scripts import the page's modules, which it has in one script, from /static/js/."""

        def module_of(route: Route) -> None:
            route.fulfill(path=STATIC / "js" / route.request.url.rpartition("/")[2])

        self.page.route("**/static/js/*", module_of)
        return self

    def go(self, hash_part: str = "") -> Visit:
        """Open the page; ``hash_part`` is what follows the #."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}/{hash_part and '#' + hash_part}")
        return self.settled()

    def settled(self) -> Visit:
        """Wait until the answer to what was asked is shown."""
        # Not wait_for_selector: the element it returns would be held in the tab for ever.
        self.page.locator("#grid:not([aria-busy]) .tile:not(.ghost)").first.wait_for()
        self.page.locator("#progress:not(.running)").wait_for(state="attached")
        return self

    def say(self, text: str) -> Visit:
        self.page.fill("#words", text)
        self.page.press("#words", "Enter")
        return self.settled()

    def pick(self, place: int) -> Visit:
        """Take the picture at a place of the grid, counted from 0, as the next reference."""
        self.page.locator(".tile .pick").nth(place).click()
        return self.settled()

    def upload(self, *files: Path | dict[str, Any]) -> Visit:
        self.page.set_input_files("#file", list(files))
        self.page.locator("#trail .step :is(canvas, .placeholder)").first.wait_for()
        return self.settled()

    @property
    def shown(self) -> list[int]:
        """The gallery numbers in the grid, best first."""
        found: list[int] = self.page.eval_on_selector_all(
            ".tile", "tiles => tiles.map(tile => Number(tile.dataset.id))"
        )
        return found

    @property
    def steps(self) -> list[str]:
        """The words of the trail, oldest first."""
        return self.page.locator("#trail .said").all_inner_texts()

    @property
    def fragment(self) -> str:
        return urlsplit(self.page.url).fragment


Visiting = Callable[..., Visit]


def first_picture(drawn: Path, kind: str) -> Path:
    """The first picture of a kind in a drawn gallery."""
    return min(drawn.glob(f"*{kind}.jpg"))


def grave_faults(visit: Visit) -> list[str]:
    """What axe finds wrong with the page as it stands, the grave faults alone."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(visit.page).response["violations"]
    return [f"{fault['id']}: {fault['help']}" for fault in found if fault["impact"] in GRAVE]
