"""learning/model/clip4cir.py: published Combiners are read safely and mean the same here."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from samebut.errors import ModelError
from samebut.learning.encoders.base import Features
from samebut.learning.fusion.combiner import Combiner
from samebut.learning.model import clip4cir

pytestmark = pytest.mark.usefixtures("quiet_torch")

DIM, PROJECTION, HIDDEN = 4, 6, 8
SHAPES = {
    "text_projection_layer.weight": (PROJECTION, DIM),
    "text_projection_layer.bias": (PROJECTION,),
    "image_projection_layer.weight": (PROJECTION, DIM),
    "image_projection_layer.bias": (PROJECTION,),
    "combiner_layer.weight": (HIDDEN, 2 * PROJECTION),
    "combiner_layer.bias": (HIDDEN,),
    "output_layer.weight": (DIM, HIDDEN),
    "output_layer.bias": (DIM,),
    "dynamic_scalar.0.weight": (HIDDEN, 2 * PROJECTION),
    "dynamic_scalar.0.bias": (HIDDEN,),
    "dynamic_scalar.3.weight": (1, HIDDEN),
    "dynamic_scalar.3.bias": (1,),
}

# What the published class returns for these weights and features (torch 2.13, fp32).
QUERIES = [
    [0.432527631521225, 0.6528818011283875, 0.575467586517334, 0.23558925092220306],
    [0.6432194709777832, 0.6590644121170044, 0.38730353116989136, -0.04357539862394333],
    [0.3491482436656952, 0.6250109672546387, 0.6167958974838257, 0.32713860273361206],
]
GATES = [0.5761115550994873, 0.36413300037384033, 0.5256944298744202]
LOGITS = [
    [25.174663543701172, -59.33635330200195],
    [60.81692886352539, -85.9432373046875],
    [12.060665130615234, -48.08705139160156],
]


def waves(shape: tuple[int, ...], phase: float) -> Tensor:
    """Numbers that do not hang on a generator of random ones."""
    values = [math.sin(phase + 0.7 * number) for number in range(math.prod(shape))]
    return torch.tensor(values).reshape(shape)


def published() -> dict[str, Tensor]:
    return {name: waves(shape, row) for row, (name, shape) in enumerate(SHAPES.items())}


def side(pooled: Tensor) -> Features:
    return Features(pooled, pooled[:, None], torch.ones(len(pooled), 1, dtype=torch.bool))


IMAGE, TEXT = side(waves((3, DIM), 0.3) * 3), side(waves((3, DIM), 1.1) * 2)
TARGETS = waves((2, DIM), 2.0)


def test_outputs_are_the_published_ones(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "Combiner": published()}, tmp_path / "combiner.pt")
    clip4cir.convert(tmp_path / "combiner.pt", tmp_path / "combiner.safetensors")
    combiner = clip4cir.load(tmp_path / "combiner.safetensors")
    with torch.no_grad():
        queries = functional.normalize(combiner(IMAGE, TEXT), dim=1)
        gates = combiner.gate(IMAGE, TEXT)
    logits = 100 * queries @ functional.normalize(TARGETS, dim=1).T
    torch.testing.assert_close(queries, torch.tensor(QUERIES), rtol=0, atol=1e-5)
    torch.testing.assert_close(gates, torch.tensor(GATES), rtol=0, atol=1e-5)
    torch.testing.assert_close(logits, torch.tensor(LOGITS), rtol=0, atol=1e-3)


def test_every_name_has_one_of_ours() -> None:
    assert list(clip4cir.NAMES) == list(SHAPES)
    assert set(clip4cir.NAMES.values()) == set(Combiner(DIM).state_dict())


def test_a_bare_state_dict_in_half_precision(tmp_path: Path) -> None:
    torch.save({name: value.half() for name, value in published().items()}, tmp_path / "bare.pt")
    combiner = clip4cir.to_combiner(clip4cir.read(tmp_path / "bare.pt"))
    assert not combiner.training
    assert {p.dtype for p in combiner.parameters()} == {torch.float32}
    assert clip4cir.sizes(combiner) == {"dim": DIM, "projection": PROJECTION, "hidden": HIDDEN}


class Trap:
    """What a pickle may do when it is opened."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.victim,))


def test_nothing_in_the_file_is_run(tmp_path: Path) -> None:
    torch.save({"Combiner": Trap(tmp_path / "touched")}, tmp_path / "trap.pt")
    with pytest.raises(ModelError, match="not a PyTorch file of weights alone"):
        clip4cir.read(tmp_path / "trap.pt")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("content", [b"", b"these are not weights", b"PK\x03\x04 cut short"])
def test_other_files_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"other\.pt is not a PyTorch file of weights alone"):
        clip4cir.read(tmp_path / "other.pt")
    (tmp_path / "other.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"other\.safetensors does not hold a Combiner"):
        clip4cir.load(tmp_path / "other.safetensors")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no\.pt can't be read: No such file"):
        clip4cir.read(tmp_path / "no.pt")


@pytest.mark.parametrize("saved", [3, {"epoch": 1, "CLIP": {"visual.proj": torch.ones(2)}}])
def test_a_file_without_a_combiner(tmp_path: Path, saved: object) -> None:
    torch.save(saved, tmp_path / "clip.pt")
    with pytest.raises(ModelError, match="does not hold a Combiner"):
        clip4cir.read(tmp_path / "clip.pt")


def test_names_and_shapes_must_be_a_combiners() -> None:
    state = published()
    state["extra"] = state.pop("output_layer.bias")
    with pytest.raises(ModelError, match=r"1 names .*output_layer\.bias.*1 unknown \(extra\)"):
        clip4cir.to_combiner(state)
    for wrong in (torch.ones(2, 2), torch.ones(2)):
        with pytest.raises(ModelError, match="shapes"):
            clip4cir.to_combiner(published() | {"text_projection_layer.weight": wrong})


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "combiner.pt", tmp_path / "combiner.safetensors"
    monkeypatch.setattr(sys, "argv", ["clip4cir", str(source), str(target)])
    assert clip4cir.main() == 1
    assert "can't be read" in capsys.readouterr().err
    torch.save({"Combiner": published()}, source)
    assert clip4cir.main() == 0
    assert capsys.readouterr().out == f"{target}  dim 4  projection 6  hidden 8\n"
    assert clip4cir.sizes(clip4cir.load(target))["hidden"] == HIDDEN
