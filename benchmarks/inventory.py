"""How long an inventory takes, and a probe of one VM of it: `python -m benchmarks.inventory`.

The vCenter is the simulator of the tests (`make vcsim`); the engine, with VMs as
long as real ones, and Dora are the lab. What is measured runs in other processes,
which import this module too: so it imports nothing large until it has to.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.measure import Result, Way, measured, printed, written

VSPHERE, OLVM, DORA = (100, 1000, 10_000), (100, 1000, 5000), (100, 1000, 10_000)
# Of more VMs than these, a way that takes a request or more for each takes one turn.
_FEW = 100


def vsphere(size: int, rounds: int) -> Iterator[list[Result]]:
    from benchmarks import vsphere_inventory
    from tests.vcsim import Vcsim

    with Vcsim.start(vms=size // 2, ready_within=300) as vcsim:
        target = {
            "server": vcsim.host,
            "port": vcsim.port,
            "username": vcsim.username,
            "password": vcsim.password,
            "ca_file": vcsim.ca_file,
            "vms": size,
            "vm_name": f"DC0_H0_VM{size // 4}",
        }

        def requests() -> int:
            return int(vcsim.requests()["total"])

        once = vsphere_inventory.SLOW if size > _FEW else ()
        ways = _usable(vsphere_inventory.INVENTORY)
        yield measured("vSphere inventory", size, target, ways, requests, rounds, once=once)
        ways = _usable(vsphere_inventory.PROBE)
        yield measured("vSphere probe", size, target, ways, requests, rounds, once=once)


def olvm(size: int, rounds: int) -> Iterator[list[Result]]:
    from benchmarks import olvm_inventory
    from chaosvm.lab import Lab, World

    world = World.generated(size)
    world.add_vm("probed")
    with Lab(world, platforms=["olvm"], real_size=True) as lab:
        target = {
            "url": lab.olvm_url,
            "username": lab.username,
            "password": lab.password,
            "ca_file": lab.ca_file,
            "vms": size + 1,
            "vm_name": "probed",
        }

        def requests() -> int:
            return sum(lab.requests().values())

        once = olvm_inventory.SLOW if size > _FEW else ()
        ways = olvm_inventory.INVENTORY
        yield measured("OLVM inventory", size, target, ways, requests, rounds, once=once)
        yield measured("OLVM probe", size, target, olvm_inventory.PROBE, requests, rounds)


def dora(size: int, rounds: int) -> Iterator[list[Result]]:
    from benchmarks import dora_inventory
    from chaosvm.lab import Lab, World

    with Lab(World.generated(size), platforms=["dora"]) as lab:
        address = lab.environment()
        target = {
            "host": address["DORA_HOST"],
            "api_port": int(address["DORA_API_PORT"]),
            "auth_port": int(address["DORA_AUTH_PORT"]),
            "username": lab.username,
            "password": lab.password,
        }

        def requests() -> int:
            return sum(lab.requests().values())

        ways = dora_inventory.INVENTORY
        yield measured("Dora inventory", size, target, ways, requests, rounds)


def _usable(ways: Mapping[str, Way]) -> dict[str, Way]:
    return {
        name: way
        for name, way in ways.items()
        if not (name == "govc" and shutil.which("govc") is None)
    }


def run(
    vsphere_sizes: Sequence[int] = VSPHERE,
    olvm_sizes: Sequence[int] = OLVM,
    dora_sizes: Sequence[int] = DORA,
    rounds: int = 5,
) -> Iterator[list[Result]]:
    platforms = ((vsphere_sizes, vsphere), (olvm_sizes, olvm), (dora_sizes, dora))
    for sizes, benchmark in platforms:
        for size in sizes:
            yield from benchmark(size, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vsphere", type=int, nargs="*", default=VSPHERE)
    parser.add_argument("--olvm", type=int, nargs="*", default=OLVM)
    parser.add_argument("--dora", type=int, nargs="*", default=DORA)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/inventory.json"))
    arguments = parser.parse_args()
    results: list[Result] = []
    for found in run(arguments.vsphere, arguments.olvm, arguments.dora, arguments.rounds):
        results += found
        print(printed(found), flush=True)
    written(arguments.json, results)


if __name__ == "__main__":
    main()
