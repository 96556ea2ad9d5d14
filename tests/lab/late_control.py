"""A control that asks the platform when the experiment is over, at each moment that there is."""

from __future__ import annotations

from typing import Any

from chaoslib.run import EventHandlerRegistry, RunEventHandler

from chaosvm.vsphere import vsphere

done: list[str] = []


class AtTheEnd(RunEventHandler):
    def finish(self, journal: dict[str, Any]) -> None:
        ask("finish")


def configure_control(event_registry: EventHandlerRegistry = None, **_: Any) -> None:
    event_registry.register(AtTheEnd())


def after_experiment_control(context: dict[str, Any], **_: Any) -> None:
    ask("after")


def cleanup_control() -> None:
    ask("cleanup")


def ask(moment: str) -> None:
    if vsphere({}, {}).list_vms():
        done.append(moment)
