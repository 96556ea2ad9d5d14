"""Duration of power operations on many VMs: `python -m benchmarks.batches`.

Each request takes 50 ms and each task one second, on vcsim (`make vcsim`) and on the
lab. VMs are restored between samples; that is not measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Method, Result, format_table, measure, write_report

if TYPE_CHECKING:
    from chaosvm.lab import Lab, World
    from tests.vcsim import Vcsim

SIZES = (50, 200, 1000)
# From these sizes on, slow methods run once, and all others at most three times.
_SLOW_ONCE_FROM, _THREE_ROUNDS_FROM = 200, 1000
_PARALLEL, _CALL_SECONDS, _TASK_SECONDS = 20, 0.05, 1.0
_COMMON = {
    "parallel": _PARALLEL,
    "task_seconds": _TASK_SECONDS,
    "operation": "power_off",
    "vms": {"all": True},
}
# For this size, starting VMs and selecting them from a large inventory are measured too.
_TYPICAL_SIZE = 200
_VCSIM_INVENTORY, _LAB_INVENTORY = 10_000, 5000

Prepare = Callable[[], None]


def on_vcsim(size: int, rounds: int) -> Iterator[list[Result]]:
    from benchmarks.vsphere_batches import BATCH, STARTS, chaosvm_without_ledger, prepare

    with _vcsim(size) as vcsim:
        target = _vcenter(vcsim.host, vcsim.port, vcsim)
        methods = dict(BATCH)
        if size < _THREE_ROUNDS_FROM:
            methods["chaosvm, no ledger"] = chaosvm_without_ledger
        requests, prepare_round = _request_counter(vcsim), prepare(target)
        yield _measure(
            "vSphere batch, vcsim", size, target, methods, requests, rounds, prepare_round
        )
        if size == _TYPICAL_SIZE:
            target["operation"] = "power_on"
            prepare_round, what = prepare(target), "vSphere start, vcsim"
            yield _measure(what, size, target, STARTS, requests, rounds, prepare_round)


def on_lab(size: int, rounds: int) -> Iterator[list[Result]]:
    from benchmarks import olvm_batches, vsphere_batches

    world, prepare_round = _world(size)
    with _lab(world) as lab:
        requests = _request_counter(lab)
        target = _vcenter(lab.vsphere_server, lab.vsphere_port, lab)
        methods = vsphere_batches.BATCH
        yield _measure("vSphere batch, lab", size, target, methods, requests, rounds, prepare_round)
        target, methods = _engine(lab), olvm_batches.BATCH
        yield _measure("OLVM batch, lab", size, target, methods, requests, rounds, prepare_round)


def selected_from_many(rounds: int) -> Iterator[list[Result]]:
    """VMs that a glob selects from thousands."""
    from benchmarks import olvm_batches, vsphere_batches

    with _vcsim(_VCSIM_INVENTORY) as vcsim:
        target = _vcenter(vcsim.host, vcsim.port, vcsim) | {"vms": {"name": "DC0_H0_VM[12]??"}}
        requests, prepare_round = _request_counter(vcsim), vsphere_batches.prepare(target)
        what = f"vSphere batch of {_VCSIM_INVENTORY:,}, vcsim"
        methods = vsphere_batches.OF_MANY
        yield _measure(what, _TYPICAL_SIZE, target, methods, requests, rounds, prepare_round)
    world, prepare_round = _world(_TYPICAL_SIZE, others=_LAB_INVENTORY - _TYPICAL_SIZE)
    with _lab(world) as lab:
        target, methods = _engine(lab) | {"vms": {"name": "app-*"}}, olvm_batches.OF_MANY
        requests, what = _request_counter(lab), f"OLVM batch of {_LAB_INVENTORY:,}, lab"
        yield _measure(what, _TYPICAL_SIZE, target, methods, requests, rounds, prepare_round)


def _vcsim(vms: int) -> AbstractContextManager[Vcsim]:
    from tests.vcsim import Vcsim

    delay = round(1000 * _CALL_SECONDS)
    return Vcsim.start(
        clusters=0, vms=vms, delay_ms=delay, task_seconds=_TASK_SECONDS, ready_within=300
    )


def _world(size: int, others: int = 0) -> tuple[World, Prepare]:
    """A world of running VMs, and a function that restores the first of them."""
    from chaosvm.lab import State, World
    from chaosvm.lab.simulation import Durations

    world = World(durations=Durations(power_off=_TASK_SECONDS))
    names = [f"app-{number:04}" for number in range(size)]
    for name in (*names, *(f"other-{number:04}" for number in range(others))):
        world.add_vm(name)

    def restore() -> None:
        for name in names:
            world.change(name, state=State.RUNNING)

    return world, restore


def _lab(world: World) -> AbstractContextManager[Lab]:
    from chaosvm.lab import Lab

    return Lab(world, latency=_CALL_SECONDS)


def _request_counter(server: Lab | Vcsim) -> Callable[[], int]:
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


def _measure(
    what: str,
    size: int,
    target: dict[str, Any],
    methods: Mapping[str, Method],
    requests: Callable[[], int],
    rounds: int,
    prepare_round: Prepare,
) -> list[Result]:
    slow = [name for name in methods if name.endswith("thread pool")]
    once = slow if size >= _SLOW_ONCE_FROM else []
    rounds = min(rounds, 3) if size >= _THREE_ROUNDS_FROM else rounds
    return measure(what, size, target, methods, requests, rounds, prepare_round, once)


def run(sizes: tuple[int, ...] = SIZES, rounds: int = 5) -> Iterator[list[Result]]:
    for size in sizes:
        yield from on_vcsim(size, rounds)
        yield from on_lab(size, rounds)
    if _TYPICAL_SIZE in sizes:
        yield from selected_from_many(rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/batches.json"))
    arguments = parser.parse_args()
    results: list[Result] = []
    for batch in run(tuple(arguments.sizes), arguments.rounds):
        results += batch
        print(format_table(batch), flush=True)
    write_report(arguments.json, results)


if __name__ == "__main__":
    main()
