"""Spans and metrics of operations, as OpenTelemetry's own SDK receives them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chaosvm.backend import PowerCommand
from chaosvm.errors import CommandFailed, OperationFailed
from tests.fakes import OFF, FakePlatform, refuses


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """A provider can be set once in a process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture(scope="module")
def reader() -> InMemoryMetricReader:
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    return reader


@pytest.fixture(autouse=True)
def fresh(exporter: InMemorySpanExporter) -> Iterator[None]:
    exporter.clear()
    yield
    exporter.clear()


@pytest.fixture
def platform() -> FakePlatform:
    made = FakePlatform()
    made.add("web-01")
    made.add("web-02")
    made.add("off-01", OFF)
    return made


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_each_vm_has_a_span_below_the_current_one(
    platform: FakePlatform, exporter: InMemorySpanExporter
) -> None:
    with trace.get_tracer("test").start_as_current_span("activity: stop") as activity:
        outcomes = platform.batch_power_off({"name": "web-*"}, graceful=False).outcomes
    found = spans(exporter)
    assert found.keys() == {"power_off web-01", "power_off web-02", "activity: stop"}
    for outcome in outcomes:
        span = found[f"power_off {outcome.name}"]
        assert span.parent is not None
        assert span.parent.span_id == activity.get_span_context().span_id
        assert dict(span.attributes or {}) == {
            "chaosvm.platform": "fake",
            "chaosvm.operation": "power_off",
            "chaosvm.outcome": "succeeded",
            "chaosvm.how": "hard",
            "server.address": "fake.example.com",
            "chaosvm.vm.name": outcome.name,
            "chaosvm.vm.id": outcome.id,
            "chaosvm.before": "powered_on",
            "chaosvm.after": "powered_off",
            "chaosvm.changed": True,
        }
        assert span.start_time is not None
        assert span.end_time is not None
        assert (span.end_time - span.start_time) / 1e9 == pytest.approx(outcome.seconds)


def test_a_failure_is_an_error_of_its_span(
    platform: FakePlatform, exporter: InMemorySpanExporter
) -> None:
    platform.on("web-02", PowerCommand.POWER_OFF, refuses(CommandFailed("no such luck")))
    with pytest.raises(OperationFailed):
        platform.batch_power_off({"name": "web-*"}, graceful=False)
    found = spans(exporter)
    assert found["power_off web-01"].status.is_unset
    failed = found["power_off web-02"]
    assert not failed.status.is_ok
    assert failed.status.description is not None
    assert "no such luck" in failed.status.description
    assert (failed.attributes or {})["chaosvm.outcome"] == "failed"


def test_a_tracer_that_fails_does_not_cost_the_outcomes(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, logs: pytest.LogCaptureFixture
) -> None:
    def fails(*arguments: object) -> None:
        raise RuntimeError("no collector")

    monkeypatch.setattr(trace, "get_tracer", fails)
    assert platform.power_off("web-01", graceful=False).changed
    assert "the operation is not traced: no collector" in logs.text


def test_a_probe_has_no_span(platform: FakePlatform, exporter: InMemorySpanExporter) -> None:
    assert platform.count_vms() == 3
    assert exporter.get_finished_spans() == ()


def test_durations_are_a_histogram(platform: FakePlatform, reader: InMemoryMetricReader) -> None:
    platform.batch_power_off({"name": "web-*"}, graceful=False)
    data = reader.get_metrics_data()
    assert data is not None
    (resource,) = data.resource_metrics
    (scope,) = resource.scope_metrics
    (metric,) = scope.metrics
    assert (scope.scope.name, metric.name, metric.unit) == (
        "chaosvm",
        "chaosvm.operation.duration",
        "s",
    )
    (point,) = metric.data.data_points
    assert point.attributes == {
        "chaosvm.platform": "fake",
        "chaosvm.operation": "power_off",
        "chaosvm.outcome": "succeeded",
        "chaosvm.how": "hard",
    }
    assert point.count == 2  # type: ignore[union-attr]


def test_a_process_without_opentelemetry_does_not_import_it() -> None:
    """Nor does it need it: a module that is None cannot be imported."""
    program = """
import sys
sys.modules["opentelemetry"] = None
from tests.fakes import FakePlatform
platform = FakePlatform()
platform.add("web-01")
print(platform.power_off("web-01", graceful=False).changed)
print([name for name in sys.modules if name.startswith("opentelemetry.")])
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.split() == ["True", "[]"]
