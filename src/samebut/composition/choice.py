"""What composition was chosen for a gallery, as it is kept beside its store."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from samebut.composition.rows import read
from samebut.errors import DataError, QueryError, StoreError
from samebut.files import read_json, write_whole

FORMAT = 1


@dataclass(frozen=True)
class Choice:
    """A composition, for the model with this ``fingerprint``; chosen by so many ``queries``.

    ``gain`` is that of the half that did not choose, in points of the mean of R@1 and R@10, with
    its 95 % interval: mean, low, high.
    """

    fingerprint: str
    composition: str
    queries: int
    gain: tuple[float, float, float]

    def write(self, file: Path) -> None:
        write_whole(file, json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n")

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """What ``file`` holds, None if there is none. StoreError: it can't be read."""
        if not file.is_file():
            return None
        try:
            said = read_json(file, dict)
            if said.pop("format") != FORMAT:
                raise ValueError("another format")
            low, middle, high = map(float, said.pop("gain"))
            found = cls(gain=(low, middle, high), **said)
            read(found.composition)
        except (DataError, QueryError, KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"{file} does not name a composition that can be used: {error}",
                hint="Choose one again: samebut calibrate PHOTOS. Or remove the file, and the "
                "model's usual composition is used.",
            ) from error
        return found
