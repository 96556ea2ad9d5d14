"""A login that threads share."""

from __future__ import annotations

import pytest

from chaosvm.deadline import Deadline
from chaosvm.errors import ConnectionFailed, LoginFailed
from chaosvm.login import Login


def test_a_refused_password_is_not_tried_again() -> None:
    """A few wrong ones lock an account."""
    tried: list[Deadline] = []

    def refuse(deadline: Deadline) -> None:
        tried.append(deadline)
        raise LoginFailed("wrong user name or password")

    login = Login(refuse, "server:443")
    for _ in range(3):
        with pytest.raises(LoginFailed, match="wrong user name or password"):
            login.ensure(Deadline(1))
    assert len(tried) == 1
    login.forget()
    with pytest.raises(LoginFailed):
        login.ensure(Deadline(1))
    assert len(tried) == 2


def test_a_login_that_got_no_answer_is_tried_again() -> None:
    answers = iter([ConnectionFailed("no answer"), None])

    def log_in(deadline: Deadline) -> None:
        if (error := next(answers)) is not None:
            raise error

    login = Login(log_in, "server:443")
    with pytest.raises(ConnectionFailed):
        login.ensure(Deadline(1))
    assert login.ensure(Deadline(1)) == 1


def test_a_password_that_was_right_before_is_tried_again() -> None:
    """A server in trouble may refuse it for a while, and rollbacks still have to log in."""
    answers = iter([None, LoginFailed("not now"), None])

    def log_in(deadline: Deadline) -> None:
        if (error := next(answers)) is not None:
            raise error

    login = Login(log_in, "server:443")
    first = login.ensure(Deadline(1))
    with pytest.raises(LoginFailed, match="not now"):
        login.ensure(Deadline(1), lost=first)
    assert login.ensure(Deadline(1), lost=first) == first + 1
