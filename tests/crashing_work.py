"""Work for test workers that crashes at pictures whose names ask for it. A picture called "once"
crashes the first worker only."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
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
        if "crash" in source.path and not _was_ended(Path(str(source.file))):
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in source.path:
            time.sleep(1000)
    return encode_pictures(model, sources, **options)


def _was_ended(picture: Path) -> bool:
    """Whether a picture that ends one worker has done so; if not, the next worker is told."""
    if "once" not in picture.name:
        return False
    note = picture.with_suffix(".ended")
    was = note.exists()
    note.touch()
    return was
