"""An embedding: a vector of length one, the only thing that an index stores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def unit(vectors: npt.ArrayLike) -> Floats:
    """Rows of length one, ``(B, D) -> (B, D)``: the one place where embeddings are normalised.

    A row of zeros stays zeros; it is equally far from everything.
    """
    rows = np.asarray(vectors, dtype=np.float32)
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    normal: Floats = rows / np.maximum(length, np.finfo(np.float32).tiny)
    return normal
