"""Records what happens to VMs during the run, as a timeline and a report.

During the whole run, each change of power, tools, address and host of the VMs that the
experiment acts on is recorded, over the run's own connections. At the end of the run,
after any undo, four files are written next to the journal: ``timeline.json``
(docs/timeline.md), ``timeline.svg``, ``timeline.png`` and ``report.html``
(docs/report.md). The journal has a summary under ``chaosvm_timeline``.

```json
{
  "controls": [
    {
      "name": "record-a-timeline",
      "provider": {
        "type": "python",
        "module": "chaosvm.controls.timeline",
        "arguments": {"vms": {"name": "db-*"}}
      }
    }
  ]
}
```

Both arguments are optional. ``vms``, a selection, adds VMs to record, on each platform
that the run connects to; ``folder`` is an existing folder to write the files to. The
control never fails a run: its own errors are logged as warnings. It needs the extra
``report``.
"""

import logging
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, List

from chaoslib.run import EventHandlerRegistry

from chaosvm.activities import connections
from chaosvm.controls.declaration import check, validate
from chaosvm.controls.guards_in_force import guards_in_force
from chaosvm.controls.last_handler import LastHandler
from chaosvm.errors import ChaosVMError, InvalidValue
from chaosvm.ledger import Ledger, ledgers_of_run
from chaosvm.observe.report import Written, file_links, write_files
from chaosvm.observe.timeline import Recorder, Timeline, build_timeline, read_ledger
from chaosvm.runtime import RunContext, experiment
from chaosvm.selection import Selection
from chaosvm.service import VMService
from chaosvm.settings import Safety, values

__all__ = ["before_experiment_control", "configure_control", "validate_control"]

logger = logging.getLogger("chaostoolkit")

# At the end, for a list of VMs that was requested shortly before.
_SELECTION_SECONDS = 10.0
_FOLDER = "the path of an existing folder"


def _selection(key: str, value: Any) -> Selection:
    try:
        return Selection(value)
    except ChaosVMError as error:
        raise InvalidValue(f"{key}: {error}") from None


def _folder(key: str, value: Any) -> Path:
    path = values.path(key, value, _FOLDER)
    if not path.is_dir():
        raise values.invalid(key, value, _FOLDER)
    return path


_ARGUMENTS = {"vms": _selection, "folder": _folder}


@dataclass
class _RecordedRun:
    """A run that is being recorded."""

    run: RunContext
    safety: Safety
    configuration: Dict[str, Any]
    vms: Any
    folder: Path
    recorder: Recorder = field(default_factory=Recorder)
    selecting: List[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        self.run.observers.append(self.recorder.follow)
        if self.vms is not None:
            connections.listen(self.select)

    def select(self, connection: connections.Connection) -> None:
        """Record the selected VMs of a connection, without delaying its first use."""
        if isinstance(connection, VMService):
            thread = threading.Thread(target=self._select, args=(connection,), daemon=True)
            self.selecting.append(thread)
            thread.start()

    def _select(self, service: VMService) -> None:
        try:
            self.recorder.follow(service.backend, service.list_vms(self.vms))
        except ChaosVMError as error:
            logger.warning(f"timeline: the VMs on {service.address} are not recorded: {error}")

    def finish(self, journal: Dict[str, Any]) -> None:
        self.run.observers.remove(self.recorder.follow)
        if self.vms is not None:
            connections.unlisten(self.select)
        for thread in self.selecting:
            thread.join(_SELECTION_SECONDS)
        recording = self.recorder.stop()
        ledgers = [each for each in ledgers_of_run(self.run) if each.path.is_file()]
        timeline = build_timeline(
            journal,
            read_ledger(ledgers[0].path) if ledgers else None,
            recording,
            guards_in_force(self.safety, ledgers_of_run(self.run)),
            self._files(ledgers),
            self.configuration,
        )
        written = write_files(self._with_interruption(timeline), self.folder)
        journal["chaosvm_timeline"] = _summary(timeline, written)
        for reason in written.missing:
            logger.warning(f"timeline: {reason}")
        if page := written.paths.get("html"):
            logger.info(f"the report of this run is {page}")

    def _files(self, ledgers: list[Ledger]) -> Dict[str, str]:
        journal = self.run.journal_path
        paths = {"Journal": journal, "Ledger": ledgers[0].path if ledgers else None}
        return file_links({name: path for name, path in paths.items() if path}, self.folder)

    def _with_interruption(self, timeline: Timeline) -> Timeline:
        interruption = timeline.run.interruption
        if interruption is None or self.run.stopped_at is None:
            return timeline
        at = replace(interruption, at=self.run.stopped_at)
        return replace(timeline, run=replace(timeline.run, interruption=at))


def _summary(timeline: Timeline, written: Written) -> Dict[str, Any]:
    return {
        "story": list(written.sentences),
        "vms": len(timeline.vms),
        "changes": len(timeline.changes),
        "not_back": list(written.not_back),
        "gaps": list(timeline.gaps),
        "files": {kind: path.name for kind, path in written.paths.items()},
    }


_recorded: Dict[int, _RecordedRun] = {}


class _Handler(LastHandler):
    def finish(self, journal: Dict[str, Any]) -> None:
        recorded = _recorded.pop(id(journal), None)
        if recorded is None:
            return
        try:
            recorded.finish(journal)
        except Exception as error:  # noqa: BLE001  # it must not change how the run ends
            logger.warning(f"timeline: the report is not complete: {error or repr(error)}")


def validate_control(control: Dict[str, Any]) -> None:
    """Refuse a declaration with which this control would not be called."""
    validate(control, _ARGUMENTS)


def configure_control(event_registry: EventHandlerRegistry = None, **kwargs: Any) -> None:
    """Listen for the end of the run, whatever happens to it."""
    _Handler.register_once(event_registry)


def before_experiment_control(
    context: Dict[str, Any],
    configuration: Dict[str, Any] = None,
    secrets: Dict[str, Any] = None,
    vms: Any = None,
    folder: str = None,
    **unknown: Any,
) -> None:
    """Begin to record; a failure is only logged as a warning."""
    try:
        _begin(configuration, secrets, vms, folder)
    except Exception as error:  # noqa: BLE001  # it must not stop the run
        logger.warning(f"timeline: nothing is recorded: {error or repr(error)}")


def _begin(configuration: Any, secrets: Any, vms: Any, folder: str | None) -> None:
    run = experiment.current_run()
    if run is None or run.journal is None:
        raise InvalidValue("the run's journal was not found")
    if vms is not None:
        _selection("vms", vms)
    default = run.journal_path.parent if run.journal_path else Path()
    target = _folder("folder", folder) if folder else default.absolute()
    safety = Safety.of_activity(configuration, secrets)
    recorded = _RecordedRun(run, safety, configuration or {}, vms, target)
    _recorded[id(run.journal)] = recorded
    recorded.begin()


check(__name__, _ARGUMENTS)
