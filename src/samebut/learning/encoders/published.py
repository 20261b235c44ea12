"""What encoders that others published have in common: a source, weights of its own, a licence."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Self

from samebut.errors import ModelError
from samebut.learning.encoders.base import Encoder
from samebut.learning.encoders.checkpoint import Checkpoint
from samebut.learning.tables import Table
from samebut.preprocess import Preprocess


class HubOptions(Table):
    """What a recipe says of a published encoder."""

    source: str
    """A name on the hub, or a folder."""


class PublishedEncoder(Encoder):
    """A family of published encoders; ``source`` is the name of the checkpoint.

    A checkpoint of ``model_type`` (see ``Checkpoint.model_type``) is of this family.
    """

    Options = HubOptions
    model_type: ClassVar[str]
    source: str

    @classmethod
    @abstractmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> Self:
        """The encoder of a checkpoint, in fp32. ModelError: a file is missing or damaged."""

    @abstractmethod
    def preprocess_of(
        self, checkpoint: Checkpoint, size: int | None, padding: str | None
    ) -> Preprocess:
        """The checkpoint's own preprocessing, with another input size or padding if given."""

    @classmethod
    def create(cls, options: dict[str, Any], texts: Iterable[str]) -> Self:
        """The published weights of ``source``, to be trained further; it has its own tokenizer.

        ModelError: another option, no source, or one whose pixels are not normalised as a run's
        are going to be.
        """
        if set(options) != {"source"}:
            raise ModelError(
                f"the encoder '{cls.kind}' takes one option, source, and was given "
                f"{', '.join(options)}",
                hint='Write source = "a name on the hub, or a folder" under [encoder].',
            )
        checkpoint = Checkpoint.open(options["source"])
        encoder = cls.from_checkpoint(checkpoint)
        said = encoder.preprocess_of(checkpoint, None, None)
        if (said.mean, said.std) != cls.channels(options):
            raise ModelError(
                f"{checkpoint.name} normalises pixels with mean {said.mean} and std {said.std}, "
                f"and training an encoder of kind '{cls.kind}' supports {cls.channels(options)}",
                hint="Train another checkpoint of this kind. Export without training works.",
            )
        return encoder


def checked_size(source: str, size: int | None, own: int, patch: int) -> int:
    """``size``, or ``own`` if it is None. ModelError: it is not a whole number of patches."""
    if size and size != own and size % patch:
        raise ModelError(
            f"the input size of {source} must be a multiple of the {patch}-pixel patch size; "
            f"got {size}",
            hint=f"Give a multiple, such as {max(1, size // patch) * patch}.",
        )
    return size or own
