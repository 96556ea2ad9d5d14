"""The settings that keep an experiment within bounds, whatever the platform."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from chaosvm import values
from chaosvm.settings import Settings, setting

__all__ = ["Safety"]


def _path(key: str, value: Any) -> Path:
    expected = "the path of a file, which need not exist"
    path = Path(values.text(key, str(value) if isinstance(value, Path) else value, expected))
    return path.expanduser().absolute()


@dataclass(frozen=True)
class Safety(Settings):
    """``chaosvm_ledger`` and its like; docs/safety.md explains them."""

    prefix: ClassVar[str] = "chaosvm"
    # What an experiment must not do, it must not do in a rehearsal either.
    rehearsed: ClassVar[bool] = True

    # Where the changes of a run are written down; by default a file of its own
    # beside the journal, as always in a rehearsal: a lab's VMs are not to be put
    # back anywhere else.
    ledger: Path | None = setting(_path, None, rehearsed=False)
