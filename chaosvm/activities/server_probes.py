"""Probes of many VMs, hosts, clusters, events and alarms.

``$names`` are replaced by a platform's own words.
"""

from typing import Any, Dict, List

from chaoslib.types import Configuration, Secrets

from chaosvm.activities.binding import Binding
from chaosvm.selection import VMSelection

__all__ = [
    "alarms_triggered",
    "cluster_has_failover_capacity",
    "host_connection_state",
    "hosts_available",
    "running_vms_at_least",
    "vm_events",
    "wait_for_state",
]


def running_vms_at_least(
    platform: Binding,
    vms: VMSelection,
    minimum: int = 1,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    True if at least `minimum` of the selected VMs are powered on.

    $vms Fails if no VM matches, or if the result
    depends on VMs whose state is unknown to the server.

    ```json
    {
      "type": "probe",
      "name": "two-web-servers-run",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "running_vms_at_least",
        "arguments": {"vms": {"name": "web-*"}, "minimum": 2}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).server_observer.running_at_least(vms, minimum)


def wait_for_state(
    platform: Binding,
    vms: VMSelection,
    state: str = "powered_on",
    timeout: float = 300,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    Wait until all the selected VMs are in the given power state, and return true.

    $vms `state` is $expected. Fails after `timeout`
    seconds; the error names the VMs in another state.

    ```json
    {
      "type": "probe",
      "name": "the-web-servers-are-back",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "wait_for_state",
        "arguments": {"vms": {"name": "web-*"}, "state": "powered_on", "timeout": 300}
      }
    }
    ```
    """
    observer = platform.connect(configuration, secrets).server_observer
    return observer.wait_for_state(vms, state, timeout)


def vm_events(
    platform: Binding,
    vms: VMSelection,
    since: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> List[Dict[str, Any]]:
    """
    Return the server's events about the selected VMs since a given time, oldest
    first.

    $vms Each event has `at` (on the server's clock),
    `kind` (such as `powered_off`, `migrated` or `ha_restarted`; `other` if it is
    not about power or availability), `type` (the server's own name or code),
    `text`, `vm`, `vm_id` and `host`.

    $since $events

    ```json
    {
      "type": "probe",
      "name": "what-happened-to-db-01",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "vm_events",
        "arguments": {"vms": {"names": ["db-01"]}, "since": "2026-11-30T10:00:00Z"}
      }
    }
    ```
    """
    observer = platform.connect(configuration, secrets).server_observer
    return [event.to_json() for event in observer.events(vms, since)]


def host_connection_state(
    platform: Binding,
    host: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> str:
    """
    Return the state of the connection between the server and a host.

    `host` is a name or an id. The state is `connected`, `connecting` (lost, and
    being restored), `disconnected` (on purpose: the host is not monitored),
    `not_responding` or `unknown`. $host_state

    ```json
    {
      "type": "probe",
      "name": "esx-3-is-connected",
      "tolerance": "connected",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "host_connection_state",
        "arguments": {"host": "esx-3.example.com"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).server_observer.host(host).connection.value


def hosts_available(
    platform: Binding,
    cluster: str,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> int:
    """
    Count the hosts of a cluster that can run VMs now.

    `cluster` is a name or an id. Hosts count if they are connected, powered on and
    not in maintenance. The log names the others.

    ```json
    {
      "type": "probe",
      "name": "three-hosts-are-left",
      "tolerance": {"type": "range", "range": [3, 1000]},
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "hosts_available",
        "arguments": {"cluster": "prod"}
      }
    }
    ```
    """
    return platform.connect(configuration, secrets).server_observer.hosts_available(cluster)


def cluster_has_failover_capacity(
    platform: Binding,
    cluster: str,
    hosts: int = 1,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> bool:
    """
    True if this many hosts of a cluster can fail and their VMs be restarted
    elsewhere.

    `cluster` is a name or an id, `hosts` the number of hosts. The server computes
    it from what is reserved for the running VMs. False if high availability is off.
    Fails if the server does not compute it.

    ```json
    {
      "type": "probe",
      "name": "prod-survives-the-loss-of-a-host",
      "tolerance": true,
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "cluster_has_failover_capacity",
        "arguments": {"cluster": "prod", "hosts": 1}
      }
    }
    ```
    """
    observer = platform.connect(configuration, secrets).server_observer
    return observer.has_failover_capacity(cluster, hosts)


def alarms_triggered(
    platform: Binding,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> List[Dict[str, Any]]:
    """
    Return the triggered alarms, newest first.

    Each has `name`, `status` (`yellow` or `red`), `entity`, `entity_id`, `at` and
    `acknowledged`. If there is none, the list is empty.

    ```json
    {
      "type": "probe",
      "name": "no-alarm-is-triggered",
      "tolerance": {"type": "jsonpath", "path": "$$[*]", "count": 0},
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "alarms_triggered"
      }
    }
    ```
    """
    observer = platform.connect(configuration, secrets).server_observer
    return [alarm.to_json() for alarm in observer.alarms()]
