"""Power actions, as every platform has them. ``$names`` are a platform's own words."""

from typing import Any, Dict

from chaoslib.types import Configuration, Secrets

from chaosvm.activities.binding import Binding

__all__ = [
    "batch_power_off",
    "batch_power_on",
    "batch_reboot",
    "batch_suspend",
    "power_off",
    "power_on",
    "reboot",
    "restore_power_states",
    "suspend",
]


def power_on(
    platform: Binding,
    vm_name: str,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power on a VM; a suspended one resumes. A VM that is on is left alone.

    `vm_name` is $vm_name, and must mean one VM. $power_on Returns the outcome:
    $outcome. Fails when the VM is not on after `timeout` seconds.

    ```json
    {
      "type": "action",
      "name": "bring-web-01-back",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "power_on",
        "arguments": {"vm_name": "web-01", "timeout": 300}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).power_on(vm_name, timeout).to_json()


def power_off(
    platform: Binding,
    vm_name: str,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "hard",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power off a VM. A VM that is off is left alone.

    $power_off

    `vm_name` is $vm_name. Returns the outcome: $outcome. `how` is `guest`,
    `hard`, `fallback_hard` (the guest did not, so its power was cut) or `none`.

    ```json
    {
      "type": "action",
      "name": "lose-web-01",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "power_off",
        "arguments": {"vm_name": "web-01", "graceful": false}
      }
    }
    ```
    """
    return (
        platform.connect(configuration, secrets)
        .power_off(vm_name, graceful, timeout, on_timeout)
        .to_json()
    )


def reboot(
    platform: Binding,
    vm_name: str,
    graceful: bool = True,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Reboot a running VM: its guest, or with `graceful` false a reset.

    $reboot Neither request is ever sent twice. A VM that is not running is
    refused.

    `vm_name` is $vm_name. Returns the outcome: $outcome. `how` is `guest` or
    `hard`.

    ```json
    {
      "type": "action",
      "name": "reset-web-01",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "reboot",
        "arguments": {"vm_name": "web-01", "graceful": false}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).reboot(vm_name, graceful, timeout).to_json()


def suspend(
    platform: Binding,
    vm_name: str,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Suspend a running VM to disk; `power_on` resumes it where it was.

    A VM that is suspended is left alone; one that is $not_suspendable is
    refused. `vm_name` is $vm_name. Returns the outcome: $outcome. Fails when
    the VM is not suspended after `timeout` seconds.

    ```json
    {
      "type": "action",
      "name": "freeze-web-01",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "suspend",
        "arguments": {"vm_name": "web-01"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).suspend(vm_name, timeout).to_json()


def batch_power_on(
    platform: Binding,
    vms: Dict[str, Any],
    parallel: int = 10,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power on all the selected VMs; suspended ones resume.

    `vms` is a selection: $selection; `{"all": true}` means every VM,
    `{"plan": "plan.json"}` those of a plan. No more than `parallel` requests
    are under way at once, and all VMs are waited for together, for `timeout`
    seconds in all.

    Returns `outcomes` (one for each VM), `changed` and `failed` (how many) and
    the `seed` that drew the sample. Fails if any VM failed, naming each and
    why, and what became of the others.

    ```json
    {
      "type": "action",
      "name": "bring-the-web-tier-back",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "batch_power_on",
        "arguments": {"vms": {"name": "web-*", "cluster": "prod"}}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).batch_power_on(vms, parallel, timeout).to_json()


def batch_power_off(
    platform: Binding,
    vms: Dict[str, Any],
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "hard",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power off all the selected VMs, as `power_off` does for one.

    `vms` is a selection: $selection; `{"all": true}` means every VM,
    `{"plan": "plan.json"}` those of a plan. No more than `parallel` requests
    are under way at once, and all VMs are waited for together, for `timeout`
    seconds in all. `graceful` and `on_timeout` (`hard`, `fail` or `leave`) are
    those of `power_off`.

    Returns `outcomes` (one for each VM), `changed` and `failed` (how many) and
    the `seed` that drew the sample: give it to draw the same VMs again. Fails
    if any VM failed, naming each and why, and what became of the others.

    ```json
    {
      "type": "action",
      "name": "lose-two-of-the-web-tier",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "batch_power_off",
        "arguments": {
          "vms": {"name": "web-*", "power_state": "powered_on", "count": 2, "seed": 7},
          "graceful": true,
          "timeout": 180
        }
      }
    }
    ```
    """
    return (
        platform.connect(configuration, secrets)
        .batch_power_off(vms, parallel, graceful, timeout, on_timeout)
        .to_json()
    )


def batch_reboot(
    platform: Binding,
    vms: Dict[str, Any],
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Reboot all the selected VMs, as `reboot` does for one.

    `vms` is a selection: $selection; `{"all": true}` means every VM. All
    of them must be running: add `"power_state": "powered_on"` to be sure.

    Returns `outcomes` (one for each VM), `changed` and `failed` (how many) and
    the `seed` that drew the sample. Fails if any VM failed, naming each and
    why, and what became of the others.

    ```json
    {
      "type": "action",
      "name": "reset-a-third-of-the-web-tier",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "batch_reboot",
        "arguments": {
          "vms": {"name": "web-*", "power_state": "powered_on", "percent": 33},
          "graceful": false
        }
      }
    }
    ```
    """
    return (
        platform.connect(configuration, secrets)
        .batch_reboot(vms, parallel, graceful, timeout)
        .to_json()
    )


def batch_suspend(
    platform: Binding,
    vms: Dict[str, Any],
    parallel: int = 10,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Suspend all the selected VMs, as `suspend` does for one.

    `vms` is a selection: $selection; `{"all": true}` means every VM. None
    of them may be off: add `"power_state": "powered_on"` to be sure.

    Returns `outcomes` (one for each VM), `changed` and `failed` (how many) and
    the `seed` that drew the sample. Fails if any VM failed, naming each and
    why, and what became of the others.

    ```json
    {
      "type": "action",
      "name": "freeze-the-test-cluster",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "batch_suspend",
        "arguments": {"vms": {"cluster": "test", "power_state": "powered_on"}}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).batch_suspend(vms, parallel, timeout).to_json()


def restore_power_states(
    platform: Binding,
    timeout: float = 300,
    parallel: int = 10,
    force: bool = False,
    ledger: str = "",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Bring every VM that this run has changed back to the state it had before.

    Made for `rollbacks`. The ledger tells which VMs the run has touched, and
    the state that each had before the first touch; the one touched last comes
    first. A VM that is back already is left alone, and so is one that is in a
    state in which the run did not leave it, because somebody else has changed
    it since: with `force` it is put back all the same. What was sent to a VM,
    and whose end nobody saw, is waited for, for half of `timeout` at most.
    A VM that was off is shut down again, hard if its guest does not obey; one
    that was suspended and is off now cannot be put back: that is a failure.

    With `ledger`, the path of the file that another run has left behind, what
    that run changed is undone instead, also after a crash. Nothing is
    connected to where there is nothing to undo.

    Returns `outcomes` (one for each VM that was touched, with `detail` where it
    was left alone), `changed` and `failed` (how many). Fails if any VM could
    not be put back, naming each and why.

    ```json
    {
      "type": "action",
      "name": "put-everything-back",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "restore_power_states",
        "arguments": {"timeout": 300, "parallel": 10}
      }
    }
    ```
    """
    from chaosvm.restore import restore_on  # most runs have nothing to put back

    def connect() -> Any:
        return platform.connect(configuration, secrets).backend

    name = platform.name
    batch = restore_on(name, connect, configuration, secrets, timeout, parallel, force, ledger)
    return batch.to_json()
