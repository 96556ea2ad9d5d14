"""A control that puts things back when the experiment is over, as an undo would."""

from __future__ import annotations

from typing import Any

from chaosvm.vsphere import vsphere

done: list[str] = []


def after_experiment_control(context: dict[str, Any], **_: Any) -> None:
    done.append(vsphere({}, {}).power_on("web-01").name)
