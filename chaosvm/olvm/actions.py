"""Power actions on the VMs of an oVirt engine, such as OLVM's.

An action validates its arguments and settings, finds the VMs in the inventory, and
only then sends commands. Actions are idempotent, so they also serve as rollbacks: a
VM that is already in the requested state is left alone, with ``changed`` false.
``timeout`` bounds the whole call, login included. The engine's own VM (hosted
engine) and protected VMs are refused. See docs/outcomes.md for results,
docs/power.md for ``wait_for``, outages and waves, docs/safety.md for protection,
limits, plans and dry runs, and docs/olvm.md for what differs on oVirt.
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


@OLVM.document()
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
    Power off a VM. A VM that is off is left alone.

    With `graceful`, the guest is asked to shut down. If it does not, or the engine
    gives up on it, `on_timeout` decides: `hard` stops the VM, `fail` fails the
    action, `leave` leaves the VM running without failing. The guest has `timeout`
    seconds; with `hard`, the last fifth (30 seconds at most) is reserved for the
    stop. Without `graceful`, the VM is stopped at once, as if the plug were pulled.
    Stopping a suspended VM discards its saved memory, and is refused unless
    `discard_memory` is true.

    `vm_name` is $vm_name. Returns the outcome: $outcome. `how` is `guest`, `hard`,
    `fallback_hard` (the guest did not shut down, so the VM was stopped),
    `engine_converted` (the engine turned the shutdown into a stop, as it does
    without guest agent and ACPI) or `none`. Fails if the VM is not off in time,
    unless `on_timeout` is `leave`.

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
    platform = olvm(configuration, secrets)
    outcome = platform.power_off(vm_name, graceful, timeout, on_timeout, discard_memory)
    return outcome.to_json()


@OLVM.document()
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
    Power off the selected VMs, as `power_off` does for one.

    $selected

    `graceful`, `on_timeout` (`hard`, `fail` or `leave`) and `discard_memory` work
    as in `power_off`. With `waves`, the VMs are split into that many groups, one
    after the other; after a failure, no further group is touched, and the VMs in
    those groups fail too. With `interval`, groups start at least that many seconds
    apart; without `waves`, each VM is a group.

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
    platform = olvm(configuration, secrets)
    return platform.batch_power_off(
        vms, parallel, graceful, timeout, on_timeout, waves, interval, discard_memory
    ).to_json()
