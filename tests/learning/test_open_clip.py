"""learning/encoders/open_clip*.py and vit.py: OpenCLIP's own format beside OpenCLIP itself.

What open_clip makes of the same tiny folders is in `tests/golden/open_clip.json`, written by
`tests/golden/make_open_clip.py`. It rounds to five digits.
"""

from __future__ import annotations

import copy
import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import open_clip_checkpoints as checkpoints
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.nn import functional

from samebut.errors import ModelError
from samebut.learning.encoders import ENCODERS, open_clip_config
from samebut.learning.encoders.base import Encoder
from samebut.learning.encoders.open_clip_config import OpenClipConfig, TextConfig, VisionConfig
from samebut.learning.encoders.vit import _resampling
from samebut.learning.export.graphs import write_graphs
from samebut.learning.model.cir_model import CIRModel

pytestmark = pytest.mark.usefixtures("quiet_torch", "tiny_timm")

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "golden" / "open_clip.json").read_text(encoding="utf-8")
)
CASES = list(checkpoints.CONFIGS)
REAL_SIZES = dict(open_clip_config.TIMM_SIZES)


@pytest.fixture(scope="module", autouse=True)
def tiny_timm() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(open_clip_config.TIMM_SIZES, "base", checkpoints.TINY)
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {case: checkpoints.write(case, tmp_path_factory.mktemp(case)) for case in CASES}


@pytest.fixture(scope="module")
def read(folders: dict[str, Path], tiny_timm: None) -> dict[str, CIRModel]:
    return {case: CIRModel.from_checkpoint(str(folder)) for case, folder in folders.items()}


def pixels(size: int) -> torch.Tensor:
    """Those of the golden values."""
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(6))


def picture() -> Image.Image:
    across, down = np.linspace(0, 1, 90), np.linspace(0, 1, 60)[:, None]
    waves = [np.sin(9 * across + 4 * down), np.cos(7 * down * across), across - down]
    drawn = np.stack([np.broadcast_to(127 + 120 * wave, (60, 90)) for wave in waves], axis=-1)
    return Image.fromarray(drawn.clip(0, 255).astype(np.uint8))


def close(ours: torch.Tensor, golden: Any) -> None:
    torch.testing.assert_close(ours, torch.tensor(golden), atol=1.5e-5, rtol=0)


@pytest.mark.parametrize("case", CASES)
@torch.inference_mode()
def test_features_are_those_of_open_clip(case: str, read: dict[str, CIRModel]) -> None:
    encoder, golden = read[case].encoder, GOLDEN["cases"][case]
    size = checkpoints.CONFIGS[case]["model_cfg"]["vision_cfg"]["image_size"]
    close(encoder.images(pixels(size)).pooled, golden["image"])
    close(encoder.texts(checkpoints.TEXTS).pooled, golden["text"])
    if "image_twice_as_large" in golden:
        close(encoder.images(pixels(2 * size)).pooled, golden["image_twice_as_large"])


@pytest.mark.parametrize("case", CASES)
def test_texts_are_cut_as_open_clip_cuts_them(case: str, read: dict[str, CIRModel]) -> None:
    """Padding included, which SigLIP's towers see."""
    ids, mask = read[case].encoder.tokenize(checkpoints.TEXTS)
    assert ids.tolist() == GOLDEN["cases"][case]["ids"]
    assert mask.any(1).all()


@pytest.mark.parametrize("case", CASES)
def test_pixels_are_those_of_open_clip(case: str, read: dict[str, CIRModel]) -> None:
    """To 1/255 before normalisation. "longest" is resized before it is padded there, to whole
    pixels, and after it is padded here: half a pixel apart at most."""
    prepare = read[case].preprocess
    ours, golden = prepare(picture())[:, ::9, ::9], np.array(GOLDEN["cases"][case]["pixels"])
    apart = np.abs(ours - golden) * 255 * np.array(prepare.std).reshape(3, 1, 1)
    assert apart.max() <= (15 if prepare.padding == "square" else 1 + 1e-2)
    expected = {"clipa": "square", "siglip": "stretch", "siglip2": "stretch"}
    assert prepare.padding == expected.get(case, "none")
    assert prepare.resample == ("bilinear" if case == "clipa" else "bicubic")


@torch.inference_mode()
def test_a_region_of_siglip_is_the_head_over_it_alone(read: dict[str, CIRModel]) -> None:
    encoder: Any = read["siglip"].encoder
    tower = encoder.visual
    values = tower.conv1(pixels(64)).flatten(2).transpose(1, 2) + tower.positional_embedding
    patches = tower.ln_post(tower.transformer(values))
    expected = torch.stack([tower.attn_pool(patches[:, at : at + 1]) for at in range(16)], dim=1)
    torch.testing.assert_close(encoder.images(pixels(64)).tokens, expected, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_what_is_pooled_is_among_the_tokens(read: dict[str, CIRModel]) -> None:
    for case, place in (("clip", "end"), ("clipa", -1), ("worldwide", "end"), ("siglip", -1)):
        features = read[case].encoder.texts(checkpoints.TEXTS)
        at = features.mask.sum(1) - 1 if place == "end" else torch.full((5,), -1)
        torch.testing.assert_close(features.tokens[torch.arange(5), at], features.pooled)


def test_sizes_of_timm_are_those_of_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in REAL_SIZES.items():
        monkeypatch.setitem(open_clip_config.TIMM_SIZES, name, size)
    assert len(GOLDEN["timm"]) > 10
    for name, golden in GOLDEN["timm"].items():
        config = VisionConfig(timm_model_name=name, timm_pool="map", timm_proj="none")
        shape = config.shape(768, quick_gelu=False)
        size = shape.size
        said = [size.width, size.layers, size.heads, size.mlp_width, shape.patch]
        assert [*said, size.activation, size.eps] == golden, name


def test_position_embeddings_are_resampled_as_torch_does_it() -> None:
    for old, new in ((4, 7), (7, 4), (14, 24)):
        grid = torch.randn(1, 3, old, old, generator=torch.Generator().manual_seed(old))
        weights = torch.tensor(_resampling(old, new))
        ours = torch.einsum("ih,jw,bchw->bcij", weights, weights, grid)
        theirs = functional.interpolate(grid, (new, new), mode="bicubic", antialias=True)
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("case", ["clipa", "worldwide", "siglip2"])
@torch.inference_mode()
def test_graphs_agree_with_torch(case: str, read: dict[str, CIRModel], tmp_path: Path) -> None:
    """Those that no other test exports whole, in batches of another size than they were traced."""
    model = read[case]
    write_graphs(model, tmp_path)
    ids, _ = model.encoder.tokenize(checkpoints.TEXTS[:3])
    given = {"pixels": pixels(model.preprocess.size)[:1], "ids": ids}
    for room, name in (("image", "pixels"), ("text", "ids")):
        session = onnxruntime.InferenceSession(tmp_path / f"{room}.fp32.onnx")
        assert [each.name for each in session.get_inputs()] == [name]
        pooled, tokens = session.run(None, {name: given[name].numpy()})
        encode = model.encoder.images if room == "image" else model.encoder.texts
        expected = encode(given[name] if room == "image" else checkpoints.TEXTS[:3])
        for ours, theirs in ((pooled, expected.pooled), (tokens, expected.tokens)):
            likeness = functional.cosine_similarity(torch.tensor(ours), theirs, dim=-1)
            assert likeness.min() >= 0.9999


# Files.


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


@torch.inference_mode()
def test_a_pickle_is_read_as_weights_and_nothing_of_it_is_run(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    """Also as training saves it: with a name before each weight, and other things beside."""
    folder = copied(folders["clip"], tmp_path / "old")
    state = load_file(folder / "open_clip_model.safetensors")
    (folder / "open_clip_model.safetensors").unlink()
    parallel = {f"module.{name}": value.half() for name, value in state.items()}
    for saved in (state, {"epoch": 3, "state_dict": parallel}):
        torch.save(saved, folder / "open_clip_pytorch_model.bin")
        encoder = CIRModel.from_checkpoint(str(folder)).encoder
        assert {weight.dtype for weight in encoder.parameters()} == {torch.float32}
        ours, golden = encoder.images(pixels(32)).pooled, GOLDEN["cases"]["clip"]["image"]
        apart = (ours - torch.tensor(golden)).abs().max()
        assert apart < (1.5e-5 if saved is state else 2e-2)
    (folder / "open_clip_pytorch_model.bin").write_bytes(pickle.dumps(Runs(tmp_path / "ran")))
    with pytest.raises(ModelError, match="weights of old can't be read"):
        CIRModel.from_checkpoint(str(folder))
    assert not (tmp_path / "ran").exists()


class Runs:
    """A pickle that writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@torch.inference_mode()
def test_a_folder_in_both_formats_is_open_clips(folders: dict[str, Path], tmp_path: Path) -> None:
    """Marqo's: ``config.json`` says siglip, and names code that must not be run."""
    folder = copied(folders["siglip"], tmp_path / "marqo-fashionSigLIP")
    said = {"model_type": "siglip", "auto_map": {"AutoModel": "marqo.Model"}}
    (folder / "config.json").write_text(json.dumps(said))
    (folder / "marqo.py").write_text("raise SystemExit('code of the hub was run')\n")
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.1, 0.1, 0.1]}')
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    model = CIRModel.from_checkpoint(str(folder))
    assert (model.encoder.kind, model.name) == ("open_clip", "marqo-fashionSigLIP")
    assert model.card.licence == "apache-2.0"
    assert model.preprocess.mean == (0.5, 0.5, 0.5)
    golden = GOLDEN["cases"]["siglip"]
    close(model.encoder.texts(checkpoints.TEXTS).pooled, golden["text"])


def test_neither_open_clip_nor_timm_nor_torchvision_is_imported(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("open_clip", "timm", "torchvision", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    for folder in folders.values():
        assert CIRModel.from_checkpoint(str(folder)).encoder.kind == "open_clip"


def test_clips_pieces_from_any_of_their_files(
    folders: dict[str, Path], read: dict[str, CIRModel], tmp_path: Path
) -> None:
    """OpenCLIP's merges, ``vocab.json`` with ``merges.txt``, or a ``tokenizer.json``."""
    encoder = read["clip"].encoder
    whole = tmp_path / "whole"
    for number in range(2):
        folder = copied(folders["clip"], tmp_path / f"clip{number}")
        (folder / "bpe_simple_vocab_16e6.txt.gz").unlink()
        if number:
            encoder.save_tokenizer(folder)
        else:
            vocabulary = encoder.tokenizer.get_vocab()
            (folder / "vocab.json").write_text(json.dumps(vocabulary))
            merges = json.loads(encoder.tokenizer.to_str())["model"]["merges"]
            lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
            (folder / "merges.txt").write_text("\n".join(lines))
        again = CIRModel.from_checkpoint(str(folder)).encoder
        assert again.tokenize(checkpoints.TEXTS)[0].equal(encoder.tokenize(checkpoints.TEXTS)[0])
    folder = copied(folders["clip"], whole)
    (folder / "bpe_simple_vocab_16e6.txt.gz").write_bytes(b"no gzip")
    with pytest.raises(ModelError, match=r"no tokenizer\.json, nor vocab\.json") as error:
        CIRModel.from_checkpoint(str(folder))
    assert "openai/clip-vit-large-patch14" in error.value.hint


# What is refused.


def changed(folder: Path, to: Path, *path: str, value: Any) -> Path:
    """A copy whose configuration has another value."""
    folder = copied(folder, to)
    config = json.loads((folder / "open_clip_config.json").read_text())
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


REFUSED: list[tuple[tuple[str, ...], Any, str, str]] = [
    (("vision_cfg", "layers"), [3, 4, 6, 3], r"vision_cfg\.layers is \[3, 4, 6, 3\]", "ResNet"),
    (("vision_cfg", "timm_model_name"), "convnext_base", '"convnext_base"', "so400m"),
    (("vision_cfg", "attentional_pool"), True, "attentional_pool is true", "none, or false"),
    (("vision_cfg", "qk_norm"), True, "in model_cfg.vision_cfg, qk_norm is true", "false"),
    (("vision_cfg", "pool_type"), "none", 'pool_type is "none"', '"tok" or "avg"'),
    (("vision_cfg", "act_kwargs"), {"approximate": "x"}, "approximate = 'x'", '"tanh"'),
    (("vision_cfg", "norm_kwargs"), {"bias": 1.0}, "norm_kwargs has bias", "eps"),
    (("vision_cfg", "head_width"), 9, "the number of heads, 3", ""),
    (("text_cfg", "hf_model_name"), "xlm-roberta-base", 'hf_model_name is "xlm', "none"),
    (("text_cfg", "embed_cls"), True, "embed_cls is true", "false"),
    (("text_cfg", "pool_type"), "mean", 'pool_type is "mean"', '"argmax" or "eos"'),
    (("text_cfg", "tokenizer_kwargs"), {"clean": "x"}, 'clean is "x"', '"canonicalize"'),
    (("text_cfg", "widht"), 12, "unknown key 'widht'", "Did you mean 'width'"),
    (("multimodal_cfg",), {}, "unknown key 'multimodal_cfg'", "vision_cfg"),
    (("embed_dim",), "512", 'embed_dim is "512"', "whole number"),
]


@pytest.mark.parametrize(("path", "value", "message", "hint"), REFUSED)
def test_a_configuration_that_is_not_read_names_its_key(
    path: tuple[str, ...], value: Any, message: str, hint: str, folders: dict[str, Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    folder = changed(folders["clip"], tmp_path / "other", "model_cfg", *path, value=value)
    with pytest.raises(ModelError, match=message) as error:
        CIRModel.from_checkpoint(str(folder))
    assert "open_clip_config.json of other" in str(error.value)
    assert hint in error.value.hint


def test_a_preprocessing_that_is_not_read_names_its_key(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    for key, value in (("resize_mode", "fit"), ("interpolation", "lanczos"), ("fill_color", 128)):
        folder = changed(folders["clip"], tmp_path / key, "preprocess_cfg", key, value=value)
        with pytest.raises(ModelError, match=f"preprocess_cfg.*{key} is "):
            CIRModel.from_checkpoint(str(folder))


def test_a_pooling_of_timm_that_is_not_read(folders: dict[str, Path], tmp_path: Path) -> None:
    place = ("model_cfg", "vision_cfg", "timm_pool")
    folder = changed(folders["siglip"], tmp_path / "other", *place, value="avg")
    with pytest.raises(ModelError, match='timm_pool is "avg"') as error:
        CIRModel.from_checkpoint(str(folder))
    assert error.value.hint == 'Read is: "map".'


def test_weights_that_are_not_of_the_configuration(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = copied(folders["clip"], tmp_path / "other")
    path = folder / "open_clip_model.safetensors"
    state = load_file(path)
    for change, message in (
        ({"visual.proj": None}, r"other lacks visual\.project\.weight"),
        ({"visual.more": torch.ones(1)}, r"has more than .*: visual\.more"),
        ({"ln_final.bias": torch.ones(3)}, r"has another shape .*: text\.ln_final\.bias"),
    ):
        whole = {name: value for name, value in {**state, **change}.items() if value is not None}
        save_file(whole, path)
        with pytest.raises(ModelError, match=message) as error:
            CIRModel.from_checkpoint(str(folder))
        assert "open_clip_config.json" in error.value.hint
    path.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="weights of other can't be read"):
        CIRModel.from_checkpoint(str(folder))
    path.unlink()
    with pytest.raises(ModelError, match=r"lacks open_clip_model\.safetensors"):
        CIRModel.from_checkpoint(str(folder))


def test_a_tokenizer_of_another_model(folders: dict[str, Path], tmp_path: Path) -> None:
    place = ("model_cfg", "text_cfg", "vocab_size")
    folder = changed(folders["siglip"], tmp_path / "other", *place, value=20)
    with pytest.raises(ModelError, match=r"tokens, its text tower has 20"):
        CIRModel.from_checkpoint(str(folder))
    stripped = {"strip_sep_token": True}
    place = ("model_cfg", "text_cfg", "tokenizer_kwargs")
    folder = changed(folders["siglip"], tmp_path / "stripped", *place, value=stripped)
    with pytest.raises(ModelError, match=r"no \[CLS\]"):
        CIRModel.from_checkpoint(str(folder))


def test_marks_that_the_tower_does_not_know_are_words(
    folders: dict[str, Path], read: dict[str, CIRModel], tmp_path: Path
) -> None:
    """Marqo's tokenizer has T5's hundred extra marks, with numbers behind the 32,000 pieces."""
    folder = copied(folders["siglip"], tmp_path / "extra")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    known = tokenizer.get_vocab_size()
    tokenizer.add_special_tokens(["<extra_id_0>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    assert max(tokenizer.encode("in <extra_id_0>").ids) == known
    ids, _ = CIRModel.from_checkpoint(str(folder)).encoder.tokenize(["in <extra_id_0>"])
    expected, _ = read["siglip"].encoder.tokenize(["in extra id 0"])
    assert ids.equal(expected)


def test_a_configuration_without_a_model(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(folders["clip"], tmp_path / "other")
    (folder / "open_clip_config.json").write_text("{}")
    with pytest.raises(ModelError, match="has no table model_cfg"):
        CIRModel.from_checkpoint(str(folder))


# As an encoder that is trained.


def test_mean_and_deviation_are_the_checkpoints(folders: dict[str, Path]) -> None:
    """SigLIP's pixels are not normalised as CLIP's; a recipe asks the family."""
    family = ENCODERS["open_clip"]
    half = (0.5, 0.5, 0.5)
    source = {"source": str(folders["siglip"])}
    encoder: Encoder = family.create(source, [])
    assert family.channels(source) == family.channels(encoder.settings) == (half, half)
    assert family.channels({"source": str(folders["clip"])}) == (family.mean, family.std)
    assert family.channels({}) == (family.mean, family.std)
    with pytest.raises(ModelError, match="takes one option, source"):
        family.create({"source": "x", "dim": 3}, [])


def test_texts_are_of_one_length_where_their_padding_is_seen() -> None:
    """By what looks at all positions, and by what reads the last one."""
    assert not TextConfig().fixed_length
    assert TextConfig(no_causal_mask=True).fixed_length
    assert TextConfig(pool_type="last").fixed_length
    assert not TextConfig(pool_type="eos").fixed_length


def test_settings_do_not_change_with_the_checkpoint(folders: dict[str, Path]) -> None:
    encoder: Any = ENCODERS["open_clip"].create({"source": str(folders["clip"])}, [])
    before = copy.deepcopy(encoder.settings)
    assert json.loads(json.dumps(before)) == before
    assert OpenClipConfig.read({"model_cfg": before["model_cfg"]}, "x").model_cfg == encoder.config
