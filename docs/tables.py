"""The tables of the documentation that are made from the code's own declarations.

    python docs/tables.py            # write them anew
    python docs/tables.py --check    # exit with 1, naming the page, if one is stale

A table stands in a page between ``<!-- table: NAME -->`` and ``<!-- end of table -->``. A new row
of FUSIONS, COMPOSITIONS, ENCODERS, TERMS, PRESETS or READERS, or a new key of a recipe, is found
here by itself.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from samebut.composition.rows import COMPOSITIONS
from samebut.data.benchmark import Rules
from samebut.data.readers import READERS, Reader
from samebut.learning.data.augment import Augment
from samebut.learning.data.corpus import SourceSettings
from samebut.learning.data.sampler import Queries
from samebut.learning.encoders import ENCODERS
from samebut.learning.encoders.efficientnet import EfficientNetConfig
from samebut.learning.encoders.small import SmallConfig
from samebut.learning.fusion import FUSIONS
from samebut.learning.fusion.base import Fusion
from samebut.learning.objective import TERMS
from samebut.learning.recipe.presets import PRESETS
from samebut.learning.recipe.schema import Handoff, Loss, Recipe, Stage
from samebut.learning.tables import Table, as_toml, rows_of

HERE = Path(__file__).parent
BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
INNER = ("queries.", "loss.", "handoff.")


def keys(kind: type[Table], leave_out: Sequence[str] = ()) -> list[Sequence[str]]:
    """Rows of (key, default, what it may be, meaning)."""
    return [
        (f"`{name}`", default if default == "needed" else f"`{default}`", kinds, meaning)
        for name, default, kinds, meaning in rows_of(kind)
        if not name.startswith(tuple(leave_out))
    ]


def summary(thing: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def options_of(kind: Callable[..., Any]) -> str:
    """The options of a fusion and their defaults."""
    parameters = list(inspect.signature(kind).parameters.values())[1:]
    return ", ".join(f"`{each.name} = {each.default}`" for each in parameters) or "none"


def fusions() -> list[Sequence[str]]:
    return [
        (
            f"`{name}`",
            "tokens" if kind.reads_tokens else "pooled",
            "0.5" if kind.gate is Fusion.gate else "its own",
            "" if kind.attention is Fusion.attention else "words to regions",
            options_of(kind),
            summary(inspect.getmodule(kind)),
        )
        for name, kind in FUSIONS.items()
    ]


def compositions() -> list[Sequence[str]]:
    return [
        (
            f"`{name}`",
            ", ".join(f"`{each.name} = {each.default:g}`" for each in row.parameters) or "none",
            row.what,
        )
        for name, row in COMPOSITIONS.items()
    ]


def encoders() -> list[Sequence[str]]:
    return [(f"`{name}`", summary(kind)) for name, kind in ENCODERS.items()]


def readers() -> list[Sequence[str]]:
    return [
        (
            f"`{name}`",
            ", ".join(reader.splits) or "yours",
            reader.gallery,
            reference(reader, reader.file.RULES),
            counted(reader.file.RULES, reader.hit),
            headline(reader.file.RULES),
            "; ".join(
                f"`{key}`: {', '.join(values) or 'number'}"
                for key, values in reader.own_options.items()
                if key != "reference"
            ),
        )
        for name, reader in READERS.items()
    ]


def reference(reader: Reader, rules: Rules) -> str:
    if "reference" in reader.own_options:
        return f"`reference={'` or `'.join(reader.own_options['reference'])}`"
    return "removed" if rules.drop_reference else "kept"


def counted(rules: Rules, hit: str) -> str:
    said = [f"R@{numbers(rules.recall)}: {hit if rules.recall_any else 'the annotated target'}"]
    if rules.average_precision:
        said.append(f"mAP@{numbers(rules.average_precision)} over all targets")
    if rules.precision:
        said.append(f"P@{numbers(rules.precision)}")
    if rules.trapezoidal_precision:
        said.append("mAP by the trapezoidal rule over the whole ranking")
    if rules.negatives:
        of = numbers(rules.negatives)
        said.append(f"NegRecall@{of} and mAP@{of}_noNeg: explicit wrong answers")
    if rules.paraphrases:
        said.append(f"range of P@{numbers(rules.paraphrases)} over paraphrases")
    if rules.session_hits:
        said.append(f"Hits@{rules.session_hits} by turn: conversations")
    if rules.subset_recall:
        said.append(f"RecallSubset@{numbers(rules.subset_recall)}: the annotated target")
    return "; ".join(said) + (", mean over groups" if rules.macro else "")


def headline(rules: Rules) -> str:
    names = rules.headline
    return f"({'+'.join(names)})/{len(names)}" if len(names) > 1 else "".join(names)


def numbers(those: tuple[int, ...]) -> str:
    return ",".join(map(str, those))


def presets() -> list[Sequence[str]]:
    return [
        (f"`{name}`", each.meaning, f"`{as_toml(dict(each.keys))[2:-2]}`")
        for name, each in PRESETS.items()
    ]


def terms() -> list[Sequence[str]]:
    return [(f"`{name}`", summary(kind)) for name, kind in TERMS.items()]


KEY_COLUMNS = ("key", "default", "allowed values", "meaning")
TABLES: dict[str, tuple[Sequence[str], Callable[[], Iterable[Sequence[str]]]]] = {
    "small": (KEY_COLUMNS, lambda: keys(SmallConfig)),
    "efficientnet": (KEY_COLUMNS, lambda: keys(EfficientNetConfig)),
    "recipe": (KEY_COLUMNS, lambda: keys(Recipe, ("stages.", "sources.", "augment."))),
    "stage": (KEY_COLUMNS, lambda: keys(Stage, INNER)),
    "queries": (KEY_COLUMNS, lambda: keys(Queries)),
    "loss": (KEY_COLUMNS, lambda: keys(Loss)),
    "handoff": (KEY_COLUMNS, lambda: keys(Handoff)),
    "sources": (KEY_COLUMNS, lambda: keys(SourceSettings)),
    "augment": (KEY_COLUMNS, lambda: keys(Augment)),
    "presets": (("preset", "what it is for", "the keys it gives"), presets),
    "terms": (("term", "what it is"), terms),
    "fusions": (("name", "reads", "gate", "attention map", "options", "what it is"), fusions),
    "compositions": (("name", "numbers, in this order", "what it is"), compositions),
    "encoders": (("kind", "what it is"), encoders),
    "readers": (
        ("name", "splits", "gallery", "reference", "counted", "headline", "choices"),
        readers,
    ),
}


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(map(escaped, cells))} |\n" for cells in lines)


def escaped(cell: str) -> str:
    """A cell whose bars don't end it."""
    return cell.replace("|", "\\|")


def written(page: str) -> str:
    """The page with its tables as they should be. KeyError: it names one that does not exist."""

    def table(match: re.Match[str]) -> str:
        columns, rows = TABLES[match[2]]
        return f"{match[1]}{markdown(columns, rows())}{match[3]}"

    return BLOCK.sub(table, page)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if stale")
    check = parser.parse_args().check
    stale = []
    for path in sorted(HERE.glob("*.md")):
        page = path.read_text(encoding="utf-8")
        if written(page) == page:
            continue
        stale.append(path.name)
        if not check:
            path.write_text(written(page), encoding="utf-8")
    if stale and check:
        print(f"stale tables in docs/{', docs/'.join(stale)}: run python docs/tables.py")
    return int(bool(stale and check))


if __name__ == "__main__":
    sys.exit(main())
