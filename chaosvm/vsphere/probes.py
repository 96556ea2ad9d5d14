"""Probes of the VMs of a vCenter, for steady states and methods.

Probes change nothing. Each is bounded by the setting ``vsphere_timeout``. A probe
that cannot read the vCenter fails; it never returns "no VMs" or "not powered on"
instead. See docs/observing.md for what is read, docs/vsphere.md for the privileges.
"""

from chaosvm.activities import guest_probes, plans, probes, recovery_probes, server_probes
from chaosvm.vsphere.binding import VSPHERE

__all__ = [
    "alarms_triggered",
    "all_vms_have_power_state",
    "cluster_has_failover_capacity",
    "count_vms",
    "guest_heartbeat",
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

vm_info = VSPHERE.bind(probes.vm_info)
list_vms = VSPHERE.bind(probes.list_vms)
count_vms = VSPHERE.bind(probes.count_vms)
vm_power_state = VSPHERE.bind(probes.vm_power_state)
vm_has_power_state = VSPHERE.bind(probes.vm_has_power_state)
all_vms_have_power_state = VSPHERE.bind(probes.all_vms_have_power_state)
inventory_summary = VSPHERE.bind(probes.inventory_summary)
guest_heartbeat = VSPHERE.bind(guest_probes.guest_heartbeat)
guest_ip_addresses = VSPHERE.bind(guest_probes.guest_ip_addresses)
guest_port_open = VSPHERE.bind(guest_probes.guest_port_open)
guest_tools_running = VSPHERE.bind(guest_probes.guest_tools_running)
recovery_seconds = VSPHERE.bind(recovery_probes.recovery_seconds)
vm_host = VSPHERE.bind(guest_probes.vm_host)
vm_moved_since = VSPHERE.bind(recovery_probes.vm_moved_since)
vm_rebooted_since = VSPHERE.bind(guest_probes.vm_rebooted_since)
vm_restarted_by_ha = VSPHERE.bind(recovery_probes.vm_restarted_by_ha)
vm_uptime_seconds = VSPHERE.bind(guest_probes.vm_uptime_seconds)
alarms_triggered = VSPHERE.bind(server_probes.alarms_triggered)
cluster_has_failover_capacity = VSPHERE.bind(server_probes.cluster_has_failover_capacity)
host_connection_state = VSPHERE.bind(server_probes.host_connection_state)
hosts_available = VSPHERE.bind(server_probes.hosts_available)
running_vms_at_least = VSPHERE.bind(server_probes.running_vms_at_least)
vm_events = VSPHERE.bind(server_probes.vm_events)
wait_for_state = VSPHERE.bind(server_probes.wait_for_state)
plan_power_off = VSPHERE.bind(plans.plan_power_off)
plan_outage = VSPHERE.bind(plans.plan_outage)
plan_power_on = VSPHERE.bind(plans.plan_power_on)
plan_reboot = VSPHERE.bind(plans.plan_reboot)
plan_suspend = VSPHERE.bind(plans.plan_suspend)
