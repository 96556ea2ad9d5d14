"""What probes tell of VMs, guests and hosts, and what they refuse to guess."""

from __future__ import annotations

import datetime as dt

import pytest

from chaosvm.backend import EventKind
from chaosvm.errors import AmbiguousVM, InvalidValue, NoSuchVM, NotReached, NotReported
from chaosvm.service import VMService
from tests.contract.backend import Backend, VCenter


def now() -> str:
    return dt.datetime.now(dt.UTC).isoformat()


# One VM ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ask", ["uptime_seconds", "tools_running", "ip_addresses", "host", "status"]
)
def test_a_name_of_two_vms_or_none_is_an_error(platform: VMService, ask: str) -> None:
    with pytest.raises(AmbiguousVM):
        getattr(platform.vm_observer, ask)("twin")
    with pytest.raises(NoSuchVM):
        getattr(platform.vm_observer, ask)("nobody")


def test_a_running_guest_tells_of_itself(platform: VMService) -> None:
    observer = platform.vm_observer
    assert observer.tools_running("web-01") is True
    assert observer.ip_addresses("web-01") == ["10.0.0.1"]
    assert observer.host("web-01") == platform.get_vm("web-01").host


def test_a_vm_that_is_off_has_no_addresses_and_no_open_port(platform: VMService) -> None:
    assert platform.vm_observer.ip_addresses("app-01") == []
    assert platform.vm_observer.port_is_open("app-01", 22) is False


def test_what_a_guest_does_not_report_is_not_guessed(platform: VMService) -> None:
    with pytest.raises(NotReported, match="IP address"):
        platform.vm_observer.ip_addresses("bare-01")
    with pytest.raises(NotReported, match="IP address"):
        platform.vm_observer.port_is_open("bare-01", 22)
    with pytest.raises(NotReported, match="uptime"):
        platform.vm_observer.uptime_seconds("app-01")
    with pytest.raises(NotReported, match="uptime"):
        platform.vm_observer.rebooted_since("app-01", now())


@pytest.mark.parametrize("port", [0, 70_000, "ssh", True])
def test_a_port_is_a_number(platform: VMService, port: object) -> None:
    with pytest.raises(InvalidValue, match="port"):
        platform.vm_observer.port_is_open("web-01", port)


# Many VMs ----------------------------------------------------------------------------------


def test_enough_run_or_not(platform: VMService) -> None:
    observer = platform.server_observer
    assert observer.running_at_least({"names": ["web-01", "web-02", "app-01"]}, 2) is True
    assert observer.running_at_least({"names": ["web-01", "web-02", "app-01"]}, 3) is False
    with pytest.raises(NoSuchVM):
        observer.running_at_least({"name": "nobody-*"}, 1)


def test_a_state_that_has_come_is_not_waited_for(platform: VMService) -> None:
    assert platform.server_observer.wait_for_state({"name": "web-*"}, "powered_on", 60) is True


def test_who_is_not_there_in_time_is_named(platform: VMService) -> None:
    with pytest.raises(NotReached, match=r"1 of 4 VMs are not powered_on: 'app-01'.*powered_off"):
        platform.server_observer.wait_for_state(
            {"names": ["web-01", "web-02", "web-03", "app-01"]}, "powered_on", 2
        )


# Since -------------------------------------------------------------------------------------


@pytest.mark.parametrize("since", ["", "yesterday", "kill-web-01", 3, None])
def test_a_moment_that_cannot_be_meant_is_refused(platform: VMService, since: object) -> None:
    observer = platform.vm_observer
    for ask in (observer.rebooted_since, observer.moved_since, observer.ha_restart):
        with pytest.raises(InvalidValue, match="since"):
            ask("web-01", since)
    with pytest.raises(InvalidValue, match="since"):
        observer.recovery_seconds("web-01", since)


def test_a_vm_that_stays_where_it_is_has_not_moved(platform: VMService) -> None:
    assert platform.vm_observer.moved_since("web-01", now()) is False


def test_a_clean_stop_is_no_failover(platform: VMService, caplog: pytest.LogCaptureFixture) -> None:
    since = now()
    caplog.set_level("INFO", "chaostoolkit")
    platform.power_off("web-02", graceful=False)
    assert platform.vm_observer.ha_restart("web-02", since) is None
    assert "stopped cleanly" in caplog.text


def test_the_events_of_a_selection(platform: VMService, backend: Backend) -> None:
    since = now()
    platform.power_off("web-02", graceful=False)
    platform.power_off("web-03", graceful=False)
    found = platform.server_observer.events({"names": ["web-02"]}, since)
    assert EventKind.POWERED_OFF in {event.kind for event in found}
    assert {event.vm_id for event in found} == {backend.ids["web-02"]}


# Recovery ----------------------------------------------------------------------------------


def test_a_recovery_is_measured_from_the_moment_the_vm_was_down(platform: VMService) -> None:
    observer, since = platform.vm_observer, now()
    with pytest.raises(NotReached, match="has not gone down"):
        observer.recovery_seconds("web-02", since)
    assert observer.recovery_seconds("web-02", since, limit=60) == 0
    platform.power_off("web-02", graceful=False)
    with pytest.raises(NotReached, match="has not reached power again"):
        observer.recovery_seconds("web-02", since)
    platform.power_on("web-02")
    measured = observer.recovery_seconds("web-02", since, limit=60)
    assert 0 < measured < 60
    assert observer.recovery_seconds("web-02", since) == pytest.approx(measured, abs=2)


def test_a_limit_that_has_passed_is_a_failure(platform: VMService) -> None:
    since = now()
    platform.power_off("web-03", graceful=False)
    with pytest.raises(NotReached, match=r"has not reached tools again, [1-9]"):
        platform.vm_observer.recovery_seconds("web-03", since, "tools", limit=0.6)


@pytest.mark.parametrize("limit", [-1, "soon", True])
def test_a_limit_is_a_number_of_seconds(platform: VMService, limit: object) -> None:
    with pytest.raises(InvalidValue, match="limit"):
        platform.vm_observer.recovery_seconds("web-01", now(), limit=limit)


# Hosts and clusters ------------------------------------------------------------------------


def test_hosts_and_clusters_are_found_by_name_or_id(platform: VMService) -> None:
    observer = platform.server_observer
    host = observer.host("dc0_c0_h0")
    assert host.connection.value == "connected"
    assert observer.host(host.id) == host
    assert observer.hosts_available("DC0_C0") == 2


@pytest.mark.parametrize("name", ["", "nowhere", "DC0_C0_H*"])
def test_an_unknown_host_or_cluster_is_an_error(platform: VMService, name: str) -> None:
    for ask in (platform.server_observer.host, platform.server_observer.hosts_available):
        with pytest.raises(InvalidValue):
            ask(name)


def test_a_platform_without_alarms_does_not_say_that_there_are_none(backend: Backend) -> None:
    if isinstance(backend, VCenter):
        assert backend.platform().server_observer.alarms() == []
    else:
        with pytest.raises(NotReported):
            backend.platform().server_observer.alarms()
