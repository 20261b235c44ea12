"""Uploads that are kept for a while: a later turn names them in place of the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from starlette.testclient import TestClient

from samebut.runtime import FeatureArrays
from samebut.serve.kept import ID, KeptPictures
from samebut.turns import EncodedPicture
from serving import API, RED, client_of, drawn, error_of, form

TURN = {"text": "in blue"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("kept") / "photos", "round", "square")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with client_of(folder) as client:
        yield client


def hits(answer: Any) -> list[tuple[str, float]]:
    assert answer.status_code == 200, answer.text
    return [(hit["path"], hit["score"]) for hit in answer.json()["hits"]]


def test_a_kept_upload_answers_as_the_file_does(client: TestClient, folder: Path) -> None:
    file = (folder / "red-round.png").read_bytes()
    query = {"turns": [{"upload": "mine", **TURN}], "k": 10}
    sent = client.post(f"{API}/search", **form(query, mine=file))
    (name,) = sent.json()["uploads"].values()
    again = client.post(f"{API}/search", json={"turns": [{"kept": name, **TURN}], "k": 10})
    assert hits(again) == hits(sent)
    assert "red-round.png" not in dict(hits(again)), "what was asked with is left out still"
    assert again.json()["milliseconds"]["decode"] == 0 < sent.json()["milliseconds"]["decode"]
    assert again.json()["uploads"] == {}


def test_why_of_a_kept_upload(client: TestClient) -> None:
    one = {"turns": [{"upload": "p0", **TURN}]}
    name = client.post(f"{API}/search", **form(one, p0=RED)).json()["uploads"]["p0"]
    by_file = client.post(f"{API}/explain", **form(one, p0=RED)).json()
    by_id = client.post(f"{API}/explain", json={"turns": [{"kept": name, **TURN}]}).json()
    assert by_id == by_file


def test_a_forgotten_upload_is_asked_for_again(client: TestClient) -> None:
    for path in ("search", "explain"):
        answer = client.post(f"{API}/{path}", json={"turns": [{"kept": "x" * 22, **TURN}]})
        assert error_of(answer, 410, "upload_forgotten")["hint"]
    both = {"turns": [{"kept": "x" * 22, "picture": 1}]}
    error_of(client.post(f"{API}/search", json=both), 422, "query_malformed")


def test_another_server_process_does_not_know_it(client: TestClient, folder: Path) -> None:
    query = {"turns": [{"upload": "p0", **TURN}]}
    name = client.post(f"{API}/search", **form(query, p0=RED)).json()["uploads"]["p0"]
    with client_of(folder) as other:
        answer = other.post(f"{API}/search", json={"turns": [{"kept": name, **TURN}]})
    error_of(answer, 410, "upload_forgotten")


def test_a_refused_search_keeps_nothing(client: TestClient) -> None:
    kept = cast("Any", client.app).state.serving.resources.kept
    before = len(kept)
    query = {"turns": [{"upload": "p0"}], "where": "no such column = 1"}
    assert client.post(f"{API}/search", **form(query, p0=RED)).status_code == 400
    assert len(kept) == before


def seen(kilobytes: int = 4) -> EncodedPicture:
    tokens = np.zeros((1, kilobytes, 250), np.float32)
    features = FeatureArrays(np.zeros((1, 0), np.float32), tokens, np.ones((1, kilobytes), bool))
    return EncodedPicture(features, "", (1, 1))


@pytest.fixture
def ageing() -> Callable[..., tuple[KeptPictures, SimpleNamespace]]:
    def make(**limits: Any) -> tuple[KeptPictures, SimpleNamespace]:
        clock = SimpleNamespace(now=0.0)
        return KeptPictures(**limits, now=lambda: clock.now), clock

    return make


def test_what_is_kept_is_bounded_in_number_and_bytes(ageing: Any) -> None:
    for limits in ({"count": 3}, {"nbytes": 12_000}):
        kept, _ = ageing(**limits)
        names = [kept.keep(seen(), "m") for _ in range(3)]
        assert kept.find(names[0], "m"), "and so it was used last"
        kept.keep(seen(), "m")
        assert [kept.find(name, "m") is None for name in names] == [False, True, False]
    kept.keep(seen(100), "m")
    assert len(kept) == 0, "larger than all that may be kept"


def test_what_is_kept_is_forgotten_some_time_after_its_last_use(ageing: Any) -> None:
    kept, clock = ageing(seconds=10)
    name = kept.keep(seen(), "m")
    clock.now = 9
    assert kept.find(name, "m")
    clock.now = 18
    assert kept.find(name, "m")
    clock.now = 28
    assert kept.find(name, "m") is None


def test_another_model_does_not_get_what_one_saw() -> None:
    kept = KeptPictures()
    assert kept.find(kept.keep(seen(), "one"), "other") is None


def test_ids_can_not_be_guessed() -> None:
    kept = KeptPictures()
    names = {kept.keep(seen(), "m") for _ in range(100)}
    assert len(names) == 100
    assert all(re.fullmatch(ID, name) for name in names)
    assert all(len({name[place] for name in names}) > 10 for place in range(21))
