"""How the page begins on a slow network: 800 ms to the first byte of each answer, 50 kB a second.

    python tests/e2e/slow_network.py [PHOTOS --store STORE] [--times 3]

Prints for a desk and a phone, each without anything cached: requests (all, and those for code and
style), kilobytes, and seconds until the first words are drawn, until the answers are there, and
until every picture in sight is; and the layout shift, as Chromium counts it (CLS), until then.
The median of ``--times`` visits.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import browsing
from browsing import DESK, PHONE
from latency import indexed_sample

from samebut.scan import STORE_FOLDER

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LATENCY = 800  # milliseconds
BYTES_PER_SECOND = 50_000
PATIENCE = 60_000
PHONES_SCREEN = {**PHONE, "device_scale_factor": 3}

# A frame callback runs only when something can be drawn: not before the style sheets are there.
WATCH = """
    window.began = { shift: 0 };
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) began.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
    const inSight = (image) => {
        const { top, bottom } = image.getBoundingClientRect();
        return bottom > 0 && top < innerHeight;
    };
    const look = () => {
        const pictures = [...document.querySelectorAll(".tile:not(.ghost) img")].filter(inSight);
        const now = performance.now() / 1000;
        if (document.querySelector("h1")?.innerText) began.words ??= now;
        if (document.querySelector(".tile:not(.ghost)")) began.answers ??= now;
        if (pictures.length && pictures.every((image) => image.complete)) began.pictures ??= now;
        if (!began.pictures) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
"""


@dataclass
class Traffic:
    """What a tab asked for: the kind of each request, the addresses of data, and sizes."""

    kinds: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(self.sizes.values())


def slow(page: Page, *, latency: float, rate: float) -> Traffic:
    """Put ``page`` on a slow network, and note what it asks for."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    limits = {"offline": False, "latency": latency}
    network.send(
        "Network.emulateNetworkConditions",
        {**limits, "downloadThroughput": rate, "uploadThroughput": rate},
    )
    seen = Traffic()

    def note(event: dict[str, Any]) -> None:
        seen.sizes[event["requestId"]] = event["encodedDataLength"]

    def ask(event: dict[str, Any]) -> None:
        seen.kinds.append(event["type"])
        if "/api/" in event["request"]["url"]:
            seen.data.append(event["request"]["url"])

    network.on("Network.requestWillBeSent", ask)
    network.on("Network.loadingFinished", note)
    return seen


def begin(
    browser: Browser,
    address: str,
    screen: dict[str, Any],
    *,
    latency: float = LATENCY,
    rate: float = BYTES_PER_SECOND,
) -> dict[str, float]:
    """One visit without anything cached; see the module. ``repeated`` is how many times something
    was asked for again."""
    context = browser.new_context(locale="en-US", **screen)
    page = context.new_page()
    traffic = slow(page, latency=latency, rate=rate)
    page.add_init_script(WATCH)
    page.goto(address, timeout=PATIENCE)
    page.wait_for_function("() => began.pictures !== undefined", timeout=PATIENCE)
    found: dict[str, float] = page.evaluate("began")
    context.close()
    return {
        "requests": len(traffic.kinds),
        "code": traffic.kinds.count("Script"),
        "style": traffic.kinds.count("Stylesheet"),
        "repeated": len(traffic.data) - len(set(traffic.data)),
        "kilobytes": traffic.bytes / 1000,
        "words": found["words"],
        "answers": found["answers"],
        "pictures": found["pictures"],
        "shift": found["shift"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "photos", type=Path, nargs="?", help="an indexed folder; else the demo gallery"
    )
    parser.add_argument("--store", type=Path, help="where its index is kept")
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        inside = Path(arguments.photos or "", STORE_FOLDER)
        sample = indexed_sample(Path(root)) if arguments.photos is None else None
        photos, store = sample or (arguments.photos, arguments.store or inside)
        with browsing.serving(photos, store) as address, browsing.chromium() as browser:
            for name, screen in (("desk", DESK), ("phone", PHONES_SCREEN)):
                visits = [begin(browser, address, screen) for _ in range(arguments.times)]
                for part in visits[0]:
                    print(f"{name:6}{part:10}{statistics.median(v[part] for v in visits):9.3g}")


if __name__ == "__main__":
    main()
