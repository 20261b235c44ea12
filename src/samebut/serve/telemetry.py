"""Numbers about a server, as text in the format Prometheus reads (exposition format 0.0.4)."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
Labels = tuple[tuple[str, str], ...]

_HELP: Mapping[str, tuple[str, str]] = {
    "samebut_requests_total": ("counter", "Requests by route and status."),
    "samebut_request_seconds": ("histogram", "Seconds from a request's first byte to its answer."),
    "samebut_stage_seconds": ("histogram", "Seconds of a search, by what they went into."),
    "samebut_jobs": ("gauge", "Jobs that run or wait, by kind of worker."),
    "samebut_pictures": ("gauge", "Pictures that can be found."),
    "samebut_kept_uploads": ("gauge", "Uploaded pictures remembered for later turns."),
    "samebut_watch_behind": ("gauge", "1 if changes in the folder are not indexed."),
    "samebut_model_changed": ("gauge", "1 if the model's folder holds another model than is used."),
    "samebut_start_time_seconds": ("gauge", "When the server was started, in Unix time."),
    "samebut_resident_bytes": ("gauge", "Memory of the process."),
}


class Telemetry:
    """Counts and durations. Any thread may report."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, Labels], int] = {}
        self._durations: dict[tuple[str, Labels], list[float]] = {}
        self._gauges: list[tuple[str, Labels, Callable[[], float]]] = []
        started = time.time()
        self.gauge("samebut_start_time_seconds", lambda: started)
        self.gauge("samebut_resident_bytes", resident_bytes)

    def count(self, name: str, **labels: str) -> None:
        """Add one to a counter."""
        key = name, tuple(labels.items())
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + 1

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Add one duration: a count for each bucket and one beyond, then the sum."""
        key = name, tuple(labels.items())
        with self._lock:
            row = self._durations.setdefault(key, [0.0] * (len(BUCKETS) + 2))
            row[bisect_left(BUCKETS, seconds)] += 1
            row[-1] += seconds

    def gauge(self, name: str, value: Callable[[], float], **labels: str) -> None:
        """Report ``value()`` at every scrape."""
        self._gauges.append((name, tuple(labels.items()), value))

    def text(self) -> str:
        """All metrics, in the exposition format."""
        samples: dict[str, list[str]] = {}
        with self._lock:
            counts = dict(self._counts)
            durations = {key: list(row) for key, row in self._durations.items()}
        for (name, labels), number in sorted(counts.items()):
            samples.setdefault(name, []).append(_sample(name, labels, number))
        for (name, labels), row in sorted(durations.items()):
            samples.setdefault(name, []).extend(_histogram(name, labels, row))
        for name, labels, value in self._gauges:
            samples.setdefault(name, []).append(_sample(name, labels, value()))
        return "".join(
            f"# HELP {name} {_HELP[name][1]}\n# TYPE {name} {_HELP[name][0]}\n" + "".join(lines)
            for name, lines in samples.items()
        )


def resident_bytes() -> float:
    """Memory of this process, where the system tells (Linux); else 0."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return float(sizes[0]) * 1024 if sizes else 0.0


def _histogram(name: str, labels: Labels, row: list[float]) -> Iterator[str]:
    total = 0.0
    for bound, number in zip((*map(str, BUCKETS), "+Inf"), row[:-1], strict=True):
        total += number
        yield _sample(f"{name}_bucket", (*labels, ("le", bound)), total)
    yield _sample(f"{name}_sum", labels, row[-1])
    yield _sample(f"{name}_count", labels, total)


def _sample(name: str, labels: Labels, value: float) -> str:
    shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    return f"{name}{{{shown}}} {value:.15g}\n" if shown else f"{name} {value:.15g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
