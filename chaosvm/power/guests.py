"""Reads the guests of VMs that reboot or have to become ready: all of them at once.

Connections to guests are tried by a few workers, so that nothing waits for a guest.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Self

from chaosvm.backend import Backend, GuestStatus
from chaosvm.errors import ChaosVMError, PlatformError
from chaosvm.observe import Milestone
from chaosvm.power.job import Job
from chaosvm.runtime import Deadline

__all__ = ["GuestReader"]

logger = logging.getLogger("chaostoolkit")

_MAX_CONNECTIONS = 32
_MAX_READ = 30.0  # seconds for one reading, as observations of VMs wait for it
# Guests that are due this soon are read together with those that are due now.
_TOGETHER = 0.5


class GuestReader:
    """Passes the status of guests to their jobs, of which ``jobs_lock`` protects the changes."""

    def __init__(
        self,
        backend: Backend,
        jobs: Sequence[Job],
        deadline: Deadline,
        jobs_lock: AbstractContextManager[Any],
    ) -> None:
        self._backend = backend
        self._jobs = jobs
        self._deadline = deadline
        # Of connections, which must not outlive the call: a guest may have many addresses.
        self._attempt_deadline = Deadline(deadline.remaining, deadline.clock)
        self._lock = jobs_lock
        self._workers = ThreadPoolExecutor(_MAX_CONNECTIONS, thread_name_prefix="chaosvm-reach")
        self._attempts: dict[str, tuple[Milestone, Future[bool]]] = {}  # by the VM's id
        self._has_read = False

    def read(self) -> None:
        """Read the guests that are due."""
        now = self._deadline.elapsed
        with self._lock:
            self._collect_attempts()
            times = {job.vm.id: at for job in self._jobs if (at := job.guest_read_at) is not None}
        if not times or min(times.values()) > now:
            return
        due = [job for job in self._jobs if times.get(job.vm.id, now + 1) <= now + _TOGETHER]
        deadline = Deadline(min(_MAX_READ, self._deadline.remaining), self._deadline.clock)
        statuses: dict[str, GuestStatus] = {}
        problem = "the server does not report the VM"
        try:
            statuses = self._backend.guest_statuses([job.vm for job in due], deadline)
            self._has_read = True
        except PlatformError as error:
            problem = str(error)
            logger.debug(f"the guests could not be read: {error}")
            if self._has_read and self._deadline.passed:
                return  # cut short by the end of the call: earlier readings explain more
        with self._lock:
            for job in due:
                if (status := statuses.get(job.vm.id)) is None:
                    job.on_guest_unread(problem)
                else:
                    job.observe_guest(status, now, self._deadline.elapsed)
                    self._attempt(job)

    def _attempt(self, job: Job) -> None:
        """Try to connect to a guest, unless that is being tried."""
        status, milestone = job.readiness.status, job.readiness.missing
        if status is None or milestone is None or job.vm.id in self._attempts:
            return
        try:
            attempt = self._workers.submit(self._reaches, milestone, status)
        except RuntimeError as error:  # no thread can be started
            job.readiness.problem = f"no connection was tried: {error}"
            return
        self._attempts[job.vm.id] = (milestone, attempt)

    def _reaches(self, milestone: Milestone, status: GuestStatus) -> bool:
        return milestone.reached(status, self._attempt_deadline)

    def _collect_attempts(self) -> None:
        for job in self._jobs:
            milestone, attempt = self._attempts.get(job.vm.id, (None, None))
            if milestone is None or attempt is None or not attempt.done():
                continue
            del self._attempts[job.vm.id]
            try:
                if attempt.result():
                    job.readiness.reach(milestone, self._deadline.elapsed)
            except ChaosVMError as error:
                job.readiness.problem = str(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._attempt_deadline.end()
        self._workers.shutdown(wait=False, cancel_futures=True)
