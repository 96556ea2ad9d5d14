"""The probes of whole environments, which ``chaosvm.dora.probes`` exports."""

import logging
from typing import Any, Dict, List

from chaoslib.types import Configuration, Secrets

from chaosvm.dora import dora
from chaosvm.dora.comparison import compare_with_vcenter
from chaosvm.dora.environments import EnvironmentNames
from chaosvm.dora.inventory import EnvironmentInventory
from chaosvm.dora.vcenter import vcenter_of
from chaosvm.errors import NoSuchVM, ProtocolError
from chaosvm.runtime import Deadline
from chaosvm.settings import values

__all__ = [
    "environment_inventory",
    "environment_summary",
    "hypervisors_connected",
    "list_environments",
    "matches_platform",
]

logger = logging.getLogger("chaostoolkit")


def list_environments(
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> List[Dict[str, Any]]:
    """
    List the environments, built-in and user-defined. Sends no request to Dora.

    Each has `name`, `group`, the coordinates `vcenter`, `pattern_path`, `vm_path`
    and `host_filter`, and `vsphere` (the settings of its vCenter, or null).

    ```json
    {
      "type": "probe",
      "name": "environments",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.probes",
        "func": "list_environments",
        "secrets": ["dora"]
      }
    }
    ```
    """
    client = dora(configuration, secrets)
    return [environment.to_json() for environment in client.catalogue.environments]


def environment_inventory(
    environment: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Return all VMs and hypervisors of an environment.

    Returns `environment`, `group`, `coordinates` (as sent to Dora), `counts`, `vms`
    (each as `vm_info` returns it) and `hypervisors` (each with `name`, `address`,
    `type`, `connection_status`, `cpu_usage_percent`, `memory_usage_percent`, and
    `metadata` for all other fields).

    ```json
    {
      "type": "probe",
      "name": "inventory-of-staging",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.probes",
        "func": "environment_inventory",
        "arguments": {"environment": "Arvig-Staging"},
        "secrets": ["dora"]
      }
    }
    ```
    """
    return dora(configuration, secrets).inventory(environment).to_json()


def environment_summary(
    environments: EnvironmentNames = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Count the VMs and hypervisors of several environments, of all by default.

    `environments` are names of environments or groups (`paytv`, `production`,
    `staging`). Returns `environments`, by name, each with `group` and `counts`
    (`vms`, `hypervisors`, `hypervisors_connected`, `power_states`), or with the
    `error` if it could not be read; `failed`, the names of those that could not be
    read; and `vms`, the number of VMs in the others. Fails only if none could be
    read.

    ```json
    {
      "type": "probe",
      "name": "staging-in-numbers",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.probes",
        "func": "environment_summary",
        "arguments": {"environments": ["staging"]},
        "secrets": ["dora"]
      }
    }
    ```
    """
    client = dora(configuration, secrets)
    summaries: Dict[str, Any] = {}
    for name, result in client.inventories(environments).items():
        group = client.catalogue.find(name).group
        if isinstance(result, EnvironmentInventory):
            summaries[name] = {"group": group, "counts": result.counts()}
        else:
            summaries[name] = {"group": group, "error": str(result)}
    return {
        "environments": summaries,
        "failed": [name for name, summary in summaries.items() if "error" in summary],
        "vms": sum(each["counts"]["vms"] for each in summaries.values() if "counts" in each),
    }


def hypervisors_connected(
    environment: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    True if all hypervisors of an environment are connected. The others are logged.

    Fails if the environment has no hypervisors, or if Dora does not report the
    connection status of one.

    ```json
    {
      "type": "probe",
      "name": "all-hosts-are-connected",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.probes",
        "func": "hypervisors_connected",
        "arguments": {"environment": "Arvig-Staging"},
        "secrets": ["dora"]
      }
    }
    ```
    """
    client = dora(configuration, secrets)
    hosts = client.hypervisors(environment)
    if not hosts:
        raise NoSuchVM(f"Dora returned no hypervisor for {client.catalogue.find(environment)}")
    unknown = [host.name for host in hosts if host.connected is None]
    if unknown:
        raise ProtocolError(
            f"Dora does not report the connection status of {', '.join(unknown)} in {environment!r}"
        )
    disconnected = [
        f"{host.name} is {host.connection_status}" for host in hosts if not host.connected
    ]
    if disconnected:
        logger.warning(f"hypervisors of {environment!r}: {'; '.join(disconnected)}")
    return not disconnected


def matches_platform(
    environment: str,
    tolerance_seconds: float = 60,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Compare Dora's VMs with those of the environment's vCenter, by moid.

    The vCenter is the one configured for the environment (`vsphere` in
    `dora_environments`). Compared are its VMs that run on the environment's
    hypervisors, as Dora names them, or that Dora lists. Dora lags 30 to 60 seconds
    behind, so both are read again every 5 seconds until they agree or
    `tolerance_seconds` have passed. Only differences found in every comparison are
    returned.

    Returns `matches`, `compared` (the number of VMs on both sides), `only_in_dora`,
    `only_in_vcenter`, `different_state`, `different_name` and `listed_twice` (moids
    that Dora lists with two names or power states), each a list of VMs with `id`
    and `name`; `without_moid` (VMs that cannot be compared), `hosts` and `seconds`.
    Fails if either side cannot be read, or if there is no VM to compare.

    ```json
    {
      "type": "probe",
      "name": "dora-and-vcenter-agree",
      "tolerance": {
        "type": "probe",
        "name": "they-agree",
        "provider": {
          "type": "python",
          "module": "chaosvm.dora.tolerances",
          "func": "agrees",
          "arguments": {}
        }
      },
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.probes",
        "func": "matches_platform",
        "arguments": {"environment": "Arvig-Staging", "tolerance_seconds": 60},
        "secrets": ["dora", "vsphere"]
      }
    }
    ```
    """
    client = dora(configuration, secrets)
    chosen = client.catalogue.find(environment)
    vcenter = vcenter_of(chosen, configuration, secrets)
    seconds = values.number("tolerance_seconds", tolerance_seconds, 0, 86_400, "seconds")
    return compare_with_vcenter(client, chosen, vcenter, Deadline(seconds, client.clock))
