"""Where this package begins to take part in a run of Chaos Toolkit."""

from __future__ import annotations

from chaosvm.runtime import experiment, interruption

__all__ = ["begin", "watch"]


def begin() -> None:
    """Where an activity begins to work. Raises if its run has been told to stop already."""
    watch()
    if (run := experiment.current_run()) is not None:
        interruption.check(run)


def watch() -> None:
    """Notice the run's signals and events from here on, in whichever thread this is."""
    run = experiment.current_run()
    if run is None:
        return
    from chaosvm.runtime.run_listener import listen  # imports what only a run needs

    # Who hears of the end of the run takes the handlers back.
    if listen(run):
        interruption.install(run)
