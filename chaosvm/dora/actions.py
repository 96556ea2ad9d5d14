"""Actions based on Dora: export, validation, and power operations by environment.

Dora itself is only read. Power actions look up the VM in Dora's inventory of the
environment, and run in the vCenter that is configured for that environment, where
moid and name must match. See docs/dora.md for environments and settings.
"""

import logging
from datetime import UTC, datetime
from typing import Any, Dict

from chaoslib.types import Configuration, Secrets

from chaosvm.dora import dora
from chaosvm.dora.environments import EnvironmentNames, name_list
from chaosvm.dora.export import Export, choose_format, output_file, write
from chaosvm.dora.inventory import EnvironmentInventory
from chaosvm.dora.vcenter import operate_by_id
from chaosvm.errors import PlatformError, SelectionError
from chaosvm.selection import VMSelection
from chaosvm.settings import values
from chaosvm.vm import PowerState

__all__ = [
    "export_inventory",
    "power_off",
    "power_on",
    "reboot",
    "validate_targets",
]

logger = logging.getLogger("chaostoolkit")


def export_inventory(
    environments: EnvironmentNames,
    path: str,
    format: str = None,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Write the inventory of environments to a file, atomically.

    `environments` are names of environments or groups (`paytv`, `production`,
    `staging`), or `all`. `format` is `json` (VMs and hypervisors, as
    `environment_inventory` returns them), `csv` (a line for each VM), `md` or
    `html` (a report with the time, the Dora server, and tables of hypervisors and
    VMs; HTML needs the extra `report`). Without `format`, the suffix of `path`
    decides, and any other suffix means `json`.

    Returns `path`, `format`, `environments` and `vms` (how many). Fails if any
    environment cannot be read; an existing file is then left as it is.

    ```json
    {
      "type": "action",
      "name": "report-on-staging",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.actions",
        "func": "export_inventory",
        "arguments": {"environments": ["staging"], "path": "staging.html"},
        "secrets": ["dora"]
      }
    }
    ```
    """
    client = dora(configuration, secrets)
    chosen = client.catalogue.choose(name_list(environments))
    target = output_file("path", path)
    file_format = choose_format(format, target)
    results = client.inventories([environment.name for environment in chosen])
    inventories = [each for each in results.values() if isinstance(each, EnvironmentInventory)]
    errors = [f"{name}: {each}" for name, each in results.items() if each not in inventories]
    if errors:
        raise PlatformError(f"{target} was not written: {'; '.join(errors)}")
    write(Export(inventories, client.settings.host, datetime.now(UTC)), target, file_format)
    vms = sum(len(inventory.vms) for inventory in inventories)
    logger.info(f"wrote {target}: {vms} VM(s) of {len(inventories)} environment(s)")
    return {
        "path": str(target),
        "format": file_format.value,
        "environments": [inventory.environment.name for inventory in inventories],
        "vms": vms,
    }


def validate_targets(
    environment: str,
    vms: VMSelection,
    power_state: str = "powered_on",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Fail unless all selected VMs exist and are in the given power state.

    `vms` is a selection such as `{"name": "web-*", "cluster": "prod"}`, as
    described in docs/selection.md. Each of `names` must match exactly one VM.
    `power_state` is `powered_on`, `powered_off` or `suspended`. Returns
    `environment`, `targets` (each with `name`, `id`, `power_state` and `host`) and
    `seed` (of the sample, or null).

    Chaos Toolkit continues after a failed action; with the control
    `chaosvm.controls.halt` the experiment stops instead.

    ```json
    {
      "type": "action",
      "name": "targets-are-ready",
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
    expected = values.choice("power_state", power_state, PowerState)
    selected = client.choose(environment, vms)
    wrong = [f"{vm} is {vm.power_state}" for vm in selected.vms if vm.power_state is not expected]
    if wrong:
        raise SelectionError(
            f"{len(wrong)} of {len(selected.vms)} targets in {environment!r} are not {expected}: "
            f"{'; '.join(wrong)}"
        )
    fields = ("name", "id", "power_state", "host")
    targets = [{key: vm.to_json()[key] for key in fields} for vm in selected.vms]
    return {"environment": environment, "targets": targets, "seed": selected.seed}


def power_on(
    environment: str,
    vm_name: str,
    timeout: float = 300,
    wait_for: str = "power",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power on a VM found through Dora, or resume it. A VM that is on is left alone.

    `vm_name` is the name, moid or path of exactly one VM in Dora. The VM with that
    moid in the environment's vCenter (`vsphere` in `dora_environments`) is operated
    on; if its name differs, the action fails. `timeout` (seconds) bounds the
    operation in the vCenter, `dora_timeout` the lookup in Dora.

    `wait_for` is what the VM must reach: `power` (the default), `tools`, `ip`,
    `port:22`, `http:8080/health`, or the URL of a service, as in vSphere's
    `power_on`. Returns the outcome: `name`, `id`, `platform`, `operation`, `before`
    and `after` (power states), `changed`, `how` and `seconds`. Fails if the VM is
    not on, or not ready, in time.

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
    options = {"timeout": timeout, "wait_for": wait_for}
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
    Power off a VM found through Dora. A VM that is off is left alone.

    `vm_name` is the name, moid or path of exactly one VM in Dora. The VM with that
    moid in the environment's vCenter (`vsphere` in `dora_environments`) is operated
    on; if its name differs, the action fails. `timeout` (seconds) bounds the
    operation in the vCenter, `dora_timeout` the lookup in Dora.

    With `graceful`, the guest is asked to shut down, which needs VMware Tools. If it
    does not, `on_timeout` decides: `hard` cuts the power, `fail` fails the action,
    `leave` leaves the VM running without failing. Without `graceful`, the power is
    cut at once.

    Returns the outcome: `name`, `id`, `platform`, `operation`, `before` and `after`
    (power states), `changed`, `how` and `seconds`. Fails if the VM is not off in
    time, unless `on_timeout` is `leave`.

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
    on_timeout: str = "fail",
    wait_for: str = "power",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Reboot the guest of a running VM found through Dora, or reset the VM if
    `graceful` is false.

    `vm_name` is the name, moid or path of exactly one VM in Dora. The VM with that
    moid in the environment's vCenter (`vsphere` in `dora_environments`) is operated
    on; if its name differs, the action fails. `timeout` (seconds) bounds the
    operation in the vCenter, `dora_timeout` the lookup in Dora.

    A guest reboot needs VMware Tools. If the guest does not reboot, `on_timeout`
    decides: `reset` resets the VM, `fail` (the default) fails the action, `leave`
    leaves the VM as it is without failing. `wait_for` is what the VM must reach
    afterwards: `power` (the default), `tools`, `ip`, `port:22`, `http:8080/health`,
    or the URL of a service, as in vSphere's `reboot`.

    Returns the outcome: `name`, `id`, `platform`, `operation`, `before` and `after`
    (power states), `changed`, `how` and `seconds`. Also returns `verified`, as
    vSphere's `reboot` does.

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
    options = {
        "graceful": graceful,
        "timeout": timeout,
        "on_timeout": on_timeout,
        "wait_for": wait_for,
    }
    return operate_by_id(
        client, environment, vm_name, "reboot", configuration, secrets, **options
    ).to_json()
