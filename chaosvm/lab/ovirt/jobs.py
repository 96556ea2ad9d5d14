"""The jobs that responses to actions refer to. Source: the recordings ``job-*`` and ``jobs``."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaosvm.lab.ovirt.hrefs import href
from chaosvm.lab.ovirt.markup import Node, actions, linked, links, moment, node, text
from chaosvm.lab.ovirt.representations import USER_ID
from chaosvm.lab.simulation import World

__all__ = ["Job", "Jobs"]

_MAX_JOBS = 1000


@dataclass(frozen=True, slots=True)
class Job:
    """One job; ``is_running`` returns whether it is still running."""

    id: str
    description: str
    started: float
    is_running: Callable[[], bool]


class Jobs:
    """The most recent jobs, oldest first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def begin(self, description: str, is_running: Callable[[], bool] = lambda: False) -> Job:
        job = Job(str(uuid.uuid4()), description, self._world.now, is_running)
        with self._lock:
            self._jobs[job.id] = job
            while len(self._jobs) > _MAX_JOBS:
                self._jobs.popitem(last=False)
        return job

    def all(self) -> Sequence[Job]:
        with self._lock:
            return list(self._jobs.values())

    @staticmethod
    def described(world: World, job: Job) -> Node:
        path = href("jobs", job.id)
        running = job.is_running()
        started = world.date_of(job.started)
        return node(
            "job",
            actions(path, ("clear", "end")),
            text("description", job.description),
            *links(path, ("steps",)),
            text("auto_cleared", True),
            None if running else moment("end_time", started),
            text("external", False),
            moment("last_updated", started),
            moment("start_time", started),
            text("status", "started" if running else "finished"),
            linked("owner", "users", USER_ID),
            href=path,
            id=job.id,
        )
