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

    # Where the changes of a run are written down; by default a file of its own
    # beside the journal.
    ledger: Path | None = setting(_path, None)
