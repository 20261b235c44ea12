"""Which small faults of a module do its own tests not notice?

    python tests/mutations.py src/samebut/index src/samebut/metrics.py --sample 40 --seed 1

Each mutant is the module with one fault put in: a comparison or an operator swapped, ``and`` for
``or``, a constant off by one, a ``not`` dropped, nothing returned, a statement or a clamp removed.
The module's tests run on it in a copy of the repository; a mutant that they pass *survives*. A
survivor is either a behaviour that no test checks, or a fault that changes no behaviour: which of
the two has to be judged by hand.

A module's tests are found by name: ``samebut/index/where.py`` has ``tests/test_index_where.py``,
``samebut/learning/losses.py`` has ``tests/learning/test_losses.py``. A module without a test file
of its own has that of its package (``tests/learning/test_fusion.py``), or all
``tests/test_index_*.py``.
``--tests MODULE=FILE,FILE`` says otherwise.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("src/samebut")

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
CLAMPS = frozenset({"min", "max", "minimum", "maximum", "clip", "clamp", "clamp_min", "clamp_max"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """``module`` with the bytes from ``start`` to ``end`` replaced."""

    module: Path
    line: int
    start: int
    end: int
    before: str
    after: str

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.end :]

    def __str__(self) -> str:
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{self.module}:{self.line}: {before}  ->  {after}"


def mutants_of(module: Path, source: bytes) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in _code(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        before = source[start:end].decode()
        found += [Mutant(module, node.lineno, start, end, before, after) for after in _faults(node)]
    return sorted(set(found), key=lambda each: (each.start, each.end, each.after))


def _code(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """What runs: not annotations, decorators, docstrings, or the text of messages."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
                continue
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield child
            yield from _code(child)


def _faults(node: ast.expr | ast.stmt) -> Iterator[str]:
    for make in _MAKERS.get(type(node), ()):
        for changed in make(node):
            text = ast.unparse(changed)
            yield f"({text})" if isinstance(changed, ast.expr) else text


def _swapped(node: ast.AST, field: str) -> Iterator[ast.AST]:
    kind = SWAPPED.get(type(getattr(node, field)))
    if kind:
        changed = deepcopy(node)
        setattr(changed, field, kind())
        yield changed


def _comparison(node: ast.Compare) -> Iterator[ast.AST]:
    for place, operator in enumerate(node.ops):
        if kind := SWAPPED.get(type(operator)):
            changed = deepcopy(node)
            changed.ops[place] = kind()  # type: ignore[call-overload]
            yield changed


def _dropped(node: ast.UnaryOp) -> Iterator[ast.AST]:
    yield node.operand


def _off_by_one(node: ast.Constant) -> Iterator[ast.AST]:
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)


def _clamp(node: ast.Call) -> Iterator[ast.AST]:
    """A clamp gone: ``max(a, b)`` is ``a`` or ``b``, ``x.clip(a)`` is ``x``."""
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in CLAMPS:
        return
    yield from node.args[: 1 if name in ("clip", "clamp") else 2] if len(node.args) > 1 else ()
    if isinstance(function, ast.Attribute) and len(node.args) == 1:
        yield function.value


def _nothing_returned(node: ast.Return) -> Iterator[ast.AST]:
    if node.value is not None and ast.unparse(node.value) != "None":
        yield ast.Return(ast.Constant(None))


def _removed(node: ast.stmt) -> Iterator[ast.AST]:
    yield ast.Pass()


def _call_removed(node: ast.Expr) -> Iterator[ast.AST]:
    if not isinstance(node.value, ast.Constant | ast.Yield | ast.YieldFrom):
        yield ast.Pass()


def _store_removed(node: ast.Assign) -> Iterator[ast.AST]:
    """Only into something that is there already: a name that is not bound would be noticed."""
    if all(isinstance(target, ast.Subscript | ast.Attribute) for target in node.targets):
        yield ast.Pass()


_MAKERS: dict[type[ast.AST], tuple[Callable[..., Iterator[ast.AST]], ...]] = {
    ast.Compare: (_comparison,),
    ast.BinOp: (partial(_swapped, field="op"),),
    ast.BoolOp: (partial(_swapped, field="op"),),
    ast.UnaryOp: (_dropped,),
    ast.Constant: (_off_by_one,),
    ast.Call: (_clamp,),
    ast.Return: (_nothing_returned,),
    ast.Raise: (_removed,),
    ast.AugAssign: (_removed, partial(_swapped, field="op")),
    ast.Delete: (_removed,),
    ast.Expr: (_call_removed,),
    ast.Assign: (_store_removed,),
}


def tests_of(module: Path, root: Path = ROOT) -> list[str]:
    """The test files of a module: its own, else its package's, else all of the room's."""
    parts = module.relative_to(PACKAGE).with_suffix("").parts
    for end in range(len(parts), 0, -1):
        if own := _own_tests(parts[:end], root):
            return own
    shared = [*root.glob(f"tests/test_{parts[0]}_*.py"), *root.glob(f"tests/{parts[0]}/test_*.py")]
    return sorted(str(path.relative_to(root)) for path in shared)


def _own_tests(parts: Sequence[str], root: Path) -> list[str]:
    tests = Path("tests")
    own = {
        tests.joinpath(*parts[:depth], f"test_{'_'.join(parts[depth:])}.py")
        for depth in range(len(parts))
    }
    own.add(tests.joinpath(*parts[:-1][:1], f"test_{parts[-1]}.py"))
    return sorted(str(path) for path in own if (root / path).is_file())


@dataclass(frozen=True, slots=True)
class Tree:
    """A copy of the repository, in which one mutant at a time is tried."""

    root: Path

    @classmethod
    def copied(cls, root: Path) -> Tree:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        return cls(root)

    def passes(self, tests: Sequence[str], seconds: float) -> bool:
        """Whether the tests pass. A mutant may loop for ever: that is a failure, too."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        environment = os.environ | {
            "PYTHONPATH": str(self.root / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",  # two mutants may be of one second and one size
        }
        try:
            done = subprocess.run(
                command, cwd=self.root, env=environment, capture_output=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            return False
        finally:
            # Failures of one mutant must not be tried first on the next.
            shutil.rmtree(self.root / ".hypothesis", ignore_errors=True)
        return done.returncode == 0

    def survives(self, mutant: Mutant, tests: Sequence[str], seconds: float) -> bool:
        file = self.root / mutant.module
        source = file.read_bytes()
        try:
            file.write_bytes(mutant.applied(source))
            return self.passes(tests, seconds)
        finally:
            file.write_bytes(source)


def survivors(
    mutants: Sequence[Mutant], tests: Mapping[Path, Sequence[str]], jobs: int, limit: float
) -> list[Mutant]:
    """Try the mutants, some at a time, each in a tree of its own."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as threads:
        trees: Queue[Tree] = Queue()
        for job in range(jobs):
            trees.put(Tree.copied(Path(folder, str(job))))
        allowed = _time_allowed(trees, set(map(tuple, tests.values())), limit)

        def tried(mutant: Mutant) -> bool:
            tree = trees.get()
            try:
                chosen = tuple(tests[mutant.module])
                survived = tree.survives(mutant, chosen, allowed[chosen])
            finally:
                trees.put(tree)
            print("survived" if survived else "killed  ", mutant, file=sys.stderr, flush=True)
            return survived

        return [
            each for each, left in zip(mutants, threads.map(tried, mutants), strict=True) if left
        ]


def _time_allowed(
    trees: Queue[Tree], sets: set[tuple[str, ...]], limit: float
) -> dict[tuple[str, ...], float]:
    """Several times as long as the tests take on the module as it is, which they must pass."""
    tree = trees.get()
    allowed = {}
    for tests in sorted(sets):
        started = time.monotonic()
        if not tree.passes(tests, limit):
            raise SystemExit(f"these tests fail before anything is changed: {' '.join(tests)}")
        allowed[tests] = min(limit, 10 + 4 * (time.monotonic() - started))
    trees.put(tree)
    return allowed


def table(tried: Sequence[Mutant], left: Sequence[Mutant]) -> str:
    """Counts by module, then every survivor."""
    every, survived = (Counter(str(each.module) for each in group) for group in (tried, left))
    width = max(map(len, every), default=5)
    rows = [f"{'module':{width}}  mutants  killed  survived"]
    for module, count in [*sorted(every.items()), ("all", len(tried))]:
        lost = len(left) if module == "all" else survived[module]
        rows.append(f"{module:{width}}  {count:7}  {count - lost:6}  {lost:8}")
    return "\n".join([*rows, "", *map(str, left)])


def _modules(given: Sequence[Path]) -> list[Path]:
    every = [path for each in given for path in ([each] if each.suffix else each.rglob("*.py"))]
    return sorted({path.resolve().relative_to(ROOT) for path in every})


def _chosen(overrides: Sequence[str]) -> dict[Path, list[str]]:
    pairs = (text.partition("=") for text in overrides)
    return {Path(module): tests.split(",") for module, _, tests in pairs}


def main() -> None:
    said = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    said.add_argument("modules", nargs="+", type=Path, help="files or folders below src/samebut")
    said.add_argument("--sample", type=int, help="how many mutants to try (default: all)")
    said.add_argument("--seed", type=int, default=0, help="which of them")
    said.add_argument("--tests", action="append", default=[], metavar="MODULE=FILE,FILE")
    said.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    said.add_argument("--limit", type=float, default=300, help="seconds for one mutant, at most")
    options = said.parse_args()
    modules = _modules(options.modules)
    tests = {each: tests_of(each) for each in modules} | _chosen(options.tests)
    without = [str(each) for each in modules if not tests[each]]
    if without:
        raise SystemExit(f"no tests found for {', '.join(without)}: name them with --tests")
    mutants = [each for path in modules for each in mutants_of(path, (ROOT / path).read_bytes())]
    if options.sample is not None and options.sample < len(mutants):
        places = random.Random(options.seed).sample(range(len(mutants)), options.sample)
        mutants = [mutants[place] for place in sorted(places)]
    print(table(mutants, survivors(mutants, tests, options.jobs, options.limit)))


if __name__ == "__main__":
    main()
