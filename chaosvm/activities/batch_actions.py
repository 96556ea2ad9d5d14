"""Power actions on selected VMs, as every platform has them.

``$names`` are replaced by a platform's own words.
"""

from typing import Any, Dict

from chaoslib.types import Configuration, Secrets

from chaosvm.activities.binding import Binding
from chaosvm.selection import VMSelection

__all__ = ["batch_power_off", "batch_power_on", "batch_reboot", "batch_suspend", "outage"]


def batch_power_on(
    platform: Binding,
    vms: VMSelection,
    parallel: int = 10,
    timeout: float = 300,
    wait_for: str = "power",
    waves: int = 1,
    interval: float = 0,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power on all the selected VMs; suspended ones resume.

    `vms` is a selection: $selection; `{"all": true}` is every VM,
    `{"plan": "plan.json"}` the VMs of a plan. At most `parallel` requests are
    in flight at once. `timeout` is in seconds, for all VMs together. `wait_for`
    is that of `power_on`, such as `tools` or `port:22`: what each VM has to reach.
    `waves` and `interval` are those of `batch_power_off`.

    Returns `outcomes` (one for each VM), `changed` and `failed` (how many) and
    the `seed` of the sample. Fails if any VM failed;
    the error names each and the reason, and the journal has all outcomes.

    ```json
    {
      "type": "action",
      "name": "bring-the-web-tier-back",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "batch_power_on",
        "arguments": {"vms": {"name": "web-*", "cluster": "prod"}, "wait_for": "tools"}
      }
    }
    ```
    """
    service = platform.connect(configuration, secrets)
    return service.batch_power_on(vms, parallel, timeout, wait_for, waves, interval).to_json()


def batch_power_off(
    platform: Binding,
    vms: VMSelection,
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "hard",
    waves: int = 1,
    interval: float = 0,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power off all the selected VMs, as `power_off` does for one.

    `vms` is a selection: $selection; `{"all": true}` is every VM,
    `{"plan": "plan.json"}` the VMs of a plan. At most `parallel` requests are
    in flight at once. `timeout` is in seconds, for all VMs together, or for
    each wave. `graceful` and `on_timeout` (`hard`, `fail` or `leave`) are those
    of `power_off`.

    With `waves`, the VMs are taken in so many groups, one after the other: if a
    VM fails, no further group is touched, and its VMs fail, too. With
    `interval`, two groups start at least so many seconds apart; without
    `waves`, each VM is a group.

    Returns `outcomes` (one for each VM), `changed` and `failed` (how many) and
    the `seed` of the sample: use it to draw the same VMs again. Fails if any
    VM failed; the error names each and the reason, and the journal has all
    outcomes.

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
        .batch_power_off(vms, parallel, graceful, timeout, on_timeout, waves, interval)
        .to_json()
    )


def batch_reboot(
    platform: Binding,
    vms: VMSelection,
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "fail",
    wait_for: str = "power",
    waves: int = 1,
    interval: float = 0,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Reboot all the selected VMs, as `reboot` does for one.

    `vms` is a selection: $selection; `{"all": true}` is every VM. All
    of them must be running: add `"power_state": "powered_on"` to be sure.
    `on_timeout` (`reset`, `fail` or `leave`) and `wait_for` are those of `reboot`,
    `waves` and `interval` those of `batch_power_off`: a rolling reboot.

    Returns `outcomes` (one for each VM), `changed` and `failed` (how many) and
    the `seed` of the sample. Fails if any VM failed;
    the error names each and the reason, and the journal has all outcomes.

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
        .batch_reboot(vms, parallel, graceful, timeout, on_timeout, wait_for, waves, interval)
        .to_json()
    )


def batch_suspend(
    platform: Binding,
    vms: VMSelection,
    parallel: int = 10,
    timeout: float = 300,
    waves: int = 1,
    interval: float = 0,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Suspend all the selected VMs, as `suspend` does for one.

    `vms` is a selection: $selection; `{"all": true}` is every VM. None
    of them may be off: add `"power_state": "powered_on"` to be sure. `waves`
    and `interval` are those of `batch_power_off`.

    Returns `outcomes` (one for each VM), `changed` and `failed` (how many) and
    the `seed` of the sample. Fails if any VM failed;
    the error names each and the reason, and the journal has all outcomes.

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
    service = platform.connect(configuration, secrets)
    return service.batch_suspend(vms, parallel, timeout, waves, interval).to_json()


def outage(
    platform: Binding,
    vms: VMSelection,
    duration: float = 60,
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "hard",
    wait_for: str = "power",
    waves: int = 1,
    interval: float = 0,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power the selected VMs off, hold them off for a while, and power them on again.

    `duration` is how long they are held off, in seconds, from when the last of
    them is off. `vms`, `parallel`, `graceful` and `on_timeout` are those of
    `batch_power_off`, `wait_for` is that of `power_on`. `timeout` is for going
    down, and again for coming back. A VM that is off already stays off.

    With `waves`, the VMs are taken in so many groups: each goes down when the
    last one is back or, with `interval`, so many seconds after the last one.
    With `interval` alone, each VM is a group. After a failure no further group
    goes down.

    To check a hypothesis meanwhile, run it in the background, or with
    `--hypothesis-strategy continuously`. Whatever ends the outage, a signal
    too, the VMs are powered on before it ends; if that fails, or the process is
    killed, undo and recovery restore them.

    Returns `outcomes` (one for each VM, with `milestones`: the seconds until it
    was `down` and `back`), `changed`, `failed` and the `seed` of the sample.
    Fails if a VM did not go down, did not stay off, or did not come back.

    ```json
    {
      "type": "action",
      "name": "one-web-vm-is-gone-for-two-minutes",
      "background": true,
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "outage",
        "arguments": {"vms": {"name": "web-*", "count": 1}, "duration": 120}
      }
    }
    ```
    """
    service = platform.connect(configuration, secrets)
    return service.outage(
        vms, duration, parallel, graceful, timeout, on_timeout, wait_for, waves, interval
    ).to_json()
