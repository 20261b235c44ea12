"""Encodes on many machines, with Ray: each worker takes ranges of files and encodes them. Only the
caller writes, so a store has one writer. The range of a worker that dies is encoded by another.

A worker is one process with one core, its own copy of the model and one range at a time. A range
whose worker died is split into smaller ones, down to single pictures; a picture that ends `TRIES`
workers is skipped with that reason, and the others are encoded. An embedding depends neither on the
worker nor on the other pictures of its batch; on a node with another processor it may differ, and
the report names that node.
"""

from __future__ import annotations

import faulthandler
import hashlib
import logging
import os
import re
import socket
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from samebut import __version__
from samebut.encode import Encoded, IndexingSeconds, Outcome, encode_pictures
from samebut.errors import ModelError, QueryError, SamebutError
from samebut.loader import PictureFile, Unusable
from samebut.remote import THREADS, Place, RemotePath
from samebut.runtime import BUNDLED, Model

CLAIMS = (64, 8, 1)
"""Pictures that a worker claims at a time; fewer of those that a worker has died of."""

TRIES = 3
"""Workers that a single picture may end."""

_AHEAD = 2  # claims submitted for each core, so that no core waits for the caller
_LOOK_SECONDS = 5.0
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Ray:
    """How to reach the workers. ``address`` is Ray's: "auto" for the cluster that this machine is
    of, or one on this machine alone if there is none. A worker that takes longer than ``seconds``
    for one picture is considered hung, and is killed."""

    address: str = "auto"
    seconds: float = 120.0


@dataclass(slots=True)
class NodeReport:
    """``pictures`` by the node that encoded them, and the nodes whose floating-point results differ
    from this machine's in the last bits; ``died`` counts the workers that died while encoding."""

    pictures: Counter[str] = field(default_factory=Counter)
    other_bits: set[str] = field(default_factory=set)
    died: int = 0

    def lines(self) -> list[str]:
        """The report in sentences, none where no other machine was asked."""
        said = [f"{node} encoded {n:,}" for node, n in sorted(self.pictures.items())]
        if self.died:
            said.append(f"{self.died:,} claims whose worker died were done again or given up")
        return said + [
            f"{node} rounds otherwise than this machine: another processor, or other versions"
            for node in sorted(self.other_bits)
        ]


@dataclass(frozen=True, slots=True)
class _Job:
    """The parameters that all claims of one run share."""

    folder: Place
    model: str
    fingerprint: str
    version: str
    known: Any  # digests as a sorted array (N,) of bytes, in Ray's store
    seconds: float


@dataclass(frozen=True, slots=True)
class _Claim:
    """Files for one worker to encode, each with its last known digest, or ""."""

    files: tuple[tuple[PictureFile, str], ...]
    tries: int = 0

    def after_a_death(self) -> list[_Claim]:
        """What to try after the worker died: smaller claims, the same picture again, or nothing."""
        if len(self.files) > 1:
            size = next(each for each in CLAIMS if each < len(self.files))
            return _claims(self.files, size)
        return [_Claim(self.files, self.tries + 1)] if self.tries + 1 < TRIES else []


@dataclass(frozen=True, slots=True)
class _Done:
    outcomes: list[Outcome]
    node: str
    probe: str
    decode: float
    encode: float


def encode_on_ray(
    ray: Ray,
    model: Model,
    folder: Place,
    files: Sequence[tuple[PictureFile, str]],
    *,
    known: Collection[str],
    spent: IndexingSeconds,
    report: NodeReport,
) -> Iterator[list[Outcome]]:
    """Outcomes of ``files`` (each with its last digest, or ""), in whatever order they are done.

    A content whose digest is ``known``, or its own last, is not encoded. The folder and the model
    must be there on every node. ``report`` and ``spent``, summed over workers, grow meanwhile.

    Raises QueryError if Ray is not installed or gives no answer, or a node lacks the folder;
    ModelError if it has another model.
    """
    if not files:
        return
    with _connected(ray.address) as library:
        array = np.array(sorted(each.encode() for each in known), dtype="S32")
        job = library.put(
            _Job(
                folder,
                "bundled" if model.folder == BUNDLED else str(Path(model.folder).resolve()),
                model.fingerprint,
                __version__,
                array,
                ray.seconds,
            )
        )
        yield from _Claiming(library, job, files, probe_of(model), spent, report).run()


class _Claiming:
    """One run: claims that wait, and those that workers have."""

    def __init__(
        self,
        library: Any,
        job: Any,
        files: Sequence[tuple[PictureFile, str]],
        probe: str,
        spent: IndexingSeconds,
        report: NodeReport,
    ) -> None:
        self.library, self.job, self.probe = library, job, probe
        self.spent, self.report = spent, report
        # No retries by Ray: it would send the same range again, with the picture that killed the
        # worker.
        self.task = library.remote(max_retries=0, num_cpus=1)(_work)
        self.waiting = deque(_claims(tuple(files), CLAIMS[0]))
        self.running: dict[Any, _Claim] = {}

    def run(self) -> Iterator[list[Outcome]]:
        try:
            while self.waiting or self.running:
                self._hand_out()
                ready, _ = self.library.wait([*self.running], timeout=_LOOK_SECONDS)
                for reference in ready:
                    if outcomes := self._taken(reference, self.running.pop(reference)):
                        yield outcomes
        finally:
            for reference in self.running:
                self.library.cancel(reference, force=True)

    def _hand_out(self) -> None:
        cores = int(self.library.cluster_resources().get("CPU", 0))
        if not cores and not self.running:
            raise QueryError(
                "the Ray cluster has no CPU core for encoding",
                hint="Add a node to the cluster: ray start --address=ADDRESS",
            )
        while self.waiting and len(self.running) < _AHEAD * max(cores, 1):
            claim = self.waiting.popleft()
            self.running[self.task.remote(self.job, claim.files)] = claim

    def _taken(self, reference: Any, claim: _Claim) -> list[Outcome]:
        """The outcomes of a worker's claim; if it died, those of the pictures that are given up."""
        errors = self.library.exceptions
        try:
            done: _Done = self.library.get(reference)
        except errors.RayTaskError as error:  # the worker lives: an error of samebut, or a bug
            raise error.cause if isinstance(error.cause, SamebutError) else error from None
        except errors.RayError:
            return self._after_a_death(claim)
        self.spent.decode += done.decode
        self.spent.encode += done.encode
        encoded = sum(isinstance(each, Encoded) for each in done.outcomes)
        self.report.pictures[done.node] += encoded
        if done.probe != self.probe:
            self.report.other_bits.add(done.node)
        return done.outcomes

    def _after_a_death(self, claim: _Claim) -> list[Outcome]:
        self.report.died += 1
        if again := claim.after_a_death():
            self.waiting.extendleft(reversed(again))
            return []
        said = f"ended each of {TRIES} worker processes that read it: it crashes them, or hangs"
        return [Unusable(source, said) for source, _ in claim.files]


def _claims(files: Sequence[tuple[PictureFile, str]], size: int) -> list[_Claim]:
    return [_Claim(tuple(files[at : at + size])) for at in range(0, len(files), size)]


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray, connected; disconnected afterwards if it was not connected before.

    Raises QueryError if it is not installed, or can't be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray as library
    except ModuleNotFoundError as error:
        raise QueryError(
            "Ray is not installed", hint="Install it: pip install 'samebut[ray]'"
        ) from error
    if library.is_initialized():
        yield library
        return
    _check_address(address)
    try:
        library.init(
            address=None if address == "auto" else address,
            include_dashboard=False if address == "local" else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:  # Ray raises a bare Exception if a node does not start in time
        raise _no_answer(address) from error
    try:
        yield library
    finally:
        library.shutdown()


def _check_address(address: str) -> None:
    """Raises QueryError if nobody listens at HOST:PORT: Ray would try for minutes, and say why in
    its own words."""
    found = re.fullmatch(r"([^:/]+):(\d{1,5})", address)
    try:
        if found:
            socket.create_connection((found[1], int(found[2])), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_answer(address) from error


def _no_answer(address: str) -> QueryError:
    return QueryError(
        f"no Ray cluster answers at {address}",
        hint="Start the cluster and give the address that `ray start --head` prints, or auto.",
    )


# ------------------------------------------------------------------------------- on a worker


def _work(job: _Job, files: Sequence[tuple[PictureFile, str]]) -> _Done:
    """Encode a claim. The process ends if that takes longer than it may."""
    node = socket.gethostname()
    _check_folder(job.folder, node)
    model, probe = _model(job.model, job.fingerprint, job.version, node)
    spent = IndexingSeconds()
    # faulthandler's thread works without the GIL, which a hanging decoder may hold.
    faulthandler.dump_traceback_later(job.seconds * len(files) ** 0.5, exit=True)
    try:
        outcomes = _encoded(model, job, files, spent)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return _Done(outcomes, node, probe, spent.decode, spent.encode)


def _encoded(
    model: Model, job: _Job, files: Sequence[tuple[PictureFile, str]], spent: IndexingSeconds
) -> list[Outcome]:
    last, known = dict(files), job.known
    threads = THREADS if isinstance(job.folder, RemotePath) else 1

    def is_known(source: PictureFile, digest: str) -> bool:
        at = int(np.searchsorted(known, digest.encode()))
        return digest == last[source] or bool(at < len(known) and known[at] == digest.encode())

    batches = encode_pictures(model, last, is_known=is_known, workers=threads, spent=spent)
    return [outcome for batch in batches for outcome in batch]


def _check_folder(folder: Place, node: str) -> None:
    """Check that the folder exists here: else all its pictures would be reported as missing."""
    if isinstance(folder, Path) and not folder.is_dir():
        raise QueryError(
            f"the node {node} can't see the folder {folder}",
            hint="Mount it at the same path on every node, or give an address such as "
            "s3://BUCKET/FOLDER.",
        )


@lru_cache(maxsize=1)
def _model(reference: str, fingerprint: str, version: str, node: str) -> tuple[Model, str]:
    model = Model.load(reference, threads=1)
    if (model.fingerprint, __version__) != (fingerprint, version):
        raise ModelError(
            f"the node {node} has model {model.fingerprint} and samebut {__version__}, "
            f"this machine {fingerprint} and {version}",
            hint="Install the same samebut and the same model on every node.",
        )
    return model, probe_of(model)


def probe_of(model: Model) -> str:
    """A digest of the model's embedding of a noise picture on this machine. It differs where
    another processor or library version rounds differently."""
    noise = np.random.default_rng(0).integers(0, 256, (192, 160, 3), dtype=np.uint8)
    pixels = model.preprocess(Image.fromarray(noise))[None]
    return hashlib.sha256(model.embed(model.encode_images(pixels)).tobytes()).hexdigest()
