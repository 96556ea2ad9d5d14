"""What goes wrong on the way: lost answers, tasks that fail or hang, others who interfere."""

from __future__ import annotations

import pytest

from chaosvm.backend import PowerCommand
from chaosvm.errors import AnswerLost, OperationFailed
from chaosvm.outcome import How
from chaosvm.power import resend
from chaosvm.runtime import Deadline
from chaosvm.service import VMService
from chaosvm.service.orders import checked_order
from chaosvm.vm import PowerState
from tests.contract.backend import Backend, VCenter
from tests.contract.estate import Entry, Power
from tests.moments import count_from_sending, once_sent, skip_waits


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a lost answer it looks for a shorter time before it asks again."""
    monkeypatch.setattr(resend, "_RESEND_AFTER", 0.3)


@pytest.mark.parametrize("manner", ["drop_after", "cut"])
def test_a_lost_answer_is_resolved_by_looking(
    platform: VMService, backend: Backend, manner: str
) -> None:
    backend.trouble("power_off", manner, "web-01", times=1)
    assert platform.power_off("web-01", graceful=False, timeout=60).changed
    assert backend.power("web-01") is Power.OFF


def test_an_answer_that_drips_is_lost_at_the_deadline(
    platform: VMService, backend: Backend
) -> None:
    vm = platform.get_vm("web-01")
    backend.trouble("power_off", "drip", "web-01", seconds=0.2)
    deadline = Deadline(3)
    with pytest.raises(AnswerLost):
        platform.backend.send(vm, PowerCommand.POWER_OFF, checked_order("power_off", 60), deadline)
    assert 3 <= deadline.elapsed < 13
    assert backend.sent() == {"power_off": 1}


def test_a_step_whose_answer_was_lost_goes_out_once(platform: VMService, backend: Backend) -> None:
    backend.trouble("power_off", "drop_after", "web-01", times=1)
    assert platform.power_off("web-01", graceful=False, timeout=60).changed
    assert backend.sent() == {"power_off": 1}


@pytest.mark.usefixtures("impatient")
def test_a_request_that_was_lost_is_repeated_after_a_look(
    platform: VMService, backend: Backend
) -> None:
    backend.trouble("power_off", "drop_before", "web-01", times=1)
    assert platform.power_off("web-01", graceful=False, timeout=60).changed
    assert backend.power("web-01") is Power.OFF
    assert backend.sent() == {"power_off": 2}


@pytest.mark.usefixtures("impatient")
def test_a_reset_is_never_sent_twice(platform: VMService, backend: Backend) -> None:
    backend.trouble("reset", "drop_before", "web-01")
    with pytest.raises(OperationFailed, match="unknown whether it rebooted"):
        count_from_sending(platform).reboot("web-01", graceful=False, timeout=2.5)
    assert backend.sent() == {"reset": 1}


def test_an_action_that_is_accepted_and_not_done(platform: VMService, backend: Backend) -> None:
    backend.add(Entry(name="stuck-01"))
    action = "stuck_task" if isinstance(backend, VCenter) else "ignore"
    backend.trouble("power_off", action, "stuck-01")
    with pytest.raises(OperationFailed, match="'stuck-01'") as caught:
        skip_waits(platform).power_off("stuck-01", graceful=False, timeout=40)
    (outcome,) = caught.value.outcomes
    assert (outcome.failed, outcome.changed) == (True, False)
    assert backend.power("stuck-01") is Power.ON


def test_a_slow_task_is_waited_for(vcenter: VCenter) -> None:
    vcenter.trouble("reset", "slow_task", "web-01", seconds=0.4)
    outcome = vcenter.platform().reboot("web-01", graceful=False)
    assert (outcome.how, outcome.changed) == (How.HARD, True)
    assert outcome.seconds >= 0.4


def test_a_task_that_fails_says_why(vcenter: VCenter) -> None:
    fault, message = "InsufficientResourcesFault", "no host has enough memory"
    vcenter.trouble("power_on", "failed_task", "app-01", fault=fault, message=message)
    with pytest.raises(OperationFailed, match=r"'app-01'.*(insufficient resources|memory)"):
        vcenter.platform().power_on("app-01")
    assert vcenter.power("app-01") is Power.OFF


def test_a_vm_that_is_busy_is_tried_again(platform: VMService, backend: Backend) -> None:
    backend.trouble("power_off", "fault", "web-01", code=409, fault="TaskInProgress", times=1)
    assert platform.power_off("web-01", graceful=False, timeout=60).changed
    assert backend.sent() == {"power_off": 2}


def test_a_missing_privilege_is_named(vcenter: VCenter) -> None:
    vcenter.trouble("power_off", "fault", "web-01", fault="NoPermission")
    with pytest.raises(OperationFailed, match="lacks the privilege"):
        vcenter.platform().power_off("web-01", graceful=False)


@pytest.mark.parametrize("existing", ["poweredOff", "suspended"])
def test_a_vm_that_somebody_else_switches_first(vcenter: VCenter, existing: str) -> None:
    vcenter.trouble(
        "power_off",
        "fault",
        "web-01",
        fault="InvalidPowerState",
        requested="poweredOff",
        existing=existing,
    )
    platform = vcenter.platform()
    if existing == "poweredOff":
        outcome = platform.power_off("web-01", graceful=False)
        assert (outcome.after, outcome.changed) == (PowerState.POWERED_OFF, False)
    else:
        with pytest.raises(OperationFailed, match="suspended"):
            platform.power_off("web-01", graceful=False)


def test_a_vm_that_vanishes_meanwhile(platform: VMService, backend: Backend) -> None:
    backend.add(Entry(name="brief-01"))
    backend.guest("brief-01", obeys=False, seconds=600)
    once_sent(platform, lambda: backend.remove("brief-01"))
    try:
        told = platform.power_off("brief-01", timeout=60, on_timeout="fail").after.value
    except OperationFailed as failed:
        told = str(failed)
    # vcsim removes only what is off, and that may be all that was seen of it.
    assert "'brief-01'" in told or told == PowerState.POWERED_OFF


def test_a_vm_that_somebody_else_switches_off_meanwhile(
    platform: VMService, backend: Backend
) -> None:
    backend.guest("web-01", obeys=False, seconds=600)
    once_sent(platform, lambda: backend.switch_off("web-01"))
    outcome = platform.power_off("web-01", timeout=60)
    assert outcome.after is PowerState.POWERED_OFF
    assert "power_off" not in backend.sent()
