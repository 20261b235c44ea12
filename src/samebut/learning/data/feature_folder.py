"""The folder of a feature cache: written a few rows at a time, resumed after a kill.

    about.json   what the features are of: encoder, preprocessing, files or texts, views
    done.json    how many rows are written; updated after the rows are on disk
    pooled.npy   (N, V, D) fp16          V views of each picture, the first as it is; texts have one
    tokens.npy   (M, V, L, D) fp16       only of those that are asked for (references), in order
    mask.npy     (M, L) bool

A run that was killed resumes after the last row that ``done.json`` counts. Features of another
encoder are recognised by ``about.json`` and encoded again.
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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from samebut.errors import RecipeError
from samebut.files import json_of
from samebut.learning import distributed
from samebut.learning.data.feature_store import FeatureStore, place_of
from samebut.learning.disk import ROOM, megabytes, require_room, write_whole
from samebut.learning.distributed import say
from samebut.learning.encoders.base import Encoder, Features

SPARE = 1.05  # times the size of the features: free space needed, since other files are written too
EVERY = 5.0  # seconds between two lines of progress

Encode = Callable[[int, int], list[Features]]
"""``encode(start, stop)``: the features of these rows, once for each view."""


def encoder_fingerprint(encoder: Encoder, what: str) -> str:
    """A digest of all that the features of ``what`` depend on: weights, settings and tokenizer. For
    pictures it covers the trunk alone, where there is one: a cache holds the trunk's features, so
    it stays valid when the head is trained or has another size."""
    digest = hashlib.sha256(json.dumps([encoder.kind, _settings(encoder, what)]).encode())
    trunk = _trunk(encoder, what)
    weights: dict[str, Tensor] = trunk or encoder.state_dict()
    for name, value in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    if trunk:
        return digest.hexdigest()[:16]
    with tempfile.TemporaryDirectory() as folder:
        encoder.save_tokenizer(Path(folder))
        for file in sorted(Path(folder).rglob("*")):
            if file.is_file():
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _trunk(encoder: Encoder, what: str) -> dict[str, Tensor]:
    """The trunk's weights, if features of ``what`` are those of a trunk."""
    weights = encoder.state_dict() if what == "pictures" else {}
    return {name: value for name, value in weights.items() if name.startswith("trunk.")}


def _settings(encoder: Encoder, what: str) -> dict[str, Any] | None:
    """The settings that decide features of ``what``; of a trunk, those beside its weights."""
    return encoder.trunk_settings if _trunk(encoder, what) else encoder.settings


@dataclass(frozen=True)
class CachedFeatures:
    """Features of ``rows`` pictures or texts (``what``), in ``views`` each, ``at_once`` encoded
    together; tokens of those rows that are ``kept``.

    ``about`` says what the features are of. ``probe`` gives the most tokens that a row has; it is
    called once, before anything is written.
    """

    encoder: Encoder
    what: str
    rows: int
    about: dict[str, Any]
    encode: Encode
    probe: Callable[[], int]
    at_once: int
    kept: Sequence[int] = ()
    views: int = 1

    def open(self, parent: Path) -> FeatureStore:
        """The features, from their folder in ``parent``; missing rows are encoded first."""
        # The weights are no part of the name: when they have changed, the old features are
        # replaced rather than kept beside the new ones for ever.
        encoder = self.encoder
        settings = _settings(encoder, self.what)
        name = f"features-{self.what}-{digest([self.about, encoder.kind, settings])}"
        with distributed.first_alone():
            if distributed.rank() == 0:
                self._complete(parent / name)
            return self._load(parent / name)

    def _complete(self, folder: Path) -> None:
        """Encode all rows that ``folder`` lacks; start over if another encoder made the others."""
        about = self.about | {"encoder": encoder_fingerprint(self.encoder, self.what)}
        found = _read(folder / "about.json")
        if found is not None and {k: found.get(k) for k in about} != about:
            say(f"{folder.name}: made by another encoder than this one; encoding again")
            found = None
        done = (_read(folder / "done.json") or {"rows": 0})["rows"] if found else 0
        if found and done == self.rows:
            return
        with _evaluated(self.encoder), torch.random.fork_rng():
            if not found:
                self._begin(folder, about)
            self._write(folder, done)

    def _begin(self, folder: Path, about: dict[str, Any]) -> None:
        """Log the size, and allocate the files at their full size. RecipeError if the disk is too
        small."""
        dim = self.encoder.trunk_dim if self.what == "pictures" else self.encoder.dim
        arrays = self._arrays(dim, self.probe())
        size = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in arrays.values())
        folder.parent.mkdir(parents=True, exist_ok=True)
        require_room(folder.parent, int(size * SPARE), f"features of {self.rows:,} {self.what}")
        say(f"features of {self.rows:,} {self.what}: {megabytes(size)} in {folder}")
        (folder / "about.json").unlink(missing_ok=True)  # first: without it the rest is not read
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, (shape, kind) in arrays.items():
            path = folder / f"{name}.npy"
            np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape).flush()
            _set_aside(path)
        write_whole(folder / "about.json", json.dumps(about, indent=1))

    def _arrays(self, dim: int, tokens: int) -> dict[str, tuple[tuple[int, ...], type]]:
        """Shape and type of every array, for ``dim`` numbers a feature and so many tokens."""
        shapes: dict[str, tuple[tuple[int, ...], type]] = {
            "pooled": ((self.rows, self.views, dim), np.float16)
        }
        if self.kept:
            shapes["tokens"] = ((len(self.kept), self.views, tokens, dim), np.float16)
            shapes["mask"] = ((len(self.kept), tokens), np.bool_)
        return shapes

    def _write(self, folder: Path, done: int) -> None:
        """Encode the rows from ``done`` on."""
        arrays = {path.stem: np.load(path, mmap_mode="r+") for path in folder.glob("*.npy")}
        place = place_of(self.kept, self.rows)
        said = time.monotonic()
        for start in range(done, self.rows, self.at_once):
            stop = min(start + self.at_once, self.rows)
            parts = self.encode(start, stop)
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
                say(f"features: {stop:,} of {self.rows:,} {self.what}")

    def _load(self, folder: Path) -> FeatureStore:
        # Copy-on-write, because torch warns of arrays that can't be written to.
        arrays = {
            path.stem: torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
            for path in folder.glob("*.npy")
        }
        place = place_of(self.kept, self.rows) if self.kept else None
        return FeatureStore(arrays["pooled"], arrays.get("tokens"), arrays.get("mask"), place)


@contextmanager
def _evaluated(encoder: Encoder) -> Iterator[None]:
    """The encoder as it is used: dropout off, norms by their running statistics."""
    modes = {part: part.training for part in encoder.modules()}
    encoder.eval()
    yield
    for part, mode in modes.items():
        part.training = mode


def _set_aside(path: Path) -> None:
    """Allocate the blocks of a new, sparse file. RecipeError if the disk is full."""
    # Writing to an unallocated part of a mapped file kills the process (SIGBUS) on a full disk.
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


def _write_tokens(arrays: dict[str, npt.NDArray[Any]], parts: list[Features], start: int) -> None:
    length, stop = arrays["tokens"].shape[2], start + len(parts[0])
    tokens = _stacked([part.tokens[:, :length] for part in parts])
    arrays["tokens"][start:stop, :, : tokens.shape[2]] = tokens
    mask = parts[0].mask[:, :length].cpu().numpy()
    arrays["mask"][start:stop, : mask.shape[1]] = mask


def _stacked(views: list[Tensor]) -> npt.NDArray[np.float16]:
    """Views side by side: V times (B, ...) to (B, V, ...) fp16."""
    return torch.stack(views, 1).half().cpu().numpy()


def _read(path: Path) -> Any:
    """What a JSON file holds, None if it is not there or was cut short."""
    try:
        return json_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def digest(value: Any) -> str:
    """16 hex digits over a value as JSON has it."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
