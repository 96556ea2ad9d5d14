"""Attaches this package to a run of Chaos Toolkit: its signals and its events."""

from __future__ import annotations

from chaosvm.runtime import experiment, interruption

__all__ = ["begin", "watch"]


def begin() -> None:
    """Begin an activity. Raises SystemExit or Interrupted if its run is being stopped."""
    watch()
    if (run := experiment.current_run()) is not None:
        interruption.check(run)


def watch() -> None:
    """Observe the run's signals and events from here on; any thread may call this."""
    run = experiment.current_run()
    if run is None:
        return
    # Its imports are slow, and only a run needs them.
    from chaosvm.runtime.run_listener import listen

    # Signal handlers are only installed if the end of the run can remove them.
    if listen(run):
        interruption.install(run)
