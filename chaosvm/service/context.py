"""What a service works with: its backend, its guards' settings, and the ledger of the run."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaosvm.backend import Backend
from chaosvm.guards import RunCounter, counter_for
from chaosvm.ledger import Ledger, ledger_for_run
from chaosvm.ledger.history import Key
from chaosvm.observe import RecoveryRecord
from chaosvm.settings import Safety

__all__ = ["Context"]


@dataclass
class Context:
    """Shared by the parts of one service."""

    backend: Backend
    safety: Safety
    recoveries: RecoveryRecord = field(default_factory=RecoveryRecord)

    def ledger(self) -> Ledger:
        """The ledger of the run that this call is part of."""
        return ledger_for_run(self.safety.ledger, self.safety.ledger_days)

    def counter(self) -> RunCounter:
        """What the run has changed so far, for the guards."""
        return counter_for(self.ledger())

    def key(self, vm_id: str) -> Key:
        return (self.backend.name, self.backend.address, vm_id)
