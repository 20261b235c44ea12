"""What a second stage is asked, and what it answers."""

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
    """``order``: places in the candidates, from 0, the best first, each once. ``requests`` were
    made of a server, which counted ``tokens`` sent and answered; None if it didn't say."""

    order: tuple[int, ...]
    requests: int = 0
    tokens: tuple[int, int] | None = None
