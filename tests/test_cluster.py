"""cluster.py: two nodes of Ray on this machine encode, one of which is killed, or worse."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

import crashing_work
from conftest import draw_picture
from samebut import cluster
from samebut.cluster import NodeReport, Ray, probe_of
from samebut.encode import IndexingSeconds, encode_pictures
from samebut.errors import ModelError, QueryError
from samebut.gallery import Gallery
from samebut.loader import PictureFile
from samebut.runtime import Model

if TYPE_CHECKING:
    from postgres_server import PostgresServer

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

PICTURES = 20
_SOON = {  # a node that is dead is taken for dead in a second or two, not in half a minute
    "health_check_initial_delay_ms": 1_000,
    "health_check_period_ms": 1_000,
    "health_check_failure_threshold": 3,
}


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Any]:
    """A cluster of two nodes with a core each, on this machine."""
    from ray.cluster_utils import Cluster

    here = Path(__file__).parent
    # Nodes get it from their parent: the worker's work of these tests is among it.
    said = {
        "PYTHONPATH": os.pathsep.join(map(str, (here.parent / "src", here))),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
    }
    store = {"object_store_memory": 80 << 20, "include_dashboard": False}
    head = {"num_cpus": 1, "_system_config": _SOON, **store}
    with patch.dict(os.environ, said):
        made = Cluster(initialize_head=True, head_node_args=head)
        made.add_node(num_cpus=1, object_store_memory=80 << 20)
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
        try:
            yield made
        finally:
            ray.shutdown()
            made.shutdown()


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(PICTURES):
        shape = ("round", "square")[number % 2]
        draw_picture((9 * number, 250 - 9 * number, 7 * number), shape).save(
            folder / f"{number:02}.png"
        )
    return folder


def rows(gallery: Gallery) -> dict[str, tuple[str, bytes]]:
    """What a store holds of each picture: its digest, and its embedding's bytes."""
    found = {}
    for path, file in gallery.index.files().items():
        row = gallery.index.by_digest(file.digest)
        assert row is not None
        found[path] = file.digest, row.embedding.tobytes()
    return found


def alone(folder: Path, store: Path) -> dict[str, tuple[str, bytes]]:
    gallery, _ = Gallery.build(folder, store=store)
    with gallery:
        return rows(gallery)


def test_a_node_killed_on_the_way_costs_no_row_and_no_bit(
    two_nodes: Any, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CLAIMS", (4, 2, 1))
    killed: list[Any] = []
    heard: list[tuple[int, int, int]] = []
    (many / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    def progress(done: int, total: int, skipped: int = 0, /) -> None:
        heard.append((done, total, skipped))
        if not killed:
            killed.append(two_nodes.worker_nodes.copy().pop())
            two_nodes.remove_node(killed[0], allow_graceful=False)

    gallery, report = Gallery.build(
        many, store=tmp_path / "ray.sqlite", ray=Ray(), progress=progress
    )
    with gallery:
        assert rows(gallery) == alone(many, tmp_path / "alone.sqlite")
        assert len(rows(gallery)) == PICTURES == report.encoded
    assert killed and len(heard) > 3
    assert heard[-1] == (PICTURES + 1, PICTURES + 1, 1)
    assert [(each.path, each.reason) for each in report.skipped] == [("broken.png", "is cut short")]
    assert sum(report.nodes.pictures.values()) == PICTURES and not report.nodes.other_bits
    two_nodes.add_node(num_cpus=1, object_store_memory=80 << 20)


def test_a_worker_killed_on_the_way_costs_no_row_on_a_server(
    two_nodes: Any,
    many: Path,
    tmp_path: Path,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A store in PostgreSQL, filled by two nodes, has the rows of a file filled by one process."""
    monkeypatch.setattr(cluster, "CLAIMS", (5, 1))
    monkeypatch.setattr(cluster, "_work", crashing_work.work)
    (many / "17.png").rename(many / "17-crash-once.png")
    gallery, report = Gallery.build(many, store=postgres.url(), ray=Ray())
    with gallery:
        assert rows(gallery) == alone(many, tmp_path / "alone.sqlite")
        assert (report.nodes.died, report.skipped, len(gallery)) == (1, [], PICTURES)
        assert gallery.index.damaged() == []
        assert gallery.update(ray=Ray()).unchanged == PICTURES


def test_what_is_known_is_not_encoded_again(two_nodes: Any, many: Path, tmp_path: Path) -> None:
    gallery, _ = Gallery.build(many, store=tmp_path / "s.sqlite", ray=Ray())
    with gallery:
        shutil.move(many / "00.png", many / "renamed.png")
        shutil.copy(many / "01.png", many / "copy.png")
        os.utime(many / "02.png", ns=(1, 1))
        report = gallery.update(ray=Ray())
        assert (report.renamed, report.copied, report.encoded) == (1, 1, 0)
        assert report.unchanged == PICTURES - 1
        assert gallery.update(ray=Ray()).nodes == NodeReport()  # no cluster is asked for nothing


def test_a_picture_that_crashes_or_hangs_a_worker_stops_no_other(
    two_nodes: Any, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CLAIMS", (5, 1))
    monkeypatch.setattr(cluster, "TRIES", 1)
    monkeypatch.setattr(cluster, "_work", crashing_work.work)
    for file in sorted(many.iterdir())[8:]:
        file.unlink()
    expected = alone(many, tmp_path / "alone.sqlite")
    for name in ("03-crash.png", "07-hang.png"):
        draw_picture((len(name), 9, 9), "round").save(many / name)
    gallery, report = Gallery.build(many, store=tmp_path / "s.sqlite", ray=Ray(seconds=3.0))
    with gallery:
        assert rows(gallery) == expected
        assert {each.path for each in report.skipped} == {"03-crash.png", "07-hang.png"}
        assert all("ended each of 1 worker" in each.reason for each in report.skipped)
        assert report.nodes.died >= 4
        again = gallery.update(ray=Ray())
        assert (again.encoded, len(again.skipped)) == (0, 2)


def test_a_node_that_lacks_the_folder_or_has_another_model_says_so(
    two_nodes: Any, tmp_path: Path, model: Model
) -> None:
    files = [(PictureFile(tmp_path / "no" / "a.png", "a.png"), "")]
    spent, report = IndexingSeconds(), NodeReport()

    def encode(folder: Path) -> None:
        list(
            cluster.encode_on_ray(Ray(), model, folder, files, known=(), spent=spent, report=report)
        )

    with pytest.raises(QueryError, match="can't see the folder"):
        encode(tmp_path / "no")
    with pytest.raises(ModelError, match="this machine another and 0"):
        cluster._model("bundled", "another", "0", "node")


def test_how_pictures_are_put_together_moves_no_bit(tmp_path: Path, model: Model) -> None:
    rng = np.random.default_rng(4)
    for number in range(9):
        noise = rng.integers(0, 256, (70 + 9 * number, 90, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.png")
    files = [PictureFile(path, path.name) for path in sorted(tmp_path.iterdir())]
    one_core = Model.load("bundled", threads=1)

    def embedded(model: Model, size: int) -> bytes:
        batches = [
            each
            for at in range(0, len(files), size)
            for batch in encode_pictures(model, files[at : at + size])
            for each in batch
        ]
        return b"".join(each.embedding.tobytes() for each in batches)

    whole = embedded(model, 9)
    assert all(embedded(each, size) == whole for each in (model, one_core) for size in (1, 4))
    assert probe_of(one_core) == probe_of(model)


def test_an_address_where_nobody_listens_is_named_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(QueryError, match="no Ray cluster answers at"):
        cluster._check_address(address)


def test_claims_shrink_to_single_pictures_and_end() -> None:
    files = tuple((PictureFile(Path(str(n)), str(n)), "") for n in range(70))
    (first, second) = cluster._claims(files, cluster.CLAIMS[0])
    assert [len(first.files), len(second.files)] == [64, 6]
    assert [len(each.files) for each in first.after_a_death()] == [8] * 8
    single = second.after_a_death()[0]
    for _ in range(cluster.TRIES - 1):
        assert len(single.files) == 1
        (single,) = single.after_a_death()
    assert single.after_a_death() == []


def test_other_bits_and_deaths_are_said() -> None:
    report = NodeReport(died=2)
    report.pictures["b"] += 1_200
    report.other_bits.add("b")
    assert report.lines() == [
        "b encoded 1,200",
        "2 claims whose worker died were done again or given up",
        "b rounds otherwise than this machine: another processor, or other versions",
    ]
