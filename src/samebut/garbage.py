"""The garbage collector, disabled while very many objects are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_garbage() -> Iterator[None]:
    """Disable the garbage collector while very many objects are created: it would scan them again
    and again, which takes longer than creating them. May also decorate a function."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
