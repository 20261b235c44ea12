"""language/palette.py: how light colours are, and what they may be taken for."""

from __future__ import annotations

from samebut.language import palette


def lightness(rgb: str) -> float:
    """L* of CIELAB, 0 to 100, of a colour in sRGB (IEC 61966-2-1; CIE 15:2004)."""
    parts = [int(rgb[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    y = sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return float(116 * y ** (1 / 3) - 16) if y > 0.008856 else 903.3 * y


def test_steps_of_lightness_are_those_of_the_drawn_colours() -> None:
    measured = {name: lightness(palette.COLOURS[name].rgb) for name in palette.DRAWN}
    assert set(measured) <= set(palette.LIGHTNESS)
    for dark in measured:
        for light in measured:
            if palette.LIGHTNESS[dark] < palette.LIGHTNESS[light]:
                assert measured[dark] + 2 < measured[light], (dark, light)


def test_every_colour_we_can_name_is_known_to_the_tables() -> None:
    unmeasured = {"rose", "rose gold", "nude", "fluorescent green", "mushroom brown"}
    unmeasured |= {"grey melange", "skin", "taupe", *palette.SEVERAL}
    assert set(palette.COLOURS) - set(palette.LIGHTNESS) <= unmeasured
    plain = "black blue white grey brown red green purple pink beige yellow orange"
    assert {name for name in palette.COLOURS if name not in palette.FAMILIES} == {
        *plain.split(),
        *(palette.SEVERAL & set(palette.COLOURS)),
    }


def test_a_shade_belongs_to_every_colour_it_may_be_taken_for() -> None:
    assert palette.families("teal") == {"blue", "green"}
    assert palette.families("red") == {"red"}
    assert palette.families("zebra") == {"zebra"}
