"""The model card: what a model learned from and how, what was measured, its licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from huggingface_hub import ModelCardData

PIPELINE = "image-feature-extraction"  # the hub's nearest word for composed image retrieval
TAGS = ("composed-image-retrieval", "image-retrieval", "samebut")
MARK = "<!-- written by samebut; a README.md without this line is left as it is -->"


@dataclass(frozen=True)
class Card:
    """Facts for the card. Where one is missing, the card says that it is not stated.

    ``knows`` is a sentence for each language on what the model knows.
    ``licence`` is an identifier of the hub ("apache-2.0", "mit"); ``languages`` are codes ("en");
    ``metrics`` in percent; ``notes`` are paragraphs.
    """

    knows: Mapping[str, str] = field(default_factory=dict)
    licence: str | None = None
    languages: tuple[str, ...] = ()
    base_model: str | None = None
    training_data: str | None = None
    recipe: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON; ``from_dict`` reads it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Card:
        """What ``as_dict`` wrote."""
        tuples: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**tuples)

    def markdown(self, description: Mapping[str, Any]) -> str:
        """The whole ``README.md`` of a model of this ``description`` (as ``training.json`` has)."""
        data = ModelCardData(
            language=list(self.languages) or None,
            license=self.licence or "unknown",
            library_name="samebut",
            pipeline_tag=PIPELINE,
            base_model=self.base_model,
            tags=list(TAGS),
        )
        said = "It is not said."
        parts = [
            f"---\n{data.to_yaml()}\n---\n{MARK}",
            f"# {description['name']}",
            "Made with samebut for composed image retrieval: a picture and a sentence to one query "
            "over pictures.",
            *self.knows.values(),
            _table(description),
            *self.notes,
            f"## Trained on\n\n{self.training_data or said}",
            f"## Recipe\n\n{self.recipe or said}",
            f"## Measured\n\n{_metrics(self.metrics) or said}",
            f"## Licence\n\n{self.licence or said}",
        ]
        return "\n\n".join(parts) + "\n"


def _table(description: Mapping[str, Any]) -> str:
    encoder, fusion = dict(description["encoder"]), dict(description["fusion"])
    prepare = description["preprocess"]
    kind, source = encoder.pop("kind"), encoder.get("source")
    name = fusion.pop("name")
    options = ", ".join(f"{key} = {value}" for key, value in fusion.items())
    rows = {
        "encoder": f"{kind}, from {source}" if source else kind,
        "fusion": f"{name} ({options})" if options else name,
        "pictures": f"{prepare['size']} x {prepare['size']}, padding {prepare['padding']}",
    }
    return "| | |\n|---|---|\n" + "\n".join(f"| {key} | {value} |" for key, value in rows.items())


def _metrics(metrics: Mapping[str, float]) -> str:
    if not metrics:
        return ""
    rows = "\n".join(f"| {name} | {value:.2f} |" for name, value in metrics.items())
    return f"| | |\n|---|---|\n{rows}"
