"""Parts that several garments share: collars, closures, pockets, belts, ribbing."""

from __future__ import annotations

from samebut.wardrobe.fabric import BLACK, brightness, line_of, mix
from samebut.wardrobe.tailor import FLAT, METAL, TUBE, Tailor
from samebut.wardrobe.vector import (
    Path,
    Point,
    Rgb,
    ellipse,
    outline,
    rectangle,
    stroke,
    symmetric,
)


def ribs(tailor: Tailor, top: tuple[Point, Point], bottom: tuple[Point, Point], count: int) -> None:
    """Knit ribs between the line ``top`` and the line ``bottom``."""
    (ax, ay), (bx, by) = top
    (cx, cy), (dx, dy) = bottom
    for k in range(1, count):
        t = k / count
        start = (ax + (bx - ax) * t, ay + (by - ay) * t)
        end = (cx + (dx - cx) * t, cy + (dy - cy) * t)
        tailor.seam(start, end, fabric="band", width=0.3)


def button(tailor: Tailor, x: float, y: float, size: float = 0.95) -> None:
    """A button with thread through its four holes."""
    base = tailor.cloth.base
    tone = mix(base, (0.96, 0.93, 0.86), 0.75) if brightness(base) < 0.62 else (0.42, 0.33, 0.27)
    tailor.shadow((x + 0.2, y + 0.7), (x + 0.5, y + 0.7), depth=0.3, width=size * 1.8)
    tailor.solid(ellipse(x, y, size), tone, edge=0.3, part=False)
    tailor.ink.draw(stroke((x - 0.3, y), (x + 0.3, y)), line_of(tone), 0.3)


def buttons(tailor: Tailor, x: float, top: float, bottom: float, count: int) -> None:
    """A column of buttons."""
    for k in range(count):
        button(tailor, x, top + (bottom - top) * k / max(count - 1, 1))


def placket(tailor: Tailor, top: float, bottom: float, count: int, width: float = 4.4) -> None:
    """A buttoned front: the overlapping strip, stitched on both sides, and its buttons."""
    half = width / 2
    tailor.shadow((half + 0.3, top), (half + 0.3, bottom), depth=0.22, width=1.4)
    tailor.seam((half, top), (half, bottom))
    tailor.stitch((half - 0.7, top), (half - 0.7, bottom))
    tailor.stitch((-half, top), (-half, bottom))
    buttons(tailor, 0, top + 2.6, bottom - 4.5, count)


def zipper(tailor: Tailor, top: float, bottom: float) -> None:
    """A zipped front: tape, teeth and a pull."""
    base = tailor.cloth.base
    tape = mix(base, BLACK, 0.35) if brightness(base) > 0.25 else mix(base, METAL, 0.3)
    tailor.solid(rectangle(-0.9, top, 1.8, bottom - top), tape, edge=0, part=False)
    teeth = stroke((0, top), (0, bottom))
    tailor.ink.draw(teeth, METAL, 0.9, dash=(0.5, 0.6), round_ends=False)
    tailor.stitch((-2.0, top), (-2.0, bottom))
    tailor.stitch((2.0, top), (2.0, bottom))
    tailor.shadow((0, top), (0, bottom), depth=0.18, width=3.0)
    tailor.solid(rectangle(-0.65, top + 0.6, 1.3, 3.6, 0.5), METAL, edge=0.25, part=False)


def patch_pocket(tailor: Tailor, x: float, y: float, width: float, height: float) -> None:
    """A pocket sewn on, with a pointed bottom; (x, y) is the middle of its top."""
    half = width / 2
    shape = outline(
        (x - half, y),
        [(x + half, y)],
        [(x + half, y + height * 0.8)],
        [(x, y + height)],
        [(x - half, y + height * 0.8)],
        [(x - half, y)],
    )
    tailor.panel(shape, "trim", volume=None, edge=0.55)
    top = rectangle(x - half, y, width, height * 0.2)
    tailor.ink.fill(top, BLACK, 0.12)
    low = y + height
    tailor.shadow(
        (x - half, low - 1.2), (x, low + 0.8), (x + half, low - 1.2), depth=0.3, width=1.3
    )
    tailor.shadow((x + half + 0.4, y), (x + half + 0.4, y + height * 0.8), depth=0.3, width=1.2)
    tailor.gleam((x - half + 1, y + height * 0.5), (x, y + height * 0.55), strength=0.12, width=3)
    tailor.stitch((x - half, y + height * 0.2), (x + half, y + height * 0.2), fabric="trim")


def slant_pocket(tailor: Tailor, x: float, y: float, side: int, reach: float = 9.0) -> None:
    """A slit from (x, y) down and out; ``side`` is 1 on the right, -1 on the left."""
    lower = (x + side * reach * 0.42, y + reach)
    middle = (x + side * reach * 0.12, y + reach * 0.55)
    tailor.shadow((x, y), middle, lower, depth=0.35, width=1.5)
    tailor.seam((x, y), middle, lower, width=0.7)
    inner = ((px - side * 0.9, py) for px, py in ((x, y), middle, lower))
    tailor.stitch(*inner)


def flap_pocket(tailor: Tailor, x: float, y: float, width: float) -> None:
    """A pocket of a coat: a flap over a slit; (x, y) is the middle of its top."""
    half = width / 2
    flap = outline(
        (x - half, y), [(x + half, y)], [(x + half, y + 3.6)], [(x, y + 4.6), (x - half, y + 3.6)]
    )
    tailor.panel(flap, "main", volume=None, edge=0.42)
    low = y + 4.6
    tailor.shadow((x - half, low), (x, low + 0.7), (x + half, low), depth=0.3, width=1.4)


def kangaroo_pocket(tailor: Tailor, y: float, width: float, height: float) -> None:
    """The wide pocket on the belly; (0, y) is the middle of its top."""
    top, low = width * 0.30, width * 0.5
    shape = outline(
        (top, y),
        [(top * 1.1, y + height * 0.35), (low, y + height * 0.62)],
        [(low, y + height)],
        [(-low, y + height)],
        [(-low, y + height * 0.62)],
        [(-top * 1.1, y + height * 0.35), (-top, y)],
    )
    tailor.panel(shape, "main", volume=None, edge=0.45)
    for side in (-1, 1):
        tailor.shadow(
            (side * (top + 0.3), y),
            (side * top * 1.15, y + height * 0.35),
            (side * low, y + height * 0.6),
            depth=0.35,
            width=1.5,
        )


def leather(tailor: Tailor) -> Rgb:
    """The colour of a belt: the second of a two-tone item, else brown or black by contrast."""
    if tailor.two_tone:
        return tailor.cloth.second
    dark = brightness(tailor.cloth.base) < 0.36
    return (0.62, 0.42, 0.26) if dark else (0.33, 0.21, 0.15)


def belt(tailor: Tailor, y: float, half: float, height: float = 3.4, sag: float = 0.7) -> None:
    """A belt with a buckle across the garment at ``y``; ``half`` is half the garment's width."""
    colour = leather(tailor)
    band = outline(
        (-half, y),
        [(0, y + sag), (half, y)],
        [(half, y + height)],
        [(0, y + height + sag), (-half, y + height)],
        [(-half, y)],
    )
    tailor.shadow(
        (-half, y + height), (0, y + height + sag + 0.7), (half, y + height), depth=0.4, width=2
    )
    tailor.solid(band, colour, edge=0.4, part=False)
    tailor.round_off(band, ((0, 0.46), (0.3, 0.6), (0.6, 0.5), (1, 0.36)))
    middle = y + sag + height / 2
    frame = rectangle(-2.6, middle - height * 0.66, 5.2, height * 1.32, 0.8)
    tailor.solid(frame, METAL, edge=0.3, part=False)
    tailor.solid(
        rectangle(-1.5, middle - height * 0.36, 3.0, height * 0.72, 0.4),
        colour,
        edge=0.25,
        part=False,
    )
    tailor.solid(rectangle(-0.3, middle - 0.3, 2.6, 0.6), METAL, edge=0.2, part=False)


def binding(tailor: Tailor, body: Path, edge: Path, width: float, *, ribbed: bool = False) -> None:
    """A band ``width`` wide along an ``edge`` of ``body``, on its inner side."""
    colour = tailor.fabric("band").base
    tone = line_of(colour)
    with tailor.light.clipped(body):
        tailor.light.draw(edge, BLACK, 2 * width + 2.4, 0.25)
        tailor.light.draw(edge, (0.5, 0.5, 0.5), 2 * width)
    with tailor.ink.clipped(body):
        tailor.ink.draw(edge, tone, 2 * width + 0.9)
        tailor.ink.draw(edge, colour, 2 * width)
        if ribbed:
            tailor.ink.draw(edge, tone, 2 * width, 0.6, dash=(0.35, 1.0), round_ends=False)
    tailor.ink.draw(edge, tone, 0.5)


def back_of_neck(tailor: Tailor, half: float, depth: float, neckline: str) -> None:
    """The inside of the back that is visible through the neck opening, with its band and label. It
    extends a little below ``depth``, so that the front covers its edge."""
    low = depth + 2.0
    lower: dict[str, list[Point]] = {
        "V": [(0.0, low + 4)],
        "square": [(half + 0.2, low), (0.0, low)],
    }
    runs = lower.get(neckline, [(half * 0.95, low * 0.6), (0.0, low)])
    shape = symmetric((half + 0.4, 0.6), runs, top=[(0.0, -0.9), (half * 0.62, -0.5)])
    tailor.panel(shape, "inside", volume=((0.0, 0.5), (1.0, 0.42)), edge=0.4)
    band = stroke((-half, 0.5), (-half * 0.6, -0.1), (0, -0.2), (half * 0.6, -0.1), (half, 0.5))
    binding(tailor, shape, band, 1.6)
    tag = rectangle(-1.8, 1.9, 3.6, 2.1, 0.3)
    tailor.solid(tag, (0.93, 0.91, 0.86), edge=0.2, part=False)


def pointed_collar(tailor: Tailor, half: float, top: float, drop: float = 8.5) -> None:
    """A shirt's collar: stand at the back, two leaves that meet in front at (0, top + 6)."""
    stand = outline(
        (-half, top + 1.5),
        [(-half * 0.6, top - 2.6), (0, top - 3.2), (half * 0.6, top - 2.6), (half, top + 1.5)],
        [(half * 0.6, top + 6.2), (0, top + 7.8), (-half * 0.6, top + 6.2), (-half, top + 1.5)],
    )
    tailor.panel(stand, "inside", volume=FLAT, edge=0.4)
    tailor.seam((-half * 0.8, top + 0.6), (0, top + 2.4), (half * 0.8, top + 0.6), width=0.35)
    for side in (-1, 1):
        leaf = outline(
            (side * half * 0.86, top - 1.9),
            [(side * (half + 0.9), top + 1.2), (side * (half + 1.6), top + 3.2)],
            [(side * half * 0.78, top + drop)],
            [(0, top + 6.4)],
            [(side * half * 0.45, top + 2.6), (side * half * 0.86, top - 1.9)],
        )
        tailor.panel(leaf, "trim", angle=side * 32, lift=0.3, volume=FLAT, edge=0.45)
        tailor.stitch(
            (side * (half + 0.7), top + 3.3),
            (side * half * 0.76, top + drop - 1.1),
            (side * 0.9, top + 6.0),
            fabric="trim",
        )


def band_collar(tailor: Tailor, half: float, top: float) -> None:
    """A low standing collar, open a little in front."""
    stand = outline(
        (-half, top + 1.2),
        [(-half * 0.6, top - 2.4), (0, top - 3.0), (half * 0.6, top - 2.4), (half, top + 1.2)],
        [(half * 0.5, top + 4.4), (0, top + 5.2), (-half * 0.5, top + 4.4), (-half, top + 1.2)],
    )
    tailor.panel(stand, "inside", volume=FLAT, edge=0.4)
    for side in (-1, 1):
        strip = outline(
            (side * half * 0.92, top - 1.6),
            [(side * half * 0.6, top + 2.2), (side * 0.3, top + 3.6)],
            [(side * 0.3, top + 6.8)],
            [(side * half * 0.62, top + 5.2), (side * (half + 1.2), top + 1.4)],
        )
        tailor.panel(strip, "trim", angle=side * 15, lift=0.25, volume=FLAT, edge=0.45)


def round_collar(tailor: Tailor, half: float, top: float) -> None:
    """A flat collar with two rounded leaves."""
    back_of_neck(tailor, half, top + 6.0, "round")
    for side in (-1, 1):
        leaf = outline(
            (side * half * 0.95, top - 0.8),
            [
                (side * (half + 3.4), top + 2.4),
                (side * (half + 2.6), top + 8.2),
                (side * half * 0.62, top + 12.0),
                (side * 1.6, top + 11.0),
                (side * 0.3, top + 7.4),
            ],
            [(side * half * 0.62, top + 4.4), (side * half * 0.95, top - 0.8)],
        )
        tailor.panel(leaf, "trim", angle=side * 20, lift=0.3, volume=FLAT, edge=0.45)


def lapels(tailor: Tailor, half: float, top: float, meet: float) -> None:
    """A coat's notched lapels that meet at (0, meet), and the collar's back behind the neck."""
    back = symmetric(
        (half * 0.8, top - 3.0),
        [(half * 0.72, top + 1.6)],
        [(half * 0.4, top + 2.4), (0, top + 2.7)],
        top=[(0, top - 3.8)],
    )
    tailor.panel(back, "inside", volume=FLAT, edge=0.4)
    for side in (-1, 1):
        lapel = outline(
            (side * half * 0.98, top + 2),
            [(side * (half + 4.4), top + 9.5)],
            [(side * (half + 1.2), top + 10.8)],
            [(side * (half + 3.6), top + 13.4)],
            [(side * half * 0.72, top + (meet - top) * 0.72), (0, meet)],
            [(side * half * 0.45, top + 8.0), (side * half * 0.98, top + 2)],
        )
        tailor.panel(lapel, "trim", angle=side * 12, lift=0.35, volume=FLAT, edge=0.45)
        collar = outline(
            (side * half * 0.80, top - 3),
            [(side * (half + 2.2), top + 1.0), (side * (half + 5.2), top + 7.6)],
            [(side * (half + 1.0), top + 10.6)],
            [(side * half * 0.74, top + 5.4), (side * half * 0.62, top - 1.4)],
            [(side * half * 0.80, top - 3)],
        )
        tailor.panel(collar, "trim", angle=side * 40, lift=0.3, volume=FLAT, edge=0.45)


def hood(tailor: Tailor, half: float, top: float) -> None:
    """A hood lying behind the neck, its opening and two draw strings."""
    back = outline(
        (-half - 3.2, top + 4),
        [
            (-half - 3.6, top - 5),
            (-half * 0.7, top - 12.5),
            (0, top - 14.2),
            (half * 0.7, top - 12.5),
            (half + 3.6, top - 5),
            (half + 3.2, top + 4),
        ],
        [(half * 0.5, top + 8.5), (0, top + 10), (-half * 0.5, top + 8.5), (-half - 3.2, top + 4)],
    )
    tailor.panel(back, "main", volume=TUBE, edge=0.5)
    opening = outline(
        (-half + 0.8, top + 3.0),
        [
            (-half + 0.6, top - 4.5),
            (0, top - 9.4),
            (half - 0.6, top - 4.5),
            (half - 0.8, top + 3.0),
        ],
        [
            (half * 0.45, top + 7.2),
            (0, top + 8.6),
            (-half * 0.45, top + 7.2),
            (-half + 0.8, top + 3),
        ],
    )
    tailor.panel(opening, "inside", volume=((0, 0.5), (1, 0.4)), edge=0.4)
    tailor.fold((-half - 1, top - 6), (-half + 1, top - 9.5), depth=0.2)
    for side in (-1, 1):
        flap = outline(
            (side * (half - 0.6), top - 3.4),
            [(side * (half + 3.0), top + 0.5), (side * (half + 2.8), top + 5.5)],
            [(side * half * 0.7, top + 8.4), (0, top + 10.6)],
            [(side * half * 0.55, top + 5.8), (side * (half - 0.6), top - 3.4)],
        )
        tailor.panel(flap, "main", angle=side * 30, lift=0.3, volume=FLAT, edge=0.45)
    for side in (-1, 1):
        cord = stroke((side * 1.7, top + 9.4), (side * 2.3, top + 16), (side * 2.0, top + 22))
        tone = mix(tailor.fabric("band").base, (0.97, 0.95, 0.9), 0.7)
        tailor.cord(cord, tone, 0.75)


def hanger(tailor: Tailor, shoulder: Point) -> None:
    """A wooden hanger with its hook, to be covered by the garment."""
    wood: Rgb = (0.76, 0.58, 0.40)
    sx, sy = shoulder
    arm = outline(
        (-sx + 3, sy + 0.5),
        [(-8, -1.6), (0, -4.6), (8, -1.6), (sx - 3, sy + 0.5)],
        [(sx - 3, sy + 3.2)],
        [(8, 2.2), (0, 0.2), (-8, 2.2), (-sx + 3, sy + 3.2)],
    )
    hook = stroke((0, -3.6), (0, -8.6), (3.4, -10.6), (4.4, -14.2), (0.6, -17.4), (-3.2, -14.8))
    tailor.cord(hook, (0.72, 0.72, 0.74), 0.8)
    tailor.solid(arm, wood)


def hem_band(
    tailor: Tailor, body: Path, left: Point, middle: Point, right: Point, height: float = 7.0
) -> None:
    """The second colour of a two-tone item as a band along its hem."""
    colour = tailor.fabric("band").base
    (lx, ly), (mx, my), (rx, ry) = left, middle, right
    upper = [(lx - 2, ly - height), (mx, my - height), (rx + 2, ry - height)]
    band = outline(upper[0], upper[1:], [(rx + 2, my + 3)], [(lx - 2, my + 3)], [upper[0]])
    with tailor.ink.clipped(body):
        tailor.ink.fill(band, colour)
        tailor.ink.draw(band, line_of(colour), 0.45)
    tailor.ink.draw(body, line_of(tailor.cloth.base), 0.5)


def hem(tailor: Tailor, left: Point, middle: Point, right: Point, inset: float = 1.6) -> None:
    """Stitches that follow a hem a little above it."""
    points = ((x, y - inset) for x, y in (left, middle, right))
    tailor.stitch(*points)
