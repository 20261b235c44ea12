"""Features of frozen encoders: encoded once, kept on disk, memory-mapped from then on.

A cache is a folder::

    about.json   what the features are of: encoder, preprocessing, files or texts, views
    done.json    how many rows are written; it follows the rows it counts
    pooled.npy   (N, V, D) fp16          V views of each picture, the first as it is; texts have one
    tokens.npy   (M, V, L, D) fp16       only of those that are asked for (references), in order
    mask.npy     (M, L) bool

A killed run carries on after the last row that ``done.json`` counts. Features that another encoder
made are noticed and made anew.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from samebut.errors import RecipeError
from samebut.images import open_picture, picture_size
from samebut.learning import processes
from samebut.learning.encoders import Encoder, Features
from samebut.learning.pictures import to_pixels, vary
from samebut.learning.recipe import Augment
from samebut.learning.runs import say, write_whole
from samebut.preprocess import Preprocess

PICTURES_AT_ONCE = 64
TEXTS_AT_ONCE = 256
SPARE = 1.05  # of the disk: what is written besides
EVERY = 5.0  # seconds between two lines of progress
ROOM = "Make room, or put the cache on another disk with --cache."

Encode = Callable[[int, int], list[Features]]
"""``encode(start, stop)``: the features of these rows, once for each view."""


@dataclass
class Store:
    """Features of N pictures or texts, in memory or mapped from disk.

    ``pooled (N, V, D)``; ``tokens (M, V, L, D)`` and ``mask (M, L)``, or None; ``place (N,)`` is
    the row of tokens that a picture has, -1 for none.
    """

    pooled: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None
    place: Tensor | None = None

    def features(self, rows: Tensor, views: Tensor | None = None) -> Features:
        """Features of ``rows``, each in its view (None: the first), in fp32 on the device."""
        views = torch.zeros_like(rows) if views is None else views
        pooled = self.pooled[rows, views].float()
        if self.tokens is None or self.mask is None or self.place is None:
            empty = pooled.new_zeros(len(rows), 0, pooled.shape[1])
            return Features(pooled, empty, empty[..., 0].bool())
        place = self.place[rows]
        if bool((place < 0).any()):
            raise RecipeError("tokens were asked for that are not in the cache of features")
        tokens = self.tokens[place, views].to(pooled.device).float()
        return Features(pooled, tokens, self.mask[place].to(pooled.device))

    def to(self, device: torch.device) -> Store:
        """The same, its pooled features on ``device``; tokens are fetched when asked for."""
        return replace(self, pooled=self.pooled.to(device))


def place_of(rows: Sequence[int], total: int) -> Tensor:
    """``(total,)``: where in the ordered ``rows`` each number stands, -1 for nowhere."""
    place = torch.full((total,), -1)
    place[torch.tensor(rows, dtype=torch.int64)] = torch.arange(len(rows))
    return place


@dataclass(frozen=True)
class Views:
    """How the further views of a picture are made: from one ``preprocess`` larger, varied."""

    count: int = 1
    preprocess: Preprocess | None = None
    augment: Augment = field(default_factory=Augment)
    seed: int = 0


def picture_features(
    encoder: Encoder,
    files: Sequence[Path],
    preprocess: Preprocess,
    folder: Path,
    *,
    tokens_of: Sequence[int] = (),
    views: Views | None = None,
) -> Store:
    """Features of every file, encoded if ``folder`` has them not, or not all, yet.

    ``tokens_of``: rows of ``files`` whose tokens are kept too. PictureError: a file is no
    picture; every one is looked at before the first is encoded. RecipeError: the disk is too small.
    """
    views = views or Views()
    kept = sorted(set(tokens_of))
    about = {
        "preprocess": preprocess.as_dict(),
        "files": _digest([_identity(file) for file in files]),
        "tokens_of": _digest(kept),
        "views": _views_as_dict(views),
    }

    def encode(start: int, stop: int) -> list[Features]:
        return _encode_pictures(encoder, files[start:stop], preprocess, views, start)

    def probe() -> int:
        for file in files:
            picture_size(file)
        return regions_of(encoder, preprocess.size) if kept else 0

    made = _Made("pictures", len(files), kept, views.count, PICTURES_AT_ONCE)
    return _open(encoder, made, about, folder, encode, probe)


def text_features(
    encoder: Encoder, texts: Sequence[str], folder: Path, *, tokens: bool = False
) -> Store:
    """Features of every text, encoded if ``folder`` has them not, or not all, yet."""
    kept = range(len(texts)) if tokens else ()
    about = {"texts": _digest(list(texts)), "tokens": tokens}

    def encode(start: int, stop: int) -> list[Features]:
        with torch.inference_mode():
            return [encoder.texts(list(texts[start:stop]))]

    def probe() -> int:
        return _longest(encoder, texts) if tokens else 0

    made = _Made("texts", len(texts), kept, 1, TEXTS_AT_ONCE)
    return _open(encoder, made, about, folder, encode, probe)


def encoder_fingerprint(encoder: Encoder) -> str:
    """A digest of what decides features: weights, settings and tokenizer."""
    digest = hashlib.sha256(json.dumps([encoder.kind, encoder.settings]).encode())
    weights: dict[str, Tensor] = _module(encoder).state_dict()
    for name, value in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    with tempfile.TemporaryDirectory() as folder:
        encoder.save_tokenizer(Path(folder))
        for file in sorted(Path(folder).rglob("*")):
            if file.is_file():
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class _Made:
    """What a cache holds: ``rows``, in ``views`` each; tokens of those that are ``kept``."""

    what: str
    rows: int
    kept: Sequence[int]
    views: int
    at_once: int

    def arrays(self, pooled: int, tokens: int) -> dict[str, tuple[tuple[int, ...], type]]:
        """Shape and type of every array, for ``pooled`` numbers a feature and so many tokens."""
        shapes: dict[str, tuple[tuple[int, ...], type]] = {
            "pooled": ((self.rows, self.views, pooled), np.float16)
        }
        if self.kept:
            shapes["tokens"] = ((len(self.kept), self.views, tokens, pooled), np.float16)
            shapes["mask"] = ((len(self.kept), tokens), np.bool_)
        return shapes


def _open(
    encoder: Encoder,
    made: _Made,
    about: dict[str, Any],
    folder: Path,
    encode: Encode,
    probe: Callable[[], int],
) -> Store:
    # The weights are no part of the name: features of an encoder that has changed since are
    # replaced rather than kept beside the new ones for ever.
    name = f"features-{made.what}-{_digest([about, encoder.kind, encoder.settings])}"
    said = about | {"encoder": encoder_fingerprint(encoder)}
    with processes.first_alone():
        if processes.rank() == 0:
            _complete(encoder, made, said, folder / name, encode, probe)
        return _load(made, folder / name)


def _complete(
    encoder: Encoder,
    made: _Made,
    about: dict[str, Any],
    folder: Path,
    encode: Encode,
    probe: Callable[[], int],
) -> None:
    """Make ``folder`` whole, from wherever it is."""
    found = _read(folder / "about.json")
    if found is not None and {k: found.get(k) for k in about} != about:
        say(f"{folder.name}: made by another encoder than this one; encoding again")
        found = None
    done = (_read(folder / "done.json") or {"rows": 0})["rows"] if found else 0
    if found and done == made.rows:
        return
    with _evaluated(encoder), torch.random.fork_rng():
        if not found:
            _begin(made, about, folder, encoder.dim, probe())
        _write(made, folder, encode, done)


@contextmanager
def _evaluated(encoder: Encoder) -> Iterator[None]:
    """The encoder as it is used: dropout off, norms by their running statistics."""
    module = _module(encoder)
    modes = {part: part.training for part in module.modules()}
    module.eval()
    yield
    for part, mode in modes.items():
        part.training = mode


def _module(encoder: Encoder) -> Any:
    """Every family of encoders is a module, which the protocol does not say."""
    return encoder


@torch.inference_mode()
def regions_of(encoder: Encoder, size: int) -> int:
    """How many tokens a picture of this size has."""
    blank = torch.zeros(1, 3, size, size, device=processes.device_of(_module(encoder)))
    return int(encoder.images(blank).tokens.shape[1])


def _longest(encoder: Encoder, texts: Sequence[str]) -> int:
    """The place behind the last token that is real in any text."""
    parts = (texts[i : i + TEXTS_AT_ONCE] for i in range(0, len(texts), TEXTS_AT_ONCE))
    real = (encoder.tokenize(list(part))[1].any(0).nonzero() for part in parts)
    return max((int(each.max()) + 1 for each in real if len(each)), default=1)


def _begin(made: _Made, about: dict[str, Any], folder: Path, dim: int, tokens: int) -> None:
    """State the size, refuse what can't fit, and set the whole room aside."""
    arrays = made.arrays(dim, tokens)
    size = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in arrays.values())
    folder.parent.mkdir(parents=True, exist_ok=True)
    require_room(folder.parent, int(size * SPARE), f"features of {made.rows:,} {made.what}")
    say(f"features of {made.rows:,} {made.what}: {megabytes(size)} in {folder}")
    (folder / "about.json").unlink(missing_ok=True)  # the rest means nothing without it
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, (shape, kind) in arrays.items():
        path = folder / f"{name}.npy"
        np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape).flush()
        _set_aside(path)
    write_whole(folder / "about.json", json.dumps(about, indent=1))


def _set_aside(path: Path) -> None:
    """Fill the holes of a new file. RecipeError if the disk is full."""
    # Writing into a hole of a mapped file ends the process without a word if the disk is full.
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise RecipeError(
                    f"{path} can't be written, {error.strerror}", hint=ROOM
                ) from error


def _write(made: _Made, folder: Path, encode: Encode, done: int) -> None:
    arrays = {path.stem: np.load(path, mmap_mode="r+") for path in folder.glob("*.npy")}
    place = place_of(made.kept, made.rows)
    said = time.monotonic()
    for start in range(done, made.rows, made.at_once):
        stop = min(start + made.at_once, made.rows)
        parts = encode(start, stop)
        arrays["pooled"][start:stop] = _stacked([part.pooled for part in parts])
        rows = (place[start:stop] >= 0).nonzero().squeeze(1)
        if len(rows):
            first = int(place[start + int(rows[0])])
            _write_tokens(arrays, [part[rows.to(part.pooled.device)] for part in parts], first)
        for array in arrays.values():
            array.flush()
        write_whole(folder / "done.json", json.dumps({"rows": stop}))
        if time.monotonic() - said > EVERY:
            said = time.monotonic()
            say(f"features: {stop:,} of {made.rows:,} {made.what}")


def _write_tokens(arrays: dict[str, npt.NDArray[Any]], parts: list[Features], start: int) -> None:
    length, stop = arrays["tokens"].shape[2], start + len(parts[0])
    tokens = _stacked([part.tokens[:, :length] for part in parts])
    arrays["tokens"][start:stop, :, : tokens.shape[2]] = tokens
    mask = parts[0].mask[:, :length].cpu().numpy()
    arrays["mask"][start:stop, : mask.shape[1]] = mask


def _stacked(views: list[Tensor]) -> npt.NDArray[np.float16]:
    """Views side by side: V times (B, ...) to (B, V, ...) fp16."""
    return torch.stack(views, 1).half().cpu().numpy()


def _load(made: _Made, folder: Path) -> Store:
    # Copy-on-write, because torch warns of arrays that can't be written to.
    arrays = {
        path.stem: torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
        for path in folder.glob("*.npy")
    }
    place = place_of(made.kept, made.rows) if made.kept else None
    return Store(arrays["pooled"], arrays.get("tokens"), arrays.get("mask"), place)


@torch.inference_mode()
def _encode_pictures(
    encoder: Encoder, files: Sequence[Path], preprocess: Preprocess, views: Views, start: int
) -> list[Features]:
    device = processes.device_of(_module(encoder))
    plain = to_pixels(_decode(files, preprocess), preprocess, device)
    made = [encoder.images(plain)]
    if views.count > 1:
        large = views.preprocess or preprocess
        pixels = to_pixels(_decode(files, large), preprocess, device)
        # By the rows' numbers, so that a resumed cache has the views of an undisturbed one.
        torch.manual_seed(views.seed + start)
        made += [
            encoder.images(vary(pixels, preprocess, views.augment)) for _ in range(views.count - 1)
        ]
    return made


def _decode(files: Sequence[Path], preprocess: Preprocess) -> npt.NDArray[np.uint8]:
    def decode(file: Path) -> npt.NDArray[np.uint8]:
        picture = open_picture(file, shorter_side=preprocess.wanted_shorter_side)
        return np.asarray(preprocess.crop(picture))

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
        return np.stack(list(threads.map(decode, files)))


def require_room(folder: Path, size: int, what: str) -> None:
    """RecipeError if the disk of ``folder`` has less than ``size`` bytes left."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise RecipeError(
            f"{what} need {megabytes(size)}, {folder} has {megabytes(free)} left",
            hint=ROOM,
        )


def megabytes(size: float) -> str:
    """A number of bytes in words."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _views_as_dict(views: Views) -> dict[str, Any]:
    if views.count == 1:
        return {"count": 1}
    large = views.preprocess.as_dict() if views.preprocess else None
    return {"count": views.count, "seed": views.seed, "preprocess": large} | asdict(views.augment)


def _identity(file: Path) -> tuple[str, int, int]:
    """A file, and what changes with its content."""
    status = file.stat()
    return str(file), status.st_size, status.st_mtime_ns


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _read(path: Path) -> Any:
    """What a JSON file holds, None if it is not there or was cut short."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
