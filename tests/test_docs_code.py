"""The code in the documentation works: commands have the options they are shown with, Python runs,
and the tutorial does what it says. A block is left out where a comment above it says why."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from samebut import Gallery
from samebut.cli import app
from serving import RED, drawn

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md"), *ROOT.glob("examples/*.md")])
GENERATED = {"commands.md", "errors.md"}
FENCED = re.compile(
    r"(?P<skip><!-- not run: [^\n]+ -->\s*\n)?^```(?P<kind>\w*)\n(?P<code>.*?)^```", re.M | re.S
)
INDENTED = re.compile(r"^    (.+)$", re.M)
INLINE = re.compile(r"`(samebut [^`]+)`")


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, kind: str) -> list[str]:
    """The blocks of a page that are run."""
    text = path.read_text(encoding="utf-8")
    return [m["code"] for m in FENCED.finditer(text) if m["kind"] == kind and not m["skip"]]


def command_lines(text: str) -> Iterator[list[str]]:
    """Each `samebut COMMAND ...` of a page, in words."""
    fenced = [m["code"] for m in FENCED.finditer(text) if m["kind"] == "sh"]
    code = "\n".join([*fenced, *INDENTED.findall(FENCED.sub("", text))])
    lines = [*code.replace("\\\n", " ").splitlines(), *INLINE.findall(text)]
    for line in lines:
        for part in re.split(r"&&|\|\||[;|]", line):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:  # prose with an apostrophe, in an indented paragraph
                continue
            if "samebut" in words:
                yield words[words.index("samebut") + 1 :]


def parsers() -> dict[str, Any]:
    root: Any = typer.main.get_command(app)
    return dict(root.commands)


@pytest.mark.parametrize(
    "page", [path for path in PAGES if path.name not in GENERATED], ids=page_id
)
def test_every_command_of_a_page_has_its_options(page: Path) -> None:
    known = parsers()
    for words in command_lines(page.read_text(encoding="utf-8")):
        if not words or not re.fullmatch("[a-z-]+", words[0]):
            continue
        if words[0].startswith("-"):
            assert words[0] in ("--help", "--version", "--install-completion"), words
            continue
        if words[0] not in known:
            pytest.fail(f"no command is called {words[0]}: samebut {' '.join(words)}")
        command, rest = known[words[0]], words[1:]
        if hasattr(command, "commands") and rest and rest[0] in command.commands:
            command = command.commands[rest[0]]
        for word in rest:
            if re.match(r"--?[a-z]", word) and not _takes(command, word):
                pytest.fail(f"samebut {words[0]} has no option {word}: {' '.join(words)}")


def _takes(command: Any, word: str) -> bool:
    name = word.partition("=")[0].rstrip(",.)")
    options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
    inner = getattr(command, "commands", {})
    return name in options or any(_takes(each, word) for each in inner.values())


def test_a_wrong_option_and_a_wrong_command_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for text in ("    samebut index PHOTOS --nonsense", "`samebut find PHOTOS`"):
        page.write_text(text)
        with pytest.raises(pytest.fail.Exception, match=r"no option|no command"):
            test_every_command_of_a_page_has_its_options(page)


SITE = sorted((ROOT / "docs").glob("**/*.md"))


@pytest.mark.parametrize("page", SITE, ids=page_id)
def test_a_page_of_the_site_links_to_nothing_outside_the_site(page: Path) -> None:
    """The site's build does not notice: the repository has such a file, the site has not."""
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).resolve().is_relative_to(ROOT / "docs"), target


@pytest.fixture
def in_a_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with an indexed ``photos`` and a ``shirt.jpg``, as the pages have them."""
    drawn(tmp_path / "photos", "round", "square")
    (tmp_path / "shirt.jpg").write_bytes(RED)
    monkeypatch.chdir(tmp_path)


PYTHON = [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "docs" / "python.md"]


@pytest.mark.usefixtures("in_a_shop")
@pytest.mark.parametrize("page", PYTHON, ids=page_id)
def test_the_python_of_a_page_runs(
    page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = blocks(page, "python")
    assert code
    for number, block in enumerate(code):
        file = tmp_path / f"block{number}.py"
        file.write_text(block, encoding="utf-8")
        runpy.run_path(str(file))
    with Gallery.open("photos") as gallery:
        assert gallery.index.listing(1)
    assert "round.png" in capsys.readouterr().out


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    """Its commands, one after another, on fewer pictures."""
    script = "\n".join(blocks(ROOT / "docs" / "tutorial.md", "sh"))
    assert "samebut eval" in script and "samebut train" not in script
    script = script.replace("--count 400", "--count 60")
    (tmp_path / "samebut").write_text(f'#!/bin/sh\nexec {sys.executable} -m samebut "$@"\n')
    (tmp_path / "samebut").chmod(0o755)
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euxc", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "runs" / "before" / "composed" / "metrics.json").is_file()
