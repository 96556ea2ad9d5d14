"""Spans and metrics of operations, for OpenTelemetry, if the process uses it.

chaostoolkit-opentracing, or whatever else configures OpenTelemetry, has imported it by
then. Nothing is imported here, so that a run without it is not slower.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from chaosvm.outcome import Outcome

__all__ = ["traced"]

logger = logging.getLogger("chaostoolkit")

_NAME = "chaosvm"
_DURATION = "chaosvm.operation.duration"


@contextmanager
def traced(
    server: str, outcomes: Callable[[], Sequence[Outcome]], elapsed: float
) -> Iterator[None]:
    """Record each of the outcomes as a span below the current one, when the block ends.

    The current span is that of the activity. ``outcomes`` is called then, also after an
    exception; their seconds began ``elapsed`` seconds ago.
    """
    began = time.time_ns() - round(elapsed * 1e9)
    try:
        yield
    finally:
        try:
            _record(server, outcomes(), began)
        except Exception as error:  # noqa: BLE001  # the outcomes are what matters
            logger.warning(f"the operation is not traced: {error}")


def _record(server: str, outcomes: Sequence[Outcome], began: int) -> None:
    if (trace := _loaded("trace")) is not None:
        _record_spans(trace, server, outcomes, began)
    if (metrics := _loaded("metrics")) is not None:
        _record_durations(metrics, outcomes)


def _loaded(name: str) -> Any:
    """A module of OpenTelemetry's API; None if nothing in this process has imported it."""
    return sys.modules.get(f"opentelemetry.{name}")


def _record_spans(trace: Any, server: str, outcomes: Sequence[Outcome], began: int) -> None:
    tracer = trace.get_tracer(_NAME)
    for outcome in outcomes:
        span = tracer.start_span(
            f"{outcome.operation} {outcome.name}",
            start_time=began,
            attributes=_span_attributes(outcome, server),
        )
        if outcome.failed:
            span.set_status(trace.StatusCode.ERROR, outcome.error)
        span.end(end_time=began + round(outcome.seconds * 1e9))


def _record_durations(metrics: Any, outcomes: Sequence[Outcome]) -> None:
    """In one histogram, with few values of each attribute: no names of VMs."""
    histogram = metrics.get_meter(_NAME).create_histogram(
        _DURATION, unit="s", description="Duration of an operation on one VM"
    )
    for outcome in outcomes:
        histogram.record(outcome.seconds, _attributes(outcome))


def _attributes(outcome: Outcome) -> dict[str, Any]:
    return {
        "chaosvm.platform": outcome.platform,
        "chaosvm.operation": outcome.operation,
        "chaosvm.outcome": "failed" if outcome.failed else "succeeded",
        "chaosvm.how": outcome.how.value,
    }


def _span_attributes(outcome: Outcome, server: str) -> dict[str, Any]:
    optional = {
        "chaosvm.correlation_id": outcome.correlation_id,
        "chaosvm.detail": outcome.detail,
        "chaosvm.verified": outcome.verified and outcome.verified.value,
    }
    return {
        **_attributes(outcome),
        "server.address": server,
        "chaosvm.vm.name": outcome.name,
        "chaosvm.vm.id": outcome.id,
        "chaosvm.before": outcome.before.value,
        "chaosvm.after": outcome.after.value,
        "chaosvm.changed": outcome.changed,
        **{key: value for key, value in optional.items() if value},
    }
