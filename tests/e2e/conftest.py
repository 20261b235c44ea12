"""One browser and one server on a drawn gallery, for all the files of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import browsing
import pytest
from browsing import DESK, HOSTILE, PICTURES, SEED, Visit, Visiting

from samebut.gallery import Gallery
from samebut.wardrobe import draw_gallery

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if reason := browsing.missing():
        pytest.skip(reason)
    with browsing.chromium() as started:
        yield started


@pytest.fixture(scope="package")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An indexed folder of drawn pictures, the first of which has a hostile title.

    Its store lies beside it, in ``store``. All tests share both: none may change them.
    """
    root = tmp_path_factory.mktemp("page")
    draw_gallery(root / "gallery", PICTURES, SEED)
    first = min((root / "gallery").glob("*.jpg"))
    browsing.rewrite_titles(root / "gallery" / "catalog.csv", {first.name: HOSTILE})
    gallery, _ = Gallery.build(
        root / "gallery", store=root / "store", metadata=root / "gallery" / "catalog.csv"
    )
    gallery.close()
    return root / "gallery"


@pytest.fixture(scope="package")
def address(drawn: Path) -> Iterator[str]:
    with browsing.serving(drawn, drawn.parent / "store") as found:
        yield found


@pytest.fixture
def visiting(browser: Browser, address: str) -> Iterator[Visiting]:
    """Makes visitors, each with storage of its own. None may cause an error or look elsewhere."""
    visits: list[Visit] = []
    with ExitStack() as contexts:

        def visit(**wishes: Any) -> Visit:
            context = browser.new_context(**{"locale": "en-US", **DESK, **wishes})
            contexts.callback(context.close)
            visits.append(Visit(context.new_page(), address))
            return visits[-1]

        yield visit
    assert [visit.complaints for visit in visits if visit.complaints] == []
    assert [visit.elsewhere for visit in visits if visit.elsewhere] == []


@pytest.fixture
def visit(visiting: Visiting) -> Visit:
    return visiting()
