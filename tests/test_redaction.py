from __future__ import annotations

import traceback
from dataclasses import replace

import pytest

from chaosvm import redaction
from chaosvm.errors import (
    AnswerLost,
    ChaosVMError,
    CommandFailed,
    GuardUnchecked,
    InvalidValue,
    LoginFailed,
    OperationFailed,
    OperationRefused,
    ProtocolError,
)
from chaosvm.outcome import dry_run_outcome
from chaosvm.redaction import hide_password, hide_session, redacted
from chaosvm.vsphere.settings import VSphereSettings
from tests.fakes import FakePlatform

PASSWORD = """p&ss"w%rd'<ü>\\/ 1"""


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD,
        "p%26ss%22w%25rd%27%3C%C3%BC%3E%5C%2F%201",
        "p%26ss%22w%25rd%27%3C%C3%BC%3E%5C/%201",
        "p%26ss%22w%25rd%27%3C%C3%BC%3E%5C%2F+1",
        "p&amp;ss\"w%rd'&lt;ü&gt;\\/ 1",
        "p&ss\\\"w%rd'<\\u00fc>\\\\/ 1",
        "p&ss\\\"w%rd'<ü>\\\\/ 1",
        "p&ss\"w%rd\\'<ü>\\\\/ 1",
        "Y2hhb3M6cCZzcyJ3JXJkJzzDvD5cLyAx",
    ],
)
def test_a_password_is_hidden_in_every_encoding(form: str) -> None:
    hide_password(PASSWORD, "chaos")
    assert redacted(f"a fault: <{form}>") == "a fault: <***>"


def test_only_secrets_in_use_are_hidden() -> None:
    assert redacted("hunter2-and-more") == "hunter2-and-more"
    hide_password("hunter2-and-more")
    assert redacted("hunter2-and-more") == "***"
    redaction.forget()
    assert redacted("hunter2-and-more") == "hunter2-and-more"


def test_a_short_password_is_hidden_only_as_a_whole_word() -> None:
    hide_password("pass")
    assert redacted("passed over, by pass: pass, 'pass' (a pass)") == (
        "passed over, by ***: ***, '***' (a ***)"
    )


def test_a_longer_one_that_begins_alike_is_hidden_whole() -> None:
    hide_password("password1")
    hide_password("password1-and-more")
    assert redacted("password1-and-more") == "***"


def test_the_oldest_of_very_many_sessions_are_forgotten_and_no_password() -> None:
    hide_session("the-oldest-one")
    hide_password(PASSWORD)
    for number in range(1_000):
        hide_session(f"session-{number:05}")
    assert redacted("session-00999 the-oldest-one") == "*** the-oldest-one"
    assert redacted(PASSWORD) == "***"


def test_unencodable_characters_are_escaped() -> None:
    assert redacted("a\udc80b") == "a\\udc80b"
    assert str(ChaosVMError("a\udc80b")) == str(InvalidValue("a\udc80b")) == "a\\udc80b"


@pytest.mark.parametrize(
    "kind",
    [
        *(ChaosVMError, GuardUnchecked, LoginFailed, AnswerLost, OperationRefused, ProtocolError),
        *(CommandFailed, lambda text: OperationFailed(text, [])),
    ],
)
def test_no_error_shows_it(kind) -> None:
    hide_password(PASSWORD)
    error = kind(f"the server said: {PASSWORD!r}, {PASSWORD}")
    assert str(error).replace("'", "") == "the server said: ***, ***"
    assert "w%rd" not in "".join(traceback.format_exception(error))


def test_an_invalid_value_is_shown_in_full() -> None:
    hide_password("wrong")
    assert str(InvalidValue("/tmp/wrong.pem is no file")) == "/tmp/wrong.pem is no file"


def test_no_outcome_shows_it() -> None:
    hide_password(PASSWORD)
    outcome = dry_run_outcome(FakePlatform().add("web"), "power_off", f"waits for {PASSWORD}")
    assert outcome.detail == "dry run: waits for ***"
    assert replace(outcome, error=f"failed: {PASSWORD}").error == "failed: ***"


def test_settings_keep_their_passwords_secret_and_not_their_users() -> None:
    VSphereSettings.of(server="vcenter", username="chaos-user", password="hunter2-Passw0rd")
    assert redacted("chaos-user hunter2-Passw0rd") == "chaos-user ***"
