"""Power actions on one VM, and undo, as every platform has them.

``$names`` are replaced by a platform's own words.
"""

from typing import Any, Dict

from chaoslib.types import Configuration, Secrets

from chaosvm.activities.binding import Binding

__all__ = [
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
    wait_for: str = "power",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power on a VM; a suspended one resumes. A VM that is on is left alone.

    `vm_name` is $vm_name, and must match one VM. $power_on

    `wait_for` is what the VM has to reach within `timeout` seconds: `power`
    (default), `tools` ($tools_run), `ip` (an address other than a link-local one),
    `port:22` (a TCP port at that address), `http:8080/health` or `https:...`
    (an answer below 400 there), or the URL of a service. A VM that is on is
    waited for as well.

    Returns the outcome: $outcome, and with `wait_for` also `milestones`, the
    seconds after which each was reached. Fails when the VM is not on in time,
    or on and not ready; the error names the milestone that is missing.

    ```json
    {
      "type": "action",
      "name": "bring-web-01-back",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "power_on",
        "arguments": {"vm_name": "web-01", "timeout": 300, "wait_for": "port:22"}
      }
    }
    ```
    """
    service = platform.connect(configuration, secrets)
    return service.power_on(vm_name, timeout, wait_for).to_json()


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
    `hard`, `fallback_hard` (the guest did not shut down, so its power was cut)
    or `none`.

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
    on_timeout: str = "fail",
    wait_for: str = "power",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Reboot a running VM: its guest, or with `graceful` false a reset.

    $reboot Neither request is ever sent twice. A VM that is not running is
    refused.

    `vm_name` is $vm_name. If the guest does not reboot, `on_timeout` decides:
    `reset` resets the VM, `fail` (default) fails the action, `leave` leaves it
    without failing. The guest has `timeout` seconds, minus a fifth (30 at most)
    that is reserved for a reset if one may follow. `wait_for` is that of
    `power_on`: what the VM has to reach after the reboot, within `timeout`.

    Returns the outcome: $outcome, and `verified`: `confirmed` with the
    `evidence`; `unverified` if it cannot be known, for the reason in `detail`;
    or `not_rebooted`. `how` is `guest`, `hard` or `fallback_hard` (reset after
    the guest did not reboot).

    ```json
    {
      "type": "action",
      "name": "reboot-web-01",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "reboot",
        "arguments": {"vm_name": "web-01", "on_timeout": "reset", "wait_for": "tools"}
      }
    }
    ```
    """
    service = platform.connect(configuration, secrets)
    return service.reboot(vm_name, graceful, timeout, on_timeout, wait_for).to_json()


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
    Restore every VM that this run has changed to its power state from before.

    Made for `rollbacks`. The ledger has the VMs that the run has changed, and
    the state of each before the first change; the VM changed last is restored
    first. A VM that is in its original state is left alone. So is a VM that
    was changed externally since, unless `force` is true. For requests whose
    result is unknown, it first waits, half of `timeout` at most. A VM that was
    off is shut down again, hard if its guest does not shut down. A VM that was
    suspended and is off now cannot be restored: that is a failure.

    With `ledger`, the path of another run's ledger, that run is undone instead,
    also after a crash. It does not connect if there is nothing to undo.

    Returns `outcomes` (one for each changed VM, with `detail` if it was left
    alone), `changed` and `failed` (how many). Fails if any VM could not be
    restored; the error names each and the reason.

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
    from chaosvm.restore import restore_on  # most runs have nothing to restore

    def connect() -> Any:
        return platform.connect(configuration, secrets).backend

    name = platform.name
    batch = restore_on(name, connect, configuration, secrets, timeout, parallel, force, ledger)
    return batch.to_json()
