"""Tolerances for Dora's probes that answer with more than a yes or no."""

from typing import Any, Dict

from chaosvm.errors import InvalidValue

__all__ = ["agrees", "none_failed"]


def agrees(value: Dict[str, Any] = None) -> bool:
    """
    For `matches_platform`: Dora and the vCenter tell the same.

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
    return _told(value, "matches", "matches_platform") is True


def none_failed(value: Dict[str, Any] = None) -> bool:
    """
    For `environment_summary`: every environment could be read.

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
    return not _told(value, "failed", "environment_summary")


def _told(value: Any, key: str, probe: str) -> Any:
    if not isinstance(value, dict) or key not in value:
        raise InvalidValue(f"this tolerance is for what {probe} answers, and not for {value!r}")
    return value[key]
