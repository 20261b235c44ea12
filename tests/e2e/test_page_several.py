"""Several pictures in one wish on the page: added, numbered, and what is taken from which."""

from __future__ import annotations

from pathlib import Path

import browsing
import pytest
from browsing import PHONE, Visit, Visiting, first_picture, grave_faults

if reason := browsing.missing():
    pytest.skip(reason, allow_module_level=True)

from playwright.sync_api import expect

expect.set_options(timeout=browsing.PATIENCE)


def numerals(visit: Visit) -> list[str]:
    return visit.page.locator("#reference .numeral").all_inner_texts()


def test_a_second_picture_is_added_and_lends_its_colour(visit: Visit, drawn: Path) -> None:
    visit.go().upload(first_picture(drawn, "dress"))
    assert numerals(visit) == []
    with visit.page.expect_file_chooser() as chooser:
        visit.page.get_by_role("button", name="Add another picture").click()
    chooser.value.set_files(first_picture(drawn, "shirt"))
    expect(visit.page.locator("#reference .numeral")).to_have_count(2)
    visit.settled()
    assert (numerals(visit), len(visit.steps)) == (["1", "2"], 2)
    expect(visit.page.locator("#words-label")).to_have_text("What from which picture?")
    offer = visit.page.locator("#suggestions .chip").first
    expect(offer).to_have_text("the shape of picture 1 in the colour of picture 2")
    offer.click()
    expect(visit.page.locator("#lent")).to_contain_text("(picture 2)")
    visit.settled()
    assert visit.page.locator("#lent").inner_text().startswith("Taken from the pictures: in ")
    expect(visit.page.get_by_role("button", name="Why these?")).to_have_count(0)
    shown = visit.shown
    visit.page.reload()
    visit.settled()
    assert (visit.shown, numerals(visit)) == (shown, ["1", "2"])
    visit.page.go_back()
    expect(visit.page.locator("#lent")).to_be_empty()
    expect(visit.page.locator("#reference .numeral")).to_have_count(2)
    visit.page.go_back()
    expect(visit.page.locator("#reference .numeral")).to_have_count(0)
    expect(visit.page.locator("#reference canvas")).to_be_visible()


def test_a_picture_of_the_gallery_is_added_and_a_later_wish_goes_on(visit: Visit) -> None:
    visit.go().page.locator(".tile .look").first.click()
    expect(visit.page.get_by_role("button", name="Take this one, too")).to_have_count(0)
    visit.page.keyboard.press("Escape")
    visit.pick(0)
    visit.page.locator(".tile .look").nth(3).click()
    visit.page.get_by_role("button", name="Take this one, too").click()
    expect(visit.page.locator("#reference .numeral")).to_have_count(2)
    visit.settled().say("the shape of 2 in the colour of 1")
    expect(visit.page.locator("#lent")).to_contain_text("(picture 1)")
    visit.say("with stripes")
    expect(visit.page.locator("#lent")).to_contain_text("(picture 1)")
    assert visit.steps[-1] == "“with stripes”"


def test_on_a_phone_in_chinese(visiting: Visiting, drawn: Path) -> None:
    visit = visiting(**PHONE, locale="zh-CN").go().upload(first_picture(drawn, "dress"))
    visit.page.locator(".change").tap()
    with visit.page.expect_file_chooser() as chooser:
        visit.page.get_by_role("button", name="再加一张图片").tap()
    chooser.value.set_files(first_picture(drawn, "shirt"))
    expect(visit.page.locator("#reference .numeral")).to_have_count(2)
    visit.settled()
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    assert width == PHONE["viewport"]["width"]  # type: ignore[index]
    assert grave_faults(visit) == []
    visit.say("图1的款式，图2的颜色")
    expect(visit.page.locator("#lent")).to_contain_text("（图 2）")
    assert grave_faults(visit) == []


def test_a_picture_of_two_counts_more(visit: Visit, drawn: Path) -> None:
    """By hand and by keys, kept in the address, undone by Back, and of no use once words say what
    is taken from which picture."""
    visit.go().upload(first_picture(drawn, "dress"))
    times = visit.page.locator("#trail .times")
    expect(times).to_have_count(0)
    with visit.page.expect_file_chooser() as chooser:
        visit.page.get_by_role("button", name="Add another picture").click()
    chooser.value.set_files(first_picture(drawn, "shirt"))
    expect(times).to_have_text(["×1", "×1"])
    shown = visit.settled().shown
    first = visit.page.get_by_role("button", name="×1: how much picture 1 counts beside the others")
    first.click()
    expect(times).to_have_text(["×2", "×1"])
    visit.page.keyboard.press("Enter")
    expect(times).to_have_text(["×4", "×1"])
    leaning = visit.settled().shown
    assert leaning != shown
    assert grave_faults(visit) == []
    visit.page.reload()
    visit.settled()
    assert visit.shown == leaning
    expect(times).to_have_text(["×4", "×1"])
    visit.page.go_back()
    expect(times).to_have_text(["×1", "×1"])
    assert visit.settled().shown == shown
    visit.say("the shape of 1 in the colour of 2")
    expect(visit.page.locator("#lent")).to_contain_text("(picture 2)")
    expect(times.first).to_be_hidden()
