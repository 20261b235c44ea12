"""Damaged stores, model folders and pictures by the hundred: nothing may crash, hang, or be wrong
in silence.

    python tests/e2e/attacks.py stores --count 200 [--seed 0]
    python tests/e2e/attacks.py models --count 100
    python tests/e2e/attacks.py pictures --count 3000
    python tests/e2e/attacks.py bombs

A *store* is that of a small drawn gallery with a table; one bit of it flips, bytes are lost, a page
becomes zeros or another page, or the file is cut. Then it is searched, filtered, listed, examined
by the doctor and indexed again. Each of these has to give what the whole store gives, or an error
of samebut's own; where it gives anything else, the doctor has to find the damage. A *model folder*
is treated alike. *Pictures* are odd ones of every format with bytes changed; *bombs* are those that
cost most: full of noise at the limit of their format, or made to grow.

Every case runs in a process of its own, which has a time and a memory that it may take. Prints what
came out, by count, and ends with status 1 if anything is not as it has to be.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[1]))
from odd_pictures import BROKEN, make_odd_pictures
from samebut import doctor, images
from samebut.errors import PictureError, SamebutError
from samebut.gallery import Gallery
from samebut.runtime import BUNDLED, Model
from samebut.store_place import STORE_FILE
from samebut.turns import Turn
from test_serve_hostile import CONTENTS

SECONDS = 60.0  # a case may take, on a machine with other work
UPLOAD_PIXELS = 40_000_000  # as `samebut serve` lets in
DEADLINE = 20.0  # of a request, of which a picture is a part
PICTURES_AT_ONCE = 100
WISH = "in blue"
FILTERS = ("colour = 'blue'", "price < 20", "size is not null", "added > '2024-02-01'")


# ------------------------------------------------------------------------------- in a child


def in_child(work: Callable[[], Any]) -> tuple[str, Any]:
    """What ``work`` returns in a process of its own, by how it ended: ``done``, ``traceback``,
    ``crash`` (with the signal) or ``hang``."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_run, args=(work, theirs))
    child.start()
    theirs.close()
    try:
        ended = ours.recv() if ours.poll(SECONDS) else ("hang", f"more than {SECONDS:.0f} s")
    except EOFError:
        ended = None
    if ended and ended[0] == "hang":
        child.kill()
    child.join()
    return ended or ("crash", f"signal or status {child.exitcode}")


def _run(work: Callable[[], Any], to: Connection) -> None:
    try:
        to.send(("done", work()))
    except BaseException:
        to.send(("traceback", traceback.format_exc()))


def told(work: Callable[[], Any]) -> Any:
    """What ``work`` gives; an error of samebut's own in its words."""
    try:
        return work()
    except SamebutError as error:
        return f"error: {type(error).__name__}: {error}"


# ------------------------------------------------------------------------------- damage


def flipped(data: bytearray, dice: random.Random) -> None:
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def zeroed(data: bytearray, dice: random.Random) -> None:
    size = min(len(data), dice.choice((16, 512, 8192)))
    at = dice.randrange(max(1, len(data) // size)) * size
    data[at : at + size] = bytes(len(data[at : at + size]))


def cut(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(len(data)) :]


def swapped(data: bytearray, dice: random.Random) -> None:
    pages = max(2, len(data) // 8192)
    one, other = (8192 * dice.randrange(pages) for _ in "ab")
    data[one : one + 8192], data[other : other + 8192] = (
        data[other : other + 8192],
        data[one : one + 8192],
    )


def noise(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data))
    some = dice.randbytes(dice.choice((4, 64, 1024)))
    data[at : at + len(some)] = some


DAMAGE = {each.__name__: each for each in (flipped, zeroed, cut, swapped, noise)}


def damage(file: Path, kind: str, dice: random.Random) -> None:
    if kind == "missing":
        file.unlink()
        return
    data = bytearray(file.read_bytes())
    DAMAGE[kind](data, dice)
    file.unlink()  # it may be a link to what all cases share
    file.write_bytes(data)


# ------------------------------------------------------------------------------- stores


def drawn_gallery(folder: Path) -> Path:
    """40 pictures and a table of what shops say; indexed, its log folded into the file."""
    photos = folder / "photos"
    photos.mkdir()
    dice = random.Random(1)
    lines = ["file,colour,price,size,added,title"]
    for number in range(40):
        picture = Image.new("RGB", (64, 80), "white")
        colour = dice.choice(("red", "blue", "green", "black"))
        ImageDraw.Draw(picture).ellipse((8, 8, 50, 20 + number), fill=colour)
        picture.save(photos / f"{number:02}.png")
        lines.append(
            f"{number:02}.png,{colour},${number}.90,{number} cm,2024-0{1 + number % 4}-01,"
            f"a {colour} thing no {number}"
        )
    table = folder / "table.csv"
    table.write_text("\n".join([*lines, "late.png,red,$1.00,3 cm,2024-01-01,later"]))
    with Gallery.build(photos, store=folder / "store", metadata=table)[0]:
        pass
    return photos


def looks(photos: Path, store: Path) -> dict[str, Any]:
    """All that is asked of a store, each question alone."""

    def asked(question: Callable[[Gallery], Any]) -> Any:
        def ask() -> Any:
            with Gallery.open(photos, store=store, threads=1) as gallery:
                return question(gallery)

        return told(ask)

    def hits(gallery: Gallery, **more: Any) -> Any:
        found = gallery.search(Turn(None, WISH), 50, **more)
        return [(hit.path, round(hit.score, 3), sorted(hit.metadata.items())) for hit in found.hits]

    return {
        "search": asked(hits),
        **{f"where {w}": asked(lambda g, w=w: hits(g, where=w)) for w in FILTERS},
        "similar": asked(lambda g: [hit.path for hit in g.similar(1, 9).hits]),
        "browse": asked(lambda g: [each.path for each in g.listing(50)[0]]),
        "facets": asked(lambda g: g.index.facets(9)),
        "readings": asked(lambda g: list(map(str, g.index.readings()))),
        "waiting": asked(lambda g: sorted(g.index.table_rows().items())),
    }


def store_case(photos: Path, store: Path) -> dict[str, Any]:
    found = looks(photos, store)
    diagnosis = doctor.examine("gallery", photos, store=store)
    faults = [str(finding) for finding in diagnosis.findings if finding.fault]
    again = told(lambda: Gallery.build(photos, store=store)[0].close() or "indexed")
    return {"looks": found, "faults": faults, "again": again}


def stores(count: int, seed: int, folder: Path) -> Iterator[tuple[str, str, str]]:
    status, photos = in_child(lambda: drawn_gallery(folder))
    assert status == "done", photos
    good = folder / "store" / STORE_FILE
    status, right = in_child(lambda: looks(photos, good))
    assert status == "done" and not any("error" in str(v)[:6] for v in right.values()), right
    place = folder / "damaged" / STORE_FILE
    kinds = [*DAMAGE, "flipped", "flipped", "missing"]
    for number in range(count):
        dice = random.Random(f"{seed} {number}")
        shutil.rmtree(place.parent, ignore_errors=True)
        place.parent.mkdir()
        shutil.copyfile(good, place)
        kind = dice.choice(kinds)
        damage(place, kind, dice)
        status, case = in_child(lambda: store_case(photos, place))
        if status != "done":
            yield kind, status, f"case {number}: {case}"
            continue
        differ = {
            name: (value, right[name])
            for name, value in case["looks"].items()
            if value != right[name] and not str(value).startswith("error: ")
        }
        refused = any(str(value).startswith("error: ") for value in case["looks"].values())
        if differ and not case["faults"]:
            yield kind, "wrong in silence", f"case {number}: {differ}"
        elif differ:
            yield kind, "found by the doctor", ""
        elif refused:
            yield kind, "refused in words", ""
        else:
            yield kind, "all as it was", ""


# ------------------------------------------------------------------------------- models


def model_looks(photos: Path, store: Path, folder: Path) -> dict[str, Any]:
    def search() -> Any:
        with Gallery.open(photos, store=store, model=folder, threads=1) as gallery:
            query = [Turn(photos / "03.png"), Turn(None, WISH)]
            found = gallery.search(query, 20)
            return [(hit.path, round(hit.score, 3)) for hit in found.hits], found.confidence

    diagnosis = doctor.examine("model", folder)
    faults = [str(finding) for finding in diagnosis.findings if finding.fault]
    return {"search": told(search), "load": told(lambda: str(Model.load(folder))), "faults": faults}


def linked_copy(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    for file in folder.iterdir():
        os.link(file, to / file.name)
    return to


def model_folders(count: int, seed: int, folder: Path) -> Iterator[tuple[str, str, str]]:
    status, photos = in_child(lambda: drawn_gallery(folder))
    assert status == "done", photos
    store = folder / "store"
    whole = folder / "whole"
    shutil.copytree(BUNDLED, whole)
    right = in_child(lambda: model_looks(photos, store, whole))[1]
    files = sorted(file.name for file in whole.iterdir() if file.suffix in (".json", ".onnx"))
    for number in range(count):
        dice = random.Random(f"{seed} {number}")
        damaged = linked_copy(whole, folder / "damaged")
        # Most damage where most is decided: the two descriptions.
        name = dice.choice([*files, *["model.json", "confidence.json"] * 3])
        kind = f"{dice.choice([*DAMAGE, 'missing'])} {name}"
        damage(damaged / name, kind.split()[0], dice)
        status, case = in_child(lambda at=damaged: model_looks(photos, store, at))
        if status != "done":
            yield name, status, f"case {number}, {kind}: {case}"
        elif str(case["search"]).startswith("error: "):
            yield name, "refused in words", ""
        elif case["search"] == right["search"]:
            yield name, "all as it was", ""
        elif case["search"][0] == right["search"][0]:
            none = case["search"][1] is None
            yield name, "without a confidence" if none else "wrong in silence", kind
        else:
            yield name, "found by the doctor" if case["faults"] else "wrong in silence", kind


# ------------------------------------------------------------------------------- pictures


def opened(data: bytes) -> tuple[str, float, float]:
    """What became of a picture, the processor's seconds, and the most memory so far, in MB."""
    before = time.process_time()
    try:
        images.open_picture(data, shorter_side=184, max_pixels=UPLOAD_PIXELS)
        images.picture_size(data)
        became = "opened"
    except PictureError:
        became = "refused"
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return became, time.process_time() - before, most


def mutated(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 8))):
        # Half of it in the header, where sizes and offsets stand.
        if changed:
            dice.choice((flipped, noise, zeroed, cut, flipped_head))(changed, dice)
    return bytes(changed)


def flipped_head(data: bytearray, dice: random.Random) -> None:
    data[dice.randrange(min(len(data), 200))] = dice.randrange(256)


def seeds(folder: Path) -> list[bytes]:
    folder.mkdir()
    odd = make_odd_pictures(folder)
    return [
        each.path.read_bytes()
        for each in odd.values()
        if not each.folder and not each.unprivileged and each.path.is_file()
    ]


def pictures(count: int, seed: int, folder: Path) -> Iterator[tuple[str, str, str]]:
    every = seeds(folder / "odd")
    for start in range(0, count, PICTURES_AT_ONCE):
        numbers = range(start, min(count, start + PICTURES_AT_ONCE))
        yield from measured(
            {
                f"mutant {n}": mutated(dice.choice(every), dice)
                for n in numbers
                for dice in [random.Random(f"{seed} {n}")]
            }
        )


def measured(batch: dict[str, bytes]) -> Iterator[tuple[str, str, str]]:
    status, found = in_child(lambda: {name: opened(data) for name, data in batch.items()})
    if status != "done":
        if len(batch) == 1:
            yield "picture", status, f"{next(iter(batch))}: {found}"
            return
        for name, data in batch.items():  # which of them was it?
            yield from measured({name: data})
        return
    for name, (became, seconds, most) in found.items():
        if name in COSTLY:
            print(
                f"{name}: {len(batch[name]) / 1e6:.0f} MB, {seconds:.1f} s, {most:.0f} MB of memory"
            )
        MOST["seconds of the processor"] = max(MOST["seconds of the processor"], seconds)
        MOST["MB of a process"] = max(MOST["MB of a process"], most)
        late = seconds > DEADLINE
        yield "picture", "too slow" if late else became, f"{name}: {seconds:.1f} s" if late else ""


def grain(megapixels: float, mode: str = "RGB") -> Image.Image:
    side = int((megapixels * 1e6) ** 0.5)
    shape = (side, side, len(mode)) if len(mode) > 1 else (side, side)
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8), mode)


def as_bytes(picture: Image.Image, kind: str, **how: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **how)
    return buffer.getvalue()


# At the limit of 40 million pixels, of which a format gets the fewer the more its decoder takes.
COSTLY: dict[str, Callable[[], bytes]] = {
    "WebP, lossy": lambda: as_bytes(grain(9.9), "WEBP", quality=100, method=0),
    "WebP, lossy, transparent": lambda: as_bytes(grain(9.9, "RGBA"), "WEBP", quality=100, method=0),
    "WebP, lossless": lambda: as_bytes(grain(9.9), "WEBP", lossless=True, quality=0, method=0),
    "AVIF": lambda: as_bytes(grain(15.9), "AVIF", quality=90, speed=10),
    "AVIF, 4:4:4": lambda: as_bytes(
        grain(15.9), "AVIF", quality=100, subsampling="4:4:4", speed=10
    ),
    **{
        f"TIFF, {how}": lambda how=how: as_bytes(grain(26), "TIFF", compression=how)  # type: ignore[misc]
        for how in ("raw", "tiff_lzw", "packbits", "jpeg", "zstd")
    },
    "TIFF, fax": lambda: as_bytes(grain(26, "L").convert("1"), "TIFF", compression="group4"),
    "PNG": lambda: as_bytes(grain(39.9), "PNG", compress_level=1),
    "JPEG": lambda: as_bytes(grain(39.9), "JPEG", quality=95),
    "JPEG, progressive": lambda: as_bytes(grain(20), "JPEG", quality=95, progressive=True),
    "GIF": lambda: as_bytes(grain(39.9, "L"), "GIF"),
}


def bombs(count: int, seed: int, folder: Path) -> Iterator[tuple[str, str, str]]:
    every = {f"odd {n}": data for n, data in enumerate(seeds(folder / "odd"))}
    every |= {name: make() for name, (make, _) in BROKEN.items()}
    every |= {name: make() for name, make in CONTENTS.items()}
    every |= {f"half of {name}": data[: len(data) // 2] for name, data in every.items()}
    yield from measured(every)
    for name, make in COSTLY.items():
        status, data = in_child(make)
        assert status == "done", data
        yield from measured({name: data})


MOST = {"seconds of the processor": 0.0, "MB of a process": 0.0}
SHOWS = {"stores": stores, "models": model_folders, "pictures": pictures, "bombs": bombs}
WRONG = {"crash", "hang", "traceback", "wrong in silence", "too slow"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("show", choices=SHOWS)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    table: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, became, details in SHOWS[given.show](given.count, given.seed, Path(folder)):
            table.setdefault(kind, Counter())[became] += 1
            if became in WRONG:
                print(f"{became}: {kind}: {details}", flush=True)
    for kind, counts in sorted(table.items()):
        print(f"{kind}: {json.dumps(dict(counts.most_common()))}")
    if any(MOST.values()):
        print("most: " + ", ".join(f"{value:,.1f} {name}" for name, value in MOST.items()))
    every = sum(table.values(), Counter())
    print(f"{every.total():,} cases: " + ", ".join(f"{n:,} {b}" for b, n in every.most_common()))
    sys.exit(any(every[became] for became in WRONG))


if __name__ == "__main__":
    main()
