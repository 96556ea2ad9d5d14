"""oVirt's wording for the docstrings of the shared activities."""

from __future__ import annotations

from chaosvm.activities import Binding, Words
from chaosvm.olvm import olvm

__all__ = ["OLVM"]

_WORDS = Words(
    vm_name="the name, id or path (/data center/cluster/name) of exactly one VM",
    outcome=(
        "`name`, `id`, `platform`, `operation`, `before` and `after` (power states), `changed`, "
        "`how`, `seconds` and `correlation_id` (of the engine's events)"
    ),
    power_on=(
        "A paused VM resumes, too. By default the action returns when the engine reports `up`. "
        "Without a guest agent, that is about 60 s after the start: allow two minutes or more. A "
        "VM that is already starting is only waited for."
    ),
    tools_run="the guest agent has reported since the start",
    reboot=(
        "A reboot is confirmed when the VM is up and its uptime (elapsed.time) has fallen; if the "
        "uptime keeps rising, the VM has not rebooted. The engine reads uptimes every 15 s: allow "
        "a minute or more. Where the engine does not support reset (below cluster level 4.6), the "
        "VM is stopped and started, and `detail` says so."
    ),
    not_suspendable="down, stateless or part of a pool",
    metadata="what only oVirt has, such as the pool",
    list_vms=(
        "`tags` is null unless the selection has the key `tag`: the engine lists tags only by VM "
        "or by tag."
    ),
    power_states=(
        "`powered_on`, `powered_off`, `suspended`, `paused`, `transitioning` (between two states, "
        "such as powering up or migrating) or `unknown` (the engine does not know it); `vm_info` "
        "also returns the engine's own status"
    ),
    expected="`powered_on`, `powered_off`, `suspended` or `paused`",
    tools="the guest agent",
    tools_running="the guest agent is running",
    tools_unknown=(
        "The engine only shows what an agent has reported since the VM started. Fails if the VM "
        "is up and nothing was reported: there may be no agent, or it may be slow."
    ),
    uptime="The engine's elapsed.time reports it, up to 20 seconds late.",
    vm_host="Fails if the VM is down or suspended: it is on no host then.",
    host_state="A host in maintenance is disconnected: the engine does not monitor it.",
    summary=(
        "`platform`, `server`, `product`, `version`, `vms` (how many), `templates` (always 0: "
        "oVirt lists them separately)"
    ),
)

OLVM = Binding("olvm", olvm, _WORDS)
