"""Power actions on selected VMs, as every platform has them.

``$names`` are replaced by a platform's own words.
"""

from typing import Any, Dict

from chaoslib.types import Configuration, Secrets

from chaosvm.activities.binding import Binding

__all__ = ["batch_power_off", "batch_power_on", "batch_reboot", "batch_suspend"]


def batch_power_on(
    platform: Binding,
    vms: Dict[str, Any],
    parallel: int = 10,
    timeout: float = 300,
    wait_for: str = "power",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power on all the selected VMs; suspended ones resume.

    `vms` is a selection: $selection; `{"all": true}` is every VM,
    `{"plan": "plan.json"}` the VMs of a plan. At most `parallel` requests are
    in flight at once. `timeout` is in seconds, for all VMs together. `wait_for`
    is that of `power_on`, such as `tools` or `port:22`: what each VM has to reach.

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
    return service.batch_power_on(vms, parallel, timeout, wait_for).to_json()


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

    `vms` is a selection: $selection; `{"all": true}` is every VM,
    `{"plan": "plan.json"}` the VMs of a plan. At most `parallel` requests are
    in flight at once. `timeout` is in seconds, for all VMs together. `graceful`
    and `on_timeout` (`hard`, `fail` or `leave`) are those of `power_off`.

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
        .batch_power_off(vms, parallel, graceful, timeout, on_timeout)
        .to_json()
    )


def batch_reboot(
    platform: Binding,
    vms: Dict[str, Any],
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "fail",
    wait_for: str = "power",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Reboot all the selected VMs, as `reboot` does for one.

    `vms` is a selection: $selection; `{"all": true}` is every VM. All
    of them must be running: add `"power_state": "powered_on"` to be sure.
    `on_timeout` (`reset`, `fail` or `leave`) and `wait_for` are those of `reboot`.

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
    service = platform.connect(configuration, secrets)
    options = {"on_timeout": on_timeout, "wait_for": wait_for}
    return service.batch_reboot(vms, parallel, graceful, timeout, **options).to_json()


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

    `vms` is a selection: $selection; `{"all": true}` is every VM. None
    of them may be off: add `"power_state": "powered_on"` to be sure.

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
    return platform.connect(configuration, secrets).batch_suspend(vms, parallel, timeout).to_json()
