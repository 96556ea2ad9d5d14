"""Power actions on the VMs of an oVirt engine, such as OLVM's.

Every action validates its arguments and settings, finds the VMs in the
inventory, and only then sends a request. It is idempotent, so it also serves as
a rollback: a VM already in the requested state is left alone, with ``changed``
false. ``timeout`` in seconds bounds the whole call, login included. The
engine's own VM (hosted engine) and protected VMs are always refused. Outcomes
have the ``correlation_id`` of the engine's events for the request.
docs/platforms.md explains how an action works, docs/olvm.md what differs on
oVirt, and docs/safety.md protected VMs, limits for a run, plans and dry runs.
"""

from typing import Any, Dict

from chaoslib.types import Configuration, Secrets

from chaosvm.activities import actions, batch_actions
from chaosvm.olvm import olvm
from chaosvm.olvm.binding import OLVM
from chaosvm.selection import VMSelection

__all__ = [
    "batch_power_off",
    "batch_power_on",
    "batch_reboot",
    "batch_suspend",
    "outage",
    "power_off",
    "power_on",
    "reboot",
    "restore_power_states",
    "suspend",
]

power_on = OLVM.bind(actions.power_on)
reboot = OLVM.bind(actions.reboot)
suspend = OLVM.bind(actions.suspend)
batch_power_on = OLVM.bind(batch_actions.batch_power_on)
batch_reboot = OLVM.bind(batch_actions.batch_reboot)
batch_suspend = OLVM.bind(batch_actions.batch_suspend)
outage = OLVM.bind(batch_actions.outage)
restore_power_states = OLVM.bind(actions.restore_power_states)


def power_off(
    vm_name: str,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "hard",
    discard_memory: bool = False,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power off a VM. A VM that is down is left alone.

    With `graceful` the guest is asked to shut down. If it is still up after
    `timeout` seconds, or the engine gives up on it, `on_timeout` decides:
    `hard` stops the VM, `fail` fails the action, `leave` leaves it running
    without failing. For `hard`, the last fifth of the timeout (30 seconds at
    most) is reserved for the stop. Without `graceful` the VM is stopped at
    once, as if the plug were pulled. Stopping a suspended VM discards its saved
    memory, and is refused unless `discard_memory` is true.

    `vm_name` is a name, an id or a path (/data centre/cluster/name). Returns
    the outcome: `name`, `id`, `platform`, `operation`, `before`, `after`,
    `changed`, `seconds`, `correlation_id` and `how`, which is `guest`, `hard`,
    `fallback_hard` (the guest did not shut down, so the VM was stopped),
    `engine_converted` (the engine turned the shutdown into a hard stop, as it
    does without guest agent and ACPI) or `none`.

    ```json
    {
      "type": "action",
      "name": "lose-web-01",
      "provider": {
        "type": "python",
        "module": "chaosvm.olvm.actions",
        "func": "power_off",
        "arguments": {"vm_name": "web-01", "graceful": false}
      }
    }
    ```
    """
    platform = olvm(configuration, secrets)
    outcome = platform.power_off(vm_name, graceful, timeout, on_timeout, discard_memory)
    return outcome.to_json()


def batch_power_off(
    vms: VMSelection,
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "hard",
    discard_memory: bool = False,
    waves: int = 1,
    interval: float = 0,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Power off all selected VMs, as `power_off` does for one.

    `vms` is a selection: `names`, `name`, `regex`, `ids`, `datacenter`,
    `cluster`, `host`, `tag`, `guest_os`, `power_state`, `exclude`, and `count`
    or `percent` with a `seed`; `{"all": true}` selects every
    VM, `{"plan": "plan.json"}` those of a plan. At most `parallel` requests are
    sent at once, and `timeout` seconds bound the whole batch, or each wave.
    `graceful`, `on_timeout` (`hard`, `fail` or `leave`) and `discard_memory`
    are those of `power_off`. With `waves`, the VMs are taken in so many groups,
    one after the other, until one fails; with `interval`, two groups, or VMs,
    start at least so many seconds apart.

    Returns `outcomes` (one for each VM), `changed` and `failed` (how many) and
    the `seed` of the sample: pass it to draw the same VMs again. Fails if any
    VM failed, with the reason for each and the outcomes of the others.

    ```json
    {
      "type": "action",
      "name": "lose-two-of-the-web-tier",
      "provider": {
        "type": "python",
        "module": "chaosvm.olvm.actions",
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
    platform = olvm(configuration, secrets)
    return platform.batch_power_off(
        vms, parallel, graceful, timeout, on_timeout, waves, interval, discard_memory
    ).to_json()
