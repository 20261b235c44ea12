"""A few kills of each phase; ``kills.py`` beside this file does as many as you like."""

from __future__ import annotations

import sys
from pathlib import Path

import kills_postgres
import pytest
from kills import PHASES, Phase, Undisturbed, build, compare, kill_often, other_model
from kills_postgres import Rounds

from conftest import draw_picture
from postgres_server import PostgresServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """150 pictures, and one that is none, with a store that was built once for all phases."""
    photos = tmp_path_factory.mktemp("photos")
    for number in range(150):
        colour = (number, 255 - number, number * 7 % 256)
        draw_picture(colour, "round", 96 + number).save(photos / f"{number:03}.png")
    (photos / "broken.png").write_bytes(b"no picture")
    return build(photos, tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize("phase", kills_postgres.PHASES)
def test_killed_with_their_server_and_carried_on(
    undisturbed: Undisturbed, postgres: PostgresServer, tmp_path: Path, phase: str
) -> None:
    rounds = Rounds(postgres, undisturbed, other_model(tmp_path / "other"), seed=1)
    assert rounds.run(phase, 2) < 1e-3
    assert (rounds.tally.writers, rounds.tally.servers) == (1, 1)


@pytest.mark.parametrize("phase", PHASES)
def test_killed_and_carried_on(undisturbed: Undisturbed, phase: str) -> None:
    kills = 4 if phase == "index" else 2
    tally, difference = compare(undisturbed, kills=kills, seed=1, phase=phase)
    assert tally.kills == kills
    assert difference < 1e-3


def test_a_run_that_ends_with_an_error_is_not_a_finished_one(tmp_path: Path) -> None:
    failing = Phase("print('begin'); raise SystemExit('out of order')", lambda *_: None, 60.0)
    given = Undisturbed(tmp_path, tmp_path)
    with pytest.raises(AssertionError, match="out of order"):
        kill_often(failing, given, tmp_path, tmp_path, 1, seed=0)
