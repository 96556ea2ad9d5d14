"""vSphere's wording for the docstrings of the shared activities."""

from __future__ import annotations

from chaosvm.activities import Binding, Words
from chaosvm.vsphere import vsphere

__all__ = ["VSPHERE"]

_WORDS = Words(
    vm_name="the name, id (moid), instance UUID or inventory path of exactly one VM",
    outcome=(
        "`name`, `id`, `platform`, `operation`, `before` and `after` (power states), `changed`, "
        "`how` and `seconds`"
    ),
    power_on=(
        "By default the action returns when the VM is on; its guest may still be booting. A "
        "template, or a VM that is managed by vCenter, is refused."
    ),
    tools_run="VMware Tools are running",
    power_off=(
        "With `graceful`, the guest is asked to shut down, which needs VMware Tools. If it does "
        "not, `on_timeout` decides: `hard` cuts the power, `fail` fails the action, `leave` "
        "leaves the VM running without failing. The guest has `timeout` seconds; with `hard`, "
        "the last fifth (30 seconds at most) is reserved for the hard power off. Without "
        "`graceful`, the power is cut at once, as if the plug were pulled. A suspended VM is "
        "refused."
    ),
    reboot=(
        "A guest reboot needs VMware Tools. It is confirmed when Tools have stopped and run again, "
        "or when the guest's uptime (sys.osUptime) has fallen; if the uptime keeps rising, the "
        "guest has not rebooted. A reset is confirmed when its task has succeeded and the VM is on."
    ),
    not_suspendable="off",
    metadata="what only vSphere has, such as custom attributes",
    list_vms="",
    power_states=(
        "`powered_on`, `powered_off`, `suspended`, or `unknown` if the VM's host is not connected"
    ),
    expected="`powered_on`, `powered_off` or `suspended`",
    tools="VMware Tools",
    tools_running="VMware Tools are running",
    tools_unknown="Fails if the VM's host is not connected.",
    uptime=(
        "VMware Tools report it to the performance counter sys.osUptime, 20 to 40 seconds late."
    ),
    vm_host="A VM that is off has one too: where it is registered.",
    host_state="A host in maintenance is connected.",
    summary=(
        "`platform`, `server`, `product`, `version`, `build`, `vms` (how many), `templates` (how "
        "many of them)"
    ),
)

VSPHERE = Binding("vsphere", vsphere, _WORDS)
