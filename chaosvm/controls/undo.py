"""Restores what the experiment changed, however the experiment ends.

At the end of the run, after its rollbacks, every VM that the run changed is restored
to its earlier power state, as ``restore_power_states`` does, on every server: even if
the run was interrupted or its hypothesis failed, and with any
``--rollback-strategy``. The outcomes are in the journal, under ``chaosvm_undo``. If a
VM cannot be restored, the run has the status ``failed``.

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

All arguments are optional: ``timeout`` in seconds bounds the restore (600),
``parallel`` is how many VMs are restored at once (10), and ``force`` also restores VMs
that were changed externally since (false). To interrupt the restore, send Ctrl-C,
SIGTERM or SIGHUP twice. Closing the terminal (SIGHUP) interrupts the run like Ctrl-C.
"""

import logging
import shlex
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Dict, Iterator, List

from chaoslib.exceptions import InterruptExecution
from chaoslib.run import EventHandlerRegistry, RunEventHandler

from chaosvm.backend import Backend
from chaosvm.controls.declaration import check, log_errors, required, validate
from chaosvm.errors import InvalidValue
from chaosvm.ledger import Ledger, block_run
from chaosvm.outcome import Batch, Outcome, failure_text
from chaosvm.restore import restore_from
from chaosvm.runtime import Deadline, RunContext, experiment, rehearsal, supervision
from chaosvm.settings import values

__all__ = [
    "after_experiment_control",
    "before_experiment_control",
    "cleanup_control",
    "configure_control",
    "validate_control",
]

logger = logging.getLogger("chaostoolkit")

_BLOCKED = "the experiment is over, and what it changed is being restored"
_NAME = "chaosvm.controls.undo"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class _Undo:
    """The undo at the end of one run."""

    run: RunContext
    journal: Dict[str, Any]
    timeout: float
    parallel: int
    force: bool
    done: bool = False

    def carry_out(self) -> None:
        if self.done:
            return
        started = datetime.now(UTC)
        ledgers = block_run(self.run, _BLOCKED)
        with _deferring_signals(self.run):
            self.done = True
            try:
                outcomes = [outcome for ledger in ledgers for outcome in self._restore(ledger)]
            except KeyboardInterrupt:
                logger.error(f"undo: interrupted{_recovery_hint(ledgers)}")
                raise
        if not outcomes:
            return
        times = {"started": started.isoformat(), "ended": datetime.now(UTC).isoformat()}
        output = {**Batch(tuple(outcomes)).to_json(), **times}
        self.journal["chaosvm_undo"] = output
        if any(outcome.failed for outcome in outcomes):
            logger.error(f"undo: not everything is restored{_recovery_hint(ledgers)}")
            self.record_failure(failure_text("restore", outcomes), output)

    def record_failure(self, reason: str, output: Any = None) -> None:
        """Add a failed rollback, so that Chaos Toolkit's report warns that undo failed."""
        entry = {
            "activity": {"type": "action", "name": _NAME, "provider": {"type": "python"}},
            "status": "failed",
            "output": output,
            "exception": [reason],
        }
        self.journal.setdefault("rollbacks", []).append(entry)
        if self.journal["status"] == "completed":
            self.journal["status"] = "failed"

    def _restore(self, ledger: Ledger) -> List[Outcome]:
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
    """Undoes at the very end of a run, even if its ordinary end was not reached."""

    def finish(self, journal: Dict[str, Any]) -> None:
        _carry_out(journal)


def validate_control(control: Dict[str, Any]) -> None:
    """Refuse a declaration with which this control would not be called."""
    validate(control, _ARGUMENTS, whole=True)


@log_errors
def configure_control(event_registry: EventHandlerRegistry = None, **kwargs: Any) -> None:
    """Listen for the end of the run, whatever happens to it."""
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
    """Check the arguments before anything is touched, and prepare the undo."""
    run = experiment.current_run()
    if run is None or run.journal is None:
        raise InterruptExecution(f"{_NAME}: the run's journal was not found, so the run is stopped")
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
        raise InterruptExecution(f"{_NAME}: {error}") from None
    _pending_undos[id(run.journal)] = undo
    supervision.watch()
    _interrupt_on_hangup()


def after_experiment_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """Restore what the run changed."""
    _carry_out(_journal())


def cleanup_control() -> None:
    """Restore what the run changed, if an interruption skipped its ordinary end."""
    _carry_out(_journal())


@log_errors
def _carry_out(journal: Dict[str, Any]) -> None:
    if undo := _pending_undos.get(id(journal)):
        try:
            undo.carry_out()
        except Exception as error:
            undo.record_failure(f"{type(error).__name__}: {error}")
            raise
        _pending_undos.pop(id(journal), None)
        if signal.getsignal(signal.SIGHUP) is signal.default_int_handler:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _journal() -> Dict[str, Any]:
    run = experiment.current_run()
    return (run and run.journal) or {}


def _recovery_hint(ledgers: List[Ledger]) -> str:
    """The commands that restore the rest; none in a rehearsal, whose lab ends with it."""
    if rehearsal.is_on():
        return ""
    paths = [shlex.quote(str(ledger.path.absolute())) for ledger in ledgers]
    commands = " and ".join(f"`chaos run --var ledger={path} recover.json`" for path in paths)
    return (
        f". To restore the rest, run {commands}, with `--var-file .env` if this run had it. "
        "`python -m chaosvm.examples .` copies recover.json"
    )


def _interrupt_on_hangup() -> None:
    """Interrupt the run when its terminal closes, unless that signal is ignored, as with nohup."""
    main = experiment.in_main_thread()
    if main and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.default_int_handler)


@contextmanager
def _deferring_signals(run: RunContext) -> Iterator[None]:
    """Ignore the first signal in the block, as an interruption must not prevent the undo."""
    if not experiment.in_main_thread():
        yield
        return
    received: List[int] = []

    def defer(number: int, frame: Any) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        run.stopped_by = run.stopped_by or signal.Signals(number).name
        logger.warning("undo: VMs are being restored; a second signal stops that")

    before = {number: signal.signal(number, defer) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


check(__name__, _ARGUMENTS)
