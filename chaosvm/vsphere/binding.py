"""vSphere's wording for the docstrings of the shared activities."""

from __future__ import annotations

from chaosvm.activities import Binding
from chaosvm.vsphere import vsphere

__all__ = ["VSPHERE"]

_SELECTION = (
    "`names`, `name`, `regex`, `ids`, `datacenter`, `cluster`, `host`, `folder`, `tag`, "
    "`guest_os`, `power_state`, `exclude`, and `count` or `percent` with a `seed`"
)
_WORDS = {
    "vm_name": "a name, an id (moid), an instance UUID or an inventory path",
    "outcome": (
        "`name`, `id`, `platform`, `operation`, `before`, `after`, `changed`, `how` and `seconds`"
    ),
    "selection": _SELECTION,
    "power_on": (
        "By default it returns when the VM is powered on, and its guest may still be booting. A "
        "template, or a VM that is managed by vCenter, is refused."
    ),
    "tools_run": "VMware Tools run",
    "power_off": (
        "With `graceful` the guest is asked to shut down (this needs VMware Tools); if it does "
        "not, `on_timeout` decides: `hard` cuts its power, `fail` fails the action, "
        "`leave` leaves it running without failing. The guest has `timeout` seconds, minus a fifth "
        "(30 at most) that is reserved for a hard power off if one may follow. Without `graceful` "
        "the power is cut at once, as if the plug were pulled. A suspended VM is refused."
    ),
    "reboot": (
        "A guest reboot needs VMware Tools. It is confirmed when Tools have stopped and run again, "
        "or when the guest's uptime (sys.osUptime) has fallen; it has not rebooted if that uptime "
        "goes on. A reset, which is like the reset button, is confirmed when its task has "
        "succeeded and the VM is on."
    ),
    "not_suspendable": "off",
    "metadata": "what only vSphere has, such as custom attributes",
    "list_vms": "",
    "vm_power_state": (
        "One of powered_on, powered_off, suspended, or unknown if the VM's host is not connected."
    ),
    "expected": "powered_on, powered_off or suspended",
    "tools": "VMware Tools",
    "tools_unknown": "Fails if the VM's host is not connected.",
    "uptime": (
        "VMware Tools report it, to the performance counter sys.osUptime, some 20 to 40 seconds "
        "late."
    ),
    "vm_host": "A VM that is off has one too: where it is registered.",
    "host_state": "A host in maintenance is connected.",
    "summary": (
        "`platform`, `server`, `product`, `version`, `build`, `vms`, `templates` (how many of "
        "these are)"
    ),
}

VSPHERE = Binding("vsphere", vsphere, _WORDS)
