"""The page on a slow network, below a path, with other galleries, and on pages of other sites."""

from __future__ import annotations

import browsing
import pytest
import slow_network
from browsing import DESK

if reason := browsing.missing():
    pytest.skip(reason, allow_module_level=True)

from playwright.sync_api import Browser

SHIFT = 0.05  # at most: what is read stays where it is


@pytest.mark.parametrize("screen", [DESK, slow_network.PHONES_SCREEN], ids=["desk", "phone"])
@pytest.mark.parametrize("asked", ["", "#t=4%2Cin+blue"], ids=["start", "link"])
def test_the_page_begins_with_few_requests_and_nothing_moves(
    browser: Browser, address: str, screen: dict[str, object], asked: str
) -> None:
    # A little latency, so that answers come one after another, as on a real network.
    found = slow_network.begin(browser, f"{address}/{asked}", screen, latency=60, rate=400_000)
    assert (found["code"], found["style"]) == (1, 1)
    assert found["repeated"] == 0  # what is asked for beforehand is used
    assert found["words"] < found["answers"]
    assert found["shift"] <= SHIFT


def test_words_are_there_before_any_script_has_run(browser: Browser, address: str) -> None:
    for locale, heading in (("en-US", "This one, but…"), ("zh-CN", "就要这件，但是……")):
        context = browser.new_context(locale=locale, java_script_enabled=False)
        page = context.new_page()
        page.goto(address)
        assert page.locator("h1").inner_text() == heading
        assert page.locator("html").get_attribute("lang") == locale.removesuffix("-US")
        context.close()


def test_pictures_fit_the_screen_and_far_ones_wait(browser: Browser, address: str) -> None:
    widest = {}
    for ratio in (1, 3):
        context = browser.new_context(
            **{**slow_network.PHONES_SCREEN, "device_scale_factor": ratio}
        )
        page = context.new_page()
        page.goto(address)
        page.wait_for_function("() => document.querySelector('.tile img')?.currentSrc")
        images = page.locator(".tile img")
        widest[ratio] = page.evaluate("() => document.querySelector('.tile img').currentSrc")
        assert images.first.get_attribute("loading") == "eager"
        assert images.last.get_attribute("loading") == "lazy"
        for name in ("width", "height"):
            assert int(images.last.get_attribute(name) or 0) > 0
        context.close()
    assert widest[1].endswith("size=320")
    assert not widest[3].endswith("size=320")
