"""Draws a folder of odd and broken picture files, with the expected result for each.

Most good ones show the same four quarters, so that the corners tell whether a picture was decoded
upright and in the right colours:

    red    | green
    -------+-------
    blue   | yellow
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, TiffImagePlugin, features

Colour = tuple[int, int, int]
Quarters = tuple[Colour, Colour, Colour, Colour]

SIZE = (64, 48)
COLOURS: Quarters = ((200, 40, 40), (40, 160, 60), (40, 60, 200), (230, 200, 60))
GREYS: Quarters = tuple((v, v, v) for v in (20, 90, 160, 230))  # type: ignore[assignment]
BLACK_WHITE: Quarters = ((0, 0, 0), (255, 255, 255), (255, 255, 255), (0, 0, 0))

ORIENTATION = 0x0112
INVERSE_OF = {  # how an upright picture is stored so that the orientation makes it upright again
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class OddPicture:
    """One odd file.

    A good one has its upright ``size`` and, from top left to bottom right, the ``quarters`` it
    shows to within ``tolerance``. A broken one has a pattern its ``reason`` must match.
    ``folder`` marks what a walk through the folder does not list as a file;
    ``unprivileged``, what is broken only for users other than root.
    """

    name: str
    path: Path
    good: bool
    size: tuple[int, int] = SIZE
    quarters: Quarters = COLOURS
    tolerance: int = 8
    reason: str = ""
    folder: bool = False
    unprivileged: bool = False

    def check(self, picture: Image.Image) -> None:
        """Assert that this is what was drawn: RGB, the right way up, in the right colours."""
        assert picture.mode == "RGB", (self.name, picture.mode)
        assert picture.size == self.size, (self.name, picture.size)
        shown = quarters_of(picture)
        worst = np.abs(np.subtract(shown, self.quarters)).max()
        assert worst <= self.tolerance, f"{self.name}: shows {shown}, drawn {self.quarters}"


def quarters_of(picture: Image.Image) -> Quarters:
    """Mean colour of the inner part of each quarter, from top left to bottom right."""
    pixels = np.asarray(picture, dtype=np.float64)
    height, width = pixels.shape[:2]

    def inner(length: int, second: int) -> slice:
        start = (1 + 4 * second) * length // 8
        return slice(start, max(start + 1, (3 + 4 * second) * length // 8))

    means = [
        pixels[inner(height, row), inner(width, column)].mean(axis=(0, 1)).round().astype(int)
        for row in (0, 1)
        for column in (0, 1)
    ]
    return tuple(tuple(int(v) for v in mean) for mean in means)  # type: ignore[return-value]


def draw(quarters: Quarters = COLOURS, size: tuple[int, int] = SIZE) -> Image.Image:
    """The four quarters as an RGB picture."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    for index, colour in enumerate(quarters):
        row, column = divmod(index, 2)
        rows = slice(row * height // 2, (row + 1) * height // 2)
        pixels[rows, column * width // 2 : (column + 1) * width // 2] = colour
    return Image.fromarray(pixels)


def exif_with(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def stored(orientation: int) -> Image.Image:
    turn = INVERSE_OF[orientation]
    return draw() if turn is None else draw().transpose(turn)


def as_bytes(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.copy().save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


# ------------------------------------------------------------- bytes that Pillow does not write


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int,
    height: int,
    depth: int,
    colour: int,
    rows: bytes,
    interlace: int = 0,
    clear: bytes = b"",
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    chunks = [(b"IHDR", header), (b"tRNS", clear), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    if not clear:
        del chunks[1]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_rows(values: np.ndarray) -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in values)


def rgb16_png() -> bytes:
    return png(*SIZE, 16, 2, png_rows((np.asarray(draw()).astype(">u2") * 257).astype(">u2")))


def grey16_clear_png() -> bytes:
    """One of its 65536 greys, that of the bottom right quarter, is transparent."""
    values = np.asarray(scaled(">u2", 257))
    return png(*SIZE, 16, 0, png_rows(values), clear=values[-1, -1].tobytes())


def interlaced_png() -> bytes:
    pixels = np.asarray(draw())
    passes = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2))
    rows = [png_rows(pixels[y::dy, x::dx]) for y, dy, x, dx in (*passes, (1, 2, 0, 1))]
    return png(*SIZE, 8, 2, b"".join(rows), interlace=1)


def exif_behind_pixels_png() -> bytes:
    data = as_bytes(stored(6), "PNG")
    exif = exif_with(6).tobytes().removeprefix(b"Exif\0\0")
    return data[:-12] + png_chunk(b"eXIf", exif) + data[-12:]


def tiff(blocks: list[bytes], tags: dict[int, tuple[int, ...]], tiled: bool = False) -> bytes:
    """A little-endian TIFF of uncompressed strips or tiles; numbers below 65536 are shorts."""
    data_at = 8
    offsets = tuple(data_at + sum(map(len, blocks[:i])) for i in range(len(blocks)))
    places, lengths = (324, 325) if tiled else (273, 279)
    tags = tags | {256: (SIZE[0],), 257: (SIZE[1],), 259: (1,)}
    tags |= {places: offsets, lengths: tuple(map(len, blocks))}
    tags.setdefault(277, (len(tags[258]),))
    directory_at = data_at + sum(map(len, blocks))
    extra_at, extra, entries = directory_at + 2 + 12 * len(tags) + 4, b"", b""
    for tag, values in sorted(tags.items()):
        kind, letter = (3, "H") if max(values) < 65536 else (4, "I")
        packed = struct.pack(f"<{len(values)}{letter}", *values)
        if len(packed) > 4:
            packed, extra = struct.pack("<I", extra_at + len(extra)), extra + packed
        entries += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = struct.pack("<2sHI", b"II", 42, directory_at)
    count = struct.pack("<H", len(tags))
    return head + b"".join(blocks) + count + entries + bytes(4) + extra


def tiled_tiff(tile: int = 32) -> bytes:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[: SIZE[1], : SIZE[0]] = np.asarray(draw())
    corners = [(y, x) for y in range(0, 64, tile) for x in range(0, 64, tile)]
    tiles = [pixels[y : y + tile, x : x + tile].tobytes() for y, x in corners]
    return tiff(tiles, {258: (8, 8, 8), 262: (2,), 322: (tile,), 323: (tile,)}, tiled=True)


def twelve_bit_tiff() -> bytes:
    grey = np.asarray(draw(GREYS).convert("L")).astype(np.uint32) * 4095 // 255
    first, second = grey[:, ::2], grey[:, 1::2]
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=-1)
    return tiff([packed.astype(np.uint8).tobytes()], {258: (12,), 262: (1,)})


def ycbcr_tiff() -> bytes:
    pixels = np.asarray(draw().convert("YCbCr")).tobytes()
    return tiff([pixels], {258: (8, 8, 8), 262: (6,), 530: (1, 1)})


def premultiplied_tiff() -> bytes:
    """Grey at half its strength with an alpha of a half: over white, half way to white."""
    grey = np.asarray(draw(GREYS).convert("L"))
    pixels = np.stack([grey // 2, np.full_like(grey, 128)], axis=-1)
    return tiff([pixels.tobytes()], {258: (8, 8), 262: (1,), 338: (1,)})


def palette_and_alpha_tiff() -> bytes:
    index = np.kron(np.arange(4, dtype=np.uint8).reshape(2, 2), np.ones((24, 32), np.uint8))
    alpha = np.where(index == 3, 0, 255).astype(np.uint8)
    colours = np.zeros((3, 256), np.int64)
    colours[:, :4] = np.transpose(COLOURS) * 257
    tags = {258: (8, 8), 262: (3,), 338: (2,), 320: tuple(map(int, colours.ravel()))}
    return tiff([np.stack([index, alpha], axis=-1).tobytes()], tags)


def colour_after_colour_jpeg() -> bytes:
    """A baseline JPEG of three scans, one for each component, put together from three grey ones."""
    planes = [as_bytes(plane, "JPEG", quality=95) for plane in draw().convert("YCbCr").split()]
    scans = [data.index(b"\xff\xda") for data in planes]
    head = planes[0][: scans[0]]
    frame = head.index(b"\xff\xc0")
    components = b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    one, three = (
        head[frame : frame + 13],
        struct.pack(">2sHBHHB", b"\xff\xc0", 17, 8, *SIZE[::-1], 3),
    )
    head = head.replace(one, three + components)
    body = b"".join(
        struct.pack(">2sHBBBBBB", b"\xff\xda", 8, 1, number, 0, 0, 63, 0) + data[at + 10 : -2]
        for number, data, at in zip((1, 2, 3), planes, scans, strict=True)
    )
    return head + body + b"\xff\xd9"


def ycck_jpeg() -> bytes:
    """What Photoshop writes: CMYK inverted, its CMY as YCbCr, and a marker that says so."""
    ink = 255 - np.asarray(draw())
    luma = np.asarray(Image.fromarray(ink).convert("YCbCr"))
    planes = [255 - luma[..., i] for i in range(3)]  # Pillow inverts once more when it writes
    black = np.zeros(planes[0].shape, np.uint8)
    cmyk = Image.merge("CMYK", [Image.fromarray(np.ascontiguousarray(p)) for p in (*planes, black)])
    data = bytearray(as_bytes(cmyk, "JPEG", quality=95))
    marker = data.index(b"Adobe")
    data[marker + 11] = 2
    return bytes(data)


def top_down_bmp() -> bytes:
    data = bytearray(as_bytes(draw().transpose(Image.Transpose.FLIP_TOP_BOTTOM), "BMP"))
    data[22:26] = struct.pack("<i", -SIZE[1])
    return bytes(data)


def swapped_profile() -> bytes:
    """An sRGB profile with the primaries red and green exchanged."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    table = data[128:512].replace(b"rXYZ", b"tmp_").replace(b"gXYZ", b"rXYZ")
    return data[:128] + table.replace(b"tmp_", b"gXYZ") + data[512:]


def xmp_with(orientation: int) -> bytes:
    return f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()


def scaled(dtype: str, factor: float, offset: float = 0) -> Image.Image:
    """The grey quarters in a wider type of pixel: value * factor + offset."""
    grey = np.asarray(draw(GREYS).convert("L")).astype(np.float64)
    return Image.fromarray((grey * factor + offset).astype(dtype))


def with_alpha(mode: str) -> Image.Image:
    """The quarters, the bottom right one fully transparent."""
    image = draw().convert(mode)
    alpha = Image.new("L", SIZE, 255)
    alpha.paste(0, (SIZE[0] // 2, SIZE[1] // 2, *SIZE))
    image.putalpha(alpha)
    return image


def palette_picture() -> Image.Image:
    return draw().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)


def yellow_index() -> int:
    picture = palette_picture()
    index = picture.getpixel((SIZE[0] - 1, SIZE[1] - 1))
    assert isinstance(index, int)
    return index


WHITE_CORNER: Quarters = (*COLOURS[:3], (255, 255, 255))
GREY_COLOURS: Quarters = tuple(  # type: ignore[assignment]
    (round(0.299 * r + 0.587 * g + 0.114 * b),) * 3 for r, g, b in COLOURS
)


# ------------------------------------------------------------------------------- good ones

Bytes = Callable[[], bytes]


def turned() -> Iterator[tuple[str, Bytes, dict[str, object]]]:
    for turn in INVERSE_OF:
        yield (
            f"turned {turn}.jpg",
            lambda turn=turn: as_bytes(stored(turn), "JPEG", exif=exif_with(turn), quality=95),
            {},
        )
    kinds = {"png": "PNG", "webp": "WEBP", "tif": "TIFF", "avif": "AVIF"}
    for suffix, kind in kinds.items():
        if suffix != "avif" or features.check("avif"):
            yield (
                f"turned.{suffix}",
                lambda kind=kind: as_bytes(stored(6), kind, exif=exif_with(6), quality=95),
                {},
            )
    yield "turned behind pixels.png", exif_behind_pixels_png, {}
    yield "turned by xmp.jpg", lambda: as_bytes(stored(6), "JPEG", xmp=xmp_with(6), quality=95), {}


def coloured() -> Iterator[tuple[str, Bytes, dict[str, object]]]:
    rgb, grey = draw(), draw(GREYS).convert("L")
    cmyk, one_bit = rgb.convert("CMYK"), draw(BLACK_WHITE).convert("1")
    swapped = Image.merge("RGB", [rgb.getchannel(band) for band in "GRB"])
    greys, corner = {"quarters": GREYS}, {"quarters": WHITE_CORNER}
    lossy = {"tolerance": 12}
    yield "grey.jpg", lambda: as_bytes(grey, "JPEG"), greys
    yield (
        "grey alpha.png",
        lambda: as_bytes(with_alpha("L"), "PNG"),
        {"quarters": (*GREY_COLOURS[:3], (255, 255, 255))},
    )
    yield "one bit.png", lambda: as_bytes(one_bit, "PNG"), {"quarters": BLACK_WHITE}
    yield (
        "fax.tif",
        lambda: as_bytes(one_bit, "TIFF", compression="group4"),
        {"quarters": BLACK_WHITE},
    )
    yield "palette.png", lambda: as_bytes(palette_picture(), "PNG"), {}
    yield (
        "palette one clear.png",
        lambda: as_bytes(palette_picture(), "PNG", transparency=yellow_index()),
        corner,
    )
    yield (
        "palette alpha.png",
        lambda: as_bytes(
            palette_picture(),
            "PNG",
            transparency=bytes(128 * (i != yellow_index()) + 127 * (i < 9) for i in range(4)),
        ),
        {
            "quarters": tuple(
                colour if i < 3 else tuple((v + 255) // 2 for v in colour)
                for i, colour in enumerate(COLOURS)
            )
        },
    )
    yield "alpha.png", lambda: as_bytes(with_alpha("RGB"), "PNG"), corner
    yield "alpha.webp", lambda: as_bytes(with_alpha("RGB"), "WEBP", quality=95), corner | lossy
    yield "alpha.tif", lambda: as_bytes(with_alpha("RGB"), "TIFF"), corner
    yield "clear colour.png", lambda: as_bytes(rgb, "PNG", transparency=COLOURS[3]), corner
    yield (
        "clear.gif",
        lambda: as_bytes(palette_picture(), "GIF", transparency=yellow_index()),
        (corner),
    )
    if (b"II", 1, (1,), 1, (8, 8), (1,)) in TiffImagePlugin.OPEN_INFO:  # newer Pillow
        halves = tuple(((v + 255) // 2,) * 3 for v, _, _ in GREYS)
        yield "premultiplied.tif", premultiplied_tiff, {"quarters": halves}
        yield "ycbcr.tif", ycbcr_tiff, {}
    yield "palette and alpha.tif", palette_and_alpha_tiff, corner
    yield "cmyk.tif", lambda: as_bytes(cmyk, "TIFF"), {}
    yield "cmyk adobe.jpg", lambda: as_bytes(cmyk, "JPEG", quality=95), {}
    yield "ycck adobe.jpg", ycck_jpeg, lossy
    yield "lab.tif", lambda: as_bytes(rgb.convert("LAB"), "TIFF"), lossy
    yield "jpeg inside.tif", lambda: as_bytes(rgb, "TIFF", compression="jpeg", quality=95), lossy
    yield (
        "swapped profile.jpg",
        lambda: as_bytes(swapped, "JPEG", icc_profile=swapped_profile(), quality=95, subsampling=0),
        lossy,
    )
    yield "broken profile.jpg", lambda: as_bytes(rgb, "JPEG", icc_profile=bytes(200)), lossy
    yield (
        "wrong profile.jpg",
        lambda: as_bytes(cmyk, "JPEG", icc_profile=swapped_profile(), quality=95),
        {},
    )


def deep() -> Iterator[tuple[str, Bytes, dict[str, object]]]:
    greys = {"quarters": GREYS, "tolerance": 1}
    yield "grey 16.png", lambda: as_bytes(scaled("uint16", 257), "PNG"), greys
    yield "grey 16 clear.png", grey16_clear_png, {"quarters": (*GREYS[:3], (255, 255, 255))}
    yield "grey 12.tif", twelve_bit_tiff, greys
    yield "grey 16.tif", lambda: as_bytes(scaled("uint16", 257), "TIFF"), greys
    yield "grey 16 big end first.tif", lambda: as_bytes(scaled(">u2", 257), "TIFF"), greys
    yield "integers 32.tif", lambda: as_bytes(scaled("int32", 257), "TIFF"), greys
    yield "floats to 1.tif", lambda: as_bytes(scaled("float32", 1 / 255), "TIFF"), greys
    yield "floats to 255.tif", lambda: as_bytes(scaled("float32", 1), "TIFF"), greys
    yield (
        "floats around 0.tif",
        lambda: as_bytes(scaled("float32", 10, -1000), "TIFF"),
        {"quarters": tuple((round((v - 20) * 255 / 210),) * 3 for v, _, _ in GREYS)},
    )
    yield "colour 16.png", rgb16_png, {"tolerance": 1}


def built() -> Iterator[tuple[str, Bytes, dict[str, object]]]:
    rgb = draw()

    def two_frames(kind: str, **options: object) -> Bytes:
        return lambda: as_bytes(
            rgb, kind, save_all=True, append_images=[draw(BLACK_WHITE)], **options
        )

    yield "moving.gif", two_frames("GIF"), {}
    yield "moving.webp", two_frames("WEBP", quality=95), {"tolerance": 12}
    yield "moving.png", two_frames("PNG"), {}
    yield "two eyes.jpg", two_frames("MPO", quality=95), {}
    yield "pages.tif", two_frames("TIFF"), {}
    yield "interlaced.png", interlaced_png, {}
    yield "progressive.jpg", lambda: as_bytes(rgb, "JPEG", progressive=True, quality=95), {}
    yield "colour after colour.jpg", colour_after_colour_jpeg, {}
    yield "packed.tif", lambda: as_bytes(rgb, "TIFF", compression="tiff_lzw"), {}
    yield "tiled.tif", tiled_tiff, {}
    yield "plain.bmp", lambda: as_bytes(rgb, "BMP"), {}
    yield "palette.bmp", lambda: as_bytes(palette_picture(), "BMP"), {}
    yield "top down.bmp", top_down_bmp, {}
    yield (
        "one pixel.png",
        lambda: as_bytes(draw(size=(1, 1)), "PNG"),
        {"size": (1, 1), "quarters": (COLOURS[3],) * 4},
    )
    yield (
        "one column.png",
        lambda: as_bytes(draw((COLOURS[0], COLOURS[0], COLOURS[2], COLOURS[2]), (2, 3000)), "PNG"),
        {"size": (2, 3000), "quarters": (COLOURS[0], COLOURS[0], COLOURS[2], COLOURS[2])},
    )
    if features.check("avif"):
        yield "plain.avif", lambda: as_bytes(rgb, "AVIF", quality=95), {}


def scarred() -> Iterator[tuple[str, Bytes, dict[str, object]]]:
    """Good pixels with damage beside them."""
    rgb = draw()
    resolution = struct.pack("<HHI4s", 0x011A, 7, 1, bytes(4))
    unit = struct.pack("<HHI4s", 0x0128, 3, 1, b"\2\0\0\0")
    no_number = b"Exif\0\0II*\0\x08\0\0\0\2\0" + resolution + unit + bytes(4)
    broken = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(range(60))
    yield "broken exif.jpg", lambda: as_bytes(rgb, "JPEG", exif=broken, quality=95), {}
    yield "broken exif.png", lambda: as_bytes(rgb, "PNG", exif=broken), {}
    yield "broken exif.webp", lambda: as_bytes(rgb, "WEBP", exif=broken, quality=95), {}
    yield "nonsense exif.jpg", lambda: as_bytes(rgb, "JPEG", exif=b"Exif\0\0nonsense"), {}
    yield "no resolution.jpg", lambda: as_bytes(rgb, "JPEG", exif=no_number, quality=95), {}
    yield "exif says 99.jpg", lambda: as_bytes(rgb, "JPEG", exif=exif_with(99), quality=95), {}
    yield "more behind.jpg", lambda: as_bytes(rgb, "JPEG", quality=95) + bytes(5000), {}
    yield "more behind.png", lambda: as_bytes(rgb, "PNG") + b"not a chunk" * 99, {}


ODD_NAMES = (
    "LOUD.JPG",
    "photo.jfif",
    "two words.jpg",
    "红色 连衣裙.jpg",
    "👗.jpg",
    'it\'s "quoted" & $HOME; `id`.jpg',
    "two\nlines.jpg",
    "-rf.jpg",
    "100%d {name}.jpg",
    "twin.v2.jpg",
    "n" * 246 + ".jpg",
    os.fsdecode(b"caf\xe9.jpg"),
)


def named() -> Iterator[tuple[str, Bytes, dict[str, object]]]:
    for name in ODD_NAMES:
        comment = os.fsencode(name)  # no two of them are the same file
        yield name, lambda c=comment: as_bytes(draw(), "JPEG", comment=c, quality=95), {}
    yield "a png really.jpg", lambda: as_bytes(draw(), "PNG"), {}
    yield "a jpeg really.png", lambda: as_bytes(draw(), "JPEG", quality=95), {}


# ------------------------------------------------------------------------------- broken ones


def zip_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("picture.jpg", as_bytes(draw(), "JPEG"))
    return buffer.getvalue()


def noisy() -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (48, 64, 3), np.uint8))


def cut(kind: str, part: float = 0.6, **options: object) -> Bytes:
    def make() -> bytes:
        data = as_bytes(noisy(), kind, **options)
        return data[: int(len(data) * part)]

    return make


def wrong_checksum_png() -> bytes:
    data = bytearray(as_bytes(draw(), "PNG"))
    data[29] ^= 0xFF  # the checksum of the header, which starts at byte 8
    return bytes(data)


def bomb_gif() -> bytes:
    data = bytearray(as_bytes(palette_picture(), "GIF"))
    data[6:10] = b"\xff\xff\xff\xff"
    return bytes(data)


BROKEN: dict[str, tuple[Bytes, str]] = {
    "nothing.jpg": (lambda: b"", "is empty"),
    "notes.jpg": (lambda: b"milk, bread, a blue shirt\n" * 40, "not a picture samebut can read"),
    "noise.jpg": (lambda: bytes(range(7, 250)) * 40, "not a picture samebut can read"),
    "error page.jpg": (lambda: b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "error page.png": (lambda: b"\n\n<html><head><title>Oops</title></head></html>", "web page"),
    "drawing.jpg": (lambda: b'<?xml version="1.0"?>\n<svg xmlns="x"/>', "SVG"),
    "document.jpg": (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "PDF"),
    "archive.png": (zip_file, "ZIP"),
    "film.jpg": (lambda: b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(99), "video"),
    "iphone.jpg": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "HEIC|damaged"),
    "layers.jpg": (lambda: b"8BPS\0\1" + bytes(99), "Photoshop"),
    "jpeg 2000.jpg": (lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "samebut can read"),
    "cut.jpg": (cut("JPEG"), "cut short"),
    "cut early.jpg": (cut("JPEG", 0.02), "cut short"),
    "cut progressive.jpg": (cut("JPEG", progressive=True), "cut short"),
    "cut.png": (cut("PNG"), "cut short"),
    "cut.gif": (cut("GIF"), "cut short"),
    "cut.webp": (cut("WEBP"), "cut short"),
    "cut.bmp": (cut("BMP"), "cut short"),
    "cut.tif": (cut("TIFF"), "cut short"),
    "cut packed.tif": (cut("TIFF", compression="tiff_lzw"), "cut short"),
    "wrong checksum.png": (wrong_checksum_png, "damaged"),
    "head only.jpg": (lambda: b"\xff\xd8\xff\xe0" + bytes(400), "damaged|cut short"),
    "bomb.png": (lambda: png(50_000, 50_000, 8, 2, bytes(999)), "2,500 million pixels"),
    "bomb.gif": (bomb_gif, "4,294.9 million pixels"),
}

if features.check("avif"):
    BROKEN["cut.avif"] = (cut("AVIF"), "damaged|cut short")


def special(folder: Path) -> Iterator[OddPicture]:
    """What is not a plain file: links, a folder, a pipe, a file that may not be read."""

    def record(name: str, good: bool, **more: object) -> OddPicture:
        return OddPicture(name, folder / name, good, **more)  # type: ignore[arg-type]

    (folder / "link.jpg").symlink_to("turned 6.jpg")
    yield record("link.jpg", True)
    (folder / "dead link.jpg").symlink_to("nowhere.jpg")
    yield record("dead link.jpg", False, reason="link to a file that is not there")
    (folder / "round link.jpg").symlink_to("round link.jpg")
    yield record("round link.jpg", False, reason="leads back to itself")
    (folder / "folder.jpg").mkdir()
    yield record("folder.jpg", False, reason="is a folder", folder=True)
    os.mkfifo(folder / "pipe.jpg")
    yield record("pipe.jpg", False, reason="is a pipe")
    locked = folder / "locked.jpg"
    locked.write_bytes(as_bytes(draw(), "JPEG", comment=b"locked"))
    locked.chmod(0)
    yield record("locked.jpg", False, reason="permission denied", unprivileged=True)


def make_odd_pictures(folder: Path) -> dict[str, OddPicture]:
    """Draw them all into ``folder`` (which must be there) and return them by file name.

    A name that the disk under ``folder`` does not allow is left out.
    """
    odd: list[OddPicture] = []
    for kind in (turned, coloured, deep, built, scarred, named):
        for name, data, more in kind():
            picture = OddPicture(name, folder / name, True, **more)  # type: ignore[arg-type]
            try:
                picture.path.write_bytes(data())
            except (OSError, UnicodeError):
                assert name in ODD_NAMES, name
            else:
                odd.append(picture)
    for name, (data, reason) in BROKEN.items():
        odd.append(OddPicture(name, folder / name, False, reason=reason))
        odd[-1].path.write_bytes(data())
    odd += special(folder)
    assert len({picture.name for picture in odd}) == len(odd)
    return {picture.name: picture for picture in odd}
