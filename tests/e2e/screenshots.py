"""The page in pictures, for the documentation: of the drawn gallery only.

    python tests/e2e/screenshots.py docs/images search chinese seen phone-seen-chinese

needs the development dependencies and Debian's Chromium.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import browsing
from browsing import PHONE, Visit
from PIL import Image

from samebut import catalog
from samebut.demo import CATALOG, GALLERY, queries
from samebut.gallery import Gallery

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SMALL_DESK = {"viewport": {"width": 1280, "height": 860}}
SHARP_PHONE = {**PHONE, "device_scale_factor": 1.5}
DARK = {"color_scheme": "dark"}
CHINESE = {"locale": "zh-CN"}


def only_look(visit: Visit) -> None:
    """What a visitor sees who does nothing."""


def point_at_one(visit: Visit) -> None:
    visit.page.locator(".tile").nth(2).hover()


def ask_why(visit: Visit) -> None:
    visit.page.locator("#tools button").first.click()
    visit.page.locator(".heat").first.wait_for()
    visit.page.locator(".reasons .chip").last.click()


def compare(visit: Visit) -> None:
    visit.page.locator("#tools button").nth(1).click()
    visit.page.locator(".compare li img").first.wait_for()


def look_closely(visit: Visit) -> None:
    visit.page.locator(".tile .look").first.click(force=True)
    visit.page.locator(".viewer img").first.wait_for()


def open_colours(visit: Visit) -> None:
    visit.page.locator(".pill").nth(1).click()


def show_own(visit: Visit) -> None:
    visit.upload(min(GALLERY.glob("*sweater*")))
    visit.page.locator("#seen .chip").first.wait_for()


@dataclass(frozen=True)
class Shot:
    """One picture: what is asked, by whom, and what is done before it is taken.

    ``asked`` is the address's fragment; ``{dress}`` in it is the number of a dress, and a file's
    name without its suffix that of the file. What the READMEs show was chosen so that the six
    answers in sight are right.
    """

    name: str
    asked: str = ""
    visitor: Mapping[str, Any] = field(default_factory=dict)
    then: Callable[[Visit], None] = only_look


SHOTS = (
    Shot("start"),
    Shot("search", "t={0013-navy-t-shirt},in green", then=point_at_one),
    Shot("turns", "t={sweater},with stripes&t=,in green", DARK),
    Shot("chinese", "t={0013-navy-t-shirt},换成绿色", CHINESE),
    Shot("chinese-dark", "t={dress},换成蓝色&t=,短一点", DARK | CHINESE),
    Shot("why", "t={dress},with a blue belt", then=ask_why),
    Shot("compare", "t={dress},in blue", then=compare),
    Shot("closely", "t={bag},in red", DARK, look_closely),
    Shot("filters", "t=,striped", then=open_colours),
    Shot("seen", then=show_own),
    Shot("phone-start", "", SHARP_PHONE),
    Shot("phone-seen-chinese", "", SHARP_PHONE | CHINESE, show_own),
    Shot("phone-search", "t={dress},in blue", SHARP_PHONE),
    Shot("phone-chinese-dark", "t={bag},换成红色", SHARP_PHONE | DARK | CHINESE),
    Shot("phone-why", "t={dress},with a blue belt", SHARP_PHONE, ask_why),
)


def take(shot: Shot, browser: Browser, address: str, numbers: Mapping[str, int]) -> Image.Image:
    """The picture of one shot."""
    wishes = {"locale": "en-US", **SMALL_DESK, "reduced_motion": "reduce", **shot.visitor}
    context = browser.new_context(**wishes)
    visit = Visit(context.new_page(), address).go(shot.asked.format_map(numbers))
    visit.page.wait_for_load_state("networkidle")
    shot.then(visit)
    visit.page.wait_for_load_state("networkidle")
    with tempfile.TemporaryDirectory() as folder:
        visit.page.screenshot(path=Path(folder, "shot.png"))
        with Image.open(Path(folder, "shot.png")) as picture:
            taken = picture.convert("RGB")
    context.close()
    return taken


def gallery_numbers(gallery: Gallery) -> dict[str, int]:
    """The number of the first item of every kind that is not blue or red, plain ones first; the
    dress is the one that the demo asks with."""
    rows = catalog.read(gallery.folder / "catalog.csv").rows
    wanted = sorted(rows.items(), key=lambda item: item[1].get("pattern") != "plain")
    numbers: dict[str, int] = {}
    for name, row in wanted:
        number = gallery.index.id_of(name)
        if number is not None:
            numbers[name.partition(".")[0]] = number
        if number is not None and row["colour"] not in ("blue", "navy", "red"):
            numbers.setdefault(row["kind"], number)
    asked = queries(gallery)[0][0].source
    assert isinstance(asked, Path)
    return numbers | {"dress": gallery.index.id_of(asked.name) or numbers["dress"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the folder the pictures go to")
    parser.add_argument("names", nargs="*", help="only these; all by default")
    arguments = parser.parse_args()
    if reason := browsing.missing():
        parser.error(reason)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as root:
        store = Path(root, "store")
        gallery, _ = Gallery.build(GALLERY, store=store, metadata=CATALOG)
        numbers = gallery_numbers(gallery)
        gallery.close()
        with browsing.serving(GALLERY, store) as address, browsing.chromium() as browser:
            for shot in SHOTS:
                if not arguments.names or shot.name in arguments.names:
                    picture = take(shot, browser, address, numbers)
                    picture.save(arguments.out / f"page-{shot.name}.png", optimize=True)


if __name__ == "__main__":
    main()
