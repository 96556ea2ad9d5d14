"""Paths of the API, and the links that its objects have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = [
    "ACTIONS",
    "API",
    "COLLECTIONS",
    "PREFIX",
    "REFERENCES",
    "VM_ACTIONS",
    "VM_COLLECTIONS",
    "filled",
    "href",
]

PREFIX = "/ovirt-engine"
API = f"{PREFIX}/api"

# In the order of the engine. Only some of them are simulated.
VM_ACTIONS = (
    "ticket",
    "migrate",
    "reboot",
    "logon",
    "maintenance",
    "previewsnapshot",
    "autopincpuandnumanodes",
    "reordermacaddresses",
    "thawfilesystems",
    "undosnapshot",
    "screenshot",
    "cancelmigration",
    "commitsnapshot",
    "clone",
    "freezefilesystems",
    "shutdown",
    "start",
    "stop",
    "suspend",
    "reset",
    "export",
    "detach",
)
VM_COLLECTIONS = (
    "diskattachments",
    "cdroms",
    "mediateddevices",
    "watchdogs",
    "graphicsconsoles",
    "katelloerrata",
    "permissions",
    "tags",
    "affinitylabels",
    "snapshots",
    "applications",
    "hostdevices",
    "reporteddevices",
    "sessions",
    "backups",
    "checkpoints",
    "nics",
    "numanodes",
    "statistics",
)


def _words(text: str) -> Sequence[str]:
    return text.split()


ACTIONS: Mapping[str, Sequence[str]] = {
    "hosts": _words(
        "install upgrade deactivate activate setupnetworks syncallnetworks approve "
        "commitnetconfig enrollcertificate fence forceselectspm iscsidiscover discoveriscsi "
        "iscsilogin unregisteredstoragedomainsdiscover upgradecheck copyhostnetworks refresh"
    ),
    "clusters": _words("upgrade resetemulatedmachine syncallnetworks refreshglusterhealstatus"),
    "datacenters": _words("cleanfinishedtasks setmaster"),
    "templates": _words("export"),
}
COLLECTIONS: Mapping[str, Sequence[str]] = {
    "hosts": _words(
        "katelloerrata permissions tags affinitylabels fenceagents devices hooks nics numanodes "
        "storage networkattachments storageconnectionextensions unmanagednetworks "
        "externalnetworkproviderconfigurations cpuunits statistics"
    ),
    "clusters": _words(
        "cpuprofiles networkfilters networks permissions affinitygroups glusterhooks "
        "glustervolumes enabledfeatures externalnetworkproviders"
    ),
    "datacenters": _words("clusters networks storagedomains permissions quotas qoss iscsibonds"),
    "templates": _words(
        "diskattachments cdroms mediateddevices watchdogs graphicsconsoles permissions tags nics"
    ),
}


def filled(path: str, ids: Sequence[str]) -> str:
    """A path with ids in the place of ``{id}``."""
    first, *others = path.split("{id}", len(ids))
    return first + "".join(f"{item_id}{rest}" for item_id, rest in zip(ids, others, strict=False))


def href(*parts: object) -> str:
    return "/".join((API, *map(str, parts)))


# The collections at the top that references lead to, by their elements.
REFERENCES: Mapping[str, str] = {
    "affinity_label": "affinitylabels",
    "cluster": "clusters",
    "cpu_profile": "cpuprofiles",
    "data_center": "datacenters",
    "disk": "disks",
    "disk_profile": "diskprofiles",
    "domain": "domains",
    "group": "groups",
    "host": "hosts",
    "instance_type": "instancetypes",
    "large_icon": "icons",
    "mac_pool": "macpools",
    "network": "networks",
    "network_filter": "networkfilters",
    "role": "roles",
    "scheduling_policy": "schedulingpolicies",
    "scheduling_policy_unit": "schedulingpolicyunits",
    "small_icon": "icons",
    "storage_domain": "storagedomains",
    "template": "templates",
    "user": "users",
    "vm": "vms",
    "vm_pool": "vmpools",
    "vnic_profile": "vnicprofiles",
}
