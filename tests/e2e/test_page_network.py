"""The page on a slow network, below a path, with other galleries, and on pages of other sites."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import browsing
import proxy
import pytest
import slow_network
from browsing import DESK, Visit
from PIL import Image

from samebut.gallery import Gallery

if reason := browsing.missing():
    pytest.skip(reason, allow_module_level=True)

from playwright.sync_api import Browser, expect

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


def test_a_script_that_does_not_come_is_said(browser: Browser, address: str) -> None:
    context = browser.new_context(locale="en-US", reduced_motion="reduce")
    page = context.new_page()
    page.route("**/static/page.*.js", lambda route: route.abort())
    page.goto(address)
    late = page.get_by_text("Still loading.")
    opacity = "element => getComputedStyle(element).opacity"
    assert late.evaluate(opacity) == "0"  # at first
    page.evaluate("document.getAnimations().forEach((each) => each.finish())")
    assert late.evaluate(opacity) == "1"
    page.unroute("**/static/page.*.js")
    page.reload()
    page.wait_for_selector(".tile:not(.ghost)")
    expect(late).to_be_hidden()
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


# --- below a path, with several galleries, for named sites -----------------------------------

ROOT = "/photos"
BOX = """<!doctype html><html lang="zh"><title>a shop</title>
<h1>Our shop</h1><script src="{address}/embed.js" data-height="600"></script><p>below</p>"""


@dataclass
class Site:
    """One server with the drawn gallery, a small one and one that is broken, mounted below /photos
    by a proxy that takes the path off and by one that leaves it; and the site that it names."""

    stripping: str
    leaving: str
    shop: str
    stranger: str


@pytest.fixture(scope="module")
def site(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("site")
    for name in ("small", "broken"):
        (root / name).mkdir()
    for colour in ("red", "green", "blue"):
        Image.new("RGB", (90, 120), colour).save(root / "small" / f"{colour}.png")
    Gallery.build(root / "small")[0].close()
    galleries = f"clothes={drawn}", root / "small", root / "broken"
    framed: list[str] = []

    def page() -> tuple[str, str]:
        origin = framed[0].removesuffix(f"{ROOT}/g/clothes")
        policy = (
            f"default-src 'none'; script-src {origin}; frame-src {origin}; connect-src {origin}"
        )
        return BOX.format(address=framed[0]), policy

    with ExitStack() as stack:
        shop = stack.enter_context(proxy.shop(page))
        stranger = stack.enter_context(proxy.shop(page))
        server = stack.enter_context(
            browsing.serving_with(
                *galleries,
                *("--store", f"clothes={drawn.parent / 'store'}"),
                *("--root-path", ROOT, "--allow-origin", shop),
            )
        )
        stripping = stack.enter_context(proxy.mounting(server, ROOT, strips=True))
        leaving = stack.enter_context(proxy.mounting(server, ROOT, strips=False))
        framed.append(f"{stripping}{ROOT}/g/clothes")
        yield Site(stripping + ROOT, leaving + ROOT, shop, stranger)


@pytest.mark.parametrize("kind", ["stripping", "leaving"])
def test_the_page_below_a_path_of_a_proxy(browser: Browser, site: Site, kind: str) -> None:
    mounted = getattr(site, kind)
    context = browser.new_context(locale="en-US", **DESK)
    visit = Visit(context.new_page(), mounted)
    failed: list[str] = []
    visit.page.on("response", lambda answer: answer.ok or failed.append(answer.url))
    visit.page.goto(f"{mounted}/")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Galleries")
    assert browsing.grave_faults(visit) == []
    visit.page.get_by_role("link", name="clothes").click()
    assert browsing.grave_faults(visit.settled()) == []
    visit.pick(0)
    visit.say("in blue")
    visit.page.locator(".tile .look").first.click(force=True)
    photo = visit.page.locator("dialog .look-at img")
    photo.wait_for()
    assert photo.evaluate("async image => (await image.decode(), image.naturalWidth)") > 0
    visit.page.keyboard.press("Escape")
    visit.page.get_by_role("button", name="中文").click()
    expect(visit.page.locator("html")).to_have_attribute("lang", "zh-CN")
    visit.page.goto(f"{mounted}/g/small/")
    visit.settled()
    expect(visit.page.locator("html")).to_have_attribute("lang", "zh-CN")
    (cookie,) = context.cookies()
    assert (cookie.get("name"), cookie.get("path")) == ("samebut.language", f"{ROOT}/")
    assert len(visit.shown) == 3
    visit.page.get_by_role("link", name="small").click()
    expect(visit.page.get_by_role("listitem").filter(has_text="broken")).to_contain_text("无法打开")
    assert (failed, visit.complaints, visit.elsewhere) == ([], [], [])
    context.close()


def test_the_search_box_in_a_page_of_a_named_site(browser: Browser, site: Site) -> None:
    context = browser.new_context(locale="en-US", **DESK)
    visit = Visit(context.new_page(), site.shop)
    visit.page.goto(site.shop)
    frame = visit.page.frame_locator("iframe")
    frame.locator(".tile:not(.ghost)").first.wait_for()
    expect(frame.locator("html")).to_have_attribute("lang", "zh-CN")  # as the page around it
    expect(frame.locator("header.top")).to_be_hidden()
    frame.locator("#words").fill("蓝色连衣裙")
    frame.locator("#words").press("Enter")
    expect(frame.locator("#trail .said")).to_have_count(1)
    frame.locator("#grid:not([aria-busy]) .tile:not(.ghost)").first.wait_for()
    shown = visit.page.locator("iframe")
    assert shown.evaluate("frame => [frame.offsetHeight, frame.contentDocument]") == [600, None]
    assert visit.page.locator("h1, iframe, p").all_inner_texts()[::2] == ["Our shop", "below"]
    visit.page.set_viewport_size({"width": 390, "height": 844})
    assert frame.locator("body").evaluate("body => body.scrollWidth <= innerWidth")
    assert visit.complaints == []
    context.close()


def test_no_other_site_gets_the_box_or_an_answer(browser: Browser, site: Site) -> None:
    context = browser.new_context(locale="en-US", **DESK)
    visit = Visit(context.new_page(), site.stranger)
    visit.page.goto(site.stranger)
    visit.page.wait_for_selector("iframe")
    expect(visit.page.frame_locator("iframe").locator("#words")).to_have_count(0)
    ask = """async address => {
        try { return (await fetch(address)).status; } catch { return "refused"; }
    }"""
    for other, said in ((site.stranger, "refused"), (site.shop, 200)):
        visit.page.goto(other)
        answers = f"{site.stripping}/g/clothes/api/v1/browse"
        assert visit.page.evaluate(ask, answers) == said, other
    context.close()
