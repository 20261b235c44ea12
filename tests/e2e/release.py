"""Is what `make dist` made fit to be published?

    make dist
    python tests/e2e/release.py dist --python python3.11 --python python3.12 --python python3.13

Looks into the wheel and the source archive, builds both a second time in a clone and compares the
digests, and installs the wheel into a new environment of each Python, where `samebut demo` has to
answer. With `uv` and `pipx` at hand, both run it from the wheel as well. Says what it found, and
ends with status 1 if anything is wrong. Needs `build` and `twine`, and the package index.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LARGEST = 45_000_000  # bytes of one file, as a package index takes it without being asked
NEVER = ("tests/", "benchmarks/", "runs/", "examples/", ".sqlite", "__pycache__", ".venv")
NEEDED = (
    "samebut/py.typed",
    "samebut/bundled/model.json",
    "samebut/bundled/image.fp32.onnx",
    "samebut/demo_gallery/catalog.csv",
    "samebut/serve/static/js/page.js",
)
PICTURES = (".webp", ".jpg", ".jpeg", ".png")
DRAWN = ("samebut/demo_gallery/", "samebut/serve/static/")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("dist", type=Path)
    parser.add_argument("--python", action="append", default=[], help="repeat it")
    asked = parser.parse_args()
    faults = list(_faults(asked.dist.resolve(), asked.python or [sys.executable]))
    for fault in faults:
        print(f"WRONG  {fault}")
    print("fit to be published" if not faults else f"{len(faults)} faults")
    sys.exit(bool(faults))


def _faults(dist: Path, pythons: list[str]) -> Iterator[str]:
    wheels, archives = sorted(dist.glob("*.whl")), sorted(dist.glob("*.tar.gz"))
    if len(wheels) != 1 or len(archives) != 1:
        yield f"{dist} holds {len(wheels)} wheels and {len(archives)} archives, not one of each"
        return
    for file, names in ((wheels[0], _in_wheel(wheels[0])), (archives[0], _in_archive(archives[0]))):
        print(f"{file.name}  {file.stat().st_size / 1e6:.1f} MB  {len(names)} files")
        yield from _contents(file, names)
    yield from _built_again(dist, [wheels[0].name, archives[0].name])
    if _run(sys.executable, "-m", "twine", "check", "--strict", wheels[0], archives[0]):
        yield "twine refuses it"
    for python in pythons:
        yield from _installed(python, wheels[0])
    yield from _by_runners(wheels[0])


def _in_wheel(file: Path) -> list[str]:
    with zipfile.ZipFile(file) as wheel:
        return wheel.namelist()


def _in_archive(file: Path) -> list[str]:
    """Names below the folder that the archive holds."""
    with tarfile.open(file) as archive:
        return [name.partition("/")[2].removeprefix("src/") for name in archive.getnames()]


def _contents(file: Path, names: list[str]) -> Iterator[str]:
    if file.stat().st_size > LARGEST:
        yield f"{file.name} is larger than {LARGEST / 1e6:.0f} MB"
    yield from (f"{file.name} lacks {name}" for name in NEEDED if name not in names)
    for name in names:
        if any(part in name for part in NEVER):
            yield f"{file.name} holds {name}"
        if name.endswith(PICTURES) and not name.startswith(DRAWN):
            yield f"{file.name} holds a picture: {name}"


def _built_again(dist: Path, names: list[str]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as place:
        clone = Path(place) / "clone"
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        subprocess.run(
            [sys.executable, "-m", "build", "--outdir", clone / "dist", clone],
            check=True,
            capture_output=True,
            env={
                **os.environ,
                "SOURCE_DATE_EPOCH": committed(clone),
                "PIP_CONSTRAINT": str(clone / "constraints.txt"),
            },
        )
        for name in names:
            first, second = _digest(dist / name), _digest(clone / "dist" / name)
            print(f"sha256 {first}  {name}")
            if first != second:
                yield f"a build of the last commit gives another {name}: {second}"


def committed(checkout: Path) -> str:
    """When the last commit was made, in seconds: the time that the archives' files bear."""
    done = subprocess.run(
        ["git", "-C", checkout, "log", "-1", "--format=%ct"],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else "missing"


def _installed(python: str, wheel: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as place:
        started = time.monotonic()
        if _run(python, "-m", "venv", f"{place}/env"):
            yield f"{python} makes no environment"
            return
        inside = f"{place}/env/bin/python"
        if _run(inside, "-m", "pip", "install", "-q", wheel, cwd=place):
            yield f"{python}: can't be installed"
            return
        seconds, size = time.monotonic() - started, _size(Path(place) / "env")
        print(f"{python}: installed in {seconds:.0f} s, {size / 1e6:.0f} MB with what it needs")
        for command in (["pip", "check"], ["samebut", "demo", "--out", f"{place}/demo"]):
            if _run(inside, "-m", *command, cwd=place):
                yield f"{python}: `{' '.join(command)}` fails"


def _by_runners(wheel: Path) -> Iterator[str]:
    runners = {
        "uvx": ["--from", wheel, "samebut"],
        "pipx": ["run", "--spec", wheel, "samebut"],
    }
    for runner, arguments in runners.items():
        if shutil.which(runner) is None:
            print(f"{runner} is not there, and was not tried")
            continue
        with tempfile.TemporaryDirectory() as place:
            if _run(runner, *arguments, "demo", "--out", f"{place}/demo", cwd=place):
                yield f"{runner} does not run the demo"
            else:
                print(f"{runner} runs the demo")


def _size(folder: Path) -> int:
    return sum(each.lstat().st_size for each in folder.rglob("*") if not each.is_dir())


def _run(*command: object, cwd: str | None = None) -> int:
    """The status; what the command said is shown if it failed. Nothing of this checkout, nor of
    the caller's environment, is imported."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(each) for each in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=clean,
    )
    if done.returncode:
        print(done.stdout[-2000:] + done.stderr[-2000:], file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    main()
