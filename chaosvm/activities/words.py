"""A platform's words for what the docstrings of the definitions leave open."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Each field is the text for its ``$name`` in the docstrings.

    A field with a default is only needed by a platform that binds a definition with
    that ``$name``.
    """

    # Phrases, without a full stop. Names and values are code.
    vm_name: str  # what identifies one VM
    outcome: str  # the keys of an outcome
    summary: str  # the keys of inventory_summary that not every platform has
    metadata: str  # what is in a VM's metadata
    power_states: str  # the states that a VM can have
    expected: str  # those of them that last
    not_suspendable: str  # in which state a suspend is refused
    tools_run: str  # when the milestone "tools" is reached
    tools: str | None = None  # the name of the tools or the agent
    tools_running: str | None = None  # the same, with "is running" or "are running"
    # Sentences, with a full stop. They may be empty.
    power_on: str  # when it returns, and which VMs are refused
    reboot: str  # what it needs, and what confirms it
    list_vms: str  # what the list lacks
    power_off: str | None = None  # what happens with and without `graceful`
    uptime: str | None = None  # where a guest's uptime comes from, and how old it may be
    tools_unknown: str | None = None  # when it is not known whether the tools are running
    vm_host: str | None = None  # which host a VM has that is off
    host_state: str | None = None  # how a host in maintenance is connected
