"""The request to a second stage, and its answer."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from samebut.errors import SamebutError


class RerankError(SamebutError):
    """A second stage has no order to give. The message says why, and holds no secret."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A turn as it is shown to a second stage: a small RGB picture, a text, or both."""

    picture: Image.Image | None
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A hit of the search: its id in the gallery and a small RGB picture."""

    id: int
    picture: Image.Image


@dataclass(frozen=True, slots=True, eq=False)
class RerankRequest:
    """A conversation, oldest first, what is ``refused``, and the candidates, best first."""

    turns: tuple[Shown, ...]
    refused: tuple[Shown, ...]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Ordered:
    """``order``: indices of the candidates, from 0, the best first, each once. ``requests``: number
    of requests to a server. ``tokens``: sent and received, as the server counted them; None if it
    did not report them."""

    order: tuple[int, ...]
    requests: int = 0
    tokens: tuple[int, int] | None = None
