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
    Power on a VM, or resume a suspended one. A VM that is on is left alone.

    `vm_name` is $vm_name. $power_on

    `wait_for` is what the VM must reach within `timeout` seconds: $wait_for. It
    also applies to a VM that is already on.

    Returns the outcome: $outcome; with `wait_for` also `milestones` (seconds until
    each was reached). Fails if the VM is not on in time, or on but not ready; the
    error names the missing milestone.

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

    `vm_name` is $vm_name. Returns the outcome: $outcome. `how` is `guest`, `hard`,
    `fallback_hard` (the guest did not shut down, so the power was cut) or `none`.
    Fails if the VM is not off in time, unless `on_timeout` is `leave`.

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
    Reboot the guest of a running VM, or reset the VM if `graceful` is false.

    $reboot No request is sent twice. A VM that is not running is refused.

    `vm_name` is $vm_name. If the guest does not reboot, `on_timeout` decides:
    `reset` resets the VM, `fail` (the default) fails the action, `leave` leaves the
    VM as it is without failing. The guest has `timeout` seconds; with `reset`, the
    last fifth (30 seconds at most) is reserved for the reset. `wait_for` is what
    the VM must reach afterwards, also within `timeout`, such as `tools` or
    `port:22`, as for `power_on`.

    Returns the outcome: $outcome, and `verified`: `confirmed`, with the `evidence`;
    `unverified` if this cannot be known, for the reason in `detail`; or
    `not_rebooted`. `how` is `guest`, `hard` or `fallback_hard` (reset because the
    guest did not reboot). Fails if the VM has not rebooted (unless `on_timeout` is
    `leave`) or is not ready in time.

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
    Suspend a running VM to disk. `power_on` resumes it.

    `vm_name` is $vm_name. A suspended VM is left alone. A VM that is
    $not_suspendable is refused. Returns the outcome: $outcome. Fails if the VM is
    not suspended within `timeout` seconds.

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
    Restore the power state of every VM that this run has changed.

    Use it in `rollbacks`. The ledger records the state of each VM before its first
    change. The VM that was changed last is restored first. A VM that is already in
    its original state is left alone; so is one that was changed externally since,
    unless `force` is true. Requests whose outcome is unknown are waited for first,
    for half of `timeout` (seconds) at most. To power a VM off, undo asks its guest
    to shut down, and cuts the power if it does not do so in time. A VM that was
    suspended and is off now cannot be restored, and fails.

    With `ledger`, the path of another run's ledger, that run is undone instead,
    even after a crash. If there is nothing to undo, no connection is made. At most
    `parallel` VMs are restored at once.

    Returns `outcomes` (one for each changed VM, with `detail` if it was left
    alone), and the numbers `changed` and `failed`. Fails if a VM could not be
    restored; the error names each with the reason.

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
