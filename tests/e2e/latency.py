"""How long a search with an own picture takes on the page, part by part.

    python tests/e2e/latency.py [PHOTOS --store STORE] [--searches 20]

The median over searches with words that were not asked before, after one to warm up. "shown" is
the time from submitting the words to the first frame with the answer in it. "there and back" is
what the request took beyond the server's own work: sending the picture, waiting, the answer.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import browsing
from browsing import Visit

from samebut.demo import CATALOG, GALLERY
from samebut.gallery import Gallery
from samebut.scan import STORE_FOLDER, scan

COLOURS = ("blue", "red", "green", "black", "yellow", "white", "pink", "navy")
ASK = """async (words) => {
    document.getElementById("words").value = words;
    performance.clearResourceTimings();
    const started = performance.now();
    document.getElementById("composer").requestSubmit();
    const grid = document.getElementById("grid");
    while (grid.hasAttribute("aria-busy")) await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    const shown = performance.now() - started;
    const asked = performance.getEntriesByType("resource").find((e) => e.name.endsWith("search"));
    return { shown, request: asked.responseEnd - asked.startTime };
}"""


def measure(visit: Visit, photo: Path, words: str) -> dict[str, float]:
    """Milliseconds of one search with ``photo`` and ``words``."""
    visit.go().upload(photo)
    with visit.page.expect_response("**/api/v1/search") as answered:
        spent: dict[str, float] = visit.page.evaluate(ASK, words)
    server: dict[str, Any] = answered.value.json()["milliseconds"]
    beyond = spent["request"] - sum(server.values())
    drawing = spent["shown"] - spent["request"]
    return {"there and back": beyond, **server, "render": drawing, "shown": spent["shown"]}


def indexed_sample(root: Path) -> tuple[Path, Path]:
    """The demo gallery and its store, in ``root``."""
    store = root / "store"
    gallery, _ = Gallery.build(GALLERY, store=store, metadata=CATALOG)
    gallery.close()
    return GALLERY, store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "photos", type=Path, nargs="?", help="an indexed folder; else the demo gallery"
    )
    parser.add_argument("--store", type=Path, help="where its index is kept")
    parser.add_argument("--searches", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        inside = Path(arguments.photos or "", STORE_FOLDER)
        sample = indexed_sample(Path(root)) if arguments.photos is None else None
        photos, store = sample or (arguments.photos, arguments.store or inside)
        photo = next(iter(scan(photos).pictures)).file
        with browsing.serving(photos, store) as address, browsing.chromium() as browser:
            visit = Visit(browser.new_page(), address)
            asked = [f"in {COLOURS[i % 8]}, number {i}" for i in range(arguments.searches + 1)]
            spent = [measure(visit, photo, words) for words in asked][1:]
    for part in spent[0]:
        print(f"{part:16}{statistics.median(each[part] for each in spent):8.1f} ms")


if __name__ == "__main__":
    main()
