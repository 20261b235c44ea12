"""The drawn wardrobe: every label is visible, every picture repeatable, every title true."""

from __future__ import annotations

import csv
import math
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from samebut.wardrobe import KINDS, Item, caption, draw, draw_gallery, random_item, title
from samebut.wardrobe.__main__ import main
from samebut.wardrobe.attributes import (
    ALLOWED,
    ASPECTS,
    ATTRIBUTES,
    COLOURS,
    MOTIFS,
    PATTERNS,
    differing,
    faults,
    values_of,
    varied,
)
from samebut.wardrobe.draw import compose
from samebut.wardrobe.fabric import MOTIF_SHAPES, PALETTE, contrasts
from samebut.wardrobe.families import alternatives
from samebut.wardrobe.garments import GARMENTS
from samebut.wardrobe.phrases import neck_of, ways
from samebut.wardrobe.scene import BACKGROUNDS, Scene, random_scene
from samebut.wardrobe.tailor import measure
from samebut.wardrobe.vector import (
    Sheet,
    apply,
    corners,
    ellipse,
    outline,
    placed,
    polygon,
    rectangle,
    stroke,
    symmetric,
    times,
)

BLACK, WHITE, RED = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 0.0, 0.0)
STUDIO = Scene(200, 200, "studio", (0.9, 0.9, 0.9), 0.9, 0.5, 0.5, 0.0, seed=1)
numbers = st.floats(-50, 50)
items = st.integers(0, 2**32).map(lambda seed: random_item(random.Random(seed)))


def pixels(item: Item, scene: Scene = STUDIO) -> np.ndarray:
    return np.asarray(compose(item, scene, random.Random(5)), dtype=np.int16)


def plain(kind: str, colour: str = "red", **attributes: str) -> Item:
    """The plain item of a kind whose other attributes are the first ones allowed."""
    first = {name: values[0] for name, values in ALLOWED[kind].items()} | attributes
    return Item(kind, colour, **first)


# --- vector ---------------------------------------------------------------------------------


def test_a_rectangle_on_whole_pixels_fills_exactly_those() -> None:
    sheet = Sheet()
    sheet.fill(rectangle(2, 3, 4, 5), RED)
    expected = np.full((12, 10, 3), 255, dtype=np.uint8)
    expected[3:8, 2:6] = (255, 0, 0)
    np.testing.assert_array_equal(np.asarray(sheet.render(10, 12)), expected)


def test_half_a_pixel_is_half_grey() -> None:
    sheet = Sheet()
    sheet.fill(polygon((0, 0), (6, 0), (0, 6)), BLACK)
    slope = np.diagonal(np.fliplr(np.asarray(sheet.render_grey(6, 6))))
    assert np.all(np.abs(slope.astype(int) - 128) <= 2)


@pytest.mark.parametrize("radius", [10.0, 31.5])
def test_an_ellipse_covers_its_area(radius: float) -> None:
    sheet = Sheet()
    sheet.fill(ellipse(40, 40, radius, radius / 2), BLACK)
    covered = (255 - np.asarray(sheet.render_grey(80, 80), dtype=float)).sum() / 255
    assert covered == pytest.approx(math.pi * radius * radius / 2, rel=0.01)


def test_transparency_mixes_and_clips_hold() -> None:
    sheet = Sheet()
    with sheet.clipped(rectangle(0, 0, 4, 8)):
        sheet.fill(rectangle(0, 0, 8, 8), BLACK, alpha=0.5)
    grey = np.asarray(sheet.render_grey(8, 8))
    assert np.all(np.abs(grey[:, :4].astype(int) - 127) <= 1) and np.all(grey[:, 4:] == 255)


def test_shading_runs_from_start_to_end_through_its_stops() -> None:
    sheet = Sheet()
    stops = ((0.0, BLACK), (0.5, RED), (1.0, WHITE))
    sheet.shade(rectangle(0, 0, 101, 4), (0, 0), (101, 0), stops)
    row = np.asarray(sheet.render(101, 4))[2].astype(int)
    assert np.all(row[0] < 10) and np.all(row[100] > 245)
    assert row[50, 0] > 245 and np.all(row[50, 1:] < 15)


def test_glow_is_brightest_in_its_centre() -> None:
    sheet = Sheet()
    sheet.glow(rectangle(0, 0, 41, 41), (20.5, 20.5), 20, ((0.0, WHITE), (1.0, BLACK)))
    grey = np.asarray(sheet.render_grey(41, 41)).astype(int)
    assert grey[20, 20] > 245 and grey[20, 0] < 12 and abs(grey[20, 10] - 128) < 12


def test_a_sprayed_mask_lands_upright_where_it_is_sent() -> None:
    mask = Image.new("L", (4, 4), 0)
    mask.paste(255, (0, 0, 4, 1))  # its first row
    sheet = Sheet()
    sheet.spray(mask, placed(8, 16, 4), RED)
    shown = np.asarray(sheet.render(32, 40)).astype(int)
    assert tuple(shown[17, 15]) == (255, 0, 0)
    assert tuple(shown[30, 15]) == (255, 255, 255) and tuple(shown[10, 15]) == (255, 255, 255)


def test_absorbing_keeps_each_sheets_own_shading() -> None:
    first, second = Sheet(), Sheet()
    first.shade(rectangle(0, 0, 4, 4), (0, 0), (4, 0), ((0.0, RED), (1.0, RED)))
    second.shade(rectangle(4, 0, 4, 4), (4, 0), (8, 0), ((0.0, BLACK), (1.0, BLACK)))
    second.fill(rectangle(0, 0, 1, 1), BLACK, alpha=0.5)
    first.absorb(second)
    shown = np.asarray(first.render(8, 4)).astype(int)
    assert tuple(shown[2, 2]) == (255, 0, 0) and tuple(shown[2, 6]) == (0, 0, 0)


@given(numbers, numbers, numbers, numbers, st.floats(-180, 180), st.floats(0.1, 9))
@settings(deadline=None)
def test_matrices_compose_in_reading_order(
    x: float, y: float, dx: float, dy: float, degrees: float, scale: float
) -> None:
    first, then = placed(dx, dy, scale, degrees), placed(dy, dx, 1 / scale, -degrees)
    both = apply(times(first, then), (x, y))
    assert both == pytest.approx(apply(then, apply(first, (x, y))), abs=1e-6)


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=8, unique=True))
@settings(deadline=None)
def test_a_smooth_curve_goes_through_its_points(points: list[tuple[float, float]]) -> None:
    ((start, segments, closed),) = stroke(*points).curves
    assert [start, *((s[-2], s[-1]) for s in segments)] == points
    assert not closed


def test_symmetric_shapes_are_their_own_mirror_image() -> None:
    shape = symmetric((4, 0), [(9, 5), (8, 12)], [(5, 20), (0, 21)], top=[(0, 3), (2, 2)])
    sheet = Sheet()
    sheet.fill(shape.moved(placed(16, 2)), BLACK)
    grey = np.asarray(sheet.render_grey(32, 32)).astype(int)
    assert np.abs(grey - grey[:, ::-1]).max() <= 3
    assert (grey < 128).sum() > 150


def test_boxes_and_corners() -> None:
    assert polygon((1, 2), (5, 3), (4, 9)).box() == (1, 2, 5, 9)
    assert outline((0, 0), [(3, 0)], [(3, 3)]).mirrored().box() == (-3, 0, 0, 3)
    ((start, segments, closed),) = corners((0, 0), (1, 0), (1, 1)).curves
    assert (start, segments, closed) == ((0, 0), ((1, 0), (1, 1)), False)


# --- attributes -----------------------------------------------------------------------------


def test_the_wardrobe_is_as_large_as_promised() -> None:
    assert len(KINDS) >= 14 and len(COLOURS) == 16 and len(PATTERNS) == 8
    assert set(GARMENTS) == set(KINDS) and set(PALETTE) == set(COLOURS)
    assert set(MOTIF_SHAPES) == set(MOTIFS)


def test_every_attribute_belongs_to_exactly_one_aspect() -> None:
    assert Counter(name for names in ASPECTS.values() for name in names) == Counter(ATTRIBUTES)


@given(items)
@settings(deadline=None, max_examples=200)
def test_random_items_are_possible(item: Item) -> None:
    assert faults(item) == []


@given(items, st.integers(0, 99))
@settings(deadline=None)
def test_a_varied_item_differs_in_one_attribute(item: Item, seed: int) -> None:
    other = varied(random.Random(seed), item)
    changed = [a for a in ATTRIBUTES if getattr(item, a) != getattr(other, a)]
    assert len(changed) == 1 and faults(other) == []


IMPOSSIBLE = {
    "not for a": plain("watch", belt="yes"),
    "a motif": replace(plain("scarf"), motif="star"),
    "second colour": replace(plain("scarf"), pattern="dotted"),
    "told apart": replace(plain("scarf"), second_colour="burgundy"),
    "no room for a collar": plain("coat", hood="yes", collar="lapel"),
    "goes with sleeves": plain("sweater", hood="yes", sleeve="sleeveless", neckline=""),
    "a neckline shows": plain("dress", collar="pointed", neckline="round"),
    "pulled on or zipped": plain("sweater", neckline="high", closure="buttons"),
    "pocket would be": replace(
        plain("T-shirt", pockets="yes"), pattern="printed", second_colour="white", motif="sun"
    ),
}


@pytest.mark.parametrize("complaint", IMPOSSIBLE)
def test_impossible_items_are_told_so(complaint: str) -> None:
    (found,) = faults(IMPOSSIBLE[complaint])
    assert complaint in found


def test_two_colours_contrast_both_ways_round() -> None:
    for first in COLOURS:
        assert not contrasts(first, first)
        assert all(contrasts(first, b) == contrasts(b, first) for b in COLOURS)
        assert sum(contrasts(first, other) for other in COLOURS) >= 9


# --- drawing --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_pixels(kind: str) -> None:
    item = random_item(random.Random(kind), kind)
    first, again, other = draw(item, 3), draw(item, 3), draw(item, 4)
    assert first.mode == "RGB" and first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def _pairs_to_tell_apart(kind: str) -> list[tuple[Item, Item]]:
    """Pairs that differ in one aspect, every value of every attribute among them."""
    rng = random.Random(kind)
    pairs = []
    for aspect, names in ASPECTS.items():
        for attribute in (name for name in names if name in ALLOWED[kind]):
            for value in ALLOWED[kind][attribute]:
                item = random_item(rng, kind)
                while getattr(item, attribute) != value:
                    item = random_item(rng, kind)
                for other in alternatives(item, aspect)[:3]:
                    pairs.append((item, replace(item, **dict(zip(names, other, strict=True)))))
    return pairs


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_of_every_attribute_can_be_seen(kind: str) -> None:
    for item, other in _pairs_to_tell_apart(kind):
        changed = np.abs(pixels(item) - pixels(other)).max(axis=2) > 24
        assert changed.mean() > 0.0025, (item, other)


@pytest.mark.parametrize("kind", KINDS)
def test_patterns_can_be_seen(kind: str) -> None:
    base = replace(plain(kind, "red"), second_colour="white")
    drawn = {
        pattern: pixels(
            replace(base, pattern=pattern, motif="star" if pattern == "printed" else "")
        )
        for pattern in values_of(kind, "pattern")
    }
    for pattern, image in drawn.items():
        for other, unlike in drawn.items():
            changed = (np.abs(image - unlike).max(axis=2) > 24).mean()
            assert pattern == other or changed > 0.004, (pattern, other)


def _closest_colour(rgb: np.ndarray) -> str:
    names = list(PALETTE)
    table = np.array([PALETTE[name] for name in names]) * 255
    return names[int(np.linalg.norm(table - rgb, axis=1).argmin())]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colour", COLOURS)
def test_the_colour_that_is_named_is_the_colour_that_shows(kind: str, colour: str) -> None:
    image = pixels(plain(kind, colour))
    empty = pixels(plain(kind, "green" if colour != "green" else "red"))
    cloth = image[np.abs(image - empty).max(axis=2) > 40]
    lit = cloth[cloth.sum(axis=1) >= np.median(cloth.sum(axis=1))]
    assert _closest_colour(np.median(lit, axis=0)) == colour


@pytest.mark.parametrize("kind", KINDS)
def test_the_main_colour_covers_more_than_the_second(kind: str) -> None:
    for pattern in values_of(kind, "pattern"):
        if pattern == "gradient":
            continue
        item = replace(plain(kind, "red"), second_colour="teal", pattern=pattern)
        item = replace(item, motif="heart" if pattern == "printed" else "")
        image = pixels(item)
        red = (image[..., 0] - image[..., 2] > 60).sum()
        teal = (image[..., 2] - image[..., 0] > 60).sum()
        assert red > teal > 20, pattern


@given(items, st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_the_whole_item_is_in_the_picture(item: Item, seed: int) -> None:
    rng = random.Random(seed)
    scene = random_scene(rng, item.kind, PALETTE[item.colour])
    tailor = measure(item, rng, hung=scene.hangs)
    GARMENTS[item.kind](tailor)
    placing = scene.placing(tailor.reach)
    for x, y in (apply(placing, point) for point in tailor.reach):
        assert -1 <= x <= scene.width + 1 and -1 <= y <= scene.height + 1
    assert 1 / 3.05 <= scene.width / scene.height <= 3.05
    assert scene.width * scene.height == pytest.approx(288**2, rel=0.02)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_backgrounds_fill_the_picture_and_leave_the_item(background: str) -> None:
    rng = random.Random(2)
    scene = replace(STUDIO, background=background, tint=(0.8, 0.87, 0.9))
    image = np.asarray(compose(plain("bag", "red"), scene, rng)).astype(int)
    assert (image[..., 0] - image[..., 1] > 90).mean() > 0.2
    if background != "studio":
        assert image[:4].min(axis=(1, 2)).max() < 253


def test_shapes_run_from_tall_to_wide() -> None:
    rng = random.Random(0)
    sizes = [random_scene(rng, "hat", PALETTE["red"]) for _ in range(400)]
    ratios = [scene.width / scene.height for scene in sizes]
    assert min(ratios) < 0.4 and max(ratios) > 2.5
    assert 0.5 < float(np.median(ratios)) < 1.2


# --- words ----------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
def test_different_items_have_different_titles(language: str) -> None:
    rng = random.Random(0)
    drawn = {random_item(rng) for _ in range(4000)}
    drawn |= {varied(rng, item) for item in tuple(drawn)}
    assert len({title(item, language) for item in drawn}) == len(drawn)


def test_a_title_says_what_is_there() -> None:
    polo = plain("T-shirt", "navy", sleeve="short", collar="pointed", neckline="", pockets="no")
    striped = replace(polo, length="regular", second_colour="white", pattern="striped across")
    assert (
        title(striped) == "navy and white striped T-shirt with short sleeves and a pointed collar"
    )
    assert title(striped, "zh") == "藏青色配白色横条纹T恤，短袖、尖领"
    assert neck_of(striped) == "pointed collar"


def _changes() -> list[tuple[Item, Item]]:
    rng = random.Random(9)
    pairs = []
    for _ in range(1500):
        first = second = random_item(rng)
        for _ in range(rng.choice((1, 1, 2, 3))):
            second = varied(rng, second)
        if first != second:
            pairs.append((first, second))
    pairs += [(random_item(rng), random_item(rng)) for _ in range(200)]
    return [(a, b) for a, b in pairs if a != b]


def test_every_change_can_be_asked_for_in_several_ways() -> None:
    for before, after in _changes():
        asked = ways(before, after)
        one = before.kind != after.kind
        assert len(asked) == (1 if one else len(differing(before, after)))
        for way in asked:
            for texts in (way.fragments, way.orders, way.chinese):
                assert len(set(texts)) >= 2, (before, after)
                assert not any("{" in text or "a a" in text.split("the") for text in texts)


def test_captions_name_the_new_colours() -> None:
    for before, after in _changes():
        if before.kind != after.kind:
            continue
        for seed in range(2):
            text = caption(random.Random(seed), before, after, "en").lower()
            if before.colour != after.colour:
                assert after.colour in text, text
            if after.second_colour and before.second_colour != after.second_colour:
                assert after.second_colour in text, text


def test_captions_are_sentences_of_their_language() -> None:
    for before, after in _changes()[:400]:
        english = caption(random.Random(1), before, after, "en")
        chinese = caption(random.Random(1), before, after, "zh")
        assert english.isascii() and english == english.strip() and "  " not in english
        assert " the a " not in english and " but but " not in english
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese) and " " not in chinese


def test_captions_vary() -> None:
    before = plain("shirt", "red", sleeve="short")
    after = replace(before, colour="blue", sleeve="long")
    for language, least in (("en", 150), ("zh", 100)):
        rng = random.Random(0)
        assert len({caption(rng, before, after, language) for _ in range(400)}) > least


EXPECTED = [
    ("comparative", plain("trousers", shape="slim"), {"shape": "wide"}, "with wide legs"),
    ("negation", plain("skirt", belt="yes"), {"belt": "no"}, "without the belt"),
    ("longer sleeves", plain("dress", sleeve="short"), {"sleeve": "long"}, "with longer sleeves"),
    ("style", plain("bag", shape="tote"), {"shape": "satchel"}, "more formal"),
    ("not, but", plain("hat", "red"), {"colour": "blue"}, "not red but blue"),
    (
        "no stripes",
        replace(plain("hat"), second_colour="white", pattern="striped across"),
        {"second_colour": "", "pattern": "plain"},
        "without the stripes",
    ),
]


@pytest.mark.parametrize("name, before, change, phrase", EXPECTED, ids=[e[0] for e in EXPECTED])
def test_phrases_that_must_be_among_the_ways(
    name: str, before: Item, change: dict[str, str], phrase: str
) -> None:
    (way,) = ways(before, replace(before, **change))
    assert phrase in way.fragments


def test_a_comparative_is_only_used_where_one_value_lies_that_way() -> None:
    bare = plain("dress", sleeve="sleeveless")
    (way,) = ways(bare, replace(bare, sleeve="long"))
    assert not any("longer" in text for text in way.fragments)


# --- galleries ------------------------------------------------------------------------------


def test_a_gallery_is_pictures_with_a_table(tmp_path: Path) -> None:
    draw_gallery(tmp_path / "one", 12, seed=4)
    draw_gallery(tmp_path / "two", 12, seed=4)
    with (tmp_path / "one" / "catalog.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == sorted(p.name for p in tmp_path.glob("one/*.jpg"))
    for row in rows:
        item = Item(**{name: row[name] for name in ATTRIBUTES})
        assert faults(item) == [] and row["title"] == title(item)
        first, second = (tmp_path / name / row["file"] for name in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
        with Image.open(first) as image:
            assert image.format == "JPEG" and image.width * image.height > 90_000


def test_the_module_draws_a_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["wardrobe", str(tmp_path / "out"), "--count", "3"])
    main()
    assert len(list(tmp_path.glob("out/*.jpg"))) == 3
    assert (tmp_path / "out" / "catalog.csv").is_file()
