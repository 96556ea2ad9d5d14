"""Reads the status of hosts and clusters, and the engine's clock."""

from __future__ import annotations

import datetime as dt
from xml.etree.ElementTree import Element

from chaosvm.backend import ClusterStatus, HostConnection, HostStatus
from chaosvm.errors import ProtocolError
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.inventory import Places
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline

__all__ = ["cluster_statuses", "host_statuses", "read_time"]

# Hosts that the engine monitors, by status (ovirt-engine, VdsManager.isMonitoringNeeded).
_CONNECTIONS = {
    "up": HostConnection.CONNECTED,
    "preparing_for_maintenance": HostConnection.CONNECTED,
    "non_operational": HostConnection.CONNECTED,
    "error": HostConnection.CONNECTED,
    "connecting": HostConnection.CONNECTING,
    "initializing": HostConnection.CONNECTING,
    "non_responsive": HostConnection.NOT_RESPONDING,
    "unassigned": HostConnection.UNKNOWN,
}
_UNMONITORED = (
    "down",
    "installing",
    "install_failed",
    "installing_os",
    "kdumping",
    "maintenance",
    "pending_approval",
    "reboot",
)


def host_statuses(places: Places) -> list[HostStatus]:
    return [
        HostStatus(
            id=host.id,
            name=host.name,
            connection=_connection(host.status or ""),
            available=host.status == "up",
            maintenance=host.status == "maintenance",
            status=host.status or "",
            cluster=_cluster_name(places, host.cluster_id),
        )
        for host in places.hosts.values()
    ]


def _connection(status: str) -> HostConnection:
    if status in _UNMONITORED:
        return HostConnection.DISCONNECTED
    return _CONNECTIONS.get(status, HostConnection.UNKNOWN)


def _cluster_name(places: Places, cluster_id: str | None) -> str | None:
    cluster = places.clusters.get(cluster_id or "")
    return cluster.name if cluster else None


def cluster_statuses(places: Places) -> list[ClusterStatus]:
    """High availability is a property of each VM, not of the cluster."""
    return [ClusterStatus(id=each.id, name=each.name) for each in places.clusters.values()]


def read_time(client: OLVMClient, deadline: Deadline) -> dt.datetime:
    (time,) = client.read_list("", _root_parser, deadline)
    if time is None:
        raise ProtocolError(f"{client.address} does not report its time")
    return time


def _root_parser() -> XmlListParser[dt.datetime | None]:
    return XmlListParser("-", "api", _time, requires_id=False)


def _time(api: Element) -> dt.datetime | None:
    text = api.findtext("time")
    return dt.datetime.fromisoformat(text) if text else None
