"""Probes of one VM and its guest.

``$names`` are replaced by a platform's own words.
"""

from typing import List

from chaoslib.types import Configuration, Secrets

from chaosvm.activities.binding import Binding

__all__ = [
    "guest_heartbeat",
    "guest_ip_addresses",
    "guest_port_open",
    "guest_tools_running",
    "recovery_seconds",
    "vm_host",
    "vm_moved_since",
    "vm_rebooted_since",
    "vm_restarted_by_ha",
    "vm_uptime_seconds",
]


def vm_uptime_seconds(
    platform: Binding,
    vm_name: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> float:
    """
    Seconds since the guest system booted.

    $uptime Fails if the uptime is not known, and says why.

    ```json
    {
      "type": "probe",
      "name": "web-01-has-been-up-for-an-hour",
      "tolerance": {"type": "range", "range": [3600, 1000000000]},
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "vm_uptime_seconds",
        "arguments": {"vm_name": "web-01"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).vm_observer.uptime_seconds(vm_name)


def vm_rebooted_since(
    platform: Binding,
    vm_name: str,
    since: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    True if the guest system has booted since then.

    `since` is a time such as "2026-11-30T10:00:00Z", or the name of an earlier
    activity of this run: then it is when that activity began. It is compared with
    the server's clock, whose difference from this machine's is measured. Fails if the
    guest's uptime is not known, or too old to tell: $uptime

    ```json
    {
      "type": "probe",
      "name": "web-01-has-rebooted",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "vm_rebooted_since",
        "arguments": {"vm_name": "web-01", "since": "reboot-web-01"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).vm_observer.rebooted_since(vm_name, since)


def guest_tools_running(
    platform: Binding,
    vm_name: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    True if $tools run in the guest.

    $tools_unknown

    ```json
    {
      "type": "probe",
      "name": "tools-run-in-web-01",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "guest_tools_running",
        "arguments": {"vm_name": "web-01"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).vm_observer.tools_running(vm_name)


def guest_heartbeat(
    platform: Binding,
    vm_name: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> str:
    """
    The heartbeat of the guest: green, yellow, red or gray.

    Gray means that $tools are not running; red that they have sent no heartbeat
    for a while. Fails if the VM's host is not connected.

    ```json
    {
      "type": "probe",
      "name": "web-01-has-a-pulse",
      "tolerance": "green",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "guest_heartbeat",
        "arguments": {"vm_name": "web-01"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).vm_observer.heartbeat(vm_name)


def guest_ip_addresses(
    platform: Binding,
    vm_name: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> List[str]:
    """
    The IP addresses that the guest reports through $tools.

    The list is empty if the VM is off or suspended. Fails if the VM is on and its
    guest reports none.

    ```json
    {
      "type": "probe",
      "name": "addresses-of-web-01",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "guest_ip_addresses",
        "arguments": {"vm_name": "web-01"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).vm_observer.ip_addresses(vm_name)


def guest_port_open(
    platform: Binding,
    vm_name: str,
    port: int = 22,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    True if the guest accepts a TCP connection to `port` from this machine.

    Each address that the guest reports is tried, for three seconds at most. False
    if all refuse the connection or do not answer, or if the VM is off. Fails if the
    VM is on and its guest reports no address, or if this machine cannot send
    anything there.

    ```json
    {
      "type": "probe",
      "name": "ssh-of-web-01-answers",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "guest_port_open",
        "arguments": {"vm_name": "web-01", "port": 22}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).vm_observer.port_is_open(vm_name, port)


def vm_host(
    platform: Binding,
    vm_name: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> str:
    """
    The name of the host that the VM is on.

    $vm_host

    ```json
    {
      "type": "probe",
      "name": "where-web-01-runs",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "vm_host",
        "arguments": {"vm_name": "web-01"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).vm_observer.host(vm_name)


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
    records when a VM was powered on. When the other milestones were reached is
    known from when this probe first saw them, so it should be called while the VM
    recovers.

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
