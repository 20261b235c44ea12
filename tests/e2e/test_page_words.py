"""The page over a shop's table: filters read in words, the reader's language, prices and links."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

import browsing
import pytest
from browsing import PHONE, Visit, Visiting

from samebut.gallery import Gallery
from samebut.wardrobe import draw_gallery

if reason := browsing.missing():
    pytest.skip(reason, allow_module_level=True)

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Route, expect

expect.set_options(timeout=browsing.PATIENCE)

CHINESE = {**PHONE, "locale": "zh-CN"}
LATIN = re.compile("[A-Za-z]")
BRANDS = ("Nike", "Adidas", "Umbro")
SHOP = "https://shop.example/p/"
SCRIPT = "javascript:alert(1)"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on a shop's pictures, whose columns have names of the shop's own."""
    photos = tmp_path_factory.mktemp("words") / "photos"
    draw_gallery(photos, 36, 5)
    with (photos / "catalog.csv").open(newline="", encoding="utf-8") as file:
        drawn = list(csv.DictReader(file))
    rows = [
        {
            "file": row["file"],
            "title": row["title"],
            "split": ("train", "val")[i % 2],
            "sku": f"LS-{i}",
            "what": row["kind"].upper(),
            "hue": row["colour"].title(),
            "brand": BRANDS[i % 3],
            "price": f"{10 * (i % 6 + 1)}.50",
            "link": SCRIPT if i % 6 == 0 else f"{SHOP}{i}",
        }
        for i, row in enumerate(drawn)
    ]
    table = photos.parent / "table.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (photos / "labels.toml").write_text(
        '[brand.values]\nNike = { zh = "耐克" }\nAdidas = { zh = "阿迪达斯" }\n'
        'Umbro = { zh = "茵宝" }\n[price]\ncurrency = "EUR"\n',
        encoding="utf-8",
    )
    store = photos.parent / "store"
    Gallery.build(photos, store=store, metadata=table)[0].close()
    with browsing.serving(photos, store) as found:
        yield found


def chips(visit: Visit) -> list[str]:
    return visit.page.locator("#facts .fact > span").all_inner_texts()


def total(visit: Visit) -> int:
    return int((visit.page.locator("#count").inner_text().split() or ["0"])[0])


def pills(visit: Visit) -> list[str]:
    visit.page.locator(".pill").first.wait_for()
    return visit.page.locator(".pill").all_inner_texts()


# --- words meet the table -------------------------------------------------------------------


def test_facts_in_the_words_are_chips_that_can_be_taken_off(visit: Visit) -> None:
    visit.go().say("blue, by Nike, under 30")
    assert chips(visit) == ["Nike", "under 30"]
    both = total(visit)
    visit.page.get_by_role("button", name="No filter: under 30").click()
    expect(visit.page.locator("#facts .fact")).to_have_count(1)
    visit.settled()
    assert (both, total(visit)) == (6, 12)
    visit.page.reload()
    visit.settled()
    assert chips(visit) == ["Nike"]
    visit.page.go_back()
    expect(visit.page.locator("#facts .fact")).to_have_count(2)
    visit.settled().say("Adidas, under 30")
    assert chips(visit) == ["Adidas", "under 30"]
    visit.page.get_by_role("button", name="Start over").click()
    expect(visit.page.locator("#facts")).to_be_hidden()


def test_facts_are_read_in_chinese(visiting: Visiting) -> None:
    visit = visiting(**CHINESE).go().say("耐克的蓝色衣服，不超过30元")
    assert chips(visit) == ["耐克", "不超过30元"]
    visit.page.get_by_role("button", name="不作为筛选：耐克").tap()
    expect(visit.page.locator("#facts .fact")).to_have_count(1)


def test_a_fact_that_fits_nothing_is_said_and_not_applied(visit: Visit) -> None:
    visit.go().say("blue, under 5")
    assert chips(visit) == ["“under 5” fits no picture: not applied"]
    assert total(visit) == 36


def test_the_nearest_values_are_named_where_nothing_passes(visiting: Visiting) -> None:
    for locale, said in (("en-US", "nearest: 'Nike' (12)"), ("zh-CN", "最接近的：'Nike' (12)")):
        visit = visiting(locale=locale)
        visit.page.goto(f"{visit.address}/#f=%5B%22brand%22%2C%22Nikee%22%5D")
        expect(visit.page.locator("#more .empty")).to_contain_text(said)


# --- the reader's language ------------------------------------------------------------------


def test_a_chinese_reader_reads_chinese_whatever_columns_are_called(visiting: Visiting) -> None:
    visit = visiting(**CHINESE).go()
    assert pills(visit) == ["种类", "颜色", "品牌", "价格"] or pills(visit)[1:3] == ["颜色", "品牌"]
    assert [text for text in pills(visit) if LATIN.search(text)] == []
    for place in range(3):
        values = visit.page.locator(
            f"#filter-{place} .choice > span:not(.swatch)"
        ).all_inner_texts()
        visit.page.locator(".pill").nth(place).tap()
        values = visit.page.locator(
            f"#filter-{place} .choice > span:not(.swatch)"
        ).all_inner_texts()
        assert values and [text for text in values if LATIN.search(text.replace("T恤", ""))] == []
        visit.page.get_by_role("button", name="完成").tap()
    begun = visit.page.locator("#suggestions .chip").all_inner_texts()
    visit.pick(0)
    changed = visit.page.locator("#suggestions .chip").all_inner_texts()
    for text in (*begun, *changed):
        assert not LATIN.search(text.replace("T恤", ""))
    assert begun and any(text.startswith("换成") for text in changed)


def test_suggestions_need_no_column_of_a_certain_name(visit: Visit) -> None:
    visit.go()
    chip = visit.page.locator("#suggestions .chip").first
    expect(chip).to_be_visible()
    words = chip.inner_text()
    visit.pick(0)
    expect(chip).to_have_text(re.compile("^in [a-z]+$"))
    assert len(words.split()) >= 2


def test_a_gallery_without_a_table_has_suggestions(visit: Visit) -> None:
    def nothing(route: Route) -> None:
        route.fulfill(json={"columns": {}, "shown": []})

    visit.page.route("**/api/v1/facets*", nothing)
    visit.go()
    expect(visit.page.locator("#suggestions .chip").first).to_have_text("something blue")
    visit.pick(0)
    expect(visit.page.locator("#suggestions .chip").first).to_have_text("in black")
    expect(visit.page.locator("#filters")).to_be_hidden()


def test_what_tells_pictures_apart_is_no_filter_and_no_fact(visit: Visit) -> None:
    visit.go()
    assert not {"Split", "Sku", "Link", "Title"} & set(pills(visit))
    visit.page.locator(".tile .look").first.click()
    names = visit.page.locator("#viewer dt").all_inner_texts()
    assert "Brand" in names and not {"Split", "Sku"} & set(names)


# --- filters --------------------------------------------------------------------------------


def counts(visit: Visit, pill: str) -> dict[str, int]:
    panel = visit.page.locator(f".panel:has(h2:text-is('{pill}'))")
    names = panel.locator(".choice > span:not(.swatch)").all_text_contents()
    return dict(zip(names, map(int, panel.locator("small").all_text_contents()), strict=True))


def test_counts_follow_the_other_filters(visit: Visit) -> None:
    visit.go()
    pills(visit)
    assert counts(visit, "Brand") == dict.fromkeys(BRANDS, 12)
    visit.page.locator(".pill", has_text="Price").click()
    visit.page.locator(".panel:popover-open .choice", has_text="€10.50").click()
    visit.page.keyboard.press("Escape")
    visit.settled()
    brand = visit.page.locator(".panel:has(h2:text-is('Brand')) .choice")
    expect(brand.filter(has_text="Nike").locator("small")).to_have_text("6")
    assert counts(visit, "Brand") == {"Nike": 6, "Adidas": 0, "Umbro": 0}
    assert set(counts(visit, "Price").values()) == {6}  # its own filter does not narrow it
    visit.say("blue, not Nike")
    expect(visit.page.locator("#facts .nothing")).to_have_count(1)


def test_counts_follow_the_facts_in_the_words(visit: Visit) -> None:
    visit.go().say("blue, by Adidas")
    expect(visit.page.locator(".panel:has(h2:text-is('Price')) small").first).to_have_text("0")
    assert sum(counts(visit, "Price").values()) == 12
    assert counts(visit, "Brand") == dict.fromkeys(BRANDS, 12)


def test_the_sheet_on_a_phone_has_a_title_search_clear_and_done(visiting: Visiting) -> None:
    visit = visiting(**PHONE).go()
    pills(visit)
    visit.page.locator(".pill", has_text="Hue").tap()
    panel = visit.page.locator(".panel:popover-open")
    expect(panel.get_by_role("heading", name="Hue")).to_be_visible()
    choices = panel.locator(".choice")
    every = choices.count()
    word = choices.last.locator("span:not(.swatch)").inner_text()
    panel.get_by_role("searchbox", name="Search Hue").fill(word.lower())
    assert 0 < panel.locator(".choice:visible").count() < every
    panel.locator(".choice:visible").first.tap()
    visit.settled()
    visit.page.get_by_role("button", name="Clear", exact=True).tap()
    visit.settled()
    assert visit.fragment == ""
    panel.get_by_role("searchbox").fill("no such value")
    expect(panel.get_by_role("status")).to_have_text("Nothing like that here.")
    for button in panel.get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None and box["height"] >= 44
    panel.get_by_role("button", name="Done").tap()
    expect(panel).to_have_count(0)


# --- prices and links -----------------------------------------------------------------------


def test_prices_are_money_and_only_web_addresses_are_links(visiting: Visiting) -> None:
    visit = visiting(locale="zh-CN").go()
    first, second = (visit.page.locator(".tile").nth(i) for i in (0, 1))
    expect(first.locator(".offer")).to_have_text("€10.50")
    link = second.get_by_role("link", name="去 shop.example 查看")
    expect(link).to_have_attribute("href", f"{SHOP}1")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(link).to_have_attribute("target", "_blank")
    second.locator(".look").click()
    expect(visit.page.locator("#viewer .known").get_by_role("link")).to_have_count(1)
    expect(visit.page.locator("#viewer dl")).to_contain_text("€20.50")
    visit.page.keyboard.press("Escape")
    first.locator(".look").click()
    expect(visit.page.locator("#viewer dl")).to_contain_text(SCRIPT)
    expect(visit.page.locator("#viewer").get_by_role("link")).to_have_count(0)
    assert visit.page.locator(f"[href^='{SCRIPT[:11]}']").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_chips_sheet_and_offers_can_be_used_by_everybody(visiting: Visiting, theme: str) -> None:
    visit = visiting(**PHONE, color_scheme=theme).go().say("blue, by Nike, under 5")
    expect(visit.page.locator("#facts .fact")).to_have_count(2)
    visit.page.locator(".pill", has_text="Hue").tap()
    found = Axe().run(visit.page).response["violations"]
    assert [(each["id"], each["nodes"][0]["target"]) for each in found] == []
