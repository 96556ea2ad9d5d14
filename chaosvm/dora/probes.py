"""Probes of Dora's inventory, for steady states, validation and comparison.

Probes change nothing. Each is bounded by the setting ``dora_timeout``, and
raises rather than answer with a guess: a Dora that cannot be asked is never "no
VMs". Dora reads its vCenters 30 to 60 seconds late. docs/dora.md explains
environments, settings and selection.
"""

import logging
from typing import Any, Dict, List

from chaoslib.types import Configuration, Secrets

from chaosvm.dora import dora
from chaosvm.dora.comparison import Differences, compare, on_hosts, until_they_agree
from chaosvm.dora.inventory import EnvironmentInventory
from chaosvm.dora.vcenter import vcenter_of
from chaosvm.errors import NoSuchVM, ProtocolError
from chaosvm.runtime import Deadline
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


def list_environments(
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> List[Dict[str, Any]]:
    """
    The environments that are known: those that ship and the user's own.

    Each has `name`, `group`, the coordinates `vcenter`, `pattern_path`,
    `vm_path` and `host_filter`, and `vsphere` (the settings of its vCenter, or
    null). Nothing is asked of Dora.

    ```json
    {
      "type": "probe",
      "name": "which-environments-there-are",
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
    All VMs and hypervisors of an environment.

    Returns `environment`, `group`, `coordinates` (what Dora was asked for),
    `counts`, `vms` (each as `vm_info` gives it) and `hypervisors` (`name`,
    `address`, `type`, `connection_status`, `cpu_usage_percent`,
    `memory_usage_percent`, and `metadata` for all else that Dora tells).

    ```json
    {
      "type": "probe",
      "name": "what-staging-holds",
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


def list_vms(
    environment: str,
    vms: Dict[str, Any] = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> List[Dict[str, Any]]:
    """
    The VMs of an environment that fit a selection, or all; each as `vm_info` gives it.

    `vms` is a selection: `names`, `name`, `regex`, `ids` (moids), `datacenter`,
    `cluster`, `host`, `folder`, `guest_os`, `power_state`, `exclude`, and
    `count` or `percent` with a `seed`. No VM that fits is an empty list; an
    environment without any VM is logged as a warning with its coordinates.

    ```json
    {
      "type": "probe",
      "name": "the-web-tier-of-staging",
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
    vms: Dict[str, Any] = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> int:
    """
    How many VMs of an environment fit a selection, or how many it has.

    ```json
    {
      "type": "probe",
      "name": "at-least-ten-run",
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
    Everything that Dora knows of one VM.

    `vm_name` is a name, a moid or a path. Returns `name`, `id` (the moid),
    `platform` ("dora"), `power_state`, `status` (Dora's word), `path`,
    `datacenter`, `cluster`, `host`, `folder`, `cpu_count`, `memory_mb` (MiB),
    `guest_os`, and in `metadata` the `environment`, `vcenter`,
    `cpu_usage_percent`, `memory_usage_percent` and all fields that are not
    known; null where Dora does not tell. Fails for a VM that is unknown or
    ambiguous.

    ```json
    {
      "type": "probe",
      "name": "what-dora-knows-of-web-01",
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
    Is there a VM of this name, moid or path in the environment's inventory?

    False only when Dora gave the inventory and the VM is not in it. A name that
    several VMs have exists.

    ```json
    {
      "type": "probe",
      "name": "web-01-is-known",
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
    wanted = values.string("vm_name", vm_name)
    found = dora(configuration, secrets).list_vms(environment)
    return any(vm.answers_to(wanted) for vm in found)


def vm_power_state(
    environment: str,
    vm_name: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> str:
    """
    The power state of one VM as Dora last saw it, perhaps a minute ago.

    One of `powered_on`, `powered_off`, `suspended` and `unknown`.

    ```json
    {
      "type": "probe",
      "name": "the-state-of-web-01",
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
    Did Dora last see the VM in this power state?

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
    wanted = values.choice("expected", expected, PowerState)
    return dora(configuration, secrets).get_vm(environment, vm_name).power_state is wanted


def hypervisors_connected(
    environment: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    Are all the environment's hypervisors connected? Those that are not are logged.

    Fails for an environment without hypervisors, and where Dora does not tell
    the connection status of one.

    ```json
    {
      "type": "probe",
      "name": "all-hosts-are-there",
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
        raise NoSuchVM(f"Dora knows no hypervisor of {client.catalogue.find(environment)}")
    silent = [host.name for host in hosts if host.connected is None]
    if silent:
        raise ProtocolError(
            f"Dora does not tell the connection status of {', '.join(silent)} in {environment!r}"
        )
    away = [f"{host.name} is {host.connection_status}" for host in hosts if not host.connected]
    if away:
        logger.warning(f"hypervisors of {environment!r}: {'; '.join(away)}")
    return not away


def environment_summary(
    environments: List[str] = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    What several environments hold, in numbers; all of them by default.

    `environments` are names of environments or of groups (`paytv`,
    `production`, `staging`). They are read in parallel. Returns `environments`,
    by name with `group` and `counts` (`vms`, `hypervisors`,
    `hypervisors_connected`, `power_states`) or the `error` why it could not be
    read; `failed`, their names; and `vms`, how many there are in the others.
    Fails only if none could be read.

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
    found = client.inventories(environments)
    shown: Dict[str, Any] = {}
    for name, told in found.items():
        group = client.catalogue.find(name).group
        if isinstance(told, EnvironmentInventory):
            shown[name] = {"group": group, "counts": told.counts()}
        else:
            shown[name] = {"group": group, "error": str(told)}
    return {
        "environments": shown,
        "failed": [name for name, told in shown.items() if "error" in told],
        "vms": sum(told["counts"]["vms"] for told in shown.values() if "counts" in told),
    }


def matches_platform(
    environment: str,
    tolerance_seconds: float = 60,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Do Dora and the environment's vCenter tell the same? Compared by moid.

    The vCenter is the one configured for the environment (`vsphere` in
    `dora_environments`). Of its VMs those count that run on the environment's
    hypervisors, as Dora names them, or that Dora knows. Dora lags 30 to 60
    seconds, so both are asked again every 5 seconds until they agree, or until
    `tolerance_seconds` are over: what every look has seen is a real difference.

    Returns `matches`, `compared` (VMs on both sides), `only_in_dora`,
    `only_in_vcenter`, `different_state`, `different_name` and `told_twice`
    (a moid of which Dora tells two different things; each a list with `id` and
    `name`), `without_moid` (VMs that cannot be compared), `hosts` and
    `seconds`. Fails if either side cannot be asked, or if there is no VM to
    compare.

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
    wanted = client.catalogue.find(environment)
    platform = vcenter_of(wanted, configuration, secrets)
    tolerance = Deadline(
        values.number("tolerance_seconds", tolerance_seconds, 0, 86_400, "seconds"), client.clock
    )
    hosts: List[str] = []

    def look() -> Differences:
        told = client.inventory(environment)
        hosts[:] = sorted({host.name for host in told.hypervisors})
        moids = [vm.id for vm in told.vms]
        there = platform.backend.inventory(Deadline(platform.timeout, platform.clock))
        kept = on_hosts(there, hosts, moids)
        found = compare(told.vms, kept)
        if not found.compared and not found.found:
            raise NoSuchVM(
                f"nothing to compare: Dora tells {len(told.vms)} VMs of {wanted}, the vCenter has "
                f"{len(there)}, and none of them is known by its moid on both sides or runs on "
                f"the hosts {', '.join(hosts) or '(none)'}"
            )
        return found

    found = until_they_agree(look, tolerance)
    return {**found.to_json(), "hosts": hosts, "seconds": round(tolerance.elapsed, 1)}
