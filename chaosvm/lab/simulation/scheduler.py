"""Simulated time: what is due, and who is notified of the changes it makes."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from chaosvm.lab.simulation.machine import Machine
from chaosvm.lab.simulation.timeline import Timeline
from chaosvm.lab.simulation.world_clock import WorldClock
from chaosvm.runtime import Clock

__all__ = ["Scheduler"]

_NO_VM = ""  # its plans are never cancelled

Listener = Callable[[Sequence[Machine]], None]
Step = Callable[[Machine], None]


class Scheduler:
    """Runs what is due, and notifies listeners of changed VMs. Thread-safe.

    Due callbacks run whenever the simulation is read, with ``now`` set to the moment when
    they were due. After :meth:`start` a thread runs them in time, so that listeners are
    notified without delay. With a clock of their own, tests control the time.
    """

    def __init__(self, clock: Clock = time) -> None:
        self._clock = WorldClock(clock)
        self._now = self._clock.seconds
        self._timeline = Timeline()
        self._vms: dict[str, Machine] = {}
        self._changed: list[Machine] = []
        self._listeners: list[Listener] = []
        self._lock_depth = 0
        self._lock = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None

    @property
    def now(self) -> float:
        """The current time in seconds; for a due callback, the moment when it was due."""
        with self.present():
            return self._now

    def date_of(self, seconds: float) -> dt.datetime:
        """The date of a moment in simulated seconds."""
        return self._clock.date_of(seconds)

    @property
    def date(self) -> dt.datetime:
        """The current date, as the world's servers report it."""
        return self.date_of(self.now)

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        return self._clock.speed

    @speed.setter
    def speed(self, speed: float) -> None:
        with self.present():
            self._clock.speed = speed
            self._lock.notify_all()

    @property
    def clock_offset(self) -> float:
        """Seconds by which the world's dates are ahead of ours."""
        return self._clock.offset

    @clock_offset.setter
    def clock_offset(self, seconds: float) -> None:
        self._clock.offset = seconds

    @contextmanager
    def present(self) -> Iterator[None]:
        """Run what is due, then lock the simulation for the block. Reentrant."""
        changed: list[Machine] = []
        try:
            with self._lock:
                self._lock_depth += 1
                try:
                    if self._lock_depth == 1:
                        self._run_due()
                    yield
                finally:
                    self._lock_depth -= 1
                    if self._lock_depth == 0:
                        changed, self._changed = self._changed, changed
        finally:
            self._notify(changed)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call the listener with all changed VMs. Returns a function that removes it.

        It is called in the thread that made or noticed the change.
        """
        with self._lock:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # Plans -----------------------------------------------------------------------

    def plan(self, vm: Machine, *steps: tuple[float, Step]) -> None:
        """Replace the VM's plan: each step runs this many seconds after the previous one."""
        self._timeline.drop(vm.id)
        moment = self._now
        for seconds, step in steps:
            moment += seconds
            self._timeline.add(moment, vm.id, partial(self._run_step, vm.id, step))
        self._lock.notify_all()

    def cancel_plan(self, vm: Machine) -> None:
        self._timeline.drop(vm.id)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call once, whatever is planned for VMs in the meantime."""
        with self.present():
            self._timeline.add(self._now + seconds, _NO_VM, callback)
            self._lock.notify_all()

    def call_every(self, seconds: float, callback: Callable[[], bool]) -> None:
        """Call at fixed intervals until it returns False."""

        def call() -> None:
            if callback():
                self.call_every(seconds, callback)

        self.call_later(seconds, call)

    # The thread --------------------------------------------------------------------

    def start(self) -> None:
        """Run what is due in a thread, until :meth:`stop`."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lab-world", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        with self._lock:
            thread, self._thread = self._thread, None
            self._lock.notify_all()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        current = threading.current_thread()
        while True:
            with self._lock:
                if self._thread is not current:
                    return
                due = self._timeline.next_moment()
                wait = None if due is None else self._clock.real_seconds_until(due)
                if wait is None or wait > 0:
                    self._lock.wait(wait)
                    continue
            with self.present():
                pass

    def _run_due(self) -> None:
        now = self._clock.seconds
        while (due := self._timeline.take(now)) is not None:
            self._now, callback = due
            callback()
        self._now = now

    def _run_step(self, vm_id: str, step: Step) -> None:
        step(self._vms[vm_id])

    def _notify(self, changed: Sequence[Machine]) -> None:
        if changed:
            for listener in list(self._listeners):
                listener(changed)
