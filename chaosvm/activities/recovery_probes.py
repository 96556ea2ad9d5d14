"""Probes of what became of a VM: recovery, moves, restarts by high availability.

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
    Seconds from the moment the VM went down until it reached a milestone again.

    Counted from the first time that it went down after `since`, on the server's
    clock. `milestone` is `power` (powered on), `tools` ($tools run), `ip` (the
    guest reports an address), `port:22` (accepts TCP connections), `http:8080/path`
    (answers a GET with a status below 400) or the URL of a service. The server
    records when a VM was powered on. When another milestone was reached is known
    from an action of this run that waited for it (`wait_for`), or else from when
    this probe first saw it: then it should be called while the VM recovers.

    Fails if the VM has not gone down, or has not reached the milestone again. With
    a `limit` in seconds it is only judged once it is back or the limit has passed:
    the probe waits until then. A continuous check of the hypothesis does not wait,
    but gets the seconds so far. Where the VM has not gone down, as before the
    method, it is 0. So in a hypothesis, give the upper end of the tolerance as the
    `limit`.

    `since` is a time such as "2026-11-30T10:00:00Z", or the name of an earlier
    activity of this run: then it is when that activity began. It is compared with
    the server's clock, whose difference from this machine's is measured. Fails if
    the server keeps no events from that far back.

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
    True if the VM has been on another host since then, or is on another one now.

    The log names the hosts, in order. A VM that has moved and come back has moved.
    `since` is a time such as "2026-11-30T10:00:00Z", or the name of an earlier
    activity of this run: then it is when that activity began. It is compared with
    the server's clock, whose difference from this machine's is measured. Fails if
    the server keeps no events from that far back.

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
    True if high availability has restarted the VM since then.

    The log says on which host it ran before and after, and for how many seconds it
    was down; or why it was not restarted: a VM that was powered off or shut down
    on request has stopped cleanly, and high availability leaves it alone.

    `since` is a time such as "2026-11-30T10:00:00Z", or the name of an earlier
    activity of this run: then it is when that activity began. It is compared with
    the server's clock, whose difference from this machine's is measured. Fails if
    the server keeps no events from that far back.

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
