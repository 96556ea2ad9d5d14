"""Reads a plan that is passed to an action, from the file that a plan probe has saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.plans.plan import Plan
from chaosvm.plans.target import PlanTarget, not_a_plan
from chaosvm.runtime.documents import UnusableFile, parse_json, read_text
from chaosvm.settings import rehearsal_path, values

__all__ = ["is_plan", "read_plan"]


def is_plan(vms: Any) -> bool:
    """True if this is a plan, or the path of one, rather than a selection."""
    return isinstance(vms, Plan) or (isinstance(vms, Mapping) and "plan" in vms)


def read_plan(vms: Any) -> PlanTarget:
    """From a plan, or ``{"plan": PATH}``; raises InvalidValue for anything else."""
    if isinstance(vms, Plan):
        return PlanTarget(vms.to_json())
    if isinstance(vms["plan"], str):
        if len(vms) > 1:
            others = ", ".join(values.shown(key) for key in vms if key != "plan")
            raise InvalidValue(f"vms has 'plan', which cannot be combined with {others}")
        return _load_plan(vms["plan"])
    return PlanTarget(vms)


def _load_plan(file: str) -> PlanTarget:
    expected = "the path of a plan that a plan_ probe has saved"
    path = rehearsal_path(values.path("vms.plan", file, expected))
    source = f"vms.plan is {values.shown(file)}, which"
    try:
        plan = parse_json(read_text(path))
    except UnusableFile as error:
        raise values.invalid("vms.plan", file, f"{expected} ({error})") from None
    except InvalidValue as error:
        raise not_a_plan(source, str(error)) from None
    except ValueError:
        raise not_a_plan(source, "it is not JSON") from None
    return PlanTarget(plan, source)
