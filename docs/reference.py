"""Makes the two pages of the documentation that are generated from the code.

    python docs/reference.py            # write docs/commands.md and docs/errors.md anew
    python docs/reference.py --check    # exit with 1, naming the page, if one is stale

``commands.md`` lists every command with its options, as ``--help`` shows them; ``errors.md`` every
error that the code raises on purpose: its message and its hint.
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
    """One place in the code that raises an error. ``{…}`` stands for what is filled in."""

    kind: str
    message: str
    hint: str


def raised() -> dict[str, list[Raised]]:
    """Errors by the part of the package that raises them."""
    kinds = {n for n, k in vars(errors).items() if isinstance(k, type) and issubclass(k, Exception)}
    found = defaultdict(list)
    for file in sorted(SOURCE.rglob("*.py")):
        place = file.relative_to(SOURCE).parts
        part = place[0].removesuffix(".py")
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for call, names in _calls(tree, _properties() | _constants(tree)):
            if call.func.id in kinds and (one := _of_call(call, names)) and one not in found[part]:
                found[part].append(one)
            if call.func.id in _CAUSES:
                phrase, hint = (_text(each, names) for each in call.args[1:])
                found[part].append(Raised(call.func.id, f"{{path}}: {phrase}", hint))
        if part == "images":
            found[part] += _of_pictures(tree)
    # The same words may be said in several places.
    return {
        part: [*{(each.message, each.hint): each for each in them}.values()]
        for part, them in found.items()
        if them
    }


_CAUSES = ("_Cause", "_Refusal")  # rows (error, phrase, hint) for what a database says


def _of_pictures(tree: ast.Module) -> Iterator[Raised]:
    """Why a picture is refused: pairs of a reason and a hint, and calls with both."""
    names = _constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple) and len(node.elts) >= 2:
            reason, hint = (_text(each, names) for each in node.elts[-2:])
            if reason.startswith(("is ", "has ", "needs ")):
                yield Raised("PictureError", f"{{file}}: {reason}", hint)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_RefusedError":
            hints = [_text(each.value, names) for each in node.keywords if each.arg == "hint"]
            reason = _text(node.args[0], names)
            if reason and hints:
                yield Raised("PictureError", f"{{file}}: {reason}", hints[0])


def _calls(tree: ast.AST, names: Mapping[str, str]) -> Iterator[tuple[Any, Mapping[str, str]]]:
    """Calls of a plain name, and the texts of the names that are known there."""
    for node in ast.iter_child_nodes(tree):
        # A text may be given to a local name a line before it is used.
        if isinstance(node, ast.FunctionDef):
            yield from _calls(node, {**names, **_assigned(node)})
            continue
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names = {**names, node.targets[0].id: _text(node.value, names)}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node, names
        yield from _calls(node, names)


@cache
def _properties() -> dict[str, str]:
    """What a property returns, if it is one text."""
    found = defaultdict(set)
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and _is_property(node):
                found[f".{node.name}"].add(_returned(node))
    return {name: next(iter(texts)) for name, texts in found.items() if len(texts) == 1}


def _is_property(node: ast.FunctionDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "property" for each in node.decorator_list)


def _returned(node: ast.FunctionDef) -> str:
    last = node.body[-1]
    return _text(last.value) if isinstance(last, ast.Return) and last.value else ""


def _constants(tree: ast.Module) -> dict[str, str]:
    """Texts that a file assigns to a name once, or imports: they are shown instead of the name."""
    imported: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (file := _file_of(node.module or "")):
            theirs = _own_constants(file)
            imported |= {n.name: theirs[n.name] for n in node.names if n.name in theirs}
    functions = {n.name: _returned(n) for n in tree.body if isinstance(n, ast.FunctionDef)}
    return functions | imported | _assigned(tree)


def _assigned(tree: ast.AST) -> dict[str, str]:
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
        reason = _text(call.args[-1], names)
        said = [f"{{file}}: {reason}"] if reason else []
    hints = [each.value for each in call.keywords if each.arg == "hint"]
    if hints and isinstance(hints[0], ast.Attribute) and hints[0].attr == "hint":
        return None  # another error of this page, with where it came up
    hint = (_text(hints[0], names) or "{…}") if hints else ""
    return Raised(call.func.id, said[-1], hint) if said else None


def _text(node: ast.expr, names: Mapping[str, str] = MappingProxyType({})) -> str:
    """A text with ``{…}`` for what is filled in; "" if the code has no text there."""
    if isinstance(node, ast.IfExp):
        return " / ".join(text for each in (node.body, node.orelse) if (text := _text(each, names)))
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        return names.get(f".{node.attr}", "")
    if isinstance(node, ast.Call):
        called = node.func
        return names.get(called.id, "") if isinstance(called, ast.Name) else ""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_part(each, names) for each in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and _text(node.left, names):
        return _text(node.left, names) + (_text(node.right, names) or "{…}")
    return ""


def _part(node: ast.expr, names: Mapping[str, str]) -> str:
    """A part of a formatted text: a value is shown if it is a text that the code gives a name."""
    if isinstance(node, ast.FormattedValue):
        known = _text(node.value, names) if _is_named_text(node.value) else ""
        return known or _hole(node)
    return _text(node)


def _is_named_text(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id.isupper()) or (
        isinstance(node, ast.Attribute) and node.attr == "again"
    )


# What a placeholder is called whose value comes from a call of this name, or from this attribute.
_CALLED = {
    "len": "number",
    "join": "list",
    "listed": "list",
    "strerror": "reason",
    "_first_line": "reason",
    "__name__": "type",
    "get": "value",
    "repr": "value",
}


def _hole(node: ast.expr) -> str:
    """A placeholder for a value that is filled in: the variable's name, if that tells anything."""
    value = node.value if isinstance(node, ast.FormattedValue) else node
    if isinstance(value, ast.BoolOp):
        value = value.values[0]
    if isinstance(value, ast.Call):
        called = value.func.attr if isinstance(value.func, ast.Attribute) else ""
        called = value.func.id if isinstance(value.func, ast.Name) else called
        return "{" + _CALLED.get(called, "…") + "}"
    if isinstance(value, ast.Attribute):
        return "{" + _CALLED.get(value.attr, value.attr.strip("_").lower()) + "}"
    return "{" + (value.id.strip("_").lower() if isinstance(value, ast.Name) else "…") + "}"


def all_errors() -> str:
    """Every message that a user can get, and its hint."""
    found = raised()
    parts = [
        "# Errors",
        f"All {sum(map(len, found.values()))} errors that samebut raises on purpose, grouped by "
        "the module of `samebut` that raises them. Search this page for a few words of the "
        "message. `{name}`, or `{…}`, stands for a value or a sentence that depends on the case.",
        "The command line prints the message after `samebut:` and the remedy below it, and ends "
        "with status 1. In Python they are `str(error)` and `error.hint` of a "
        "`samebut.errors.SamebutError`. The HTTP API answers with one of the "
        "[problems](#problems-of-the-api).",
    ]
    for part, them in found.items():
        parts += [f"## {part}", _table(("message", "what to do"), [_cells(e) for e in them])]
    problems = [
        (str(kind.status), f"`{code}`", _plain(kind.en), _plain(kind.hint_en) or "{…}")
        for code, kind in KINDS.items()
    ]
    parts += [
        "## Problems of the API",
        _table(("status", "code", "message", "what to do"), problems),
    ]
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
