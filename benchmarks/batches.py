"""How long it takes to switch many VMs: `python -m benchmarks.batches`.

Each call takes 50 ms and each task a second, on the simulator of the tests
(`make vcsim`) and on the lab. Between two samples all VMs are put back, which is
not measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Result, Way, measured, printed, written

if TYPE_CHECKING:
    from chaosvm.lab import Lab, World
    from tests.vcsim import Vcsim

SIZES = (50, 200, 1000)
# From so many VMs on, what is many times as slow takes one turn only, and from so
# many on, the others three.
_SLOW, _VERY_SLOW = 200, 1000
_PARALLEL, _CALL_SECONDS, _TASK_SECONDS = 20, 0.05, 1.0
_COMMON = {
    "parallel": _PARALLEL,
    "task_seconds": _TASK_SECONDS,
    "operation": "power_off",
    "vms": {"all": True},
}
# Of so many VMs it is also measured how they are started, and how they are stopped
# when they are chosen from many more; in these there is less to compare.
_TYPICAL = 200
_MANY_ON_VCSIM, _MANY_ON_LAB = 10_000, 5000

Before = Callable[[], None]


def on_vcsim(size: int, rounds: int) -> Iterator[list[Result]]:
    from benchmarks.vsphere_batches import BATCH, STARTS, made_ready, unnoted

    with _vcsim(size) as vcsim:
        target = _vcenter(vcsim.host, vcsim.port, vcsim)
        ways = {**BATCH, "chaosvm, no ledger": unnoted} if size < _VERY_SLOW else BATCH
        requests, before = _counting(vcsim), made_ready(target)
        yield _measured("vSphere batch, vcsim", size, target, ways, requests, rounds, before)
        if size == _TYPICAL:
            target["operation"] = "power_on"
            before, what = made_ready(target), "vSphere start, vcsim"
            yield _measured(what, size, target, STARTS, requests, rounds, before)


def on_lab(size: int, rounds: int) -> Iterator[list[Result]]:
    from benchmarks import olvm_batches, vsphere_batches

    world, before = _world(size)
    with _lab(world) as lab:
        requests = _counting(lab)
        target, ways = _vcenter(lab.vsphere_server, lab.vsphere_port, lab), vsphere_batches.BATCH
        yield _measured("vSphere batch, lab", size, target, ways, requests, rounds, before)
        target, ways = _engine(lab), olvm_batches.BATCH
        yield _measured("OLVM batch, lab", size, target, ways, requests, rounds, before)


def of_many(rounds: int) -> Iterator[list[Result]]:
    """VMs that a pattern chooses from thousands."""
    from benchmarks import olvm_batches, vsphere_batches

    with _vcsim(_MANY_ON_VCSIM) as vcsim:
        target = _vcenter(vcsim.host, vcsim.port, vcsim) | {"vms": {"name": "DC0_H0_VM[12]??"}}
        requests, before = _counting(vcsim), vsphere_batches.made_ready(target)
        what, ways = f"vSphere batch of {_MANY_ON_VCSIM:,}, vcsim", vsphere_batches.OF_MANY
        yield _measured(what, _TYPICAL, target, ways, requests, rounds, before)
    world, before = _world(_TYPICAL, others=_MANY_ON_LAB - _TYPICAL)
    with _lab(world) as lab:
        target, ways = _engine(lab) | {"vms": {"name": "app-*"}}, olvm_batches.OF_MANY
        requests, what = _counting(lab), f"OLVM batch of {_MANY_ON_LAB:,}, lab"
        yield _measured(what, _TYPICAL, target, ways, requests, rounds, before)


def _vcsim(vms: int) -> AbstractContextManager[Vcsim]:
    from tests.vcsim import Vcsim

    delay = round(1000 * _CALL_SECONDS)
    return Vcsim.start(
        clusters=0, vms=vms, delay_ms=delay, task_seconds=_TASK_SECONDS, ready_within=300
    )


def _world(size: int, others: int = 0) -> tuple[World, Before]:
    """Running VMs, and what puts the first of them back."""
    from chaosvm.lab import State, World
    from chaosvm.lab.world import Durations

    world = World(durations=Durations(power_off=_TASK_SECONDS))
    names = [f"app-{number:04}" for number in range(size)]
    for name in (*names, *(f"other-{number:04}" for number in range(others))):
        world.add_vm(name)

    def put_back() -> None:
        for name in names:
            world.change(name, state=State.RUNNING)

    return world, put_back


def _lab(world: World) -> AbstractContextManager[Lab]:
    from chaosvm.lab import Lab

    return Lab(world, latency=_CALL_SECONDS, real_size=True)


def _counting(server: Lab | Vcsim) -> Callable[[], int]:
    from chaosvm.lab import Lab

    if isinstance(server, Lab):
        return lambda: sum(server.requests().values())
    return lambda: int(server.requests()["total"])


def _vcenter(server: str, port: int, login: Any) -> dict[str, Any]:
    return {"server": server, "port": port, **_credentials(login), **_COMMON}


def _engine(lab: Lab) -> dict[str, Any]:
    return {"url": lab.olvm_url, **_credentials(lab), **_COMMON}


def _credentials(login: Any) -> dict[str, Any]:
    return {name: getattr(login, name) for name in ("username", "password", "ca_file")}


def _measured(
    what: str,
    size: int,
    target: dict[str, Any],
    ways: Mapping[str, Way],
    requests: Callable[[], int],
    rounds: int,
    before: Before,
) -> list[Result]:
    slow = [name for name in ways if name.endswith("thread pool")] if size >= _SLOW else []
    rounds = min(rounds, 3) if size >= _VERY_SLOW else rounds
    return measured(what, size, target, ways, requests, rounds, before=before, once=slow)


def run(sizes: tuple[int, ...] = SIZES, rounds: int = 5) -> Iterator[list[Result]]:
    for size in sizes:
        yield from on_vcsim(size, rounds)
        yield from on_lab(size, rounds)
    if _TYPICAL in sizes:
        yield from of_many(rounds)


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
