"""Services that are not modelled, and answer as an empty vCenter would.

Items of libraries, namespaces, images, data sets and policies: there are none. The appliance
is healthy, and has no proxy. Paths and structures are those of VMware's API reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chaosvm.lab.vcenter.vapi.operations import Operation, Request

__all__ = ["fixed_answers"]

# Service below com.vmware, operation, path, and answer. The method is GET, unless the path has
# an action.
_ANSWERS: Sequence[tuple[str, str, str, Any]] = (
    ("content.subscribed_library", "list", "/content/subscribed-library", []),
    ("content.library.item", "list", "/content/library/item", []),
    ("content.library.item", "find", "/content/library/item?find", []),
    ("content.library.item.update_session", "list", "/content/library/item/update-session", []),
    ("content.library.item.download_session", "list", "/content/library/item/download-session", []),
    (
        "content.trusted_certificates",
        "list",
        "/content/trusted-certificates",
        {"certificates": []},
    ),
    ("content.security_policies", "list", "/content/security-policies", []),
    ("esx.settings.depots.offline", "list", "/esx/settings/depots/offline", {}),
    (
        "esx.settings.depot_content.base_images",
        "list",
        "/esx/settings/depot-content/base-images",
        [],
    ),
    (
        "esx.settings.clusters.enablement.software",
        "get",
        "/esx/settings/clusters/{cluster}/enablement/software",
        {"enabled": False},
    ),
    ("vcenter.namespaces.instances", "list", "/vcenter/namespaces/instances", []),
    (
        "vcenter.namespace_management.clusters",
        "list",
        "/vcenter/namespace-management/clusters",
        [],
    ),
    (
        "vcenter.namespace_management.supervisor_services",
        "list",
        "/vcenter/namespace-management/supervisor-services",
        [],
    ),
    (
        "vcenter.namespace_management.virtual_machine_classes",
        "list",
        "/vcenter/namespace-management/virtual-machine-classes",
        [],
    ),
    ("vcenter.storage.policies", "list", "/vcenter/storage/policies", []),
    ("vcenter.vm.data_sets", "list", "/vcenter/vm/{vm}/data-sets", []),
    ("appliance.access.consolecli", "get", "/appliance/access/consolecli", True),
    ("appliance.access.dcui", "get", "/appliance/access/dcui", True),
    (
        "appliance.access.shell",
        "get",
        "/appliance/access/shell",
        {"enabled": False, "timeout": 0},
    ),
    ("appliance.access.ssh", "get", "/appliance/access/ssh", False),
    ("appliance.logging.forwarding", "list", "/appliance/logging/forwarding", []),
    ("appliance.networking.noproxy", "get", "/appliance/networking/noproxy", ["localhost"]),
    ("appliance.networking.proxy", "list", "/appliance/networking/proxy", {}),
    (
        "appliance.shutdown",
        "get",
        "/appliance/shutdown",
        {"action": "", "reason": "", "shutdown_time": ""},
    ),
    *(
        (f"appliance.health.{each}", "get", f"/appliance/health/{each.replace('_', '-')}", "green")
        for each in ("applmgmt", "database_storage", "load", "mem", "storage", "swap", "system")
    ),
)


def fixed_answers() -> Iterable[Operation]:
    for service, name, path, answer in _ANSWERS:
        plain, _, action = path.partition("?")
        yield Operation(
            f"com.vmware.{service}",
            name,
            _always(answer),
            "POST" if action else "GET",
            plain,
            action or None,
        )


def _always(answer: Any) -> Callable[[Request], Any]:
    return lambda request: answer
