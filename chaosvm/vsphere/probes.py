"""Probes of the VMs of a vCenter, for steady states and methods.

Probes change nothing. The setting ``vsphere_timeout`` limits each. A probe that
cannot read the vCenter raises an error; it never returns "no VMs" or "not
powered on" instead. docs/vsphere.md explains settings and selection.
"""

from chaosvm.activities import plans, probes
from chaosvm.vsphere.binding import VSPHERE

__all__ = [
    "all_vms_have_power_state",
    "count_vms",
    "inventory_summary",
    "list_vms",
    "plan_power_off",
    "plan_power_on",
    "plan_reboot",
    "plan_suspend",
    "vm_has_power_state",
    "vm_info",
    "vm_power_state",
]

vm_info = VSPHERE.bind(probes.vm_info)
list_vms = VSPHERE.bind(probes.list_vms)
count_vms = VSPHERE.bind(probes.count_vms)
vm_power_state = VSPHERE.bind(probes.vm_power_state)
vm_has_power_state = VSPHERE.bind(probes.vm_has_power_state)
all_vms_have_power_state = VSPHERE.bind(probes.all_vms_have_power_state)
inventory_summary = VSPHERE.bind(probes.inventory_summary)
plan_power_off = VSPHERE.bind(plans.plan_power_off)
plan_power_on = VSPHERE.bind(plans.plan_power_on)
plan_reboot = VSPHERE.bind(plans.plan_reboot)
plan_suspend = VSPHERE.bind(plans.plan_suspend)
