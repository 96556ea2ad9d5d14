"""Actions that rest on Dora: export, validation, and power by environment.

Dora itself is only read. Power actions find the VM in Dora's inventory of the
environment, and have the vCenter that is configured for that environment, asked
by moid and checked by name, carry them out. docs/dora.md explains environments
and settings.
"""

from typing import Any, Dict, List

from chaoslib.types import Configuration, Secrets

from chaosvm.dora import dora
from chaosvm.dora.export import Format, output_file, write
from chaosvm.dora.inventory import EnvironmentInventory
from chaosvm.dora.vcenter import operate_by_id
from chaosvm.errors import PlatformError, SelectionError
from chaosvm.settings import values
from chaosvm.vm import PowerState

__all__ = [
    "export_inventory",
    "power_off",
    "power_on",
    "reboot",
    "validate_targets",
]


def export_inventory(
    environments: List[str],
    path: str,
    format: str = "json",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Write the inventory of environments to a file, whole or not at all.

    `environments` are names of environments or of groups (`paytv`,
    `production`, `staging`). `format` is `json` (VMs and hypervisors, as
    `environment_inventory` gives them) or `csv` (a line for each VM). A file
    that is there is replaced only when the new one is complete; if any of the
    environments cannot be read, nothing is written and the action fails.
    Returns `path`, `format`, `environments` and `vms` (how many).

    ```json
    {
      "type": "action",
      "name": "keep-what-there-was",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.actions",
        "func": "export_inventory",
        "arguments": {"environments": ["staging"], "path": "staging.json"},
        "secrets": ["dora"]
      }
    }
    ```
    """
    client = dora(configuration, secrets)
    form = values.choice("format", format, Format)
    chosen = client.catalogue.choose(values.string_list("environments", environments))
    target = output_file("path", path)
    found = client.inventories([environment.name for environment in chosen])
    whole = [told for told in found.values() if isinstance(told, EnvironmentInventory)]
    if len(whole) < len(found):
        failed = [f"{name}: {told}" for name, told in found.items() if told not in whole]
        raise PlatformError(f"{target} was not written: {'; '.join(failed)}")
    write(whole, target, form)
    return {
        "path": str(target),
        "format": form.value,
        "environments": [told.environment.name for told in whole],
        "vms": sum(len(told.vms) for told in whole),
    }


def validate_targets(
    environment: str,
    vms: Dict[str, Any],
    power_state: str = "powered_on",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Fail unless all the targets are there, unambiguous and in a power state.

    `vms` is a selection: `names`, `name`, `regex`, `ids` (moids), `datacenter`,
    `cluster`, `host`, `folder`, `guest_os`, `power_state`, `exclude`, and
    `count` or `percent` with a `seed`. Every name in `names` must mean exactly
    one VM. Returns `environment`, the `targets`, each with `name`, `id`,
    `power_state` and `host`, and the `seed` that a sample was drawn with (else
    null).

    Chaos Toolkit goes on after an action that failed: declare the control
    `chaosvm.controls.halt`, so that nothing is done to other VMs than planned.

    ```json
    {
      "type": "action",
      "name": "the-targets-are-as-planned",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.actions",
        "func": "validate_targets",
        "arguments": {
          "environment": "Arvig-Staging",
          "vms": {"names": ["web-01", "web-02"]},
          "power_state": "powered_on"
        },
        "secrets": ["dora"]
      }
    }
    ```
    """
    client = dora(configuration, secrets)
    wanted = values.choice("power_state", power_state, PowerState)
    choice = client.choose(environment, vms)
    wrong = [f"{vm} is {vm.power_state}" for vm in choice.vms if vm.power_state is not wanted]
    if wrong:
        raise SelectionError(
            f"{len(wrong)} of {len(choice.vms)} targets in {environment!r} are not {wanted}: "
            f"{'; '.join(wrong)}"
        )
    shown = ("name", "id", "power_state", "host")
    targets = [{key: vm.to_json()[key] for key in shown} for vm in choice.vms]
    return {"environment": environment, "targets": targets, "seed": choice.seed}


def power_on(
    environment: str,
    vm_name: str,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power on a VM that Dora finds, through its environment's vCenter.

    A suspended VM resumes; one that is on is left alone. `timeout` in seconds
    bounds what the vCenter does, `dora_timeout` the search in Dora.

    `vm_name` is a name, a moid or a path, and must mean one VM of Dora's
    inventory of the `environment`. The vCenter configured for the environment
    (`vsphere` in `dora_environments`) switches the VM of that moid, if it has
    the same name there; otherwise nothing is touched and the action fails.
    Returns the outcome: `name`, `id`, `platform`, `operation`, `before`,
    `after`, `changed`, `how` and `seconds`.

    ```json
    {
      "type": "action",
      "name": "bring-web-01-back",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.actions",
        "func": "power_on",
        "arguments": {"environment": "Arvig-Staging", "vm_name": "web-01"},
        "secrets": ["dora", "vsphere"]
      }
    }
    ```
    """
    client = dora(configuration, secrets)
    options = {"timeout": timeout}
    return operate_by_id(
        client, environment, vm_name, "power_on", configuration, secrets, **options
    ).to_json()


def power_off(
    environment: str,
    vm_name: str,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "hard",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power off a VM that Dora finds, through its environment's vCenter.

    With `graceful` the guest is asked to shut down; if it has not, or can not,
    `on_timeout` decides: `hard` cuts its power, `fail` fails the action, `leave`
    leaves it running. Without `graceful` the power is cut at once. `timeout` in
    seconds bounds what the vCenter does, `dora_timeout` the search in Dora.

    `vm_name` is a name, a moid or a path, and must mean one VM of Dora's
    inventory of the `environment`. The vCenter configured for the environment
    (`vsphere` in `dora_environments`) switches the VM of that moid, if it has
    the same name there; otherwise nothing is touched and the action fails.
    Returns the outcome: `name`, `id`, `platform`, `operation`, `before`,
    `after`, `changed`, `how` and `seconds`.

    ```json
    {
      "type": "action",
      "name": "lose-web-01",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.actions",
        "func": "power_off",
        "arguments": {"environment": "Arvig-Staging", "vm_name": "web-01", "graceful": false},
        "secrets": ["dora", "vsphere"]
      }
    }
    ```
    """
    client = dora(configuration, secrets)
    options = {"graceful": graceful, "timeout": timeout, "on_timeout": on_timeout}
    return operate_by_id(
        client, environment, vm_name, "power_off", configuration, secrets, **options
    ).to_json()


def reboot(
    environment: str,
    vm_name: str,
    graceful: bool = True,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Reboot a running VM that Dora finds, through its environment's vCenter.

    With `graceful` the guest reboots, which needs VMware Tools; without, the VM
    is reset. `timeout` in seconds bounds what the vCenter does, `dora_timeout`
    the search in Dora.

    `vm_name` is a name, a moid or a path, and must mean one VM of Dora's
    inventory of the `environment`. The vCenter configured for the environment
    (`vsphere` in `dora_environments`) switches the VM of that moid, if it has
    the same name there; otherwise nothing is touched and the action fails.
    Returns the outcome: `name`, `id`, `platform`, `operation`, `before`,
    `after`, `changed`, `how` and `seconds`.

    ```json
    {
      "type": "action",
      "name": "reset-web-01",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.actions",
        "func": "reboot",
        "arguments": {"environment": "Arvig-Staging", "vm_name": "web-01", "graceful": false},
        "secrets": ["dora", "vsphere"]
      }
    }
    ```
    """
    client = dora(configuration, secrets)
    options = {"graceful": graceful, "timeout": timeout}
    return operate_by_id(
        client, environment, vm_name, "reboot", configuration, secrets, **options
    ).to_json()
