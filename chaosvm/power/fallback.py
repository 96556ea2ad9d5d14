"""Success, and what follows when a guest does not do as requested."""

from __future__ import annotations

from chaosvm.backend import OnTimeout, Operation, PowerCommand
from chaosvm.outcome import How, Verified
from chaosvm.power.progress import Progress
from chaosvm.power.request import Request

__all__ = ["Fallback"]


class Fallback(Progress):
    """Ends a job as a success, or gives up its guest."""

    def _succeed(self, request: Request) -> None:
        if self._stops_for_restart(request):
            self.stopped = True
            self.accepted = self.answer_lost = False
            request.supersede()
            self._schedule(PowerCommand.POWER_ON)
            return
        detail = "stopped and started, as reset is not supported" if self.restarting else None
        how = self.seen.how or self._method_used()
        self._close(
            changed=True,
            how=how,
            detail=detail or self.fallback_reason,
            evidence=self._evidence(request),
        )

    def _evidence(self, request: Request) -> str | None:
        """What proves that the VM has rebooted."""
        if self.restarting:
            return "the VM was powered off and on"
        if request.command is PowerCommand.RESET and request.succeeded:
            return "the task of the reset succeeded"
        return self.proof.evidence or self.seen.reboot_evidence

    def _succeed_unanswered(self, request: Request) -> None:
        if request.awaiting_answer and self.guest_asked and self.fallback_reason:
            # The power may not have been cut: the guest shutdown sent before explains the state.
            self._succeed_by_guest()
        else:
            self._succeed(request)

    def _succeed_by_guest(self) -> None:
        """The guest shut down after all, just before its power was to be cut."""
        self._close(changed=True, how=How.GUEST, detail=f"{self.fallback_reason}, but then did")

    def _on_guest_timeout(self) -> None:
        if self.order.operation is Operation.REBOOT:
            self._on_reboot_timeout()
        else:
            self._give_up_guest(self._guest_timeout_text())

    # Shutdowns -----------------------------------------------------------------------

    def _give_up_guest(self, why: str) -> None:
        request = self.request
        if self.order.operation is Operation.REBOOT:
            self._give_up_reboot(why)
            return
        if self.seen.power_state is self.target and request is not None:
            self._on_guest_down(request)
            return
        match self.order.on_timeout:
            case OnTimeout.HARD:
                self._fall_back(PowerCommand.POWER_OFF, f"{why}; cutting its power", why)
            case OnTimeout.LEAVE if self.guest_asked or self.command is None or not self.blocked_by:
                how = How.GUEST if self.guest_asked else How.NONE
                self._close(how=how, detail=f"{why}; left as it is", unknown=self.watch_lost)
            case _ if self.watch_lost:
                text = f"{self._state_text()}, and {why}"
                self._fail(f"{text}; the outcome is unknown", unknown=True)
            case _:
                self._fail(f"is still {self.seen.power_state}: {why}")

    def _on_guest_down(self, request: Request) -> None:
        if self.accepted or request.awaiting_answer:
            self._succeed_unanswered(request)
        else:
            self._close(detail=f"had become {self.target} by itself")

    def _fall_back(self, command: PowerCommand, message: str, why: str) -> None:
        self.notice = message
        self.fallback_reason = why
        self.accepted = self.answer_lost = False
        self.queued = None
        if self.request is not None:
            # Until it is answered, a shutdown may still reach the guest.
            shutdown = self.request.command is PowerCommand.SHUTDOWN_GUEST
            self.guest_asked |= shutdown and self.request.awaiting_answer
            self.request.supersede()
        self._schedule(command)

    # Reboots -------------------------------------------------------------------------

    def _give_up_reboot(self, why: str, verified: Verified = Verified.NOT_REBOOTED) -> None:
        """The guest has not rebooted, or there is no proof yet that it has."""
        match self.order.on_timeout if self._can_give_up_guest() else OnTimeout.FAIL:
            case OnTimeout.RESET:
                self._fall_back(PowerCommand.RESET, f"{why}; resetting it", why)
            case OnTimeout.LEAVE:
                how = How.GUEST if self.accepted else How.NONE
                self._close(how=how, detail=f"{why}; left as it is", verified=verified)
            case _:
                lost = self._answer_missing or self.watch_lost
                unknown = lost and verified is Verified.UNVERIFIED
                self._fail(why, unknown=unknown, verified=verified)

    def _on_reboot_timeout(self) -> None:
        """There is no proof in time: say that it has not rebooted, or why that is not known."""
        request, waited = self.request, f"after {self.deadline.elapsed:.0f} s"
        if request is None or not (self.accepted or request.awaiting_answer):
            self._give_up_guest(self._guest_timeout_text())
            return
        lost = self._answer_missing
        handle = request.handle
        running = handle is not None and handle.tracked and not request.finished
        running |= self.seen.going_down or self.seen.power_state is not self.target
        proof, question = self.proof, self._question_text()
        if proof.contradiction and not (lost or running):
            self._give_up_reboot(f"has not rebooted {waited}: {proof.contradiction}{question}")
        elif proof.unknown and not (lost or running or question):
            why = f"it cannot be known whether it rebooted: {proof.unknown}"
            self._close(how=self._method_used(), detail=why, verified=Verified.UNVERIFIED)
        else:
            self._give_up_reboot(self._no_proof_text(request, waited), Verified.UNVERIFIED)

    @property
    def _answer_missing(self) -> bool:
        """True if the answer to a request was lost or is awaited: it may have been carried out."""
        return self.answer_lost or (self.request is not None and self.request.awaiting_answer)

    def _no_proof_text(self, request: Request, waited: str) -> str:
        why = ", and has not come back" if self.seen.going_down else ""
        why = why or (f": {self.proof.too_old}" if self.proof.too_old else "")
        received = "sent" if self._answer_missing else "accepted"
        return (
            f"is {self.seen.power_state} {waited}, and it is unknown whether it rebooted: the "
            f"{request.command} was {received}, but there is no proof that "
            f"it was done{why}{self._question_text()}"
        )
