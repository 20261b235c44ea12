"""learning/attributes.py: what a catalogue says of pictures, as something to learn."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from samebut.learning.objective.attributes import (
    UNSAID,
    Prototypes,
    attributes_of,
    heads_for,
    naming_loss,
)

COLOURS = [{"colour": name} for name in ("red", "blue", "", "red", "blue")]


def labels_of(rows: list[dict[str, str]]) -> dict[str, list[int]]:
    return {name: labels.tolist() for name, labels in attributes_of(rows).items()}


def test_labels_are_numbers_of_values_and_unknown_where_nothing_is_said() -> None:
    rows = [
        {"file": "a", "title": "x", "colour": "red", "article": "shirt"},
        {"file": "b", "title": "y", "colour": "", "article": "dress"},
        {"file": "c", "title": "z", "colour": "blue", "article": "shirt"},
    ] * 2
    # Nothing that names the file or says it twice.
    assert labels_of(rows) == {"colour": [1, UNSAID, 0] * 2, "article": [1, 0, 1] * 2}


def test_what_is_worn_is_one_attribute_in_every_catalogue() -> None:
    rows = [{"article": "shirt", "gender": "men"}, {"kind": "shirt"}, {"kind": "dress"}] * 2
    assert labels_of(rows) == {"article": [1, 1, 0] * 2}
    assert labels_of([{"kind": row.get("kind", "shirt")} for row in rows]) == labels_of(rows)


def test_a_column_of_one_value_teaches_nothing() -> None:
    assert labels_of([{"colour": "red"}, {"colour": "red"}, {"colour": ""}]) == {}


def test_a_column_in_which_most_pictures_differ_describes_none() -> None:
    rows = [{"price": f"{n // 2 * 10 + n % 3}", "colour": "red" if n % 2 else ""} for n in range(9)]
    rows += [{"colour": "blue", "price": ""}] * 3
    assert labels_of(rows).keys() == {"colour"}


@pytest.mark.parametrize("scale", [0.0, 8.0])
def test_a_column_may_be_called_anything(scale: float) -> None:
    rows = [{"type": "boot", "heel.height": "low"}, {"type": "pump", "heel.height": "high"}] * 2
    heads = heads_for(attributes_of(rows), 3, scale)
    assert [head.weight.shape for head in heads] == [(2, 3), (2, 3)]


class TestNamingLoss:
    def loss(self, features: torch.Tensor, rows: list[int]) -> float:
        attributes = attributes_of(COLOURS)
        heads = heads_for(attributes, 2, 0.0)
        (head,) = heads
        assert isinstance(head, nn.Linear)
        nn.init.eye_(head.weight)
        nn.init.zeros_(head.bias)
        return float(naming_loss(heads, attributes, features, rows).detach())

    def test_it_is_smoothed_cross_entropy(self) -> None:
        features = torch.tensor([[1.0, 2.0], [3.0, 0.5]])  # blue is 0, red is 1
        aims = torch.tensor([[0.05, 0.95], [0.95, 0.05]])
        expected = float(-(aims * features.log_softmax(1)).sum(1).mean())
        assert self.loss(features, [0, 1]) == pytest.approx(expected, rel=1e-5)

    def test_what_a_catalogue_does_not_say_is_not_asked(self) -> None:
        known, unknown = [1.0, 2.0], [5.0, -5.0]
        alone = self.loss(torch.tensor([known]), [0])
        both = self.loss(torch.tensor([known, unknown]), [0, 2])
        assert both == pytest.approx(alone / 2, rel=1e-5)  # half of the pictures know theirs
        assert self.loss(torch.tensor([unknown]), [2]) == 0.0


class TestPrototypes:
    def test_logits_are_cosines_times_the_scale(self) -> None:
        head = Prototypes(2, 3, scale=8.0)
        head.weight.data = torch.tensor([[2.0, 0.0], [0.0, 0.1], [-3.0, 3.0]])
        found = head(torch.tensor([[5.0, 0.0], [0.0, -0.5]]))
        half = 0.5**0.5
        expected = torch.tensor([[8.0, 0.0, -8.0 * half], [0.0, -8.0, -8.0 * half]])
        torch.testing.assert_close(found, expected)

    def test_what_is_heard_softly_is_named_badly_by_them_alone(self) -> None:
        """A value that is a hundredth of the features: a linear head turns it up."""
        sign = torch.tensor([1.0, -1.0]).repeat(32)
        features = torch.stack((torch.ones(64), 0.01 * sign), 1)
        attributes = {"pockets": (sign > 0).long()}
        least = {}
        for scale in (0.0, 8.0):
            torch.manual_seed(0)
            heads = heads_for(attributes, 2, scale)
            optimizer = torch.optim.Adam(heads.parameters(), lr=1.0)
            for _ in range(400):
                optimizer.zero_grad()
                loss = naming_loss(heads, attributes, features, range(64))
                loss.backward()
                optimizer.step()
            least[scale] = float(loss.detach())
        nothing_known = 0.6931  # log 2
        assert least[0.0] < 0.35
        assert least[8.0] > 0.9 * nothing_known
