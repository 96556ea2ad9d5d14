"""Measures several methods of the same task: time, CPU, memory and requests.

A method is a function that connects to a target and returns the function to measure,
which returns the number of VMs it processed:

    def floor(target: dict[str, Any]) -> Callable[[], int]: ...

Each method runs in its own process, so that its peak memory can be measured. Methods
take turns, so that other load on the machine affects all of them.
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
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = [
    "Result",
    "Target",
    "Method",
    "machine",
    "measure",
    "format_table",
    "without_ledger",
    "write_report",
]

Target = dict[str, Any]
Method = Callable[[Target], Callable[[], int]]
_PACKAGES = ("chaostoolkit-vm", "pyvmomi", "ovirt-engine-sdk-python", "pycurl", "aiohttp")


@dataclass(frozen=True)
class Result:
    """Medians over the rounds; the peak memory is that of the process, in MB."""

    what: str
    size: int
    way: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    requests: float
    # Relative to the first method, which is the floor.
    ratio: float


@dataclass(frozen=True)
class _Sample:
    seconds: float
    cpu_seconds: float
    done: int
    peak_mb: float
    requests: int = 0


def measure(
    what: str,
    size: int,
    target: Target,
    methods: Mapping[str, Method],
    requests: Callable[[], int],
    rounds: int = 5,
    prepare_round: Callable[[], None] = lambda: None,
    once: Sequence[str] = (),
) -> list[Result]:
    """One result per method. ``requests`` returns how many the target has received.

    ``prepare_round`` prepares the target for a sample and is not measured. The methods in
    ``once`` are slow: they run once, without warm-up.
    """
    samples: dict[str, list[_Sample]] = {name: [] for name in methods}
    workers = {name: _Worker(method, target) for name, method in methods.items()}
    try:
        for round_number in range(rounds + 1):
            for name, worker in workers.items():
                if name in once and round_number != 1:
                    continue
                prepare_round()
                requests_before = requests()
                sample = worker.sample()
                if round_number > 0:  # the first round is a warm-up
                    sent = requests() - requests_before
                    samples[name].append(replace(sample, requests=sent))
    finally:
        for worker in workers.values():
            worker.end()
    counts = {sample.done for each in samples.values() for sample in each}
    if len(counts) != 1:
        raise SystemExit(f"{what}: the methods processed different numbers of VMs: {counts}")
    return _results(what, size, samples)


def _results(what: str, size: int, samples: Mapping[str, Sequence[_Sample]]) -> list[Result]:
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
            requests=statistics.median(sample.requests for sample in each),
            ratio=medians[name] / floor,
        )
        for name, each in samples.items()
    ]


class _Worker:
    """A process that runs one method on request."""

    def __init__(self, method: Method, target: Target) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, child_pipe = context.Pipe()
        self._process = context.Process(
            target=_work, args=(child_pipe, method, target), daemon=True
        )
        self._process.start()
        child_pipe.close()

    def sample(self) -> _Sample:
        self._pipe.send(True)
        try:
            sample: _Sample = self._pipe.recv()
        except EOFError:
            raise SystemExit("a method ended with the error above") from None
        return sample

    def end(self) -> None:
        self._pipe.close()
        self._process.join(10)


def _work(pipe: Any, method: Method, target: Target) -> None:
    # chaosvm writes its ledger to a temporary directory.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        logging.getLogger("chaostoolkit").setLevel(logging.ERROR)
        _serve_samples(pipe, method(target))


def _serve_samples(pipe: Any, run: Callable[[], int]) -> None:
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        start, cpu_start = time.perf_counter(), _cpu_seconds()
        done = run()
        elapsed = time.perf_counter() - start
        pipe.send(_Sample(elapsed, _cpu_seconds() - cpu_start, done, _peak_mb()))


def without_ledger() -> None:
    """Keep the ledgers of this process in memory only."""
    from chaosvm.ledger import LedgerFile

    def do_nothing(*_: Any, **__: Any) -> None: ...

    LedgerFile.open = LedgerFile.append = do_nothing  # type: ignore[method-assign]


def _cpu_seconds() -> float:
    """CPU time of this process and its child processes."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_mb() -> float:
    """Peak memory of this process, or of a child process if there was one."""
    programs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if programs:
        return programs / 1024
    # Not ru_maxrss, which includes the peak of the parent process.
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


# Output -------------------------------------------------------------------------------

_HEAD = ("what", "VMs", "way", "wall s", "CPU s", "peak MB", "requests", "x floor")


def format_table(results: Sequence[Result], titled: bool = False) -> str:
    """A Markdown table, which is also readable on a terminal.

    Below a title, the column that would repeat it is left out.
    """
    first = 1 if titled else 0
    rows = [row[first:] for row in (_HEAD, *map(_row, results))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - first)]
    lines = [
        "| "
        + " | ".join(
            cell.ljust(width) if column + first in (0, 2) else cell.rjust(width)
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


def write_report(path: Path, results: Sequence[Result]) -> None:
    """Write the results as JSON, with a description of the machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine(), "results": [asdict(result) for result in results]}
    path.write_text(json.dumps(report, indent=2) + "\n")


def machine() -> dict[str, Any]:
    return {
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "versions": {name: installed for name in _PACKAGES if (installed := _version(name))},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
