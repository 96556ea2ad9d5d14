"""Finds the VMs that an operation applies to, and those that its guards count."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chaosvm.backend import Order
from chaosvm.errors import NoSuchVM
from chaosvm.plans import PlanTarget, is_plan, preview, read_plan
from chaosvm.runtime import Deadline
from chaosvm.selection import Selection, SelectionResult, blocked_reasons, parse_text
from chaosvm.service.context import Context
from chaosvm.service.protection import Protection
from chaosvm.service.reader import InventoryReader
from chaosvm.vm import VM

__all__ = ["Target", "TargetFinder"]

logger = logging.getLogger("chaostoolkit")


@dataclass(frozen=True)
class Target:
    """The VMs of an operation, and the inventory that its guards are measured against.

    ``about`` is true for the VMs among which the selection chooses, ``given`` is
    the selection as it was written, and ``since`` marks when the VMs were read.
    """

    choice: SelectionResult
    inventory: Sequence[VM]
    in_scope: Callable[[VM], bool]
    given: Any
    since: int


class TargetFinder:
    """Turns a selection, or a plan, into the VMs to act on."""

    def __init__(self, context: Context, reader: InventoryReader, protection: Protection) -> None:
        self._context = context
        self._reader = reader
        self._protection = protection

    def selection(self, vms: Any) -> Selection:
        """A checked selection, without keys that the platform does not have."""
        backend = self._context.backend
        selection = Selection(vms)
        selection.refuse_keys(backend.unsupported_selection_keys, backend.name)
        return selection

    def selection_or_plan(self, vms: Any, order: Order) -> Selection | PlanTarget:
        """A plan selects its VMs; raises PlanOutdated for one that was made for another call."""
        vms = parse_text(vms)
        if not is_plan(vms):
            return self.selection(vms)
        backend = self._context.backend
        plan = read_plan(vms)
        plan.check(backend.name, backend.address, order, lambda vm: preview(backend, vm, order))
        return plan

    def find(
        self,
        wanted: Selection | PlanTarget,
        deadline: Deadline,
        return_refused: bool = False,
        check: Callable[[Sequence[VM]], None] = lambda vms: None,
    ) -> Target:
        """The VMs to act on; ``check`` gets the inventory before anything is chosen from it."""
        since = self._context.counter().usage_mark()
        whole = self._context.safety.needs_inventory
        narrowed = None if whole else self._reader.narrowed(wanted, deadline)
        if narrowed is not None:
            try:
                return self._choose(wanted, narrowed, since, deadline, return_refused)
            except NoSuchVM as error:
                logger.debug(f"reading the whole inventory: {error}")
        vms = self._reader.candidates(wanted, whole, deadline)
        check(vms)
        if whole or wanted.only is None:
            self._protection.warn_unmatched_globs(vms)
        return self._choose(wanted, vms, since, deadline, return_refused)

    def _choose(
        self,
        wanted: Selection | PlanTarget,
        vms: Sequence[VM],
        since: int,
        deadline: Deadline,
        return_refused: bool,
    ) -> Target:
        whole = self._context.safety.needs_inventory
        immutable = self._context.backend.immutable_reason
        protection = self._protection.lookup(vms if whole else (), deadline)
        choice = wanted.choose(vms, immutable, protection, return_refused)
        reasons = blocked_reasons(vms, immutable, protection) if whole else {}
        inventory = [vm for vm in (vms if whole else choice.vms) if vm.id not in reasons]
        return Target(choice, inventory, wanted.in_scope, wanted.given, since)
