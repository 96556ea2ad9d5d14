"""Reads from the backend what a selection needs, and no more than that."""

from __future__ import annotations

from collections.abc import Collection

from chaosvm.backend import Backend
from chaosvm.plans import PlanTarget
from chaosvm.runtime import Deadline
from chaosvm.selection import Selection, find_one
from chaosvm.settings import values
from chaosvm.vm import IDENTIFYING_FIELDS, VM

__all__ = ["InventoryReader"]

# From this many VMs on, reading all fields of all VMs takes longer than a second request.
_LARGE_INVENTORY = 1000


class InventoryReader:
    """Chooses the cheapest way to read the VMs that a selection may match."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._size = 0  # number of VMs when all were last read

    def one(
        self,
        vm_name: str,
        deadline: Deadline,
        allow_cached: bool = False,
        fields: Collection[str] | None = None,
    ) -> VM:
        """The VM of this name, id, UUID or path; cached names are for probes only."""
        name = values.vm_name(vm_name)
        return find_one(self.backend.inventory(deadline, [name], allow_cached, fields), name)

    def for_probe(
        self, selection: Selection, deadline: Deadline, fields: Collection[str] | None = None
    ) -> list[VM]:
        """The VMs among which a selection finds its own; with the given fields, or with all."""
        narrowed = self.narrowed(selection, deadline)
        if narrowed is not None:
            return narrowed
        # A reading of some fields is a probe, which may be repeated and can use cached names.
        vms = self.backend.inventory(deadline, selection.only, fields is not None, fields)
        if selection.only is None:
            self._size = len(vms)
        return self.backend.with_tags(vms, deadline) if selection.needs_tags else vms

    def narrowed(self, target: Selection | PlanTarget, deadline: Deadline) -> list[VM] | None:
        """The result of the server's own search; None if everything must be read.

        Everything is also read if nothing matches, as the error lists the values that exist.
        """
        if not isinstance(target, Selection) or target.only is not None or not target.criteria:
            return None
        vms = self.backend.narrowed(target.criteria, deadline)
        if not vms:
            return None
        if target.needs_tags:
            vms = self.backend.with_tags(vms, deadline)
        matches = bool(target.matching(vms)) and target.names_all_exclusions(vms)
        return vms if matches else None

    def candidates(
        self, target: Selection | PlanTarget, whole: bool, deadline: Deadline
    ) -> list[VM]:
        """The VMs to choose from; of a large inventory, with all fields only where they match."""
        if not whole and isinstance(target, Selection) and self._is_large_for(target):
            return self._read_in_two_steps(target, deadline)
        vms = self.backend.inventory(deadline, only=None if whole else target.only)
        self._size = max(self._size, len(vms))
        return self.backend.with_tags(vms, deadline) if target.needs_tags else vms

    def _is_large_for(self, selection: Selection) -> bool:
        large = self.backend.supports_partial_reads and self._size >= _LARGE_INVENTORY
        return large and selection.only is None and selection.has_filters

    def _read_in_two_steps(self, selection: Selection, deadline: Deadline) -> list[VM]:
        """First the fields that the selection reads, then all fields of the VMs that match."""
        fields = selection.fields.union(IDENTIFYING_FIELDS)  # ``chaosvm_protect`` compares them
        vms = self.backend.inventory(deadline, fields=fields)
        self._size = len(vms)
        if selection.needs_tags:
            vms = self.backend.with_tags(vms, deadline)
        matching = selection.matching(vms)
        full = self.backend.hydrate(matching, deadline)
        if selection.needs_tags:
            full = self.backend.with_tags(full, deadline)
        ids = {vm.id for vm in matching}
        return [*full, *(vm for vm in vms if vm.id not in ids)]
