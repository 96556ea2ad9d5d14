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
    "vm_host",
    "vm_rebooted_since",
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
