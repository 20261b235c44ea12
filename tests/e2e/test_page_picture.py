"""What is seen in a picture, the part that is meant, why an answer is one, and copies."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browsing
import pytest
from browsing import PHONE, Visit, Visiting
from PIL import Image

from samebut.gallery import Gallery

if reason := browsing.missing():
    pytest.skip(reason, allow_module_level=True)

from playwright.sync_api import Locator, Request, expect
from test_page import grave_faults

expect.set_options(timeout=browsing.PATIENCE)

FINGER = 44  # CSS pixels
COMPOSED = "t=4%2Cin+blue"


def first_picture(drawn: Path, kind: str) -> Path:
    return min(drawn.glob(f"*{kind}.jpg"))


@pytest.fixture(scope="module")
def beside(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wide photo: a dress at the left, a shoe at the right."""
    both = Image.new("RGB", (900, 450), "white")
    for place, kind in enumerate(("dress", "shoe")):
        with Image.open(first_picture(drawn, kind)) as picture:
            both.paste(picture.convert("RGB").resize((380, 450)), (520 * place, 0))
    file = tmp_path_factory.mktemp("own") / "beside.png"
    both.save(file)
    return file


@pytest.fixture(scope="module")
def twins(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gallery of twelve pictures, half of which are there three times."""
    root = tmp_path_factory.mktemp("twins")
    (root / "photos").mkdir()
    for number, file in enumerate(sorted(drawn.glob("*.jpg"))[::8][:12]):
        shutil.copy(file, root / "photos")
        if number % 2:
            continue
        shutil.copy(file, root / "photos" / f"{file.stem} copy.jpg")
        with Image.open(file) as picture:
            picture.save(root / "photos" / f"{file.stem} again.jpg", quality=92)
    gallery, _ = Gallery.build(root / "photos", store=root / "store")
    gallery.close()
    with browsing.serving(root / "photos", root / "store") as address:
        yield address


def chips(visit: Visit, label: str) -> Locator:
    return visit.page.get_by_role("group", name=label, exact=True).get_by_role("button")


def kinds_shown(visit: Visit, drawn: Path) -> set[str]:
    titles = visit.page.locator(".tile .caption").all_inner_texts()[:5]
    return {kind for title in titles for kind in ("dress", "shoe", "watch") if kind in title}


# --- what is it? ----------------------------------------------------------------------------


def test_a_guess_is_kept_by_a_tap_in_every_wish_and_taken_back(visit: Visit, drawn: Path) -> None:
    visit.go().upload(first_picture(drawn, "dress"))
    kind = chips(visit, "Kind")
    expect(kind).to_have_count(3)
    assert kind.first.inner_text() == "dress"
    kind.first.click()
    visit.settled()
    expect(kind.first).to_have_attribute("aria-pressed", "true")
    assert visit.steps == ["“as a dress”"]
    with visit.page.expect_request("**/api/v1/search") as sent:
        visit.say("in red")
    (turn,) = sent.value.post_data_json["turns"]
    assert (turn["called"], turn["text"]) == ("as a dress", "in red")
    assert kinds_shown(visit, drawn) == {"dress"}
    again = visit.fragment
    kind.first.click()
    visit.settled()
    expect(kind.first).to_have_attribute("aria-pressed", "false")
    assert "called" not in json.dumps(visit.fragment)
    visit.page.go_back()
    visit.settled()
    assert visit.fragment == again
    expect(kind.first).to_have_attribute("aria-pressed", "true")


def test_a_guess_is_corrected_to_another_value_in_both_languages(
    visiting: Visiting, drawn: Path
) -> None:
    visit = visiting(locale="zh-CN").go()
    visit.upload(first_picture(drawn, "dress"))
    kind = visit.page.get_by_role("group", name="种类", exact=True)
    expect(kind.get_by_role("button").first).to_have_text("连衣裙")
    kind.get_by_label("其他种类").select_option(label="手表")
    visit.settled()
    expect(kind.get_by_role("button", name="手表")).to_have_attribute("aria-pressed", "true")
    assert visit.steps == ["“手表”"]
    visit.page.get_by_role("button", name="English").click()
    expect(chips(visit, "Kind").first).to_have_text("watch")
    expect(chips(visit, "Kind").first).to_have_attribute("aria-pressed", "true")
    assert "watch" in kinds_shown(visit, drawn)


def test_an_upload_is_looked_at_without_being_sent_again(visit: Visit, drawn: Path) -> None:
    asked: list[Request] = []
    visit.page.on("request", lambda request: asked.append(request))
    visit.go().upload(first_picture(drawn, "shoe"))
    expect(chips(visit, "Kind").first).to_have_text("shoe")
    looks = [request for request in asked if request.url.endswith("/look")]
    assert [request.post_data_json["turns"][0].keys() for request in looks] == [{"kept"}]
    visit.page.reload()
    visit.settled()
    expect(chips(visit, "Kind").first).to_have_text("shoe")


# --- the part that is meant -----------------------------------------------------------------


def test_a_part_is_drawn_with_the_mouse(visit: Visit, beside: Path) -> None:
    visit.go().upload(beside)
    whole = visit.shown
    visit.page.get_by_role("button", name="Only a part of it").click()
    drag(visit, (0.98, 0.04), (0.6, 0.96))
    visit.page.get_by_role("button", name="Search with this part").click()
    visit.settled()
    assert visit.shown != whole
    expect(chips(visit, "Kind").first).to_have_text("shoe")
    assert re.search("%7E600-40-980-960", visit.fragment)
    visit.say("in red")
    visit.page.get_by_role("button", name="Another part").click()
    visit.page.get_by_role("button", name="Use the whole picture").click()
    visit.settled()
    assert "%7E" not in visit.fragment


def drag(visit: Visit, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From a place of the picture in the box dialog to another, as shares of it."""
    area = visit.page.locator(".area").bounding_box()
    assert area is not None
    mouse = visit.page.mouse
    mouse.move(area["x"] + start[0] * area["width"], area["y"] + start[1] * area["height"])
    mouse.down()
    mouse.move(area["x"] + end[0] * area["width"], area["y"] + end[1] * area["height"], steps=4)
    mouse.up()


def box_of(visit: Visit) -> list[float]:
    label = visit.page.locator(".frame").get_attribute("aria-label") or ""
    left, right, top, bottom = (int(number) / 100 for number in re.findall(r"(\d+)%", label))
    return [left, top, right, bottom]


def test_a_part_is_chosen_with_the_keys_alone(visit: Visit, beside: Path) -> None:
    visit.go().upload(beside)
    visit.page.get_by_role("button", name="Only a part of it").press("Enter")
    frame = visit.page.locator(".frame")
    expect(frame).to_be_focused()
    before = box_of(visit)
    frame.press("ArrowLeft")
    left, _, right, _ = box_of(visit)
    assert (left, right) == pytest.approx((before[0] - 0.02, before[2] - 0.02), abs=0.011)
    corner = visit.page.get_by_role("button", name="Bottom right corner")
    for _ in range(40):
        corner.press("ArrowLeft")
    assert box_of(visit)[2] - left == pytest.approx(0.06, abs=0.011)  # no smaller
    assert grave_faults(visit) == []
    visit.page.keyboard.press("Escape")
    expect(visit.page.get_by_role("dialog")).to_be_hidden()


def test_two_fingers_are_two_corners(visiting: Visiting, beside: Path) -> None:
    visit = visiting(**PHONE).go()
    visit.upload(beside)
    visit.page.get_by_role("button", name="Only a part of it").tap()
    visit.page.locator(".frame").wait_for()
    visit.page.evaluate(
        """() => {
            const area = document.querySelector(".area");
            const { left, top, width, height } = area.getBoundingClientRect();
            area.setPointerCapture = () => null; // pointers of a script can't be captured
            const send = (type, pointerId, x, y) => {
                const [clientX, clientY] = [left + x * width, top + y * height];
                const made = { pointerId, pointerType: "touch", bubbles: true, clientX, clientY };
                const there = document.elementFromPoint(clientX, clientY);
                there.dispatchEvent(new PointerEvent(type, made));
            };
            send("pointerdown", 1, 0.4, 0.5);
            send("pointerdown", 2, 0.5, 0.6);
            send("pointermove", 1, 0.1, 0.2);
            send("pointermove", 2, 0.9, 0.8);
            send("pointerup", 1, 0.1, 0.2);
            send("pointerup", 2, 0.9, 0.8);
        }"""
    )
    assert box_of(visit) == pytest.approx([0.1, 0.2, 0.9, 0.8], abs=0.011)


# --- when it is not sure --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locale", "remark"),
    [
        ("en-US", r"None of these may be what you mean\. Here are mostly .*\. Try other words\."),
        ("zh-CN", "这些可能都不是你要找的。 这里主要有.*。 换个说法试试。"),
    ],
)
def test_one_line_says_that_it_is_not_sure_and_what_there_is(
    visiting: Visiting, locale: str, remark: str
) -> None:
    visit = visiting(locale=locale).go("t=%2Czworblax")
    expect(visit.page.locator("#unsure")).to_have_text(re.compile(f"^{remark}$"))
    visit.go("t=%2Ca+dress")
    expect(visit.page.locator("#unsure")).to_have_text("")


# --- why ------------------------------------------------------------------------------------


def test_tiles_and_viewer_say_what_an_answer_has_of_the_wish(visit: Visit, drawn: Path) -> None:
    visit.go().upload(first_picture(drawn, "dress")).say("in blue, not striped")
    lines = visit.page.locator(".tile .reason-line")
    expect(lines.first).to_contain_text("blue")
    visit.page.locator(".tile .look").first.click()
    why = visit.page.get_by_role("region", name="What it has of what you asked")
    expect(why.get_by_role("listitem")).to_have_count(2)
    expect(why).to_contain_text("It is as asked: blue")
    expect(why.locator("canvas")).to_be_visible()
    assert grave_faults(visit) == []
    why.get_by_role("button", name="Where in the picture?").click()
    visit.page.locator(".why .heat").first.wait_for()
    expect(visit.page.locator(".why[open]")).to_contain_text("Answer 1")
    assert grave_faults(visit) == []


def test_maps_lie_on_the_pictures_of_reference_and_answer(visit: Visit, beside: Path) -> None:
    visit.go().upload(beside).say("in blue")
    visit.page.get_by_role("button", name="Why these?").click()
    expect(visit.page.locator(".why .heat")).to_have_count(2)
    visit.page.wait_for_function(
        "[...document.querySelectorAll('.why .over img')].every(each => each.naturalWidth > 0)"
    )
    ratios = [laid_over(stage) for stage in visit.page.locator(".why .over").all()]
    assert ratios[0] == pytest.approx(2, abs=0.05)  # the photo is twice as wide as high
    hit = visit.page.evaluate("fetch('api/v1/browse?k=1').then(answer => answer.json())")["hits"][0]
    assert ratios[1] == pytest.approx(hit["width"] / hit["height"], abs=0.05)


def laid_over(stage: Locator) -> float:
    """Width to height of a picture, which must be its own, with the map exactly over it."""
    found: dict[str, Any] = stage.evaluate(
        """stage => {
            const place = each => {
                const { x, y, width, height } = each.getBoundingClientRect();
                return [x, y, width, height].map(Math.round);
            };
            const picture = stage.querySelector("img, canvas:not(.heat)");
            const { naturalWidth = picture.width, naturalHeight = picture.height } = picture;
            const map = place(stage.querySelector(".heat"));
            return { picture: place(picture), map, own: naturalWidth / naturalHeight };
        }"""
    )
    assert found["map"] == found["picture"]
    ratio = float(found["picture"][2] / found["picture"][3])
    assert ratio == pytest.approx(found["own"], abs=0.05)
    return ratio


def test_words_that_say_nothing_about_a_picture_are_no_buttons(visit: Visit) -> None:
    visit.go("t=4%2Cbut+in+blue+with+the+stripes")
    visit.page.get_by_role("button", name="Why these?").click()
    words = visit.page.get_by_role("group", name="Regions nearest to each word").get_by_role(
        "button"
    )
    expect(words).to_have_text(["all words", "blue", "stripes"])


# --- what is the same -----------------------------------------------------------------------


def test_copies_stand_under_one_tile_and_can_be_looked_at(visit: Visit, twins: str) -> None:
    visit.address = twins
    visit.go("t=%2Cblue")
    assert len(visit.shown) == 12
    expect(visit.page.locator(".copies")).to_have_text(["+2"] * 6)
    stacked = visit.page.locator(".tile", has=visit.page.locator(".copies")).first
    shown = int(stacked.get_attribute("data-id") or 0)
    stacked.locator(".look").click()
    strip = visit.page.get_by_role("region", name="2 more of the same").get_by_role("button")
    expect(strip).to_have_count(3)
    strip.last.click()
    expect(strip.last).to_have_attribute("aria-pressed", "true")
    assert grave_faults(visit) == []
    visit.page.get_by_role("dialog").get_by_role("button", name="This one, but…").click()
    visit.settled()
    (picked,) = re.findall(r"t=(\d+)%2C", visit.fragment.replace("t=%2Cblue&", ""))
    assert int(picked) != shown
    # Near-copies of the reference are no answers.
    visit.go(f"t={shown}%2C")
    assert len(visit.shown) == 11


# --- fingers --------------------------------------------------------------------------------


def test_what_a_finger_touches_is_large_enough(visiting: Visiting, drawn: Path) -> None:
    visit = visiting(**PHONE).go()
    visit.upload(first_picture(drawn, "dress"))
    expect(chips(visit, "Kind").first).to_be_visible()
    assert too_small(visit, "#seen :is(button, select), .change") == []
    visit.page.get_by_role("button", name="Only a part of it").tap()
    visit.page.locator(".frame").wait_for()
    assert too_small(visit, "#box button") == []
    visit.page.get_by_role("button", name="Use the whole picture").tap()
    visit.settled()
    visit.say("in blue")
    visit.page.locator(".tile .look").first.tap()
    visit.page.get_by_role("button", name="Where in the picture?").tap()
    visit.page.locator(".why .heat").first.wait_for()
    assert too_small(visit, "#why button, #viewer button") == []
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["viewport"]["width"]


def too_small(visit: Visit, selector: str) -> list[str]:
    found: list[str] = visit.page.eval_on_selector_all(
        selector,
        """(all, finger) => all.filter(each => each.checkVisibility()).map(each => {
            const { width, height } = each.getBoundingClientRect();
            const name = each.ariaLabel ?? each.textContent;
            return [Math.min(width, height), `${name}: ${width} x ${height}`];
        }).filter(([least]) => least < finger - 0.5).map(([, said]) => said)""",
        FINGER,
    )
    return found
