"""Both readers of a property collector's answers tell the same."""

from __future__ import annotations

import pytest
from pyVmomi import vim

from chaosvm.lab import Lab, State, World
from chaosvm.runtime import Deadline
from chaosvm.vm import VM
from chaosvm.vsphere import VSpherePlatform, retrieval
from chaosvm.vsphere.traversals import inventory_spec, vms_spec
from tests.fakes import FakeClock
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate


def everything_of(platform: VSpherePlatform) -> dict[str, VM]:
    return {vm.id: vm for vm in platform.backend.inventory(Deadline(20))}


def by_both(platform: VSpherePlatform, logs: pytest.LogCaptureFixture) -> list[dict[str, VM]]:
    """The whole inventory, by the one reader and the other, and through pages."""
    streamed = everything_of(platform)
    assert platform.backend._client.transport.streaming, logs.text
    platform.backend._client.transport.pause_streaming("for comparison")
    return [streamed, everything_of(platform)]


def test_pyvmomis_reader_tells_the_same(
    platform: VSpherePlatform, estate: Estate, logs: pytest.LogCaptureFixture
) -> None:
    for name in ("<tag>&amp;", "名前-ünïcode-🐒", "web%2f01", " spaced ", 'a">b', "a'b"):
        estate.create_vm(name, folder="/DC0/vm/odd & ends")
    estate.mark_template("DC0_H0_VM0")
    estate.set_managed_by("DC0_H0_VM1", "com.vmware.vim.eam")
    estate.set_question("DC0_C0_RP0_VM0", "Moved, or\ncopied? <&>")
    estate.set_guest("DC0_C0_RP0_VM1", hostname="h & co", ip="10.1.2.3")
    estate.set_custom_attribute("DC0_C0_RP0_VM1", "owner", "data & <team>")
    streamed, deserialized = by_both(platform, logs)
    assert streamed == deserialized
    assert len(streamed) == 10
    assert {vm.metadata.get("question") for vm in streamed.values()} > {"Moved, or\ncopied? <&>"}


@pytest.fixture
def lab() -> Lab:
    world = World.generated(60, seed=3)
    world.add_vm("a&b <c>", folder=("x/y", "50%"), attributes={"owner": "me & you"})
    world.add_vm("asks", question="Moved & copied?", managed_by="vcls", template=False)
    world.add_vm("gone", State.UNREACHABLE)
    return Lab(world, platforms=["vsphere"])


def in_lab(running: Lab) -> VSpherePlatform:
    return VSpherePlatform(
        running.vsphere_server,
        running.username,
        running.password,
        running.vsphere_port,
        running.ca_file,
        timeout=20,
    )


def test_in_the_lab_too_and_in_pages(
    lab: Lab, logs: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lab, in_lab(lab) as platform, in_lab(lab) as in_pages:
        streamed, deserialized = by_both(platform, logs)
        assert streamed == deserialized
        assert len(streamed) == 63
        few = retrieval._collector.RetrieveOptions(maxObjects=7)
        monkeypatch.setattr(retrieval, "_options", lambda: few)
        assert by_both(in_pages, logs) == [streamed, deserialized]
        assert lab.requests()["POST /sdk ContinueRetrievePropertiesEx"] > 18


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Those by the fast reader, which understands nothing."""
    tried: list[str] = []

    def not_understood(_: object, method: str) -> None:
        tried.append(method)
        raise retrieval.UnknownForm("a new world")

    monkeypatch.setattr(retrieval, "read_page", not_understood)
    return tried


def test_what_is_not_understood_is_left_to_pyvmomi_for_a_while(
    platform: VSpherePlatform, readings: list[str], logs: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    for tried, later in ((1, 0), (1, 290), (2, 20), (2, 290), (3, 20)):
        clock.now += later
        assert len(platform.backend.inventory(Deadline(20, clock))) == 4
        assert len(readings) == tried
    levels = [record.levelname for record in logs.records if "new world" in record.message]
    assert levels == ["WARNING", "DEBUG", "DEBUG"]


def test_what_pyvmomi_cannot_read_either_does_not_count(
    platform: VSpherePlatform, vcsim: Vcsim, readings: list[str]
) -> None:
    platform.connect()
    vcsim.rules(rule("RetrievePropertiesEx", "html", skip=1, times=1))
    assert len(everything_of(platform)) == 4
    assert len(readings) == 2


def test_an_answer_without_anything_does_not_count_either(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    platform.connect()
    vcsim.rules(rule("RetrievePropertiesEx", "empty", times=2))
    assert len(everything_of(platform)) == 4
    assert vcsim.applied() == [2]
    assert platform.backend._client.transport.streaming


def test_an_object_that_is_told_twice_counts_once(platform: VSpherePlatform) -> None:
    platform.connect()
    content = platform.backend._client._content
    spec = inventory_spec(content, {"VirtualMachine": ["name"]})
    told = retrieval.retrieve(content, spec)
    assert len(told) == 4
    assert {each.kind for each in told.values()} == {"VirtualMachine"}


def test_a_dead_session_is_noticed_by_pyvmomis_reader_too(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    """All objects are there, and all their properties are missing: NotAuthenticated."""
    vm = platform.backend.inventory(Deadline(20))[0]
    platform.backend._client.transport.pause_streaming("for this test")
    vcsim.expire_sessions()
    with platform.backend._client.transport.within(Deadline(20)):
        content = platform.backend._client._content
        spec = vms_spec([vm.id], {"VirtualMachine": ["name", "runtime.powerState"]})
        with pytest.raises(vim.fault.NotAuthenticated):
            retrieval.retrieve(content, spec)
    assert len(everything_of(platform)) == 4
