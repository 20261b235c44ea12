"""Contact sheets: a request a line, its first answers beside it, those known to be right framed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from people_rows.asking import Shown
from samebut.images import open_picture

SIDE, TEXT, GAP = 110, 260, 5
GREEN, WHITE, BLACK = (30, 150, 60), (255, 255, 255), (20, 20, 20)
CHINESE = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")


def write(requests: Sequence[Shown], file: Path) -> None:
    """One PNG of ``requests``."""
    step = SIDE + GAP
    most = max(len(request.answers) for request in requests)
    page = Image.new("RGB", (TEXT + (most + 1) * step + GAP, len(requests) * step + GAP), WHITE)
    pen = ImageDraw.Draw(page)
    for line, request in enumerate(requests):
        top = GAP + line * step
        if request.reference:
            _paste(page, request.reference, GAP, top)
        said = "\n".join(textwrap.wrap(request.text, 30)) + f"\n{request.score:.2f}"
        pen.multiline_text((step + 2 * GAP, top + 8), said, BLACK, _font(), spacing=6)
        for place, (answer, right) in enumerate(zip(request.answers, request.right, strict=True)):
            left = step + TEXT + place * step
            if right:
                pen.rectangle((left - 3, top - 3, left + SIDE + 2, top + SIDE + 2), GREEN)
            _paste(page, answer, left, top)
    page.save(file)


def _paste(page: Image.Image, file: Path, left: int, top: int) -> None:
    small = open_picture(file, shorter_side=SIDE)
    small.thumbnail((SIDE, SIDE))
    page.paste(small, (left + (SIDE - small.width) // 2, top + (SIDE - small.height) // 2))


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.truetype(CHINESE, 14) if CHINESE.is_file() else ImageFont.load_default(14)
