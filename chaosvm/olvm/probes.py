"""Probes of the VMs of an oVirt engine, for steady states and methods.

Probes change nothing. Each is bounded by the setting ``olvm_timeout``. A probe
that cannot read the engine fails; it never returns "no VMs" or "not powered on"
instead. See docs/observing.md for what is read, docs/olvm.md for the privileges.
"""

from typing import Any, Dict

from chaoslib.types import Configuration, Secrets

from chaosvm.activities import guest_probes, plans, probes, recovery_probes, server_probes
from chaosvm.olvm import olvm
from chaosvm.olvm.binding import OLVM
from chaosvm.selection import VMSelection

__all__ = [
    "all_vms_have_power_state",
    "count_vms",
    "guest_ip_addresses",
    "guest_port_open",
    "guest_tools_running",
    "host_connection_state",
    "hosts_available",
    "inventory_summary",
    "list_vms",
    "plan_outage",
    "plan_power_off",
    "plan_power_on",
    "plan_reboot",
    "plan_suspend",
    "recovery_seconds",
    "running_vms_at_least",
    "vm_events",
    "vm_has_power_state",
    "vm_host",
    "vm_info",
    "vm_moved_since",
    "vm_power_state",
    "vm_rebooted_since",
    "vm_restarted_by_ha",
    "vm_uptime_seconds",
    "wait_for_state",
]

vm_info = OLVM.bind(probes.vm_info)
list_vms = OLVM.bind(probes.list_vms)
count_vms = OLVM.bind(probes.count_vms)
vm_power_state = OLVM.bind(probes.vm_power_state)
vm_has_power_state = OLVM.bind(probes.vm_has_power_state)
all_vms_have_power_state = OLVM.bind(probes.all_vms_have_power_state)
inventory_summary = OLVM.bind(probes.inventory_summary)
guest_ip_addresses = OLVM.bind(guest_probes.guest_ip_addresses)
guest_port_open = OLVM.bind(guest_probes.guest_port_open)
guest_tools_running = OLVM.bind(guest_probes.guest_tools_running)
recovery_seconds = OLVM.bind(recovery_probes.recovery_seconds)
vm_host = OLVM.bind(guest_probes.vm_host)
vm_moved_since = OLVM.bind(recovery_probes.vm_moved_since)
vm_rebooted_since = OLVM.bind(guest_probes.vm_rebooted_since)
vm_restarted_by_ha = OLVM.bind(recovery_probes.vm_restarted_by_ha)
vm_uptime_seconds = OLVM.bind(guest_probes.vm_uptime_seconds)
host_connection_state = OLVM.bind(server_probes.host_connection_state)
hosts_available = OLVM.bind(server_probes.hosts_available)
running_vms_at_least = OLVM.bind(server_probes.running_vms_at_least)
vm_events = OLVM.bind(server_probes.vm_events)
wait_for_state = OLVM.bind(server_probes.wait_for_state)
plan_outage = OLVM.bind(plans.plan_outage)
plan_power_on = OLVM.bind(plans.plan_power_on)
plan_reboot = OLVM.bind(plans.plan_reboot)
plan_suspend = OLVM.bind(plans.plan_suspend)


@OLVM.document(plans.plan_power_off)
def plan_power_off(
    vms: VMSelection,
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "hard",
    discard_memory: bool = False,
    waves: int = 1,
    interval: float = 0,
    path: str = "",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    platform = olvm(configuration, secrets)
    options = {
        "graceful": graceful,
        "timeout": timeout,
        "on_timeout": on_timeout,
        "discard_memory": discard_memory,
        "waves": waves,
        "interval": interval,
    }
    return plans.saved_plan(path, lambda: platform.plan("power_off", vms, parallel, **options))
