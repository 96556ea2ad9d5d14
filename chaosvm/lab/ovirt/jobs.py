"""The jobs that responses to actions refer to, and jobs that clients add.

Source: the recordings ``job-*``, ``jobs`` and ``step-*``.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chaosvm.lab.ovirt.hrefs import href
from chaosvm.lab.ovirt.markup import Node, actions, linked, links, moment, node, text
from chaosvm.lab.ovirt.users import ADMIN_ID
from chaosvm.lab.simulation import World

__all__ = ["Job", "Jobs", "Step", "job_links"]

_MAX_JOBS = 1000


def _never() -> bool:
    return False


@dataclass(slots=True)
class Step:
    """A part of a job."""

    description: str
    type: str
    number: int
    started: float
    ended: float | None = None
    external: bool = False
    succeeded: bool = True
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(slots=True)
class Job:
    """One job; ``is_running`` returns whether it is still running."""

    description: str
    started: float
    is_running: Callable[[], bool] = _never
    # Added by a client, which also ends it.
    external: bool = False
    auto_cleared: bool = True
    ended: float | None = None
    succeeded: bool = True
    steps: list[Step] = field(default_factory=list)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def status(self) -> str:
        if self.is_running() or (self.external and self.ended is None):
            return "started"
        return "finished" if self.succeeded else "failed"


class Jobs:
    """The most recent jobs, oldest first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def begin(self, description: str, is_running: Callable[[], bool] = _never) -> Job:
        """A job of the engine, with its two steps."""
        now = self._world.now
        names = ("Validating", "Executing")
        steps = [Step(name, name.lower(), number, now, now) for number, name in enumerate(names)]
        return self.put(Job(description, now, is_running, steps=steps))

    def put(self, job: Job) -> Job:
        with self._lock:
            self._jobs[job.id] = job
            while len(self._jobs) > _MAX_JOBS:
                self._jobs.popitem(last=False)
        return job

    def drop(self, job: Job) -> None:
        with self._lock:
            self._jobs.pop(job.id, None)

    def all(self) -> Sequence[Job]:
        with self._lock:
            return list(self._jobs.values())

    @staticmethod
    def described(world: World, job: Job) -> Node:
        path = href("jobs", job.id)
        started = world.date_of(job.started)
        ended = started if job.ended is None else world.date_of(job.ended)
        return node(
            "job",
            actions(path, ("clear", "end")),
            text("description", job.description),
            *links(path, ("steps",)),
            text("auto_cleared", job.auto_cleared),
            None if job.status == "started" else moment("end_time", ended),
            text("external", job.external),
            moment("last_updated", ended),
            moment("start_time", started),
            text("status", job.status),
            linked("owner", "users", ADMIN_ID),
            href=path,
            id=job.id,
        )

    @staticmethod
    def described_step(world: World, job: Job, step: Step) -> Node:
        path = href("jobs", job.id, "steps", step.id)
        ended = world.date_of(step.ended) if step.ended is not None else None
        status = "started" if ended is None else "finished" if step.succeeded else "failed"
        return node(
            "step",
            actions(path, ("end",)),
            text("description", step.description),
            *links(path, ("statistics",)),
            moment("end_time", ended),
            text("external", step.external),
            text("number", step.number),
            moment("start_time", world.date_of(step.started)),
            text("status", status),
            text("type", step.type),
            linked("job", "jobs", job.id),
            href=path,
            id=step.id,
        )


def job_links(job: Job) -> Node:
    """A job in the response to an action: only its links and actions."""
    path = href("jobs", job.id)
    return node(
        "job", actions(path, ("clear", "end")), *links(path, ("steps",)), href=path, id=job.id
    )
