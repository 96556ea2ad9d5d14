"""Startup and response times of the lab compared with vcsim: `python -m benchmarks.lab`.

The "floor" of these tables is vcsim, although the lab may be faster. The measured
processes import this module too, so it imports large modules lazily.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.measure import Result, format_table, measure, write_report

_HOSTS = 250
_READ: Mapping[str, tuple[str, Sequence[str]]] = {
    "20 properties": (
        "VirtualMachine",
        (
            "config.template",
            "config.uuid",
            "config.instanceUuid",
            "config.guestFullName",
            "config.hardware.numCPU",
            "config.hardware.memoryMB",
            "runtime.powerState",
            "runtime.connectionState",
            "runtime.host",
            "guest.toolsRunningStatus",
            "guest.hostName",
            "guest.ipAddress",
            "resourcePool",
            "customValue",
        ),
    ),
    "summary": ("VirtualMachine", ("summary",)),
    "most of a VM": ("VirtualMachine", ("summary", "runtime", "guest", "config.hardware")),
    "hosts": ("HostSystem", ("vm", "summary", "runtime")),
}


def starting(size: int, rounds: int) -> list[Result]:
    from benchmarks import lab_reading

    methods = lab_reading.STARTING
    return measure("lab, start and stop", size, {"vms": size}, methods, lambda: 0, rounds)


def reading(size: int, rounds: int) -> Iterator[list[Result]]:
    from benchmarks import lab_reading
    from chaosvm.lab import Lab, World
    from tests.vcsim import Vcsim

    world = World.generated(size, clusters=10, hosts=_HOSTS // 10)
    with (
        Vcsim.start(vms=size // 2, cluster_hosts=_HOSTS - 1, ready_within=300) as vcsim,
        Lab(world, platforms=["vsphere"]) as lab,
    ):
        servers = {
            "vcsim": {
                "server": vcsim.host,
                "port": vcsim.port,
                "username": vcsim.username,
                "password": vcsim.password,
                "ca_file": vcsim.ca_file,
            },
            "lab": {
                "server": lab.vsphere_server,
                "port": lab.vsphere_port,
                "username": lab.username,
                "password": lab.password,
                "ca_file": lab.ca_file,
            },
        }

        def requests() -> int:
            return int(vcsim.requests()["total"]) + sum(lab.requests().values())

        for what, (kind, paths) in _READ.items():
            target = {**servers, "kind": kind, "paths": paths}
            yield measure(what, size, target, lab_reading.READING, requests, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=int, nargs="*", default=[1000])
    parser.add_argument("--read", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/lab.json"))
    arguments = parser.parse_args()
    results: list[Result] = []
    for size in arguments.start:
        results += starting(size, arguments.rounds)
        print(format_table(results), flush=True)
    for size in arguments.read:
        for batch in reading(size, arguments.rounds):
            results += batch
            print(format_table(batch), flush=True)
    write_report(arguments.json, results)


if __name__ == "__main__":
    main()
