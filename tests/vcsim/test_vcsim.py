"""The behaviour of the simulated vCenter that other tests rely on. Build it with `make vcsim`."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import time
import xml.parsers.expat
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

from tests.vcsim import Vcsim, VcsimError, rule
from tests.vcsim.estate import Estate

NAME = "DC0_H0_VM0"
CA = trustme.CA()


@pytest.fixture
def vcsim() -> Iterator[Vcsim]:
    with Vcsim.start(clusters=0, ca=CA) as running:
        yield running


@pytest.fixture
def estate(vcsim: Vcsim) -> Iterator[Estate]:
    with Estate(vcsim) as admin:
        yield admin


@pytest.fixture
def client(vcsim: Vcsim) -> Iterator[Any]:
    yield from connected(vcsim)


def connected(vcsim: Vcsim) -> Iterator[Any]:
    instance = connect(vcsim)
    used: list[Any] = []
    lend = instance._stub.GetConnection

    def lend_and_note() -> Any:
        used.append(lend())
        return used[-1]

    instance._stub.GetConnection = lend_and_note
    yield instance
    with suppress(OSError, vmodl.RuntimeFault, http.client.HTTPException):
        Disconnect(instance)  # the test may have ended its session or its simulator
    for connection in used:  # pyvmomi 8 leaves those open on which a request failed
        connection.close()


def connect(vcsim: Vcsim, host: str = "") -> Any:
    return SmartConnect(
        host=host or vcsim.host,
        port=vcsim.port,
        user=vcsim.username,
        pwd=vcsim.password,
        sslContext=ssl.create_default_context(cafile=vcsim.ca_file),
        httpConnectionTimeout=60,
    )


def mine(client: Any, estate: Estate, name: str = NAME) -> Any:
    """The client's object for a VM."""
    return vim.VirtualMachine(estate.moid(name), client._stub)


def read(client: Any, moid: str) -> Any:
    """One RetrievePropertiesEx for the name of a VM."""
    collector = vmodl.query.PropertyCollector
    spec = collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=vim.VirtualMachine(moid, client._stub))],
        propSet=[collector.PropertySpec(type=vim.VirtualMachine, pathSet=["name"])],
    )
    service = collector("propertyCollector", client._stub)
    return service.RetrievePropertiesEx([spec], collector.RetrieveOptions())


def until(condition: Callable[[], bool], within: float = 60.0) -> float:
    """Seconds until the condition was met."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < within, "it did not happen"
        time.sleep(0.01)
    return time.monotonic() - start


def done(task: Any) -> Any:
    until(lambda: task.info.state in ("success", "error"))
    return task.info


# Starting and stopping


def test_starts_quickly_and_stops_without_a_trace() -> None:
    start = time.monotonic()
    vcsim = Vcsim.start(ca=CA)
    home = Path(vcsim.ca_file).parent
    vcsim.stop()
    assert time.monotonic() - start < 30
    assert not vcsim.alive
    assert not home.exists()
    vcsim.stop()


def test_a_dead_parent_leaves_no_orphan(vcsim: Vcsim) -> None:
    assert vcsim._process.stdin is not None
    vcsim._process.stdin.close()
    assert vcsim._process.wait(timeout=60) == 0


def test_it_ends_on_a_signal(vcsim: Vcsim) -> None:
    os.kill(vcsim._process.pid, signal.SIGTERM)
    assert vcsim._process.wait(timeout=60) == 0


def test_the_password_is_in_no_process_list(vcsim: Vcsim) -> None:
    arguments = Path(f"/proc/{vcsim._process.pid}/cmdline").read_text()
    assert "-cert" in arguments
    assert vcsim.password not in arguments


def test_a_start_that_fails_says_why() -> None:
    with pytest.raises(VcsimError, match=r"log ends.*invalid value"):
        Vcsim.start(ca=CA, datacenters="many")  # type: ignore[arg-type]


def test_a_start_has_a_deadline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr("tests.vcsim.build", lambda: sleeper)
    with pytest.raises(VcsimError, match=r"not ready within 0\.2 s"):
        Vcsim.start(ca=CA, ready_within=0.2)


def test_an_unbuilt_simulator_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tests.vcsim.ROOT", tmp_path)
    with pytest.raises(VcsimError, match="make vcsim"):
        Vcsim.start(ca=CA)


def test_environment_is_what_a_client_needs(vcsim: Vcsim) -> None:
    environment = vcsim.environment()
    assert environment["VSPHERE_SERVER"] == "127.0.0.1"
    assert environment["VSPHERE_PORT"] == str(vcsim.port)
    assert Path(environment["VSPHERE_CA_FILE"]).is_file()
    assert set(environment) >= {"VSPHERE_USERNAME", "VSPHERE_PASSWORD"}


# Login and TLS


def test_login_is_checked(vcsim: Vcsim, client: Any) -> None:
    manager = client.content.sessionManager
    manager.Logout()
    with pytest.raises(vim.fault.InvalidLogin):
        manager.Login(vcsim.username, "wrong")
    assert vcsim.sessions()["logins"] == 1


def test_the_certificate_is_for_the_names_asked_for() -> None:
    with (
        Vcsim.start(clusters=0, ca=CA, names=["vcenter.example"]) as vcsim,
        pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"),
    ):
        connect(vcsim)


def test_the_certificate_is_from_its_own_authority(vcsim: Vcsim) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"https://127.0.0.1:{vcsim.port}/sdk", timeout=60)
    Disconnect(connect(vcsim, host="localhost"))


# Counters


def test_requests_are_counted_by_method(vcsim: Vcsim, client: Any, estate: Estate) -> None:
    vcsim.reset_requests()
    assert vcsim.requests() == {"total": 0, "connections": 0, "methods": {}}
    moid = estate.moid(NAME)
    read(client, moid)
    read(client, moid)
    client.CurrentTime()
    assert vcsim.requests()["methods"] == {"RetrievePropertiesEx": 2, "CurrentTime": 1}
    assert vcsim.requests()["total"] == 3


def test_connections_are_counted(vcsim: Vcsim) -> None:
    vcsim.reset_requests()
    for _ in range(3):
        with closing(socket.create_connection((vcsim.host, vcsim.port))):
            pass
    until(lambda: vcsim.requests()["connections"] == 3)


def test_what_the_administrator_does_is_not_counted(vcsim: Vcsim, estate: Estate) -> None:
    vcsim.rules(rule("*", "status", code=503))
    assert estate.power_state(NAME) == "poweredOn"
    assert vcsim.requests()["total"] == 0


def test_sessions_are_counted(vcsim: Vcsim) -> None:
    instance = connect(vcsim)
    assert vcsim.sessions() == {"logins": 1, "logouts": 0, "rest_logins": 0, "rest_logouts": 0}
    Disconnect(instance)
    assert vcsim.sessions()["logouts"] == 1


# Sessions and connections


def test_an_expired_session_reads_nothing_and_may_do_nothing(
    vcsim: Vcsim, client: Any, estate: Estate
) -> None:
    vcsim.expire_sessions()
    answer = read(client, estate.moid(NAME))
    assert [type(each.fault) for each in answer.objects[0].missingSet] == [
        vim.fault.NotAuthenticated
    ]
    assert not answer.objects[0].propSet
    vcsim.rules(rule("PowerOffVM_Task", "slow_task", seconds=9))
    for verb in ("PowerOffVM_Task", "ShutdownGuest", "PowerOnVM_Task"):
        with pytest.raises(vim.fault.NotAuthenticated):
            getattr(mine(client, estate), verb)()
    assert estate.power_state(NAME) == "poweredOn"


def test_a_client_can_log_in_again_on_the_same_stub(
    vcsim: Vcsim, client: Any, estate: Estate
) -> None:
    vcsim.expire_sessions()
    client.content.sessionManager.Login(vcsim.username, vcsim.password)
    assert read(client, estate.moid(NAME)).objects[0].propSet[0].val == NAME


def test_dropped_connections(vcsim: Vcsim, client: Any) -> None:
    client.CurrentTime()
    vcsim.drop_connections()
    with pytest.raises((OSError, http.client.HTTPException)):
        client.CurrentTime()
    client.CurrentTime()


# Rules


def test_rules_are_checked(vcsim: Vcsim) -> None:
    for wrong in (
        {"method": "Login", "action": "explode"},
        {"method": "Login", "action": "fault", "fault": "Nonsense"},
        {"method": "Login", "action": "fault", "fault": "VirtualMachine"},
        {"method": "Login", "action": "delay", "second": 3},
        {"method": "Login", "action": "slow_task"},
        {"method": "Login", "action": "guest_after"},
        {"method": "Login", "action": "status"},
        {"action": "delay"},
    ):
        with pytest.raises(VcsimError):
            vcsim.rules(wrong)
    assert vcsim.applied() == []


def test_skip_times_and_order(vcsim: Vcsim, client: Any, estate: Estate) -> None:
    vcsim.rules(
        rule("RetrievePropertiesEx", "fault", fault="InvalidState", skip=1, times=1),
        rule("Retrieve*", "fault", fault="QuestionPending", times=1),
    )
    moid = estate.moid(NAME)
    seen: list[str] = []
    for _ in range(3):
        try:
            read(client, moid)
            seen.append("ok")
        except vim.fault.VimFault as fault:
            seen.append(type(fault).__name__.rpartition(".")[2])
    assert seen == ["QuestionPending", "InvalidState", "ok"]
    assert vcsim.applied() == [1, 1]


@pytest.mark.parametrize("by", ["name", "moid"])
def test_a_rule_for_one_vm(vcsim: Vcsim, client: Any, estate: Estate, by: str) -> None:
    vm = NAME if by == "name" else estate.moid(NAME)
    vcsim.rules(rule("*", "fault", vm=vm, fault="TaskInProgress"))
    with pytest.raises(vim.fault.TaskInProgress):
        mine(client, estate).PowerOffVM_Task()
    with pytest.raises(vim.fault.TaskInProgress):
        read(client, estate.moid(NAME))
    assert done(mine(client, estate, "DC0_H0_VM1").PowerOffVM_Task()).state == "success"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("TaskInProgress", vim.fault.TaskInProgress),
        ("ToolsUnavailable", vim.fault.ToolsUnavailable),
        ("NotAuthenticated", vim.fault.NotAuthenticated),
        ("NoPermission", vim.fault.NoPermission),
        ("ManagedObjectNotFound", vmodl.fault.ManagedObjectNotFound),
        ("InvalidState", vim.fault.InvalidState),
        ("QuestionPending", vim.fault.QuestionPending),
        ("NotSupported", vmodl.fault.NotSupported),
        ("InsufficientResourcesFault", vim.fault.InsufficientResourcesFault),
    ],
)
def test_faults(vcsim: Vcsim, client: Any, estate: Estate, name: str, kind: Any) -> None:
    vcsim.rules(rule("ShutdownGuest", "fault", fault=name, message='no <way> & "out"'))
    with pytest.raises(kind) as caught:
        mine(client, estate).ShutdownGuest()
    assert type(caught.value) is kind
    assert caught.value.msg == 'no <way> & "out"'


def test_an_invalid_power_state_tells_the_states(vcsim: Vcsim, client: Any, estate: Estate) -> None:
    vcsim.rules(
        rule(
            "ShutdownGuest",
            "fault",
            fault="InvalidPowerState",
            requested="poweredOff",
            existing="suspended",
            times=1,
        ),
        rule("ShutdownGuest", "fault", fault="InvalidPowerState", requested="poweredOff"),
    )
    existing = []
    for _ in range(2):
        with pytest.raises(vim.fault.InvalidPowerState) as caught:
            mine(client, estate).ShutdownGuest()
        existing.append(caught.value.existingState)
    assert existing == ["suspended", "poweredOn"]


def test_delay(vcsim: Vcsim, client: Any) -> None:
    vcsim.rules(rule("CurrentTime", "delay", seconds=0.2))
    start = time.monotonic()
    client.CurrentTime()
    assert time.monotonic() - start >= 0.2


def test_delay_of_every_call() -> None:
    with Vcsim.start(clusters=0, ca=CA, delay_ms=100) as vcsim:
        for client in connected(vcsim):
            start = time.monotonic()
            client.CurrentTime()
            assert time.monotonic() - start >= 0.1


def test_ignore(vcsim: Vcsim, client: Any, estate: Estate) -> None:
    vcsim.rules(rule("*Guest", "ignore"), rule("ShutdownGuest", "ignore"))
    mine(client, estate).ShutdownGuest()
    assert estate.power_state(NAME) == "poweredOn"


def test_empty_inventory(vcsim: Vcsim, client: Any, estate: Estate) -> None:
    vcsim.rules(rule("RetrievePropertiesEx", "empty"))
    assert read(client, estate.moid(NAME)) is None


# Guests


def test_guest_shutdown_at_once_and_later(vcsim: Vcsim, client: Any, estate: Estate) -> None:
    mine(client, estate).ShutdownGuest()
    assert estate.power_state(NAME) == "poweredOff"
    vcsim.rules(rule("ShutdownGuest", "guest_after", seconds=1))
    mine(client, estate, "DC0_H0_VM1").ShutdownGuest()
    assert estate.power_state("DC0_H0_VM1") == "poweredOn"
    assert until(lambda: estate.power_state("DC0_H0_VM1") == "poweredOff") > 0.1


@pytest.mark.parametrize("rules", [[], [rule("RebootGuest", "guest_after", seconds=1)]])
def test_guest_reboot_shows_in_tools(
    vcsim: Vcsim, client: Any, estate: Estate, rules: list[dict[str, Any]]
) -> None:
    vcsim.rules(*rules)
    mine(client, estate).RebootGuest()
    if rules:  # otherwise it may be over already
        assert estate.get(NAME, "guest.toolsRunningStatus") == "guestToolsNotRunning"
    until(lambda: bool(estate.get(NAME, "guest.toolsRunningStatus") == "guestToolsRunning"))
    assert estate.power_state(NAME) == "poweredOn"


def test_guest_standby(client: Any, estate: Estate) -> None:
    mine(client, estate).StandbyGuest()
    assert estate.power_state(NAME) == "suspended"


def test_guest_verbs_need_tools_and_power(client: Any, estate: Estate) -> None:
    estate.set_guest(NAME, tools_running=False)
    for verb in ("ShutdownGuest", "RebootGuest", "StandbyGuest"):
        with pytest.raises(vim.fault.ToolsUnavailable):
            getattr(mine(client, estate), verb)()
    estate.suspend(NAME)
    for verb in ("ShutdownGuest", "RebootGuest", "StandbyGuest"):
        with pytest.raises(vim.fault.InvalidPowerState) as caught:
            getattr(mine(client, estate), verb)()
        assert caught.value.existingState == "suspended"


def test_tools_follow_the_power(estate: Estate) -> None:
    def tools() -> object:
        return estate.get(NAME, "guest.toolsRunningStatus")

    assert tools() == "guestToolsRunning"
    estate.power_off(NAME)
    assert tools() == "guestToolsNotRunning"
    estate.power_on(NAME)
    assert tools() == "guestToolsRunning"
    estate.set_guest(NAME, tools_installed=False)
    estate.power_off(NAME)
    estate.power_on(NAME)
    assert tools() == "guestToolsNotRunning"


# Tasks


def test_power_verbs_need_a_vm_that_is_on(client: Any, estate: Estate) -> None:
    vm = mine(client, estate)
    estate.suspend(NAME)
    for verb in ("PowerOffVM_Task", "SuspendVM_Task", "ResetVM_Task"):
        error = done(getattr(vm, verb)()).error
        assert isinstance(error, vim.fault.InvalidPowerState)
        assert error.existingState == "suspended"
    assert done(vm.PowerOnVM_Task()).state == "success"
    assert done(vm.ResetVM_Task()).state == "success"


def test_slow_task(vcsim: Vcsim, client: Any, estate: Estate) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "slow_task", seconds=4))
    vm = mine(client, estate)
    task = vm.PowerOffVM_Task()
    assert (task.info.state, task.info.entityName) == ("running", NAME)
    assert [each._moId for each in vm.recentTask] == [task._moId]
    assert estate.power_state(NAME) == "poweredOn"
    late = vm.PowerOffVM_Task()
    # In this order, unless the machine stood still until both were due.
    ended = {info.state: info for info in (done(task), done(late))}
    assert estate.power_state(NAME) == "poweredOff"
    assert ended.keys() == {"success", "error"}
    assert isinstance(ended["error"].error, vim.fault.InvalidPowerState)


def test_slow_tasks_by_default() -> None:
    with Vcsim.start(clusters=0, ca=CA, task_seconds=3) as vcsim, Estate(vcsim) as estate:
        for client in connected(vcsim):
            task = mine(client, estate).SuspendVM_Task()
            assert task.info.state == "running"
            assert done(task).state == "success"
            assert estate.power_state(NAME) == "suspended"


def test_a_slow_task_is_pushed_to_who_waits_for_it(
    vcsim: Vcsim, client: Any, estate: Estate
) -> None:
    vcsim.rules(rule("ResetVM_Task", "slow_task", seconds=3))
    task = mine(client, estate).ResetVM_Task()
    query = vmodl.query.PropertyCollector
    collector = client.content.propertyCollector.CreatePropertyCollector()
    spec = query.FilterSpec(
        objectSet=[query.ObjectSpec(obj=task)],
        propSet=[query.PropertySpec(type=vim.Task, pathSet=["info.state"])],
    )
    collector.CreateFilter(spec, True)
    version = ""
    states: list[str] = []
    while "success" not in states:
        update = collector.WaitForUpdatesEx(version, query.WaitOptions(maxWaitSeconds=60))
        assert update is not None, states
        version = update.version
        for filtered in update.filterSet:
            for changed in filtered.objectSet:
                states += [
                    str(change.val) for change in changed.changeSet if change.name == "info.state"
                ]
    assert states == ["running", "success"]


def test_many_slow_tasks_at_once() -> None:
    with Vcsim.start(clusters=0, ca=CA, vms=60) as vcsim, Estate(vcsim) as estate:
        vcsim.rules(rule("PowerOffVM_Task", "slow_task", seconds=0.3))
        for client in connected(vcsim):
            vms = [
                vim.VirtualMachine(each._moId, client._stub)
                for each, _ in estate.all(vim.VirtualMachine, "name")
            ]
            for vm in vms:
                vm.PowerOffVM_Task()
            until(lambda: set(estate.power_states().values()) == {"poweredOff"})
        assert vcsim.alive


def test_stuck_task(vcsim: Vcsim, client: Any, estate: Estate) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "stuck_task"))
    task = mine(client, estate).PowerOffVM_Task()
    time.sleep(0.1)
    assert task.info.state == "running"
    assert estate.power_state(NAME) == "poweredOn"


def test_failed_task(vcsim: Vcsim, client: Any, estate: Estate) -> None:
    vcsim.rules(
        rule(
            "PowerOffVM_Task", "failed_task", fault="InvalidState", message="not today", seconds=0.1
        )
    )
    info = done(mine(client, estate).PowerOffVM_Task())
    assert type(info.error) is vim.fault.InvalidState
    assert info.error.msg == "not today"
    assert estate.power_state(NAME) == "poweredOn"


# Broken responses


@pytest.mark.parametrize(
    ("action", "state"), [("drop_before", "poweredOn"), ("drop_after", "poweredOff")]
)
def test_dropped_before_or_after(
    vcsim: Vcsim, client: Any, estate: Estate, action: str, state: str
) -> None:
    vcsim.rules(rule("PowerOffVM_Task", action))
    with pytest.raises((http.client.HTTPException, OSError)):
        mine(client, estate).PowerOffVM_Task()
    assert estate.power_state(NAME) == state


def test_silent(vcsim: Vcsim) -> None:
    vcsim.rules(rule("GET /sdk/*", "silent"))
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(versions(vcsim), verify=vcsim.ca_file, timeout=0.2)


def test_cut(vcsim: Vcsim) -> None:
    vcsim.rules(rule("GET /sdk/*", "cut"))
    with pytest.raises(
        (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)
    ):
        requests.get(versions(vcsim), verify=vcsim.ca_file, timeout=60)


def test_drip(vcsim: Vcsim) -> None:
    vcsim.rules(rule("GET /sdk/*", "drip", seconds=0.001))
    with requests.get(versions(vcsim), verify=vcsim.ca_file, timeout=60, stream=True) as answer:
        start = time.monotonic()
        assert len(answer.content) > 100
        assert time.monotonic() - start > 0.1


@pytest.mark.parametrize(("action", "code"), [("html", 200), ("status", 503)])
def test_pages(vcsim: Vcsim, client: Any, action: str, code: int) -> None:
    vcsim.rules(rule("*", action, code=code))
    answer = requests.get(versions(vcsim), verify=vcsim.ca_file, timeout=60)
    assert answer.status_code == code
    assert answer.headers["Content-Type"].startswith("text/html")
    with pytest.raises((xml.parsers.expat.ExpatError, http.client.HTTPException)):
        client.CurrentTime()


def versions(vcsim: Vcsim) -> str:
    return f"https://127.0.0.1:{vcsim.port}/sdk/vimServiceVersions.xml"


# The estate


def test_folders_and_duplicate_names(estate: Estate) -> None:
    one = estate.create_vm("twin", "/DC0/vm/web/prod")
    other = estate.create_vm("twin", "/DC0/vm/web/test", power_on=False)
    assert (estate.power_state(one), estate.power_state(other)) == ("poweredOn", "poweredOff")
    assert estate.vm("/DC0/vm/web/test/twin") == other
    for name in ("twin", "nobody", "/DC0/vm/nobody"):
        with pytest.raises(LookupError):
            estate.vm(name)


@pytest.mark.parametrize(
    "name", ["a/b", "a%2fb", "50%", 'it\'s "so"', "ünïcode-虚拟机", "<&>", " a ", "*[x]?", "n" * 80]
)
def test_any_name_will_do(estate: Estate, name: str) -> None:
    vm = estate.create_vm(name)
    assert estate.vm(name) == vm
    estate.rename(vm, "plain")
    assert estate.vm("plain") == vm
    estate.rename(vm, name)
    assert estate.get(vm, "config.name") == name
    estate.destroy(vm)
    with pytest.raises(LookupError):
        estate.vm(name)


def test_guest_facts(estate: Estate) -> None:
    estate.set_guest(NAME, hostname="web.example", ip="10.1.2.3")
    assert estate.get(NAME, "guest.hostName") == "web.example"
    assert estate.get(NAME, "guest.ipAddress") == "10.1.2.3"
    assert estate.get(NAME, "guest.toolsRunningStatus") == "guestToolsRunning"


def test_marks(estate: Estate) -> None:
    estate.set_managed_by(NAME, "com.vmware.vim.eam")
    assert estate.get(NAME, "config.managedBy").extensionKey == "com.vmware.vim.eam"
    estate.set_custom_attribute(NAME, "owner", "me")
    assert [value.value for value in estate.get(NAME, "customValue")] == ["me"]
    estate.set_question(NAME, "I moved it or I copied it?")
    assert estate.get(NAME, "runtime.question").text == "I moved it or I copied it?"
    estate.set(NAME, **{"runtime.question": None})
    assert estate.get(NAME, "runtime.question") is None
    estate.mark_template(NAME)
    assert estate.get(NAME, "config.template") is True


def test_hosts_and_clusters() -> None:
    with Vcsim.start(ca=CA) as vcsim, Estate(vcsim) as estate:
        assert estate.create_vm("a", host="DC0_C0_H1").runtime.host.name == "DC0_C0_H1"
        assert estate.create_vm("b", cluster="DC0_C0").runtime.host.parent.name == "DC0_C0"
        assert estate.create_vm("c", host="DC0_H0").runtime.host.name == "DC0_H0"


def test_second_datacenter_in_a_folder() -> None:
    with Vcsim.start(ca=CA, clusters=0, datacenters=2, folders=1) as vcsim, Estate(vcsim) as estate:
        assert estate.create_vm("far", "/F0/DC1/vm/F0").runtime.host.name == "DC1_H0"
        assert estate.vm("/F0/DC1/vm/F0/far") == estate.vm("far")


def test_vapps() -> None:
    with Vcsim.start(ca=CA, apps=1, standalone_hosts=0) as vcsim, Estate(vcsim) as estate:
        estate.create_vapp("shop")
        estate.create_vm("till", app="shop")
        for name, app in (("DC0_C0_APP0_VM0", "DC0_C0_APP0"), ("till", "shop")):
            vm = estate.vm(name)
            assert vm.parent is None
            assert vm.parentVApp.name == app
            assert vm.parentVApp.parentFolder.name == "vm"
            assert vm.parentVApp in vm.parentVApp.parentFolder.childEntity
            assert vm not in vm.parentVApp.parentFolder.childEntity
            estate.power_off(vm)
            estate.destroy(vm)


def test_tags_over_rest(vcsim: Vcsim, estate: Estate) -> None:
    first = estate.tag(NAME, "env", "prod")
    assert estate.tag("DC0_H0_VM1", "env", "prod") == first
    assert estate.tag(NAME, "env", "test") != first
    base = f"https://127.0.0.1:{vcsim.port}/rest/com/vmware/cis"
    with requests.Session() as session:
        session.trust_env, session.verify = False, vcsim.ca_file
        assert (
            session.post(f"{base}/session", auth=(vcsim.username, "wrong"), timeout=60).status_code
            == 401
        )
        assert (
            session.post(
                f"{base}/session", auth=(vcsim.username, vcsim.password), timeout=60
            ).status_code
            == 200
        )
        attached = session.post(
            f"{base}/tagging/tag-association/id:{first}?~action=list-attached-objects",
            json={},
            timeout=60,
        )
        assert {each["id"] for each in attached.json()["value"]} == {
            estate.moid(NAME),
            estate.moid("DC0_H0_VM1"),
        }
        vcsim.expire_sessions()
        assert session.get(f"{base}/tagging/tag", timeout=60).status_code == 401
    assert vcsim.requests()["methods"]["POST /rest/com/vmware/cis/session"] == 2
    assert vcsim.sessions()["rest_logins"] == 1


def test_without_rest() -> None:
    with Vcsim.start(ca=CA, clusters=0, vapi=False) as vcsim:
        answer = requests.get(
            f"https://127.0.0.1:{vcsim.port}/rest/x", verify=vcsim.ca_file, timeout=60
        )
        assert answer.status_code == 404


def test_looking_up_costs_the_same_for_many_vms(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = []
    for vms in (2, 50):
        with Vcsim.start(ca=CA, clusters=0, vms=vms) as vcsim, Estate(vcsim) as estate:
            calls: list[str] = []
            stub = estate._instance._stub
            invoke = stub.InvokeMethod

            def counted(
                this: Any, info: Any, args: Any, calls: list[str] = calls, invoke: Any = invoke
            ) -> Any:
                calls.append(info.name)
                return invoke(this, info, args)

            monkeypatch.setattr(stub, "InvokeMethod", counted)
            assert estate.power_state(f"DC0_H0_VM{vms - 1}") == "poweredOn"
            assert len(estate.power_states()) == vms
            spent.append(len(calls))
    assert spent[0] == spent[1] < 15


def test_a_property_that_is_not_set_can_be_fetched(client: Any, estate: Estate) -> None:
    assert mine(client, estate).snapshot is None


def test_the_binary_refuses_to_start_without_a_certificate() -> None:
    from tests.vcsim import build

    ended = subprocess.run(
        [str(build())], stdin=subprocess.DEVNULL, capture_output=True, timeout=60
    )
    assert ended.returncode == 1
