"""Power actions on the VMs of a vCenter.

An action validates its arguments and settings, finds the VMs in the inventory, and
only then sends commands. Actions are idempotent, so they also serve as rollbacks: a
VM that is already in the requested state is left alone, with ``changed`` false.
``timeout`` bounds the whole call, login included. Templates, VMs managed by vCenter
(agents such as vCLS), fault tolerance secondaries, the vCenter's own VM and protected
VMs are refused. See docs/outcomes.md for results, docs/power.md for ``wait_for``,
outages and waves, docs/safety.md for protection, limits, plans and dry runs, and
docs/vsphere.md for what differs on vSphere.
"""

from chaosvm.activities import actions, batch_actions
from chaosvm.vsphere.binding import VSPHERE

__all__ = [
    "batch_power_off",
    "batch_power_on",
    "batch_reboot",
    "batch_suspend",
    "outage",
    "power_off",
    "power_on",
    "reboot",
    "restore_power_states",
    "suspend",
]

power_on = VSPHERE.bind(actions.power_on)
power_off = VSPHERE.bind(actions.power_off)
reboot = VSPHERE.bind(actions.reboot)
suspend = VSPHERE.bind(actions.suspend)
batch_power_on = VSPHERE.bind(batch_actions.batch_power_on)
batch_power_off = VSPHERE.bind(batch_actions.batch_power_off)
batch_reboot = VSPHERE.bind(batch_actions.batch_reboot)
batch_suspend = VSPHERE.bind(batch_actions.batch_suspend)
outage = VSPHERE.bind(batch_actions.outage)
restore_power_states = VSPHERE.bind(actions.restore_power_states)
