"""Hosts: their actions, and what is only read of them.

Source: the recordings ``host-*``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt import representations
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import flag, value
from chaosvm.lab.ovirt.collation import collation_key
from chaosvm.lab.ovirt.collection import Call, Collection, empty, nodes
from chaosvm.lab.ovirt.kinds.network import MANAGEMENT, network_id
from chaosvm.lab.ovirt.markup import Node, linked, links, node, text
from chaosvm.lab.ovirt.overlay import Overlay
from chaosvm.lab.ovirt.statistics import HOST_STATISTICS, NIC_STATISTICS, statistics
from chaosvm.lab.simulation import Host, Origin, derived_id

__all__ = ["host_collections"]

_EMPTY = {
    "devices": "host_devices",
    "externalnetworkproviderconfigurations": "external_network_provider_configurations",
    "hooks": "hooks",
    "katelloerrata": "katello_errata",
    "storage": "host_storages",
    "storageconnectionextensions": "storage_connection_extensions",
    "unmanagednetworks": "unmanaged_networks",
}
_ACCEPTED = (
    *("approve", "commitnetconfig", "enrollcertificate", "forceselectspm", "install", "refresh"),
    *("setupnetworks", "syncallnetworks", "upgrade", "upgradecheck", "copyhostnetworks"),
)
_FENCE_TYPES = ("manual", "restart", "start", "status", "stop")


def host_collections(overlay: Overlay) -> Sequence[Collection]:
    hosts = _Hosts(overlay)
    of_nic = "hosts/{id}/nics/{id}"
    return (
        Collection(
            path="hosts",
            root="hosts",
            items=lambda call: sorted(call.world.hosts, key=lambda host: collation_key(host.name)),
            described=hosts.described,
            entity="HOST",
            update=hosts.update,
            missing_in=_unknown_host,
            actions={
                "activate": hosts.activate,
                "deactivate": hosts.deactivate,
                "fence": hosts.fence,
                **dict.fromkeys(_ACCEPTED, _accept),
            },
        ),
        nodes("hosts/{id}/statistics", "statistics", _statistics),
        nodes("hosts/{id}/nics", "host_nics", _nics, element="host_nic"),
        nodes(
            f"{of_nic}/statistics",
            "statistics",
            lambda call: statistics(call, NIC_STATISTICS, "host_nic"),
        ),
        nodes(
            f"{of_nic}/networkattachments", "network_attachments", lambda call: _attachments(call)
        ),
        empty(f"{of_nic}/networklabels", "network_labels"),
        empty(f"{of_nic}/virtualfunctionallowedlabels", "network_labels"),
        empty(f"{of_nic}/virtualfunctionallowednetworks", "networks"),
        nodes("hosts/{id}/networkattachments", "network_attachments", _attachments),
        nodes("hosts/{id}/numanodes", "host_numa_nodes", _numa_nodes),
        empty("hosts/{id}/numanodes/{id}/statistics", "statistics"),
        nodes("hosts/{id}/cpuunits", "host_cpu_units", _cpu_units),
        *(empty(f"hosts/{{id}}/{name}", root) for name, root in _EMPTY.items()),
    )


class _Hosts:
    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay

    def described(self, call: Call, host: Host) -> Node:
        return self._overlay.applied(host.id, representations.host(call.world, host))

    def update(self, call: Call, host: Host, body: Element) -> Host:
        name = value(body, "name")
        enabled = flag(body, "power_management/enabled")
        changes: dict[str, object] = {"name": name} if name else {}
        if enabled is not None:
            changes["power_management"] = enabled
        changed = call.world.change_host(host.id, **changes)
        self._overlay.keep(host.id, body, ("name", "status"))
        call.note(
            43, f"Host {changed.name} configuration was updated by {{user}}.", host_id=host.id
        )
        return changed

    def activate(self, call: Call, host: Host, body: Element) -> Sequence[Node]:
        if host.status not in ("maintenance", "preparing_for_maintenance", "non_operational"):
            status = host.status.replace("_", " ").title().replace(" ", "")
            raise Failure(409, f"[Cannot activate Host. Host in {status} status.]")
        call.world.host_operations.exit_maintenance(host.id, _origin(call, body))
        return (_links(host), call.job(f"Activating Host {host.name}"))

    def deactivate(self, call: Call, host: Host, body: Element) -> Sequence[Node]:
        if host.status == "maintenance":
            detail = "Host is already in Maintenance mode."
            raise Failure(409, f"[Cannot switch Host to Maintenance mode. {detail}]")
        self._refuse_unmovable(call, host)
        call.world.host_operations.enter_maintenance(host.id, _origin(call, body), evacuate=True)
        return (_links(host),)

    def _refuse_unmovable(self, call: Call, host: Host) -> None:
        vms = call.world.host_operations.vms_on(host.id)
        for vm in vms:
            if not any(each.id != host.id for each in call.world.usable_hosts(vm)):
                reason = (
                    f"The host {host.name} did not satisfy internal filter Migration because it "
                    "currently hosts the VM.."
                )
                reasons = ", ".join([reason] * 3)
                raise Failure(
                    409,
                    "[Cannot maintenance Host. There is no host that satisfies current scheduling "
                    f"constraints. See below for details:, {reasons}]",
                )

    def fence(self, call: Call, host: Host, body: Element) -> Sequence[Node]:
        kind = value(body, "fence_type")
        if not kind:
            detail = "Parameter 'fence_type' is mandatory but was not provided."
            raise Failure(400, detail, "Input validation failed.")
        if kind not in _FENCE_TYPES:
            members = ", ".join(_FENCE_TYPES)
            detail = (
                f"{kind.upper()} is not a member of FenceType. Possible values for FenceType are: "
                f"{members}"
            )
            raise Failure(400, detail, "Invalid value")
        if kind == "manual":
            return self._confirm_rebooted(call, host, body)
        return self._fence_by_power(call, host, body, kind)

    def _confirm_rebooted(self, call: Call, host: Host, body: Element) -> Sequence[Node]:
        if host.status not in ("connecting", "non_responsive", "non_operational", "maintenance"):
            raise Failure(
                409,
                "[Cannot confirm 'Host has been rebooted' Host. Valid Host statuses are \"Non "
                'operational", "Maintenance" or "Connecting".]',
            )
        call.world.outages.confirm_rebooted(host.id, _origin(call, body))
        call.note(
            348,
            f"All VMs' status on Non Responsive Host {host.name} were changed to 'Down' by "
            "{user}",
            host_id=host.id,
        )
        return (_links(host),)

    def _fence_by_power(self, call: Call, host: Host, body: Element, kind: str) -> Sequence[Node]:
        operations, origin = call.world.host_operations, _origin(call, body)
        if kind == "status":
            if not host.power_management:
                reason = f"Invalid fence agents defined for host '{host.address}'."
                return (node("fault", text("reason", reason)), text("status", "failed"))
            return (
                _links(host),
                node("power_management", text("status", "on" if host.powered else "off")),
            )
        if not host.power_management:
            detail = f"Cannot {kind} Host. Fence operation failed."
            raise Failure(409, f"[Cannot fence Host, Host fence is disabled., {detail}]")
        if kind == "stop" and host.status != "maintenance":
            raise Failure(
                409,
                "[Cannot perform Stop operation, Host has to be in Maintenance mode in order to be "
                "stopped.]",
            )
        {"restart": operations.reboot, "stop": operations.shut_down, "start": operations.power_on}[
            kind
        ](host.id, origin)
        return (_links(host), call.job(f"{kind.capitalize()}ing Host {host.name}"))


def _unknown_host(action: str) -> Failure:
    word = "maintenance" if action == "deactivate" else action
    return Failure(400, f"[Cannot {word} Host. Invalid Host Id.]")


def _origin(call: Call, body: Element) -> Origin:
    return replace(call.origin, reason=value(body, "reason"))


def _links(host: Host) -> Node:
    return representations.host_links(host)


def _accept(call: Call, host: Host, body: Element) -> Sequence[Node]:
    """Nothing that the lab simulates changes."""
    return (_links(host), call.job(f"Refreshing Host {host.name}"))


def _host(call: Call) -> Host:
    host = call.world.host(call.parents[0])
    if host is None:
        raise Failure(404)
    return host


def _statistics(call: Call) -> Sequence[Node]:
    host = _host(call)
    used = sum(vm.memory for vm in call.world.host_operations.vms_on(host.id))
    booted = call.world.date_of(host.booted_at)
    values = {
        "memory.total": str(host.memory),
        "memory.used": str(used),
        "memory.free": str(max(0, host.memory - used)),
        "boot.time": str(int(booted.timestamp())),
    }
    return statistics(call, HOST_STATISTICS, "host", values)


def _nics(call: Call) -> Sequence[Node]:
    host = _host(call)
    item_id = derived_id(host.id, "eth0")
    path = f"{call.path}/{item_id}"
    names = (
        "linklayerdiscoveryprotocolelements",
        "networkattachments",
        "networklabels",
        "statistics",
    )
    digits = item_id.replace("-", "")
    mac = ":".join(("02", *(digits[2 * i : 2 * i + 2] for i in range(5))))
    return (
        node(
            "host_nic",
            node("actions"),
            text("name", "eth0"),
            *links(path, names),
            text("boot_protocol", "dhcp"),
            text("bridged", True),
            text("custom_configuration", False),
            node("ip", text("address", host.address), text("version", "v4")),
            node("mac", text("address", mac)),
            text("mtu", 1500),
            node("properties"),
            text("speed", 10_000_000_000),
            text("status", "up" if host.answers else "down"),
            linked("host", "hosts", host.id),
            linked("network", "networks", _management_of(call, host)),
            href=path,
            id=item_id,
        ),
    )


def _management_of(call: Call, host: Host) -> str | None:
    cluster = call.world.cluster(host.cluster_id)
    datacenter = call.world.datacenter(cluster.datacenter_id) if cluster else None
    return network_id(datacenter, MANAGEMENT) if datacenter else None


def _attachments(call: Call) -> Sequence[Node]:
    host = _host(call)
    item_id = derived_id(host.id, "attachment")
    return (
        node(
            "network_attachment",
            text("in_sync", True),
            linked("host", "hosts", host.id),
            linked("network", "networks", _management_of(call, host)),
            href=f"{call.path}/{item_id}",
            id=item_id,
        ),
    )


def _numa_nodes(call: Call) -> Sequence[Node]:
    host = _host(call)
    item_id = derived_id(host.id, "numa")
    path = f"{call.path}/{item_id}"
    cores = [node("core", text("index", number)) for number in range(host.topology.cpus)]
    return (
        node(
            "host_numa_node",
            *links(path, ("statistics",)),
            node("cpu", node("cores", *cores)),
            text("index", 0),
            text("memory", host.memory // 2**20),
            text("node_distance", "10"),
            linked("host", "hosts", host.id),
            href=path,
            id=item_id,
        ),
    )


def _cpu_units(call: Call) -> Sequence[Node]:
    topology = _host(call).topology
    return [
        node(
            "host_cpu_unit",
            text("core_id", number // topology.threads % topology.cores),
            text("cpu_id", number),
            text("socket_id", number // (topology.threads * topology.cores)),
        )
        for number in range(topology.cpus)
    ]
