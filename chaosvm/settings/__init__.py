"""Settings from configuration, secrets and environment, and the validation of arguments.

Every value that a person writes is checked here before anything is touched.
"""

from __future__ import annotations

from chaosvm.settings.files import (
    is_rehearsal_path,
    output_file,
    rehearsal_path,
    write_atomically,
)
from chaosvm.settings.loading import Settings, load, setting
from chaosvm.settings.safety import OFF_WORDS, Percent, Safety
from chaosvm.settings.values import part, suggestion

__all__ = [
    "OFF_WORDS",
    "Percent",
    "Safety",
    "Settings",
    "is_rehearsal_path",
    "load",
    "output_file",
    "part",
    "rehearsal_path",
    "setting",
    "suggestion",
    "write_atomically",
]
