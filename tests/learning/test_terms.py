"""learning/objective: what every term of the loss promises, and every term on every source of
queries."""

from __future__ import annotations

import copy
import random
import runpy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from learners import Made, drift, made, recipe, shapes, use_tiny_words
from torch import Tensor, nn

from samebut.data.benchmark import Query
from samebut.errors import RecipeError
from samebut.learning.data.corpus import Corpus
from samebut.learning.data.query_table import QueryTable
from samebut.learning.data.sampler import batch_of_pictures
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective import TERMS, contrast
from samebut.learning.objective.attributes import Attributes
from samebut.learning.objective.base import Step, Term
from samebut.learning.objective.captions import Captions
from samebut.learning.objective.contrast import Contrast
from samebut.learning.objective.distillation import Distillation
from samebut.learning.objective.negatives import Miner
from samebut.learning.run.initial_model import initial_model

pytestmark = pytest.mark.usefixtures("quiet_torch")

DOCS = Path(__file__).parents[2] / "docs"
ANY_ENCODER = [name for name in TERMS if name != "names"]
"""Terms that train every encoder; ``names`` has tests of its own."""
TOWERS = ("encoder.image_tower", "encoder.text_tower", "fusion")
REACHES = {
    "contrast": TOWERS,
    "captions": TOWERS[:2],
    "attributes": TOWERS[:1],
    "distillation": TOWERS,
    "words": TOWERS[1:2],
}
"""Which parts of the model a term trains; of a new one any part will do."""
LACKS_CATALOGUE = ("captions", "attributes")
PICTURES = batch_of_pictures(torch.tensor([0, 2, 5, 7, 11, 13, 17, 19, 23, 29]))
NO_QUERIES = QueryTable.of((), {})


@dataclass
class World:
    """A corpus, and a model to begin with."""

    corpus: Corpus
    model: CIRModel
    folder: Path

    def made(self, loss: dict[str, Any], **keys: Any) -> Made:
        """A learner with this loss from the model, drifted since: what is learned is not 0."""
        found = self.fresh(loss, **keys)
        drift(found.learner.model)
        return found

    def fresh(self, loss: dict[str, Any], **keys: Any) -> Made:
        """The same at the first step of a stage."""
        return made(recipe(loss=loss, **keys), self.corpus, self.folder, self.model)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("terms")
    corpus = shapes(folder)
    return World(corpus, initial_model(recipe(), corpus).model, folder)


@pytest.fixture(autouse=True)
def tiny_words(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_words(monkeypatch)


def on(name: str, weight: float = 1.0) -> dict[str, Any]:
    """A loss of this term alone."""
    options = {"weights": {"d": weight}} if name == "distillation" else {"weight": weight}
    return {"contrast": {"weight": 0.0}} | {name: options}


def value(of: Made, *, pictures: bool = False) -> Tensor:
    batch, table = (PICTURES, NO_QUERIES) if pictures else of.batch()
    return of.loss_of(batch, table)


# The contract: every check takes the name of a term and fails if it breaks a promise.


def promises_a_finite_number(name: str, world: World) -> None:
    of = world.made(on(name))
    found: list[Tensor] = []
    of.learner.objective.terms[name].register_forward_hook(lambda *given: found.append(given[-1]))
    value(of)
    (loss,) = found
    assert loss.shape == () and loss.dtype == torch.float32
    assert loss.isfinite() and abs(loss) > 1e-5


def promises_to_do_with_pictures_alone(name: str, world: World) -> None:
    if TERMS[name].needs_queries:
        return
    loss = value(world.made(on(name)), pictures=True)
    assert loss.shape == () and loss.isfinite() and abs(loss) > 1e-5


def promises_to_do_with_cached_features(name: str, world: World) -> None:
    for trains in ("fusion", "text", "image"):
        loss = value(world.made(on(name) | {"contrast": 1.0}, trains=trains, features="cached"))
        assert loss.isfinite()
        assert loss.requires_grad


def promises_to_reach_what_trains(name: str, world: World) -> None:
    """Each part of the model that it is about, where that trains; and all that it learns itself."""
    reached = set()
    for trains in ("all", "image", "text", "fusion"):
        of = world.made({**on(name), "contrast": 1.0}, trains=trains)
        of.learner.objective.weights = {name: 1.0}  # a fusion would have nothing to train by
        loss = value(of)
        if loss.requires_grad:
            loss.backward()
        moved = {
            path
            for path, weights in of.learner.model.named_parameters()
            if weights.grad is not None and weights.grad.abs().max() > 1e-9
        }
        reached |= {tower for tower in TOWERS if any(path.startswith(tower) for path in moved)}
        for tower, part in zip(TOWERS, ("image", "text", "fusion"), strict=True):
            if tower in REACHES.get(name, ()) and trains in ("all", part):
                assert any(path.startswith(tower) for path in moved), (trains, tower)
        if trains == "all":
            for path, weights in of.learner.objective.terms[name].named_parameters():
                assert weights.grad is not None and weights.grad.abs().max() > 0, path
    assert reached


def promises_to_be_left_out_at_weight_0(name: str, world: World) -> None:
    other = "captions" if name != "captions" else "contrast"
    off = {name: {} if name == "distillation" else {"weight": 0.0}}
    of = world.made(on(other) | off)
    assert name not in of.learner.objective.terms
    assert torch.equal(value(of), value(world.made(on(other))))


def promises_to_be_weighed_once(name: str, world: World) -> None:
    losses = []
    for weight in (1.0, 3.0):
        torch.manual_seed(2)  # of what a term learns itself
        losses.append(value(world.made(on(name, weight))))
    torch.testing.assert_close(losses[1], 3 * losses[0])


def promises_a_state_of_what_it_learns(name: str, world: World) -> None:
    term = world.made(on(name)).learner.objective.terms[name]
    learned = {path for path, weights in term.named_parameters() if weights.requires_grad}
    assert set(term.state_dict()) == learned


def promises_to_leave_the_model_alone(name: str, world: World) -> None:
    def state(model: CIRModel) -> dict[str, Any]:
        modes = {path: module.training for path, module in model.named_modules()}
        tuned = {path: each.requires_grad for path, each in model.named_parameters()}
        return {"modes": modes, "tuned": tuned}, {
            path: each.detach().clone() for path, each in model.state_dict().items()
        }

    def assert_same(before: Any, after: Any) -> None:
        assert before[0] == after[0]
        assert all(torch.equal(each, after[1][path]) for path, each in before[1].items())

    model = copy.deepcopy(world.model).train()
    options = getattr(recipe(loss=on(name)).stages[0].loss, name)
    before = state(model)
    TERMS[name](options, world.corpus, model)
    assert_same(before, state(model))

    of = world.made(on(name))
    seen = []
    term = of.learner.objective.terms[name]
    term.register_forward_pre_hook(lambda module, given: seen.append(state(given[0].model)))
    term.register_forward_hook(lambda module, given, _: seen.append(state(given[0].model)))
    value(of)
    assert_same(*seen)


def promises_to_follow_the_seed(name: str, world: World) -> None:
    losses = []
    for chance in (3, 4):
        of = world.made(on(name))
        for path, weights in of.learner.objective.terms[name].named_parameters():
            nn.init.normal_(weights, generator=torch.Generator().manual_seed(len(path)))
        random.seed(chance)
        losses.append(value(of))
    assert torch.equal(*losses)


def promises_to_resume(name: str, world: World) -> None:
    """Made once more from what the stage began with, it loads its state and costs the same."""
    torch.manual_seed(11)
    undisturbed = world.fresh(on(name))
    value(undisturbed)
    drift(undisturbed.learner.model)
    torch.manual_seed(12)
    resumed = world.fresh(on(name))
    drift(resumed.learner.model)
    resumed.learner.load_state_dict(undisturbed.learner.state_dict())
    torch.testing.assert_close(value(resumed), value(undisturbed), rtol=1e-6, atol=1e-7)


def promises_to_check_its_corpus(name: str, world: World) -> None:
    """What it can't learn from is refused before any training, and nothing else is."""
    options = getattr(recipe(loss=on(name)).stages[0].loss, name)
    TERMS[name].check(options, world.corpus)
    poor = replace(world.corpus, rows=({},) * len(world.corpus.rows))
    refused = False
    try:
        TERMS[name].check(options, poor)
    except RecipeError as error:
        refused = True
        assert error.hint
    assert refused or name not in LACKS_CATALOGUE
    if not refused:
        loss = made(recipe(loss=on(name)), poor, world.folder, world.model).loss()
        assert loss.isfinite()


CONTRACT = [check for name, check in list(globals().items()) if name.startswith("promises_")]


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__[9:])
@pytest.mark.parametrize("name", ANY_ENCODER)
def test_contract(name: str, check: Callable[[str, World], None], world: World) -> None:
    check(name, world)


# The contract itself, by terms that break it.


class IsNoNumber(Attributes):
    def forward(self, step: Step) -> Tensor:
        return super().forward(step) / 0


class IsAVector(Attributes):
    def forward(self, step: Step) -> Tensor:
        return super().forward(step).expand(2)


class NeedsQueriesUnsaid(Contrast):
    needs_queries = False


class ReadsPixels(Attributes):
    def forward(self, step: Step) -> Tensor:
        assert step.seen.pixels is not None
        return super().forward(step)


class Detaches(Attributes):
    def forward(self, step: Step) -> Tensor:
        seen = replace(step.seen, pooled=step.seen.pooled.detach())
        return super().forward(replace(step, seen=seen))


class KeepsAnUnusedLayer(Attributes):
    def __init__(self, options: Any, corpus: Corpus, model: CIRModel) -> None:
        super().__init__(options, corpus, model)
        self.unused = nn.Linear(2, 2)


class WeighsItself(Attributes):
    def __init__(self, options: Any, corpus: Corpus, model: CIRModel) -> None:
        super().__init__(options, corpus, model)
        self.weight = options.weight

    def forward(self, step: Step) -> Tensor:
        return self.weight * super().forward(step)


class KeepsTheModel(Distillation):
    def __init__(self, options: Any, corpus: Corpus, model: CIRModel) -> None:
        super().__init__(options, corpus, model)
        self.kept = self.initial


class HidesWhatItLearns(Attributes):
    def __init__(self, options: Any, corpus: Corpus, model: CIRModel) -> None:
        super().__init__(options, corpus, model)
        hidden = tuple(self.classifiers)
        del self.classifiers
        self.classifiers = hidden


class TurnsTheModelOff(Attributes):
    def forward(self, step: Step) -> Tensor:
        step.model.eval()
        return super().forward(step)


class FreezesTheModel(Distillation):
    def __init__(self, options: Any, corpus: Corpus, model: CIRModel) -> None:
        super().__init__(options, corpus, model)
        model.requires_grad_(False)


class ChangesTheModel(Attributes):
    @torch.no_grad()
    def nudge(self, model: CIRModel) -> None:
        next(iter(model.parameters())).add_(1e-3)

    def forward(self, step: Step) -> Tensor:
        self.nudge(step.model)
        return super().forward(step)


class TakesChanceElsewhere(Attributes):
    def forward(self, step: Step) -> Tensor:
        return super().forward(step) * (1 + random.random())


class RemembersTooLate(Distillation):
    """The model of the first step, which is another one where a killed run goes on."""

    def __init__(self, options: Any, corpus: Corpus, model: CIRModel) -> None:
        super().__init__(options, corpus, model)
        self._initial = ()  # type: ignore[assignment]

    def forward(self, step: Step) -> Tensor:
        if not self._initial:
            self._initial = (copy.deepcopy(step.model).eval().requires_grad_(False),)
        return super().forward(step)


class NeverChecks(Captions):
    @classmethod
    def check(cls, options: Any, corpus: Corpus) -> None:
        pass


class RefusesEverything(Contrast):
    @classmethod
    def check(cls, options: Any, corpus: Corpus) -> None:
        raise AssertionError


@pytest.mark.parametrize(
    ("name", "broken", "check"),
    [
        ("attributes", IsNoNumber, promises_a_finite_number),
        ("attributes", IsAVector, promises_a_finite_number),
        ("contrast", NeedsQueriesUnsaid, promises_to_do_with_pictures_alone),
        ("attributes", ReadsPixels, promises_to_do_with_cached_features),
        ("attributes", Detaches, promises_to_reach_what_trains),
        ("attributes", KeepsAnUnusedLayer, promises_to_reach_what_trains),
        ("attributes", WeighsItself, promises_to_be_weighed_once),
        ("distillation", KeepsTheModel, promises_a_state_of_what_it_learns),
        ("attributes", HidesWhatItLearns, promises_to_resume),
        ("distillation", RemembersTooLate, promises_to_resume),
        ("attributes", TurnsTheModelOff, promises_to_leave_the_model_alone),
        ("distillation", FreezesTheModel, promises_to_leave_the_model_alone),
        ("attributes", ChangesTheModel, promises_to_leave_the_model_alone),
        ("attributes", TakesChanceElsewhere, promises_to_follow_the_seed),
        ("captions", NeverChecks, promises_to_check_its_corpus),
        ("contrast", RefusesEverything, promises_to_check_its_corpus),
    ],
)
def test_the_contract_catches(
    name: str,
    broken: type[Term],
    check: Callable[[str, World], None],
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(TERMS, name, broken)
    with pytest.raises(AssertionError):
        check(name, world)


def test_a_term_of_ones_own_as_the_page_says(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The options of ``attributes`` have a weight, too: the page's term stands in its row."""
    page = (DOCS / "training.md").read_text(encoding="utf-8")
    section = page.partition("## A loss term of your own")[2]
    code = section.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "spread.py").write_text(code, encoding="utf-8")
    written = runpy.run_path(str(tmp_path / "spread.py"))
    (line,) = (line for line in section.splitlines() if line.startswith('    "spread":'))
    term = eval(f"{{{line}}}", written)["spread"]
    assert term.Options().weight == 0
    monkeypatch.setitem(TERMS, "attributes", term)
    monkeypatch.setitem(globals(), "LACKS_CATALOGUE", ())
    for check in CONTRACT:
        check("attributes", world)


# The objective.


def test_terms_are_added_by_their_weights(world: World) -> None:
    loss = {"contrast": 2.0, "captions": 0.5, "distillation": {"weights": {"d": 3.0}}}
    of = world.made(loss)
    found: dict[str, Tensor] = {}
    for name, term in of.learner.objective.terms.items():
        term.register_forward_hook(lambda _, given, cost, name=name: found.update({name: cost}))
    total = value(of)
    assert found.keys() == loss.keys()
    expected = 2 * found["contrast"] + 0.5 * found["captions"] + found["distillation"]
    torch.testing.assert_close(total, expected)


def test_a_learned_scale_is_learned_up_to_its_bound(world: World) -> None:
    of = world.made({"contrast": {"scale": 20.0}})
    objective = of.learner.objective
    torch.testing.assert_close(objective.scale.detach(), torch.tensor(20.0))
    value(of).backward()
    assert objective.log_scale.grad.abs() > 1e-3
    with torch.no_grad():
        objective.log_scale.fill_(9.0)
    assert objective.scale == 100.0


def test_a_fixed_scale_is_not_learned(world: World) -> None:
    of = world.made({"contrast": {"scale": 30.0, "learned_scale": False}})
    value(of).backward()
    assert of.learner.objective.log_scale.grad is None


def test_equal_attributes_are_one_anothers_captions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three pictures of a shape and colour each: all their captions are right for each of them."""
    seen: list[Tensor] = []
    module = "samebut.learning.objective.captions.symmetric_info_nce"
    monkeypatch.setattr(
        module, lambda pictures, words, same, **options: seen.append(same) or pictures.sum()
    )
    value(world.made(on("captions")), pictures=True)
    rows = [world.corpus.rows[row] for row in sorted(PICTURES.pictures.tolist())]
    looks = [(row["article"], row["colour"]) for row in rows]
    assert seen[0].tolist() == [[one == other for other in looks] for one in looks]
    assert seen[0].sum() > len(looks)


# Every source of queries with every term.

SOURCES: dict[str, dict[str, Any]] = {
    "given": {},
    "resampled": {"resampled": 0.5},
    "clusters": {"cluster_size": 3},
    "hard negatives": {"hard_negatives": 3},
    "mined": {"mined": {"count": 3}},
    "all": {
        "resampled": 0.5, "cluster_size": 2, "hard_negatives": 2, "mined": {"count": 2},
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=["pooled", "tokens"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(world: World, kind: str) -> CIRModel:
    return initial_model(recipe(fusion=kind), world.corpus).model


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("term", ANY_ENCODER)
@pytest.mark.parametrize(
    ("trains", "features"), [("all", "live"), ("fusion", "cached"), ("text", "cached")]
)
def test_every_source_with_every_term(
    world: World,
    model: CIRModel,
    kind: str,
    tmp_path: Path,
    source: str,
    term: str,
    trains: str,
    features: str,
) -> None:
    loss = on(term) | {"contrast": {"weight": 1.0}}
    written = recipe(
        fusion=kind, loss=loss, queries=SOURCES[source], trains=trains, features=features
    )
    of = made(written, world.corpus, tmp_path, model)
    drawn = of.sampler.epoch(random.Random(0))
    mined = Miner(of.stage.queries.mined, tmp_path).negatives(of.learner, drawn.table, 0)
    batches = list(drawn.batches(8, mined))
    assert len(batches) == 3
    for batch in batches:
        cost = of.loss_of(batch, drawn.table)
        cost.backward()
        assert cost.isfinite()
    gradients = [each.grad for each in of.learner.parameters() if each.grad is not None]
    assert gradients and all(each.isfinite().all() for each in gradients)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("candidates", ["targets", "references", "pictures"])
@pytest.mark.parametrize(("trains", "features"), [("all", "live"), ("fusion", "cached")])
def test_candidates_are_what_the_batch_has(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    candidates: str,
    trains: str,
    features: str,
) -> None:
    """Every known target of a query is right, and its own reference does not count."""
    marks: list[tuple[Tensor, Tensor]] = []
    loss_of = contrast.info_nce

    def info_nce(queries: Tensor, shown: Tensor, positives: Tensor, **options: Any) -> Tensor:
        marks.append((positives, options["allowed"]))
        assert queries.shape[0] == len(batch) and shown.shape[0] == positives.shape[1]
        return loss_of(queries, shown, positives, **options)

    monkeypatch.setattr(contrast, "info_nce", info_nce)
    loss = {"contrast": {"candidates": candidates}}
    of = made(
        recipe(loss=loss, queries=SOURCES[source], trains=trains, features=features),
        world.corpus, tmp_path, world.model,
    )  # fmt: skip
    steps: list[Step] = []
    term = of.learner.objective.terms["contrast"]
    term.register_forward_pre_hook(lambda _, given: steps.append(given[0]))
    batch, table = of.batch()
    of.loss_of(batch, table)
    (step,), ((positives, allowed),) = steps, marks
    pictures = step.layout.rows.flatten()[term.places(step)].tolist()
    wrong = [row for row in batch.negatives.flatten().tolist() if row >= 0]
    named = [*batch.targets.tolist(), *wrong]
    if candidates == "references":
        named += batch.references.tolist()
    if candidates == "pictures":
        named = sorted({*named, *batch.references.tolist()})
        assert len(pictures) == len(set(pictures)) and set(named) <= set(pictures)
        # Live, others fill them up, here to all there are: 30 are less than a round number.
        assert len(pictures) == (30 if features == "live" else len(named))
    else:
        assert pictures == named
    known = table.known()
    for row, query in enumerate(batch.queries.tolist()):
        *targets, reference = known[query]
        assert positives[row].tolist() == [picture in targets for picture in pictures]
        assert allowed[row].tolist() == [picture != reference for picture in pictures]
        assert positives[row].any()
    if source != "given" and source != "resampled" and source != "clusters":
        assert wrong


@pytest.mark.parametrize("source", ["hard negatives", "mined", "all"])
def test_negatives_are_wrong(world: World, tmp_path: Path, source: str) -> None:
    """Neither a target nor the reference; -1 where a hard subset has fewer wrong answers."""
    of = made(recipe(queries=SOURCES[source]), world.corpus, tmp_path, world.model)
    drawn = of.sampler.epoch(random.Random(0))
    batches = [of.batch(seed) for seed in range(4)] if source == "hard negatives" else [of.batch()]
    count = {"hard negatives": 3, "mined": 3, "all": 4}[source]
    for batch, table in batches:
        known = table.known()
        assert batch.negatives.shape == (8, count)
        for query, negatives in zip(batch.queries.tolist(), batch.negatives.tolist(), strict=True):
            real = [row for row in negatives if row >= 0]
            assert not set(real) & set(known[query])
            if source == "hard negatives":
                there = table.wrong.count[query]
                assert len(set(real)) == len(real) == min(3, int(there))
    assert len(drawn.table) == 24


def test_a_query_with_several_known_targets_has_them_all(world: World) -> None:
    query: Query = world.corpus.queries[0]
    assert len(query.targets) == 3  # or the tests above would be of one target each
