"""Which VMs are protected: by name in the settings, or by a mark on the platform."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from chaosvm.errors import GuardUnchecked, PlatformError
from chaosvm.guards import protected_by_name, unmatched_globs
from chaosvm.runtime import Deadline
from chaosvm.selection import ProtectionCheck
from chaosvm.service.context import Context
from chaosvm.vm import VM

__all__ = ["Protection"]

logger = logging.getLogger("chaostoolkit")


class Protection:
    """Looks up which VMs may not be touched, whatever the action."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def lookup(self, known: Sequence[VM], deadline: Deadline) -> ProtectionCheck:
        """A function that gives the reason for each protected VM.

        Each VM is looked up once, those in ``known`` together with the first.
        """
        reasons: dict[str, str | None] = {}

        def protection(vms: Sequence[VM]) -> dict[str, str]:
            new = {vm.id: vm for vm in (*known, *vms) if vm.id not in reasons}
            protected = self._protected(list(new.values()), deadline) if new else {}
            reasons.update({vm_id: protected.get(vm_id) for vm_id in new})
            return {vm.id: reason for vm in vms if (reason := reasons[vm.id])}

        return protection

    def warn_unmatched_globs(self, vms: Sequence[VM]) -> None:
        """Warn once per run of each glob in ``chaosvm_protect`` that matches no VM."""
        backend = self._context.backend
        for glob in unmatched_globs(vms, self._context.safety.protect):
            if self._context.counter().first_time((backend.name, backend.address, glob)):
                logger.warning(
                    f"{glob!r} in chaosvm_protect matches none of the {len(vms)} VMs on "
                    f"{backend.address}, and protects nothing there"
                )

    def _protected(self, vms: Sequence[VM], deadline: Deadline) -> dict[str, str]:
        """The reasons by id, for the VMs that have one."""
        safety = self._context.safety
        found = {vm.id: why for vm in vms if (why := protected_by_name(vm, safety.protect))}
        for tag in safety.protect_tag:
            others = [vm for vm in vms if vm.id not in found]
            found |= self._protected_by_tag(others, tag, deadline) if others else {}
        return found

    def _protected_by_tag(self, vms: Sequence[VM], tag: str, deadline: Deadline) -> dict[str, str]:
        try:
            marks = self._context.backend.protected_by_tag(vms, tag, deadline)
        except PlatformError as error:
            raise GuardUnchecked(
                "nothing was touched, because the VMs marked with chaosvm_protect_tag "
                f'({tag!r}; "none" switches it off) cannot be determined: {error}'
            ) from error
        return {
            vm_id: f"is protected: it {mark}, as chaosvm_protect_tag says"
            for vm_id, mark in marks.items()
        }
