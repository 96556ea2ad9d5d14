"""Puts back what the experiment changed, however the experiment ends.

At the end of the run, after its rollbacks, every VM that it has changed and
that is not back yet is brought to the state it had before: also if the run was
interrupted, if its hypothesis failed, and whatever ``--rollback-strategy``
says. It does what ``restore_power_states`` does, on every server that was
touched. The outcomes are in the journal, under ``chaosvm_undo``; a run that
could not be undone has the status ``failed``.

```json
{
  "controls": [
    {
      "name": "put-everything-back",
      "provider": {
        "type": "python",
        "module": "chaosvm.controls.undo",
        "arguments": {"timeout": 600, "parallel": 10}
      }
    }
  ]
}
```

``timeout`` in seconds bounds it (600), ``parallel`` is how many VMs are brought
back at once (10), and with ``force`` VMs are put back that somebody else has
changed since. While it works, Ctrl-C, SIGTERM and SIGHUP have to be given twice.
A terminal that is closed (SIGHUP) interrupts the run like Ctrl-C.
"""

import logging
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List

from chaoslib.exceptions import InterruptExecution
from chaoslib.run import EventHandlerRegistry, RunEventHandler

from chaosvm.backend import Backend
from chaosvm.controls.declaration import check, required, told, validate
from chaosvm.errors import InvalidValue
from chaosvm.ledger import Ledger, block_run
from chaosvm.outcome import Batch, Outcome, failure_text
from chaosvm.restore import restore_from
from chaosvm.runtime import Deadline, RunContext, experiment, supervision
from chaosvm.settings import values

__all__ = [
    "after_experiment_control",
    "before_experiment_control",
    "cleanup_control",
    "configure_control",
    "validate_control",
]

logger = logging.getLogger("chaostoolkit")

_BARRED = "the experiment is over, and what it changed is being put back"
_NAME = "chaosvm.controls.undo"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class _Undo:
    """What is to be undone at the end of one run."""

    run: RunContext
    journal: Dict[str, Any]
    timeout: float
    parallel: int
    force: bool
    done: bool = field(default=False)

    def carry_out(self) -> None:
        if self.done:
            return
        ledgers = block_run(self.run, _BARRED)
        with _signals_wait(self.run):
            self.done = True
            try:
                outcomes = [each for ledger in ledgers for each in self._undone(ledger)]
            except KeyboardInterrupt:
                logger.error(f"undo: it was interrupted. {_later(ledgers)}")
                raise
        failed = any(outcome.failed for outcome in outcomes)
        if failed:
            logger.error(f"undo: not everything is back. {_later(ledgers)}")
        if outcomes:
            self.journal["chaosvm_undo"] = Batch(tuple(outcomes)).to_json()
        if failed:
            self.note_failure(failure_text("restore", outcomes), Batch(tuple(outcomes)).to_json())

    def note_failure(self, why: str, output: Any = None) -> None:
        """As of a rollback: so Chaos Toolkit's report says that the system may not be restored."""
        entry = {
            "activity": {"type": "action", "name": _NAME, "provider": {"type": "python"}},
            "status": "failed",
            "output": output,
            "exception": [why],
        }
        self.journal.setdefault("rollbacks", []).append(entry)
        if self.journal["status"] == "completed":
            self.journal["status"] = "failed"

    def _undone(self, ledger: Ledger) -> List[Outcome]:
        deadline = Deadline(self.timeout)
        platforms = list(dict.fromkeys(record.platform for record in ledger.vm_records()))
        outcomes: List[Outcome] = []
        for number, platform in enumerate(platforms):
            share = deadline.share(len(platforms) - number)
            outcomes += restore_from(ledger, platform, None, share, self.parallel, self.force)
        return outcomes


_pending_undos: Dict[int, _Undo] = {}
_ARGUMENTS = {
    "timeout": values.timeout_seconds,
    "parallel": lambda key, value: values.integer(key, value, 1, Backend.max_parallel),
    "force": values.boolean,
}


class FinalHandler(RunEventHandler):  # type: ignore[misc]  # chaoslib is untyped
    """Chaos Toolkit's very last step, also where its ordinary end was cut short."""

    def finish(self, journal: Dict[str, Any]) -> None:
        _carry_out(journal)


def validate_control(control: Dict[str, Any]) -> None:
    """Refuse an experiment that declares this control so that it would not be called."""
    validate(control, _ARGUMENTS, whole=True)


@told
def configure_control(event_registry: EventHandlerRegistry = None, **kwargs: Any) -> None:
    """Hear of the end of the run, whatever happens to it."""
    if event_registry is not None:
        event_registry.register(FinalHandler())


@required
def before_experiment_control(
    context: Dict[str, Any],
    timeout: float = 600,
    parallel: int = 10,
    force: bool = False,
    **unknown: Any,
) -> None:
    """Check the arguments, before anything is touched, and get ready for the end."""
    run = experiment.current_run()
    if run is None or run.journal is None:
        raise InterruptExecution("chaosvm.controls.undo: the run was not found, so it is stopped")
    try:
        if unknown:
            known = "timeout, parallel and force"
            raise InvalidValue(f"unknown arguments {', '.join(unknown)}: known are {known}")
        undo = _Undo(
            run=run,
            journal=run.journal,
            timeout=values.timeout_seconds("timeout", timeout),
            parallel=values.integer("parallel", parallel, 1, Backend.max_parallel),
            force=values.boolean("force", force),
        )
    except InvalidValue as error:
        raise InterruptExecution(f"chaosvm.controls.undo: {error}") from None
    _pending_undos[id(run.journal)] = undo
    supervision.watch()
    _interrupt_when_hung_up()


def after_experiment_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """The run is over: put back what it changed."""
    _carry_out(_journal())


def cleanup_control() -> None:
    """The same where an interruption kept the ordinary end from being reached."""
    _carry_out(_journal())


@told
def _carry_out(journal: Dict[str, Any]) -> None:
    if undo := _pending_undos.get(id(journal)):
        try:
            undo.carry_out()
        except Exception as error:
            undo.note_failure(f"{type(error).__name__}: {error}")
            raise
        _pending_undos.pop(id(journal), None)
        if signal.getsignal(signal.SIGHUP) is signal.default_int_handler:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _journal() -> Dict[str, Any]:
    run = experiment.current_run()
    return (run and run.journal) or {}


def _later(ledgers: List[Ledger]) -> str:
    paths = " and ".join(f"--var ledger={ledger.path}" for ledger in ledgers)
    return f"`chaos run examples/recover.json` puts the rest back, with {paths}"


def _interrupt_when_hung_up() -> None:
    """Unless somebody wants the run to outlive its terminal, as with nohup."""
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.default_int_handler)


@contextmanager
def _signals_wait(run: RunContext | None = None) -> Iterator[None]:
    """Whoever interrupts an experiment should not by that keep it from being undone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: List[int] = []

    def once(number: int, frame: Any) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)
        if run is not None:
            run.stopped_by = run.stopped_by or signal.Signals(number).name
        logger.warning("undo: VMs are being put back; once more leaves them as they are")

    before = {number: signal.signal(number, once) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


check(__name__, _ARGUMENTS)
