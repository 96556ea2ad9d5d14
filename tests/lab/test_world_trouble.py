"""World files that describe hardware, guests, failover, time and what goes wrong when."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
import yaml

from chaosvm.errors import InvalidValue
from chaosvm.lab import Guest, State, load
from chaosvm.lab.simulation import (
    Allocation,
    EventKind,
    HighAvailability,
    Limits,
    ResourceScheduling,
    Service,
)

SHOP = """
    speed: 60
    clock_offset: -90
    event_retention: 600
    datacenters:
      berlin:
        clusters:
          prod:
            ha: {failover_hosts: [esx-03], failures: 2}
            drs: partiallyAutomated
            hosts: [esx-01, {name: esx-02, power_management: true}, esx-03]
          test: {ha: true, drs: true, hosts: [{name: esx-04, maintenance: true}, esx-05]}
    vms:
      - name: web-01
        cluster: prod
        restart_priority: high
        guest:
          slow: 5
          agent_after: 20
          programs: [/stop]
          ports: {22: tcp, 8080: {status: 503, body: wait}}
        nics: [{network: DMZ}, {connected: false}]
        disks: [{size_gb: 40}, {name: data}]
        limits: {cpu: {limit: 500}, memory: {reservation: 256}}
        snapshots: [{name: before, memory: true}]
    outages:
      - {after: 30, host: esx-01, what: is_lost, back_after: 120}
      - {after: 10, vm: web-01, what: hangs}
"""


def read(text: str) -> Any:
    return yaml.safe_load(textwrap.dedent(text))


def test_what_a_file_may_say() -> None:
    world = load(read(SHOP)).world
    assert (world.speed, world.clock_offset, world.event_retention) == (60, -90, 600)
    prod, test = world.clusters
    assert prod.ha == HighAvailability(enabled=True, failures=2, failover_hosts=("esx-03",))
    assert prod.drs == ResourceScheduling(enabled=True, automation="partiallyAutomated")
    assert (test.ha, test.drs) == (HighAvailability(enabled=True), ResourceScheduling(enabled=True))
    assert [(each.power_management, each.status) for each in world.hosts] == [
        (False, "up"),
        (True, "up"),
        (False, "up"),
        (False, "maintenance"),
        (False, "up"),
    ]
    vm = world.vm("web-01")
    assert vm.guest == Guest(
        seconds=5,
        agent_after=20,
        services=(Service(22), Service(8080, http=True, status=503, body="wait")),
        programs=("/stop",),
    )
    assert [(nic.network, nic.connected, nic.key) for nic in vm.nics] == [
        ("DMZ", True, 4000),
        ("VM Network", False, 4001),
    ]
    assert [(disk.name, disk.size_bytes // 2**30, disk.bootable) for disk in vm.disks] == [
        ("web-01_Disk1", 40, True),
        ("data", 16, False),
    ]
    assert vm.limits == Limits(Allocation(limit=500), Allocation(reservation=256))
    assert [(each.name, each.memory) for each in vm.snapshots] == [("before", True)]
    assert (vm.restart_priority, vm.busy_until) == ("high", 0)


def test_it_happens_when_the_file_says() -> None:
    data = read(SHOP) | {"speed": 5000, "durations": {"host_missed": 30, "host_given_up": 30}}
    data["event_retention"] = 10**6
    data["outages"][0]["after"] = 0
    world = load(data).world
    first = world.hosts[0]
    kinds: set[EventKind] = set()
    while EventKind.HOST_BACK not in kinds:
        kinds = {event.kind for event in world.events if event.host_id == first.id}
    assert EventKind.HOST_LOST in kinds
    assert world.outages.find(first.id).status == "up"
    assert (world.vm("web-01").hung, world.vm("web-01").state) == (True, State.RUNNING)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("vms: [{name: a, guest: {slow: 5, ignores: 3}}]", "vms[0].guest"),
        ("vms: [{name: a, guest: {slow: soon}}]", "vms[0].guest.slow is 'soon'"),
        ("vms: [{name: a, guest: {agentafter: 5}}]", "did you mean 'agent_after'?"),
        ("vms: [{name: a, guest: {ports: {99999: tcp}}}]", "vms[0].guest.ports is 99999"),
        ("vms: [{name: a, guest: {ports: {80: https}}}]", "did you mean 'http'?"),
        ("vms: [{name: a, guest: {ports: {80: {status: 99}}}}]", "ports.80.status is 99"),
        ("vms: [{name: a, nics: [{netwrk: x}]}]", "did you mean 'network'?"),
        ("vms: [{name: a, disks: [{size_gb: 0}]}]", "vms[0].disks[0].size_gb is 0"),
        ("vms: [{name: a, limits: {cpus: {}}}]", "did you mean 'cpu'?"),
        ("vms: [{name: a, restart_priority: hihg}]", "did you mean 'high'?"),
        ("datacenters: {a: {clusters: {b: {ha: yep}}}}", "datacenters.a.clusters.b.ha"),
        ("datacenters: {a: {clusters: {b: {drs: manuel}}}}", "did you mean 'manual'?"),
        ("datacenters: {a: {hosts: [{name: h, maintenance: 3}]}}", "hosts[0].maintenance is 3"),
        ("speed: 0", "speed is 0"),
        ("event_retention: -1", "event_retention is -1"),
        ("clock_offset: soon", "clock_offset is 'soon'"),
        ("outages: [{after: 5}]", "needs a host or a vm"),
        ("outages: [{host: esx-01}]", "outages[0].host is 'esx-01', which does not exist"),
        (
            "{vms: [{name: web-01}], outages: [{vm: web-1}]}",
            "outages[0].vm is 'web-1', which does not exist (did you mean 'web-01'?)",
        ),
        ("outages: [{vm: a, what: is_lost}]", "outages[0].what is 'is_lost'"),
        ("outages: [{vm: a, what: crshes}]", "did you mean 'crashes'?"),
        ("outages: [{vm: a, back_after: 5}]", "outages[0].back_after is only for hosts"),
    ],
)
def test_what_is_wrong_is_named(changed: str, said: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        load(read(changed))
    assert said in str(raised.value)
