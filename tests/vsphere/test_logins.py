"""Refused passwords, sessions that end, and the REST session for tags."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chaosvm.errors import (
    ConnectionFailed,
    DeadlinePassed,
    GuardUnchecked,
    LoginFailed,
    OperationFailed,
    ProtocolError,
)
from chaosvm.vsphere import VSpherePlatform
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate
from tests.vsphere.conftest import CLUSTERED, STANDALONE

Connect = Callable[..., VSpherePlatform]

SESSION = "/rest/com/vmware/cis/session"
REST_LOGIN = f"POST {SESSION}"
TAGS = "POST /rest/com/vmware/cis/tagging/tag-association*"
TAG_NAMES = "GET /rest/com/vmware/cis/tagging/tag/*"
# The password was changed, and sessions with the old one were ended.
ROTATED = (
    rule("PowerOffVM_Task", "fault", fault="NotAuthenticated"),
    rule("Login", "fault", fault="InvalidLogin"),
    rule(REST_LOGIN, "status", code=401),
)


def logins(vcsim: Vcsim) -> int:
    methods = vcsim.requests()["methods"]
    return methods.get("Login", 0) + methods.get(REST_LOGIN, 0)


def test_a_password_that_was_changed_is_tried_once_by_all(connect: Connect) -> None:
    with Vcsim.start(vms=10) as twenty:
        at = {"port": twenty.port, "ca_file": twenty.ca_file, "password": twenty.password}
        platform, other = connect(**at), connect(**at)
        other.list_vms()
        assert platform.count_vms({"all": True}) == 20
        twenty.rules(*ROTATED)
        twenty.expire_sessions()
        twenty.reset_requests()
        with pytest.raises((OperationFailed, LoginFailed), match="refused user"):
            platform.batch_power_off({"all": True}, graceful=False, parallel=20)
        for each in (platform, other, connect(**at)):
            with pytest.raises(LoginFailed, match="before; not tried again"):
                each.list_vms()
        assert logins(twenty) == 1


def test_a_password_changed_in_the_middle_of_a_batch_is_tried_once(connect: Connect) -> None:
    with Vcsim.start(vms=10) as twenty:
        platform = connect(port=twenty.port, ca_file=twenty.ca_file, password=twenty.password)
        platform.list_vms()
        twenty.rules(*ROTATED)
        twenty.reset_requests()
        with pytest.raises(OperationFailed, match="refused user") as caught:
            platform.batch_power_off({"all": True}, graceful=False, parallel=20)
        assert [outcome.changed for outcome in caught.value.outcomes] == [False] * 20
        assert logins(twenty) == 1


def test_a_corrected_password_works_at_once(connect: Connect) -> None:
    with pytest.raises(LoginFailed):
        connect(password="wrong").list_vms()
    assert connect().count_vms() == 4


def test_a_refused_login_for_tags_is_not_repeated(
    connect: Connect, vcsim: Vcsim, estate: Estate
) -> None:
    vcsim.rules(rule(REST_LOGIN, "status", code=401))
    for _ in range(3):
        for platform in (connect(), connect()):
            with pytest.raises((GuardUnchecked, LoginFailed), match="refused user"):
                platform.power_off(STANDALONE)
    assert vcsim.requests()["methods"][REST_LOGIN] == 1
    assert estate.power_state(STANDALONE) == "poweredOn"


def test_a_rest_session_that_is_always_rejected_is_reported(connect: Connect, vcsim: Vcsim) -> None:
    vcsim.rules(rule(TAGS, "status", code=401))
    with pytest.raises(GuardUnchecked, match="which has the tags, rejects even a new session"):
        connect().power_off(STANDALONE)
    assert vcsim.requests()["methods"][REST_LOGIN] == 2


# Sessions that end ------------------------------------------------------------------------


def test_a_session_that_ends_again_and_again_says_so(connect: Connect, vcsim: Vcsim) -> None:
    vcsim.rules(rule("RetrievePropertiesEx", "fault", fault="NotAuthenticated"))
    with pytest.raises(ConnectionFailed, match="ended two sessions right after the login"):
        connect().list_vms()


def test_a_change_that_is_refused_for_its_session_was_not_sent(
    connect: Connect, vcsim: Vcsim, estate: Estate
) -> None:
    """It may be sent again, as often as necessary."""
    vcsim.rules(rule("ResetVM_Task", "fault", fault="NotAuthenticated", times=2))
    assert connect().reboot(STANDALONE, graceful=False).changed
    assert vcsim.requests()["methods"]["ResetVM_Task"] == 3


def test_an_inventory_that_stays_empty_is_a_missing_privilege(
    connect: Connect, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("RetrievePropertiesEx", "empty"))
    with pytest.raises(
        ProtocolError, match=r"shows nothing to user .*, although the login works.*Read-only"
    ):
        connect().list_vms()


def test_an_inventory_that_is_empty_as_the_session_ended_is_not_a_missing_privilege(
    connect: Connect, vcsim: Vcsim
) -> None:
    vcsim.rules(
        rule("RetrievePropertiesEx", "empty"), rule("Fetch", "fault", fault="NotAuthenticated")
    )
    with pytest.raises(ConnectionFailed, match="ended two sessions right after the login"):
        connect().list_vms()


# Tags -------------------------------------------------------------------------------------


def test_nobody_waits_for_the_tags_of_others_past_the_deadline(
    connect: Connect, vcsim: Vcsim
) -> None:
    vcsim.rules(rule(TAGS, "silent", times=1))
    platform = connect()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(platform.power_off, STANDALONE, graceful=False, timeout=100)
        while vcsim.applied() != [1]:
            threading.Event().wait(0.01)
        assert platform.power_off(CLUSTERED, graceful=False, timeout=60).seconds < 60
        vcsim.drop_connections()
        with pytest.raises(GuardUnchecked):
            slow.result()


def test_a_vm_deleted_while_tags_are_read_spoils_only_itself(
    connect: Connect, vcsim: Vcsim, estate: Estate
) -> None:
    estate.tag(STANDALONE, "owner", "web")
    platform = connect()
    vms = platform.backend.inventory(platform._reading())
    estate.destroy(CLUSTERED)
    vcsim.rules(rule(TAGS, "status", code=403, times=1))
    tagged = {vm.name: vm.tags for vm in platform.backend.with_tags(vms, platform._reading())}
    assert CLUSTERED not in tagged
    assert tagged[STANDALONE] == ("web",)
    assert set(tagged.values()) == {(), ("web",)}


def test_a_tag_deleted_while_its_name_is_read_is_no_failure(
    connect: Connect, vcsim: Vcsim, estate: Estate
) -> None:
    estate.tag(STANDALONE, "owner", "web")
    vcsim.rules(rule(TAG_NAMES, "status", code=404, times=1))
    assert connect().get_vm(STANDALONE).tags == ("web",)


def test_tags_that_may_not_be_read_are_unknown(connect: Connect, vcsim: Vcsim) -> None:
    vcsim.rules(rule(TAGS, "status", code=403))
    assert {vm.tags for vm in connect().list_vms()} == {None}
    with pytest.raises(GuardUnchecked, match=r"answered POST .* with 403"):
        connect().power_off(STANDALONE)


def test_reading_tags_ends_with_the_deadline(connect: Connect, vcsim: Vcsim) -> None:
    vcsim.rules(rule(REST_LOGIN, "silent"))
    with pytest.raises((GuardUnchecked, DeadlinePassed)):
        connect().power_off(STANDALONE, timeout=1)
