"""What a worker of the tests does with pictures that end it: those whose names say so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

from samebut import cluster
from samebut.encode import Outcome, encode_pictures
from samebut.loader import PictureFile


def work(job: Any, files: Sequence[tuple[PictureFile, str]]) -> Any:
    """The worker's own work, with a decoder that crashes or hangs."""
    cluster.encode_pictures = _fragile
    return _work(job, files)


_work = cluster._work


def _fragile(model: Any, sources: Any, **options: Any) -> Iterator[list[Outcome]]:
    for source in sources:
        if "crash" in source.path:
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in source.path:
            time.sleep(1000)
    return encode_pictures(model, sources, **options)
