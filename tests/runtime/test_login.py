"""A login that threads share."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chaosvm.errors import ConnectionFailed, LoginFailed
from chaosvm.runtime import Deadline, Login, login
from tests.fakes import FakeClock

Answer = Exception | None


class Server:
    """Answers one login after the other, the last answer for good."""

    def __init__(self, *answers: Answer) -> None:
        self.clock = FakeClock()
        self.logins = 0
        self._answers = list(answers)

    def log_in(self, deadline: Deadline) -> None:
        self.logins += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is not None:
            raise answer

    def login(self, password: str = "secret", address: str = "server:443") -> Login:
        return Login(self.log_in, address, "chaos", password)

    def deadline(self) -> Deadline:
        return Deadline(1, self.clock)


def refused(server: Server, user: Login) -> str:
    with pytest.raises(LoginFailed) as caught:
        user.ensure(server.deadline())
    return str(caught.value)


def test_a_refused_password_is_not_tried_again() -> None:
    server = Server(LoginFailed("wrong user name or password"))
    user = server.login()
    assert refused(server, user) == "wrong user name or password"
    for _ in range(3):
        reason = refused(server, user)
        assert "wrong user name or password (refused before; not tried again" in reason
    user.forget()
    refused(server, user)
    assert server.logins == 1


@pytest.mark.parametrize(("password", "hinted"), [("'secret'", True), ("sec'ret'", False)])
def test_quotes_around_a_refused_password_are_pointed_out(password: str, hinted: bool) -> None:
    server = Server(LoginFailed("wrong user name or password"))
    user = server.login(password)
    assert ("is in quotes" in refused(server, user)) is hinted
    assert ("is in quotes" in refused(server, user)) is hinted


def test_another_connection_does_not_try_a_refused_password_either() -> None:
    server = Server(LoginFailed("wrong"))
    refused(server, server.login())
    refused(server, server.login(address="SERVER:443"))
    assert server.logins == 1


@pytest.mark.parametrize(
    "other", [{"password": "corrected"}, {"address": "another:443"}], ids=["password", "server"]
)
def test_another_password_or_server_is_tried(other: dict[str, str]) -> None:
    server = Server(LoginFailed("wrong"), None)
    refused(server, server.login())
    assert server.login(**other).ensure(server.deadline()) == 1


def test_threads_that_wait_for_a_login_are_refused_with_it() -> None:
    """None of them tries again, and none reports an earlier refusal."""
    arrived, go_on = threading.Event(), threading.Event()
    tried: list[Deadline] = []

    def refuse(deadline: Deadline) -> None:
        tried.append(deadline)
        arrived.set()
        assert go_on.wait(20)
        raise LoginFailed("wrong")

    logins = [Login(refuse, "server:443", "chaos", "secret") for _ in range(4)]
    started = threading.Barrier(5)

    def log_in(login: Login) -> str:
        class Meeting(Deadline):
            """Lets the others know when this one is about to wait."""

            @property
            def remaining(self) -> float:
                started.wait(20)
                return 20.0

        with pytest.raises(LoginFailed) as caught:
            login.ensure(Meeting(20))
        return str(caught.value)

    with ThreadPoolExecutor(4) as pool:
        reasons = [pool.submit(log_in, login) for login in logins]
        started.wait(20)
        assert arrived.wait(20)
        go_on.set()
        assert [reason.result() for reason in reasons] == ["wrong"] * 4
    assert len(tried) == 1


def test_a_login_that_got_no_answer_is_tried_again() -> None:
    server = Server(ConnectionFailed("no answer"), None)
    user = server.login()
    with pytest.raises(ConnectionFailed):
        user.ensure(server.deadline())
    assert user.ensure(server.deadline()) == 1


@pytest.mark.parametrize(("accepted", "pause"), [(True, 30), (False, 600)])
def test_a_refused_password_is_tried_again_after_a_while(accepted: bool, pause: float) -> None:
    """A server in trouble may refuse what is right, and undo has to log in later on."""
    first: list[Answer] = [None] if accepted else []
    server = Server(*first, LoginFailed("not now"), LoginFailed("not yet"), None)
    user = server.login()
    if accepted:
        user.ensure(server.deadline())
    user.forget()
    refused(server, user)
    tries = server.logins

    server.clock.sleep(pause - 1)
    assert "not now (refused before; not tried again for the next 1 s" in refused(server, user)
    server.clock.sleep(1)
    assert refused(server, user) == "not yet"
    server.clock.sleep(4 * pause - 1)  # it takes longer each time
    refused(server, user)
    assert server.logins == tries + 1
    server.clock.sleep(1)
    assert user.ensure(server.deadline())


def test_an_accepted_password_resets_the_pause() -> None:
    wrong = LoginFailed("not now")
    server = Server(None, wrong, None, wrong, None)
    user = server.login()
    for _ in range(2):
        user.ensure(server.deadline())
        user.forget()
        assert refused(server, user) == "not now"
        server.clock.sleep(30)
    assert user.ensure(server.deadline()) == 3


def test_the_password_is_kept_nowhere() -> None:
    Server(None).login(password="hunter2").ensure(Deadline(1))
    assert "hunter2" not in repr(login._known)
