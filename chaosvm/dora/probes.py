"""Probes of Dora's inventory, for steady states, validation and comparison.

Probes change nothing. Each is bounded by the setting ``dora_timeout``. A probe that
cannot read Dora fails; it never returns "no VMs" instead. Dora lags 30 to 60 seconds
behind its vCenters. See docs/dora.md for environments and settings.
"""

import logging
from typing import Any, Dict, List

from chaoslib.types import Configuration, Secrets

from chaosvm.dora import dora, environment_probes
from chaosvm.dora.environment_probes import (
    environment_inventory,
    environment_summary,
    hypervisors_connected,
    list_environments,
    matches_platform,
)
from chaosvm.errors import AmbiguousVM, NoSuchVM
from chaosvm.selection import VMSelection
from chaosvm.settings import values
from chaosvm.vm import PowerState

__all__ = [
    "count_vms",
    "environment_inventory",
    "environment_summary",
    "hypervisors_connected",
    "list_environments",
    "list_vms",
    "matches_platform",
    "vm_exists",
    "vm_has_power_state",
    "vm_info",
    "vm_power_state",
]

logger = logging.getLogger("chaostoolkit")

# To Chaos Toolkit they are probes of this module, like the others.
for _name in environment_probes.__all__:
    getattr(environment_probes, _name).__module__ = __name__


def list_vms(
    environment: str,
    vms: VMSelection = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> List[Dict[str, Any]]:
    """
    List the VMs of an environment that match a selection, or all VMs, each as
    `vm_info` returns it.

    `vms` is a selection such as `{"name": "web-*", "cluster": "prod"}`, as
    described in docs/selection.md. If no VM matches, the list is empty. An
    environment without VMs is logged as a warning, with its coordinates.

    ```json
    {
      "type": "probe",
      "name": "web-tier-of-staging",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.probes",
        "func": "list_vms",
        "arguments": {"environment": "Arvig-Staging", "vms": {"name": "web-*"}},
        "secrets": ["dora"]
      }
    }
    ```
    """
    return [vm.to_json() for vm in dora(configuration, secrets).list_vms(environment, vms)]


def count_vms(
    environment: str,
    vms: VMSelection = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> int:
    """
    Count the VMs of an environment that match a selection, or all VMs.

    `vms` is a selection such as `{"name": "web-*", "cluster": "prod"}`, as
    described in docs/selection.md. If no VM matches, the result is 0.

    ```json
    {
      "type": "probe",
      "name": "at-least-ten-vms-run",
      "tolerance": {"type": "range", "range": [10, 100000]},
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.probes",
        "func": "count_vms",
        "arguments": {"environment": "Arvig-Staging", "vms": {"power_state": "powered_on"}},
        "secrets": ["dora"]
      }
    }
    ```
    """
    return dora(configuration, secrets).count_vms(environment, vms)


def vm_info(
    environment: str,
    vm_name: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Return everything that Dora reports about one VM.

    `vm_name` is the name, moid or path of exactly one VM. Returns `name`, `id` (the
    moid), `platform` ("dora"), `power_state`, `status` (as Dora calls it), `path`,
    `datacenter`, `cluster`, `host`, `folder`, `cpu_count`, `memory_mb` (MiB),
    `guest_os`, and in `metadata` the `environment`, `vcenter`, `cpu_usage_percent`,
    `memory_usage_percent` and all other fields; null for what Dora does not report.
    Fails if no VM matches, or several.

    ```json
    {
      "type": "probe",
      "name": "web-01-in-dora",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.probes",
        "func": "vm_info",
        "arguments": {"environment": "Arvig-Staging", "vm_name": "web-01"},
        "secrets": ["dora"]
      }
    }
    ```
    """
    return dora(configuration, secrets).get_vm(environment, vm_name).to_json()


def vm_exists(
    environment: str,
    vm_name: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    True if the environment's inventory has a VM with this name, moid or path.

    Also true if several VMs match. If there is none, the log suggests the nearest
    name. Fails, instead of returning false, if the inventory cannot be read.

    ```json
    {
      "type": "probe",
      "name": "web-01-exists",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.probes",
        "func": "vm_exists",
        "arguments": {"environment": "Arvig-Staging", "vm_name": "web-01"},
        "secrets": ["dora"]
      }
    }
    ```
    """
    try:
        dora(configuration, secrets).get_vm(environment, values.vm_name(vm_name))
    except AmbiguousVM:
        return True
    except NoSuchVM as error:
        logger.info(str(error))
        return False
    return True


def vm_power_state(
    environment: str,
    vm_name: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> str:
    """
    Return the power state of one VM in Dora, which may be a minute old.

    `vm_name` is the name, moid or path of exactly one VM. The state is
    `powered_on`, `powered_off`, `suspended` or `unknown`. Fails if no VM matches,
    or several.

    ```json
    {
      "type": "probe",
      "name": "power-state-of-web-01",
      "tolerance": "powered_on",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.probes",
        "func": "vm_power_state",
        "arguments": {"environment": "Arvig-Staging", "vm_name": "web-01"},
        "secrets": ["dora"]
      }
    }
    ```
    """
    return dora(configuration, secrets).get_vm(environment, vm_name).power_state.value


def vm_has_power_state(
    environment: str,
    vm_name: str,
    expected: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    True if one VM is in the expected power state in Dora, which may be a minute
    old.

    `vm_name` is the name, moid or path of exactly one VM. `expected` is
    `powered_on`, `powered_off` or `suspended`. Fails, instead of returning false,
    if no VM matches, or several.

    ```json
    {
      "type": "probe",
      "name": "web-01-runs",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.probes",
        "func": "vm_has_power_state",
        "arguments": {
          "environment": "Arvig-Staging", "vm_name": "web-01", "expected": "powered_on"
        },
        "secrets": ["dora"]
      }
    }
    ```
    """
    state = values.choice("expected", expected, PowerState)
    return dora(configuration, secrets).get_vm(environment, vm_name).power_state is state
