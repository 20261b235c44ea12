"""stacks.py: near-copies of a ranking under one hit, page by page."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from samebut.embedding import Floats, unit
from samebut.index import RankedPictures
from samebut.stacks import NEAR, WINDOW, Finding, page, page_of_stacks, stacked


def pictures(groups: int, seed: int = 0) -> Floats:
    """Embeddings in groups of one to four near-copies, shuffled."""
    rng = np.random.default_rng(seed)
    heads = unit(rng.normal(size=(groups, 32)).astype(np.float32))
    sizes = rng.integers(1, 5, groups)
    rows = np.repeat(heads, sizes, axis=0)
    near = unit(rows + 0.01 * rng.normal(size=rows.shape).astype(np.float32))
    return near[rng.permutation(len(near))]


def finding(gallery: Floats, query: Floats) -> Finding:
    order = np.argsort(-(gallery @ query), kind="stable")

    def find(wanted: int) -> RankedPictures:
        ids = order[:wanted]
        return RankedPictures(ids, gallery[ids] @ query, gallery[ids])

    return find


@pytest.mark.parametrize("groups", [3, 60, 400])
def test_pages_lose_no_picture_and_repeat_none(groups: int) -> None:
    gallery = pictures(groups)
    find, seen, scores = finding(gallery, gallery[0]), [], []
    for offset in count(0, 7):
        part = page_of_stacks(find, 7, offset)
        for each, copies in zip(part.ids.tolist(), part.copies, strict=True):
            seen += [each, *copies]
            assert all(gallery[each] @ gallery[copy] >= NEAR for copy in copies)
        scores += part.scores.tolist()
        if len(part.ids) < 7:
            break
    assert sorted(seen) == list(range(len(gallery)))
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == groups


def test_one_long_page_is_all_short_ones() -> None:
    gallery = pictures(120)
    find = finding(gallery, gallery[3])
    whole = page_of_stacks(find, 100, 0)
    parts = [page_of_stacks(find, 10, offset) for offset in range(0, 100, 10)]
    assert whole.ids.tolist() == [each for part in parts for each in part.ids.tolist()]
    assert whole.copies == [each for part in parts for each in part.copies]


def test_near_copies_of_references_are_left_out() -> None:
    gallery = pictures(30)
    part = page_of_stacks(finding(gallery, gallery[5]), 30, 0, gallery[5:6])
    left = [*part.ids.tolist(), *(copy for copies in part.copies for copy in copies)]
    gone = set(range(len(gallery))) - set(left)
    assert gone == set(np.flatnonzero(gallery @ gallery[5] >= NEAR).tolist())
    assert part.first == pytest.approx(1)  # of the whole ranking, whatever is left out


def test_a_copy_far_down_the_ranking_is_a_stack_of_its_own() -> None:
    rng = np.random.default_rng(1)
    others = unit(rng.normal(size=(WINDOW + 5, 64)).astype(np.float32))
    twin = unit(rng.normal(size=(1, 64)).astype(np.float32))
    within = np.concatenate([twin, others[: WINDOW - 1], twin])
    beyond = np.concatenate([twin, others[:WINDOW], twin])
    assert stacked(within, is_all=True).members[0] == [WINDOW]
    assert stacked(beyond, is_all=True).members[0] == []
    assert stacked(beyond[:-1], is_all=False).complete == 1


def test_without_collapsing_every_picture_is_a_hit() -> None:
    gallery = pictures(20)
    part = page(finding(gallery, gallery[0]), 5, 4)
    assert part.ids.tolist() == finding(gallery, gallery[0])(9).ids[4:].tolist()
    assert part.copies == [[]] * 5


def test_nothing_found_and_an_offset_behind_the_end() -> None:
    gallery = pictures(3)
    empty = page_of_stacks(finding(gallery[:0], gallery[0]), 5, 0)
    assert (empty.ids.tolist(), empty.first) == ([], None)
    for made in (page, page_of_stacks):
        assert made(finding(gallery, gallery[0]), 5, 50).ids.tolist() == []
