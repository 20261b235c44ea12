"""learning/model.py and card.py: a model's folder, its fingerprint, its card, and the hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import HfApi

from samebut.errors import ModelError
from samebut.learning.encoders.small import SmallConfig, SmallEncoder
from samebut.learning.encoders.tokenizer import train_tokenizer
from samebut.learning.model.card import Card
from samebut.learning.model.cir_model import CIRModel
from samebut.preprocess import Preprocess

CARD = Card(
    knows={"en": "It knows shapes by name.", "zh": "认识各种形状。"},
    licence="apache-2.0",
    languages=("en", "zh"),
    base_model="someone/clip",
    training_data="Drawn shapes.",
    recipe="Two stages.",
    metrics={"R@1": 34.123, "R@10": 74.8},
    notes=("Knows shapes: alone.",),
)


@pytest.fixture
def model() -> CIRModel:
    torch.manual_seed(3)
    config = SmallConfig(dim=16, widths=(16, 16), blocks=(1, 1), vocabulary=300, text_heads=2)
    encoder = SmallEncoder(config, train_tokenizer(["in blue"], 300))
    prepare = Preprocess(size=32, mean=encoder.mean, std=encoder.std)
    options = {"projection": 8, "hidden": 8}
    return CIRModel(encoder, prepare, fusion="combiner", options=options).eval()


@pytest.fixture
def folder(model: CIRModel, tmp_path: Path) -> Path:
    model.save(tmp_path / "model", name="shapes", card=CARD)
    return tmp_path / "model"


def same(one: CIRModel, other: CIRModel) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(weight, theirs[name]) for name, weight in one.state_dict().items())


def test_a_folder_is_the_model(model: CIRModel, folder: Path) -> None:
    again = CIRModel.load(folder)
    assert same(model, again)
    assert (again.name, again.card) == ("shapes", CARD)
    assert again.description == model.description
    assert not again.training


def test_the_card_says_what_is_known(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    said = yaml.safe_load(front)
    assert said["license"] == "apache-2.0"
    assert said["language"] == ["en", "zh"]
    assert said["library_name"] == "samebut"
    assert said["pipeline_tag"] == "image-feature-extraction"
    assert said["base_model"] == "someone/clip"
    assert "composed-image-retrieval" in said["tags"]
    for fact in (
        "Drawn shapes.",
        "Two stages.",
        "| R@1 | 34.12 |",
        "Knows shapes: alone.",
        "认识各种形状。",
    ):
        assert fact in body
    assert "| fusion | combiner (projection = 8, hidden = 8) |" in body


def test_a_card_makes_nothing_up(model: CIRModel, tmp_path: Path) -> None:
    model.save(tmp_path, name="bare")
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text.count("It is not said.") == 4
    assert "license: unknown" in text


def edit_description(folder: Path) -> None:
    path = folder / "training.json"
    path.write_text(path.read_text().replace('"size": 32', '"size": 48'))


def edit_weights(folder: Path) -> None:
    path = folder / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def edit_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text() + " ")


@pytest.mark.parametrize("edit", [edit_description, edit_weights, edit_tokenizer])
def test_an_edited_folder_is_refused(folder: Path, edit: Any) -> None:
    edit(folder)
    with pytest.raises(ModelError, match="was changed after it was written"):
        CIRModel.load(folder)


def test_the_card_may_be_edited(model: CIRModel, folder: Path) -> None:
    (folder / "README.md").write_text("mine")
    assert same(CIRModel.load(folder), model)


def test_a_folder_of_an_earlier_version_is_read(model: CIRModel, folder: Path) -> None:
    path = folder / "training.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    del said["fingerprint"], said["card"]
    path.write_text(json.dumps(said), encoding="utf-8")
    again = CIRModel.load(folder)
    assert same(again, model)
    assert again.card == Card()


def rewritten(folder: Path, **changed: Any) -> None:
    path = folder / "training.json"
    said = {**json.loads(path.read_text(encoding="utf-8")), **changed}
    said.pop("fingerprint")
    path.write_text(json.dumps(said), encoding="utf-8")


def test_loading_is_strict(folder: Path) -> None:
    rewritten(folder, fusion={"name": "sum"})
    with pytest.raises(ModelError, match="the weights do not fit the model"):
        CIRModel.load(folder)


def test_an_unknown_encoder_lists_the_known_ones(folder: Path) -> None:
    rewritten(folder, encoder={"kind": "huge"})
    with pytest.raises(ModelError, match="of the unknown kind 'huge'") as error:
        CIRModel.load(folder)
    assert "clip" in error.value.hint


def test_missing_and_damaged_files_are_named(folder: Path) -> None:
    (folder / "training.json").write_text("{")
    with pytest.raises(ModelError, match="can't be read"):
        CIRModel.load(folder)
    (folder / "weights.safetensors").unlink()
    (folder / "training.json").write_text('{"fingerprint": "x"}')
    with pytest.raises(ModelError, match=r"weights\.safetensors"):
        CIRModel.load(folder)


def test_from_pretrained_takes_a_folder(model: CIRModel, folder: Path) -> None:
    assert same(CIRModel.from_pretrained(folder), model)


class Hub:
    """The hub's side of huggingface_hub: keeps what is uploaded."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def upload_folder(self, api: HfApi, *, repo_id: str, folder_path: Any, **_: Any) -> str:
        shutil.copytree(folder_path, self.root / repo_id)
        return f"https://huggingface.co/{repo_id}"

    def snapshot(self, repo_id: str, *, allow_patterns: list[str], **_: Any) -> str:
        assert set(allow_patterns) >= {"training.json", "weights.safetensors", "tokenizer.json"}
        assert set(allow_patterns) >= {"rest.safetensors", "text.fp32.onnx"}  # if it was exported
        return str(self.root / repo_id)

    def file(self, repo_id: str, filename: str, **_: Any) -> str:
        return str(self.root / repo_id / filename)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub(tmp_path / "hub")
    created = type("Created", (), {})

    def create(api: HfApi, repo_id: str, **_: Any) -> Any:
        made = created()
        made.repo_id = repo_id
        return made

    monkeypatch.setattr(HfApi, "create_repo", create)
    monkeypatch.setattr(
        HfApi, "upload_folder", lambda api, **given: hub.upload_folder(api, **given)
    )
    monkeypatch.setattr("samebut.learning.encoders.checkpoint.snapshot_download", hub.snapshot)
    monkeypatch.setattr("huggingface_hub.hub_mixin.hf_hub_download", hub.file)
    return hub


def test_to_the_hub_and_back(model: CIRModel, hub: Hub) -> None:
    model.name, model.card = "shapes", CARD
    assert model.push_to_hub("someone/shapes").endswith("someone/shapes")
    files = {path.name for path in (hub.root / "someone" / "shapes").iterdir()}
    assert files == {
        "README.md", "config.json", "tokenizer.json", "training.json", "weights.safetensors",
    }  # fmt: skip
    again = CIRModel.from_pretrained("someone/shapes")
    assert same(again, model)
    assert (again.name, again.card) == ("shapes", CARD)


def test_what_was_edited_on_the_hub_is_refused(model: CIRModel, hub: Hub) -> None:
    model.push_to_hub("someone/shapes")
    edit_weights(hub.root / "someone" / "shapes")
    with pytest.raises(ModelError, match="was changed after it was written"):
        CIRModel.from_pretrained("someone/shapes")


def test_a_hub_that_can_not_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="not on this machine") as error:
        CIRModel.from_pretrained("someone/nothing")
    assert "hf download someone/nothing" in error.value.hint
