"""How long operations take."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Durations"]


@dataclass(frozen=True, slots=True)
class Durations:
    """How many seconds operations take. The defaults keep tests short.

    On real platforms they take minutes: use :meth:`times` to see a client wait.
    """

    launch: float = 0.05
    boot: float = 0.15
    # Without a guest agent the platform waits before it considers the guest up.
    boot_without_agent: float = 0.3
    power_off: float = 0.05
    # A VM runs on for a moment before it is saved.
    before_saving: float = 0.05
    save: float = 0.15
    restore: float = 0.15
    resume: float = 0.02
    # Until a highly available VM is restarted after a crash.
    restart: float = 0.2
    # How long a stateless VM is busy with its disks after it went off, and how long
    # it stays off after an accepted start.
    clean_up: float = 0.1
    stateless_start: float = 0.1
    # Until a failing start has failed, on each host.
    failed_start: float = 0.05
    # How long the heartbeat of a silent agent is yellow.
    heartbeat: float = 0.1
    migrate: float = 0.2
    # To make, revert to or remove a snapshot.
    snapshot: float = 0.1
    # A lost host: until it is missed, from then until it is given up and its VMs are
    # unknown, and how long a request to it takes meanwhile.
    host_missed: float = 0.1
    host_given_up: float = 0.3
    host_timeout: float = 0.05
    # A host: until it is in maintenance once its VMs are gone, is connected again, or is up.
    host_maintenance: float = 0.05
    host_connect: float = 0.05
    host_boot: float = 0.5
    # How long a login with a wrong password takes.
    wrong_login: float = 0.0

    def times(self, factor: float) -> Durations:
        return Durations(*(factor * getattr(self, name) for name in Durations.__slots__))
