"""What discovery shows of a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chaosvm.vm import VM

__all__ = ["system_description"]


def system_description(
    info: Mapping[str, Any],
    vms: Sequence[VM],
    hosts: Sequence[Mapping[str, Any]],
    datacenters: Iterable[str] = (),
    clusters: Iterable[str] = (),
) -> dict[str, Any]:
    """The server with its places and VMs, ordered by name; ``hosts`` have a name and an id.

    ``chaosvm.lab`` makes copies of an estate from it.
    """
    found: dict[str, list[Any]] = {
        "datacenters": sorted(datacenters),
        "clusters": sorted(clusters),
        "hosts": sorted(hosts, key=lambda host: (host["name"], host["id"])),
        "vms": [vm.to_json() for vm in sorted(vms, key=lambda vm: (vm.name, vm.id))],
    }
    return {**info, "counts": {name: len(each) for name, each in found.items()}, **found}
