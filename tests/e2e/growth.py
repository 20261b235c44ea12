"""What many searches in one tab leave behind.

    python tests/e2e/growth.py --searches 200

draws a gallery, searches it in one tab, by words, hits and own pictures, and prints what the tab
holds after each quarter. One node for each sentence is the field's own undo history, which the
browser keeps and bounds. It needs the development dependencies and Debian's Chromium.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import browsing
from browsing import DESK, PICTURES, SEED, Visit, first_picture

from samebut.gallery import Gallery
from samebut.wardrobe import draw_gallery

WORDS = ("in blue", "with stripes", "shorter", "in red", "with dots", "longer", "in green")
QUARTERS = 4
OWN_EVERY = 10  # one search in so many begins with an own picture, where there is one
_COUNT_ADDRESSES = """
    window.addresses = 0;
    const { createObjectURL, revokeObjectURL } = URL;
    URL.createObjectURL = (what) => (window.addresses++, createObjectURL.call(URL, what));
    URL.revokeObjectURL = (what) => (window.addresses--, revokeObjectURL.call(URL, what));
"""
_NAMES = {"nodes": "Nodes", "listeners": "JSEventListeners", "heap": "JSHeapUsedSize"}


def search_on(visit: Visit, searches: int, own: Path | None = None) -> None:
    """Search again and again in the same tab: by words, now and then another reference."""
    for turn in range(searches):
        if own is not None and turn % OWN_EVERY == OWN_EVERY - 1:
            visit.upload(own)
        elif turn % 4 == 3:
            visit.pick(turn % 7)
        else:
            visit.say(f"{WORDS[turn % len(WORDS)]} {turn}")


def measured(visit: Visit) -> dict[str, float]:
    """What the tab holds with nothing asked, after its garbage is collected."""
    visit.page.get_by_role("button", name="Start over").click()
    visit.settled()
    tools = visit.page.context.new_cdp_session(visit.page)
    tools.send("Performance.enable")
    for _ in range(2):
        tools.send("HeapProfiler.collectGarbage")
    found = {
        each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]
    }
    tools.detach()
    addresses = visit.page.evaluate("window.addresses ?? 0")
    return {name: found[key] for name, key in _NAMES.items()} | {"addresses": addresses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=200)
    arguments = parser.parse_args()
    if reason := browsing.missing():
        parser.error(reason)
    with tempfile.TemporaryDirectory() as root:
        photos, store = Path(root, "gallery"), Path(root, "store")
        draw_gallery(photos, PICTURES, SEED)
        Gallery.build(photos, store=store, metadata=photos / "catalog.csv")[0].close()
        with browsing.serving(photos, store) as address, browsing.chromium() as browser:
            visit = Visit(browser.new_context(locale="en-US", **DESK).new_page(), address)
            visit.page.add_init_script(_COUNT_ADDRESSES)
            visit.go("t=4%2Cin+blue")
            for quarter in range(QUARTERS + 1):
                found = measured(visit)
                done = arguments.searches * quarter // QUARTERS
                print(f"{done:>4} searches: {found['heap'] / 1e6:.1f} MB of heap, ", end="")
                print(f"{found['nodes']:.0f} nodes, {found['listeners']:.0f} listeners, ", end="")
                print(f"{found['addresses']:.0f} addresses of blobs", flush=True)
                if quarter < QUARTERS:
                    search_on(visit, arguments.searches // QUARTERS, first_picture(photos, "dress"))


if __name__ == "__main__":
    main()
