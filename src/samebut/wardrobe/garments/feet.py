"""What goes on the foot, seen from the side, toe to the left: shoe and boot."""

from __future__ import annotations

from samebut.wardrobe.fabric import BLACK, WHITE, brightness, line_of, mix
from samebut.wardrobe.tailor import METAL, Tailor, Volume
from samebut.wardrobe.vector import Point, Rgb, outline, polygon, rectangle, stroke

_UPPER: Volume = ((0.0, 0.54), (0.3, 0.55), (0.65, 0.48), (1.0, 0.38))


def _rubber(tailor: Tailor) -> Rgb:
    """A sneaker's sole: white, or grey under a white shoe."""
    return (0.94, 0.93, 0.90) if brightness(tailor.cloth.base) < 0.8 else (0.80, 0.81, 0.83)


def _leather_sole(tailor: Tailor) -> Rgb:
    if tailor.two_tone:
        return tailor.cloth.second
    dark = brightness(tailor.cloth.base) < 0.3
    return (0.45, 0.33, 0.25) if dark else (0.22, 0.17, 0.15)


def _laces(tailor: Tailor, eyelets: list[tuple[Point, Point]]) -> None:
    """Laces over the tongue: one bar for each pair of eyelets, and a bow at the last."""
    base = tailor.cloth.base
    tone = (0.97, 0.96, 0.93) if brightness(base) < 0.8 else (0.33, 0.34, 0.38)
    for near, far in eyelets:
        middle = ((near[0] + far[0]) / 2 - 0.4, (near[1] + far[1]) / 2 - 0.7)
        bar = stroke(near, middle, far)
        tailor.cord(bar, tone, 1.3)
        for x, y in (near, far):
            tailor.ink.draw(stroke((x, y), (x + 0.01, y)), mix(base, BLACK, 0.5), 1.1)
    x, y = eyelets[-1][0]
    bow = stroke((x, y), (x - 4.5, y - 1.4), (x - 5.4, y + 2.4), (x, y))
    bow += stroke((x, y), (x + 3.6, y + 0.8), (x + 3.4, y + 4.2), (x, y))
    bow += stroke((x, y), (x - 1.8, y + 4.0), (x - 2.6, y + 7.0))
    tailor.cord(bow, tone, 1.0)


def _sneaker(tailor: Tailor) -> None:
    tongue = outline(
        (-6, 4.4),
        [(-3.5, -2.8), (1.5, -8.8), (6, -10.5)],
        [(10.6, -9.2), (12, -4.4)],
        [(2, 5.2), (-6, 4.4)],
    )
    tailor.panel(tongue, "band", angle=-40, volume=((0, 0.52), (1, 0.42)))
    inside = outline((4, -4.4), [(20, -5.5), (33.5, -6.8)], [(28, -1.2), (20, 0.9), (11, -1.2)])
    tailor.panel(inside, "inside", volume=None)
    heel_line: list[Point] = [(36.8, -3.6), (35.6, 5.2), (37.2, 14), (36.8, 25)]
    upper = outline(
        (-37, 25),
        [(-38.8, 19.6), (-34, 14.6), (-24, 12)],
        [(-13, 7.1), (-3, 0.1), (5, -5.5)],
        [(11, -3), (20, -0.4), (28, -2.5), (33.5, -6.8)],
        heel_line,
    )
    tailor.panel(upper, "main", volume=_UPPER)
    counter = outline(
        (33.5, -6.8), heel_line, [(25.4, 25)], [(25.6, 13), (29.6, 5.2), (29.8, -3.8), (33.5, -6.8)]
    )
    tailor.panel(counter, "trim", volume=((0, 0.5), (1, 0.36)), lift=0.2)
    toe = outline(
        (-37, 25), [(-38.8, 19.6), (-34, 14.6), (-25.4, 12.4)], [(-20, 17), (-19, 25)], [(-37, 25)]
    )
    tailor.panel(toe, "trim", volume=((0, 0.57), (1, 0.46)), lift=0.15)
    _sneaker_seams(tailor)
    _rubber_sole(tailor)
    _laces(
        tailor,
        [((-16 + k * 5.1, 10.6 - k * 3.4), (-10 + k * 4.9, 13.4 - k * 3.5)) for k in range(5)],
    )


def _sneaker_seams(tailor: Tailor) -> None:
    tailor.stitch((-17.8, 25), (-18.6, 17), (-23.8, 11.8))
    tailor.seam((-16, 25), (-9, 16.4), (2, 9.7), (11, 4.9), (14.4, -1.7))
    for shift in (0, 8):
        bar = polygon(
            (3 + shift, 12.5), (6.6 + shift, 9.8), (14 + shift, 24.6), (9.6 + shift, 24.6)
        )
        tailor.panel(bar, "trim", volume=None, edge=0.4)
    tailor.fold((-17, 15.5), (-13.4, 11.4), (-11, 6.8), depth=0.16)
    tailor.fold((-12, 13.4), (-8.6, 9.2), (-7, 4.9), depth=0.14)
    tailor.shadow((12, -1.2), (20, 1.4), (28, -0.7), depth=0.25, width=1.6)


def _rubber_sole(tailor: Tailor) -> None:
    sole = outline(
        (-38.8, 22.6),
        [(-20, 24.6), (10, 24.6), (37.6, 23.2)],
        [(38.9, 27), (37.8, 31.6)],
        [(10, 32.6), (-20, 32.6), (-34.6, 31.4)],
        [(-40, 28.4), (-38.8, 22.6)],
    )
    colour = _rubber(tailor)
    tailor.solid(sole, colour, edge=0.45)
    tailor.round_off(sole, ((0, 0.52), (1, 0.42)), 90)
    tailor.ink.draw(stroke((-39.4, 27), (0, 28.6), (38.4, 27)), line_of(colour), 0.5, 0.7)
    tread = stroke((-33, 31.6), (0, 32.2), (36.8, 31.2))
    tailor.ink.draw(tread, line_of(colour), 1.2, 0.9, dash=(2.0, 1.0), round_ends=False)
    tailor.shadow((-36, 22), (0, 23.6), (36, 22), depth=0.3, width=1.8)


def _loafer(tailor: Tailor) -> None:
    inner = outline(
        (-9, 3), [(8, -3), (22, -6.5), (35.6, -8.6)], [(32, 2), (16, 10), (2, 9), (-9, 3)]
    )
    tailor.panel(inner, "inside", volume=((0, 0.5), (1, 0.42)))
    upper = outline(
        (-38, 24),
        [(-40, 18), (-33, 11.5), (-22, 8.0), (-10, 3.4)],
        [(-6, 1.6)],
        [(1, 5.6), (14, 5.2), (26, -0.6), (35.6, -8.6)],
        [(38.4, -3), (37.8, 8), (38.6, 24)],
    )
    tailor.panel(upper, "main", volume=_UPPER)
    vamp = outline(
        (-32, 13.4),
        [(-26, 10.2), (-18, 7.4), (-12.4, 5.2)],
        [(-14, 9.6), (-22, 13.6), (-30.6, 15.8)],
        [(-32, 13.4)],
    )
    tailor.panel(vamp, "trim", volume=((0, 0.6), (1, 0.5)))
    tailor.stitch((-32, 16.8), (-22, 14.8), (-13, 10.4))
    saddle = outline(
        (-13.4, 4.8),
        [(-9, 2.9), (-5.4, 1.4)],
        [(-1.4, 8), (5.4, 24)],
        [(-6.6, 24.2)],
        [(-9, 13), (-13.4, 4.8)],
    )
    tailor.panel(saddle, "trim", volume=((0, 0.58), (1, 0.44)), lift=0.25)
    slot = outline((-9.4, 6.4), [(-6.4, 5.0)], [(-4.8, 8.0)], [(-7.8, 9.6)], [(-9.4, 6.4)])
    tailor.solid(slot, mix(tailor.fabric("trim").base, BLACK, 0.5), edge=0.3, part=False)
    tailor.stitch((-5.6, 3.6), (-1.8, 11), (3.4, 23.4), fabric="trim")
    tailor.seam((27, 24), (26.4, 10), (28.4, -0.6))
    tailor.gleam((-35, 16.4), (-30, 12.2), (-22, 9.6), strength=0.35, width=1.8)
    tailor.gleam((34, -2), (35, 8), (35, 17), strength=0.18, width=1.8)
    sole = outline(
        (-39.4, 22.8),
        [(0, 24.4), (39.2, 22.6)],
        [(39.4, 32)],
        [(24, 32.2)],
        [(22.6, 27.2)],
        [(0, 27.4), (-36, 27)],
        [(-40.2, 25.6), (-39.4, 22.8)],
    )
    tailor.solid(sole, _leather_sole(tailor), edge=0.4)
    tailor.round_off(sole, ((0, 0.54), (1, 0.44)), 90)


def _pump(tailor: Tailor) -> None:
    inner = outline(
        (-12, 12), [(8, 6), (22, -6), (34, -18)], [(27, 3), (12, 18.4), (-2, 19.6), (-12, 12)]
    )
    tailor.panel(inner, "inside", volume=((0, 0.5), (1, 0.42)))
    upper = outline(
        (-40, 27.6),
        [(-41, 23), (-33, 17), (-22, 12.6), (-12, 9.6)],
        [(-2, 17), (10, 15), (22, 4), (34, -18)],
        [(38.4, -12), (38.6, -2), (35.8, 8.4)],
        [(24, 9.4), (14, 19), (0, 27), (-16, 29.4), (-40, 28.6)],
    )
    tailor.panel(upper, "main", volume=_UPPER)
    if tailor.two_tone:
        cap = outline(
            (-40, 28.4),
            [(-41, 23), (-33, 17), (-29.4, 15.4)],
            [(-24, 20), (-23, 29.2)],
            [(-40, 28.4)],
        )
        tailor.panel(cap, "trim", volume=((0, 0.57), (1, 0.46)))
    heel = outline(
        (24.8, 9.6),
        [(30, 7.6), (36.4, 6.8)],
        [(35.2, 16), (33.6, 26), (33.4, 32)],
        [(29.6, 32)],
        [(29.8, 22), (24.8, 9.6)],
    )
    tailor.panel(heel, "trim", volume=((0, 0.52), (1, 0.36)), edge=0.4)
    sole = outline(
        (-40.6, 28.0),
        [(-18, 29.4), (-4, 28.0), (12, 20.2), (24.8, 9.6)],
        [(26, 11.6)],
        [(13, 22.4), (-3, 30.6), (-18, 31.4), (-38, 30.6)],
        [(-40.6, 28.0)],
    )
    tailor.solid(sole, _leather_sole(tailor), edge=0.3)
    tailor.seam((-12.6, 11.2), (-2, 18.6), (10.6, 16.6), (23.4, 5.0), (34.2, -15), width=0.35)
    tailor.gleam((-37, 22.6), (-30, 17.8), (-20, 14.0), strength=0.45, width=1.6)
    tailor.gleam((34, -6), (35.6, 0), (33.4, 6), strength=0.25, width=1.6)


def shoe(tailor: Tailor) -> None:
    """A single shoe: sneaker, loafer or pump."""
    tailor.extent(-18, 30)
    {"sneaker": _sneaker, "loafer": _loafer, "pump": _pump}[tailor.item.shape](tailor)


def boot(tailor: Tailor) -> None:
    """A single boot."""
    item = tailor.item
    top = -38.0 if item.length == "knee-length" else -14.0
    heeled = item.shape == "heeled"
    tailor.extent(top, 32)
    calf = 3.4 if item.length == "knee-length" else 0.0
    opening = outline(
        (-1 - calf * 0.6, top),
        [(13, top - 3.0), (28 + calf, top + 0.6)],
        [(13, top + 3.4), (-1 - calf * 0.6, top)],
    )
    tailor.panel(opening, "inside", volume=None, edge=0.4)
    shaft: list[Point] = [(29.4 + calf, (top + 4) * 0.6), (27.6, 6)]
    upper = outline(
        (-1 - calf * 0.6, top),
        [(13, top + 3.6), (28 + calf, top + 0.6)],
        [*shaft, (29.8, 16), (29.2, 25)],
        [(0, 26.4), (-35, 26)],
        [(-38.6, 20), (-32, 12.8), (-18, 9.4), (-6.4, 2.0), (-2.6, -6), (-1 - calf * 0.6, top)],
    )
    tailor.panel(upper, "main", volume=((0, 0.52), (0.35, 0.55), (0.7, 0.5), (1, 0.36)))
    _boot_creases(tailor, top)
    _BOOT_FRONTS[item.closure](tailor, top, calf)
    if tailor.two_tone:
        cuff = outline(
            (-1.2 - calf * 0.6, top),
            [(13, top + 3.6), (28 + calf, top + 0.6)],
            [(28.4 + calf, top + 8)],
            [(13, top + 11), (-1.6 - calf * 0.5, top + 7.4)],
            [(-1.2 - calf * 0.6, top)],
        )
        tailor.panel(cuff, "trim", volume=((0, 0.5), (0.35, 0.56), (1, 0.38)), lift=0.3)
    _boot_sole(tailor, heeled)


def _boot_creases(tailor: Tailor, top: float) -> None:
    tailor.stitch((-36, 20.6), (-26, 15.4), (-16, 14), (-11, 21), (-10.6, 25))
    tailor.seam((20, 25), (20.6, 14), (29, 10), width=0.45)
    tailor.fold((-8, 5), (2, 6.8), (12, 4.4), depth=0.24, width=1.8)
    tailor.fold((-3.6, -2), (6, 1.2), (16, -2), depth=0.18, width=1.6)
    tailor.fold((24, 2), (14, 5.4), (8, 9), depth=0.14, width=1.6)
    tailor.gleam((-34, 19), (-28, 14.6), (-20, 12.2), strength=0.35, width=2.0)
    tailor.gleam((5, top + 8), (4.6, -2), strength=0.2, width=2.4)


def _front_none(tailor: Tailor, top: float, calf: float) -> None:
    panel = stroke((10, top + 4), (12, top + 14), (10, top + 20))
    tailor.ink.draw(panel, line_of(tailor.cloth.base), 0.4)
    tab = stroke((27 + calf, top + 3), (30 + calf, top - 3.5), (24.6 + calf, top + 2.5))
    tailor.cord(tab, tailor.cloth.base, 1.2)


def _front_laces(tailor: Tailor, top: float, calf: float) -> None:
    count = 9 if top < -30 else 6
    rows: list[tuple[Point, Point]] = []
    for k in range(count):
        t = k / (count - 1)
        y = 6 + (top + 5 - 6) * t
        x = -10 + min(t * 2.4, 1.0) * 9.4 - calf * max(t - 0.4, 0) * 1.0
        rows.append(((x, y), (x + 6.6, y + 1.4)))
    _laces(tailor, rows)


def _front_zip(tailor: Tailor, top: float, calf: float) -> None:
    line = stroke((17, top + 4), (17.4, 0), (16.4, 20))
    tailor.ink.draw(line, mix(tailor.cloth.base, BLACK, 0.5), 1.9)
    tailor.ink.draw(line, METAL, 1.0, dash=(0.55, 0.6), round_ends=False)
    tailor.solid(rectangle(16.2, top + 5, 1.6, 4.4, 0.6), METAL, edge=0.25)


_BOOT_FRONTS = {"none": _front_none, "laces": _front_laces, "zip": _front_zip}


def _boot_sole(tailor: Tailor, heeled: bool) -> None:
    colour = _leather_sole(tailor)
    if heeled:
        sole = outline(
            (-37.4, 24.6),
            [(0, 26.0), (30, 24.4)],
            [(29.4, 32), (28.4, 38)],
            [(17.6, 38)],
            [(17.4, 31), (14.6, 28.6)],
            [(0, 29.4), (-34, 29)],
            [(-37.8, 27.6), (-37.4, 24.6)],
        )
    else:
        sole = outline(
            (-37.4, 24.6),
            [(0, 26.0), (30.4, 24.4)],
            [(30.6, 31.4)],
            [(14, 31.6)],
            [(13, 30)],
            [(0, 30.6), (-34, 30.6)],
            [(-38.4, 28.6), (-37.4, 24.6)],
        )
    tailor.solid(sole, colour, edge=0.4)
    tailor.round_off(sole, ((0, 0.56), (1, 0.44)), 90)
    tailor.ink.draw(stroke((-37, 26.2), (0, 27.4), (30, 26.0)), mix(colour, WHITE, 0.35), 0.35, 0.8)
