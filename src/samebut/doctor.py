"""What is there, what is missing, what is broken: data sets, galleries, model folders.

Every file that is reported as good was opened: "74,381 of 74,381" means that each of these pictures
was decoded completely.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from samebut.data import triplets
from samebut.data.folders import Folder
from samebut.data.readers import READERS, Reader
from samebut.errors import DataError, SamebutError, StoreError, StoreMissing
from samebut.index import Acceleration, Address
from samebut.loader import PictureFile, Progress, Unusable, load_pictures, silent
from samebut.printable import shown

GALLERY, MODEL = OTHERS = ("gallery", "model")
"""What can be examined besides the data sets that have a reader."""

NAMED = 5  # examples in a line
DECODED_SIDE = 64  # a JPEG is read to its end even if it is decoded to a small size


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report. ``names`` are all it is about; the line shows the first.

    A tick is for what was seen and is as it should be; ``remark`` is neither that nor a fault.
    """

    text: str
    names: tuple[str, ...] = ()
    fault: bool = False
    remark: bool = False

    def __str__(self) -> str:
        some = ", ".join(self.names[:NAMED]) + (", …" if len(self.names) > NAMED else "")
        mark = "✗" if self.fault else "·" if self.remark else "✓"
        return shown(f"{mark} {self.text}{f': {some}' if some else ''}")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Findings about one thing. ``sources`` say where it comes from, if anything is missing."""

    title: str
    findings: tuple[Finding, ...]
    sources: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        return not any(finding.fault for finding in self.findings)

    def __str__(self) -> str:
        lines = [self.title, *map(str, self.findings)]
        if not self.healthy:
            lines += self.sources
        return "\n".join(lines)


def examine(
    kind: str, root: Path, *, store: str | Path | None = None, progress: Progress = silent
) -> Diagnosis:
    """Examine ``root`` as a ``kind``: a reader's name, "gallery" or "model". Only an unknown kind
    raises DataError: whatever is wrong with the folder is a finding. ``store`` is where the index
    of a gallery is kept, if not in ``root``."""
    if kind == GALLERY:
        return _examine_gallery(Path(root), store, progress)
    if store is not None:
        raise DataError(f"--store is given, and a {kind} has no store", hint="Leave out --store.")
    if kind in READERS:
        return _examine_data(kind, Path(root), progress)
    if kind == MODEL:
        return _examine_model(Path(root))
    known = ", ".join((*READERS, *OTHERS))
    raise DataError(f"doctor can't check a {kind!r}", hint=f"Known: {known}.")


def _examine_data(name: str, root: Path, progress: Progress) -> Diagnosis:
    reader = READERS[name]
    if reader.all_pictures is None:
        return _examine_triplets(name, root, progress)
    title = f"{name} in {root}"
    try:
        folder = Folder.open(root)
    except DataError as error:
        return Diagnosis(title, (_fault(error),), reader.sources)
    findings = [_annotations(reader, root, split) for split in reader.splits]
    try:
        pictures = reader.all_pictures(root)
    except DataError as error:
        told = [] if any(finding.fault for finding in findings) else [_fault(error)]
        return Diagnosis(title, (*findings, *told), reader.sources)
    findings += _named(reader, len(pictures))
    findings += _pictures(pictures, progress)
    again = [stem for stem in map(_stem, pictures) if len(folder.copies_of(stem)) > 1]
    if again:
        findings.append(
            Finding(
                f"{len(again):,} pictures lie in more than one file, the shallowest is used",
                tuple(again),
                remark=True,
            )
        )
    if folder.archives and None in pictures.values():
        names = tuple(path.name for path in folder.archives)
        findings.append(Finding("archives lie there, perhaps not unpacked to the end", names, True))
    return Diagnosis(title, tuple(findings), reader.sources)


def _examine_triplets(name: str, root: Path, progress: Progress) -> Diagnosis:
    """A folder of the layout of ``triplets``, which what is drawn has as well."""
    title = f"{name} in {root}"
    splits = triplets.splits(root) if root.is_dir() else []
    if not splits:
        return Diagnosis(title, (Finding("holds no SPLIT.jsonl", fault=True),), (triplets.LAYOUT,))
    findings = [_annotations(READERS["triplets"], root, split) for split in splits]
    pictures: dict[str, Path] = {}
    for split in splits:
        try:
            pictures |= triplets.read(root, split).images
        except DataError:
            continue  # reported above
    found = {name: path if path.is_file() else None for name, path in pictures.items()}
    findings += _pictures(found, progress)
    return Diagnosis(title, tuple(findings), (triplets.LAYOUT,))


def _examine_gallery(root: Path, store: str | Path | None, progress: Progress) -> Diagnosis:
    from samebut.scan import scan
    from samebut.store_place import store_address

    title = f"gallery in {root}"
    if not root.is_dir():
        return Diagnosis(title, (Finding("is not a folder", fault=True),))
    try:
        found = scan(root)
    except SamebutError as error:
        return Diagnosis(title, (_fault(error),))
    sources = found.pictures
    findings = _pictures({source.path: root / source.path for source in sources}, progress)
    findings += [Finding(f"{path}: {why}", fault=True) for path, why in found.unreadable.items()]
    findings += [Finding(sentence, remark=True) for sentence in found.passed_over()]
    try:
        address = store_address(root, store)
    except StoreError as error:
        return Diagnosis(title, (*findings, _fault(error)))
    try:
        findings += _store(address, {s.path: (s.size, s.mtime_ns) for s in sources})
    except StoreMissing:
        elsewhere = "" if store else ", or its index is kept elsewhere: --store"
        findings.append(
            Finding(
                f"is not indexed yet: there is no {address}{elsewhere}",
                fault=store is not None,
                remark=True,
            )
        )
    return Diagnosis(title, tuple(findings))


def _store(address: Address, files: Mapping[str, tuple[int, int]]) -> list[Finding]:
    from samebut.runtime import Model

    try:
        with closing(address.open()) as index:
            known = {path: (state.size, state.mtime_ns) for path, state in index.files().items()}
            skipped = {each.path for each in index.skipped()}
            inconsistent = index.inconsistencies()
            damaged, misdescribed = index.damaged(), index.damaged_metadata()
            made = index.acceleration()
            model = Model.load(index.model)
            same = model.fingerprint == index.fingerprint
    except StoreMissing:
        raise
    except SamebutError as error:
        return [_fault(error)]
    new = sorted(files.keys() - known.keys() - skipped)
    changed = sorted(path for path in files.keys() & known.keys() if files[path] != known[path])
    gone = sorted(known.keys() - files.keys())
    findings = [
        Finding(f"{len(known):,} pictures are indexed, by {model.name}"),
        *_if_any(new, "are not indexed yet", fault=False),
        *_if_any(changed, "changed since they were indexed", fault=False),
        *_if_any(gone, "are indexed and gone from the folder", fault=False),
        *_if_any(
            damaged,
            f"have a damaged row in {address}; {address.discard} and index again, your pictures "
            "are not touched",
        ),
    ]
    findings += _acceleration(made)
    if inconsistent:
        findings.append(
            Finding(
                f"{address} contradicts itself ({inconsistent[0]}); {address.discard} and index "
                "again, your pictures are not touched",
                fault=True,
            )
        )
    findings += _if_any(
        misdescribed,
        f"have damaged metadata in {address}; {address.discard} and index again, with their table",
    )
    if not same:
        findings.append(Finding("was indexed by another model than its name means now", fault=True))
    return findings


def _acceleration(made: Acceleration | None) -> list[Finding]:
    if made is None:
        return []
    if made.fault:
        said = "searches compare all pictures until it is made anew: samebut index"
        return [Finding(f"{made.fault}; {said}", fault=True)]
    later = f", {made.changed:,} changed since" if made.changed else ""
    found = f"which finds {made.recall:.1%} of the nearest"
    return [Finding(f"searches look into clusters of {made.pictures:,} pictures, {found}{later}")]


def _examine_model(root: Path) -> Diagnosis:
    from samebut.runtime import Model

    title = f"model in {root}"
    try:
        model = Model.load(str(root))
        side = model.preprocess.size
        image = model.encode_images(np.zeros((2, 3, side, side), np.float32))
        text = model.encode_texts(["red", "with long sleeves"])
        made = {
            "pictures": model.embed(image),
            "texts": model.embed(text),
            "composed queries": model.compose(image, text).embedding,
        }
    except SamebutError as error:
        return Diagnosis(title, (_fault(error),))
    except Exception as error:  # onnxruntime raises its own tree for graphs that do not fit
        return Diagnosis(title, (Finding(f"its graphs don't run: {error}", fault=True),))
    findings = [Finding(f"{model.name}, dimension {model.dim}, fingerprint {model.fingerprint}")]
    for what, rows in made.items():
        lengths = np.linalg.norm(rows, axis=1)
        good = rows.shape == (2, model.dim) and np.allclose(lengths, 1, atol=1e-3)
        findings.append(
            Finding(
                f"embeds {what}"
                if good
                else f"embeds {what} badly, shape {rows.shape}, "
                f"lengths {lengths.round(3).tolist()}",
                fault=not good,
            )
        )
    return Diagnosis(title, tuple(findings))


def _annotations(reader: Reader, root: Path, split: str) -> Finding:
    try:
        benchmark = reader.read(root, split)
    except DataError as error:
        return Finding(f"annotations of {split}: {_said(error)}", fault=True)
    return Finding(
        f"annotations of {split}: {len(benchmark.queries):,} queries, "
        f"{len(benchmark.images):,} pictures"
    )


def _named(reader: Reader, count: int) -> list[Finding]:
    if reader.pictures is None or count == reader.pictures:
        return []
    return [
        Finding(
            f"the splits name {count:,} pictures, {reader.pictures:,} are known: the annotations "
            "are of another version or cut short",
            fault=True,
        )
    ]


def _pictures(pictures: Mapping[str, Path | None], progress: Progress) -> list[Finding]:
    """Present, missing, corrupt and duplicate, every one opened."""
    present = {name: path for name, path in pictures.items() if path is not None}
    reasons: dict[str, str] = {}
    contents: dict[str, list[str]] = defaultdict(list)
    files = [PictureFile(path, name) for name, path in present.items()]
    loaded = load_pictures(files, _nothing, shorter_side=DECODED_SIDE)
    for done, each in enumerate(loaded, 1):
        if isinstance(each, Unusable):
            reasons[each.source.path] = each.reason
        else:
            contents[each.digest].append(each.source.path)
        progress(done, len(present))
    missing = [name for name, path in pictures.items() if path is None]
    corrupt = [f"{name} ({reason})" for name, reason in reasons.items()]
    copies = [" = ".join(names) for names in contents.values() if len(names) > 1]
    whole = len(present) - len(corrupt)
    return [
        Finding(
            f"{whole:,} of {len(pictures):,} pictures are whole",
            fault=whole < len(pictures),
            remark=not pictures,
        ),
        *_if_any(missing, "are missing"),
        *_if_any(corrupt, "can't be used"),
        *_if_any(copies, "are in more than one file, byte for byte", fault=False),
    ]


def _nothing(picture: Image.Image) -> None:
    """Decoding is the check; its result is not needed."""


def _if_any(names: Sequence[str], what: str, *, fault: bool = True) -> Iterable[Finding]:
    if names:
        yield Finding(f"{len(names):,} {what}", tuple(names), fault, remark=True)


def _fault(error: SamebutError) -> Finding:
    return Finding(_said(error), fault=True)


def _said(error: SamebutError) -> str:
    return f"{error}. {error.hint}" if error.hint else str(error)


def _stem(name: str) -> str:
    return Path(name).stem if "/" in name else name
