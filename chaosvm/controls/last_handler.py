"""A handler of run events that is called after all others, such as that of an undo."""

from __future__ import annotations

from typing import Any

from chaoslib.run import EventHandlerRegistry, RunEventHandler

__all__ = ["LastHandler"]


class LastHandler(RunEventHandler):  # type: ignore[misc]  # chaoslib is untyped
    def __init__(self, registry: EventHandlerRegistry) -> None:
        self._registry = registry

    @classmethod
    def register_once(cls, registry: EventHandlerRegistry | None) -> None:
        """Chaos Toolkit may configure a control more than once in a run."""
        if registry is not None and not any(isinstance(each, cls) for each in registry.handlers):
            registry.register(cls(registry))

    def running(self, *args: Any, **kwargs: Any) -> None:
        """All others have registered by now: move to the end."""
        others = [each for each in self._registry.handlers if each is not self]
        self._registry.handlers = [*others, self]
