"""An item and a scene to pixels."""

from __future__ import annotations

import random

from PIL import Image, ImageFilter

from samebut.data.wardrobe.attributes import Item
from samebut.data.wardrobe.fabric import BLACK, PALETTE
from samebut.data.wardrobe.garments import GARMENTS
from samebut.data.wardrobe.scene import BACKGROUNDS, Scene, random_scene
from samebut.data.wardrobe.tailor import Tailor, measure
from samebut.data.wardrobe.vector import Matrix, Path, Sheet, placed, rectangle, times

_SHADOW_SCALE = 0.25
_LIGHT_SCALE = 0.5


def draw(item: Item, seed: int, size: int = 288) -> Image.Image:
    """A picture of ``item``: RGB, about ``size`` x ``size`` pixels in area, of varied shape.

    The same item, seed and size give the same pixels.
    """
    rng = random.Random(seed)
    scene = random_scene(rng, PALETTE[item.colour], size)
    return compose(item, scene, rng)


def compose(item: Item, scene: Scene, rng: random.Random) -> Image.Image:
    """A picture of ``item`` in ``scene``: RGB, ``scene.width`` x ``scene.height``."""
    tailor = measure(item, rng)
    GARMENTS[item.kind](tailor)
    whole = _union(tailor.silhouette)
    placing = scene.placing(whole.box())
    page = Sheet()
    BACKGROUNDS[scene.background](scene, page)
    page.picture(_shadow(whole, scene, placing), scene.width, scene.height, "Multiply")
    with page.moved(placing):
        page.absorb(tailor.ink)
    with page.clipped(whole.moved(placing)):
        light = _light(tailor, scene, placing)
        page.picture(light, scene.width, scene.height, "HardLight")
    return page.render(scene.width, scene.height)


def _union(paths: list[Path]) -> Path:
    return Path(tuple(curve for path in paths for curve in path.curves))


def _shadow(whole: Path, scene: Scene, placing: Matrix) -> Image.Image:
    """The item's soft shadow: white where there is none."""
    unit = (placing[0] ** 2 + placing[1] ** 2) ** 0.5
    small = placed(0, 0, _SHADOW_SCALE)
    width, height = (max(1, round(side * _SHADOW_SCALE)) for side in (scene.width, scene.height))
    sheet = Sheet()
    shift = placed(1.6 * unit, 2.6 * unit)
    sheet.fill(whole.moved(times(placing, shift)), BLACK, 0.30)
    near = sheet.render_grey(width, height, small)
    return near.filter(ImageFilter.GaussianBlur(2.6 * unit * _SHADOW_SCALE))


def _light(tailor: Tailor, scene: Scene, placing: Matrix) -> Image.Image:
    """How light falls on the item: 128 where it changes nothing."""
    width, height = (max(1, round(side * _LIGHT_SCALE)) for side in (scene.width, scene.height))
    unit = (placing[0] ** 2 + placing[1] ** 2) ** 0.5
    sheet = Sheet()
    sheet.fill(rectangle(0, 0, scene.width, scene.height), (0.5, 0.5, 0.5))
    with sheet.moved(placing):
        sheet.absorb(tailor.light)
    grey = sheet.render_grey(width, height, placed(0, 0, _LIGHT_SCALE))
    return grey.filter(ImageFilter.GaussianBlur(0.75 * unit * _LIGHT_SCALE))
