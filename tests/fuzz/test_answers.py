"""Whatever a server answers: an error of ours, or none, and no request about any other VM."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from chaosvm.dora.client import DoraClient
from chaosvm.errors import ChaosVMError
from chaosvm.lab import Lab, Machine, State, World
from chaosvm.ledger import ledger as ledgers
from chaosvm.olvm import OLVMPlatform
from chaosvm.service import VMService
from chaosvm.settings import Safety
from chaosvm.vsphere import VSpherePlatform
from tests.fuzz.proxy import Proxy, spoilt, standing_between
from tests.registry import ACTING as PLATFORMS

pytestmark = pytest.mark.timeout(3_600)

# What an answer that was spoilt may take: the time of the call, and a slow machine.
LONGEST = 0.6
GRACE = 30.0
# As many as a call of these makes, and some that are never reached.
ANSWERS = st.integers(0, 12)
SEEDS = st.integers(0, 2**32)

Call = Callable[[VMService], Any]
READING: dict[str, Call] = {
    "list_vms": lambda platform: [vm.to_json() for vm in platform.list_vms()],
    "by_name": lambda platform: platform.get_vm("web-1").to_json(),
    "by_tag": lambda platform: [vm.to_json() for vm in platform.list_vms({"tag": "web"})],
    "summary": lambda platform: platform.inventory_summary(),
    "plan": lambda platform: platform.plan("power_off", {"name": "web-*"}).to_json(),
}
ACTING: dict[str, Call] = {
    "power_off": lambda platform: platform.power_off("web-1", False, LONGEST).to_json(),
    "shutdown": lambda platform: platform.power_off("web-1", True, LONGEST).to_json(),
    "reboot": lambda platform: platform.reboot("web-1", False, LONGEST).to_json(),
    "batch": lambda platform: platform.batch_power_off(
        {"name": "web-*"}, 10, False, LONGEST
    ).to_json(),
}


class Estate:
    """Two VMs that may be touched, and two that may not."""

    def __init__(self) -> None:
        self.world = World()
        self.machines: list[Machine] = [
            self.world.add_vm(name, tags=("web",)) for name in ("web-1", "web-2")
        ]
        self.others = {
            self.world.add_vm("db-1").id,
            self.world.add_vm("web-3", tags=("chaosvm-protect",)).id,
        }
        self.world.durations = self.world.durations.times(0.01)

    def mend(self) -> None:
        with self.world.present():
            for machine in self.machines:
                self.world.put(machine)

    def check(self) -> None:
        others = [vm for vm in self.world.vms if vm.id in self.others]
        assert [(vm.state, vm.stopped_at) for vm in others] == [(State.RUNNING, None)] * 2


@pytest.fixture(scope="module", params=PLATFORMS)
def between(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Estate, Proxy, Callable[[], VMService]]]:
    estate, ca = Estate(), trustme.CA()
    ca_file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(ca_file)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(tls)
    with ExitStack() as opened:
        lab = opened.enter_context(Lab(estate.world, platforms=[request.param]))
        upstream = ssl.create_default_context(cafile=lab.ca_file)
        host, port = next(iter(lab.addresses))
        proxy = opened.enter_context(standing_between(host, port, tls, upstream))
        yield estate, proxy, _maker(request.param, lab, proxy.port, ca_file)


def _maker(name: str, lab: Lab, port: int, ca_file: Path) -> Callable[[], VMService]:
    common = {"ca_file": str(ca_file), "timeout": LONGEST, "safety": Safety()}
    account = {"username": lab.username, "password": lab.password}
    if name == "vsphere":
        return lambda: VSpherePlatform("127.0.0.1", port=port, **account, **common)
    url = f"https://127.0.0.1:{port}/ovirt-engine/api"
    return lambda: OLVMPlatform(url, **account, **common)


def attempt(call: Callable[[], Any]) -> None:
    begins = time.monotonic()
    try:
        json.dumps(call(), ensure_ascii=False).encode()
    except ChaosVMError as error:
        str(error).encode()
    assert time.monotonic() - begins < LONGEST + GRACE


@pytest.mark.parametrize("call", [*READING, *ACTING])
def test_answers_of_a_platform(
    between: tuple[Estate, Proxy, Callable[[], VMService]], call: str
) -> None:
    estate, proxy, connect = between

    @given(ANSWERS, SEEDS)
    def try_it(which: int, seed: int) -> None:
        estate.mend()
        proxy.begin(which, spoilt(seed))
        platform = connect()
        try:
            attempt(lambda: {**READING, **ACTING}[call](platform))
        finally:
            proxy.begin(-1, spoilt(seed))
            platform.disconnect()
            ledgers.close_all()
        estate.check()

    try_it()


@pytest.mark.parametrize("call", ["list_vms", "inventory", "get_vm", "choose"])
def test_answers_of_a_dora(call: str) -> None:
    estate = Estate()
    calls: dict[str, Callable[[DoraClient], Any]] = {
        "list_vms": lambda dora: [vm.to_json() for vm in dora.list_vms("Paytv")],
        "inventory": lambda dora: dora.inventory("Paytv").to_json(),
        "get_vm": lambda dora: dora.get_vm("Paytv", "web-1").to_json(),
        "choose": lambda dora: [vm.to_json() for vm in dora.choose_vms("Paytv", {"name": "web-*"})],
    }
    with ExitStack() as opened:
        lab = opened.enter_context(Lab(estate.world, platforms=["dora"]))
        told = lab.environment()
        ports = [int(told[f"DORA_{kind}_PORT"]) for kind in ("API", "AUTH")]
        api, auth = (
            opened.enter_context(standing_between("127.0.0.1", port, None, None)) for port in ports
        )

        @given(st.integers(0, 3), st.booleans(), SEEDS)
        def try_it(which: int, at_login: bool, seed: int) -> None:
            (auth if at_login else api).begin(0 if at_login else which, spoilt(seed))
            (api if at_login else auth).begin(-1, spoilt(seed))
            dora = DoraClient(
                "127.0.0.1", lab.username, lab.password, api.port, auth.port, timeout=LONGEST
            )
            try:
                attempt(lambda: calls[call](dora))
            finally:
                dora.disconnect()

        try_it()
