"""How long it takes to switch many VMs: `python -m benchmarks.batches`.

Each call takes 50 ms and each task a second, on the simulator of the tests
(`make vcsim`) and on the lab. Between two samples all VMs are put back, which is
not measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import Result, Way, measured, printed, written

SIZES = (50, 200, 1000)
# From so many VMs on, what is many times as slow takes one turn only, and from so
# many on, the others two.
_SLOW, _VERY_SLOW = 200, 1000
_PARALLEL, _CALL_SECONDS, _TASK_SECONDS = 20, 0.05, 1.0
_COMMON = {"parallel": _PARALLEL, "task_seconds": _TASK_SECONDS, "operation": "power_off"}
# Of so many VMs it is also measured how they are started, in which there is less to compare.
_STARTED = 200


def on_vcsim(size: int, rounds: int) -> Iterator[list[Result]]:
    from benchmarks.vsphere_batches import BATCH, STARTS, made_ready, unnoted
    from tests.vcsim import Vcsim

    options: dict[str, Any] = {
        "clusters": 0,
        "vms": size,
        "delay_ms": round(1000 * _CALL_SECONDS),
        "task_seconds": _TASK_SECONDS,
    }
    with Vcsim.start(**options, ready_within=120) as vcsim:
        target = _vcenter(vcsim.host, vcsim.port, vcsim)
        ways = {**BATCH, "chaosvm, no ledger": unnoted} if size < _VERY_SLOW else BATCH

        def requests() -> int:
            return int(vcsim.requests()["total"])

        before = made_ready(target)
        yield _measured("vSphere batch, vcsim", size, target, ways, requests, rounds, before)
        if size == _STARTED:
            target["operation"] = "power_on"
            before, what = made_ready(target), "vSphere start, vcsim"
            yield _measured(what, size, target, STARTS, requests, rounds, before)


def on_lab(size: int, rounds: int) -> Iterator[list[Result]]:
    from benchmarks import olvm_batches, vsphere_batches
    from chaosvm.lab import Lab, State, World
    from chaosvm.lab.world import Durations

    world = World(durations=Durations(power_off=_TASK_SECONDS))
    names = [f"app-{number:04}" for number in range(size)]
    for name in names:
        world.add_vm(name)

    def power_on() -> None:
        for name in names:
            world.change(name, state=State.RUNNING)

    with Lab(world, latency=_CALL_SECONDS, real_size=True) as lab:

        def requests() -> int:
            return sum(lab.requests().values())

        target = _vcenter(lab.vsphere_server, lab.vsphere_port, lab)
        ways = vsphere_batches.BATCH
        if size < _VERY_SLOW:
            yield _measured("vSphere batch, lab", size, target, ways, requests, rounds, power_on)
        names_of_lab = ("username", "password", "ca_file")
        target = {name: getattr(lab, name) for name in names_of_lab} | _COMMON
        target["url"] = lab.olvm_url
        ways = olvm_batches.BATCH
        yield _measured("OLVM batch, lab", size, target, ways, requests, rounds, power_on)


def _vcenter(server: str, port: int, login: Any) -> dict[str, Any]:
    names = ("username", "password", "ca_file")
    return {"server": server, "port": port, **{name: getattr(login, name) for name in names}} | (
        _COMMON
    )


def _measured(
    what: str,
    size: int,
    target: dict[str, Any],
    ways: Mapping[str, Way],
    requests: Callable[[], int],
    rounds: int,
    before: Callable[[], None],
) -> list[Result]:
    slow = [name for name in ways if name.endswith("thread pool")] if size >= _SLOW else []
    rounds = min(rounds, 2) if size >= _VERY_SLOW else rounds
    return measured(what, size, target, ways, requests, rounds, before=before, once=slow)


def run(sizes: tuple[int, ...] = SIZES, rounds: int = 5) -> Iterator[list[Result]]:
    for size in sizes:
        yield from on_vcsim(size, rounds)
        yield from on_lab(size, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/batches.json"))
    arguments = parser.parse_args()
    results: list[Result] = []
    for found in run(tuple(arguments.sizes), arguments.rounds):
        results += found
        print(printed(found), flush=True)
    written(arguments.json, results)


if __name__ == "__main__":
    main()
