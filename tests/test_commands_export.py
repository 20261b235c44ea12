"""commands/export.py: from a checkpoint to a search, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from samebut.cli import app
from samebut.commands.export import check_target, parse_fusion
from samebut.demo import GALLERY
from samebut.errors import ModelError
from samebut.wardrobe import draw_gallery


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_from_a_checkpoint_to_a_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny CLIP of random weights: export, index and search, nothing else in between."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "learning"))
    import checkpoints

    folder, photos = checkpoints.bge_vl(tmp_path / "BGE-VL-base"), tmp_path / "photos"
    draw_gallery(photos, 12, seed=1)
    out = tmp_path / "out"
    said = run("export", folder, out, "--pictures", photos, "--padding", "target")
    assert said.startswith(f"{out}  BGE-VL-base  {{")
    description = json.loads((out / "model.json").read_text(encoding="utf-8"))
    assert description["preprocess"]["padding"] == "target"
    assert "score fusion" in (out / "README.md").read_text(encoding="utf-8")
    run("index", photos, "--model", out)
    reference = sorted(photos.glob("*.jpg"))[0]
    hits = json.loads(run("search", photos, "-i", reference, "-t", "in blue", "--json", "-k", 5))
    assert len(hits["hits"] if isinstance(hits, dict) else hits) == 5


def test_from_open_clips_own_format_to_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tiny Marqo-FashionSigLIP of random weights over pictures of the demo gallery."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "learning"))
    import open_clip_checkpoints

    from samebut.learning.encoders import open_clip_config

    monkeypatch.setitem(open_clip_config.TIMM_SIZES, "base", open_clip_checkpoints.TINY)
    folder = open_clip_checkpoints.write("siglip", tmp_path / "marqo-fashionSigLIP")
    out, photos = tmp_path / "out", tmp_path / "photos"
    photos.mkdir()
    for file in sorted(GALLERY.glob("*.webp"))[:40]:
        shutil.copy(file, photos)
    assert run("export", folder, out).startswith(f"{out}  marqo-fashionSigLIP  {{")
    description = json.loads((out / "model.json").read_text(encoding="utf-8"))
    assert description["agreement"]["torch_least"] >= 0.9999
    assert description["text"] == {"max_tokens": 16, "pad_id": 1, "fixed_length": 16}
    assert description["preprocess"]["padding"] == "stretch"
    run("index", photos, "--model", out)
    reference = min(photos.glob("*.webp"))
    monkeypatch.undo()  # what made the folder is read no more

    def found(*asked: object) -> list[str]:
        said = json.loads(run("search", photos, *asked, "--json", "-k", 5))
        return [hit["path"] for hit in (said["hits"] if isinstance(said, dict) else said)]

    composed, alone = found("-i", reference, "-t", "in blue"), found("-t", "in blue")
    assert len(set(composed)) == len(set(alone)) == 5
    assert alone != found("-t", "red, and much longer")


def test_without_pictures_those_of_the_demo_gallery_are_taken() -> None:
    from samebut.learning.export.export import DEMO_PICTURES, _files

    files = _files(None, None)
    assert len(set(files)) == DEMO_PICTURES
    assert {file.parent for file in files} == {GALLERY}
    assert len({file.stem.split("-")[-1] for file in files}) > 10  # kinds: it is a mixture


@pytest.mark.parametrize("option", ["--fusion", "--size", "--padding"])
def test_a_trained_model_is_exported_as_it_is(tmp_path: Path, option: str) -> None:
    (tmp_path / "training.json").write_text("{}")
    with pytest.raises(ModelError, match="is a trained model") as error:
        run("export", tmp_path, tmp_path / "out", option, 224 if option == "--size" else "sum")
    assert error.value.hint == f"Leave out {option}."


def test_fusions_are_named_with_their_options() -> None:
    assert parse_fusion("sum") == ("sum", {})
    assert parse_fusion("sum weight=0.5 normalised=true") == (
        "sum",
        {"weight": 0.5, "normalised": True},
    )
    with pytest.raises(ModelError, match="'weight', which is not an option"):
        parse_fusion("sum weight")


def test_nothing_else_is_replaced(tmp_path: Path, photos: Path) -> None:
    check_target(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    check_target(tmp_path / "empty")
    with pytest.raises(ModelError, match="is not a model folder"):
        check_target(photos)
    (photos / "model.json").write_text("{}")
    check_target(photos)


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    return lambda: None


def test_what_is_not_installed(tmp_path: Path, nothing_installed: object) -> None:
    with pytest.raises(ModelError, match="not installed") as error:
        run("export", "openai/clip", tmp_path / "out")
    assert "samebut[hub]" in error.value.hint
