"""How many transactions of the store one request takes: each waits for those of other threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from serving import API, RED, client_of, form, index
from transactions import transactions_of


@pytest.fixture
def client(photos: Path) -> Iterator[TestClient]:
    index(photos)
    with client_of(photos) as client:
        yield client


UPLOAD = form({"turns": [{"upload": "p0", "text": "in blue"}], "where": "colour = 'blue'"}, p0=RED)
STORED = {"turns": [{"picture": 1, "text": "in blue"}], "where": "colour = 'blue'"}

# A search's four: the state before, what is left out, what may be found, then all of the answer.
# The scan lies between them, so that it holds up no other thread.
REQUESTS: dict[str, tuple[Callable[[TestClient], object], int]] = {
    "an upload": (lambda client: client.post(f"{API}/search", **UPLOAD), 4),
    # Its path is looked up before it is encoded: a snapshot is not held as long as a model runs.
    "a stored picture": (lambda client: client.post(f"{API}/search", json=STORED), 5),
    "similar": (lambda client: client.get(f"{API}/similar/1?where=colour = 'blue'"), 4),
    "a page to browse": (lambda client: client.get(f"{API}/browse?where=colour = 'blue'"), 1),
}


@pytest.mark.parametrize("asked", REQUESTS)
def test_transactions_of_a_request(client: TestClient, asked: str) -> None:
    request, expected = REQUESTS[asked]
    gallery = client.app.state.serving.gallery  # type: ignore[attr-defined]
    request(client)  # the first one reads what the next ones know
    with transactions_of(gallery.index) as begun:
        answer = request(client)
    assert answer.status_code == 200 and answer.json()["hits"]  # type: ignore[attr-defined]
    assert len(begun) == expected
