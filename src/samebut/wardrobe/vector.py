"""Antialiased vector drawing: curves, and a sheet of ink that becomes pixels.

A :class:`Sheet` writes the page description operators of ISO 32000-1 (PDF), section 8, and PDFium
turns them into pixels in memory. Measured on one core, 320 x 320, a shape with a clip, stripes
and twenty soft strokes: PDFium 0.9 ms, ThorVG 1.0 ms, Skia 2.3 ms, resvg 68 ms (its Python wheel
draws patterns slowly and always compresses a PNG). Skia's wheel needs the system's libGL, which a
bare server lacks; ThorVG's binding is LGPL; pycairo has no wheels for Linux and macOS; aggdraw has
neither gradients nor clips. PDFium has wheels for the three systems, is maintained as a part of
Chromium and has a permissive licence.

The same operators give the same pixels with the same version of PDFium; another may round
differently.

Lengths are in whatever unit the caller's matrix maps to pixels; y points down.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from PIL import Image

from samebut.errors import DataError

Point = tuple[float, float]
Matrix = tuple[float, float, float, float, float, float]
Rgb = tuple[float, float, float]  # each 0 to 1
Segment = tuple[float, ...]  # 2 numbers: a straight line to a point, 6: a cubic Bezier

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
_QUARTER_ARC = 0.5522847498  # handle of the cubic that follows a quarter of a unit circle
_HANDLE = 0.36  # share of a segment's length that a smooth curve's handle takes
_PDFIUM = threading.Lock()  # PDFium keeps global state; two renders at once corrupt it


def placed(x: float, y: float, scale: float = 1.0, degrees: float = 0.0) -> Matrix:
    """A matrix that scales, then turns clockwise by ``degrees``, then moves to (x, y)."""
    cos, sin = math.cos(math.radians(degrees)) * scale, math.sin(math.radians(degrees)) * scale
    return (cos, sin, -sin, cos, x, y)


def times(first: Matrix, then: Matrix) -> Matrix:
    """The matrix that applies ``first``, then ``then``."""
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return (
        a * p + b * r,
        a * q + b * s,
        c * p + d * r,
        c * q + d * s,
        e * p + f * r + t,
        e * q + f * s + u,
    )


def apply(matrix: Matrix, point: Point) -> Point:
    """``point`` after ``matrix``."""
    a, b, c, d, e, f = matrix
    return (a * point[0] + c * point[1] + e, b * point[0] + d * point[1] + f)


@dataclass(frozen=True)
class Path:
    """One or more curves. Each is a start, its segments, and whether it is closed."""

    curves: tuple[tuple[Point, tuple[Segment, ...], bool], ...]

    def __add__(self, other: Path) -> Path:
        return Path(self.curves + other.curves)

    @cached_property
    def operators(self) -> str:
        """The path construction operators."""
        words: list[str] = []
        for (x, y), segments, closed in self.curves:
            words.append(f"{x:.2f} {y:.2f} m")
            for segment in segments:
                if len(segment) == 2:
                    words.append("{:.2f} {:.2f} l".format(*segment))
                else:
                    words.append("{:.2f} {:.2f} {:.2f} {:.2f} {:.2f} {:.2f} c".format(*segment))
            if closed:
                words.append("h")
        return " ".join(words)

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """Every point and handle: their hull holds the path."""
        found: list[Point] = []
        for start, segments, _ in self.curves:
            found.append(start)
            for segment in segments:
                found.extend(zip(segment[::2], segment[1::2], strict=True))
        return tuple(found)

    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the hull."""
        xs, ys = zip(*self.points, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def moved(self, matrix: Matrix) -> Path:
        """The path after ``matrix``."""

        def move(numbers: Segment) -> Segment:
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            return tuple(n for pair in pairs for n in apply(matrix, pair))

        return Path(
            tuple(
                (apply(matrix, start), tuple(move(s) for s in segments), closed)
                for start, segments, closed in self.curves
            )
        )

    def mirrored(self) -> Path:
        """The path seen in a mirror along x = 0."""
        return self.moved((-1.0, 0.0, 0.0, 1.0, 0.0, 0.0))


def _smooth(points: Sequence[Point]) -> list[Segment]:
    """Cubics through ``points`` with one tangent at each inner point (a Catmull-Rom spline whose
    handles follow the length of their own segment, so uneven spacing does not overshoot)."""
    if len(points) == 2:
        return [points[1]]
    last = len(points) - 1
    directions: list[Point] = []
    for i in range(1, last):
        dx, dy = points[i + 1][0] - points[i - 1][0], points[i + 1][1] - points[i - 1][1]
        length = math.hypot(dx, dy) or 1.0
        directions.append((dx / length, dy / length))
    segments: list[Segment] = []
    for i in range(last):
        (x0, y0), (x3, y3) = points[i], points[i + 1]
        reach = math.hypot(x3 - x0, y3 - y0) * _HANDLE
        if i > 0:
            x1, y1 = x0 + directions[i - 1][0] * reach, y0 + directions[i - 1][1] * reach
        if i < last - 1:
            x2, y2 = x3 - directions[i][0] * reach, y3 - directions[i][1] * reach
        if i == 0:
            x1, y1 = x0 + (x2 - x0) * 0.5, y0 + (y2 - y0) * 0.5
        if i == last - 1:
            x2, y2 = x3 + (x1 - x3) * 0.5, y3 + (y1 - y3) * 0.5
        segments.append((x1, y1, x2, y2, x3, y3))
    return segments


def stroke(*points: Point) -> Path:
    """An open smooth curve through ``points``."""
    return Path(((points[0], tuple(_smooth(points)), False),))


def outline(start: Point, *runs: Sequence[Point]) -> Path:
    """A closed shape. Each run is one smooth curve that starts where the last run ended; between
    runs there is a corner. A run of one point is a straight line."""
    segments: list[Segment] = []
    here = start
    for run in runs:
        segments += _smooth([here, *run])
        here = run[-1]
    return Path(((start, tuple(segments), True),))


def symmetric(
    start: Point, *runs: Sequence[Point], top: Sequence[Point] = (), smooth_top: bool = True
) -> Path:
    """A closed shape that is its own mirror image along x = 0.

    ``start`` and ``runs`` are the half with x > 0, from the top to the bottom; the last run ends on
    x = 0 and goes on smoothly into its mirror image. ``top`` are the points, also of the half with
    x > 0 and from the middle outwards, of the curve that closes the shape at the top; straight
    lines instead of a curve if not ``smooth_top``.
    """

    def flip(points: Sequence[Point]) -> list[Point]:
        return [(-x, y) for x, y in points]

    ends = [start, *(run[-1] for run in runs)]
    *upper, bottom = runs
    across = [*bottom, *flip([ends[-2], *bottom[:-1]])[::-1]]
    back = [flip([ends[i], *run[:-1]])[::-1] for i, run in enumerate(upper)][::-1]
    middle = [point for point in top if point[0] == 0]
    sides = [point for point in top if point[0] != 0]
    lid = [*flip(sides)[::-1], *middle, *sides, start]
    lids = [lid] if smooth_top else [[point] for point in lid]
    return outline(start, *upper, across, *back, *lids)


def corners(*points: Point) -> Path:
    """An open line with a corner at each inner point."""
    return Path(((points[0], tuple(points[1:]), False),))


def polygon(*points: Point) -> Path:
    """A closed shape with straight sides."""
    return outline(points[0], *([point] for point in points[1:]))


def ellipse(x: float, y: float, rx: float, ry: float | None = None) -> Path:
    """An ellipse around (x, y); a circle when ``ry`` is left out."""
    ry = rx if ry is None else ry
    kx, ky = rx * _QUARTER_ARC, ry * _QUARTER_ARC
    return Path(
        (
            (
                (x + rx, y),
                (
                    (x + rx, y + ky, x + kx, y + ry, x, y + ry),
                    (x - kx, y + ry, x - rx, y + ky, x - rx, y),
                    (x - rx, y - ky, x - kx, y - ry, x, y - ry),
                    (x + kx, y - ry, x + rx, y - ky, x + rx, y),
                ),
                True,
            ),
        )
    )


def rectangle(x: float, y: float, width: float, height: float, radius: float = 0.0) -> Path:
    """A rectangle from its top left corner, its corners rounded by ``radius``."""
    r, k = radius, radius * (1 - _QUARTER_ARC)
    right, bottom = x + width, y + height
    if not r:
        return polygon((x, y), (right, y), (right, bottom), (x, bottom))
    return Path(
        (
            (
                (x + r, y),
                (
                    (right - r, y),
                    (right - k, y, right, y + k, right, y + r),
                    (right, bottom - r),
                    (right, bottom - k, right - k, bottom, right - r, bottom),
                    (x + r, bottom),
                    (x + k, bottom, x, bottom - k, x, bottom - r),
                    (x, y + r),
                    (x, y + k, x + k, y, x + r, y),
                ),
                True,
            ),
        )
    )


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".") or "0"


def _matrix(matrix: Matrix) -> str:
    return " ".join(f"{n:.5f}" for n in matrix)


def _colour(rgb: Rgb) -> str:
    return " ".join(_number(part) for part in rgb)


Stops = Sequence[tuple[float, Rgb]]


def _ramp(stops: Stops) -> str:
    """A stitching function (ISO 32000-1, 7.10.4) through colour ``stops`` from 0 to 1."""
    pieces = [
        f"<</FunctionType 2/Domain[0 1]/C0[{_colour(a)}]/C1[{_colour(b)}]/N 1>>"
        for (_, a), (_, b) in itertools.pairwise(stops)
    ]
    if len(pieces) == 1:
        return pieces[0]
    bounds = " ".join(_number(at) for at, _ in stops[1:-1])
    encode = " ".join(["0 1"] * len(pieces))
    return (
        f"<</FunctionType 3/Domain[0 1]/Functions[{''.join(pieces)}]"
        f"/Bounds[{bounds}]/Encode[{encode}]>>"
    )


@dataclass
class Sheet:
    """What is drawn, in order; later ink covers earlier ink."""

    operators: list[str] = field(default_factory=list)
    _shadings: list[str] = field(default_factory=list)
    _states: dict[str, str] = field(default_factory=dict)
    _masks: list[tuple[Image.Image, Rgb]] = field(default_factory=list)

    def fill(self, path: Path, colour: Rgb, alpha: float = 1.0) -> None:
        """Fill ``path``; where its curves overlap, all is filled."""
        self._paint(f"{_colour(colour)} rg {path.operators} f", alpha)

    def draw(
        self,
        path: Path,
        colour: Rgb,
        width: float,
        alpha: float = 1.0,
        dash: Sequence[float] = (),
        round_ends: bool = True,
    ) -> None:
        """Draw along ``path`` with a pen ``width`` wide."""
        ends = "1 J 1 j" if round_ends else "0 J 0 j"
        dashes = f"[{' '.join(_number(d) for d in dash)}] 0 d" if dash else ""
        pen = f"{_colour(colour)} RG {_number(width)} w {ends} {dashes}"
        self._paint(f"{pen} {path.operators} S", alpha)

    def shade(
        self,
        path: Path,
        start: Point,
        end: Point,
        stops: Stops,
    ) -> None:
        """Fill ``path`` with colours that run from ``start`` to ``end`` in a straight line."""
        coordinates = " ".join(_number(n) for n in (*start, *end))
        self._shade(path, 2, coordinates, stops)

    def glow(
        self,
        path: Path,
        centre: Point,
        radius: float,
        stops: Stops,
    ) -> None:
        """Fill ``path`` with colours that run from ``centre`` outwards to ``radius``."""
        x, y = (_number(n) for n in centre)
        self._shade(path, 3, f"{x} {y} 0 {x} {y} {_number(radius)}", stops)

    @contextmanager
    def clipped(self, path: Path) -> Iterator[None]:
        """Nothing drawn inside the block leaves ``path``."""
        self.operators.append(f"q {path.operators} W n")
        yield
        self.operators.append("Q")

    @contextmanager
    def moved(self, matrix: Matrix) -> Iterator[None]:
        """Everything drawn inside the block goes through ``matrix``."""
        self.operators.append(f"q {_matrix(matrix)} cm")
        yield
        self.operators.append("Q")

    def spray(self, mask: Image.Image, at: Matrix, colour: Rgb) -> None:
        """Paint ``colour`` with ``mask``, a grey picture, as its opacity: white is opaque.
        ``at`` maps the mask's pixels to this sheet's units."""
        self._masks.append((mask, colour))
        upright = times((mask.width, 0.0, 0.0, -mask.height, 0.0, mask.height), at)
        self._paint(f"{_matrix(upright)} cm /I{len(self._masks) - 1} Do", 1.0)

    def absorb(self, other: Sheet) -> None:
        """Draw all of ``other`` on top; ``spray`` must not have been called on ``other``."""
        renamed = {
            f"/S{i} sh": f"/S{i + len(self._shadings)} sh" for i in range(len(other._shadings))
        }
        for line in other.operators:
            name = line[line.rfind("/S") : -2] if line.endswith(" sh Q") else ""
            self.operators.append(line.replace(name, renamed[name]) if name else line)
        self._shadings += other._shadings
        self._states |= other._states

    def render(self, width: int, height: int, matrix: Matrix = IDENTITY) -> Image.Image:
        """The pixels, RGB, ``width`` x ``height``, on white."""
        return _rasterise(self._document(width, height, matrix), grey=False)

    def render_grey(self, width: int, height: int, matrix: Matrix = IDENTITY) -> Image.Image:
        """The pixels, one channel, ``width`` x ``height``, on white."""
        return _rasterise(self._document(width, height, matrix), grey=True)

    def _paint(self, operators: str, alpha: float) -> None:
        if alpha >= 0.995:
            self.operators.append(f"q {operators} Q")
            return
        name = f"A{round(alpha * 1000)}"
        self._states[name] = f"<</ca {alpha:.3f}/CA {alpha:.3f}>>"
        self.operators.append(f"q /{name} gs {operators} Q")

    def _shade(self, path: Path, kind: int, coordinates: str, stops: Stops) -> None:
        self._shadings.append(
            f"<</ShadingType {kind}/ColorSpace/DeviceRGB/Coords[{coordinates}]"
            f"/Function {_ramp(stops)}/Extend[true true]>>"
        )
        name = f"S{len(self._shadings) - 1}"
        self._paint(f"{path.operators} W n /{name} sh", 1.0)

    def _resources(self, first_picture: int) -> str:
        # A colour painted by ``spray`` is a picture of one pixel with a mask: objects n and n + 1.
        shadings = "".join(f"/S{i} {text}" for i, text in enumerate(self._shadings))
        states = "".join(f"/{name} {text}" for name, text in self._states.items())
        pictures = "".join(f"/I{i} {first_picture + 2 * i} 0 R" for i in range(len(self._masks)))
        return f"<</Shading<<{shadings}>>/ExtGState<<{states}>>/XObject<<{pictures}>>>>"

    def _document(self, width: int, height: int, matrix: Matrix) -> bytes:
        upright = times(matrix, (1.0, 0.0, 0.0, -1.0, 0.0, float(height)))
        placing = f"{_matrix(upright)} cm\n"
        content = (placing + "\n".join(self.operators)).encode("ascii")
        page = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents 4 0 R"
            f"/Resources {self._resources(5)}>>"
        )
        objects = [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            page.encode("ascii"),
            _stream("", content),
        ]
        for mask, colour in self._masks:
            pixel = bytes(round(part * 255) for part in colour)
            behind = f"/SMask {len(objects) + 2} 0 R"
            objects.append(_stream(_picture_header(1, 1, "DeviceRGB") + behind, pixel))
            objects.append(_stream(_picture_header(*mask.size, "DeviceGray"), mask.tobytes()))
        return _file(objects)


def _picture_header(width: int, height: int, space: str) -> str:
    return (
        f"/Type/XObject/Subtype/Image/Width {width}/Height {height}"
        f"/ColorSpace/{space}/BitsPerComponent 8/Interpolate true"
    )


def _stream(header: str, content: bytes) -> bytes:
    start = f"<<{header}/Length {len(content)}>>stream\n".encode("ascii")
    return start + content + b"\nendstream"


def _file(objects: Sequence[bytes]) -> bytes:
    """A whole PDF file of numbered ``objects``, the first of them the catalog."""
    parts = [b"%PDF-1.7\n"]
    offsets: list[int] = []
    size = len(parts[0])
    for number, body in enumerate(objects, 1):
        offsets.append(size)
        parts.append(b"%d 0 obj\n%s\nendobj\n" % (number, body))
        size += len(parts[-1])
    rows = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    parts.append(
        b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
        % (count, rows, count, size)
    )
    return b"".join(parts)


def pdfium() -> Any:
    """The module pypdfium2, imported only when something is drawn: searching does not need it.

    Raises DataError where the extra ``draw`` is not installed.
    """
    try:
        import pypdfium2  # type: ignore[import-untyped]
    except ImportError as error:
        raise DataError(
            "drawing pictures needs pypdfium2, which is not installed",
            hint="Install it: pip install 'samebut[draw]'",
        ) from error
    return pypdfium2


def _rasterise(document: bytes, *, grey: bool) -> Image.Image:
    with _PDFIUM:
        pdf = pdfium().PdfDocument(document)
        try:
            bitmap = pdf[0].render(scale=1, grayscale=grey, rev_byteorder=True)
            image: Image.Image = bitmap.to_pil().copy()
            bitmap.close()
        finally:
            pdf.close()
    return image
