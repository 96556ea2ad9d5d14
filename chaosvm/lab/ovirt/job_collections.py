"""Jobs and their steps."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import flag, mandatory, value
from chaosvm.lab.ovirt.collection import Call, Collection, empty
from chaosvm.lab.ovirt.jobs import Job, Jobs, Step, job_links
from chaosvm.lab.ovirt.markup import Node

__all__ = ["job_collections"]


def job_collections(jobs: Jobs) -> Sequence[Collection]:
    return (
        Collection(
            path="jobs",
            root="jobs",
            items=lambda call: jobs.all(),
            described=lambda call, job: jobs.described(call.world, job),
            add=_add,
            actions={"end": _end, "clear": _clear},
            restricted=True,
        ),
        Collection(
            path="jobs/{id}/steps",
            root="steps",
            items=lambda call: _job(call).steps,
            described=lambda call, step: jobs.described_step(call.world, _job(call), step),
            add=_add_step,
            actions={"end": _end_step},
        ),
        empty("jobs/{id}/steps/{id}/statistics", "statistics"),
    )


def _job(call: Call) -> Job:
    found = next((job for job in call.jobs.all() if job.id == call.parent), None)
    if found is None:
        raise Failure(404)
    return found


def _add(call: Call, body: Element) -> Job:
    mandatory(body, ("description",))
    cleared = flag(body, "auto_cleared") or False
    description = value(body, "description") or ""
    return call.jobs.put(Job(description, call.world.now, external=True, auto_cleared=cleared))


def _end(call: Call, job: Job, body: Element) -> Sequence[Node]:
    job.ended = call.world.now
    job.succeeded = (
        value(body, "status") in (None, "finished") and flag(body, "succeeded") is not False
    )
    return (job_links(job),)


def _clear(call: Call, job: Job, body: Element) -> Sequence[Node]:
    call.jobs.drop(job)
    return (job_links(job),)


def _add_step(call: Call, body: Element) -> Step:
    mandatory(body, ("description", "type"))
    job = _job(call)
    description, kind = value(body, "description") or "", value(body, "type") or ""
    step = Step(description, kind, len(job.steps), call.world.now, external=True)
    job.steps.append(step)
    return step


def _end_step(call: Call, step: Step, body: Element) -> None:
    step.ended = call.world.now
    step.succeeded = flag(body, "succeeded") is not False
