"""Opens one picture: a file becomes an upright RGB picture, or a PictureError that says why not.

A folder of photos holds anything: half-copied files, web pages saved as ``.jpg``, pictures of
a hundred megapixels, files made to attack the decoder. What is opened here is opened upright, flat
and in RGB; what can't be is refused in words for a person, naming the file. Many threads may call
this module at once.
"""

from __future__ import annotations

import errno
import io
import logging
import math
import os
import re
import stat
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final, TypeVar, cast

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    features,
)

from samebut.errors import PictureError, PictureUnread
from samebut.printable import shown
from samebut.remote import Place, RemotePath

try:
    from pillow_heif import HeifImageFile
except ImportError:  # the extra `heic` is not installed
    HeifImageFile = None

MAX_PIXELS: Final = 100_000_000
"""Largest picture opened, in decoded pixels of 4 bytes: 400 MB while it is being decoded."""

MAX_BYTES: Final = 500_000_000
"""Largest file opened, in bytes: a little more than MAX_PIXELS of uncompressed pixels."""

MAX_READS: Final = 500_000
"""Reads of one file, at most. A parser reads each chunk, segment, block or tag on its own, so their
number is bounded with it: some seconds of work."""

MAX_HEADER_BYTES: Final = 32_000_000
"""Bytes read, at most, before the size of a picture is known; a list of numbers of that length
takes ten times the memory. WebP and AVIF are handed to their libraries whole."""

MAX_SCANS: Final = 100
"""Scans of a progressive JPEG, at most; each goes over the whole picture. Encoders write 10."""

_LARGE_PIXELS: Final = 20_000_000
_BAND_PIXELS: Final = 2_000_000
_TURN_SECONDS: Final = 0.2
_HEAD_BYTES: Final = 1024
_MAX_PROFILE_BYTES: Final = 4_000_000
_START_OF_SCAN: Final = b"\xff\xda"
_SCANNED_BYTES: Final = 1 << 20
_ORIENTATION_TAG: Final = 0x0112
_BITS_PER_SAMPLE_TAG: Final = 258

Box = tuple[float, float, float, float]
"""A part of a picture: left, top, right and bottom as shares, 0 to 1, of its width and height."""

_T = TypeVar("_T")
_Colour = tuple[int, int, int]
_logger = logging.getLogger(__name__)
# Without a handler of its own Pillow's log ends on stderr, in the middle of a progress line.
logging.getLogger("PIL").addHandler(logging.NullHandler())


# ------------------------------------------------------------------------------- formats


@dataclass(frozen=True)
class _Format:
    """How a format is recognised and opened; ``weight`` is its memory, in pixels of 4 bytes."""

    magic: re.Pattern[bytes]
    opener: type[ImageFile.ImageFile]
    suffixes: frozenset[str]
    weight: float = 1.0
    available: bool = True


def _magic(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


def _markup(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(?:\xef\xbb\xbf)?\s*" + pattern, re.DOTALL | re.IGNORECASE)


class _JpegFile(JpegImagePlugin.JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Leave the resolution unread: a broken EXIF block there would cost the whole picture."""


if HeifImageFile is not None:

    class _HeicFile(HeifImageFile):  # type: ignore[misc]
        def draft(self, mode: str | None, size: tuple[int, int] | None) -> None:
            """Never use the embedded thumbnail: it need not show the same picture."""


# Openers are called directly, not through Image.open: that one would try every parser Pillow
# has on hostile bytes, and would refuse a huge JPEG before `draft` could scale it down.
# Weights were measured: libwebp keeps three canvases beside the picture, libavif one and a half,
# libheif one, libtiff a strip, which may be half the picture.
_FORMATS: Final[dict[str, _Format]] = {
    "JPEG": _Format(
        _magic(rb"\xff\xd8\xff"),
        _JpegFile,
        frozenset({".jpg", ".jpeg", ".jpe", ".jfif"}),
    ),
    "PNG": _Format(_magic(rb"\x89PNG\r\n\x1a\n"), PngImagePlugin.PngImageFile, frozenset({".png"})),
    "GIF": _Format(_magic(rb"GIF8[79]a"), GifImagePlugin.GifImageFile, frozenset({".gif"})),
    "WEBP": _Format(
        _magic(rb"RIFF....WEBP"),
        WebPImagePlugin.WebPImageFile,
        frozenset({".webp"}),
        weight=4.0,
        available=bool(features.check("webp")),
    ),
    "BMP": _Format(
        _magic(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00"),
        BmpImagePlugin.BmpImageFile,
        frozenset({".bmp"}),
    ),
    "TIFF": _Format(
        _magic(rb"II[\x2a\x2b]\x00|MM\x00[\x2a\x2b]"),
        TiffImagePlugin.TiffImageFile,
        frozenset({".tif", ".tiff"}),
        weight=1.5,
    ),
    "AVIF": _Format(
        _magic(rb"....ftyp(?:avi[fs]|(?:mif1|msf1).{4}(?:.{4}){0,16}?avi[fs])"),
        AvifImagePlugin.AvifImageFile,
        frozenset({".avif"}),
        weight=2.5,
        available=bool(features.check("avif")),
    ),
    "HEIF": _Format(
        _magic(rb"....ftyp(?:he[iv][cmsx]|mif1|msf1)"),
        ImageFile.ImageFile if HeifImageFile is None else _HeicFile,
        frozenset({".heic", ".heif", ".hif"}),
        weight=2.0,
        available=HeifImageFile is not None,
    ),
}

_READ_WHOLE: Final = frozenset({"WEBP", "AVIF"})

# A JPEG that can't be decoded row by row is held whole by libjpeg, as three 16-bit coefficients a
# pixel, beside what it is scaled down to.
_COEFFICIENTS_WEIGHT: Final = 1.5

# Other files that lie among pictures, also what a failed download leaves: the reason, and what to
# do.
_OTHER_FORMAT: Final = "save it as a JPEG or PNG"
_HEIC_EXTRA: Final = "pip install 'samebut[heic]'"
_STRANGERS: Final[tuple[tuple[re.Pattern[bytes], str, str], ...]] = (
    (
        _magic(rb"....ftypavi[fs]"),
        "is an AVIF picture, which this Pillow can't read",
        _OTHER_FORMAT,
    ),
    (
        _magic(rb"....ftyp(?:he[iv]|mif1|msf1)"),
        "is a HEIC picture, which samebut can't read",
        f"{_OTHER_FORMAT}, or: {_HEIC_EXTRA}",
    ),
    (_magic(rb"....ftyp"), "is a video, not a picture", "save a still picture of it"),
    (_magic(rb"8BPS"), "is a Photoshop document, which samebut can't read", _OTHER_FORMAT),
    (_magic(rb"%PDF"), "is a PDF, not a picture", _OTHER_FORMAT),
    (_magic(rb"PK\x03\x04"), "is a ZIP archive, not a picture", "unpack it"),
    (
        _markup(rb"<(?:html|head|body|!doctype\s+html)\b"),
        "is a web page, not a picture",
        "download the picture itself",
    ),
    (
        _markup(rb"<(?:svg\b|[?!].*?<svg\b)"),
        "is an SVG drawing, which samebut can't read",
        _OTHER_FORMAT,
    ),
)

PICTURE_SUFFIXES: Final[frozenset[str]] = frozenset(
    suffix for row in _FORMATS.values() if row.available for suffix in row.suffixes
)
"""Lower-case suffixes, with their dot, of the files worth trying. The content decides."""


@dataclass(frozen=True, slots=True)
class OtherKind:
    """Files that look like pictures and are not read; ``remedy`` is what would bring them in."""

    name: str
    remedy: str


_SAVED_AS: Final = "save them as JPEG or PNG"
_OTHER_KINDS: Final[dict[str, OtherKind]] = {
    suffix: OtherKind(name, remedy)
    for name, remedy, suffixes in (
        ("HEIC pictures", f"{_HEIC_EXTRA}, or {_SAVED_AS}", ".heic .heif .hif"),
        ("AVIF pictures", f"pip install -U pillow, or {_SAVED_AS}", ".avif .avifs"),
        ("WebP pictures", f"pip install -U pillow, or {_SAVED_AS}", ".webp"),
        (
            "raw pictures of cameras",
            "export them as JPEG",
            ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef"
            " .raf .raw .rw2 .rwl .sr2 .srf .srw .x3f",
        ),
        ("Photoshop documents", _SAVED_AS, ".psd .psb"),
        ("drawings", _SAVED_AS, ".svg .svgz .ai .eps .cdr .wmf .emf .xcf .kra .afphoto .sketch"),
        ("JPEG XL pictures", _SAVED_AS, ".jxl"),
        ("JPEG 2000 pictures", _SAVED_AS, ".jp2 .j2k .jpx .jpf .j2c"),
        (
            "pictures of other kinds",
            _SAVED_AS,
            ".apng .bpg .cin .cur .dcm .dds .dib .dpx .exr .fits .fli .hdr .icns .ico .jxr .mng"
            " .pbm .pcx .pfm .pgm .pict .pnm .ppm .qoi .ras .rgb .sgi .tga .wdp .xbm .xpm",
        ),
    )
    for suffix in suffixes.split()
}
_MORE_BEHIND_SUFFIX: Final = re.compile(
    r"\.(?:jpe?g|png|gif|webp|bmp|tiff?|avif|heic)(?:[^a-z0-9. ].*|\.\d+)", re.IGNORECASE
)
_OTHER_SUFFIX: Final = OtherKind(
    "pictures with more behind their suffix, as in .jpg_large", "rename them to end in .jpg"
)


def other_kind(name: str) -> OtherKind | None:
    """The kind of a file that looks like a picture but is not read; None if it does not look like
    one."""
    suffix = Path(name).suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return None
    return _OTHER_KINDS.get(suffix) or (_OTHER_SUFFIX if _is_renamed(name) else None)


def _is_renamed(name: str) -> bool:
    at = name.rfind(".", 0, name.rfind(".")) if name[name.rfind(".") + 1 :].isdigit() else -1
    return any(
        _MORE_BEHIND_SUFFIX.fullmatch(name, place) is not None
        for place in (at, name.rfind("."))
        if place >= 0
    )


def looks_like_picture(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is of a format that is read here."""
    return any(row.available and row.magic.match(head) for row in _FORMATS.values())


# ------------------------------------------------------------------------------- refusals


class _RefusedError(Exception):
    """A picture is refused; the public functions add its name."""

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


_TOO_SLOW: Final = "takes longer to decode than is allowed"
_COPY_AGAIN: Final = "copy or download it again"
_SMALLER: Final = "save a smaller copy of it"

_FILE_REASONS: Final[dict[int, str]] = {
    errno.ENOENT: "is not there",
    errno.ENOTDIR: "is not there",
    errno.ELOOP: "is a link that leads back to itself",
    errno.EACCES: "may not be read: permission denied",
    errno.EPERM: "may not be read: permission denied",
    errno.ENAMETOOLONG: "has a name that is too long",
    errno.EIO: "can't be read from its disk",
}

_KIND_REASONS: Final[dict[int, str]] = {
    stat.S_IFDIR: "is a folder, not a picture",
    stat.S_IFIFO: "is a pipe, not a file",
    stat.S_IFSOCK: "is a socket, not a file",
    stat.S_IFCHR: "is a device, not a file",
    stat.S_IFBLK: "is a device, not a file",
}

_CUT_SHORT: Final = re.compile(
    r"truncat|no more images|incomplete|requires a buffer|broken PNG file \(chunk b''\)",
    re.IGNORECASE,
)
_UNKNOWN_KIND: Final = re.compile(r"unsupported|not supported|unknown", re.IGNORECASE)


def _in_words(error: Exception) -> tuple[str, str]:
    """The reason and the hint, for a person, of an error raised here, by Pillow or by the
    system."""
    if isinstance(error, _RefusedError):
        return error.reason, error.hint
    if isinstance(error, OSError) and error.errno is not None:
        unknown = f"can't be read: {(error.strerror or str(error)).lower()}"
        return _FILE_REASONS.get(error.errno, unknown), ""
    if isinstance(error, MemoryError):
        return "needs more memory than there is", _SMALLER
    if isinstance(error, Image.DecompressionBombError):
        return "has more pixels than Pillow allows", _SMALLER
    if isinstance(error, EOFError) or _CUT_SHORT.search(str(error)):
        return "is cut short", _COPY_AGAIN
    if _UNKNOWN_KIND.search(str(error)):
        return "is of a kind samebut can't read", _OTHER_FORMAT
    return "is damaged", _COPY_AGAIN


def _named(name: str, work: Callable[[], _T]) -> _T:
    """``work()``, with every failure as a PictureError that names the picture."""
    try:
        with _pillow_warnings_off():
            return work()
    except Exception as error:
        _logger.debug("%s: %r", name, error)
        reason, hint = _in_words(error)
        kind = PictureUnread if getattr(error, "errno", None) is not None else PictureError
    # Raised outside of the except block, without a cause: through the traceback, errors in a list
    # of skipped pictures would keep half-decoded pixels in memory.
    raise kind(name, reason, hint=hint)


def _name_of(source: Place | str | bytes, name: str | None) -> str:
    if name is not None:
        return name
    return "the picture" if isinstance(source, bytes) else shown(str(source))


# ------------------------------------------------------------------------------- warnings


class _Opening(threading.local):
    depth = 0
    deadline = math.inf
    stopped: threading.Event | None = None

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self.deadline or (
            self.stopped is not None and self.stopped.is_set()
        )


_opening = _Opening()


class _PillowOnThisThread:
    """Used as the module pattern of a warning filter."""

    def match(self, module: str) -> bool:
        return _opening.depth > 0 and module.startswith("PIL.")


# Pillow warns of broken EXIF, odd animations and large pictures, all of which are dealt with
# here. `warnings.catch_warnings` would change the filters of the whole process, other threads
# included. This one filter stays, and matches only Pillow on a thread that is opening a picture
# here, so an application keeps the warnings of its own use of Pillow.
_FILTER: Final = ("ignore", None, Warning, _PillowOnThisThread(), 0)
_filter_lock = threading.Lock()


@contextmanager
def _pillow_warnings_off() -> Iterator[None]:
    with _filter_lock:
        filters = cast("list[Any]", warnings.filters)
        # Other code may have inserted a filter before ours since, or restored an older list.
        if not filters or filters[0] is not _FILTER:
            filters[:] = [_FILTER, *(item for item in filters if item is not _FILTER)]
    _opening.depth += 1
    try:
        yield
    finally:
        _opening.depth -= 1


# ------------------------------------------------------------------------------- the time


@contextmanager
def time_limit(seconds: float, stopped: threading.Event | None = None) -> Iterator[None]:
    """Give up pictures that are opened inside, on this thread, when ``seconds`` have passed.

    Or when ``stopped`` is set. Time is checked before each read and each band of rows. A step that
    a decoder does in one go (all of a WebP, AVIF or TIFF, whose pixels are limited) ends first.
    """
    before = _opening.deadline, _opening.stopped
    _opening.deadline = min(before[0], time.monotonic() + seconds)
    _opening.stopped = stopped or before[1]
    try:
        yield
    finally:
        _opening.deadline, _opening.stopped = before


def check_time() -> None:
    """Raises PictureError if the `time_limit` that this thread is in has passed."""
    if _opening.is_late:
        raise PictureError("the picture", _TOO_SLOW, hint="save a smaller copy of it")


# ------------------------------------------------------------------------------- the file


class _Metered:
    """A file that raises an error if it is read too often, too much or for too long."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._reads = 0
        self._bytes = math.inf

    def allow(self, length: float) -> None:
        """So many bytes may be read from now on."""
        self._bytes = length

    def read(self, size: int = -1) -> bytes:
        if _opening.is_late:
            raise _RefusedError(_TOO_SLOW, hint=_SMALLER)
        data = self._stream.read(size)
        self._reads += 1
        self._bytes -= len(data)
        if self._reads > MAX_READS or self._bytes < 0:
            raise _RefusedError("is made of more parts than a picture needs", hint=_OTHER_FORMAT)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _open_without_waiting(path: str, flags: int) -> int:
    # If a pipe replaces the file after `stat`, opening it would otherwise block forever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _open_file(path: Place) -> IO[bytes]:
    """Open an ordinary file: never a device, whose opening can have effects, and never blocking."""
    if isinstance(path, RemotePath):
        return path.open()
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
        if kind != stat.S_IFREG:
            raise _RefusedError(_KIND_REASONS.get(kind, "is not an ordinary file"))
        stream = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115
    except ValueError:
        raise _RefusedError("has a name that no file can have") from None
    except FileNotFoundError:
        if path.is_symlink():
            raise _RefusedError("is a link to a file that is not there") from None
        raise
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise _RefusedError("is not an ordinary file")
    return stream


@contextmanager
def _stream(source: Place | str | bytes) -> Iterator[IO[bytes]]:
    """The bytes of ``source``: a file open for reading, or the bytes themselves."""
    file = Path(source) if isinstance(source, str) else source
    with io.BytesIO(file) if isinstance(file, bytes) else _open_file(file) as it:
        length = it.seek(0, os.SEEK_END)
        it.seek(0)
        if length == 0:
            raise _RefusedError("is empty", hint=_COPY_AGAIN)
        if reason := too_large(length):
            raise _RefusedError(reason)
        yield cast("IO[bytes]", _Metered(it))


def too_large(length: int) -> str | None:
    """Why a file of ``length`` bytes is refused; None if it is not."""
    if length <= MAX_BYTES:
        return None
    return f"is {length / 1e6:,.0f} MB, more than the {MAX_BYTES / 1e6:,.0f} MB allowed"


def _format_of(head: bytes) -> str:
    for name, row in _FORMATS.items():
        if row.available and row.magic.match(head):
            return name
    for magic, reason, hint in _STRANGERS:
        if magic.match(head):
            raise _RefusedError(reason, hint=hint)
    raise _RefusedError("is not a picture samebut can read", hint=_OTHER_FORMAT)


def _declared_bytes(name: str, head: bytes) -> int:
    """The smallest file size that the header declares; 0 where it declares none."""
    if name == "WEBP":
        return 8 + int.from_bytes(head[4:8], "little")
    if name == "TIFF" and head[2:4].strip(b"\0") == b"\x2a":
        return int.from_bytes(head[4:8], "little" if head[:1] in b"Ii" else "big")
    return 0


def _read_header(stream: IO[bytes]) -> ImageFile.ImageFile:
    """The picture with its size and mode known, nothing decoded."""
    head = stream.read(_HEAD_BYTES)
    name = _format_of(head)
    length = stream.seek(0, os.SEEK_END)
    if _declared_bytes(name, head) > length:
        raise _RefusedError("is cut short", hint=_COPY_AGAIN)
    stream.seek(0)
    metered = cast("_Metered", stream)
    metered.allow(math.inf if name in _READ_WHOLE else MAX_HEADER_BYTES)
    # No file name: Pillow would map the file into memory by it, and a file that is cut while
    # it is mapped kills the process (SIGBUS).
    image = _FORMATS[name].opener(stream, "")
    metered.allow(math.inf)
    return image


# ------------------------------------------------------------------------------- its size


def _is_held_whole(image: ImageFile.ImageFile, stream: IO[bytes]) -> bool:
    """Whether libjpeg must hold the whole picture: a progressive JPEG, or one with a scan for each
    colour.

    Pillow has just read the header of the first scan. If that scan holds every component of a
    baseline file, it is the only one, and rows leave the decoder as they come in.
    """
    if not isinstance(image, _JpegFile):
        return False
    layers = image.layers
    scan_of_all = bytes((0xFF, 0xDA, 0, 6 + 2 * layers, layers))
    place = stream.tell()
    stream.seek(max(0, place - (8 + 2 * layers)))
    first_scan = stream.read(len(scan_of_all))
    stream.seek(place)
    return "progressive" in image.info or first_scan != scan_of_all


def _refuse_scans(stream: IO[bytes]) -> None:
    """Refuse a JPEG of more than MAX_SCANS. The stream is left where it was."""
    place = stream.tell()
    scans, last = 1, b""
    while scans <= MAX_SCANS and (chunk := stream.read(_SCANNED_BYTES)):
        # Within a scan 0xFF stands before a zero; a marker that is cut in two counts, too.
        scans += (last + chunk).count(_START_OF_SCAN)
        last = chunk[-1:]
    stream.seek(place)
    if scans > MAX_SCANS:
        raise _RefusedError(
            f"has more than the {MAX_SCANS} scans allowed", hint="save it as a JPEG again"
        )


def _millions(pixels: float) -> str:
    if pixels < 1e6:
        return f"{pixels:,.0f}"
    return f"{math.ceil(pixels / 1e5) / 10:,.1f}".removesuffix(".0") + " million"


def _scale_and_weigh(
    image: ImageFile.ImageFile, stream: IO[bytes], shorter_side: int | None, max_pixels: int
) -> float:
    """Set a JPEG to be scaled down while decoding. Returns the cost of decoding, in pixels of 4
    bytes.

    Raises _RefusedError where that is more than ``max_pixels``.
    """
    weight = _FORMATS[image.format or ""].weight
    whole = image.width * image.height
    held_whole = _is_held_whole(image, stream)
    if shorter_side is not None:
        image.draft(None, (shorter_side, shorter_side))
    pixels = image.width * image.height
    if held_whole:
        _refuse_scans(stream)
        pixels, weight = whole, _COEFFICIENTS_WEIGHT + pixels / whole
    if pixels * weight > max_pixels:
        raise _RefusedError(
            f"has {_millions(pixels)} pixels, more than the "
            f"{_millions(max_pixels / weight)} allowed",
            hint=_SMALLER,
        )
    return pixels * weight


# ------------------------------------------------------------------------------- upright

_TO_UPRIGHT: Final[dict[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE: Final = frozenset({5, 6, 7, 8})


def _orientation(image: Image.Image) -> int:
    """The EXIF (or XMP) orientation; 1 where there is none or it can't be read."""
    try:
        # The base class's method: PNG's own decodes the whole picture to read what follows the
        # pixels.
        return int(Image.Image.getexif(image).get(_ORIENTATION_TAG, 1))
    except Exception:
        return 1


def _exif_behind_pixels(stream: IO[bytes]) -> bytes | None:
    """The EXIF block of a PNG, wherever it lies."""
    stream.seek(8)
    while len(header := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind == b"eXIf":
            return stream.read(min(length, MAX_BYTES))
        if kind == b"IEND":  # the end of the picture; ignore trailing bytes
            return None
        stream.seek(length + 4, os.SEEK_CUR)
    return None


def _upright_size(image: ImageFile.ImageFile, stream: IO[bytes]) -> tuple[int, int]:
    if image.format == "TIFF":  # Pillow has turned this one's size already
        return image.size
    if image.format == "PNG" and "exif" not in image.info:
        late = _exif_behind_pixels(stream)
        if late is not None:
            image.info["exif"] = late
    width, height = image.size
    return (height, width) if _orientation(image) in _ON_ITS_SIDE else (width, height)


# ------------------------------------------------------------------------------- colour

_PREMULTIPLIED: Final = {"La": "LA", "RGBa": "RGBA"}

# Possible values of white in modes that do not define it; the first that is not below any pixel
# counts.
_USUAL_WHITES: Final[dict[str, tuple[float, ...]]] = {"I": (255, 65535), "F": (1, 255, 65535)}

_ToSrgb = Callable[[Image.Image], Image.Image]


@lru_cache(maxsize=8)
def _transform_to_srgb(profile: bytes, mode: str) -> _ToSrgb | None:
    """The transform from an embedded profile to sRGB; None if the profile is sRGB already, under
    any name.

    That is a profile that changes no colour by more than two levels. A profile that is broken or
    made for another mode raises.
    """
    from PIL import ImageCms

    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(source, srgb, mode, "RGB")
    if mode == "RGB":
        levels = np.linspace(0, 255, 9, dtype=np.uint8)
        cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
        moved = np.asarray(transform.apply(Image.fromarray(cube)), dtype=np.int16) - cube
        if np.abs(moved).max() <= 2:
            return None
    return transform.apply


def _to_srgb(image: Image.Image) -> _ToSrgb | None:
    """The transform of this picture's colours to sRGB; None if none is needed."""
    profile = image.info.get("icc_profile")
    mode = "CMYK" if image.mode == "CMYK" else "RGB"
    if not isinstance(profile, bytes) or not 0 < len(profile) <= _MAX_PROFILE_BYTES:
        return None
    try:
        return _transform_to_srgb(profile, mode)
    except Exception as error:  # a broken profile must not cost the picture
        _logger.debug("colour profile left out: %r", error)
        return None


def _flat(image: Image.Image, background: _Colour, to_srgb: _ToSrgb | None) -> Image.Image:
    """An 8-bit picture of any mode as RGB, what is transparent in it on ``background``."""
    if image.mode in _PREMULTIPLIED:
        image = image.convert(_PREMULTIPLIED[image.mode])
    if image.mode == "CMYK" and to_srgb is not None:
        return to_srgb(image)
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    if image.mode != "RGB":
        image = image.convert("RGB")
    if to_srgb is not None:
        image = to_srgb(image)
    if alpha is None:
        return image
    canvas = Image.new("RGB", image.size, background)
    canvas.paste(image, mask=alpha)
    return canvas


def _bands(image: Image.Image, multiple: int = 1) -> Iterator[Image.Image]:
    """The picture in slices from top to bottom, each a multiple of rows high but the last.

    Work that would triple the memory of a large picture is done slice by slice.
    """
    rows = max(1, _BAND_PIXELS // (image.width * multiple)) * multiple
    for top in range(0, image.height, rows):
        if _opening.is_late:
            raise _RefusedError(_TOO_SLOW, hint=_SMALLER)
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def _black_and_white(image: Image.Image) -> tuple[float, float] | None:
    """The values that are black and white in a picture of more than 8 bits; None for the rest."""
    if image.mode.startswith("I;16"):
        tags = getattr(image, "tag_v2", {})
        (bits, *_) = tags.get(_BITS_PER_SAMPLE_TAG, (16,))
        return 0.0, 2.0**bits - 1
    if image.mode not in _USUAL_WHITES:
        return None
    low, high = math.inf, -math.inf
    for band in _bands(image):
        values = np.asarray(band)
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    for white in _USUAL_WHITES[image.mode]:
        if low >= 0 and high <= white:
            return 0.0, float(white)
    return low, high


def _eight_bit(image: Image.Image, black: float, white: float) -> Image.Image:
    """Grey of more than 8 bits as L, or LA where one value stands for transparent."""
    values = np.asarray(image)
    with np.errstate(all="ignore"):  # floats may be NaN, infinite or overflow
        scaled = (values.astype(np.float64) - black) * (255 / max(white - black, 1e-30))
    finite = np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0)
    grey = Image.fromarray(np.clip(np.rint(finite), 0, 255).astype(np.uint8))
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return grey
    alpha = Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8))
    return Image.merge("LA", (grey, alpha))


def _to_rgb(image: Image.Image, factor: int, background: _Colour) -> Image.Image:
    """The decoded picture as RGB, ``factor`` times smaller (rounded up), and nothing else on it."""
    tones = _black_and_white(image)
    to_srgb = _to_srgb(image)
    size = math.ceil(image.width / factor), math.ceil(image.height / factor)
    canvas, top = None, 0
    for band in _bands(image, factor):
        grey_or_colour = band if tones is None else _eight_bit(band, *tones)
        piece = _flat(grey_or_colour, background, to_srgb)
        if factor > 1:
            piece = piece.reduce(factor)
        if piece.size == size:
            return piece
        if canvas is None:
            canvas = Image.new("RGB", size)
        canvas.paste(piece, (0, top))
        top += piece.height
    assert canvas is not None
    return canvas


# ------------------------------------------------------------------------------- public

# Only one large picture is decoded at a time: several at once would take gigabytes.
_one_large_picture = threading.Lock()


@contextmanager
def _turn_of_a_large_one() -> Iterator[None]:
    while not _one_large_picture.acquire(timeout=_TURN_SECONDS):
        if _opening.is_late:
            raise _RefusedError(_TOO_SLOW, hint=_SMALLER)
    try:
        yield
    finally:
        _one_large_picture.release()


def _decode(image: ImageFile.ImageFile, shorter_side: int | None, fill: _Colour) -> Image.Image:
    image.load()
    factor = max(1, min(image.size) // shorter_side) if shorter_side else 1
    turn = _TO_UPRIGHT.get(_orientation(image))
    picture = _to_rgb(image, factor, fill)
    if turn is not None:
        picture = picture.transpose(turn)
    # Remove the EXIF orientation: a later reader would rotate the picture once more.
    picture.info = {}
    return picture


def open_picture(
    source: Place | str | bytes,
    *,
    shorter_side: int | None = None,
    background: tuple[int, int, int] = (255, 255, 255),
    max_pixels: int = MAX_PIXELS,
    name: str | None = None,
) -> Image.Image:
    """Open a picture: mode RGB, upright, the first frame, flattened on ``background``.

    Args:
        source: a file, or the bytes of one. JPEG, PNG, WebP, GIF, BMP, TIFF and, where this
            Pillow can, AVIF; the content decides, not the suffix.
        shorter_side: that many pixels on the shorter side are enough for the caller. The
            picture may come smaller then, never below ``min(shorter_side, its own)``: a JPEG
            is scaled down while it is decoded (``draft``), others by averaging whole blocks.
        background: RGB colour behind what is transparent.
        max_pixels: refuse what decodes to more, judged by the header alone; a JPEG counts scaled
            down, unless it is progressive. The pixels are of 4 bytes: a format whose decoder
            takes more for each (WebP 4 times that, AVIF 2.5, TIFF 1.5, progressive JPEG up to
            2.5) gets that much fewer of them.
        name: how errors call the picture; the path if not given.

    Grey of 16 bits is scaled to 8; integers of 32 bits and floats are taken as reaching 1 (floats
    only), 255 or 65535, whichever first holds them, or else stretched from their lowest to their
    highest value. CMYK in a JPEG is taken as inverted, as Adobe writes it. An embedded RGB or
    CMYK colour profile is converted to sRGB (perceptual intent); a broken one is left out, and
    so are profiles of grey pictures.

    Safe to call from many threads; only one picture above 20 million pixels is decoded at a
    time. Of Pillow's global state nothing is changed, with one exception: a warning filter that
    acts on the calling thread alone, while it is in here. Pillow's ``LOAD_TRUNCATED_IMAGES``
    is an application's to set; it would let truncated pictures through here too.

    Raises:
        PictureError: the picture can't be opened; ``reason`` says why, ``hint`` what to do.
        ValueError: ``shorter_side`` is not positive.
    """
    if shorter_side is not None and shorter_side < 1:
        raise ValueError(f"shorter_side must be at least 1, not {shorter_side}")

    def work() -> Image.Image:
        with _stream(source) as stream:
            image = _read_header(stream)
            weight = _scale_and_weigh(image, stream, shorter_side, max_pixels)
            with _turn_of_a_large_one() if weight > _LARGE_PIXELS else nullcontext():
                return _decode(image, shorter_side, background)

    return _named(_name_of(source, name), work)


def cropped(picture: Image.Image, box: Box) -> Image.Image:
    """The part of an upright picture in ``box``, at least one pixel wide and high."""
    return picture.crop(pixels_of(box, picture.size))


def pixels_of(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of ``box`` in pixels of a picture of this width and height."""
    left, top, right, bottom = (
        round(share * side) for share, side in zip(box, size * 2, strict=True)
    )
    left, top = min(left, size[0] - 1), min(top, size[1] - 1)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def picture_size(source: Place | str | bytes, *, name: str | None = None) -> tuple[int, int]:
    """Width and height of the upright picture, from its header alone.

    Nothing is decoded, so a picture whose pixels are damaged or too many still has a size.

    Raises:
        PictureError: the file can't be read or is not a picture.
    """

    def work() -> tuple[int, int]:
        with _stream(source) as stream:
            return _upright_size(_read_header(stream), stream)

    return _named(_name_of(source, name), work)
