"""i-CIR, PinPoint and CIRCLED: what their files mean, and damaged copies of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from samebut import turns
from samebut.data import circled, icir, pinpoint
from samebut.data.benchmark import QueryStep
from samebut.errors import DataError
from small_benchmarks import circled_small, i_cir, pin_point


def test_icir_is_ranked_by_instance_and_a_hit_has_its_text(tmp_path: Path) -> None:
    i_cir(tmp_path)
    found = icir.read(tmp_path)
    query = found.queries[0]
    assert (query.group, query.texts) == ("lamp", ("at night",))
    assert query.targets == ("icir/database/lamp/at0.jpg", "icir/database/lamp/at1.jpg")
    lamps = found.galleries["lamp"]
    assert all("/lamp/" in name for name in lamps)
    assert query.reference not in lamps
    twice = "icir/database/lamp/at0.jpg (2)"
    assert twice in lamps  # on a second line, as an answer to the other text
    assert found.images[twice] == found.images["icir/database/lamp/at0.jpg"]
    assert found.queries[1].targets[-1] == twice


def test_icir_pictures_lie_where_their_names_begin_or_beside_the_list(tmp_path: Path) -> None:
    i_cir(tmp_path / "whole")
    inner = tmp_path / "whole" / "icir"
    for name in (icir.QUERIES, icir.DATABASE):
        path = inner / name
        path.write_text(path.read_text().replace("icir/", ""))
    assert icir.read(tmp_path / "whole").images["query/lamp/q1.jpg"] == inner / "query/lamp/q1.jpg"


def test_icir_without_a_right_answer_is_refused(tmp_path: Path) -> None:
    i_cir(tmp_path)
    path = tmp_path / "icir" / icir.QUERIES
    path.write_text(path.read_text() + "icir/query/lamp/q1.jpg,upside down,lamp\n")
    with pytest.raises(DataError, match="line 5: no picture of 'lamp' is 'upside down'"):
        icir.read(tmp_path)
    path.write_text("picture,text\n")
    with pytest.raises(DataError, match="line 1: does not hold a picture, a text and an instance"):
        icir.read(tmp_path)


def test_pinpoint_rows_are_read_as_its_code_reads_them(tmp_path: Path) -> None:
    pin_point(tmp_path)
    first, again, pair, _ = pinpoint.read(tmp_path).queries
    assert first.together == again.together != pair.together
    assert (first.also, pair.also[0].texts) == ((), pair.texts)
    assert pair.also == (QueryStep(f"{9:032x}", pair.texts),)
    assert first.targets == (f"{2:032x}", f"{3:032x}")
    assert (first.relevant, len(first.wrong)) == (3, 5)


def test_pinpoint_damage_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin_point(tmp_path)
    path = tmp_path / "pinpoint_licensed.parquet"
    rows = parquet.read_table(path).to_pylist()
    for changed, message in [
        ({"instruction": None}, "row 0: instruction is not of type str"),
        ({"positive_candidates": []}, "row 0: the query has no target picture"),
        ({"query_image_signature": "a" * 32}, "pictures named by queries are not in the gallery"),
    ]:
        parquet.write_table(pyarrow.Table.from_pylist([rows[0] | changed, *rows[1:]]), path)
        with pytest.raises(DataError, match=message):
            pinpoint.read(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="can't be read as a table of PinPoint"):
        pinpoint.read(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match="package that reads it is not installed") as caught:
        pinpoint.read(tmp_path)
    assert "samebut[parquet]" in caught.value.hint


def test_circled_turns_carry_those_before_them(tmp_path: Path) -> None:
    circled_small(tmp_path)
    queries = circled.read(tmp_path, "fashioniq_dress_val").queries
    assert [query.group for query in queries] == ["turn 1", "turn 2", "turn 1", "turn 2", "turn 3"]
    last = queries[-1]
    assert last.texts == ("at night",)
    assert [(step.texts[0], step.weight) for step in last.also] == [
        ("more dogs", 0.25),
        ("in snow", 0.5),
    ]
    assert circled.EARLIER == turns.EARLIER
    alone = circled.read(tmp_path, "fashioniq_dress_val", history="last").queries
    assert not any(query.also for query in alone)
    assert len({query.together for query in queries}) == 2


def test_circled_over_circo_names_pictures_by_number(tmp_path: Path) -> None:
    circled_small(tmp_path)
    found = circled.read(tmp_path, "circo_val")
    assert found.queries[0].reference == "1"
    assert len(found.queries[0].targets) == 2
    path = tmp_path / "data" / "circo_val.json"
    for changed, message in [
        ({"ground_truth_ids": ["cat"]}, "'cat' is not a picture"),
        ({"ground_truth_ids": []}, "has no turn or no target picture"),
        ({"turns": [{"turn": 1, "relative_caption": "x"}]}, "turn 1: reference_image_id is miss"),
    ]:
        sessions = json.loads(path.read_text())
        kept = path.read_text()
        path.write_text(json.dumps([sessions[0] | changed]))
        with pytest.raises(DataError, match=message):
            circled.read(tmp_path, "circo_val")
        path.write_text(kept)
