"""``follow=tags,host``: objects in place of the links to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from chaosvm.lab.ovirt import representations
from chaosvm.lab.ovirt.markup import Node
from chaosvm.lab.ovirt.templates import BLANK
from chaosvm.lab.ovirt.vm_collections import LINKS, PARTS
from chaosvm.lab.ovirt.vm_text import vm_text
from chaosvm.lab.simulation import Machine, World

__all__ = ["follow"]

_ERROR = "<html><head><title>ERROR</title></head><body>Error processing request</body></html>"


def follow(world: World, vm: Machine, links: str, depth: int = 0, restricted: bool = False) -> str:
    """A VM with followed links. Unknown and empty links are internal errors."""
    followed: dict[str, str] = {}
    for link in links.split(","):
        name = link.strip().partition(".")[0]
        if name in PARTS:
            collection = Node(name, children=PARTS[name](world, vm))
            followed[name] = collection.written(depth + 1)
        elif name in _SINGLE:
            single = _SINGLE[name](world, vm)
            if single is None:
                raise web.HTTPInternalServerError(text=_ERROR)
            followed[name] = single.written(depth + 1)
        elif name not in LINKS:
            raise web.HTTPInternalServerError(text=_ERROR)
    return vm_text(world, vm, depth, followed, restricted)


def _host(world: World, vm: Machine) -> Node | None:
    host = world.host(vm.host_id) if vm.state.on_a_host else None
    return representations.host(world, host) if host else None


def _cluster(world: World, vm: Machine) -> Node | None:
    cluster = world.cluster(vm.cluster_id)
    return representations.cluster(world, cluster) if cluster else None


def _template(world: World, vm: Machine) -> Node | None:
    return representations.template(world, BLANK)


_SINGLE: Mapping[str, Callable[[World, Machine], Node | None]] = {
    "host": _host,
    "cluster": _cluster,
    "template": _template,
}
