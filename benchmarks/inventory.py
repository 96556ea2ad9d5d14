"""Duration of an inventory and of a probe of one VM: `python -m benchmarks.inventory`.

The vCenter is vcsim (`make vcsim`); the engine, with VMs of realistic size, and Dora
are the lab. The measured processes import this module too, so it imports large
modules lazily.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.measure import Method, Result, format_table, measure, write_report

VSPHERE, OLVM, DORA = (100, 1000, 10_000), (100, 1000, 5000), (100, 1000, 10_000)
# Above this size, methods that send requests per VM run once.
_ONCE_ABOVE = 100


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

        once = vsphere_inventory.SLOW if size > _ONCE_ABOVE else ()
        methods = _usable(vsphere_inventory.INVENTORY)
        yield measure("vSphere inventory", size, target, methods, requests, rounds, once=once)
        methods = _usable(vsphere_inventory.PROBE)
        yield measure("vSphere probe", size, target, methods, requests, rounds, once=once)


def olvm(size: int, rounds: int) -> Iterator[list[Result]]:
    from benchmarks import olvm_inventory
    from chaosvm.lab import Lab, World

    world = World.generated(size)
    world.add_vm("probed")
    with Lab(world, platforms=["olvm"]) as lab:
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

        once = olvm_inventory.SLOW if size > _ONCE_ABOVE else ()
        methods = olvm_inventory.INVENTORY
        yield measure("OLVM inventory", size, target, methods, requests, rounds, once=once)
        yield measure("OLVM probe", size, target, olvm_inventory.PROBE, requests, rounds)


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

        methods = dora_inventory.INVENTORY
        yield measure("Dora inventory", size, target, methods, requests, rounds)


def _usable(methods: Mapping[str, Method]) -> dict[str, Method]:
    from benchmarks.vsphere_inventory import GOVC

    if "govc" in methods and not GOVC:
        print("govc is left out: it is neither installed nor built (make build/govc)", flush=True)
        return {name: method for name, method in methods.items() if name != "govc"}
    return dict(methods)


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
    for batch in run(arguments.vsphere, arguments.olvm, arguments.dora, arguments.rounds):
        results += batch
        print(format_table(batch), flush=True)
    write_report(arguments.json, results)


if __name__ == "__main__":
    main()
