"""What is not wanted on the page: said of an answer or in words, in the address, taken off."""

from __future__ import annotations

import json

import browsing
import pytest
from browsing import PHONE, Visit, Visiting, grave_faults

if reason := browsing.missing():
    pytest.skip(reason, allow_module_level=True)

from playwright.sync_api import Request, expect

expect.set_options(timeout=browsing.PATIENCE)

NARROW = {**PHONE, "viewport": {"width": 320, "height": 640}, "locale": "zh-CN"}
FINGER = 44


def chips(visit: Visit) -> int:
    return visit.page.locator("#unwanted .refused").count()


def refuse(visit: Visit, text: str) -> None:
    visit.page.fill("#words", text)
    visit.page.locator("#refuse").click()
    visit.page.locator("#unwanted .refused", has_text=text).wait_for()
    visit.settled()


def test_not_like_this_and_back_and_reload(visit: Visit) -> None:
    sent: list[dict[str, object]] = []

    def note(request: Request) -> None:
        if request.url.endswith("/search"):
            sent.append(json.loads(request.post_data or "{}"))

    visit.page.on("request", note)
    visit.go()
    expect(visit.page.locator("#refuse")).to_be_hidden()
    assert visit.page.locator(".tile .not").count() == 0
    visit.say("a blue dress")
    before = visit.shown
    visit.page.locator(".tile").nth(1).hover()
    visit.page.get_by_role("button", name="Not like this").nth(1).click()
    expect(visit.page.locator("#unwanted .like img")).to_be_visible()
    visit.settled()
    assert before[1] not in visit.shown and before[0] in visit.shown
    assert sent[-1]["without"] == {"pictures": [{"picture": before[1]}]}
    expect(visit.page.locator(".tile .look").nth(1)).to_be_focused()
    refuse(visit, "stripes")
    assert sent[-1]["without"] == {"texts": ["stripes"], "pictures": [{"picture": before[1]}]}
    both = visit.shown
    visit.page.reload()
    visit.settled()
    assert (visit.shown, chips(visit)) == (both, 2)
    visit.page.go_back()
    expect(visit.page.locator("#unwanted .refused")).to_have_count(1)
    visit.settled().page.get_by_role("button", name="like this picture again").click()
    expect(visit.page.locator("#unwanted")).to_be_hidden()
    visit.settled()
    assert visit.shown == before
    visit.page.go_back()
    expect(visit.page.locator("#unwanted .refused")).to_have_count(1)
    visit.settled().page.get_by_role("button", name="Start over").click()
    expect(visit.page.locator("#unwanted")).to_be_hidden()
    assert "n=" not in visit.fragment


def test_from_the_viewer_and_of_nothing_nothing_is_taken(visit: Visit) -> None:
    visit.go().say("a blue dress")
    first = visit.shown[0]
    visit.page.locator(".tile .look").first.click()
    visit.page.locator("#viewer").get_by_role("button", name="Not like this").click()
    expect(visit.page.locator("#unwanted .like")).to_have_count(1)
    expect(visit.page.locator("#viewer")).to_be_hidden()
    visit.settled()
    assert first not in visit.shown and f"n={first}%2C" in visit.fragment
    visit.page.get_by_role("button", name="Remove step 1").click()
    expect(visit.page.locator("#unwanted")).to_be_hidden()
    visit.settled()
    assert first in visit.shown


def test_with_the_keyboard_alone(visit: Visit) -> None:
    visit.go().say("a blue dress")
    visit.page.fill("#words", "stripes")
    visit.page.press("#words", "Tab")
    expect(visit.page.locator("#refuse")).to_be_focused()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#unwanted .refused")).to_have_text("stripes")
    visit.settled().page.locator(".tile .look").first.focus()
    second = visit.shown[1]
    visit.page.keyboard.press("ArrowRight")
    for _ in range(2):
        visit.page.keyboard.press("Tab")
    expect(visit.page.locator(".tile .not").nth(1)).to_be_focused()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#unwanted .refused")).to_have_count(2)
    visit.settled()
    assert second not in visit.shown
    visit.page.locator("#unwanted button").first.focus()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#unwanted .refused")).to_have_count(1)


def test_on_a_phone_in_chinese(visiting: Visiting) -> None:
    visit = visiting(**NARROW).go().say("蓝色连衣裙")
    refuse(visit, "条纹")
    visit.page.get_by_role("button", name="不要这样的").first.tap()
    expect(visit.page.locator("#unwanted .refused")).to_have_count(2)
    visit.settled()
    assert visit.page.locator("#unwanted .lead").inner_text() == "不要的"
    for place in ("#refuse", ".tile .not", "#unwanted button"):
        box = visit.page.locator(place).first.bounding_box()
        assert box is not None and min(box["width"], box["height"]) >= FINGER - 0.5, place
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    assert width == NARROW["viewport"]["width"]  # type: ignore[index]
    assert grave_faults(visit) == []
    visit.page.get_by_role("button", name="不再排除：条纹").tap()
    expect(visit.page.locator("#unwanted .refused")).to_have_count(1)


def test_of_more_than_ten_the_oldest_is_forgotten(visit: Visit) -> None:
    many = "&".join(f"n=%2Cword{place}" for place in range(10))
    visit.go(f"t=%2Ca+dress&{many}&n=&n=my-abc%2C")
    assert chips(visit) == 10
    refuse(visit, "stripes")
    assert visit.page.locator("#unwanted .refused > span").all_inner_texts() == [
        *(f"word{place}" for place in range(1, 10)),
        "stripes",
    ]
