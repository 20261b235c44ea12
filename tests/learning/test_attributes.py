"""learning/objective/attributes.py: what a catalogue says of pictures, as something to learn."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from samebut.errors import RecipeError
from samebut.learning.data.corpus import Corpus, Part
from samebut.learning.objective.attributes import (
    UNKNOWN,
    Attributes,
    CosineClassifier,
    attributes_of,
)
from samebut.preprocess import Preprocess

SMALL = Preprocess(size=16, padding="target", fill="edge", mean=(0.5,) * 3, std=(0.25,) * 3)

COLOURS = [{"colour": name} for name in ("red", "blue", "", "red", "blue")]
BAGS_AND_HATS = [{"kind": "bag", "colour": "red"}, {"kind": "hat", "colour": "blue"}] * 2


def corpus_of(rows: list[dict[str, str]]) -> Corpus:
    return Corpus((), tuple(rows), (Part("all", 0, len(rows)),), SMALL, Path())


def term(rows: list[dict[str, str]], dim: int = 2, **options: Any) -> Attributes:
    model: Any = SimpleNamespace(encoder=SimpleNamespace(dim=dim))
    return Attributes(Attributes.Options(weight=1.0, **options), corpus_of(rows), model)


def loss(of: Attributes, pooled: Tensor, rows: list[int]) -> Tensor:
    shares = torch.full((len(rows),), 1 / len(rows))
    step: Any = SimpleNamespace(
        seen=SimpleNamespace(pooled=pooled), rows=torch.tensor(rows), shares=shares
    )
    found: Tensor = of(step)
    return found


def labels_of(rows: list[dict[str, str]]) -> dict[str, list[int]]:
    return {name: labels.tolist() for name, labels in attributes_of(rows).items()}


def test_labels_are_numbers_of_values_and_unknown_where_nothing_is_said() -> None:
    rows = [
        {"file": "a", "title": "x", "colour": "red", "article": "shirt"},
        {"file": "b", "title": "y", "colour": "", "article": "dress"},
        {"file": "c", "title": "z", "colour": "blue", "article": "shirt"},
    ] * 2
    # Nothing that names the file or says it twice.
    assert labels_of(rows) == {"colour": [1, UNKNOWN, 0] * 2, "article": [1, 0, 1] * 2}


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
    classifiers = term(rows, 3, cosine_scale=scale).classifiers
    assert [each.weight.shape for each in classifiers] == [(2, 3), (2, 3)]


def test_only_columns_that_are_asked_for_are_classified() -> None:
    assert term(BAGS_AND_HATS).labels.keys() == {"article", "colour"}
    found = term(BAGS_AND_HATS, columns=("colour",))
    assert found.labels.keys() == {"colour"}
    assert len(found.classifiers) == 1


def test_a_column_that_no_catalogue_has_is_refused() -> None:
    wanted = Attributes.Options(weight=1.0, columns=("colour", "pocket"))
    with pytest.raises(RecipeError, match="'pocket'") as raised:
        Attributes.check(wanted, corpus_of(BAGS_AND_HATS))
    assert "article, colour" in str(raised.value.hint)
    Attributes.check(Attributes.Options(columns=("colour",)), corpus_of(BAGS_AND_HATS))


def test_a_catalogue_without_attributes_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"needs a catalog\.csv with a column"):
        Attributes.check(
            Attributes.Options(weight=1.0), corpus_of([{"title": "a"}, {"title": "b"}])
        )


class TestLoss:
    def loss(self, features: Tensor, rows: list[int]) -> float:
        attributes = term(COLOURS)
        (linear,) = attributes.classifiers
        assert isinstance(linear, nn.Linear)
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)
        return float(loss(attributes, features, rows).detach())

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

    def test_columns_are_summed(self) -> None:
        torch.manual_seed(0)
        both, features = term(BAGS_AND_HATS), torch.tensor([[1.0, 2.0], [3.0, 0.5]])
        parts = []
        for number, name in enumerate(("article", "colour")):
            one = term(BAGS_AND_HATS, columns=(name,))
            one.classifiers[0].load_state_dict(both.classifiers[number].state_dict())
            parts.append(loss(one, features, [0, 1]))
        torch.testing.assert_close(loss(both, features, [0, 1]), parts[0] + parts[1])


class TestCosineClassifier:
    def test_a_scale_asks_for_it(self) -> None:
        assert [type(each) for each in term(COLOURS).classifiers] == [nn.Linear]
        (cosine,) = term(COLOURS, cosine_scale=8.0).classifiers
        assert isinstance(cosine, CosineClassifier) and cosine.scale == 8.0

    def test_logits_are_cosines_times_the_scale(self) -> None:
        cosine = CosineClassifier(2, 3, scale=8.0)
        cosine.weight.data = torch.tensor([[2.0, 0.0], [0.0, 0.1], [-3.0, 3.0]])
        found = cosine(torch.tensor([[5.0, 0.0], [0.0, -0.5]]))
        half = 0.5**0.5
        expected = torch.tensor([[8.0, 0.0, -8.0 * half], [0.0, -8.0, -8.0 * half]])
        torch.testing.assert_close(found, expected)

    def test_a_small_part_of_the_features_is_not_amplified(self) -> None:
        """A value that is a hundredth of the features: a linear classifier turns it up."""
        sign = torch.tensor([1.0, -1.0]).repeat(32)
        features = torch.stack((torch.ones(64), 0.01 * sign), 1)
        rows = [{"pockets": "two" if each > 0 else "none"} for each in sign.tolist()]
        least = {}
        for scale in (0.0, 8.0):
            torch.manual_seed(0)
            attributes = term(rows, cosine_scale=scale)
            optimizer = torch.optim.Adam(attributes.parameters(), lr=1.0)
            for _ in range(400):
                optimizer.zero_grad()
                cost = loss(attributes, features, list(range(64)))
                cost.backward()
                optimizer.step()
            least[scale] = float(cost.detach())
        nothing_known = 0.6931  # log 2
        assert least[0.0] < 0.35
        assert least[8.0] > 0.9 * nothing_known
