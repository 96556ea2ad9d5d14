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
    Power on the selected VMs, or resume suspended ones, as `power_on` does for one.

    $selected

    `wait_for` is what each VM must reach, such as `tools` or `port:22`, as for
    `power_on`. `waves` and `interval` work as in `batch_power_off`.

    $batch

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
    Power off the selected VMs, as `power_off` does for one.

    $selected

    `graceful` and `on_timeout` (`hard`, `fail` or `leave`) work as in `power_off`.
    With `waves`, the VMs are split into that many groups, one after the other;
    after a failure, no further group is touched, and the VMs in those groups fail
    too. With `interval`, groups start at least that many seconds apart; without
    `waves`, each VM is a group.

    $batch

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
    Reboot the selected VMs, as `reboot` does for one.

    $selected All the VMs must be running: add `"power_state": "powered_on"` to be
    sure.

    `graceful` and `on_timeout` (`reset`, `fail` or `leave`) work as in `reboot`.
    `wait_for` is what each VM must reach afterwards, such as `tools` or `port:22`,
    as for `power_on`. `waves` and `interval` work as in `batch_power_off`, for a
    rolling reboot.

    $batch

    ```json
    {
      "type": "action",
      "name": "reset-a-third-of-the-web-tier",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "batch_reboot",
        "arguments": {
          "vms": {"name": "web-*", "power_state": "powered_on", "percent": 34},
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
    Suspend the selected VMs, as `suspend` does for one.

    $selected None of the VMs may be off: add `"power_state": "powered_on"` to be sure.
    `waves` and `interval` work as in `batch_power_off`.

    $batch

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
    Power the selected VMs off, keep them off for a while, and power them on again.

    $selected It counts for powering off, and again for powering on. A VM that is
    already off stays off.

    `duration` is how long the VMs are kept off, in seconds, from when the last of
    them is off. `graceful` and `on_timeout` (`hard`, `fail` or `leave`) work as in
    `power_off`. `wait_for` is what each VM must reach afterwards, such as `tools`
    or `port:22`, as for `power_on`.

    With `waves`, the VMs are split into that many groups: each goes down when the
    previous one is back or, with `interval`, that many seconds after the previous
    one. With `interval` alone, each VM is a group. After a failure no further group
    goes down.

    To check a hypothesis during the outage, run this action in the background, or
    use `--hypothesis-strategy continuously`. The VMs are powered on however the
    outage ends, even by a signal. If that fails, or the process is killed, undo or
    recovery restores them.

    Returns `outcomes` (one for each VM, with `milestones`: the seconds until it was
    `down` and `back`), the numbers `changed` and `failed`, and the `seed` of the
    sample. Fails if a VM did not go down, did not stay off, or did not come back.

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
