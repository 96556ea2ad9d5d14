"""Power actions on the VMs of a vCenter.

Every action checks its arguments and settings first, finds the VMs in the
inventory, and only then sends anything. It is idempotent, so it also serves as
a rollback: a VM that is there already is left alone, with ``changed`` false.
``timeout`` in seconds bounds the whole call, logging in included. Templates,
VMs managed by vCenter (agents such as vCLS), fault tolerance secondaries and
the vCenter's own VM are refused, and so are protected VMs. docs/safety.md
explains these, limits for a whole run, plans and dry runs; docs/vsphere.md
settings, selection and outcomes.
"""

from typing import Any, Dict

from chaoslib.types import Configuration, Secrets

from chaosvm.vsphere import vsphere

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
    vm_name: str,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power on a VM; a suspended one resumes. A VM that is on is left alone.

    `vm_name` is a name, an id (moid), an instance UUID or an inventory path,
    and must mean one VM. Returns when the VM is powered on (its guest may still
    be booting), with the outcome: `name`, `id`, `platform`, `operation`,
    `before`, `after`, `changed`, `how` and `seconds`. Fails when the VM is not
    on after `timeout` seconds, is unknown, ambiguous, a template, or managed by
    vCenter.

    ```json
    {
      "type": "action",
      "name": "bring-web-01-back",
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.actions",
        "func": "power_on",
        "arguments": {"vm_name": "web-01", "timeout": 300}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return platform.power_on(vm_name, timeout).to_json()


def power_off(
    vm_name: str,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "hard",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power off a VM. A VM that is off is left alone; a suspended one is refused.

    With `graceful` the guest is asked to shut down (this needs VMware Tools);
    if it has not, or can not, `on_timeout` decides: `hard` cuts its power,
    `fail` fails the action, `leave` leaves it running without failing. The
    guest has `timeout` seconds, less a fifth (30 at most) kept for the hard
    power off where that is to follow. Without `graceful` the power is cut at
    once, as if the plug were pulled.

    `vm_name` is a name, an id (moid), an instance UUID or an inventory path.
    Returns the outcome: `name`, `id`, `platform`, `operation`, `before`,
    `after`, `changed`, `seconds` and `how`, which is `guest`, `hard`,
    `fallback_hard` (the guest did not, so its power was cut) or `none`.

    ```json
    {
      "type": "action",
      "name": "lose-web-01",
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.actions",
        "func": "power_off",
        "arguments": {"vm_name": "web-01", "graceful": false}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return platform.power_off(vm_name, graceful, timeout, on_timeout).to_json()


def reboot(
    vm_name: str,
    graceful: bool = True,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Reboot a running VM: its guest, or with `graceful` false a reset.

    A guest's reboot needs VMware Tools, and counts as done when Tools were seen
    to stop and to run again; a guest that ignores the request fails the action
    after `timeout` seconds, as unknown. A reset, which is like the reset button,
    counts as done when vCenter says so and the VM is on. Neither is ever sent
    twice. A VM that is not running is refused.

    `vm_name` is a name, an id (moid), an instance UUID or an inventory path.
    Returns the outcome: `name`, `id`, `platform`, `operation`, `before`,
    `after`, `changed`, `how` (`guest` or `hard`) and `seconds`.

    ```json
    {
      "type": "action",
      "name": "reset-web-01",
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.actions",
        "func": "reboot",
        "arguments": {"vm_name": "web-01", "graceful": false}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return platform.reboot(vm_name, graceful, timeout).to_json()


def suspend(
    vm_name: str,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Suspend a running VM to disk; `power_on` resumes it where it was.

    A VM that is suspended is left alone; one that is off is refused. `vm_name`
    is a name, an id (moid), an instance UUID or an inventory path. Returns the
    outcome: `name`, `id`, `platform`, `operation`, `before`, `after`, `changed`,
    `how` and `seconds`. Fails when it is not suspended after `timeout` seconds.

    ```json
    {
      "type": "action",
      "name": "freeze-web-01",
      "provider": {
        "type": "python",
        "module": "chaosvm.vsphere.actions",
        "func": "suspend",
        "arguments": {"vm_name": "web-01"}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return platform.suspend(vm_name, timeout).to_json()


def batch_power_on(
    vms: Dict[str, Any],
    parallel: int = 10,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power on all the selected VMs; suspended ones resume.

    `vms` is a selection: `names`, `name`, `regex`, `ids`, `datacenter`,
    `cluster`, `host`, `folder`, `tag`, `guest_os`, `power_state`, `exclude`,
    and `count` or `percent` with a `seed`; `{"all": true}` means every VM,
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
        "module": "chaosvm.vsphere.actions",
        "func": "batch_power_on",
        "arguments": {"vms": {"name": "web-*", "cluster": "prod"}}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return platform.batch_power_on(vms, parallel, timeout).to_json()


def batch_power_off(
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

    `vms` is a selection: `names`, `name`, `regex`, `ids`, `datacenter`,
    `cluster`, `host`, `folder`, `tag`, `guest_os`, `power_state`, `exclude`,
    and `count` or `percent` with a `seed`; `{"all": true}` means every VM,
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
        "module": "chaosvm.vsphere.actions",
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
    platform = vsphere(configuration, secrets)
    return platform.batch_power_off(vms, parallel, graceful, timeout, on_timeout).to_json()


def batch_reboot(
    vms: Dict[str, Any],
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Reboot all the selected VMs, as `reboot` does for one.

    `vms` is a selection: `names`, `name`, `regex`, `ids`, `datacenter`,
    `cluster`, `host`, `folder`, `tag`, `guest_os`, `power_state`, `exclude`,
    and `count` or `percent` with a `seed`; `{"all": true}` means every VM. All
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
        "module": "chaosvm.vsphere.actions",
        "func": "batch_reboot",
        "arguments": {
          "vms": {"name": "web-*", "power_state": "powered_on", "percent": 33},
          "graceful": false
        }
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return platform.batch_reboot(vms, parallel, graceful, timeout).to_json()


def batch_suspend(
    vms: Dict[str, Any],
    parallel: int = 10,
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Suspend all the selected VMs, as `suspend` does for one.

    `vms` is a selection: `names`, `name`, `regex`, `ids`, `datacenter`,
    `cluster`, `host`, `folder`, `tag`, `guest_os`, `power_state`, `exclude`,
    and `count` or `percent` with a `seed`; `{"all": true}` means every VM. None
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
        "module": "chaosvm.vsphere.actions",
        "func": "batch_suspend",
        "arguments": {"vms": {"cluster": "test", "power_state": "powered_on"}}
      }
    }
    ```
    """
    platform = vsphere(configuration, secrets)
    return platform.batch_suspend(vms, parallel, timeout).to_json()


def restore_power_states(
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
        "module": "chaosvm.vsphere.actions",
        "func": "restore_power_states",
        "arguments": {"timeout": 300, "parallel": 10}
      }
    }
    ```
    """

    # Most runs have nothing to put back.
    from chaosvm.recovery import restore_on

    def connect() -> Any:
        return vsphere(configuration, secrets)

    batch = restore_on("vsphere", connect, configuration, secrets, timeout, parallel, force, ledger)
    return batch.to_json()
