"""One picture: upright, flat, RGB, or refused in words."""

from __future__ import annotations

import gc
import io
import logging
import math
import os
import re
import threading
import time
import warnings
import weakref
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from odd_pictures import (
    COLOURS,
    ODD_NAMES,
    OddPicture,
    as_bytes,
    colour_after_colour_jpeg,
    draw,
    make_odd_pictures,
    noisy,
    png,
    quarters_of,
    scaled,
    with_alpha,
)
from samebut import images
from samebut.errors import PictureError
from samebut.images import PICTURE_SUFFIXES, open_picture, picture_size

Odd = dict[str, OddPicture]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Odd:
    return make_odd_pictures(tmp_path_factory.mktemp("odd"))


def is_privileged() -> bool:
    return os.geteuid() == 0


def wide_jpeg(**options: object) -> bytes:
    return as_bytes(draw(size=(1600, 400)), "JPEG", **options)


# ------------------------------------------------------------------- the folder of odd files


def test_there_are_many_odd_pictures_of_both_kinds(odd: Odd) -> None:
    assert sum(picture.good for picture in odd.values()) >= 75
    assert sum(not picture.good for picture in odd.values()) >= 28
    assert set(ODD_NAMES) <= set(odd) or os.name != "posix"


def test_every_good_one_opens_upright_flat_and_in_its_colours(odd: Odd) -> None:
    for picture in odd.values():
        if picture.good:
            picture.check(open_picture(picture.path))
            picture.check(open_picture(picture.path.read_bytes()))
            assert picture_size(picture.path) == picture.size, picture.name


def test_every_broken_one_is_named_with_its_reason(odd: Odd) -> None:
    for picture in odd.values():
        if picture.good or (picture.unprivileged and is_privileged()):
            continue
        with pytest.raises(PictureError, match=picture.reason) as caught:
            open_picture(picture.path)
        assert caught.value.name == str(picture.path)
        assert str(caught.value) == f"{picture.path}: {caught.value.reason}"


@pytest.mark.skipif(is_privileged(), reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(odd: Odd) -> None:
    with pytest.raises(PictureError, match="permission denied"):
        open_picture(odd["locked.jpg"].path)


def test_many_threads_open_them_all_without_a_warning(odd: Odd) -> None:
    """Warnings are errors here; one that leaked would be raised, or refuse a good picture."""

    def outcome(picture: OddPicture) -> bool:
        try:
            open_picture(picture.path, shorter_side=16)
        except PictureError:
            return False
        return True

    pictures = [picture for picture in odd.values() if not picture.unprivileged] * 4
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(outcome, pictures))
    assert outcomes == [picture.good for picture in pictures]


def test_a_picture_that_is_turned_again_stays_as_it_is(odd: Odd) -> None:
    for name in ("turned 6.jpg", "turned by xmp.jpg", "turned.png"):
        odd[name].check(ImageOps.exif_transpose(open_picture(odd[name].path)))


# ------------------------------------------------------------------- errors


def test_an_error_says_what_to_do() -> None:
    with pytest.raises(PictureError) as caught:
        open_picture(as_bytes(noisy(), "PNG")[:900], name="shirt.png")
    assert (caught.value.name, caught.value.reason) == ("shirt.png", "is cut short")
    assert caught.value.hint == "copy or download it again"


@pytest.mark.parametrize("raised", [ValueError("half way"), images._RefusedError("no")])
def test_a_kept_error_keeps_no_pixels(monkeypatch: pytest.MonkeyPatch, raised: Exception) -> None:
    """By its traceback it would hold the half-decoded picture for as long as itself."""
    decoding: list[weakref.ref[ImageFile.ImageFile]] = []

    def load(self: ImageFile.ImageFile) -> None:
        decoding.append(weakref.ref(self))
        raise type(raised)(*raised.args)

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(PictureError) as caught:
        open_picture(as_bytes(draw(), "BMP"))
    gc.collect()
    assert caught.value.reason
    assert decoding[0]() is None


def test_an_error_can_be_printed_whatever_the_name(tmp_path: Path) -> None:
    with pytest.raises(PictureError) as caught:
        open_picture(tmp_path / os.fsdecode(b"a\nb\xff.jpg"))
    assert str(caught.value).endswith("a\\nb\\xff.jpg: is not there")
    str(caught.value).encode("utf-8")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.jpg", "is not there"),
        ("x" * 300 + ".jpg", "has a name that is too long"),
        ("nul\0.jpg", "has a name that no file can have"),
        ("file.jpg/inside.jpg", "is not there"),
    ],
)
def test_names_that_lead_nowhere(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file.jpg").write_bytes(as_bytes(draw(), "JPEG"))
    for function in (open_picture, picture_size):
        with pytest.raises(PictureError) as caught:
            function(str(tmp_path / name))
        assert caught.value.reason == reason


def test_a_device_is_not_opened() -> None:
    with pytest.raises(PictureError, match="is a device"):
        open_picture("/dev/zero")


def test_a_pipe_put_in_the_place_of_a_file_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(as_bytes(draw(), "JPEG"))
    os.mkfifo(tmp_path / "pipe")
    status = (tmp_path / "a.jpg").stat()
    monkeypatch.setattr(Path, "stat", lambda self, **_: status)
    with pytest.raises(PictureError, match="is not an ordinary file"):
        open_picture(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (MemoryError(), "needs more memory than there is"),
        (OverflowError("too big"), "is damaged"),
        (RecursionError(), "is damaged"),
        (EOFError(), "is cut short"),
        (Image.DecompressionBombError("x"), "has more pixels than Pillow allows"),
        (OSError(5, "Input/output error"), "can't be read from its disk"),
        (OSError(116, "Stale file handle"), "can't be read: stale file handle"),
    ],
)
def test_whatever_the_decoder_raises_is_explained(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, reason: str
) -> None:
    def load(self: ImageFile.ImageFile) -> None:
        raise raised

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(PictureError) as caught:
        open_picture(as_bytes(draw(), "BMP"))
    assert caught.value.reason == reason


def test_a_file_over_the_limit_of_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 2_000_000)
    with pytest.raises(PictureError, match="is 3 MB, more than the 2 MB allowed"):
        open_picture(bytes(3_000_000))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damage_anywhere_is_a_picture_or_a_refusal(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "BMP"]))
    content = bytearray(as_bytes(noisy(), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(content) - 1, 400)))
        content[place] = data.draw(st.integers(0, 255))
    try:
        picture = open_picture(bytes(content), shorter_side=8)
    except PictureError as error:
        assert error.reason
    else:
        assert picture.mode == "RGB"


# ------------------------------------------------------------------- sizes and limits


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = png(11_000, 10_000, 8, 2, bytes(50))
    with pytest.raises(PictureError, match="has 110 million pixels, more than the 100 million"):
        open_picture(bomb)
    assert picture_size(bomb) == (11_000, 10_000)


def test_a_panorama_counts_as_it_is_scaled_down() -> None:
    panorama = wide_jpeg()
    assert open_picture(panorama, shorter_side=50, max_pixels=20_000).size == (200, 50)
    with pytest.raises(PictureError, match="has 640,000 pixels, more than the 20,000 allowed"):
        open_picture(panorama, max_pixels=20_000)


def test_a_panorama_that_is_held_whole_counts_whole() -> None:
    progressive = wide_jpeg(progressive=True)
    with pytest.raises(PictureError, match="has 640,000 pixels"):
        open_picture(progressive, shorter_side=50, max_pixels=640_000)
    assert open_picture(progressive, shorter_side=50, max_pixels=980_000).size == (200, 50)
    with pytest.raises(PictureError, match="has 3,072 pixels"):
        open_picture(colour_after_colour_jpeg(), shorter_side=8, max_pixels=3_500)


def test_a_format_that_takes_more_memory_gets_fewer_pixels() -> None:
    picture = draw(size=(100, 100))
    assert open_picture(as_bytes(picture, "PNG"), max_pixels=10_000).size == (100, 100)
    with pytest.raises(PictureError, match="has 10,000 pixels, more than the 9,999 allowed"):
        open_picture(as_bytes(picture, "PNG"), max_pixels=9_999)
    with pytest.raises(PictureError, match="has 10,000 pixels, more than the 9,750 allowed"):
        open_picture(as_bytes(picture, "WEBP"), max_pixels=39_000)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["JPEG", "PNG", "GIF"]),
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(1, 200),
)
def test_the_shorter_side_asked_for_is_there(
    kind: str, width: int, height: int, wanted: int
) -> None:
    picture = open_picture(as_bytes(draw(size=(width, height)), kind), shorter_side=wanted)
    assert min(picture.size) >= min(wanted, width, height)
    # and not many times more than asked for; `draft` stops at an eighth
    assert min(picture.size) < 2 * wanted or min(picture.size) * 8 >= min(width, height)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_scaled_down_on_the_way_shows_the_same(kind: str) -> None:
    content = as_bytes(draw(size=(640, 480)), kind, quality=95)
    small = open_picture(content, shorter_side=60)
    assert small.size == (80, 60)
    assert np.abs(np.subtract(quarters_of(small), COLOURS)).max() <= 8


def test_a_shorter_side_of_nothing_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        open_picture(as_bytes(draw(), "PNG"), shorter_side=0)


def test_scaling_down_averages_whole_blocks_over_every_band(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = noisy().resize((130, 99), Image.Resampling.NEAREST)
    expected = picture.reduce(3)
    for band in (1, 130, 1000, 10**9):
        monkeypatch.setattr(images, "_BAND_PIXELS", band)
        opened = open_picture(as_bytes(picture, "PNG"), shorter_side=33)
        assert np.array_equal(np.asarray(opened), np.asarray(expected)), band


def test_bands_change_no_picture(odd: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large pictures are converted slice by slice; small ones are here, and must not show it."""
    good = [picture for picture in odd.values() if picture.good]
    whole = [np.asarray(open_picture(picture.path)) for picture in good]
    monkeypatch.setattr(images, "_BAND_PIXELS", 64 * 5)
    for picture, expected in zip(good, whole, strict=True):
        assert np.array_equal(np.asarray(open_picture(picture.path)), expected), picture.name


def overlaps(contents: list[bytes], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many of ``contents`` are being decoded at once, at most."""
    decode, lock, now, most = images._decode, threading.Lock(), [0], [0]

    def counted(*arguments: object) -> Image.Image:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return decode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(images, "_decode", counted)
    with ThreadPoolExecutor(len(contents)) as threads:
        list(threads.map(open_picture, contents))
    return most[0]


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    content = as_bytes(draw(), "PNG")
    monkeypatch.setattr(images, "_LARGE_PIXELS", draw().width * draw().height - 1)
    assert overlaps([content] * 6, monkeypatch) == 1


def test_small_pictures_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = threading.Barrier(2)
    decode = images._decode

    def met(*arguments: object) -> Image.Image:
        meeting.wait(timeout=60)  # each waits in here for the other
        return decode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(images, "_decode", met)
    with ThreadPoolExecutor(2) as threads:
        assert len(list(threads.map(open_picture, [as_bytes(draw(), "PNG")] * 2))) == 2


# ------------------------------------------------------------------- colour


def test_transparent_parts_show_the_background() -> None:
    content = as_bytes(with_alpha("RGB"), "PNG")
    assert quarters_of(open_picture(content, background=(1, 2, 3)))[3] == (1, 2, 3)


@pytest.mark.parametrize(
    ("lowest", "highest", "dark", "bright"),
    [
        (0.0, 1.0, 0, 255),
        (0.0, 0.5, 0, 128),
        (0.0, 255.0, 0, 255),
        (0.0, 2.0, 0, 2),
        (0.0, 65535.0, 0, 255),
        (-7.0, -3.0, 0, 255),
        (1e6, 1e7, 0, 255),
        (0.0, 0.0, 0, 0),
        (-4.0, -4.0, 0, 0),
    ],
)
def test_floats_are_scaled_not_clipped(
    lowest: float, highest: float, dark: int, bright: int
) -> None:
    values = np.full((8, 8), lowest, np.float32)
    values[:, 4:] = highest
    pixels = np.asarray(open_picture(as_bytes(Image.fromarray(values), "TIFF")))
    assert pixels[0, 0].tolist() == [dark] * 3
    assert pixels[0, 7].tolist() == [bright] * 3


@pytest.mark.parametrize(
    ("values", "greys"),
    [
        ([0, 1, math.inf, -math.inf, 0.5], [0, 255, 255, 0, 128]),
        ([0, 1, math.nan], [0, 255, 0]),
        ([math.nan], [0]),
    ],
)
def test_what_is_no_number_in_a_picture_of_floats_costs_nothing(
    values: list[float], greys: list[int]
) -> None:
    content = as_bytes(Image.fromarray(np.array([values], np.float32)), "TIFF")
    assert np.asarray(open_picture(content))[0, :, 0].tolist() == greys


def test_a_picture_of_16_bits_spans_all_its_greys() -> None:
    content = as_bytes(scaled("uint16", 257), "PNG")
    expected = np.asarray(scaled("uint8", 1))
    assert np.array_equal(np.asarray(open_picture(content))[..., 0], expected)


# ------------------------------------------------------------------- Pillow's global state


def corrupt_exif() -> bytes:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x03\0" + bytes.fromhex("0f01020040000000ff000000") * 3
    return as_bytes(draw(), "WEBP", exif=exif)


def test_pillow_still_warns_everybody_else() -> None:
    content = corrupt_exif()
    open_picture(content)
    with pytest.raises(UserWarning, match=r"(?i)corrupt|larger than file|truncated"):
        Image.open(io.BytesIO(content)).getexif()


def test_warnings_that_are_not_pillows_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: ImageFile.ImageFile) -> None:
        warnings.warn("not Pillow's", stacklevel=1)

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(PictureError) as caught:  # a warning is an error here, so it refuses
        open_picture(as_bytes(draw(), "BMP"))
    assert caught.value.reason == "is damaged"


def test_the_filter_is_put_back_first_and_never_twice() -> None:
    content = corrupt_exif()
    for _ in range(3):
        warnings.simplefilter("error")
        open_picture(content)
    assert sum(entry is images._FILTER for entry in warnings.filters) == 1
    assert warnings.filters[0] is images._FILTER


def test_pillows_log_does_not_end_on_stderr() -> None:
    """Without any handler Python prints what is an error or a warning."""
    handlers = logging.getLogger("PIL").handlers
    assert any(isinstance(handler, logging.NullHandler) for handler in handlers)


def test_nothing_else_is_changed(odd: Odd) -> None:
    def state() -> tuple[object, ...]:
        return Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(Image.ID)

    before = state()
    for picture in odd.values():
        if picture.good:
            open_picture(picture.path, shorter_side=4)
    assert state() == before


# ------------------------------------------------------------------- names of files


def test_the_suffixes_worth_trying() -> None:
    assert {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif"} <= PICTURE_SUFFIXES
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in PICTURE_SUFFIXES)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.CR2", "raw pictures of cameras"),
        ("a.b.svg", "drawings"),
        ("a.jpg_large", "pictures with more behind their suffix, as in .jpg_large"),
        ("a.jpg!d", "pictures with more behind their suffix, as in .jpg_large"),
        ("a.PNG.12", "pictures with more behind their suffix, as in .jpg_large"),
        *(
            (name, None)
            for name in ("a.jpg", "a.txt", "jpg", "a.jpgs", "a.12", "", ".", "a.jpg.txt")
        ),
    ],
)
def test_what_looks_like_a_picture(name: str, kind: str | None) -> None:
    found = images.other_kind(name)
    assert (found and found.name) == kind
    assert found is None or found.remedy


def heic(picture: Image.Image, **options: object) -> bytes:
    """As an iPhone saves it, nearly."""
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture).save(buffer, quality=95, **options)
    return buffer.getvalue()


def test_a_heic_picture_is_upright_and_in_rgb() -> None:
    upright = draw()
    for stored, options in (
        (upright, {}),
        (upright.convert("RGBA"), {}),
        (upright.transpose(Image.Transpose.ROTATE_90), {"exif": orientation(6)}),
        (upright.transpose(Image.Transpose.ROTATE_180), {"exif": orientation(3)}),
    ):
        content = heic(stored, **options)
        opened = open_picture(content)
        assert (opened.mode, opened.size) == ("RGB", upright.size)
        assert picture_size(content) == upright.size
        difference = np.asarray(opened, np.int16) - np.asarray(upright, np.int16)
        assert np.abs(difference).mean() < 4
    assert ".heic" in PICTURE_SUFFIXES


def orientation(number: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = number
    return exif.tobytes()


def test_a_heic_picture_that_is_too_large_or_damaged_is_refused() -> None:
    content = heic(Image.new("RGB", (640, 480), "red"))
    pixels = 640 * 480
    assert open_picture(content, shorter_side=10, max_pixels=2 * pixels).size == (14, 10)
    with pytest.raises(PictureError, match="has 307,200 pixels, more than the 307,100 allowed"):
        open_picture(content, shorter_side=10, max_pixels=2 * pixels - 200)
    for bad in (content[:-40], content[:80], content[:12] + bytes(500)):
        with pytest.raises(PictureError) as caught:
            open_picture(bad)
        assert re.fullmatch("is damaged|is cut short", caught.value.reason), caught.value.reason


def test_a_heic_picture_is_never_shown_by_the_small_copy_in_it() -> None:
    upright = draw(size=(640, 480))
    content = heic(upright, thumbnails=[128])
    opened = open_picture(content, shorter_side=64)
    assert min(opened.size) >= 64
    assert opened.size == upright.reduce(480 // 64).size
    difference = np.asarray(opened, np.int16) - np.asarray(upright.reduce(480 // 64), np.int16)
    assert np.abs(difference).mean() < 4


def test_without_the_extra_a_heic_picture_is_named_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name: row for name, row in images._FORMATS.items() if name != "HEIF"}
    monkeypatch.setattr(images, "_FORMATS", known)
    with pytest.raises(PictureError, match="is a HEIC picture") as caught:
        open_picture(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))
    assert caught.value.hint == "save it as a JPEG or PNG, or: pip install 'samebut[heic]'"


@pytest.mark.parametrize("make", [str, Path, lambda path: Path(path).read_bytes()])
def test_a_source_is_a_path_or_the_bytes(
    tmp_path: Path, make: Callable[[str], str | Path | bytes]
) -> None:
    (tmp_path / "a.png").write_bytes(as_bytes(draw(), "PNG"))
    source = make(str(tmp_path / "a.png"))
    assert np.array_equal(np.asarray(open_picture(source)), np.asarray(draw()))
    assert picture_size(source) == draw().size


# ------------------------------------------------------------------- limits of docs/limits.md


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan stands there again and again."""
    content = wide_jpeg(progressive=True)
    scans = content.count(b"\xff\xda")
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * (count - scans) + content[-2:]


def test_scans_are_counted_before_anything_is_decoded() -> None:
    assert open_picture(with_scans(images.MAX_SCANS)).size == (1600, 400)
    with pytest.raises(PictureError, match="more than the 100 scans") as caught:
        open_picture(with_scans(images.MAX_SCANS + 1))
    assert caught.value.hint == "save it as a JPEG again"
    started = time.monotonic()
    with pytest.raises(PictureError, match="scans"):
        open_picture(with_scans(40_000))
    assert time.monotonic() - started < 5


def test_a_marker_cut_in_two_by_the_reading_is_a_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    for length in (1, 2, 3, 7):
        monkeypatch.setattr(images, "_SCANNED_BYTES", length)
        with pytest.raises(PictureError, match="scans"):
            open_picture(with_scans(images.MAX_SCANS + 1))


def in_parts(kind: str, count: int) -> bytes:
    """A picture with so many parts that say nothing before its pixels."""
    content = as_bytes(draw(size=(16, 16)), kind)
    if kind == "PNG":
        crc = zlib.crc32(b"abCd").to_bytes(4, "big")
        return content[:33] + (bytes(4) + b"abCd" + crc) * count + content[33:]
    if kind == "JPEG":
        return content[:2] + b"\xff\xe5\x00\x02" * count + content[2:]
    start = 13 + 3 * 2 ** ((content[10] & 7) + 1)
    return content[:start] + b"\x21\xfe\x01a\x00" * count + content[start:]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_parts_are_bounded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_picture(in_parts(kind, 100)).size == (16, 16)
    monkeypatch.setattr(images, "MAX_READS", 100)
    with pytest.raises(PictureError, match="more parts than a picture needs"):
        open_picture(in_parts(kind, 100))


def test_what_is_read_before_the_size_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    content = as_bytes(draw(size=(16, 16)), "JPEG")
    long = content[:2] + b"\xff\xe5\xff\xff" + bytes(65533) + content[2:]
    assert open_picture(long).size == (16, 16)
    monkeypatch.setattr(images, "MAX_HEADER_BYTES", 60_000)
    with pytest.raises(PictureError, match="more parts than a picture needs"):
        open_picture(long)


def test_time_is_bounded_wherever_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = as_bytes(noisy(), "PNG")
    with images.time_limit(60):
        open_picture(picture)
        with pytest.raises(PictureError, match="takes longer to decode"), images.time_limit(0):
            open_picture(picture)
        with images.time_limit(1000):  # does not give more than is left outside
            assert images._opening.deadline < time.monotonic() + 61
        open_picture(picture)
    monkeypatch.setattr(
        ImageFile.ImageFile, "load", lambda image: setattr(images._opening, "deadline", 0)
    )
    with images.time_limit(60), pytest.raises(PictureError, match="takes longer to decode"):
        open_picture(picture)


def test_what_follows_a_picture_is_no_part_of_it() -> None:
    content = as_bytes(draw(size=(16, 16)), "PNG") + bytes(12 * images.MAX_READS)
    assert picture_size(content) == (16, 16)
    assert open_picture(content).size == (16, 16)


def test_floats_that_are_no_numbers_are_black_and_nobody_is_warned() -> None:
    bits = np.full((8, 8), 0x3F000000, np.uint32)
    bits[0, :3] = 0x7F800001, 0x7FC00000, 0xFF7FFFFF  # two kinds of no number, the lowest of all
    file = as_bytes(Image.fromarray(bits.view(np.float32)), "TIFF")
    picture = open_picture(file)
    assert [picture.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0)] * 3
    assert picture.getpixel((7, 7)) == (255, 255, 255)
