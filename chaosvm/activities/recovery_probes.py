"""Probes of what happened to a VM: recovery, moves, restarts by high availability.

``$names`` are replaced by a platform's own words.
"""

from chaoslib.types import Configuration, Secrets

from chaosvm.activities.binding import Binding

__all__ = ["recovery_seconds", "vm_moved_since", "vm_restarted_by_ha"]


def recovery_seconds(
    platform: Binding,
    vm_name: str,
    since: str,
    milestone: str = "power",
    limit: float = 0,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> float:
    """
    Return the seconds from when the VM went down until it reached a milestone
    again.

    `vm_name` is $vm_name. `milestone` is $wait_for. The time is counted from when
    the VM first went down after `since`. The server records when a VM was powered
    on. Any other milestone counts from when an action of this run (with `wait_for`)
    or else this probe first saw it, so call the probe while the VM recovers.

    Without a `limit`, it fails if the VM has not gone down or has not reached the
    milestone again. With a `limit` in seconds, it waits until the VM is back or the
    limit has passed; before the VM has gone down, it returns 0. A continuous check
    of the hypothesis does not wait, but gets the seconds so far. In a hypothesis,
    set `limit` to the upper end of the tolerance.

    $since $events

    ```json
    {
      "type": "probe",
      "name": "web-01-recovers-within-two-minutes",
      "tolerance": {"type": "range", "range": [0, 120]},
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "recovery_seconds",
        "arguments": {
          "vm_name": "web-01",
          "since": "power-off-web-01",
          "milestone": "port:22",
          "limit": 120
        }
      }
    }
    ```
    """
    observer = platform.connect(configuration, secrets).vm_observer
    return observer.recovery_seconds(vm_name, since, milestone, limit)


def vm_moved_since(
    platform: Binding,
    vm_name: str,
    since: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    True if the VM has been on another host since a given time, even if it is back.

    `vm_name` is $vm_name. The log names the hosts, in order.

    $since $events

    ```json
    {
      "type": "probe",
      "name": "web-01-was-moved",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "vm_moved_since",
        "arguments": {"vm_name": "web-01", "since": "maintain-esx-3"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).vm_observer.moved_since(vm_name, since)


def vm_restarted_by_ha(
    platform: Binding,
    vm_name: str,
    since: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    True if high availability has restarted the VM since a given time.

    `vm_name` is $vm_name. The log names the hosts before and after, and the seconds
    that the VM was down; or why it was not restarted. High availability leaves
    off a VM that was powered off or shut down on request.

    $since $events

    ```json
    {
      "type": "probe",
      "name": "db-01-was-restarted",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "vm_restarted_by_ha",
        "arguments": {"vm_name": "db-01", "since": "fail-esx-3"}
      }
    }
    ```
    """
    observer = platform.connect(configuration, secrets).vm_observer
    return observer.ha_restart(vm_name, since) is not None
