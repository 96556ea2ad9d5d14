"""Probes of the VMs of a vCenter, for steady states and methods.

Probes change nothing. Each is bounded by the setting ``vsphere_timeout``, and
raises rather than answer with a guess: a vCenter that cannot be asked is never
"no VMs" or "not powered on". docs/vsphere.md explains settings and selection.
"""

from typing import Any, Dict, List

from chaoslib.types import Configuration, Secrets

from chaosvm.plan import save_plan
from chaosvm.vsphere import vsphere

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


def vm_info(
    vm_name: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Everything that is known of one VM.

    `vm_name` is a name, an id (moid), an instance UUID or an inventory path.
    Returns `name`, `id`, `platform`, `power_state`, `status` (vSphere's own
    word), `instance_uuid`, `path`, `datacenter`, `cluster`, `host`, `folder`,
    `cpu_count`, `memory_mb` (MiB), `guest_os`, `tools_status`, `hostname`,
    `ip_addresses`, `tags`, `template` and `metadata` (what only vSphere has,
    such as custom attributes); null where vSphere does not tell. Fails for a VM
    that is unknown or ambiguous.

    ```json
    {
      "type": "probe",
      "name": "what-web-01-is-like",
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.probes",
        "func": "vm_info",
        "arguments": {"vm_name": "web-01"}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return platform.get_vm(vm_name).to_json()


def list_vms(
    vms: Dict[str, Any] = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> List[Dict[str, Any]]:
    """
    The VMs that fit a selection, or all of them; each as `vm_info` gives it.

    `vms` is a selection: `names`, `name`, `regex`, `ids`, `datacenter`,
    `cluster`, `host`, `folder`, `tag`, `guest_os`, `power_state`, `exclude`,
    and `count` or `percent` with a `seed`. No VM that fits is an empty list.

    ```json
    {
      "type": "probe",
      "name": "what-runs-in-prod",
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.probes",
        "func": "list_vms",
        "arguments": {"vms": {"cluster": "prod", "power_state": "powered_on"}}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return [vm.to_json() for vm in platform.list_vms(vms)]


def count_vms(
    vms: Dict[str, Any] = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> int:
    """
    How many VMs fit a selection, or how many there are; 0 where none fits.

    ```json
    {
      "type": "probe",
      "name": "at-least-three-web-servers-run",
      "tolerance": {"type": "range", "range": [3, 1000]},
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.probes",
        "func": "count_vms",
        "arguments": {"vms": {"name": "web-*", "power_state": "powered_on"}}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return platform.count_vms(vms)


def vm_power_state(
    vm_name: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> str:
    """
    The power state of one VM: powered_on, powered_off, suspended or unknown.

    Unknown means that the VM's host is not connected, so that vCenter cannot
    tell. To compare with one state, `vm_has_power_state` is the simpler probe.

    ```json
    {
      "type": "probe",
      "name": "db-01-runs",
      "tolerance": "powered_on",
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.probes",
        "func": "vm_power_state",
        "arguments": {"vm_name": "db-01"}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return platform.vm_power_state(vm_name).value


def vm_has_power_state(
    vm_name: str,
    expected: str = "powered_on",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    Is one VM in the expected power state?

    `expected` is powered_on, powered_off or suspended. Fails, rather than
    answer false, for a VM that is unknown or ambiguous.

    ```json
    {
      "type": "probe",
      "name": "web-01-is-off",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.probes",
        "func": "vm_has_power_state",
        "arguments": {"vm_name": "web-01", "expected": "powered_off"}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return platform.vm_has_power_state(vm_name, expected)


def all_vms_have_power_state(
    vms: Dict[str, Any],
    expected: str = "powered_on",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    Are all the selected VMs in the expected power state?

    Those that are not are named in the log. Fails, rather than answer true,
    when no VM fits the selection.

    ```json
    {
      "type": "probe",
      "name": "the-database-runs",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.probes",
        "func": "all_vms_have_power_state",
        "arguments": {"vms": {"names": ["db-01", "db-02"]}, "expected": "powered_on"}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return platform.all_vms_have_power_state(vms, expected)


def inventory_summary(
    vms: Dict[str, Any] = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    What the vCenter holds, in numbers.

    Returns `platform`, `server`, `product`, `version`, `build`, `vms`,
    `templates` (how many of these are), the sums `cpu_count` and `memory_mb`
    (MiB), and the number of VMs by `power_states`, `datacenters`, `clusters`
    and `hosts`. With a selection as `vms`, only the VMs that fit are counted.

    ```json
    {
      "type": "probe",
      "name": "what-is-there",
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.probes",
        "func": "inventory_summary"
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return platform.inventory_summary(vms)


def plan_power_off(
    vms: Dict[str, Any],
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "hard",
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
        "module": "chaosvm.vsphere.probes",
        "func": "plan_power_off",
        "arguments": {"vms": {"name": "web-*", "count": 2}, "path": "plan.json"}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    options = {"graceful": graceful, "timeout": timeout, "on_timeout": on_timeout}
    return save_plan(path, lambda: platform.plan("power_off", vms, parallel, **options))


def plan_power_on(
    vms: Dict[str, Any],
    parallel: int = 10,
    timeout: float = 300,
    path: str = "",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    What `batch_power_on` with these arguments would do now. Nothing is touched.

    Returns the same as `plan_power_off`, and can be given to `batch_power_on` in
    the same way; with a `path` it is also written to that file.

    ```json
    {
      "type": "probe",
      "name": "what-would-be-powered-on",
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.probes",
        "func": "plan_power_on",
        "arguments": {"vms": {"name": "web-*"}}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    options = {"timeout": timeout}
    return save_plan(path, lambda: platform.plan("power_on", vms, parallel, **options))


def plan_reboot(
    vms: Dict[str, Any],
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    path: str = "",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    What `batch_reboot` with these arguments would do now. Nothing is touched.

    Returns the same as `plan_power_off`, and can be given to `batch_reboot` in
    the same way; with a `path` it is also written to that file.

    ```json
    {
      "type": "probe",
      "name": "what-would-be-rebooted",
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.probes",
        "func": "plan_reboot",
        "arguments": {"vms": {"name": "web-*"}}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    options = {"graceful": graceful, "timeout": timeout}
    return save_plan(path, lambda: platform.plan("reboot", vms, parallel, **options))


def plan_suspend(
    vms: Dict[str, Any],
    parallel: int = 10,
    timeout: float = 300,
    path: str = "",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    What `batch_suspend` with these arguments would do now. Nothing is touched.

    Returns the same as `plan_power_off`, and can be given to `batch_suspend` in
    the same way; with a `path` it is also written to that file.

    ```json
    {
      "type": "probe",
      "name": "what-would-be-suspended",
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.probes",
        "func": "plan_suspend",
        "arguments": {"vms": {"name": "web-*"}}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    options = {"timeout": timeout}
    return save_plan(path, lambda: platform.plan("suspend", vms, parallel, **options))
