"""An item and a scene to pixels."""

from __future__ import annotations

import math
import random

from PIL import Image, ImageChops, ImageFilter

from samebut.wardrobe.attributes import Item
from samebut.wardrobe.fabric import BLACK, PALETTE
from samebut.wardrobe.garments import GARMENTS
from samebut.wardrobe.scene import BACKGROUNDS, Scene, random_scene
from samebut.wardrobe.tailor import Tailor, measure
from samebut.wardrobe.vector import Matrix, Sheet, placed, rectangle, times

_SHADOW_SHRINK = 4  # soft shadows are drawn at a lower resolution
_LIGHT_SHRINK = 2
_NEUTRAL = 128  # the grey that the blend mode hard light leaves unchanged


def draw(item: Item, seed: int, size: int = 288) -> Image.Image:
    """A picture of ``item``: RGB, about ``size`` x ``size`` pixels in area, of varied shape.

    The same item, seed and size give the same pixels.
    """
    rng = random.Random(seed)
    return compose(item, random_scene(rng, item.kind, PALETTE[item.colour], size), rng)


def compose(item: Item, scene: Scene, rng: random.Random) -> Image.Image:
    """A picture of ``item`` in ``scene``: RGB, ``scene.width`` x ``scene.height``."""
    tailor = measure(item, rng, hung=scene.hangs)
    GARMENTS[item.kind](tailor)
    placing = scene.placing(tailor.reach)
    silhouette = _silhouette(tailor, scene, placing)
    page = Sheet()
    BACKGROUNDS[scene.background](scene, page)
    _cast(page, silhouette, scene, placing)
    with page.moved(placing):
        page.absorb(tailor.ink)
    light = _light(tailor, scene, placing)
    lit = Image.composite(light, Image.new("L", light.size, _NEUTRAL), silhouette)
    # PDFium has this blend mode too, but copies the page for each object that uses one.
    return ImageChops.hard_light(
        page.render(scene.width, scene.height), Image.merge("RGB", (lit, lit, lit))
    )


def _silhouette(tailor: Tailor, scene: Scene, placing: Matrix) -> Image.Image:
    """255 where the item is, 0 elsewhere."""
    sheet = Sheet()
    sheet.fill(rectangle(0, 0, scene.width, scene.height), BLACK)
    with sheet.moved(placing):
        sheet.absorb(tailor.silhouette)
    return sheet.render_grey(scene.width, scene.height)


def _scale(placing: Matrix) -> float:
    """Pixels per garment unit."""
    return math.hypot(placing[2], placing[3])


def _cast(page: Sheet, silhouette: Image.Image, scene: Scene, placing: Matrix) -> None:
    """Draw the item's soft shadow: beside it, further away on a wall, flattened on a floor."""
    unit = _scale(placing)
    small = silhouette.reduce(_SHADOW_SHRINK)
    reach = 1.7 if scene.hangs else 1.0
    soft = small.filter(ImageFilter.GaussianBlur(2.6 * reach * unit / _SHADOW_SHRINK))
    faint = soft.point([round(value * 0.34) for value in range(256)])
    if scene.stands:
        box = silhouette.getbbox()
        foot = float(box[3] if box else scene.height) - 0.6 * unit
        flat, lean = 0.20, -0.35
        laid = (1.0, 0.0, lean, flat, -lean * foot, foot * (1 - flat))
        page.spray(faint, times(placed(0, 0, _SHADOW_SHRINK), laid), BLACK)
        faint = faint.point([value // 2 for value in range(256)])
    page.spray(faint, placed(1.6 * reach * unit, 2.6 * reach * unit, _SHADOW_SHRINK), BLACK)


def _light(tailor: Tailor, scene: Scene, placing: Matrix) -> Image.Image:
    """The item's shading, for the blend mode hard light: 128 where it changes nothing."""
    sheet = Sheet()
    sheet.fill(rectangle(0, 0, scene.width, scene.height), (0.5, 0.5, 0.5))
    with sheet.moved(placing):
        sheet.absorb(tailor.light)
    size = (-(-scene.width // _LIGHT_SHRINK), -(-scene.height // _LIGHT_SHRINK))
    grey = sheet.render_grey(*size, placed(0, 0, 1 / _LIGHT_SHRINK))
    soft = grey.filter(ImageFilter.GaussianBlur(0.75 * _scale(placing) / _LIGHT_SHRINK))
    return soft.resize((scene.width, scene.height), Image.Resampling.BILINEAR)
