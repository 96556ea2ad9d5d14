"""Sends the commands of jobs: a limited number at once, the next one as soon as one is answered."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Self

from chaosvm.backend import Backend, Order, PowerCommand
from chaosvm.errors import Busy, CommandFailed, ConnectionFailed, LedgerError, PlatformError
from chaosvm.ledger import Ledger
from chaosvm.power.job import Job
from chaosvm.power.request import Answer
from chaosvm.runtime import Deadline

__all__ = ["Dispatcher"]


class Dispatcher:
    """A few workers that send commands and queue the answers.

    A free worker takes the next command by itself, so hold ``jobs_lock`` while reading or
    changing jobs.
    """

    def __init__(self, backend: Backend, order: Order, deadline: Deadline, ledger: Ledger) -> None:
        self.jobs_lock = threading.RLock()
        self._backend = backend
        self._order = order
        self._deadline = deadline
        self._ledger = ledger
        self._workers = ThreadPoolExecutor(order.parallel, thread_name_prefix="chaosvm-send")
        self._has_worker = False
        self._not_started: set[Job] = set()  # ended, as there was no worker to send their command
        self._waiting: deque[Job] = deque()
        self._sending = 0
        self._answers: SimpleQueue[tuple[Job, Answer | BaseException]] = SimpleQueue()
        self._stopped = False

    @property
    def busy(self) -> bool:
        with self.jobs_lock:
            return self._sending > 0

    def submit(self, job: Job, command: PowerCommand) -> None:
        with self.jobs_lock:
            job.queue(command)
            self._waiting.append(job)
            self._dispatch()

    def _dispatch(self) -> None:
        """Start a waiting command for each free worker; only then does it count as sent."""
        while self._waiting and self._sending < self._order.parallel:
            if self._stopped or self._deadline.passed:
                return
            job = self._waiting.popleft()
            # Its state may have changed while it was in the queue.
            if job.open and job.queued is not None and job.may_send():
                command = job.queued
                job.mark_sent(command)
                self._sending += 1
                self._start(job, command)

    def _start(self, job: Job, command: PowerCommand) -> None:
        try:
            self._workers.submit(self._work, job, command)
            self._has_worker = True
        except RuntimeError as error:  # no thread can be started, or the interpreter shuts down
            # The executor has queued it all the same: a worker will take it, now or later.
            if not self._has_worker:
                self._not_started.add(job)
                self._add_answer(job, Answer(command, error=CommandFailed(f"not sent: {error}")))

    def _work(self, job: Job, command: PowerCommand) -> None:
        if job in self._not_started:
            return
        answer: Answer | BaseException
        try:
            answer = self._send(job, command)
        except BaseException as error:  # noqa: BLE001  # raised again in ``answers``
            answer = error
        with self.jobs_lock:
            self._add_answer(job, answer)
            self._dispatch()

    def _add_answer(self, job: Job, answer: Answer | BaseException) -> None:
        self._sending -= 1
        self._answers.put((job, answer))

    def answers(self, seconds: float) -> list[tuple[Job, Answer]]:
        """The answers so far; waits up to ``seconds`` for those still outstanding."""
        clock = self._deadline.clock
        until = clock.monotonic() + min(seconds, self._deadline.remaining)
        answers: list[tuple[Job, Answer]] = []
        while self.busy or not self._answers.empty():
            try:
                job, answer = self._answers.get(timeout=max(0.0, until - clock.monotonic()))
            except Empty:
                break
            if isinstance(answer, BaseException):
                raise answer
            answers.append((job, answer))
        return answers

    def _send(self, job: Job, command: PowerCommand) -> Answer:
        try:
            self._ledger.record_request(job.vm.id, command, self._order)
        except LedgerError as error:
            return Answer(command, error=CommandFailed(f"not sent: {error}"))
        try:
            handle = self._backend.send(job.vm, command, self._order, self._deadline)
            return Answer(command, handle=handle)
        except CommandFailed as error:
            return Answer(command, error=error)
        except ConnectionFailed as error:
            # The request never left this machine, so sending it again is safe.
            return Answer(command, error=Busy(str(error)))
        except PlatformError as error:
            return Answer(command, error=CommandFailed(str(error)))
        finally:
            self._ledger.record_answer(job.vm.id, self._order)

    def stop(self) -> None:
        """Send nothing more, not even what is waiting."""
        with self.jobs_lock:
            self._stopped = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # After an interruption nothing more may be sent.
        with self.jobs_lock:
            self.stop()
            self._workers.shutdown(wait=False, cancel_futures=True)
