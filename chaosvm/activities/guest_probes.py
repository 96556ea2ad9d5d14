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
    Return the seconds since the guest system booted.

    `vm_name` is $vm_name. $uptime Fails, with the reason, if the uptime is not
    known.

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
    True if the guest system has booted since a given time.

    `vm_name` is $vm_name. $since

    The guest's uptime decides. $uptime Fails if the uptime is not known, or not
    recent enough to decide.

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
    True if $tools_running in the guest.

    `vm_name` is $vm_name. $tools_unknown

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
    Return the heartbeat of the guest: `green`, `yellow`, `red` or `gray`.

    `vm_name` is $vm_name. Gray means that $tools are not running, red that they
    have sent no heartbeat for a while. Fails if the VM's host is not connected.

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
    Return the IP addresses that the guest reports through $tools.

    `vm_name` is $vm_name. The list is empty if the VM is off or suspended. Fails if
    the VM is on and its guest reports no address.

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

    `vm_name` is $vm_name. Each address that the guest reports is tried, for three
    seconds at most. False if all refuse the connection or do not answer, or if the
    VM is off. Fails if the VM is on and its guest reports no address, or if this
    machine cannot send to it.

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
    Return the name of the host that the VM is on.

    `vm_name` is $vm_name. $vm_host

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
