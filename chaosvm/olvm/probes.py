"""Probes of the VMs of an oVirt engine, for steady states and methods.

Probes change nothing. Each is bounded by the setting ``olvm_timeout``, and
raises rather than answer with a guess: an engine that cannot be asked is never
"no VMs" or "not powered on". docs/olvm.md explains settings and selection.
"""

from typing import Any, Dict

from chaoslib.types import Configuration, Secrets

from chaosvm.activities import plans, probes
from chaosvm.olvm import olvm
from chaosvm.olvm.binding import OLVM

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

vm_info = OLVM.bind(probes.vm_info)
list_vms = OLVM.bind(probes.list_vms)
count_vms = OLVM.bind(probes.count_vms)
vm_power_state = OLVM.bind(probes.vm_power_state)
vm_has_power_state = OLVM.bind(probes.vm_has_power_state)
all_vms_have_power_state = OLVM.bind(probes.all_vms_have_power_state)
inventory_summary = OLVM.bind(probes.inventory_summary)
plan_power_on = OLVM.bind(plans.plan_power_on)
plan_reboot = OLVM.bind(plans.plan_reboot)
plan_suspend = OLVM.bind(plans.plan_suspend)


def plan_power_off(
    vms: Dict[str, Any],
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "hard",
    discard_memory: bool = False,
    path: str = "",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    What `batch_power_off` with these arguments would do now. Nothing is touched.

    Chooses the VMs, draws the sample, checks the guards (`chaosvm_max_vms` and
    its like) and foresees what would be refused. Returns `plan` (its version),
    `platform`, `server`, `operation`, `options`, `selection`, `seed`,
    `possible` (would it be carried out?), `vms` (each with `id`, `name`,
    `power_state` and what `will` be done), `passed_over`, `refused` and
    `guards`. With a `path` it is also written to that file, whole or not at all.

    A plan can take the place of the selection in `batch_power_off`:
    `{"plan": "plan.json"}`. It means the same VMs then, and is refused if one of
    them was renamed, is gone or is in another power state.

    ```json
    {
      "type": "probe",
      "name": "what-would-be-powered-off",
      "provider": {
        "type": "python",
        "module": "chaosvm.olvm.probes",
        "func": "plan_power_off",
        "arguments": {"vms": {"name": "web-*", "count": 2}, "path": "plan.json"}
      }
    }
    ```
    """
    platform = olvm(configuration, secrets)
    options = {"graceful": graceful, "timeout": timeout, "on_timeout": on_timeout}
    options["discard_memory"] = discard_memory
    return plans.saved_plan(path, lambda: platform.plan("power_off", vms, parallel, **options))
