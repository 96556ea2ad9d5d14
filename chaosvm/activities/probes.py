"""Probes, as every platform has them.

``$names`` are replaced by a platform's own words.
"""

from typing import Any, Dict, List

from chaoslib.types import Configuration, Secrets

from chaosvm.activities.binding import Binding
from chaosvm.selection import VMSelection

__all__ = [
    "all_vms_have_power_state",
    "count_vms",
    "inventory_summary",
    "list_vms",
    "vm_has_power_state",
    "vm_info",
    "vm_power_state",
]


def vm_info(
    platform: Binding,
    vm_name: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Return all properties of one VM.

    `vm_name` is $vm_name. Returns `name`, `id`, `platform`, `power_state`, `status`
    (as the platform calls it), `instance_uuid`, `path`, `datacenter`, `cluster`,
    `host`, `folder`, `cpu_count`, `memory_mb` (MiB), `guest_os`, `tools_status`,
    `hostname`, `ip_addresses`, `tags`, `template` and `metadata` ($metadata); null
    for what the platform does not report. Fails if no VM matches, or several.

    ```json
    {
      "type": "probe",
      "name": "what-web-01-is-like",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "vm_info",
        "arguments": {"vm_name": "web-01"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).get_vm(vm_name).to_json()


def list_vms(
    platform: Binding,
    vms: VMSelection = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> List[Dict[str, Any]]:
    """
    List the VMs that match a selection, or all VMs, each as `vm_info` returns it.

    $vms $list_vms If no VM matches, the list is empty.

    ```json
    {
      "type": "probe",
      "name": "what-runs-in-prod",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "list_vms",
        "arguments": {"vms": {"cluster": "prod", "power_state": "powered_on"}}
      }
    }
    ```
    """
    return [vm.to_json() for vm in platform.connect(configuration, secrets).list_vms(vms)]


def count_vms(
    platform: Binding,
    vms: VMSelection = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> int:
    """
    Count the VMs that match a selection, or all VMs.

    $vms If no VM matches, the result is 0.

    ```json
    {
      "type": "probe",
      "name": "at-least-three-web-servers-run",
      "tolerance": {"type": "range", "range": [3, 1000]},
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "count_vms",
        "arguments": {"vms": {"name": "web-*", "power_state": "powered_on"}}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).count_vms(vms)


def vm_power_state(
    platform: Binding,
    vm_name: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> str:
    """
    Return the power state of one VM.

    `vm_name` is $vm_name. The state is $power_states. Fails if no VM matches, or
    several. To compare with one state, use `vm_has_power_state`.

    ```json
    {
      "type": "probe",
      "name": "db-01-runs",
      "tolerance": "powered_on",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "vm_power_state",
        "arguments": {"vm_name": "db-01"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).vm_power_state(vm_name).value


def vm_has_power_state(
    platform: Binding,
    vm_name: str,
    expected: str = "powered_on",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    True if one VM is in the expected power state.

    `vm_name` is $vm_name. `expected` is $expected. Fails, instead of returning
    false, if no VM matches, or several.

    ```json
    {
      "type": "probe",
      "name": "web-01-is-off",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "vm_has_power_state",
        "arguments": {"vm_name": "web-01", "expected": "powered_off"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).vm_has_power_state(vm_name, expected)


def all_vms_have_power_state(
    platform: Binding,
    vms: VMSelection,
    expected: str = "powered_on",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    True if all the selected VMs are in the expected power state.

    $vms `expected` is $expected. VMs in another state
    are logged. Fails, instead of returning true, if no VM matches.

    ```json
    {
      "type": "probe",
      "name": "the-database-runs",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "all_vms_have_power_state",
        "arguments": {"vms": {"names": ["db-01", "db-02"]}, "expected": "powered_on"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).all_vms_have_power_state(vms, expected)


def inventory_summary(
    platform: Binding,
    vms: VMSelection = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Count the server's VMs, their CPUs and memory.

    Returns $summary, the sums `cpu_count` and `memory_mb` (MiB), and the number of
    VMs by `power_states`, `datacenters`, `clusters` and `hosts`. With `vms`, a
    selection, only the VMs that match are counted.

    ```json
    {
      "type": "probe",
      "name": "what-is-there",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "inventory_summary"
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).inventory_summary(vms)
