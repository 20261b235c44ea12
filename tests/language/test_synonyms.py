"""The synonym groups: both languages in each, and every catalogue label covered."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from samebut.language.synonyms import synonym_groups

DATA = Path(__file__).parents[3] / "shared" / "data"


def is_chinese(phrase: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in phrase)


def test_each_group_has_both_languages() -> None:
    for group in synonym_groups():
        assert {is_chinese(phrase) for phrase in group} == {True, False}, group


def test_no_phrase_is_blank_or_in_two_groups() -> None:
    counts = Counter(phrase for group in synonym_groups() for phrase in group)
    assert all(phrase.strip() == phrase != "" for phrase in counts)
    assert [phrase for phrase, count in counts.items() if count > 1] == []


@pytest.mark.parametrize(
    ("data", "column"),
    [
        ("clothing", "label"),
        ("groceries", "kind"),
        ("groceries", "article"),
        ("products", "article"),
    ],
)
def test_every_label_is_in_a_group(data: str, column: str) -> None:
    catalog = DATA / data / "catalog.csv"
    if not catalog.exists():
        pytest.skip(f"{catalog} is not here")
    known = {phrase for group in synonym_groups() for phrase in group}
    with catalog.open(encoding="utf-8") as lines:
        labels = {row[column].lower() for row in csv.DictReader(lines)}
    unlabelled = {""}
    assert labels - unlabelled - known == set()


def test_phrases_that_differ_only_in_case_are_in_one_group() -> None:
    counts = Counter(phrase.lower() for group in synonym_groups() for phrase in group)
    assert [phrase for phrase, count in counts.items() if count > 1] == []


def test_everyday_things_are_in_a_group_with_their_other_names() -> None:
    group_of = {phrase: group for group in synonym_groups() for phrase in group}
    assert len(synonym_groups()) >= 400
    for phrase, other in [
        ("wrench", "spanner"),
        ("water lilly", "睡莲"),
        ("cougar face", "美洲狮"),
        ("电吹风", "hair dryer"),
        ("sofa", "长沙发"),
        ("scarlet", "大红色"),
    ]:
        assert other in group_of[phrase]
