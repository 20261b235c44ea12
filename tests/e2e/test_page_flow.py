"""The flow of the page on a phone: nothing is lost, Back undoes a step, words travel alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import browsing
import pytest
from browsing import PHONE, Visit, Visiting, first_picture, grave_faults

if reason := browsing.missing():
    pytest.skip(reason, allow_module_level=True)

from PIL import Image
from playwright.sync_api import Request, Route, expect

COMPOSED = "t=4%2Cin+blue"
NARROW = {**PHONE, "viewport": {"width": 320, "height": 568}}
LYING = {**PHONE, "viewport": {"width": 844, "height": 390}}
FINGER = 44  # CSS pixels
BROKEN: list[dict[str, Any]] = [
    {"name": "list.txt", "mimeType": "text/plain", "buffer": b"milk, bread"},
    {"name": "cut.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff\xe0\0\x10JFIF"},
    {"name": "IMG_1.HEIC", "mimeType": "", "buffer": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"},
]
PROBLEM = {"detail": "No.", "hint": "", "code": "query_unclear", "status": 400}


def alert(visit: Visit) -> Any:
    return visit.page.get_by_role("alert")


def scrolled(visit: Visit) -> float:
    found: float = visit.page.evaluate("window.scrollY")
    return found


# --- nothing is lost ------------------------------------------------------------------------


def test_a_file_that_is_no_picture_changes_nothing(visiting: Visiting) -> None:
    visit = visiting(locale="zh-CN")
    visit.may_fail = True
    visit.go(COMPOSED)
    before = visit.shown, visit.steps, visit.fragment
    for file in BROKEN:
        visit.page.set_input_files("#file", file)
        expect(alert(visit)).to_contain_text("图片")
        assert alert(visit).locator("button.secondary").count() == 0, "trying again can't help"
        assert (visit.shown, visit.steps, visit.fragment) == before
        alert(visit).get_by_role("button", name="关闭").click()
    visit.say("with stripes")
    expect(alert(visit)).to_be_hidden()
    assert visit.steps == ["“in blue”", "“with stripes”"]


def drop(visit: Visit, *kinds: str) -> None:
    visit.page.evaluate(
        """async (kinds) => {
            const canvas = new OffscreenCanvas(40, 60);
            canvas.getContext("2d").fillRect(0, 0, 40, 60);
            const blob = await canvas.convertToBlob({ type: "image/png" });
            const dataTransfer = new DataTransfer();
            for (const type of kinds) dataTransfer.items.add(new File([blob], "own", { type }));
            const how = { dataTransfer, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new DragEvent("drop", how));
        }""",
        kinds,
    )


def test_dropping_what_is_no_picture_or_several_is_not_passed_over(visit: Visit) -> None:
    visit.go(COMPOSED)
    before = visit.shown, visit.steps
    drop(visit, "text/plain")
    expect(alert(visit)).to_contain_text("not a picture")
    assert (visit.shown, visit.steps) == before
    drop(visit, "image/png", "image/png")
    expect(visit.page.locator("#toast")).to_contain_text("the first of 2")
    expect(visit.page.locator("#reference canvas")).to_be_visible()
    visit.settled()


def test_words_that_are_refused_come_back_into_the_field(visit: Visit) -> None:
    visit.may_fail = True
    visit.go(COMPOSED)
    before = visit.shown
    visit.page.route("**/api/v1/search", lambda route: route.fulfill(status=400, json=PROBLEM))
    visit.page.fill("#words", "nonsense")
    visit.page.press("#words", "Enter")
    expect(alert(visit)).to_contain_text("No.")
    expect(visit.page.locator("#trail .step")).to_have_count(1)
    expect(visit.page.locator("#words")).to_have_value("nonsense")
    assert visit.shown == before
    assert visit.fragment == COMPOSED
    visit.page.unroute("**/api/v1/search")
    visit.say("with stripes")
    assert visit.steps == ["“in blue”", "“with stripes”"]


def test_a_link_that_is_refused_leads_to_the_gallery(visit: Visit) -> None:
    visit.may_fail = True
    visit.page.goto(f"{visit.address}/#t=999999%2Cin+blue")
    expect(alert(visit)).to_contain_text("999999")
    assert visit.settled().shown == sorted(visit.shown)
    visit.say("in red")
    assert visit.steps == ["“in red”"]


def test_more_is_shown_after_a_search_that_failed(visit: Visit) -> None:
    visit.may_fail = True
    visit.go()
    visit.page.route("**/api/v1/search", lambda route: route.abort())
    visit.page.locator(".tile .pick").first.click()
    expect(alert(visit)).to_contain_text("can't be reached")
    before = visit.shown
    assert before, "what was found before is shown still"
    visit.page.get_by_role("button", name="Show more").click()
    expect(visit.page.locator(".tile")).to_have_count(2 * len(before))
    visit.page.unroute("**/api/v1/search")
    visit.page.get_by_role("button", name="Try again").click()
    expect(visit.page.locator("#results-heading")).to_have_text("Found")


def test_an_error_is_seen_from_far_down_the_page(visiting: Visiting) -> None:
    for screen in (browsing.DESK, PHONE):
        visit = visiting(**screen)
        visit.may_fail = True
        visit.go()
        visit.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        visit.page.route("**/api/v1/browse*", lambda route: route.abort())
        visit.page.get_by_role("button", name="Show more").click()
        expect(alert(visit)).to_be_in_viewport(ratio=1)
        assert scrolled(visit) > 500
        visit.page.unroute("**/api/v1/browse*")
        visit.page.get_by_role("button", name="Try again").click()
        expect(visit.page.locator(".tile")).to_have_count(60)
        expect(alert(visit)).to_be_hidden()


def test_the_eleventh_wish_is_heard(visit: Visit) -> None:
    ten = "&".join(["t=4%2Cin+blue", *(f"t=%2Cwish+{n}" for n in range(2, 11))])
    visit.go(ten)
    assert len(visit.steps) == 10
    visit.say("with stripes")
    assert len(visit.steps) == 10
    assert visit.steps[0] == "“in blue, wish 2”"
    assert visit.steps[-1] == "“with stripes”"
    expect(visit.page.locator("#toast")).to_contain_text("10 steps")
    expect(alert(visit)).to_be_hidden()
    assert visit.shown
    visit.page.go_back()
    expect(visit.page.locator("#trail .said").first).to_have_text("“in blue”")


def test_a_long_talk_is_folded_from_its_beginning(visit: Visit) -> None:
    visit.go()
    folded = visit.with_modules().page.evaluate(
        """async () => {
            const { fitted, nothing } = await import("/static/js/state.js");
            const turn = (picture, text) => ({ picture, upload: null, text });
            const fold = (turns, most) => {
                const [state, done] = fitted({ ...nothing(), turns }, most);
                return [state.turns.map(({ picture, text }) => [picture, text]), done];
            };
            return [
                fold([turn(1, "a"), turn(null, "b")], 2),
                fold([turn(1, "a"), turn(null, "b"), turn(null, "c")], 1),
                fold([turn(1, "a"), turn(2, "b"), turn(null, "c")], 2),
                fold([turn(1, "a".repeat(199)), turn(null, "b")], 1),
            ];
        }"""
    )
    assert folded == [
        [[[1, "a"], [None, "b"]], None],
        [[[1, "a, b, c"]], "steps.folded"],
        [[[2, "b"], [None, "c"]], "steps.dropped"],
        [[[1, "b"]], "steps.dropped"],
    ]


# --- the way back ---------------------------------------------------------------------------


def test_back_undoes_a_filter(visit: Visit) -> None:
    visit.go("t=%2Cin+blue")
    before = visit.shown
    visit.page.get_by_role("button", name="Kind").click()
    visit.page.get_by_role("checkbox", name=re.compile("^bag")).check()
    visit.settled()
    visit.page.keyboard.press("Escape")
    assert visit.shown != before
    visit.page.go_back()
    expect(visit.page.get_by_role("button", name=re.compile("^Kind$"))).to_be_visible()
    visit.settled()
    assert visit.shown == before


def test_moves_of_the_slider_are_one_step_back(visit: Visit) -> None:
    visit.go().pick(3).say("in blue")
    before = visit.shown
    slider = visit.page.get_by_role("slider")
    for key in ("End", "Home"):
        with visit.page.expect_response("**/api/v1/search"):
            slider.press(key)
        visit.settled()
    visit.page.go_back()
    expect(slider).to_have_value("0.5")
    assert visit.settled().shown == before


def test_back_closes_the_viewer_and_leaves_the_search_alone(visit: Visit) -> None:
    visit.go().pick(3).say("in blue")
    before = visit.shown, visit.steps
    visit.page.locator(".tile .look").nth(2).click()
    dialog = visit.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    visit.page.go_back()
    expect(dialog).to_be_hidden()
    assert (visit.shown, visit.steps) == before
    visit.page.go_forward()
    expect(dialog).to_be_visible()
    visit.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    visit.page.go_back()
    expect(visit.page.locator("#trail .step")).to_have_count(1)
    assert visit.steps == ["like this"]


def test_back_closes_every_dialog(visit: Visit) -> None:
    visit.go(COMPOSED)
    for name in ("Why these?", "As code", "Compare"):
        visit.page.get_by_role("button", name=name).click()
        expect(visit.page.get_by_role("dialog")).to_be_visible()
        visit.page.go_back()
        expect(visit.page.get_by_role("dialog")).to_be_hidden()
    assert visit.steps == ["“in blue”"]


def test_arrows_turn_the_pages_of_the_viewer_again_and_again(visit: Visit) -> None:
    visit.go()
    titles = visit.page.locator(".tile .caption").all_inner_texts()
    visit.page.locator(".tile .look").first.click()
    title = visit.page.locator("#viewer-title")
    for place in (1, 2, 3, 4):
        visit.page.keyboard.press("ArrowRight")
        expect(title).to_have_text(titles[place])
    for place in (3, 2, 1, 0):
        visit.page.keyboard.press("ArrowLeft")
        expect(title).to_have_text(titles[place])
    visit.page.get_by_role("button", name="Next picture").click()
    visit.page.keyboard.press("ArrowRight")
    expect(title).to_have_text(titles[2])


def drag_to_the_end(visit: Visit) -> None:
    swipe(visit, 0, -400)
    visit.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")


def test_from_the_viewer_on_and_back_to_the_place(visiting: Visiting) -> None:
    visit = visiting(**PHONE).go()
    drag_to_the_end(visit)
    expect(visit.page.locator(".tile")).to_have_count(60)
    visit.page.locator(".tile .look").nth(45).tap()
    place = scrolled(visit)
    assert place > 1500
    dialog = visit.page.get_by_role("dialog")
    dialog.get_by_role("button", name="This one, but…").tap()
    expect(visit.page.locator("#trail .step")).to_have_count(1)
    visit.settled()
    visit.page.go_back()
    expect(visit.page.locator(".tile")).to_have_count(60)
    expect(visit.page.locator("#trail .step")).to_have_count(0)
    assert scrolled(visit) == pytest.approx(place, abs=2)


def test_a_reload_keeps_the_place_and_the_number_of_answers(visit: Visit) -> None:
    visit.go()
    visit.page.get_by_role("button", name="Show more").click()
    expect(visit.page.locator(".tile")).to_have_count(60)
    before = visit.shown
    visit.page.evaluate("window.scrollTo(0, 1700)")
    visit.page.reload()
    expect(visit.page.locator(".tile")).to_have_count(60)
    assert visit.settled().shown == before
    assert scrolled(visit) == pytest.approx(1700, abs=2)


# --- on a phone -----------------------------------------------------------------------------


@pytest.mark.parametrize("screen", [PHONE, NARROW, LYING])
def test_answers_are_seen_after_enter(visiting: Visiting, screen: dict[str, Any]) -> None:
    visit = visiting(**screen).go()
    visit.page.locator(".tile .pick").first.tap()
    visit.settled()
    expect(visit.page.locator("#words")).to_be_focused()
    for text in ("in blue", "with stripes"):
        visit.say(text)
        expect(visit.page.locator("#words")).not_to_be_focused()
        expect(visit.page.locator("#words")).to_be_in_viewport()
        visit.page.wait_for_function(
            """() => {
                const { top } = document.querySelector(".tile").getBoundingClientRect();
                return top > 0 && top < 0.6 * innerHeight;
            }"""
        )


def test_what_is_said_stays_in_sight(visiting: Visiting) -> None:
    visit = visiting(**PHONE).go(COMPOSED)
    visit.page.evaluate("window.scrollTo(0, 900)")
    box = visit.page.locator("#words").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 20
    expect(visit.page.locator("#words")).to_be_in_viewport(ratio=1)


def test_a_tap_looks_and_but_goes_on(visiting: Visiting) -> None:
    visit = visiting(**PHONE).go()
    expect(visit.page.locator(".tile .pick").first).to_have_text("but…")
    visit.page.locator(".tile .look").nth(1).tap()
    expect(visit.page.get_by_role("dialog")).to_be_visible()
    expect(visit.page.locator("#trail .step")).to_have_count(0)
    title = visit.page.locator("#viewer-title").inner_text()
    swipe(visit, -150)
    expect(visit.page.locator("#viewer-title")).not_to_have_text(title)
    swipe(visit, 150)
    expect(visit.page.locator("#viewer-title")).to_have_text(title)


def swipe(visit: Visit, across: int, down: int = 5) -> None:
    """One finger, from the middle of the screen."""
    tools = visit.page.context.new_cdp_session(visit.page)
    places = [{"x": 200, "y": 500}], [{"x": 200 + across, "y": 500 + down}], []
    for kind, points in zip(("touchStart", "touchMove", "touchEnd"), places, strict=True):
        tools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    tools.detach()


def test_scrolling_shows_more_and_the_keyboard_reaches_the_end(visit: Visit) -> None:
    visit.go()
    button = visit.page.get_by_role("button", name="Show more")
    button.focus()
    visit.page.keyboard.press("Shift")
    visit.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    visit.page.wait_for_timeout(300)
    expect(visit.page.locator(".tile")).to_have_count(30)
    expect(button).to_be_in_viewport()
    visit.page.mouse.wheel(0, -50)
    expect(visit.page.locator(".tile")).to_have_count(60)
    for _ in range(8):
        visit.page.mouse.wheel(0, 3000)
        visit.page.wait_for_timeout(100)
    expect(visit.page.locator(".tile")).to_have_count(browsing.PICTURES)
    expect(button).to_be_hidden()


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_narrow_headers_do_not_collide(visiting: Visiting, locale: str) -> None:
    visit = visiting(**NARROW, locale=locale).go(f"{COMPOSED}&t=%2Cwith+stripes")
    right, left, lines = visit.page.evaluate(
        """() => {
            const home = [...document.querySelectorAll("#home, #home *")];
            const names = [...document.querySelectorAll("#languages button")];
            const lines = names.map((each) => {
                const text = document.createRange();
                text.selectNodeContents(each);
                return text.getClientRects().length;
            });
            return [
                Math.max(...home.map((each) => each.getBoundingClientRect().right)),
                document.querySelector("#languages").getBoundingClientRect().left,
                lines,
            ];
        }"""
    )
    assert right <= left
    assert lines == [1, 1]
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 320


def small_targets(visit: Visit, where: str) -> list[str]:
    found: list[str] = visit.page.locator(f"{where} :is(button, a, input)").evaluate_all(
        """(all, finger) => all
            .filter(each => each.checkVisibility() && !each.matches(".hidden, .skip"))
            .map(each => [each.outerHTML.slice(0, 90), each.getBoundingClientRect()])
            .filter(([, { width, height }]) => Math.min(width, height) < finger - 0.5)
            .map(([html, { width, height }]) => `${html} ${width} x ${height}`)""",
        FINGER,
    )
    return found


def test_a_finger_hits_what_it_is_meant_to(visiting: Visiting) -> None:
    visit = visiting(**NARROW).go()
    areas = (".top", ".ask", ".results .bar", "#grid", "#more")
    assert [each for where in areas for each in small_targets(visit, where)] == []
    visit.go(f"{COMPOSED}&t=%2Cwith+stripes")
    assert [each for where in areas for each in small_targets(visit, where)] == []
    visit.page.get_by_role("button", name="Edit the words of step 2").tap()
    assert small_targets(visit, "#trail") == []
    visit.page.locator(".tile .look").first.tap()
    assert small_targets(visit, "#viewer") == []


def test_few_stops_before_the_first_hit(visit: Visit) -> None:
    visit.go()
    visit.page.locator("#suggestions .chip").first.wait_for()
    visit.page.locator("#filters .pill").first.wait_for()
    stops = 0
    while not visit.page.evaluate("document.activeElement.matches('.tile *')"):
        visit.page.keyboard.press("Tab")
        stops += 1
        assert stops <= 11, "two languages, the theme and the field are four of them"
    visit.page.locator("#suggestions .chip").first.focus()
    visit.page.keyboard.press("ArrowRight")
    expect(visit.page.locator("#suggestions .chip").nth(1)).to_be_focused()
    visit.page.keyboard.press("Tab")
    expect(visit.page.locator("#filters .pill").first).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_grave_fault_on_a_phone(visiting: Visiting, scheme: str, drawn: Path) -> None:
    visit = visiting(**NARROW, color_scheme=scheme, reduced_motion="reduce", locale="zh-CN").go()
    assert grave_faults(visit) == []
    visit.upload(first_picture(drawn, "dress")).say("换成蓝色")
    assert grave_faults(visit) == []
    visit.page.locator(".change").tap()
    assert grave_faults(visit) == []
    visit.page.keyboard.press("Escape")
    visit.page.locator(".tile .look").first.tap()
    assert grave_faults(visit) == []


# --- the person's own picture ---------------------------------------------------------------


def test_a_reload_keeps_the_own_picture(visit: Visit, drawn: Path) -> None:
    visit.go().upload(first_picture(drawn, "dress")).say("in blue")
    before = visit.shown
    visit.page.reload()
    visit.settled()
    expect(visit.page.locator("#reference canvas")).to_be_visible()
    expect(visit.page.locator("#notice")).to_be_empty()
    assert visit.shown == before
    assert visit.steps == ["“in blue”"]


_KEPT_NAMES = """() => new Promise((resolve) => {
    indexedDB.open("samebut").onsuccess = ({ target: { result } }) => {
        if (result.objectStoreNames.length === 0) return result.close(), resolve([]);
        const store = result.transaction("pictures").objectStore("pictures");
        store.getAll().onsuccess = (each) =>
            (result.close(), resolve(each.target.result.map(({ name }) => name)));
    };
})"""


def test_own_pictures_are_forgotten_after_a_week(visit: Visit, drawn: Path) -> None:
    dress = first_picture(drawn, "dress")
    visit.page.clock.install(time="2026-01-01")
    visit.go().upload(dress)
    visit.page.wait_for_function(f"({_KEPT_NAMES})().then((names) => names.length === 1)")
    assert visit.page.evaluate(_KEPT_NAMES) == [dress.name]
    visit.page.clock.set_system_time("2026-01-10")
    visit.go()
    visit.page.wait_for_function(f"({_KEPT_NAMES})().then((names) => names.length === 0)")


def searches(visit: Visit) -> list[Request]:
    asked: list[Request] = []
    visit.page.on("request", lambda each: "/search" in each.url and asked.append(each))
    return asked


def body_of(request: Request) -> dict[str, Any]:
    assert request.post_data is not None
    body: dict[str, Any] = json.loads(request.post_data)
    return body


def test_the_own_picture_is_sent_once(visit: Visit, drawn: Path) -> None:
    asked = searches(visit.go())
    visit.upload(first_picture(drawn, "dress"))
    alone = visit.shown
    visit.say("in blue").say("with stripes")
    assert ["multipart" in (each.header_value("content-type") or "") for each in asked] == [
        True,
        False,
        False,
    ]
    turns = body_of(asked[-1])["turns"]
    assert [set(turn) for turn in turns] == [{"kept", "text"}, {"text"}]
    visit.page.get_by_role("button", name="Why these?").click()
    expect(visit.page.locator(".why .heat").first).to_be_visible()
    visit.page.keyboard.press("Escape")
    visit.page.get_by_role("button", name="As code").click()
    expect(visit.page.locator(".code pre")).to_contain_text("-F p0=@picture-1.jpg")
    assert visit.shown != alone


def test_a_server_that_forgot_the_picture_gets_it_again(visit: Visit, drawn: Path) -> None:
    visit.may_fail = True
    visit.go().upload(first_picture(drawn, "dress"))
    asked = searches(visit)

    def as_another_process(route: Route) -> None:
        if len(asked) > 1:
            route.continue_()
        else:
            turns = [turn | {"kept": "x" * 22} for turn in body_of(route.request)["turns"]]
            route.continue_(post_data=json.dumps(body_of(route.request) | {"turns": turns}))

    visit.page.route("**/api/v1/search", as_another_process)
    visit.say("in blue")
    assert len(asked) == 2
    expect(alert(visit)).to_be_hidden()
    by_id = visit.shown
    assert visit.go().upload(first_picture(drawn, "dress")).say("in blue").shown == by_id


_NOTE_SENT_SIZE = """
    const { fetch } = window;
    window.fetch = async (where, options) => {
        const file = options?.body instanceof FormData ? options.body.get("p0") : null;
        const picture = file && (await createImageBitmap(file));
        if (picture) window.sent = [picture.width, picture.height];
        return fetch(where, options);
    };
"""


def test_many_pixels_in_a_small_file_are_made_few(visit: Visit, tmp_path: Path) -> None:
    plain = tmp_path / "plain.png"
    Image.new("RGB", (6000, 4500), "teal").save(plain)
    assert plain.stat().st_size < 400_000
    visit.page.add_init_script(_NOTE_SENT_SIZE)
    visit.go().upload(plain)
    assert visit.page.evaluate("window.sent") == [1024, 768]


def test_a_camera_is_offered_and_the_picture_can_be_changed(visiting: Visiting) -> None:
    visit = visiting(**PHONE).go()
    with visit.page.expect_file_chooser() as asked:
        visit.page.get_by_role("button", name="Take one").tap()
    assert asked.value.element.get_attribute("capture") == "environment"
    visit.page.locator(".tile .pick").first.tap()
    visit.settled()
    visit.page.get_by_role("button", name="Start from another picture").tap()
    with visit.page.expect_file_chooser() as asked:
        visit.page.locator("#ways").get_by_role("button", name="Take one").tap()
    assert asked.value.element.get_attribute("capture") == "environment"
    expect(visit.page.locator("#ways")).to_be_hidden()


def test_a_phone_shares_a_link_without_the_picture(visiting: Visiting, drawn: Path) -> None:
    visit = visiting(**PHONE)
    visit.page.add_init_script(
        "navigator.share = (what) => { window.shared = what; return Promise.resolve(); }"
    )
    visit.go().upload(first_picture(drawn, "bag")).say("in red")
    visit.page.get_by_role("button", name="Share").tap()
    expect(visit.page.locator("#notice")).to_contain_text("without your picture")
    shared = visit.page.evaluate("window.shared")
    assert set(shared) == {"title", "url"}
    assert len(shared["url"]) < 200


# --- long use -------------------------------------------------------------------------------


def test_searching_on_and_on_does_not_fill_the_tab(visit: Visit) -> None:
    from growth import measured, search_on

    visit.go(COMPOSED)
    search_on(visit, 25)
    before = measured(visit)
    search_on(visit, 25)
    after = measured(visit)
    assert after["nodes"] <= 1.1 * before["nodes"]
    assert after["listeners"] <= 1.1 * before["listeners"]
    assert after["addresses"] == 0, "of blobs, which the page would have to give back"
