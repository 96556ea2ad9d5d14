"""Logs a table of outcomes at the end of the run: how each VM ended up, and in how many seconds.

The table has a line for each VM that was changed or failed, in the method, the
rollbacks or the undo: 20 at most; the journal has all outcomes. The control takes no
arguments. It works in an experiment, in the settings, and in a file for
``chaos run --control-file``.

```json
{
  "controls": [
    {
      "name": "summarize-the-run",
      "provider": {"type": "python", "module": "chaosvm.controls.summary"}
    }
  ]
}
```
"""

import logging
from typing import Any, Dict

from chaoslib.run import EventHandlerRegistry

from chaosvm.controls.declaration import check, log_errors, validate
from chaosvm.controls.last_handler import LastHandler
from chaosvm.observe import journal_outcomes, outcome_table

__all__ = ["configure_control", "validate_control"]

logger = logging.getLogger("chaostoolkit")


def validate_control(control: Dict[str, Any]) -> None:
    """Refuse a declaration with which this control would not be called."""
    validate(control, {})


@log_errors
def configure_control(event_registry: EventHandlerRegistry = None, **kwargs: Any) -> None:
    """Listen for the end of the run."""
    _Summary.register_once(event_registry)


class _Summary(LastHandler):
    @log_errors
    def finish(self, journal: Dict[str, Any]) -> None:
        outcomes = list(journal_outcomes(journal))
        if not outcomes:
            logger.info("no VM was operated on")
            return
        logger.info(f"outcomes of {len({each.get('id') for each in outcomes})} VM(s):")
        for line in outcome_table(outcomes):
            logger.info(f"  {line}")


check(__name__, {})
