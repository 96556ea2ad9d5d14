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
changed since. While it works, Ctrl-C and SIGTERM have to be given twice.
"""

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List

from chaoslib.exceptions import InterruptExecution
from chaoslib.run import EventHandlerRegistry, RunEventHandler
from logzero import logger

from chaosvm import experiment, values
from chaosvm.deadline import Deadline
from chaosvm.errors import ChaosVMError, InvalidValue
from chaosvm.ledger import Ledger, of_journal
from chaosvm.outcome import Batch, Outcome
from chaosvm.recovery import restore_from
from chaosvm.verbs import VMPlatform

__all__ = [
    "after_experiment_control",
    "before_experiment_control",
    "cleanup_control",
    "configure_control",
]

_BARRED = "the experiment is over, and what it changed is being put back"


@dataclass
class _Undo:
    """What is to be undone at the end of one run."""

    journal: Dict[str, Any]
    timeout: float
    parallel: int
    force: bool
    done: bool = field(default=False)

    def carry_out(self) -> None:
        if self.done:
            return
        with _signals_wait():
            self.done = True
            outcomes = [
                outcome for ledger in of_journal(self.journal) for outcome in self._undone(ledger)
            ]
        if outcomes:
            self.journal["chaosvm_undo"] = Batch(tuple(outcomes)).to_json()
        if any(outcome.failed for outcome in outcomes) and self.journal["status"] == "completed":
            self.journal["status"] = "failed"

    def _undone(self, ledger: Ledger) -> List[Outcome]:
        ledger.bar(_BARRED)
        deadline = Deadline(self.timeout)
        outcomes: List[Outcome] = []
        for platform in dict.fromkeys(touched.platform for touched in ledger.history):
            try:
                outcomes += restore_from(
                    ledger, platform, None, deadline, self.parallel, self.force
                )
            except ChaosVMError as error:
                logger.error(f"undo: {platform}: {error}")
        _tell(ledger, outcomes)
        return outcomes


_armed: Dict[int, _Undo] = {}


class _LastNet(RunEventHandler):  # type: ignore[misc]  # chaoslib is untyped
    """Chaos Toolkit's very last step, also where its ordinary end was cut short."""

    def finish(self, journal: Dict[str, Any]) -> None:
        _carry_out()


def configure_control(event_registry: EventHandlerRegistry = None, **kwargs: Any) -> None:
    """Hear of the end of the run, whatever happens to it."""
    if event_registry is not None:
        event_registry.register(_LastNet())


def before_experiment_control(
    context: Dict[str, Any],
    timeout: float = 600,
    parallel: int = 10,
    force: bool = False,
    **kwargs: Any,
) -> None:
    """Check the arguments, before anything is touched, and get ready for the end."""
    try:
        undo = _Undo(
            journal=_journal(),
            timeout=values.timeout_seconds("timeout", timeout),
            parallel=values.integer("parallel", parallel, 1, VMPlatform.most_parallel),
            force=values.boolean("force", force),
        )
    except InvalidValue as error:
        raise InterruptExecution(f"chaosvm.controls.undo: {error}") from None
    _armed[id(undo.journal)] = undo


def after_experiment_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """The run is over: put back what it changed."""
    _carry_out()


def cleanup_control() -> None:
    """The same where an interruption kept the ordinary end from being reached."""
    _carry_out()


def _carry_out() -> None:
    if undo := _armed.get(id(_journal())):
        undo.carry_out()
        del _armed[id(undo.journal)]


def _journal() -> Dict[str, Any]:
    run = experiment.running()
    return run.journal if run else {}


def _tell(ledger: Ledger, outcomes: List[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.failed:
            logger.error(f"undo: {outcome} {outcome.error}")
        elif outcome.changed:
            logger.info(f"undo: {outcome} is {outcome.after} again")
        else:
            logger.info(f"undo: {outcome} {outcome.detail}")
    if any(outcome.failed for outcome in outcomes):
        logger.error(
            "undo: not everything is back. When the cause is mended, "
            f"`chaos run examples/recover.json --var ledger={ledger.path}` tries again"
        )


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Whoever interrupts an experiment should not by that keep it from being undone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: List[int] = []

    def once(number: int, frame: Any) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)
        logger.warning("undo: VMs are being put back; once more leaves them as they are")

    before = {number: signal.signal(number, once) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
