"""What an action would do, without doing it: previews and plans.

A plan can be used in place of a selection, to act on the same VMs.
"""

from __future__ import annotations

from chaosvm.plans.plan import Plan, save_plan
from chaosvm.plans.plan_file import is_plan, read_plan
from chaosvm.plans.preview import Preview, preview
from chaosvm.plans.target import PlanTarget

__all__ = ["Plan", "PlanTarget", "Preview", "is_plan", "preview", "read_plan", "save_plan"]
