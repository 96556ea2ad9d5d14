from __future__ import annotations

import pytest

from chaosvm.backend import runs_server
from chaosvm.vm import VM, PowerState


def vm(hostname: str | None = None, *addresses: str) -> VM:
    return VM(
        id="vm-1",
        name="vm",
        platform="fake",
        power_state=PowerState.POWERED_ON,
        status="on",
        hostname=hostname,
        ip_addresses=addresses or None,
    )


@pytest.mark.parametrize(
    ("hostname", "server"),
    [
        ("vc.example.com", "vc.example.com"),
        ("VC.Example.com", "vc.example.COM"),
        ("vc.example.com.", "vc.example.com"),
        ("vc", "vc.example.com"),
        ("VC.example.com", "vc"),
    ],
)
def test_a_server_is_known_by_its_name(hostname: str, server: str) -> None:
    assert runs_server(vm(hostname), server)


@pytest.mark.parametrize(
    ("hostname", "server"),
    [
        (None, "vc.example.com"),
        ("", "vc.example.com"),
        ("vc2.example.com", "vc.example.com"),
        ("vc.other.com", "vc.example.com"),
        ("vc2", "vc.example.com"),
        ("localhost", "localhost"),
        ("localhost", "localhost.example.com"),
        ("localhost", "vc"),
        ("10", "10.0.0.1"),
    ],
)
def test_another_name_is_another_machine(hostname: str | None, server: str) -> None:
    assert not runs_server(vm(hostname), server)


@pytest.mark.parametrize(
    ("address", "server", "peers"),
    [
        ("10.0.0.1", "10.0.0.1", []),
        ("10.0.0.1", "vc.example.com", ["10.0.0.1"]),
        ("fe80::1%eth0", "fe80:0::1", []),
        ("2001:DB8::1", "vc", ["2001:db8:0::1"]),
    ],
)
def test_a_server_is_known_by_its_address(address: str, server: str, peers: list[str]) -> None:
    assert runs_server(vm("other", "192.168.0.9", address), server, peers)


def test_another_address_is_another_machine() -> None:
    assert not runs_server(vm("other", "10.0.0.2"), "10.0.0.1", ["10.0.0.3"])
    assert not runs_server(vm("other"), "10.0.0.1", ["10.0.0.3"])
