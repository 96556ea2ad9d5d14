"""What can be searched for in each collection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chaosvm.lab.ovirt.described import event_type
from chaosvm.lab.ovirt.search import Column
from chaosvm.lab.ovirt.words import in_search
from chaosvm.lab.world import Cluster, Datacenter, Event, Host, Machine, State, World

__all__ = ["cluster_columns", "datacenter_columns", "event_columns", "host_columns", "vm_columns"]

Columns = Mapping[str, Column]

_COMPARED = ("=", "!=", ">", "<", ">=", "<=")
_MIB = 1024**2


def vm_columns(world: World) -> Columns:
    def host(vm: Machine) -> Sequence[str]:
        return _name(world.host(vm.host_id))

    def cluster(vm: Machine) -> Sequence[str]:
        return _name(world.cluster(vm.cluster_id))

    def datacenter(vm: Machine) -> Sequence[str]:
        of = world.cluster(vm.cluster_id)
        return _name(world.datacenter(of.datacenter_id)) if of else ()

    return {
        "NAME": Column(lambda vm: (vm.name,)),
        "COMMENT": _maybe(lambda vm: vm.comment),
        "DESCRIPTION": _maybe(lambda vm: vm.description),
        "STATUS": Column(
            lambda vm: (in_search(vm.state),),
            free=False,
            known=frozenset(in_search(state) for state in State),
        ),
        "IP": Column(lambda vm: vm.ip_addresses if vm.state.on_a_host else ()),
        "FQDN": _maybe(lambda vm: vm.fqdn if vm.state.on_a_host else None),
        "OS": Column(lambda vm: (vm.os,), free=False),
        "MEMORY": Column(
            lambda vm: (str(vm.memory // _MIB),),
            free=False,
            relations=_COMPARED,
            number=True,
            sort_key=lambda vm: vm.memory,
        ),
        "CLUSTER": Column(cluster),
        "DATACENTER": Column(datacenter),
        "TAG": Column(world.tags_of, free=False, relations=("=",)),
        "POOL": _maybe(lambda vm: vm.pool_id),
        "ID": Column(lambda vm: (vm.id,), free=False),
        "HOST.NAME": Column(host),
        "HOSTS.NAME": Column(host, free=False),
        # An object without a field is looked for in all columns of that object.
        "HOST": Column(host, free=False, relations=("=",)),
    }


def host_columns(world: World) -> Columns:
    return {
        "NAME": Column(lambda host: (host.name,)),
        "ADDRESS": Column(lambda host: (host.address,)),
        "STATUS": Column(
            lambda host: ("up" if host.up else "maintenance",),
            free=False,
            known=frozenset(("up", "down", "maintenance", "nonresponsive", "nonoperational")),
        ),
        "CLUSTER": Column(lambda host: _name(world.cluster(host.cluster_id))),
        "ID": Column(lambda host: (host.id,), free=False),
    }


def cluster_columns(world: World) -> Columns:
    return {
        "NAME": Column(lambda cluster: (cluster.name,)),
        "DESCRIPTION": _maybe(lambda cluster: cluster.description),
        "DATACENTER": Column(lambda cluster: _name(world.datacenter(cluster.datacenter_id))),
        "ID": Column(lambda cluster: (cluster.id,), free=False),
    }


def datacenter_columns(world: World) -> Columns:
    return {
        "NAME": Column(lambda datacenter: (datacenter.name,)),
        "DESCRIPTION": _maybe(lambda datacenter: datacenter.description),
        "ID": Column(lambda datacenter: (datacenter.id,), free=False),
    }


def event_columns(world: World) -> Columns:
    def shown(event: Event) -> Any:
        return event_type(world, event)

    return {
        "TYPE": Column(lambda event: (str(shown(event).code),), free=False),
        "SEVERITY": Column(lambda event: (shown(event).severity.value,), free=False),
        "MESSAGE": Column(lambda event: (shown(event).description,)),
        "USRNAME": _maybe(lambda event: event.user),
        "EVENT_VM": _maybe(lambda event: event.vm_name),
        "EVENT_HOST": Column(lambda event: _name(world.host(event.host_id))),
        "CORRELATION_ID": _maybe(lambda event: event.correlation_id),
        "TIME": Column(
            lambda event: (str(event.at.timestamp()),),
            free=False,
            relations=(">", "<"),
            number=True,
            sort_key=lambda event: event.number,
        ),
    }


def tag_columns() -> Columns:
    return {"NAME": Column(lambda tag: (tag.name,))}


def _maybe(text: Callable[[Any], str | None]) -> Column:
    def texts(item: Any) -> Sequence[str]:
        found = text(item)
        return (found,) if found else ()

    return Column(texts)


def _name(thing: Datacenter | Cluster | Host | None) -> Sequence[str]:
    return (thing.name,) if thing else ()
