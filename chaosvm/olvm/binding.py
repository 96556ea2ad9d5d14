"""What the docstrings of the shared activities say differently for oVirt."""

from __future__ import annotations

from chaosvm.activities import Binding
from chaosvm.olvm import olvm

__all__ = ["OLVM"]

_SELECTION = (
    "`names`, `name`, `regex`, `ids`, `datacenter`, `cluster`, `host`, `tag`, `guest_os`, "
    "`power_state`, `exclude`, and `count` or `percent` with a `seed`"
)
_WORDS = {
    "vm_name": "a name, an id or a path (/data centre/cluster/name)",
    "outcome": (
        "`name`, `id`, `platform`, `operation`, `before`, `after`, `changed`, `how`, `seconds` "
        "and `correlation_id`"
    ),
    "selection": _SELECTION,
    "power_on": (
        "A paused VM resumes, too. Returns when the engine reports `up`. Without a guest agent, "
        "that is about 60 s after the start, so leave `timeout` at two minutes or more. For a VM "
        "that is already starting, the action only waits."
    ),
    "tools_run": "the guest agent has reported since the start",
    "reboot": (
        "A reboot is confirmed when the VM is up and its uptime (elapsed.time) has fallen; it has "
        "not rebooted if that goes on. The engine reads uptimes every 15 s, so give `timeout` a "
        "minute or more. Where the engine does not support reset (before cluster level 4.6) the "
        "VM is stopped and started, and `detail` says so."
    ),
    "not_suspendable": "down, stateless or part of a pool",
    "metadata": "what only oVirt has, such as the pool",
    "list_vms": (
        "Tags are null unless the selection has the key `tag`: the engine lists them only by VM "
        "or by tag."
    ),
    "vm_power_state": (
        "One of powered_on, powered_off, suspended, paused, transitioning (between two states, "
        "such as powering_up or migrating) or unknown (the engine does not know). "
        "`vm_info` has the engine's own status, too."
    ),
    "expected": "powered_on, powered_off, suspended or paused",
    "tools": "the guest agent",
    "tools_unknown": (
        "The engine only shows what an agent has reported since the VM started. Fails if the VM "
        "is up and nothing was reported: there may be no agent, or it may be slow."
    ),
    "uptime": "It is the engine's elapsed.time, which is up to 20 seconds late.",
    "vm_host": "Fails if the VM is on no host, because it is down or suspended.",
    "host_state": ("A host in maintenance is disconnected: the engine does not monitor it."),
    "summary": (
        "`platform`, `server`, `product`, `version`, `vms`, `templates` (always 0: oVirt keeps "
        "them apart)"
    ),
}

OLVM = Binding("olvm", olvm, _WORDS)
