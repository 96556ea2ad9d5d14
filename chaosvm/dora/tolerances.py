"""Tolerances for Dora's probes that return more than true or false."""

from typing import Any, Dict

from chaosvm.errors import InvalidValue

__all__ = ["agrees", "none_failed"]


def agrees(value: Dict[str, Any] = None) -> bool:
    """
    For `matches_platform`: true if Dora and the vCenter agree.

    ```json
    "tolerance": {
      "type": "probe",
      "name": "they-agree",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.tolerances",
        "func": "agrees",
        "arguments": {}
      }
    }
    ```
    """
    return _field(value, "matches", "matches_platform") is True


def none_failed(value: Dict[str, Any] = None) -> bool:
    """
    For `environment_summary`: true if every environment was read.

    ```json
    "tolerance": {
      "type": "probe",
      "name": "all-could-be-read",
      "provider": {
        "type": "python",
        "module": "chaosvm.dora.tolerances",
        "func": "none_failed",
        "arguments": {}
      }
    }
    ```
    """
    return not _field(value, "failed", "environment_summary")


def _field(value: Any, key: str, probe: str) -> Any:
    if not isinstance(value, dict) or key not in value:
        raise InvalidValue(f"this tolerance judges the result of {probe}, not {value!r}")
    return value[key]
