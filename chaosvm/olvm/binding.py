"""oVirt's own words in the docstrings of the activities that all platforms share."""

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
        "A paused VM goes on, too. Returns when the engine says `up`. Without a guest agent a VM "
        "counts as up about 60 s after its start, so leave `timeout` at two minutes or more. A VM "
        "that is starting already is only waited for."
    ),
    "reboot": (
        "A reboot counts as done when the VM is up and its uptime fell; without that proof the "
        "action fails after `timeout` seconds, as unknown. Where the engine does not support "
        "reset (before cluster level 4.6) the VM is stopped and started, and `detail` says so."
    ),
    "not_suspendable": "down, stateless or part of a pool",
    "metadata": "what only oVirt has, such as the pool",
    "list_vms": (
        "Tags are null here unless the selection asks for one: the engine tells them for each VM "
        "or each tag only."
    ),
    "vm_power_state": (
        "One of powered_on, powered_off, suspended, paused, transitioning (on its way from one to "
        "another, such as powering_up or migrating) or unknown (the engine itself cannot tell). "
        "`vm_info` has the engine's own word beside it."
    ),
    "expected": "powered_on, powered_off, suspended or paused",
    "summary": (
        "`platform`, `server`, `product`, `version`, `vms`, `templates` (always 0: oVirt keeps "
        "them apart)"
    ),
}

OLVM = Binding("olvm", olvm, _WORDS)
