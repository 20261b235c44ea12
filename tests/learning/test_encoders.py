"""learning/encoders: what every encoder promises, and the hub's families beside the library."""

from __future__ import annotations

import importlib.util
import json
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest
import torch
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import load_file, save_file

from conftest import COLOURS, draw_picture
from samebut.errors import ModelError
from samebut.learning.encoders.base import Encoder, Features, unit
from samebut.learning.encoders.checkpoint import Checkpoint
from samebut.learning.encoders.hub import HubEncoder
from samebut.learning.encoders.small import SmallConfig, SmallEncoder
from samebut.learning.model.cir_model import ENCODERS, CIRModel
from samebut.learning.tables import Table
from samebut.preprocess import Preprocess

pytestmark = pytest.mark.usefixtures("quiet_torch")

SMALL = {
    "dim": 16, "widths": [16, 16, 32, 32], "blocks": [1, 1, 1, 1], "vocabulary": 300,
    "max_tokens": 12, "text_width": 16, "text_layers": 1, "text_heads": 2,
}  # fmt: skip
EFFICIENTNET = {
    "dim": 16, "hidden": 8, "vocabulary": 300, "pretrained": False,
    "max_tokens": 12, "text_width": 16, "text_layers": 1, "text_heads": 2,
}  # fmt: skip
TEXTS = [
    "in blue",
    "",
    "换成红色的条纹",
    "with abc, but in red and much, much longer than the others",
]
DOCS = Path(__file__).parents[2] / "docs"
HUB = [kind for kind in ENCODERS if kind in checkpoints.PROCESSORS]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint of every family."""
    return {kind: make(tmp_path_factory.mktemp(kind)) for kind, make in checkpoints.MAKERS.items()}


@pytest.fixture(scope="module")
def encoders(folders: dict[str, Path]) -> dict[str, Any]:
    torch.manual_seed(5)
    options: dict[str, dict[str, Any]] = {kind: {} for kind in ENCODERS}  # its own defaults
    options["small"] = dict(SMALL)
    options["efficientnet"] = dict(EFFICIENTNET)
    options |= {kind: {"source": str(folder)} for kind, folder in folders.items()}
    return {kind: ENCODERS[kind].create(given, TEXTS).eval() for kind, given in options.items()}


def pixels(count: int, size: int = 32) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(6))


# The contract: every check takes an encoder and fails if it breaks a promise.


def promises_shapes(encoder: Encoder, folder: Path) -> None:
    for features, count in ((encoder.images(pixels(3)), 3), (encoder.texts(TEXTS), len(TEXTS))):
        length = features.tokens.shape[1]
        assert features.pooled.shape == (count, encoder.dim)
        assert features.tokens.shape == (count, length, encoder.dim)
        assert features.mask.shape == (count, length)
        assert features.mask.dtype == torch.bool
        assert features.mask.any(1).all()
    assert encoder.images(pixels(1)).mask.all()


def promises_that_regions_make_a_square(encoder: Encoder, folder: Path) -> None:
    for size in (32, 64):
        count = encoder.images(pixels(1, size)).tokens.shape[1]
        assert int(count**0.5) ** 2 == count, size
    assert count > encoder.images(pixels(1)).tokens.shape[1]


def promises_that_neighbours_do_not_matter(encoder: Encoder, folder: Path) -> None:
    """A text alone is the text in a batch with longer ones; a picture alone is its row."""
    together, images = encoder.texts(TEXTS), encoder.images(pixels(4))
    for row, text in enumerate(TEXTS):
        alone = encoder.texts([text])
        torch.testing.assert_close(alone.pooled, together.pooled[row : row + 1])
        real = alone.mask[0].sum()
        torch.testing.assert_close(alone.tokens[0, :real], together.tokens[row, :real])
        assert together.mask[row].sum() == real
        torch.testing.assert_close(
            encoder.images(pixels(4)[row : row + 1]).pooled, images.pooled[row : row + 1]
        )


def promises_that_everything_matters(encoder: Encoder, folder: Path) -> None:
    for features in (encoder.images(pixels(4)), encoder.texts(TEXTS)):
        rows = unit(features.pooled)
        likeness = rows @ rows.T - 2 * torch.eye(len(rows))
        assert likeness.max() < 0.99999


def promises_to_cut_long_texts(encoder: Encoder, folder: Path) -> None:
    ids, mask = encoder.tokenize(["blue " * 500, "a"])
    assert ids.shape == mask.shape == (2, encoder.max_tokens)
    assert mask[0].all()


def promises_its_rules_for_texts(encoder: Encoder, folder: Path) -> None:
    """What a model folder says of texts is what the encoder does."""
    rules = encoder.text_rules
    ids, mask = encoder.tokenize(["in blue, with abc", "in"])
    assert rules["max_tokens"] == encoder.max_tokens
    assert ids[~mask].eq(rules["pad_id"]).all()
    assert (~mask).any()
    assert ids.shape[1] == rules.get("fixed_length", mask.sum(1).max())


def promises_to_declare_its_options(encoder: Encoder, folder: Path) -> None:
    """A recipe's keys are checked, and named where one is wrong, by this declaration."""
    assert issubclass(encoder.Options, Table)
    assert all(field.description for field in encoder.Options.model_fields.values())


def promises_exact_saving(encoder: Any, folder: Path) -> None:
    encoder.save_tokenizer(folder)
    save_file(encoder.state_dict(), folder / "weights.safetensors")
    settings = json.loads(json.dumps(encoder.settings))
    again: Any = type(encoder).load(settings, folder).eval()
    again.load_state_dict(load_file(folder / "weights.safetensors"), strict=True)
    for ours, theirs in (
        (again.texts(TEXTS), encoder.texts(TEXTS)),
        (again.images(pixels(2)), encoder.images(pixels(2))),
    ):
        # Weights are equal to the bit; where they lie in memory may turn a last digit.
        torch.testing.assert_close(ours.pooled, theirs.pooled, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(ours.tokens, theirs.tokens, atol=1e-6, rtol=1e-6)
    assert all(torch.equal(a, again.state_dict()[k]) for k, a in encoder.state_dict().items())
    assert again.text_rules == encoder.text_rules


def promises_gradients(encoder: Any, folder: Path) -> None:
    with torch.enable_grad():
        features = [encoder.images(pixels(2)), encoder.texts(TEXTS)]
        sum(each.pooled.pow(2).sum() + each.tokens.pow(2).sum() for each in features).backward()
    unreached = [
        name
        for name, parameter in encoder.named_parameters()
        if parameter.grad is None and not name.startswith("network.logit_")
    ]
    encoder.zero_grad()
    assert not unreached


CONTRACT = [check for name, check in list(globals().items()) if name.startswith("promises_")]


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__[9:])
@pytest.mark.parametrize("kind", ENCODERS)
def test_contract(
    kind: str, check: Callable[..., None], encoders: dict[str, Any], tmp_path: Path
) -> None:
    with torch.inference_mode(check is not promises_gradients):
        check(encoders[kind], tmp_path)


# The contract itself, by encoders that break it.


class DropsTheMask(SmallEncoder):
    def images(self, pixels: torch.Tensor) -> Features:
        features = super().images(pixels)
        return Features(features.pooled, features.tokens, features.mask & False)


class LeavesARegionOut(SmallEncoder):
    def images(self, pixels: torch.Tensor) -> Features:
        features = super().images(pixels)
        return Features(features.pooled, features.tokens[:, 1:], features.mask[:, 1:])


class ReadsNeighbours(SmallEncoder):
    def images(self, pixels: torch.Tensor) -> Features:
        features = super().images(pixels)
        pooled = features.pooled - features.pooled.mean(0)
        return Features(pooled, features.tokens, features.mask)


class CountsPadding(SmallEncoder):
    def pieces(self, ids: torch.Tensor, mask: torch.Tensor) -> Features:
        features = super().pieces(ids, mask)
        return Features(features.tokens.mean(1), features.tokens, features.mask)


class HearsNothing(SmallEncoder):
    def pieces(self, ids: torch.Tensor, mask: torch.Tensor) -> Features:
        return super().pieces(torch.ones_like(ids), torch.ones_like(mask))


class NeverCuts(SmallEncoder):
    def tokenize(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        self.tokenizer.no_truncation()
        return super().tokenize(texts)


class PadsOtherwise(SmallEncoder):
    def tokenize(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        ids, mask = super().tokenize(texts)
        return ids.masked_fill(~mask, 1), mask


class ForgetsSomething(SmallEncoder):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.shift = float(torch.rand(()))

    def images(self, pixels: torch.Tensor) -> Features:
        features = super().images(pixels)
        return Features(features.pooled + self.shift, features.tokens, features.mask)


class ExplainsNoOption(SmallEncoder):
    class Options(SmallConfig):
        secret: int = 16


class KeepsAnUnusedLayer(SmallEncoder):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.unused = torch.nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (DropsTheMask, promises_shapes),
        (LeavesARegionOut, promises_that_regions_make_a_square),
        (ReadsNeighbours, promises_that_neighbours_do_not_matter),
        (CountsPadding, promises_that_neighbours_do_not_matter),
        (HearsNothing, promises_that_everything_matters),
        (NeverCuts, promises_to_cut_long_texts),
        (PadsOtherwise, promises_its_rules_for_texts),
        (ExplainsNoOption, promises_to_declare_its_options),
        (ForgetsSomething, promises_exact_saving),
        (KeepsAnUnusedLayer, promises_gradients),
    ],
)
def test_the_contract_catches(
    broken: type[SmallEncoder], check: Callable[..., None], tmp_path: Path
) -> None:
    encoder = broken.create(dict(SMALL), TEXTS).eval()
    with (
        torch.inference_mode(check is not promises_gradients),
        pytest.raises(AssertionError),
    ):
        check(encoder, tmp_path)


# docs/models.md: a family of one's own is what the page says.


def test_a_family_of_ones_own_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (DOCS / "models.md").read_text(encoding="utf-8")
    code = page.partition("## A family of your own")[2].partition("```python\n")[2]
    path = tmp_path / "patches.py"
    path.write_text(code.partition("```")[0], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("patches_of_the_page", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "patches_of_the_page", module)
    spec.loader.exec_module(module)
    (line,) = (line for line in page.splitlines() if line.startswith('    "patches":'))
    (kind,) = eval(f"{{{line}}}", vars(module)).values()
    monkeypatch.setitem(ENCODERS, "patches", kind)
    encoder = kind.create({}, TEXTS).eval()
    for check in CONTRACT:
        with torch.inference_mode(check is not promises_gradients):
            check(encoder, tmp_path)
    model = CIRModel(encoder, Preprocess(size=32, mean=kind.mean, std=kind.std), fusion="sum")
    model.save(tmp_path / "model", name="mine")
    again: Any = CIRModel.load(tmp_path / "model").encoder
    assert torch.equal(again.images(pixels(2)).pooled, encoder.images(pixels(2)).pooled)


# Beside the library itself.


@pytest.fixture(params=HUB)
def hub(request: pytest.FixtureRequest, encoders: dict[str, Any]) -> HubEncoder:
    encoder: HubEncoder = encoders[request.param]
    return encoder


@torch.inference_mode()
def test_pooled_features_are_the_librarys(hub: HubEncoder) -> None:
    ids, mask = hub.tokenize(TEXTS)
    given = {} if hub.kind == "siglip" else {"attention_mask": mask.long()}
    theirs = hub.network.get_text_features(ids, **given).pooler_output
    torch.testing.assert_close(hub.texts(TEXTS).pooled, theirs, atol=1e-5, rtol=0)
    for size in (32, 48):
        theirs = hub.network.get_image_features(
            pixels(2, size), interpolate_pos_encoding=size != 32
        ).pooler_output
        torch.testing.assert_close(hub.images(pixels(2, size)).pooled, theirs, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_what_is_pooled_is_among_the_tokens(encoders: dict[str, Any]) -> None:
    """Word pieces are projected as the one that is pooled: end mark, first, or last position."""
    clip, chinese, siglip = (encoders[kind].texts(TEXTS) for kind in HUB_IN_ORDER)
    ends = clip.mask.sum(1) - 1
    torch.testing.assert_close(clip.tokens[torch.arange(4), ends], clip.pooled)
    torch.testing.assert_close(chinese.tokens[:, 0], chinese.pooled)
    torch.testing.assert_close(siglip.tokens[:, -1], siglip.pooled)


HUB_IN_ORDER = ("clip", "chinese_clip", "siglip")


@torch.inference_mode()
def test_a_region_of_siglip_is_the_head_over_it_alone(encoders: dict[str, Any]) -> None:
    encoder = encoders["siglip"]
    vision = encoder.network.vision_model
    patches = vision(pixels(2)).last_hidden_state
    expected = torch.stack([vision.head(patches[:, at : at + 1]) for at in range(16)], dim=1)
    torch.testing.assert_close(encoder.images(pixels(2)).tokens, expected, atol=1e-5, rtol=0)


def test_texts_are_cut_in_the_librarys_pieces(hub: HubEncoder, folders: dict[str, Path]) -> None:
    if hub.kind == "siglip":  # what must differ has a test of its own
        return
    theirs = checkpoints.tokenizer_of(hub.kind, folders[hub.kind])
    said = theirs(TEXTS, padding=True, return_tensors="pt")
    ids, mask = hub.tokenize(TEXTS)
    assert torch.equal(mask, said["attention_mask"].bool())
    assert torch.equal(ids[mask], said["input_ids"][mask])


def test_siglip_2_reads_lower_case_and_closes_with_its_mark(
    encoders: dict[str, Any], folders: dict[str, Path]
) -> None:
    """Its checkpoints name a tokenizer that keeps capitals; it was trained on none."""
    theirs = checkpoints.tokenizer_of("siglip", folders["siglip"])
    ids, mask = encoders["siglip"].tokenize(["In BLUE"])
    assert ids[0, mask[0]].tolist() == [*theirs("in blue")["input_ids"], 1]
    assert ids.shape == (1, 64)
    assert theirs("In BLUE")["input_ids"] != theirs("in blue")["input_ids"]


def test_siglip_1_reads_no_punctuation(folders: dict[str, Path], tmp_path: Path) -> None:
    """SiglipTokenizer.canonicalize_text: lower case, no punctuation, single spaces."""
    folder = Path(shutil.copytree(folders["siglip"], tmp_path / "one"))
    said = {"tokenizer_class": "SiglipTokenizer", "pad_token": "<eos>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    encoder: Any = ENCODERS["siglip"].create({"source": str(folder)}, [])
    ids, _ = encoder.tokenize(["  In blue,\n(really!) ^]-\\", "in blue really"])
    assert torch.equal(ids[0], ids[1])
    assert encoder.text_rules["pad_id"] == 1


PICTURES = {
    "square": draw_picture(COLOURS["red"], "round", 40).resize((40, 40)),
    "wide": draw_picture(COLOURS["blue"], "square", 60).resize((90, 60)),
    "tall": draw_picture(COLOURS["green"], "round", 36).resize((36, 61)),
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
def test_pixels_are_the_librarys(
    hub: HubEncoder, folders: dict[str, Path], picture: Image.Image
) -> None:
    """To 1/255 before normalisation: the centre crop of CLIP, the stretched square of SigLIP.

    Where the crop cuts an odd number of pixels the library may cut one to the other side (it
    rounds down, CLIP's own code to even); these pictures cut an even number or one.
    """
    folder = folders[hub.kind]
    theirs = checkpoints.PROCESSORS[hub.kind].from_pretrained(folder)(picture, return_tensors="np")
    prepare = Checkpoint.open(str(folder)).preprocess(hub.default_preprocess(), None)
    assert prepare.padding == ("stretch" if hub.kind == "siglip" else "none")
    apart = np.abs(prepare(picture) - theirs["pixel_values"][0])
    apart *= 255 * np.array(prepare.std).reshape(3, 1, 1)
    # Rows before columns is ours always; Pillow turns that round where a stretched picture is tall,
    # and at hard edges the rounding between the two passes then falls on other pixels.
    turned = prepare.padding == "stretch" and picture.height > picture.width
    assert apart.max() <= (6 if turned else 1) + 1e-3
    assert apart.mean() < (0.2 if turned else 0.05)


def test_a_processor_of_its_own_is_read(folders: dict[str, Path], tmp_path: Path) -> None:
    """Chinese-CLIP's authors publish one that does not crop; some CLIPs have their own mean."""
    folder = Path(shutil.copytree(folders["clip"], tmp_path / "own"))
    said = {"do_center_crop": False, "image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1]}
    (folder / "preprocessor_config.json").write_text(json.dumps({**said, "resample": 2}))
    model = CIRModel.from_checkpoint(str(folder))
    assert model.preprocess == Preprocess(
        size=32, mean=(0.1, 0.2, 0.3), std=(1, 1, 1), padding="stretch", resample="bilinear"
    )
    with pytest.raises(ModelError, match="training an encoder of kind 'clip' supports"):
        ENCODERS["clip"].create({"source": str(folder)}, [])
    (folder / "preprocessor_config.json").unlink()
    assert CIRModel.from_checkpoint(str(folder)).preprocess.padding == "none"


def test_size_and_padding_are_ours_to_choose(folders: dict[str, Path]) -> None:
    model = CIRModel.from_checkpoint(str(folders["clip"]), size=48, padding="target")
    assert (model.preprocess.size, model.preprocess.padding) == (48, "target")
    with pytest.raises(ModelError, match="multiple of the 8-pixel patch size; got 50") as error:
        CIRModel.from_checkpoint(str(folders["clip"]), size=50)
    assert error.value.hint == "Give a multiple, such as 48."


def test_bge_vl_is_a_clip_and_none_of_its_code_is_run(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = checkpoints.bge_vl(tmp_path / "BGE-VL-base")
    model = CIRModel.from_checkpoint(str(folder))
    assert (model.encoder.kind, model.name) == ("clip", "BGE-VL-base")
    assert model.card.licence == "mit"
    assert "score fusion" in model.card.notes[0]
    assert "auto_map" not in json.dumps(model.encoder.settings)
    image, text = model.encoder.images(pixels(2)), model.encoder.texts(TEXTS[:2])
    expected = torch.nn.functional.normalize(image.pooled + text.pooled)
    torch.testing.assert_close(model.compose(image, text), expected)


def test_half_weights_are_read_in_full_precision(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["clip"], tmp_path / "half"))
    whole: Any = ENCODERS["clip"].create({"source": str(folder)}, [])
    whole.network.half().save_pretrained(folder)
    encoder: Any = ENCODERS["clip"].create({"source": str(folder)}, [])
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    assert "float16" not in json.dumps(encoder.settings)


def test_old_checkpoints_are_read_without_running_them(
    folders: dict[str, Path], encoders: dict[str, Any], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders["clip"], tmp_path / "old"))
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    old: Any = ENCODERS["clip"].create({"source": str(folder)}, []).eval()
    with torch.inference_mode():
        expected = encoders["clip"].texts(TEXTS).pooled
        torch.testing.assert_close(old.texts(TEXTS).pooled, expected)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Runs(tmp_path / "ran")))
    with pytest.raises(ModelError, match="weights of old can't be read"):
        ENCODERS["clip"].create({"source": str(folder)}, [])
    assert not (tmp_path / "ran").exists()


class Runs:
    """A pickle that writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


# What is missing or wrong.


def without(folder: Path, to: Path, *names: str) -> str:
    copy = Path(shutil.copytree(folder, to))
    for name in names:
        (copy / name).unlink()
    return str(copy)


def test_missing_files_are_named(folders: dict[str, Path], tmp_path: Path) -> None:
    cases = [
        ("clip", "model.safetensors", "has no weights"),
        ("clip", "config.json", r"it has neither config\.json"),
        ("clip", "tokenizer.json", r"no tokenizer\.json, nor vocab\.json, nor merges\.txt"),
        ("siglip", "tokenizer_config.json", "does not say which token is padding"),
    ]
    for number, (kind, name, message) in enumerate(cases):
        folder = without(folders[kind], tmp_path / f"case{number}", name)
        with pytest.raises(ModelError, match=message) as error:
            CIRModel.from_checkpoint(folder)
        assert "hf download" in error.value.hint


@pytest.mark.parametrize("kind", ["clip", "chinese_clip"])
def test_a_tokenizer_that_says_little_is_as_its_family(
    kind: str, folders: dict[str, Path], encoders: dict[str, Any], tmp_path: Path
) -> None:
    """Chinese-CLIP is published with ``vocab.txt`` alone."""
    folder = without(folders[kind], tmp_path / "bare", "tokenizer_config.json")
    encoder: Any = ENCODERS[kind].create({"source": folder}, [])
    for ours, theirs in zip(encoder.tokenize(TEXTS), encoders[kind].tokenize(TEXTS), strict=True):
        assert torch.equal(ours, theirs)


def test_the_end_mark_is_found_in_old_configurations_too(
    folders: dict[str, Path], encoders: dict[str, Any], tmp_path: Path
) -> None:
    """OpenAI's checkpoints call their end mark 2, and mean the highest piece of a text."""
    folder = Path(shutil.copytree(folders["clip"], tmp_path / "openai"))
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["eos_token_id"] = 2
    (folder / "config.json").write_text(json.dumps(config))
    encoder: Any = ENCODERS["clip"].create({"source": str(folder)}, []).eval()
    with torch.inference_mode():
        expected = encoders["clip"].texts(TEXTS).pooled
        torch.testing.assert_close(encoder.texts(TEXTS).pooled, expected)


def test_weights_that_are_cut_short_or_not_all_there(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders["clip"], tmp_path / "short"))
    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights of a CLIPModel: visual_projection"):
        CIRModel.from_checkpoint(str(folder))
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="weights of short can't be read"):
        CIRModel.from_checkpoint(str(folder))


def test_an_unknown_family_lists_the_known_ones(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["clip"], tmp_path / "other"))
    (folder / "config.json").write_text('{"model_type": "siglip2"}')
    with pytest.raises(ModelError, match="of the model family 'siglip2'") as error:
        CIRModel.from_checkpoint(str(folder))
    assert error.value.hint.startswith("Known: clip, metaclip_2, siglip, chinese_clip")
    (folder / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="is JSON, but not an object"):
        CIRModel.from_checkpoint(str(folder))


def test_a_fusion_that_nobody_trained_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="'combiner' has to be trained") as error:
        CIRModel.from_checkpoint(str(folders["clip"]), fusion="combiner")
    assert "sum" in error.value.hint


def test_options_of_a_hub_encoder() -> None:
    with pytest.raises(ModelError, match="takes one option, source, and was given dim") as error:
        ENCODERS["clip"].create({"dim": 5}, [])
    assert "[encoder]" in error.value.hint


def test_offline_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="is not on this machine, and HF_HUB_OFFLINE is") as error:
        CIRModel.from_checkpoint("openai/clip-vit-base-patch32")
    assert "hf download openai/clip-vit-base-patch32" in error.value.hint
    with pytest.raises(ModelError, match="neither a folder nor a valid name on the hub"):
        CIRModel.from_checkpoint("no such/folder/at all")


def test_a_cached_name_needs_no_network(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The hub's cache as ``hf download`` leaves it, read with HF_HUB_OFFLINE set."""
    repository = tmp_path / "models--someone--clip"
    commit = "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    shutil.copytree(folders["clip"], repository / "snapshots" / commit)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path))
    model = CIRModel.from_checkpoint("someone/clip")
    assert (model.name, model.card.base_model) == ("clip", "someone/clip")


def test_no_transformers(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(ModelError, match="needs transformers") as error:
        CIRModel.from_checkpoint(str(folders["clip"]))
    assert error.value.hint == "Install it: pip install 'samebut[hub]'"


def test_features_are_cut_by_rows(encoders: dict[str, Any]) -> None:
    features = encoders["clip"].texts(TEXTS)
    assert isinstance(features[1:3], Features)
    assert len(features[1:3]) == 2


def test_rows_of_any_length_become_of_unit_length() -> None:
    """Shorter than 1, too; a row of zeros has no direction and stays; the result is fp32."""
    rows = torch.tensor([[3.0, 4.0], [0.03, 0.04], [3e-6, -4e-6], [0.0, 0.0]])
    expected = torch.tensor([[0.6, 0.8], [0.6, 0.8], [0.6, -0.8], [0.0, 0.0]])
    torch.testing.assert_close(unit(rows), expected)
    half = unit(rows[:2].half())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, expected[:2], rtol=1e-3, atol=1e-3)
