"""Switching VMs: what is done, to whom, by which means, and what is said of it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from chaosvm.errors import NoSuchVM, OperationFailed, OperationRefused
from chaosvm.outcome import How, Outcome, Verified
from chaosvm.service import VMService
from chaosvm.vm import PowerState
from tests.contract.backend import Backend, VCenter
from tests.contract.estate import Entry, Power
from tests.moments import ForwardClock, count_from_sending, once, once_sent


def means(outcome: Outcome) -> tuple[str, str, bool, str]:
    return outcome.before.value, outcome.after.value, outcome.changed, outcome.how.value


# One VM ------------------------------------------------------------------------------------


def test_hard_off_and_on_again(platform: VMService, backend: Backend) -> None:
    off = platform.power_off("web-01", graceful=False)
    assert means(off) == ("powered_on", "powered_off", True, "hard")
    assert backend.power("web-01") is Power.OFF
    assert backend.sent() == {"power_off": 1}
    on = platform.power_on("web-01")
    assert means(on) == ("powered_off", "powered_on", True, "hard")
    assert backend.power("web-01") is Power.ON
    assert backend.sent() == {"power_off": 1, "power_on": 1}


def test_a_guest_shuts_down(platform: VMService, backend: Backend) -> None:
    assert means(platform.power_off("web-01")) == ("powered_on", "powered_off", True, "guest")
    assert backend.power("web-01") is Power.OFF
    assert backend.sent() == {"shutdown": 1}


def test_a_slow_guest_is_waited_for(platform: VMService, backend: Backend) -> None:
    backend.guest("web-01", seconds=0.4)
    outcome = platform.power_off("web-01", timeout=60)
    assert (outcome.how, outcome.after) == (How.GUEST, PowerState.POWERED_OFF)
    assert outcome.seconds >= 0.4
    assert backend.sent() == {"shutdown": 1}


def test_a_guest_that_ignores_it_loses_its_power(platform: VMService, backend: Backend) -> None:
    backend.guest("web-01", obeys=False, seconds=600)
    platform.backend.clock = clock = ForwardClock()
    once_sent(platform, lambda: clock.put_forward(85))
    outcome = platform.power_off("web-01", timeout=100)
    assert means(outcome) == ("powered_on", "powered_off", True, "fallback_hard")
    assert "did not shut down" in (outcome.detail or "")
    assert backend.power("web-01") is Power.OFF
    assert backend.sent()["power_off"] == 1


def test_a_guest_that_ignores_it_fails_where_asked(platform: VMService, backend: Backend) -> None:
    backend.guest("web-01", obeys=False)
    with pytest.raises(OperationFailed, match=r"'web-01'.*did not shut down") as caught:
        count_from_sending(platform).power_off("web-01", timeout=2.5, on_timeout="fail")
    (outcome,) = caught.value.outcomes
    assert (outcome.changed, outcome.failed) == (False, True)
    assert backend.power("web-01") is Power.ON
    assert backend.sent() == {"shutdown": 1}


def test_a_guest_that_ignores_it_is_left_where_asked(platform: VMService, backend: Backend) -> None:
    backend.guest("web-01", obeys=False)
    outcome = count_from_sending(platform).power_off("web-01", timeout=2.5, on_timeout="leave")
    assert (outcome.changed, outcome.failed) == (False, False)
    assert "left as it is" in (outcome.detail or "")
    assert backend.power("web-01") is Power.ON
    assert "power_off" not in backend.sent()


def test_suspend_and_resume(platform: VMService, backend: Backend) -> None:
    outcome = platform.suspend("web-01")
    assert means(outcome) == ("powered_on", "suspended", True, "hard")
    assert backend.power("web-01") is Power.SUSPENDED
    resumed = platform.power_on("web-01")
    assert means(resumed) == ("suspended", "powered_on", True, "hard")
    assert backend.power("web-01") is Power.ON


def test_a_guest_reboots(platform: VMService, backend: Backend) -> None:
    outcome = platform.reboot("web-01", timeout=60)
    assert means(outcome) == ("powered_on", "powered_on", True, "guest")
    assert backend.sent() == {"reboot": 1}
    assert backend.power("web-01") is Power.ON


def test_a_reset(platform: VMService, backend: Backend) -> None:
    outcome = platform.reboot("web-01", graceful=False, timeout=60)
    assert means(outcome) == ("powered_on", "powered_on", True, "hard")
    assert backend.sent() == {"reset": 1}


def test_a_guest_that_ignores_the_reboot_is_not_said_to_have_rebooted(
    platform: VMService, backend: Backend
) -> None:
    backend.guest("web-01", obeys=False)
    try:
        outcome = count_from_sending(platform).reboot("web-01", timeout=2.5)
    except OperationFailed as failed:
        outcome = failed.outcomes[0]
        assert "unknown whether it rebooted" in (outcome.error or "")
    else:
        assert "it cannot be known whether it rebooted" in (outcome.detail or "")
    assert (outcome.verified, outcome.changed) == (Verified.UNVERIFIED, False)
    assert backend.sent() == {"reboot": 1}
    assert backend.power("web-01") is Power.ON


@pytest.mark.parametrize(
    ("verb", "name"), [("power_on", "web-01"), ("power_off", "app-01"), ("suspend", "db-01")]
)
def test_a_vm_that_is_there_already_is_left_alone(
    platform: VMService, backend: Backend, verb: str, name: str
) -> None:
    outcome = getattr(platform, verb)(name)
    assert (outcome.changed, outcome.how, outcome.before) == (False, How.NONE, outcome.after)
    assert backend.sent() == {}


def test_an_outcome_in_json(platform: VMService, backend: Backend) -> None:
    told = platform.power_off("web-01", graceful=False).to_json()
    assert type(told.pop("seconds")) is float
    told.pop("correlation_id", None)
    assert told == {
        "name": "web-01",
        "id": backend.ids["web-01"],
        "platform": platform.name,
        "operation": "power_off",
        "before": "powered_on",
        "after": "powered_off",
        "changed": True,
        "how": "hard",
    }


def test_only_the_vm_of_the_id_is_touched(platform: VMService, backend: Backend) -> None:
    platform.power_off(backend.ids["twin in DC1"], graceful=False)
    assert backend.power("twin in DC1") is Power.OFF
    assert backend.power("twin in DC0") is Power.ON


# What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "options", "name"),
    [
        ("power_off", {}, "db-01"),
        ("power_off", {"graceful": False}, "db-01"),
        ("reboot", {"graceful": False}, "db-01"),
        ("reboot", {}, "app-01"),
        ("reboot", {"graceful": False}, "app-01"),
        ("suspend", {}, "app-01"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    platform: VMService, backend: Backend, verb: str, options: dict[str, Any], name: str
) -> None:
    before = backend.power(name)
    with pytest.raises(OperationRefused, match=f"{name}.*"):
        getattr(platform, verb)(name, **options)
    assert backend.sent() == {}
    assert backend.power(name) is before


@pytest.mark.parametrize("verb", ["power_on", "power_off", "suspend", "reboot"])
@pytest.mark.parametrize("name", ["golden", "agent-01"])
def test_templates_and_agents_are_never_touched(vcenter: VCenter, verb: str, name: str) -> None:
    with pytest.raises(OperationRefused, match=r"template|managed by"):
        getattr(vcenter.platform(), verb)(name)
    assert vcenter.sent() == {}


def test_without_tools_the_power_is_cut(vcenter: VCenter) -> None:
    platform = vcenter.platform()
    with pytest.raises(OperationRefused, match="graceful=false"):
        platform.reboot("bare-01")
    outcome = platform.power_off("bare-01")
    assert (outcome.how, outcome.changed) == (How.FALLBACK_HARD, True)
    assert vcenter.sent() == {"power_off": 1}


def test_tools_that_stop_before_the_request(vcenter: VCenter) -> None:
    vcenter.trouble("shutdown", "fault", "web-01", fault="ToolsUnavailable")
    assert vcenter.platform().power_off("web-01").how is How.FALLBACK_HARD


def test_a_batch_with_one_that_cannot_be_touches_nothing(
    platform: VMService, backend: Backend
) -> None:
    with pytest.raises(OperationRefused, match="db-01"):
        platform.batch_power_off({"names": ["web-01", "db-01"]})
    assert backend.sent() == {}
    with pytest.raises(NoSuchVM, match="nobody"):
        platform.batch_power_off({"names": ["web-01", "nobody"]})
    assert backend.sent() == {}


# Many VMs ----------------------------------------------------------------------------------


def test_a_batch_goes_off_and_on_again(platform: VMService, backend: Backend) -> None:
    off = platform.batch_power_off({"tag": "web"}, graceful=False)
    assert (off.changed, off.failed, off.seed) == (3, 0, None)
    assert [outcome.name for outcome in off.outcomes] == ["web-01", "web-02", "web-03"]
    assert {backend.power(f"web-0{n}") for n in (1, 2, 3)} == {Power.OFF}
    assert backend.power("bare-01") is Power.ON
    on = platform.batch_power_on({"name": ["web-*", "bare-*"]})
    assert (on.changed, on.failed, len(on.outcomes)) == (3, 0, 4)
    assert backend.sent() == {"power_off": 3, "power_on": 3}


def test_a_batch_of_guests(platform: VMService, backend: Backend) -> None:
    backend.guest("web-02", obeys=False)
    platform.backend.clock = clock = ForwardClock()

    def only_the_deaf_one_is_on() -> bool:
        obeyed = all(backend.power(name) is Power.OFF for name in ("web-01", "web-03"))
        return obeyed and sum(backend.sent().values()) == 3

    # The last 30 s are for stopping those whose guests do not react.
    with once(only_the_deaf_one_is_on, lambda: clock.put_forward(270)):
        batch = platform.batch_power_off({"name": "web-*"}, timeout=300)
    assert {outcome.name: outcome.how.value for outcome in batch.outcomes} == {
        "web-01": "guest",
        "web-02": "fallback_hard",
        "web-03": "guest",
    }


def test_batches_reboot_and_suspend(platform: VMService, backend: Backend) -> None:
    batch = platform.batch_reboot({"names": ["web-01", "web-02"]}, graceful=False, timeout=60)
    assert (batch.changed, batch.failed) == (2, 0)
    assert platform.batch_suspend({"names": ["web-03", "bare-01"]}, timeout=60).changed == 2
    assert (backend.power("web-03"), backend.power("bare-01")) == (Power.SUSPENDED,) * 2


def test_a_sample_tells_its_seed(platform: VMService, backend: Backend) -> None:
    batch = platform.batch_power_off({"name": "web-*", "count": 1, "seed": 5}, graceful=False)
    assert (batch.seed, batch.changed) == (5, 1)
    off = [name for name in ("web-01", "web-02", "web-03") if backend.power(name) is Power.OFF]
    assert off == [batch.outcomes[0].name]
    drawn = platform.batch_power_on({"names": off, "count": 1})
    assert isinstance(drawn.seed, int)
    assert drawn.to_json()["seed"] == drawn.seed


def test_one_that_fails_does_not_keep_the_others(platform: VMService, backend: Backend) -> None:
    backend.trouble("power_off", "fault", "web-02", code=403, fault="NoPermission")
    with pytest.raises(OperationFailed) as caught:
        platform.batch_power_off({"name": "web-*"}, graceful=False, timeout=60)
    text = str(caught.value)
    assert f"failed for 1 of 3 VMs: 'web-02' ({backend.ids['web-02']})" in text
    assert f"changed: 'web-01' ({backend.ids['web-01']}), 'web-03'" in text
    assert [outcome.failed for outcome in caught.value.outcomes] == [False, True, False]
    assert backend.power("web-02") is Power.ON
    assert (backend.power("web-01"), backend.power("web-03")) == (Power.OFF, Power.OFF)


def test_many_at_once(platform: VMService, backend: Backend) -> None:
    for number in range(20):
        backend.add(Entry(name=f"many-{number:02}", power=Power.OFF))
    on = platform.batch_power_on({"name": "many-*"}, parallel=20, timeout=60)
    assert (on.changed, on.failed) == (20, 0)
    off = platform.batch_power_off({"name": "many-*"}, parallel=20, graceful=False, timeout=60)
    assert (off.changed, off.failed) == (20, 0)
    assert {backend.power(f"many-{number:02}") for number in range(20)} == {Power.OFF}
    assert backend.sent() == {"power_on": 20, "power_off": 20}


def test_several_callers_share_a_platform(platform: VMService, backend: Backend) -> None:
    outcomes: dict[str, Outcome] = {}

    def off(name: str) -> None:
        outcomes[name] = platform.power_off(name, graceful=False)

    callers = [threading.Thread(target=off, args=(f"web-0{n}",)) for n in (1, 2, 3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert {name: outcome.changed for name, outcome in outcomes.items()} == {
        "web-01": True,
        "web-02": True,
        "web-03": True,
    }
    assert backend.sent() == {"power_off": 3}
