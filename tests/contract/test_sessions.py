"""Logging in, staying logged in, and leaving nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from chaosvm.backend import PowerCommand
from chaosvm.errors import CertificateRejected, LoginFailed, NotInRehearsal
from chaosvm.runtime import Deadline, rehearsal
from chaosvm.service import VMService
from chaosvm.service.orders import checked_order
from tests.contract.backend import Backend, VCenter
from tests.contract.estate import Power
from tests.moments import eventually, once_sent


@pytest.mark.parametrize("wrong", [{"password": "not-this-1"}, {"username": "nobody@nowhere"}])
def test_a_wrong_account_is_refused(backend: Backend, wrong: dict[str, str]) -> None:
    before = backend.sessions()["logins"]
    with pytest.raises(LoginFailed) as caught:
        backend.platform(**wrong).list_vms()
    assert "not-this-1" not in str(caught.value)
    assert backend.sessions()["logins"] == before


def test_an_unknown_authority_is_refused(backend: Backend) -> None:
    with pytest.raises(CertificateRejected):
        backend.platform(ca_file=None).list_vms()


def test_one_login_does_for_everything(platform: VMService, backend: Backend) -> None:
    before = backend.sessions()["logins"]
    platform.list_vms()
    platform.power_off("web-01", graceful=False)
    platform.inventory_summary()
    assert backend.sessions()["logins"] == before + 1


def test_leaving_logs_out(backend: Backend) -> None:
    before = backend.sessions()
    with backend.made(timeout=20) as platform:
        platform.count_vms()
    after = backend.sessions()
    assert after["logins"] - before["logins"] == after["logouts"] - before["logouts"] == 1


def test_a_session_that_ended_is_renewed(platform: VMService, backend: Backend) -> None:
    expected = platform.count_vms()
    before = backend.sessions()["logins"]
    backend.expire_sessions()
    assert platform.count_vms() == expected
    assert backend.sessions()["logins"] == before + 1


def test_a_session_that_ends_between_look_and_request(
    platform: VMService, backend: Backend
) -> None:
    vm, deadline = platform.get_vm("web-01"), Deadline(20)
    backend.expire_sessions()
    platform.backend.send(vm, PowerCommand.POWER_OFF, checked_order("power_off", 20), deadline)
    eventually(lambda: backend.power("web-01") is Power.OFF)
    assert backend.sent()["power_off"] == 2


def test_a_session_that_ends_while_waiting(platform: VMService, backend: Backend) -> None:
    backend.guest("web-01", seconds=0.6)
    once_sent(platform, backend.expire_sessions)
    outcome = platform.power_off("web-01", timeout=60)
    assert (outcome.how.value, outcome.after.value) == ("guest", "powered_off")
    assert backend.sent() == {"shutdown": 1}


def test_dropped_connections_are_opened_again(platform: VMService, backend: Backend) -> None:
    expected = platform.count_vms()
    before = backend.sessions()["logins"]
    backend.drop_connections()
    assert platform.count_vms() == expected
    assert backend.sessions()["logins"] == before


def test_connections_that_drop_while_waiting(platform: VMService, backend: Backend) -> None:
    backend.guest("web-01", seconds=0.6)
    once_sent(platform, backend.drop_connections)
    assert platform.power_off("web-01", timeout=60).how.value == "guest"
    assert backend.sent() == {"shutdown": 1}


def test_a_platform_can_be_used_again_after_leaving(backend: Backend) -> None:
    platform = backend.platform()
    expected = platform.count_vms()
    platform.disconnect()
    assert platform.count_vms() == expected


def test_nothing_is_sent_where_a_rehearsal_does_not_lead(
    platform: VMService, backend: Backend
) -> None:
    vm, order = platform.get_vm("web-01"), checked_order("power_off", 20)
    rehearsal.begin({}, ())
    try:
        with pytest.raises(NotInRehearsal):
            platform.list_vms()
        with pytest.raises(NotInRehearsal):
            platform.backend.send(vm, PowerCommand.POWER_OFF, order, Deadline(20))
    finally:
        rehearsal.forget()
    assert backend.sent() == {}


# As plain scripts see it -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [{"password": "wrong"}, {"username": "nobody@nowhere"}, {"password": ""}], ids=str
)
def test_a_script_with_a_wrong_account(
    stranger: Any, vcenter: VCenter, wrong: dict[str, str]
) -> None:
    at = vcenter.address | wrong
    with pytest.raises(vim.fault.InvalidLogin):
        stranger.content.sessionManager.Login(at["username"], at["password"])
    with pytest.raises(vim.fault.NotAuthenticated):
        stranger.content.viewManager.CreateListView()


def test_a_stranger_is_told_what_it_is(stranger: Any) -> None:
    about = stranger.content.about
    assert (about.apiType, about.productLineId) == ("VirtualCenter", "vpx")
    with pytest.raises(vim.fault.NotAuthenticated):
        stranger.CurrentTime()


def test_a_script_sees_its_session(content: Any, vcenter: VCenter) -> None:
    manager = content.sessionManager
    current = manager.currentSession
    assert current.userName == vcenter.address["username"]
    assert current.key in [session.key for session in manager.sessionList]
    assert (current.loginTime <= current.lastActiveTime) is True
    assert manager.SessionIsActive(sessionID=current.key, userName=current.userName) is True
    assert manager.SessionIsActive(sessionID="none", userName=current.userName) is False


def test_two_sessions_see_each_other(connect: Callable[..., Any]) -> None:
    first, second = connect().content.sessionManager, connect().content.sessionManager
    keys = {first.currentSession.key, second.currentSession.key}
    assert len(keys) == 2
    assert keys <= {session.key for session in first.sessionList}
    first.TerminateSession(sessionId=[second.currentSession.key])
    assert len(keys & {session.key for session in first.sessionList}) == 1


def test_a_login_while_logged_in_is_refused(content: Any, vcenter: VCenter) -> None:
    at = vcenter.address
    with pytest.raises(vim.fault.InvalidLogin):
        content.sessionManager.Login(at["username"], at["password"])


def test_after_logout_nothing_is_told(instance: Any) -> None:
    content = instance.RetrieveContent()
    content.sessionManager.Logout()
    with pytest.raises(vim.fault.NotAuthenticated):
        content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)


def test_a_stranger_has_no_session(stranger: Any) -> None:
    assert stranger.content.sessionManager.currentSession is None


def test_an_expired_session_is_not_authenticated(
    content: Any, vcenter: VCenter, vm: Callable[[str], Any]
) -> None:
    vcenter.expire_sessions()
    with pytest.raises(vim.fault.NotAuthenticated):
        vm("web-01").PowerOffVM_Task()
    assert vcenter.power("web-01") is Power.ON


def test_an_expired_session_reads_nothing(
    content: Any, vcenter: VCenter, vm: Callable[[str], Any]
) -> None:
    collector = vmodl.query.PropertyCollector
    spec = collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=vm("web-01"))],
        propSet=[collector.PropertySpec(type=vim.VirtualMachine, pathSet=["name"])],
    )
    vcenter.expire_sessions()
    told = content.propertyCollector.RetrievePropertiesEx([spec], collector.RetrieveOptions())
    (item,) = told.objects
    assert not item.propSet
    assert isinstance(item.missingSet[0].fault, vim.fault.NotAuthenticated)


def test_a_view_ends_with_its_session(instance: Any, vcenter: VCenter) -> None:
    content = instance.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    assert len(view.view) == len(vcenter.entries)
    at = vcenter.address
    content.sessionManager.Logout()
    content.sessionManager.Login(at["username"], at["password"])
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        _ = view.view
