"""The page as people use it: in Chromium, against a real server on a drawn gallery."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import browsing
import pytest
from browsing import HOSTILE, PHONE, PICTURES, Visit, Visiting, first_picture, grave_faults

from samebut.index import where

if reason := browsing.missing():
    pytest.skip(reason, allow_module_level=True)

from playwright.sync_api import Route, expect

COMPOSED = "t=4%2Cin+blue"


# --- beginning ------------------------------------------------------------------------------


def test_start_page_is_the_gallery_in_order(visit: Visit) -> None:
    visit.go()
    assert visit.shown == sorted(visit.shown)
    expect(visit.page.locator("#count")).to_contain_text(str(PICTURES))
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("This one, but…")


def test_show_more_goes_on_without_repeating(visit: Visit) -> None:
    visit.go()
    before = visit.shown
    visit.page.get_by_role("button", name="Show more").click()
    expect(visit.page.locator(".tile")).to_have_count(2 * len(before))
    assert visit.shown[: len(before)] == before
    assert len(set(visit.shown)) == len(visit.shown)


def test_upload_and_compose(visit: Visit, drawn: Path) -> None:
    visit.go().upload(first_picture(drawn, "dress"))
    alone = visit.shown
    visit.say("in blue")
    assert visit.steps == ["“in blue”"]
    assert visit.shown != alone
    expect(visit.page.locator("#reference canvas")).to_be_visible()


def test_words_that_were_not_read_are_named_in_both_languages(visit: Visit) -> None:
    visit.go().say("in blue")
    unread = visit.page.locator("#unread")
    expect(unread).to_be_hidden()
    visit.say("with stripes, " * 30 + "zips")
    expect(unread).to_have_text(re.compile("^Too long to read whole. Not read: “.*zips”$"))
    visit.page.get_by_role("button", name="中文").click()
    expect(unread).to_have_text(re.compile("^这段话太长，后面没有读：“.*zips”$"))


def test_large_picture_is_scaled_down_before_it_is_sent(visit: Visit, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(3).integers(0, 255, (900, 1000, 3), dtype=np.uint8)
    large = tmp_path / "large.png"
    Image.fromarray(noise).save(large)
    visit.go()
    with visit.page.expect_request("**/api/v1/search") as sent:
        visit.upload(large)
    assert int(sent.value.header_value("content-length") or 0) < large.stat().st_size / 2


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_pictures_can_be_pasted_and_dropped(visit: Visit, event: str) -> None:
    visit.go()
    visit.page.evaluate(
        """async (kind) => {
            const canvas = new OffscreenCanvas(40, 60);
            canvas.getContext("2d").fillRect(0, 0, 40, 60);
            const transfer = new DataTransfer();
            const blob = await canvas.convertToBlob({ type: "image/png" });
            transfer.items.add(new File([blob], "own.png", { type: "image/png" }));
            const event = kind === "paste"
                ? new ClipboardEvent(kind, { clipboardData: transfer, bubbles: true })
                : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
            document.body.dispatchEvent(event);
        }""",
        event,
    )
    expect(visit.page.locator("#trail .step canvas")).to_be_visible()
    visit.settled()
    assert visit.shown


def test_suggestions_come_from_the_gallery_and_follow_the_typing(visit: Visit) -> None:
    visit.go().pick(0)
    chips = visit.page.locator("#suggestions .chip")
    chips.first.wait_for()
    visit.page.locator("#words").press_sequentially("sleeve")
    for text in chips.all_inner_texts():
        assert "sleeve" in text
    chosen = chips.first.inner_text()
    chips.first.click()
    visit.settled()
    assert visit.steps == [f"“{chosen}”"]


# --- the trail ------------------------------------------------------------------------------


def test_three_turns_and_back(visit: Visit) -> None:
    visit.go().pick(3).say("in blue")
    blue = visit.shown
    visit.say("with stripes")
    striped = visit.shown
    visit.say("shorter")
    assert visit.steps == ["“in blue”", "“with stripes”", "“shorter”"]
    visit.page.go_back()
    expect(visit.page.locator("#trail .step")).to_have_count(2)
    visit.settled()
    assert visit.shown == striped
    visit.page.get_by_role("button", name="Go back to step 1").click()
    visit.settled()
    assert visit.steps == ["“in blue”"]
    assert visit.shown == blue


def test_a_result_becomes_the_next_reference(visit: Visit) -> None:
    visit.go(COMPOSED).pick(2)
    assert len(visit.steps) == 2
    assert visit.fragment.startswith("t=4%2Cin+blue&t=")
    visit.say("in red")
    assert visit.steps == ["“in blue”", "“in red”"]


def test_edit_a_step(visit: Visit) -> None:
    visit.go(f"{COMPOSED}&t=%2Cwith+stripes")
    visit.page.get_by_role("button", name="Edit the words of step 1").click()
    field = visit.page.get_by_label("Words of step 1")
    field.press("Escape")
    assert visit.steps == ["“in blue”", "“with stripes”"]
    visit.page.get_by_role("button", name="Edit the words of step 1").click()
    field.fill("in red")
    field.press("Enter")
    visit.settled()
    assert visit.steps == ["“in red”", "“with stripes”"]
    red_then_striped = visit.shown
    assert visit.go("t=4%2Cin+red&t=%2Cwith+stripes").shown == red_then_striped


def test_removing_a_step_hands_its_picture_on(visit: Visit) -> None:
    visit.go(f"{COMPOSED}&t=%2Cwith+stripes")
    visit.page.get_by_role("button", name="Remove step 1").click()
    visit.settled()
    assert visit.fragment == "t=4%2Cwith+stripes"
    visit.page.get_by_role("button", name="Remove step 1").click()
    visit.settled()
    assert visit.fragment == ""
    assert visit.shown == sorted(visit.shown)


def test_start_over(visit: Visit) -> None:
    visit.go(COMPOSED)
    visit.page.get_by_role("button", name="Start over").click()
    visit.settled()
    assert visit.shown == sorted(visit.shown)


# --- links ----------------------------------------------------------------------------------


def test_a_link_brings_somebody_else_to_the_same_answers(visiting: Visiting) -> None:
    here = visiting(permissions=["clipboard-read", "clipboard-write"]).go()
    here.pick(5).say("换成红色").say("with a ‘pocket’, 50% & more")
    here.page.get_by_role("button", name="Copy link").click()
    expect(here.page.locator("#toast")).to_have_text("Link copied")
    link = here.page.evaluate("navigator.clipboard.readText()")
    there = visiting()
    there.page.goto(link)
    assert there.settled().shown == here.shown
    assert there.steps == here.steps


def test_a_link_does_not_hold_an_own_picture_and_says_so(visiting: Visiting, drawn: Path) -> None:
    here = visiting(permissions=["clipboard-read", "clipboard-write"]).go()
    here.upload(first_picture(drawn, "bag")).say("in red")
    here.page.get_by_role("button", name="Copy link").click()
    expect(here.page.locator("#notice")).to_contain_text("without your picture")
    there = visiting().go(here.fragment)
    expect(there.page.locator("#notice")).to_contain_text("does not travel with a link")
    expect(there.page.locator(".notice")).to_have_css("opacity", "1")
    expect(there.page.locator(".notice")).to_be_in_viewport()
    assert there.steps == ["“in red”"]


def test_addresses_that_make_no_sense_are_the_start_page(visit: Visit) -> None:
    visit.go("t=%2C&t=&w=9&w=x&f=%5B1%5D&f=nonsense&f=%7B%7D")
    assert visit.shown == sorted(visit.shown)


def test_filters_are_written_so_that_the_server_reads_what_was_meant(visit: Visit) -> None:
    filters = {
        'a "b"': ["it's", "x') or 1=1 --"],
        "颜色": ["红"],
        "and": ["null"],
        "constructor": ["x"],
    }
    visit.go()
    written, back = visit.with_modules().page.evaluate(
        """async (filters) => {
            const { fromHash, nothing, toHash, whereOf } = await import("/static/js/state.js");
            return [whereOf(filters), fromHash(toHash({ ...nothing(), filters })).filters];
        }""",
        filters,
    )
    assert back == filters
    meant = " and ".join(str(where.Among(name, tuple(v))) for name, v in filters.items())
    assert str(where.parse(written)) == str(where.parse(meant))


# --- filters and weight ---------------------------------------------------------------------


def test_filters(visit: Visit) -> None:
    visit.go("t=%2Cin+blue")
    visit.page.get_by_role("button", name="Kind").click()
    visit.page.get_by_role("checkbox", name=re.compile("^bag")).check()
    visit.settled()
    expect(visit.page.get_by_role("button", name="Kind: bag")).to_be_visible()
    bags = visit.page.locator(".tile .caption").all_inner_texts()
    assert bags and all(re.search("bag|backpack|satchel", title) for title in bags)
    visit.page.keyboard.press("Escape")
    visit.page.get_by_role("button", name="Clear filters").click()
    visit.settled()
    assert len(visit.shown) > len(bags)


def test_filters_that_leave_nothing_say_so(visit: Visit) -> None:
    visit.page.goto(f"{visit.address}/#f=%5B%22kind%22%2C%22submarine%22%5D")
    expect(visit.page.locator(".empty")).to_contain_text("No picture fits.")


def test_weight_leans_to_the_words_or_the_picture(visit: Visit) -> None:
    visit.go(COMPOSED)
    slider = visit.page.get_by_role("slider")
    orders = []
    for key, spoken in (("Home", "100 % towards the picture"), ("End", "100 % towards the words")):
        with visit.page.expect_response("**/api/v1/search"):
            slider.press(key)
        visit.settled()
        expect(slider).to_have_attribute("aria-valuetext", spoken)
        orders.append(visit.shown)
    assert orders[0] != orders[1]
    assert visit.fragment.endswith("w=1")


def test_weight_is_offered_only_where_words_meet_a_picture(visit: Visit) -> None:
    visit.go("t=%2Cin+blue")
    expect(visit.page.locator("#weight-row")).to_be_hidden()


# --- why, full size, code -------------------------------------------------------------------


def test_why_shows_the_regions_of_each_word_and_the_mix(visit: Visit) -> None:
    visit.go("t=4%2Cin+blue+with+stripes")
    visit.page.get_by_role("button", name="Why these?").click()
    dialog = visit.page.get_by_role("dialog")
    heat = dialog.locator(".heat").first
    heat.wait_for()
    words = dialog.get_by_role("group", name="Regions nearest to each word").get_by_role("button")
    assert words.first.inner_text() == "all words"
    assert words.count() >= 2
    words.last.click()
    expect(words.last).to_have_attribute("aria-pressed", "true")
    expect(heat).to_have_attribute("aria-label", re.compile("is nearest to the"))
    assert colours_in(heat) > 4
    shares = [int(share) for share in re.findall(r"(\d+)%", dialog.locator(".shares").inner_text())]
    assert sum(shares) in (100, 101)
    visit.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def colours_in(canvas: Any) -> int:
    counted: int = canvas.evaluate(
        """canvas => new Set(new Uint32Array(canvas.getContext("2d")
            .getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""
    )
    return counted


def test_why_of_an_own_picture(visit: Visit, drawn: Path) -> None:
    visit.go().upload(first_picture(drawn, "dress")).say("in blue").say("with dots")
    visit.page.get_by_role("button", name="Why these?").click()
    expect(visit.page.get_by_role("dialog")).to_contain_text("with dots")
    expect(visit.page.locator(".why .heat").first).to_be_visible()


def test_two_fusions_side_by_side(visit: Visit) -> None:
    visit.go("t=4%2Cin+blue")
    visit.page.get_by_role("button", name="Compare").click()
    dialog = visit.page.get_by_role("dialog")
    columns = dialog.get_by_role("region")
    expect(columns).to_have_count(2)
    headings = dialog.get_by_role("heading", level=3).all_inner_texts()
    assert [heading.split(":")[0] for heading in headings] == ["Combiner", "Sum"]
    marks = [column.locator(".shared").count() for column in columns.all()]
    assert marks[0] == marks[1]  # what one shares the other does too
    assert columns.first.get_by_role("button").count() == 8
    assert grave_faults(visit) == []
    columns.last.get_by_role("button").first.click()
    expect(dialog).to_be_hidden()
    visit.settled()
    assert len(visit.steps) == 2


def test_comparison_is_offered_only_where_there_is_something_to_fuse(visit: Visit) -> None:
    visit.go("t=%2Cin+blue")
    expect(visit.page.get_by_role("button", name="Copy link")).to_be_visible()
    expect(visit.page.get_by_role("button", name="Compare")).to_be_hidden()


def test_full_size_with_all_that_is_known(visit: Visit) -> None:
    visit.go()
    visit.page.locator(".tile").nth(2).hover()
    visit.page.locator(".tile .look").nth(2).click()
    dialog = visit.page.get_by_role("dialog")
    expect(dialog.get_by_role("img")).to_have_js_property("complete", True)
    assert dialog.locator("dt").all_inner_texts()[:2] == ["Kind", "Colour"]
    visit.page.keyboard.press("ArrowRight")
    dialog.get_by_role("button", name="Start over with it").click()
    visit.settled()
    assert len(visit.steps) == 1
    expect(visit.page.locator("#words")).to_be_focused()


def test_curl_as_shown_gives_the_answers_on_screen(visit: Visit) -> None:
    visit.go("t=4%2Cit's+%22blue%22%2C+%E8%93%9D%E8%89%B2&w=0.6")
    visit.page.get_by_role("button", name="As code").click()
    command = visit.page.locator(".code pre").inner_text()
    assert "null" not in visit.page.get_by_role("dialog").inner_text()
    done = subprocess.run(["bash", "-c", f"{command} --silent"], capture_output=True, timeout=20)
    assert [hit["id"] for hit in json.loads(done.stdout)["hits"]] == visit.shown
    visit.page.get_by_role("button", name="Python").click()
    compile(visit.page.locator(".code pre").inner_text(), "shown", "exec")


def test_code_for_an_own_picture_asks_for_its_file(visit: Visit, drawn: Path) -> None:
    visit.go().upload(first_picture(drawn, "hat")).say("in green")
    visit.page.get_by_role("button", name="As code").click()
    expect(visit.page.locator(".code pre")).to_contain_text("-F p0=@picture-1.jpg")
    visit.page.get_by_role("button", name="Python").click()
    compile(visit.page.locator(".code pre").inner_text(), "shown", "exec")


# --- who is looking -------------------------------------------------------------------------


def test_language_is_the_browsers_and_is_switched_in_place(visiting: Visiting) -> None:
    visit = visiting(locale="zh-CN").go(COMPOSED)
    expect(visit.page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(visit.page.locator("#results-heading")).to_have_text("搜索结果")
    before = visit.shown
    visit.page.get_by_role("button", name="English").click()
    expect(visit.page.locator("#results-heading")).to_have_text("Found")
    assert visit.shown == before
    assert visit.steps == ["“in blue”"]
    visit.page.reload()
    expect(visit.page.locator("#results-heading")).to_have_text("Found")


def test_errors_are_in_the_language_of_the_page(visiting: Visiting) -> None:
    visit = visiting(locale="zh-CN")
    visit.may_fail = True
    visit.page.goto(f"{visit.address}/#t=999999%2C%E8%93%9D%E8%89%B2")
    expect(visit.page.get_by_role("alert")).to_contain_text(re.compile("[\u4e00-\u9fff]{4}"))


def test_dark_by_the_system_and_by_choice(visiting: Visiting) -> None:
    visit = visiting(color_scheme="dark").go()
    assert brightness(visit) < 40
    visit.page.get_by_role("button", name="Light or dark").click()
    assert brightness(visit) > 220
    visit.page.reload()
    assert brightness(visit) > 220


def brightness(visit: Visit) -> float:
    colour = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [int(channel) for channel in re.findall(r"\d+", colour)[:3]]
    return sum(channels) / 3


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_phone(visiting: Visiting, locale: str) -> None:
    visit = visiting(**PHONE, locale=locale).go()
    visit.page.locator(".tile .pick").first.tap()
    visit.settled()
    visit.say("in blue").say("with a long sentence about stripes and buttons and a belt")
    visit.page.locator(".tile .look").first.tap()
    expect(visit.page.get_by_role("dialog")).to_be_in_viewport()
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["viewport"]["width"]


def test_a_tall_picture_alone_in_its_row_fills_it_on_a_phone(visiting: Visiting) -> None:
    visit = visiting(**PHONE).go()
    tiles = visit.page.locator(".tile")
    for place, ratio in enumerate((0.6, 1.9, 0.7, 0.8)):
        tiles.nth(place).evaluate(
            "(tile, ratio) => tile.style.setProperty('--ratio', ratio)", ratio
        )
    row = visit.page.locator(".grid").evaluate("grid => grid.clientWidth")
    boxes = [tiles.nth(place).locator(".look").bounding_box() for place in range(4)]
    alone, _, left, right = [box for box in boxes if box]
    assert alone["width"] == pytest.approx(row, abs=1)
    assert alone["height"] < row
    assert left["y"] == right["y"] and left["height"] == pytest.approx(right["height"], abs=1)
    assert left["width"] + right["width"] == pytest.approx(row, abs=12)


def test_narrowest_and_zoomed(visiting: Visiting) -> None:
    visit = visiting(viewport={"width": 320, "height": 560}).go(f"{COMPOSED}&t=%2Cwith+stripes")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_keyboard_alone(visit: Visit) -> None:
    visit.go()
    press = visit.page.keyboard.press
    press("Tab")
    expect(visit.page.get_by_text("Skip to the pictures")).to_be_focused()
    press("Enter")
    press("Tab")
    expect(visit.page.locator(".tile .look").first).to_be_focused()
    press("ArrowRight")
    press("ArrowDown")
    press("ArrowUp")
    press("ArrowLeft")
    press("End")
    press("Home")
    expect(visit.page.locator(".tile .look").first).to_be_focused()
    press("Tab")
    expect(visit.page.locator(".tile .pick").first).to_be_focused()
    press("Enter")
    visit.settled()
    expect(visit.page.locator("#words")).to_be_focused()
    visit.page.keyboard.type("in blue")
    press("Enter")
    visit.settled()
    assert visit.steps == ["“in blue”"]
    visit.page.get_by_role("button", name="Why these?").focus()
    press("Enter")
    expect(visit.page.get_by_role("dialog")).to_be_visible()
    press("Escape")
    expect(visit.page.get_by_role("button", name="Why these?")).to_be_focused()
    press("/")
    expect(visit.page.locator("#words")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_grave_accessibility_fault(visiting: Visiting, scheme: str) -> None:
    visit = visiting(color_scheme=scheme, reduced_motion="reduce").go()
    assert grave_faults(visit) == []
    visit.go(f"{COMPOSED}&t=%2Cwith+stripes")
    assert grave_faults(visit) == []
    visit.page.get_by_role("button", name="Why these?").click()
    visit.page.locator(".heat").first.wait_for()
    assert grave_faults(visit) == []
    visit.page.keyboard.press("Escape")
    visit.page.get_by_role("button", name="As code").click()
    assert grave_faults(visit) == []
    visit.page.keyboard.press("Escape")
    visit.page.locator(".tile .look").first.click(force=True)
    assert grave_faults(visit) == []


# --- when things go wrong -------------------------------------------------------------------


def test_a_server_that_is_gone_and_comes_back(visit: Visit) -> None:
    visit.may_fail = True
    visit.go()
    visit.page.route("**/api/v1/search", lambda route: route.abort())
    visit.page.locator(".tile .pick").first.click()
    expect(visit.page.get_by_role("alert")).to_contain_text("can't be reached")
    visit.page.unroute("**/api/v1/search")
    visit.page.get_by_role("button", name="Try again").click()
    visit.settled()
    expect(visit.page.get_by_role("alert")).to_be_hidden()


def test_a_busy_server_is_asked_again_by_itself(visit: Visit) -> None:
    visit.may_fail = True
    asked: list[str] = []

    def busy_once(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) > 1:
            route.continue_()
        else:
            route.fulfill(status=503, headers={"Retry-After": "0.05"}, body="{}")

    visit.go()
    visit.page.route("**/api/v1/search", busy_once)
    visit.pick(0)
    assert len(asked) == 2


def test_an_answer_that_comes_too_late_is_not_shown(visit: Visit) -> None:
    """Two searches at once: the page shows the answer to the later one."""
    visit.go()
    expected = visit.go("t=%2Cred+shoe").shown
    visit.go()
    held: list[Route] = []
    visit.page.route("**/api/v1/search", lambda route: held.append(route))
    visit.page.fill("#words", "blue dress")
    visit.page.press("#words", "Enter")
    visit.page.wait_for_function("document.querySelectorAll('#trail .step').length === 1")
    visit.page.unroute("**/api/v1/search")
    visit.page.get_by_role("button", name="Edit the words of step 1").click()
    visit.page.get_by_label("Words of step 1").fill("red shoe")
    visit.page.get_by_label("Words of step 1").press("Enter")
    visit.settled()
    assert visit.shown == expected


@pytest.mark.parametrize("unsure", [True, False])
def test_answers_that_may_not_be_meant_are_called_so(visiting: Visiting, unsure: bool) -> None:
    visit = visiting()

    def sure(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "unsure": unsure, "holds": []})

    visit.page.route("**/api/v1/search", sure)
    visit.go("t=%2Czworblax")
    said = "None of these may be what you mean. Try other words." if unsure else ""
    expect(visit.page.locator("#unsure")).to_have_text(said)


def test_titles_are_never_markup(visit: Visit) -> None:
    visit.go()
    assert visit.page.locator(".tile .caption").first.inner_text() == HOSTILE
    visit.page.locator(".tile").first.hover()
    visit.page.locator(".tile .look").first.click()
    expect(visit.page.locator("#viewer-title")).to_have_text(HOSTILE)
    assert visit.page.locator("#grid script, #viewer script, img[src=x]").count() == 0


def test_policy_allows_nothing_inline_and_nobody_else(visit: Visit) -> None:
    answer = visit.page.goto(visit.address)
    assert answer is not None
    policy = answer.header_value("content-security-policy") or ""
    assert "unsafe" not in policy
    assert "http" not in policy
