"""Write the table of what can be read into benchmarks.md, from the rows of ``data.READERS``.

python docs/benchmark_table.py
"""

from __future__ import annotations

from pathlib import Path

from samebut.data.benchmark import Rules
from samebut.data.readers import READERS, Reader

GUIDE = Path(__file__).with_name("benchmarks.md")
BEGIN = "| name | splits |"
HEAD = (
    f"{BEGIN} gallery | reference | counted | headline | choices |\n|---|---|---|---|---|---|---|\n"
)


def table() -> str:
    """The table, a row a reader."""
    return HEAD + "".join(map(row, READERS, READERS.values()))


def row(name: str, reader: Reader) -> str:
    rules: Rules = reader.file.RULES
    choices = {k: v for k, v in reader.options.items() if k != "reference"}
    cells = (
        f"`{name}`",
        ", ".join(reader.splits) or "yours",
        reader.gallery,
        reference(reader, rules),
        counted(rules, reader.hit),
        headline(rules),
        "; ".join(f"`{key}`: {', '.join(values) or 'number'}" for key, values in choices.items()),
    )
    return f"| {' | '.join(cells)} |\n".replace("|  ", "| ").replace("|  ", "| ")


def reference(reader: Reader, rules: Rules) -> str:
    if "reference" in reader.options:
        return f"`reference={'` or `'.join(reader.options['reference'])}`"
    return "removed" if rules.drop_reference else "kept"


def counted(rules: Rules, hit: str) -> str:
    said = [f"R@{numbers(rules.recall)}: {hit if rules.recall_any else 'the annotated target'}"]
    if rules.average_precision:
        said.append(f"mAP@{numbers(rules.average_precision)} over all targets")
    if rules.subset_recall:
        said.append(f"RecallSubset@{numbers(rules.subset_recall)}: the annotated target")
    return "; ".join(said) + (", mean over groups" if rules.macro else "")


def headline(rules: Rules) -> str:
    names = rules.headline
    return f"({'+'.join(names)})/{len(names)}" if len(names) > 1 else "".join(names)


def numbers(those: tuple[int, ...]) -> str:
    return ",".join(map(str, those))


def replaced(guide: str) -> str:
    """``guide`` with the table as it should be."""
    before, _, rest = guide.partition(BEGIN)
    behind = rest.partition("\n\n")[2]
    return f"{before}{table()}\n{behind}"


if __name__ == "__main__":
    GUIDE.write_text(replaced(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
