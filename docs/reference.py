"""The pages of the documentation that are made of the code as a whole.

    python docs/reference.py            # write docs/commands.md and docs/errors.md anew
    python docs/reference.py --check    # exit with 1, naming the page, if one is stale

``commands.md`` has every command with its options, as ``--help`` has them; ``errors.md`` every
error that is raised with words of ours: what is said, and what it says to do.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import typer

from samebut import errors
from samebut.cli import app
from samebut.serve.problems import KINDS

HERE = Path(__file__).parent
SOURCE = HERE.parent / "src" / "samebut"
MADE = "<!-- made by docs/reference.py -->\n"


def commands() -> str:
    """Every command: what it does, its usage, arguments and options."""
    root: Any = typer.main.get_command(app)
    parts = [
        "# Commands",
        "What `samebut COMMAND --help` says, in one page. Exit status: 0 done; 1 an error, in "
        "words; 2 wrong usage; 3 done, but some pictures were skipped, or next to none were "
        "found; 70 a fault of samebut itself, which is written to a file to report. `samebut "
        "--install-completion` completes commands and options in your shell.",
    ]
    for name, command in root.commands.items():
        parts += list(_described(f"samebut {name}", command))
    return "\n\n".join(parts) + "\n"


def _described(name: str, command: Any) -> Iterator[str]:
    yield f"## {name}"
    yield _plain(command.help or "")
    if hasattr(command, "commands"):
        for inner, each in command.commands.items():
            yield from _described(f"{name} {inner}", each)
        return
    context = typer.Context(command, info_name=name)
    yield f"    {' '.join(command.get_usage(context).removeprefix('Usage: ').split())}"
    rows = [_row(each, context) for each in command.params if each.name != "help"]
    if rows:
        yield _table(("", "", "default"), rows)
    yield _block(command.epilog or "")


def _block(text: str) -> str:
    """The lines of an epilog, after its first two (a mark of the formatter, a heading)."""
    head, *lines = inspect.cleandoc(text).removeprefix("\b").strip("\n").splitlines()
    return "\n".join([head, "", *(f"    {line.strip()}" for line in lines)])


def _row(parameter: Any, context: Any) -> tuple[str, str, str]:
    record = parameter.get_help_record(context)
    said = record[1] if record else ""
    default = re.search(r"\[default: (.*?)\]", said, re.DOTALL)
    said = re.sub(r"\s*\[(default|required)[^\]]*\]", "", said)
    name = record[0] if record else parameter.human_readable_name
    needed = "needed" if parameter.required else ""
    return f"`{' '.join(name.split())}`", _plain(said), _plain(default[1]) if default else needed


class Raised(NamedTuple):
    """One place of the code that raises an error of ours. ``{}`` stands for what is filled in."""

    kind: str
    message: str
    hint: str


def raised() -> dict[str, list[Raised]]:
    """Errors by the room that raises them."""
    kinds = {n for n, k in vars(errors).items() if isinstance(k, type) and issubclass(k, Exception)}
    found = defaultdict(list)
    for file in sorted(SOURCE.rglob("*.py")):
        place = file.relative_to(SOURCE).parts
        room = place[0].removesuffix(".py") if place[0] != "learning" else "learning"
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = _constants(tree)
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id in kinds and (one := _of_call(node, names)) and one not in found[room]:
                found[room].append(one)
    return {room: them for room, them in found.items() if them}


def _constants(tree: ast.Module) -> dict[str, str]:
    """Texts that a file gives a name, once, or imports: what is said in place of the name."""
    imported: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (file := _file_of(node.module or "")):
            theirs = _own_constants(file)
            imported |= {n.name: theirs[n.name] for n in node.names if n.name in theirs}
    return imported | _assigned(tree)


def _assigned(tree: ast.Module) -> dict[str, str]:
    found = defaultdict(list)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    found[target.id].append(_text(node.value))
    return {name: texts[0] for name, texts in found.items() if len(texts) == 1 and texts[0]}


@cache
def _own_constants(file: Path) -> dict[str, str]:
    return _assigned(ast.parse(file.read_text(encoding="utf-8")))


def _file_of(module: str) -> Path | None:
    """The file of a module of ours that can hold texts."""
    file = SOURCE.parent.joinpath(*module.split(".")).with_suffix(".py")
    return file if module.startswith("samebut.") and file.is_file() else None


def _of_call(call: ast.Call, names: Mapping[str, str]) -> Raised | None:
    assert isinstance(call.func, ast.Name)
    said = [text for each in call.args if (text := _text(each, names))]
    if call.func.id.startswith("Picture"):  # a picture's name and a reason
        said = [": ".join(_text(each, names) or "{…}" for each in call.args)]
    hints = [each.value for each in call.keywords if each.arg == "hint"]
    hint = (_text(hints[0], names) or "{…}") if hints else ""
    return Raised(call.func.id, said[-1], hint) if said else None


def _text(node: ast.expr, names: Mapping[str, str] = MappingProxyType({})) -> str:
    """A text with ``{…}`` for what is filled in; "" for what is no text of ours."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(p) if isinstance(p, ast.Constant) else _hole(p) for p in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + (_text(node.right) or "{…}") if _text(node.left) else ""
    return ""


def _hole(node: ast.expr) -> str:
    value = node.value if isinstance(node, ast.FormattedValue) else node
    names = [
        n.attr if isinstance(n, ast.Attribute) else n.id
        for n in ast.walk(value)
        if isinstance(n, ast.Name | ast.Attribute)
    ]
    return "{" + (names[0] if len(names) <= 2 and names else "…") + "}"


def all_errors() -> str:
    """What can be said to a user, and what it says to do."""
    found = raised()
    parts = [
        "# Errors",
        f"Every error that samebut explains, {sum(map(len, found.values()))} of them, by the room "
        "of the code that raises it; `{…}` stands for a name, a number or a "
        "sentence that depends on the case. The command "
        "line prints the first column after `samebut:` and the second below it, and ends with "
        "status 1; in Python both are `str(error)` and `error.hint` of a "
        "`samebut.errors.SamebutError`; the API answers with one of the "
        "[problems](#problems-of-the-api).",
    ]
    for room, them in found.items():
        parts += [f"## {room}", _table(("what is said", "what to do"), [_cells(e) for e in them])]
    problems = [
        (str(kind.status), f"`{code}`", _plain(kind.en), _plain(kind.hint_en))
        for code, kind in KINDS.items()
    ]
    parts += ["## Problems of the API", _table(("status", "code", "says", "what to do"), problems)]
    return "\n\n".join(parts) + "\n"


def _cells(one: Raised) -> tuple[str, str]:
    return _plain(one.message), _plain(one.hint)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _plain(text: str) -> str:
    """One line that Markdown leaves as it is."""
    said = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"(?<!`)\*", r"\\*", said)


PAGES: Mapping[str, Callable[[], str]] = {"commands.md": commands, "errors.md": all_errors}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    stale = []
    for name, made in PAGES.items():
        page, text = HERE / name, MADE + made()
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not asked.check:
                page.write_text(text, encoding="utf-8")
    if asked.check and stale:
        sys.exit(f"stale: {', '.join(stale)}; run: python docs/reference.py")


if __name__ == "__main__":
    main()
