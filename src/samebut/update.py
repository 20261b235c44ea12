"""Updates a store from its folder: new, changed, renamed and removed pictures."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from samebut.cluster import NodeReport, Ray, encode_on_ray
from samebut.describe import MetadataReport
from samebut.encode import Encoded, IndexingSeconds, Outcome, encode_pictures
from samebut.errors import StoreError
from samebut.index import FileState, Index, PictureRow, Skipped
from samebut.loader import Known, PictureFile, Progress, Unusable
from samebut.remote import THREADS, Place, RemotePath
from samebut.runtime import Model
from samebut.scan import Scan, ScanRules, scan


@dataclass(slots=True)
class UpdateReport:
    """What an update did, in numbers of pictures. ``skipped`` is what could not be used, folders
    among it; ``scan`` says what was passed over, ``acceleration`` how searches were made faster,
    ``nodes`` which machines encoded, with Ray."""

    encoded: int = 0
    copied: int = 0  # same content as a picture that is indexed
    renamed: int = 0
    removed: int = 0
    unchanged: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    metadata: MetadataReport = field(default_factory=MetadataReport)
    spent: IndexingSeconds = field(default_factory=IndexingSeconds)
    acceleration: str = ""
    scan: Scan = field(default_factory=Scan)
    nodes: NodeReport = field(default_factory=NodeReport)


class Update:
    """One run; see ``Gallery.update``. The caller holds the index's writer lock."""

    def __init__(
        self,
        folder: Place,
        rules: ScanRules,
        index: Index,
        model: Model,
        progress: Progress,
        *,
        recheck: bool,
        addresses: Collection[str] = (),
        ray: Ray | None = None,
    ) -> None:
        self.index, self.model, self.progress = index, model, progress
        self.recheck = recheck
        self.folder, self.ray = folder, ray
        self.is_remote = isinstance(folder, RemotePath)
        self.stored = self.index.files()
        self.scan = scan(folder, rules, addresses)
        self.report = UpdateReport(scan=self.scan)
        self.sources = {source.path: source for source in self.scan.pictures}
        missing = self.stored.keys() - self.sources.keys()
        self.gone = {path for path in missing if not self.scan.may_hold(path)}
        self._refuse_empty(folder)
        self.todo = self._changed()
        # Indexed pictures whose embedding can be reused, by content. Not changed files: when their
        # old content turns up under another name, their rows may already hold the new content.
        changed = {source.path for source in self.todo}
        self.twins = {f.digest: path for path, f in self.stored.items() if path not in changed}

    def run(self) -> UpdateReport:
        done = 0
        for outcomes in self._encoded():
            started = time.monotonic()
            self._keep(outcomes)
            self.report.spent.write += time.monotonic() - started
            done += len(outcomes)
            self.progress(done, len(self.todo), len(self.report.skipped))
        self.index.remove(sorted(self.gone))
        self.report.removed = len(self.gone)
        self._keep_unreadable()
        return self.report

    def _encoded(self) -> Iterator[list[Outcome]]:
        if self.ray is None:
            return encode_pictures(
                self.model,
                self.todo,
                is_known=self._is_known,
                workers=THREADS if self.is_remote else None,
                spent=self.report.spent,
            )
        last = {path: stored.digest for path, stored in self.stored.items()}
        return encode_on_ray(
            self.ray,
            self.model,
            self.folder,
            [(source, last.get(source.path, "")) for source in self.todo],
            known=self.twins,
            spent=self.report.spent,
            report=self.report.nodes,
        )

    def _keep_unreadable(self) -> None:
        """Note the folders that could not be looked into, and what stays indexed of them."""
        missing = self.stored.keys() - self.sources.keys() - self.gone
        reasons = self.scan.unreadable | {
            path: "is a link to a folder that is not there"
            for path in self.scan.broken_links
            if any(each.startswith(f"{path}/") for each in missing)
        }
        records = []
        for path, reason in sorted(reasons.items()):
            stay = sum(each.startswith(f"{path}/") for each in missing)
            said = (
                f"{reason}; {stay:,} pictures in it stay as they were indexed" if stay else reason
            )
            records.append(Skipped(f"{path}/", -1, 0, said))
        self.index.skip(records)
        self.report.skipped += records

    def _refuse_empty(self, folder: Place) -> None:
        """An unmounted disk looks like an empty folder; it must not empty the store."""
        if self.sources or (self.stored and not self.gone):
            return
        # With a new model this index may still be empty: count the pictures that are searched.
        with closing(self.index.address.open()) as searched:
            remembered = len(searched)
        if remembered:
            raise StoreError(
                f"{folder} holds no pictures now, and its store has {remembered:,}",
                hint="Check that the disk is mounted. If the pictures were deleted, "
                f"{self.index.address.discard}: {self.index.address}",
            )

    def _changed(self) -> list[PictureFile]:
        """The sources that are new or changed; those known to be unusable are reported again."""
        unusable = {skipped.path: skipped for skipped in self.index.skipped()}
        todo = []
        for path, source in self.sources.items():
            if self.recheck:
                todo.append(source)
            elif _same_file(self.stored.get(path), source):
                self.report.unchanged += 1
            elif _same_file(unusable.get(path), source):
                self.report.skipped.append(unusable[path])
            else:
                todo.append(source)
        self.index.remove(sorted(unusable.keys() - self.sources.keys()))
        return todo

    def _is_known(self, source: PictureFile, digest: str) -> bool:
        return digest in self.twins or self._is_touched(source, digest)

    def _is_touched(self, source: PictureFile, digest: str) -> bool:
        """Whether only the file's time changed, and not its content."""
        stored = self.stored.get(source.path)
        return stored is not None and stored.digest == digest

    def _keep(self, outcomes: Sequence[Outcome]) -> None:
        """Store a batch: what was encoded, what is known by content, and what can't be used."""
        encoded = [each for each in outcomes if isinstance(each, Encoded)]
        self.index.put([_picture(each) for each in encoded])
        self.twins.update((each.digest, each.source.path) for each in encoded)
        self.report.encoded += len(encoded)
        for outcome in outcomes:
            if isinstance(outcome, Known):
                self._keep_known(outcome.source, outcome.digest)
        self._keep_unusable([each for each in outcomes if isinstance(each, Unusable)])

    def _keep_known(self, source: PictureFile, digest: str) -> None:
        path, size, mtime_ns = source.path, source.size, source.mtime_ns
        if self._is_touched(source, digest):
            if not _same_file(self.stored.get(path), source):
                self.index.touch(path, size=size, mtime_ns=mtime_ns)
            self.report.unchanged += 1
            return
        twin = self.twins[digest]
        if twin in self.gone:
            self.index.rename(twin, path, size=size, mtime_ns=mtime_ns)
            self.gone.discard(twin)
            self.twins[digest] = path
            self.report.renamed += 1
        elif (original := self.index.by_digest(digest)) is not None:
            self.index.put([replace(original, path=path, size=size, mtime_ns=mtime_ns)])
            self.report.copied += 1

    def _keep_unusable(self, unusable: Sequence[Unusable]) -> None:
        skipped = [self._skipped(each) for each in unusable]
        self.index.skip(skipped)
        self.report.skipped += skipped

    def _skipped(self, unusable: Unusable) -> Skipped:
        """The skip record of a file; a remote one that could not be read is tried again next
        time."""
        source = unusable.source
        elsewhere = self.is_remote or self.ray is not None
        size = -1 if unusable.unread and elsewhere else source.size
        return Skipped(source.path, size, source.mtime_ns, unusable.reason)


def _same_file(remembered: FileState | Skipped | None, source: PictureFile) -> bool:
    return remembered is not None and (remembered.size, remembered.mtime_ns) == (
        source.size,
        source.mtime_ns,
    )


def _picture(encoded: Encoded) -> PictureRow:
    source = encoded.source
    return PictureRow(
        path=source.path,
        size=source.size,
        mtime_ns=source.mtime_ns,
        digest=encoded.digest,
        width=encoded.width,
        height=encoded.height,
        embedding=encoded.embedding,
    )
