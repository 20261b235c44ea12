"""The same thing in another colour: its cut-out turned to a colour of the palette.

In Oklab (Björn Ottosson, 2020), whose lightness and hue are separate to the eye: the thing's
middle colour becomes the wanted one, and what is lighter, darker or of another hue within it,
shading and pattern, stays so around the new middle.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

KEPT_HUES = 0.35
"""Share that is kept of the differences of hue within a thing."""
Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]

_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def recoloured(picture: Bytes, opacity: Bytes, rgb: str) -> Bytes:
    """``picture (H, W, 3)`` with the thing, ``opacity (H, W)``, in the colour ``rgb``,
    hexadecimal. What has opacity 0 stays as it is."""
    lab = oklab(picture)
    target = oklab(np.array([int(rgb[i : i + 2], 16) for i in (0, 2, 4)], dtype=np.uint8))
    thing = opacity > 127
    if not thing.any():
        return picture.copy()
    middle = np.median(lab[thing], axis=0)
    moved = target + (lab - middle) * np.array([1.0, KEPT_HUES, KEPT_HUES])
    share = opacity[..., None] / 255
    mixed = _rgb(moved) * share + picture * (1 - share)
    return np.rint(np.where(share > 0, mixed, picture)).astype(np.uint8)


def oklab(pixels: Bytes) -> Numbers:
    """sRGB bytes ``(..., 3)`` in Oklab."""
    values = pixels / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    found: Numbers = np.cbrt(linear @ _CONES.T) @ _LAB.T
    return found


def _rgb(lab: Numbers) -> Numbers:
    """Oklab in sRGB, 0 to 255; what a screen can't show is cut off."""
    cones = (lab @ np.linalg.inv(_LAB).T) ** 3
    linear = np.clip(cones @ np.linalg.inv(_CONES).T, 0, 1)
    values = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    found: Numbers = values * 255
    return found
