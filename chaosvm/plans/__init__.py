"""What an action would do, without doing it: previews, plans, and plans given back.

A plan can take the place of a selection.
"""

from __future__ import annotations

from chaosvm.plans.plan import Plan, save_plan
from chaosvm.plans.preview import Preview, preview
from chaosvm.plans.target import PlanTarget, is_plan, read_plan

__all__ = ["Plan", "PlanTarget", "Preview", "is_plan", "preview", "read_plan", "save_plan"]
