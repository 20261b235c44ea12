"""How likely it is that the first answer of a search fits: scores to a probability.

A score alone says little: pictures score lower for texts than for other pictures, and what is a low
score depends on the gallery. So a logistic regression for each kind of query turns three numbers
into a probability: the first score, and the mean and the standard deviation of the scores over the
gallery (Platt, "Probabilistic outputs for support vector machines", 1999). `samebut calibrate` fits
it; the result is ``confidence.json`` in the model folder, and has no effect on embeddings.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from samebut.errors import DataError, ModelError
from samebut.files import read_json, write_whole

FILE = "confidence.json"
FORMAT = 1
SAMPLE = 2_000
"""At most this many pictures are the sample that represents a gallery."""
UNSURE = 0.3
"""Below this confidence a person is told that the answers may not be what was meant."""
AGAIN = "Fit the confidence again: samebut calibrate MODEL --data NAME=FOLDER"

Kind = Literal["text", "picture", "composed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SIGNALS = ("first", "mean", "std")
Scores = NDArray[np.floating[Any]]
Signals = NDArray[np.float64]
_PRIOR = 10.0  # pictures that the usual spread of scores counts as, where a gallery is small


@dataclass(frozen=True)
class Usual:
    """Mean and standard deviation of a query's scores over a gallery, as they usually are."""

    mean: float
    std: float


@dataclass(frozen=True)
class Curve:
    """A probability for one kind of query: the logistic function of a weighted sum of signals.

    ``weights`` are those of ``SIGNALS``, in their order.
    """

    weights: tuple[float, ...]
    bias: float
    usual: Usual

    def probability(self, signals: Signals) -> NDArray[np.float64]:
        """``signals (Q, 3)`` to probabilities ``(Q,)``, 0 to 1."""
        # Beyond 700 the exponential overflows; long before that it is 0 or 1.
        total = np.clip(signals @ np.array(self.weights) + self.bias, -700, 700)
        return np.asarray(1 / (1 + np.exp(-total)))


@dataclass(frozen=True)
class Calibration:
    """What ``confidence.json`` holds: a curve for each kind of query of one model."""

    fingerprint: str
    curves: Mapping[Kind, Curve]

    def confidence(self, kind: Kind, first: float, sample: Scores) -> float:
        """How likely it is that the first answer fits, 0 to 1.

        ``first`` is its score, ``sample (S,)`` are scores of pictures from all over the gallery.
        """
        curve = self.curves[kind]
        shown = signals(np.array([first]), sample[None], curve.usual)
        return float(curve.probability(shown)[0])

    def write(self, folder: Path) -> None:
        """Write it into a model folder, whole or not at all."""
        said = {"format": FORMAT, "fingerprint": self.fingerprint, "signals": SIGNALS}
        curves = {str(kind): asdict(self.curves[kind]) for kind in KINDS}
        whole = {**said, **curves}
        whole["digest"] = _digest(whole)
        write_whole(folder / FILE, json.dumps(whole, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """That of a model folder, or None if it has none.

        ModelError: the file can't be read, is of another format, lacks numbers, or is not as it was
        written; a file of an earlier version has no digest to tell that by.
        """
        path = folder / FILE
        if not path.exists():
            return None
        try:
            said = read_json(path, dict)
        except DataError as error:
            raise ModelError(str(error), hint=AGAIN) from error
        if said.get("format") != FORMAT or said.get("signals") != list(SIGNALS):
            raise ModelError(
                f"{path} has format {said.get('format')!r} and signals {said.get('signals')!r}; "
                f"this samebut reads format {FORMAT} and signals {list(SIGNALS)}",
                hint=AGAIN,
            )
        try:
            curves: dict[Kind, Curve] = {kind: _curve(said[kind]) for kind in KINDS}
            found = cls(str(said["fingerprint"]), curves)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{path}: a value is missing or wrong: {error}", hint=AGAIN) from error
        if said.get("digest", (whole := _digest(said))) != whole:
            raise ModelError(f"{path} was changed after it was written", hint=AGAIN)
        return found


def _digest(said: Mapping[str, Any]) -> str:
    """The digest of everything in ``confidence.json`` except this digest."""
    rest = {key: value for key, value in said.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def _curve(said: Mapping[str, Any]) -> Curve:
    weights = tuple(map(float, said["weights"]))
    usual = Usual(float(said["usual"]["mean"]), float(said["usual"]["std"]))
    curve = Curve(weights, float(said["bias"]), usual)
    if len(weights) != len(SIGNALS):
        raise ValueError(f"its weights: {len(weights)} for {len(SIGNALS)} signals")
    if not all(map(math.isfinite, (*weights, curve.bias, usual.mean, usual.std))) or usual.std <= 0:
        raise ValueError("its numbers: not all are finite, or a spread is not above 0")
    return curve


def signals(first: Scores, sample: Scores, usual: Usual) -> Signals:
    """The inputs of the regression for Q queries, ``(Q, 3)``, in the order of ``SIGNALS``: the
    score of the first answer, mean and standard deviation of the scores over the gallery.

    ``first (Q,)`` are scores of first answers; ``sample (Q, S)`` scores of pictures from all over
    the gallery. Mean and deviation are computed as if the gallery had ten more pictures with the
    scores ``usual``, so they also exist for a gallery of one picture.
    """
    scores = sample.astype(np.float64)
    count = scores.shape[1] + _PRIOR
    mean = (scores.sum(axis=1) + _PRIOR * usual.mean) / count
    squares = ((scores - mean[:, None]) ** 2).sum(axis=1)
    squares += _PRIOR * (usual.std**2 + (usual.mean - mean) ** 2)
    return np.stack([first.astype(np.float64), mean, np.sqrt(squares / count)], axis=1)


def spread(count: int) -> NDArray[np.intp]:
    """Row numbers that stand for a gallery of ``count``: at most ``SAMPLE``, evenly apart."""
    if count <= SAMPLE:
        return np.arange(count)
    return np.linspace(0, count - 1, SAMPLE).astype(np.intp)
