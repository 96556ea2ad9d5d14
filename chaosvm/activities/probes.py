"""Probes, as every platform has them. ``$names`` are a platform's own words."""

from typing import Any, Dict, List

from chaoslib.types import Configuration, Secrets

from chaosvm.activities.binding import Binding

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
    Everything that is known of one VM.

    `vm_name` is $vm_name. Returns `name`, `id`, `platform`, `power_state`,
    `status` (the platform's own word), `instance_uuid`, `path`, `datacenter`,
    `cluster`, `host`, `folder`, `cpu_count`, `memory_mb` (MiB), `guest_os`,
    `tools_status`, `hostname`, `ip_addresses`, `tags`, `template` and
    `metadata` ($metadata); null for what the platform does not tell. Fails for
    a VM that is unknown or ambiguous.

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
    vms: Dict[str, Any] = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> List[Dict[str, Any]]:
    """
    The VMs that fit a selection, or all of them; each as `vm_info` gives it.

    $list_vms `vms` is a selection: $selection. No VM that fits is an empty
    list.

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
    The power state of one VM.

    $vm_power_state To compare with one state, `vm_has_power_state` is the
    simpler probe.

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
    Is one VM in the expected power state?

    `expected` is $expected. Fails, rather than answer false, for a VM that is
    unknown or ambiguous.

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
    vms: Dict[str, Any] = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    What the server holds, in numbers.

    Returns $summary, the sums `cpu_count` and `memory_mb` (MiB), and the number
    of VMs by `power_states`, `datacenters`, `clusters` and `hosts`. With a
    selection as `vms`, only the VMs that fit are counted.

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
