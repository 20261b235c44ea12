"""The commands that measure, through the real command line and the model that ships."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fake_model import colour_folder
from samebut.cli import app
from samebut.composition.choice import Choice
from samebut.errors import SamebutError
from samebut.gallery import Gallery
from samebut.runtime import BUNDLED
from small_benchmarks import SMALL


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of triplets in ``data`` and the runs of every mode in ``out``."""
    root = tmp_path_factory.mktemp("evaluated")
    colour_folder(root / "data", copies=6)
    result = run(
        "eval",
        "triplets",
        "--root",
        root / "data",
        "--split",
        "any",
        "--query",
        "all",
        "--out",
        root / "out",
    )
    assert result.exit_code == 0, result.output
    (root / "printed.txt").write_text(result.stdout, encoding="utf-8")
    return root


def test_eval_prints_and_keeps_every_mode(evaluated: Path) -> None:
    printed = (evaluated / "printed.txt").read_text(encoding="utf-8")
    for mode in ("composed", "sum", "image", "text"):
        metrics = json.loads((evaluated / "out" / mode / "metrics.json").read_text())
        for name in ("R@1", "R@5", "R@10", "R@50", "mAP@10"):
            assert f"{metrics[name]:.2f} [" in printed
        assert (evaluated / "out" / mode / "errors.html").is_file()
    assert "triplets any · data · reference removed" in printed
    assert "RecallSubset@1" not in printed


def test_eval_asks_as_a_gallery_does_and_says_so(evaluated: Path, tmp_path: Path) -> None:
    pictures = evaluated / "data" / "images"
    gallery, _ = Gallery.build(pictures, store=tmp_path / "store")
    asked = ("eval", "triplets", "--root", evaluated / "data", "--split", "any", "--store")
    asked = (*asked, tmp_path / "store", "--gallery", pictures)
    with gallery:
        usual = run(*asked, "--out", tmp_path / "usual")
        gallery.choose(Choice(gallery.model.fingerprint, "sum:1", 500, (2.0, 1.0, 3.0)))
        chosen = run(*asked, "--query", "sum", "--out", tmp_path / "out")
    assert usual.exit_code == 0, usual.output
    assert (
        f"{gallery.model.usual}: the usual composition, for images has chosen none" in usual.stdout
    )
    assert chosen.exit_code == 0, chosen.output
    (protocol,) = [line for line in chosen.stdout.splitlines() if line.startswith("protocol")]
    said = (
        "chosen for images by 500 of its queries, +2.0 [+1.0, +3.0] on the half that did not choose"
    )
    assert protocol.endswith(f"; sum:1: {said}")
    kept = [tmp_path / "out" / place / "metrics.json" for place in ("sum-1", "sum")]
    by_choice, by_name = (json.loads(file.read_text("utf-8")) for file in kept)
    assert by_choice["R@1"] == by_name["R@1"]
    assert (by_choice["chosen"], "chosen" in by_name) == (said, False)
    other = run(*asked, "--model", _another_model(tmp_path))
    assert "was indexed with another model" in str(other.exception)


def _another_model(folder: Path) -> Path:
    model = Path(shutil.copytree(BUNDLED, folder / "model"))
    card = json.loads((model / "model.json").read_text("utf-8"))
    card["preprocess"]["size"] += 32
    (model / "model.json").write_text(json.dumps(card), "utf-8")
    return model


def test_eval_passes_choices_on_and_refuses_unknown_ones(tmp_path: Path) -> None:
    result = run("eval", "css", "--root", tmp_path, "-o", "size=huge")
    assert isinstance(result.exception, SamebutError)
    assert "small" in result.exception.hint
    assert isinstance(run("eval", "css", "--root", tmp_path, "-o", "size").exception, SamebutError)
    assert isinstance(run("eval", "shoes", "--root", tmp_path).exception, SamebutError)


def test_compare_two_runs_and_refuse_what_makes_no_pair(evaluated: Path) -> None:
    out = evaluated / "out"
    result = run("compare", out / "sum", out / "composed")
    assert result.exit_code == 0
    assert "difference" in result.stdout
    for words in ([], [out / "sum"], [out / "sum", out / "text", "--published", "fashioniq"]):
        assert isinstance(run("compare", *words).exception, SamebutError)
    wrong = run("compare", out / "sum", "--published", "fashioniq")
    assert "is a run of triplets" in str(wrong.exception)


def test_published_numbers_are_listed_with_their_protocol_and_source() -> None:
    result = run("compare", "--published", "fashioniq")
    assert result.exit_code == 0
    assert "fashioniq val · union gallery · reference removed" in result.stdout
    assert "SPN4CIR repository, pics/result.png" in result.stdout


def test_doctor_says_what_is_wrong_and_ends_with_one(evaluated: Path, tmp_path: Path) -> None:
    healthy = run("doctor", "triplets", evaluated / "data")
    assert (healthy.exit_code, "18 of 18 pictures are whole" in healthy.stdout) == (0, True)
    ill = run("doctor", "fashioniq", tmp_path)
    assert ill.exit_code == 1
    assert "no file cap.dress.train.json" in ill.stdout


def test_submission_files_from_drawn_pictures_through_the_whole_path(tmp_path: Path) -> None:
    root = cirr_of_drawn_pictures(tmp_path / "cirr")
    ask = ("eval", "cirr", "--root", root, "--split", "test1", "--out", tmp_path / "test1")
    ranked = run(*ask, "--trec", tmp_path / "trec")
    assert ranked.exit_code == 0, ranked.output
    assert "Nothing was written" in ranked.stdout
    assert not (tmp_path / "trec").exists()
    assert "targets are not public" in ranked.stdout
    written = run("submit", "write", tmp_path / "test1", "--out", tmp_path / "files")
    files = written.stdout.split()
    assert [Path(file).name for file in files] == [
        "cirr-test1-recall.json",
        "cirr-test1-recall_subset.json",
    ]
    checked = run("submit", "check", *files, "--root", root, "--split", "test1")
    assert checked.exit_code == 0, checked.output
    assert checked.stdout.count("valid") == 2
    unknown = run("submit", "check", *files)  # without the annotations: not the real test1
    assert unknown.exit_code == 1
    assert "its 3 ids are not those of cirr test1 (4,148)" in unknown.stdout


@pytest.mark.parametrize(
    ("name", "numbers", "label"),
    [
        ("icir", ["mAP"], "icir test · instance databases · reference removed"),
        ("pinpoint", ["P@10", "NegRecall@10", "mAP@10_noNeg", "range of P@10"], "pinpoint test"),
        ("circled", ["Hits@10 by turn 1", "Hits@10", "turn 3"], "circled cirr_val · history turns"),
    ],
)
def test_newer_benchmarks_are_measured_in_their_own_numbers(
    name: str, numbers: list[str], label: str, tmp_path: Path
) -> None:
    SMALL[name](tmp_path / "data")
    done = run("eval", name, "--root", tmp_path / "data", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    for number in numbers:
        (line,) = (line for line in done.stdout.splitlines() if line.startswith(f"{number}  "))
        assert label in line
    assert "errors.html" in done.stdout
    if name in ("icir", "pinpoint"):
        beside = run("compare", tmp_path / "out", "--published", name)
        assert {"icir": "BASIC", "pinpoint": "BGE-VL-MLLM S1"}[name] in beside.stdout


def test_a_benchmark_is_measured_on_the_pictures_that_exist(tmp_path: Path) -> None:
    root = cirr_of_drawn_pictures(tmp_path / "cirr")
    (root / "img_raw" / "val" / "val-1-0-img0.png").unlink()
    ask = ("eval", "cirr", "--root", root, "--split", "val")
    refused = run(*ask)
    assert isinstance(refused.exception, SamebutError)
    assert "missing=drop" in refused.exception.hint
    done = run(*ask, "-o", "missing=drop", "--out", tmp_path / "part", "--trec", tmp_path / "trec")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "trec").iterdir()) == ["composed.run", "qrels"]
    assert str(tmp_path / "trec" / "composed.run") in done.stdout.replace("\n", "")
    counted = "of 3 queries, 59 of 60 pictures"
    numbers = [line for line in done.stdout.splitlines() if line.startswith(("R@", "MRR"))]
    assert numbers and all(counted in line for line in numbers)
    assert "not comparable with a full run" in done.stdout
    beside = run("compare", tmp_path / "part", "--published", "cirr")
    assert beside.exit_code == 0, beside.output
    assert "CLIP4Cir" not in beside.stdout


def test_val_is_scored_here_as_it_was_evaluated(tmp_path: Path) -> None:
    root = cirr_of_drawn_pictures(tmp_path / "cirr")
    out = tmp_path / "val"
    assert run("eval", "cirr", "--root", root, "--split", "val", "--out", out).exit_code == 0
    files = run("submit", "write", out, "--out", tmp_path / "files").stdout.split()
    scored = run("submit", "score", *files, "--root", root, "--split", "val")
    assert scored.exit_code == 0, scored.output
    metrics = json.loads((out / "metrics.json").read_text())
    assert f"{metrics['(R@5+RecallSubset@1)/2']:.2f} [" in scored.stdout


def cirr_of_drawn_pictures(root: Path) -> Path:
    """CIRR's layout with sixty plain pictures and three queries a split."""
    from PIL import Image

    for split in ("val", "test1"):
        names = [f"{split}-{i}-0-img0" for i in range(60)]
        for i, name in enumerate(names):
            path = root / "img_raw" / split / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, 20), (4 * i, 255 - 4 * i, 128)).save(path)
        entries = [
            {
                "pairid": 50 + i,
                "reference": names[i],
                "caption": "in red",
                "img_set": {"id": i, "members": names[i : i + 6]},
            }
            | ({"target_hard": names[i + 1]} if split == "val" else {})
            for i in range(3)
        ]
        for kind, content in (
            ("captions/cap", entries),
            ("image_splits/split", {n: f"./{split}/{n}.png" for n in names}),
        ):
            file = root / "cirr" / f"{kind}.rc2.{split}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(content))
    return root
