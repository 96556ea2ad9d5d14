"""The jobs that actions are answered with. Source: the recordings ``job-*`` and ``jobs``."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaosvm.lab.ovirt.described import USER_ID
from chaosvm.lab.ovirt.hrefs import href
from chaosvm.lab.ovirt.markup import Node, actions, linked, links, moment, node, text
from chaosvm.lab.simulation import World

__all__ = ["Job", "Jobs"]

_MOST = 1000


@dataclass(frozen=True, slots=True)
class Job:
    """``goes_on`` tells whether its end is still to come."""

    id: str
    description: str
    started: float
    goes_on: Callable[[], bool]


class Jobs:
    """The last ones, the oldest first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def begin(self, description: str, goes_on: Callable[[], bool] = lambda: False) -> Job:
        job = Job(str(uuid.uuid4()), description, self._world.now, goes_on)
        with self._lock:
            self._jobs[job.id] = job
            while len(self._jobs) > _MOST:
                self._jobs.popitem(last=False)
        return job

    def all(self) -> Sequence[Job]:
        with self._lock:
            return list(self._jobs.values())

    @staticmethod
    def described(world: World, job: Job) -> Node:
        where = href("jobs", job.id)
        goes_on = job.goes_on()
        started = world.date_of(job.started)
        return node(
            "job",
            actions(where, ("clear", "end")),
            text("description", job.description),
            *links(where, ("steps",)),
            text("auto_cleared", True),
            None if goes_on else moment("end_time", started),
            text("external", False),
            moment("last_updated", started),
            moment("start_time", started),
            text("status", "started" if goes_on else "finished"),
            linked("owner", "users", USER_ID),
            href=where,
            id=job.id,
        )
