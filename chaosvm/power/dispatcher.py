"""Sends what jobs need: so many requests at once, and the next one as soon as one is answered."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from chaosvm.backend import Backend, Order, PowerCommand
from chaosvm.errors import Busy, CommandFailed, ConnectionFailed, LedgerError, PlatformError
from chaosvm.ledger import Ledger
from chaosvm.power.job import Job
from chaosvm.power.request import Answer
from chaosvm.runtime import Deadline

__all__ = ["Sender"]


class Sender:
    """A few workers that send steps and bring back the answers.

    A worker that is free takes the next step by itself. So whoever looks at the
    jobs, or changes them, holds ``jobs_lock`` meanwhile.
    """

    def __init__(self, platform: Backend, order: Order, deadline: Deadline, ledger: Ledger) -> None:
        self.jobs_lock = threading.RLock()
        self._platform = platform
        self._order = order
        self._deadline = deadline
        self._ledger = ledger
        self._workers = ThreadPoolExecutor(order.parallel, thread_name_prefix="chaosvm-send")
        self._any_worker = False
        self._waiting: deque[Job] = deque()
        self._under_way = 0
        self._answers: SimpleQueue[tuple[Job, Answer | BaseException]] = SimpleQueue()
        self._ended = False

    @property
    def busy(self) -> bool:
        with self.jobs_lock:
            return self._under_way > 0

    def submit(self, job: Job, command: PowerCommand) -> None:
        with self.jobs_lock:
            job.queue(command)
            self._waiting.append(job)
            self._start_more()

    def _start_more(self) -> None:
        """A step counts as sent only when a worker is free for it."""
        while self._waiting and self._under_way < self._order.parallel:
            if self._ended or self._deadline.passed:
                return
            job = self._waiting.popleft()
            # Much may have happened to it while it stood in the queue.
            if job.open and job.queued is not None and job.may_send():
                command = job.queued
                job.sending(command)
                self._under_way += 1
                self._hand_over(job, command)

    def _hand_over(self, job: Job, command: PowerCommand) -> None:
        try:
            self._workers.submit(self._work, job, command)
            self._any_worker = True
        except RuntimeError as error:  # no thread can be started, or the interpreter ends
            # It is in the queue all the same: another worker takes it, if there is one.
            if not self._any_worker:
                self._note_answer(job, Answer(command, error=CommandFailed(f"not sent: {error}")))

    def _work(self, job: Job, command: PowerCommand) -> None:
        answer: Answer | BaseException
        try:
            answer = self._send(job, command)
        except BaseException as error:  # noqa: BLE001  # it is raised where it is taken in
            answer = error
        with self.jobs_lock:
            self._note_answer(job, answer)
            self._start_more()

    def _note_answer(self, job: Job, answer: Answer | BaseException) -> None:
        self._under_way -= 1
        self._answers.put((job, answer))

    def answers(self, seconds: float) -> list[tuple[Job, Answer]]:
        """What has come in, waiting so long for all that is under way."""
        clock = self._deadline.clock
        until = clock.monotonic() + min(seconds, self._deadline.remaining)
        found: list[tuple[Job, Answer]] = []
        while self.busy or not self._answers.empty():
            try:
                job, answer = self._answers.get(timeout=max(0.0, until - clock.monotonic()))
            except Empty:
                break
            if isinstance(answer, BaseException):
                raise answer
            found.append((job, answer))
        return found

    def _send(self, job: Job, command: PowerCommand) -> Answer:
        try:
            self._ledger.record_request(job.vm.id, command, self._order)
        except LedgerError as error:
            return Answer(command, error=CommandFailed(f"not sent: {error}"))
        try:
            ticket = self._platform.send(job.vm, command, self._order, self._deadline)
            return Answer(command, ticket=ticket)
        except CommandFailed as error:
            return Answer(command, error=error)
        except ConnectionFailed as error:
            # It never left this machine, so trying again is safe.
            return Answer(command, error=Busy(str(error)))
        except PlatformError as error:
            return Answer(command, error=CommandFailed(str(error)))
        finally:
            self._ledger.record_answer(job.vm.id, self._order)

    def end(self) -> None:
        """Nothing more goes out, whatever still waits."""
        with self.jobs_lock:
            self._ended = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an interruption nothing more may go out.
        with self.jobs_lock:
            self.end()
            self._workers.shutdown(wait=False, cancel_futures=True)
