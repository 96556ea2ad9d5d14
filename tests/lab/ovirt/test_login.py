"""Tokens: getting, using and losing them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import ovirtsdk4
import pytest

from chaosvm.lab import Lab, World
from tests.lab.conftest import Plain, connected


def test_the_sdk_logs_in_and_out(lab: Lab) -> None:
    with connected(lab) as connection:
        assert connection.test(raise_exception=True)
        assert lab.sessions() == {"logins": 1, "logouts": 0, "alive": 1}
    assert lab.sessions() == {"logins": 1, "logouts": 1, "alive": 0}


def test_a_login_is_answered_by_a_token(lab: Lab, plain: Plain) -> None:
    answer = plain.login()
    assert answer.status_code == 200
    token = answer.json()
    assert token["token_type"] == "bearer"
    assert token["scope"].startswith("ovirt-app-api ovirt-ext=")
    assert int(token["exp"]) / 1000 - time.time() > 6 * 86400
    assert len(token["access_token"]) > 40


@pytest.mark.parametrize("username", ["admin@internal", "admin@ovirt@internalsso"])
def test_the_account_is_as_configured(world: World, username: str) -> None:
    with Lab(world, username=username, password="pässword&1") as lab, connected(lab) as connection:
        assert connection.test(raise_exception=True)


@pytest.mark.parametrize(
    ("replaced", "code", "text"),
    [
        ({"password": "wrong"}, "access_denied", "Cannot authenticate user 'admin@internal'"),
        ({"username": "eve@internal"}, "access_denied", "Cannot authenticate user 'eve@internal'"),
        ({"username": "admin"}, "access_denied", "No valid profile found"),
        ({"grant_type": "magic"}, "unsupported_grant_type", "grant type is not"),
        ({"accept": "*/*"}, "invalid_request", "Accept"),
    ],
)
def test_a_login_is_refused(
    plain: Plain, replaced: Mapping[str, str], code: str, text: str
) -> None:
    answer = plain.login(**replaced)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == code
    assert text in answer.json()["error"]


def test_the_sdk_understands_the_refusal(lab: Lab) -> None:
    connection = connected(lab, password="wrong")
    with pytest.raises(ovirtsdk4.AuthError, match="access_denied : Cannot authenticate user"):
        connection.system_service().get()
    connection.close()


def test_without_a_token_nothing_is_served(plain: Plain) -> None:
    answer = plain.get("/vms", Authorization="Bearer none")
    assert answer.status_code == 401
    assert "html" in answer.headers["Content-Type"]
    assert plain.post("/vms/x/stop", Authorization="").status_code == 401


def test_name_and_password_do_instead_of_a_token(lab: Lab, plain: Plain) -> None:
    import base64

    def basic(text: str) -> str:
        return "Basic " + base64.b64encode(text.encode()).decode()

    assert plain.get("", Authorization=basic(f"{lab.username}:{lab.password}")).status_code == 200
    assert plain.get("", Authorization=basic(f"{lab.username}:x")).status_code == 401
    assert plain.get("", Authorization="Basic ???").status_code == 401


def test_an_expired_token_makes_the_sdk_log_in_again(lab: Lab, engine: Any) -> None:
    engine.system_service().get()
    lab.expire_tokens()
    engine.system_service().get()
    assert lab.sessions()["logins"] == 2
    assert lab.requests()["GET /api"] == 3


def test_tokens_may_expire_by_themselves(world: World) -> None:
    with Lab(world, token_seconds=0.0) as lab, Plain(lab) as plain:
        assert plain.get("/vms").status_code == 401


def test_logging_out_ends_a_token(lab: Lab, plain: Plain) -> None:
    import requests

    token = plain.login().json()["access_token"]
    form = {"scope": "ovirt-app-api", "token": token}
    codes = []
    for path in ("/ovirt-engine/sso/oauth/revoke", *["/ovirt-engine/services/sso-logout"] * 2):
        answer = requests.post(plain.root + path, data=form, verify=lab.ca_file, timeout=60)
        codes.append(answer.status_code)
    assert codes == [400, 200, 200]
    assert plain.get("", Authorization=f"Bearer {token}").status_code == 401
    assert lab.sessions()["logouts"] == 1


def test_the_certificate_is_only_good_with_its_authority(lab: Lab) -> None:
    connection = connected(lab, ca_file=None)
    with pytest.raises(ovirtsdk4.Error, match="SSL"):
        connection.system_service().get()
    connection.close()
    with connected(lab, url=lab.olvm_url.replace("127.0.0.1", "localhost")) as by_name:
        assert by_name.test(raise_exception=True)
