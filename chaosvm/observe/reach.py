"""Whether a guest can be reached over the network, from this machine."""

from __future__ import annotations

import errno
import os
import re
import socket
from urllib.parse import urlsplit

import requests

from chaosvm.errors import ConnectionFailed
from chaosvm.redaction import without_query
from chaosvm.runtime import Deadline, rehearsal
from chaosvm.runtime.deadline_http import DeadlineBudget
from chaosvm.runtime.deadline_requests import deadline_session

__all__ = ["answers_http", "port_open"]

# Seconds for one connection: a host that is down may never answer.
_CONNECT_SECONDS = 3.0
# For one HTTP answer, which may arrive byte by byte.
_ANSWER_SECONDS = 10.0
# This machine cannot send at all, which proves nothing about the guest.
_CANNOT_SEND = (errno.ENETUNREACH, errno.ENETDOWN, errno.EACCES, errno.EPERM, errno.EADDRNOTAVAIL)


def port_open(address: str, port: int, deadline: Deadline) -> bool:
    """True if the TCP port accepts a connection; False if it refuses, or does not answer.

    Raises ConnectionFailed if this machine cannot send anything to the address.
    """
    rehearsal.require_allowed(address, port)
    seconds = min(_CONNECT_SECONDS, max(0.01, deadline.remaining))
    try:
        socket.create_connection((address, port), timeout=seconds).close()
    except socket.gaierror as error:
        raise ConnectionFailed(f"{address} is not an address: {error}") from None
    except OSError as error:
        if error.errno in _CANNOT_SEND:
            raise ConnectionFailed(
                f"{address}:{port} cannot be reached from this machine: {error}"
            ) from None
        return False
    return True


def answers_http(url: str, deadline: Deadline, direct: bool = False) -> bool:
    """True if a GET of the URL answers with a status below 400.

    With ``direct``, not through a proxy of the environment, whose answer says nothing about
    the guest, and without passwords from ``~/.netrc``.
    Redirects are not followed. The certificate of an https URL is verified, and one
    that cannot be trusted raises ConnectionFailed.
    """
    parts = urlsplit(url)
    default = 443 if parts.scheme == "https" else 80
    rehearsal.require_allowed(parts.hostname or "", parts.port or default)
    seconds = min(_CONNECT_SECONDS, max(0.01, deadline.remaining))
    budget = DeadlineBudget(seconds)
    try:
        with (
            budget.within(Deadline(min(_ANSWER_SECONDS, max(0.01, deadline.remaining)))),
            _session(direct, budget) as session,
            session.get(url, timeout=seconds, allow_redirects=False, stream=True) as answer,
        ):
            return answer.status_code < 400
    except requests.exceptions.SSLError as error:
        raise _failure(url, "has no certificate that can be trusted", error) from None
    except (requests.exceptions.ConnectionError, requests.exceptions.Timeout):
        return False
    except requests.exceptions.RequestException as error:
        raise _failure(url, "cannot be requested", error) from None


def _failure(url: str, problem: str, error: Exception) -> ConnectionFailed:
    """Its message has no query of a URL, in which there may be a token."""
    reason = re.sub(r"\S+\?\S+", lambda quoted: without_query(quoted[0]), str(error))
    return ConnectionFailed(f"{without_query(url)} {problem}: {reason}")


def _session(direct: bool, budget: DeadlineBudget) -> requests.Session:
    session = deadline_session(budget)
    session.trust_env = not direct
    if direct:
        # Which it would take from the environment, too.
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    return session
