"""Takes the measure of several ways to do the same thing: time, CPU, memory, requests.

A way is a function that connects to a target and returns what is to be
measured, which returns how many things it found or did:

    def floor(target: dict[str, Any]) -> Callable[[], int]: ...

Each runs in a process of its own, whose peak memory is its own too. The ways
take turns, so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["Result", "Target", "Way", "machine", "measured", "printed", "without_ledger", "written"]

Target = dict[str, Any]
Way = Callable[[Target], Callable[[], int]]
_PACKAGES = ("chaostoolkit-vm", "pyvmomi", "ovirt-engine-sdk-python", "pycurl", "aiohttp")


@dataclass(frozen=True)
class Result:
    """Medians over the rounds; the peak is that of the whole process, in MB."""

    what: str
    size: int
    way: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    requests: float
    # Times the seconds of the first way, which is the floor.
    ratio: float


@dataclass(frozen=True)
class _Sample:
    seconds: float
    cpu_seconds: float
    done: int
    peak_mb: float


def measured(
    what: str,
    size: int,
    target: Target,
    ways: Mapping[str, Way],
    requests: Callable[[], int],
    rounds: int = 5,
    before: Callable[[], None] = lambda: None,
    once: Sequence[str] = (),
) -> list[Result]:
    """One result a way. ``requests`` says how many have reached the target so far.

    ``before`` makes the target ready for a sample, and is not measured. The ways
    named in ``once`` are slow: they take one turn, with nothing to warm up.
    """
    samples: dict[str, list[_Sample]] = {name: [] for name in ways}
    sent: dict[str, list[int]] = {name: [] for name in ways}
    workers = {name: _Worker(way, target) for name, way in ways.items()}
    try:
        for turn in range(rounds + 1):
            for name, worker in workers.items():
                if name in once and turn != 1:
                    continue
                before()
                asked = requests()
                sample = worker.sample()
                if turn > 0:  # the first is to warm up
                    samples[name].append(sample)
                    sent[name].append(requests() - asked)
    finally:
        for worker in workers.values():
            worker.end()
    done = {sample.done for each in samples.values() for sample in each}
    if len(done) != 1:
        raise SystemExit(f"{what}: the ways did not do the same: {done}")
    medians = {
        name: statistics.median(sample.seconds for sample in each) for name, each in samples.items()
    }
    floor = next(iter(medians.values()))
    return [
        Result(
            what=what,
            size=size,
            way=name,
            seconds=medians[name],
            cpu_seconds=statistics.median(sample.cpu_seconds for sample in each),
            peak_mb=max(sample.peak_mb for sample in each),
            requests=statistics.median(sent[name]),
            ratio=medians[name] / floor,
        )
        for name, each in samples.items()
    ]


class _Worker:
    """A process that does one thing one way, whenever it is told to."""

    def __init__(self, way: Way, target: Target) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, way, target), daemon=True)
        self._process.start()
        theirs.close()

    def sample(self) -> _Sample:
        self._pipe.send(True)
        try:
            sample: _Sample = self._pipe.recv()
        except EOFError:
            raise SystemExit("a way ended with the error above") from None
        return sample

    def end(self) -> None:
        self._pipe.close()
        self._process.join(10)


def _work(pipe: Any, way: Way, target: Target) -> None:
    # What chaosvm writes beside its work goes where nobody keeps it.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        logging.getLogger("chaostoolkit").setLevel(logging.ERROR)
        _take_samples(pipe, way(target))


def _take_samples(pipe: Any, do: Callable[[], int]) -> None:
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        start, used = time.perf_counter(), _cpu()
        done = do()
        taken = time.perf_counter() - start
        pipe.send(_Sample(taken, _cpu() - used, done, _peak()))


def without_ledger() -> None:
    """From now on this process keeps its ledgers in memory only."""
    from chaosvm.ledgerfile import LedgerFile

    def nothing(*_: Any, **__: Any) -> None: ...

    LedgerFile.open = LedgerFile.append = nothing  # type: ignore[method-assign]


def _cpu() -> float:
    """Of this process, and of programs that it ran."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak() -> float:
    """Of a program that was run, where there was one: then it is that which counts."""
    programs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if programs:
        return programs / 1024
    # Not ru_maxrss, which begins with what the process had that started this one.
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


# What comes out -----------------------------------------------------------------------

_HEAD = ("what", "VMs", "way", "wall s", "CPU s", "peak MB", "requests", "x floor")


def printed(results: Sequence[Result]) -> str:
    """A table in Markdown, which is as good on a terminal."""
    rows = [_HEAD, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "| "
        + " | ".join(
            cell.ljust(width) if column in (0, 2) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _row(result: Result) -> tuple[str, ...]:
    return (
        result.what,
        str(result.size),
        result.way,
        f"{result.seconds:.4f}" if result.seconds < 0.1 else f"{result.seconds:.2f}",
        f"{result.cpu_seconds:.4f}" if result.cpu_seconds < 0.1 else f"{result.cpu_seconds:.2f}",
        f"{result.peak_mb:.0f}",
        f"{result.requests:g}",
        f"{result.ratio:.2f}",
    )


def written(path: Path, results: Sequence[Result]) -> None:
    """As JSON, with what they were measured on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine(), "results": [asdict(result) for result in results]}
    path.write_text(json.dumps(report, indent=2) + "\n")


def machine() -> dict[str, Any]:
    return {
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
