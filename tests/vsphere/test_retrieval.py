"""Both parsers of property collector responses return the same objects."""

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
    """The whole inventory, from both parsers."""
    streamed = everything_of(platform)
    assert platform.backend._client.transport.streaming, logs.text
    platform.backend._client.transport.pause_streaming("for comparison")
    return [streamed, everything_of(platform)]


def test_pyvmomis_parser_returns_the_same(
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
    """Calls of the fast parser, which rejects every response."""
    tried: list[str] = []

    def unknown_form(_: object, method: str) -> None:
        tried.append(method)
        raise retrieval.UnknownForm("a new form")

    monkeypatch.setattr(retrieval, "read_page", unknown_form)
    return tried


def test_after_an_unknown_form_pyvmomi_parses_for_a_while(
    platform: VSpherePlatform, readings: list[str], logs: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    for tried, later in ((1, 0), (1, 290), (2, 20), (2, 290), (3, 20)):
        clock.now += later
        assert len(platform.backend.inventory(Deadline(20, clock))) == 4
        assert len(readings) == tried
    levels = [record.levelname for record in logs.records if "a new form" in record.message]
    assert levels == ["WARNING", "DEBUG", "DEBUG"]


def test_a_response_that_pyvmomi_cannot_parse_either_does_not_count(
    platform: VSpherePlatform, vcsim: Vcsim, readings: list[str]
) -> None:
    platform.connect()
    vcsim.rules(rule("RetrievePropertiesEx", "html", skip=1, times=1))
    assert len(everything_of(platform)) == 4
    assert len(readings) == 2


def test_an_empty_response_does_not_count_either(platform: VSpherePlatform, vcsim: Vcsim) -> None:
    platform.connect()
    vcsim.rules(rule("RetrievePropertiesEx", "empty", times=2))
    assert len(everything_of(platform)) == 4
    assert vcsim.applied() == [2]
    assert platform.backend._client.transport.streaming


def test_an_object_that_is_returned_twice_counts_once(platform: VSpherePlatform) -> None:
    platform.connect()
    content = platform.backend._client._content
    spec = inventory_spec(content, {"VirtualMachine": ["name"]})
    objects = retrieval.retrieve(content, spec)
    assert len(objects) == 4
    assert {item.kind for item in objects.values()} == {"VirtualMachine"}


def test_a_dead_session_is_noticed_with_pyvmomis_parser_too(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    """The response has all objects, with NotAuthenticated for all properties."""
    vm = platform.backend.inventory(Deadline(20))[0]
    platform.backend._client.transport.pause_streaming("for this test")
    vcsim.expire_sessions()
    with platform.backend._client.transport.within(Deadline(20)):
        content = platform.backend._client._content
        spec = vms_spec([vm.id], {"VirtualMachine": ["name", "runtime.powerState"]})
        with pytest.raises(vim.fault.NotAuthenticated):
            retrieval.retrieve(content, spec)
    assert len(everything_of(platform)) == 4
