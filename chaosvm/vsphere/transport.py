"""pyvmomi's connection to the server, with timeouts that hold.

pyvmomi's own timeout is one per socket operation, so a server that sends a
byte now and then can hold a call for ever. Here the whole of each call, from
connecting to the last byte, ends with the deadline it runs under.
"""

from __future__ import annotations

import http.client
import logging
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeVar
from xml.parsers.expat import ExpatError

from pyVmomi import SoapStubAdapter, vmodl
from pyVmomi.SoapAdapter import SoapResponseDeserializer
from urllib3.util.wait import wait_for_read

from chaosvm import __version__
from chaosvm.errors import ProtocolError
from chaosvm.redaction import redacted
from chaosvm.runtime import Deadline, rehearsal
from chaosvm.runtime.deadline_http import DeadlineBudget
from chaosvm.vsphere.answer import Answer
from chaosvm.vsphere.settings import VSphereSettings

__all__ = ["Transport", "tls_context"]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T")

# vSphere API 6.5: everything asked for here was there by then, every vCenter in
# support speaks it, and a fixed version saves asking for the list of versions
# (which pyvmomi does without any timeout).
_API_VERSION = "vim.version.version11"

# What pyvmomi's reader raises for anything but a whole SOAP answer.
_NOT_SOAP = (
    ExpatError,
    LookupError,
    AttributeError,
    TypeError,
    ValueError,
    AssertionError,
    EOFError,
    RecursionError,
    zlib.error,
)

# So long the slower reader is used after an answer that only that one understood.
_STREAMING_PAUSE = 300.0

# Idle connections are dropped sooner than any proxy in between drops them.
_IDLE_SECONDS = 30


def tls_context(settings: VSphereSettings) -> ssl.SSLContext:
    """Verifies the server's certificate and name, unless the user turned that off."""
    context = ssl.create_default_context(cafile=settings.ca_file)
    # From Python 3.13 on, strict mode is the default; it rejects the CA that a
    # vCenter makes for itself. Chain, dates and host name are checked as before.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if settings.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Budget(DeadlineBudget):
    """Also what each thread is spending it on."""

    def __init__(self, longest: float) -> None:
        super().__init__(longest)
        self.connection: _Connection | None = None
        self.sent = False


class _Connection(http.client.HTTPSConnection):
    def __init__(self, *args: Any, budget: _Budget, peers: set[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._budget = budget
        self._peers = peers
        self.used = False
        self.epoch = 0  # of the transport when it was lent last
        self.response_class = budget.response  # type: ignore[assignment]
        self._create_connection = budget.create_connection

    def connect(self) -> None:
        self.timeout = self._budget.seconds()
        super().connect()
        self._peers.add(self.sock.getpeername()[0])

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(self._budget.seconds())
        self._budget.sent = self.used = True
        super().request(*args, **kwargs)

    def getresponse(self) -> Answer:  # type: ignore[override]
        return Answer(super().getresponse(), f"{self.host}:{self.port}", self._budget)


class Transport(SoapStubAdapter):
    """pyvmomi's stub over connections that know the deadline of the calling thread."""

    def __init__(self, settings: VSphereSettings, pool_size: int) -> None:
        super().__init__(
            host=settings.server,
            port=settings.port,
            version=_API_VERSION,
            sslContext=tls_context(settings),
            poolSize=pool_size,
            connectionPoolTimeout=_IDLE_SECONDS,
        )
        self._address = (settings.server, settings.port)
        self._budget = _Budget(settings.timeout)
        self._epoch = 0
        # Until then pyvmomi reads all answers.
        self._streaming_paused: Deadline | None = None
        self.scheme = _Connection
        self.schemeArgs["budget"] = self._budget
        # The addresses that the server was reached at.
        self.peers: set[str] = set()
        self.schemeArgs["peers"] = self.peers

    def within(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Bound all that this thread sends in the block by the deadline."""
        return self._budget.within(deadline)

    @property
    def sent(self) -> bool:
        """Has a request of this thread left this machine, since this was set to False?"""
        return self._budget.sent

    @sent.setter
    def sent(self, value: bool) -> None:
        self._budget.sent = value

    @property
    def streaming(self) -> bool:
        """Are answers read as they arrive? Else it is for pyvmomi to read them."""
        return self._streaming_paused is None or self._streaming_paused.passed

    def pause_streaming(self, why: str) -> None:
        """Leave it to pyvmomi for some minutes: one odd answer need not be the rule."""
        told = logger.warning if self._streaming_paused is None else logger.debug
        told(
            f"an answer of {self.host} has a form that is not known here ({redacted(why)}): for "
            f"the next {_STREAMING_PAUSE / 60:g} minutes its answers are read in a way that takes "
            "longer"
        )
        deadline = self._budget.deadline
        clock = time if deadline is None else deadline.clock
        self._streaming_paused = Deadline(_STREAMING_PAUSE, clock)

    def GetConnection(self) -> Any:
        """A connection that is open and fresh, so that a request is not lost on a dead one."""
        rehearsal.require_allowed(*self._address)
        while True:
            connection = super().GetConnection()
            connection.epoch = self._epoch
            self._budget.connection = connection
            if connection.sock is None:
                connection.connect()
                return connection
            # An idle connection with something to read was closed by the server.
            # (A new one may have TLS session tickets to read.)
            if not connection.used or not wait_for_read(connection.sock, timeout=0):
                return connection
            connection.close()

    def ReturnConnection(self, conn: Any) -> None:
        """A request that ends after everything was closed leaves no connection behind."""
        if conn.epoch == self._epoch:
            super().ReturnConnection(conn)
        else:
            conn.close()

    def close(self) -> None:
        """Close all connections, those in use as soon as they are given back."""
        self._epoch += 1
        self.DropConnections()

    def InvokeMethod(self, mo: Any, info: Any, args: Any, outerStub: Any = None) -> Any:
        whole = False
        try:
            answer = super().InvokeMethod(mo, info, args, outerStub)
            if isinstance(answer, Exception):
                # A fault, although the server said that all is well.
                raise answer
            whole = True
            return answer
        except vmodl.MethodFault:
            whole = True
            raise
        except (OSError, http.client.HTTPException):
            raise
        except _NOT_SOAP as error:
            raise self._not_soap(info, error) from None
        except Exception as error:
            # pyvmomi's own, of an answer that is SOAP, but not what its status says.
            if type(error) is not Exception:
                raise
            raise self._not_soap(info, error) from None
        finally:
            if not whole:
                self.abandon()

    def stream(self, mo: Any, info: Any, args: Any, read: Callable[[Iterator[bytes]], T]) -> T:
        """As InvokeMethod, but ``read`` gets the pieces of the answer as they arrive.

        Faults are raised as always. So is what ``read`` raises, except that
        ExpatError means an answer that is not SOAP, or not all of it.
        """
        whole = False
        try:
            response = self._posted(self.SerializeRequest(mo, info, args))
            if response.status == 500:
                raise self._fault(response, info)
            if response.status != 200:
                raise http.client.HTTPException(f"{response.status} {response.reason}")
            answer = read(response.stream())
            whole = True
            return answer
        except vmodl.MethodFault:
            whole = True
            raise
        except (ExpatError, zlib.error) as error:
            raise self._not_soap(info, error) from None
        finally:
            if whole:
                self._give_back()
            else:
                self.abandon()

    def _posted(self, body: bytes) -> Answer:
        headers = {
            "Cookie": self.cookie,
            "SOAPAction": self.versionId,
            "Content-Type": "text/xml; charset=utf-8",
            "Accept-Encoding": "gzip",
            "User-Agent": f"chaosvm/{__version__}",
        }
        connection = self.GetConnection()
        connection.request("POST", self.path, body, headers)
        response: Answer = connection.getresponse()
        return response

    def _fault(self, response: Answer, info: Any) -> Exception:
        body = response.read()
        try:
            fault = SoapResponseDeserializer(self).Deserialize(body, info.result)
        except _NOT_SOAP as error:
            raise self._not_soap(info, error) from None
        if isinstance(fault, Exception):
            return fault
        return http.client.HTTPException(f"{response.status} {response.reason}")

    def _give_back(self) -> None:
        connection, self._budget.connection = self._budget.connection, None
        if connection is not None:
            self.ReturnConnection(connection)

    def _not_soap(self, info: Any, error: Exception) -> ProtocolError:
        return ProtocolError(
            f"{self.host} answered {info.wsdlName} with something that is not SOAP, "
            f"or not all of it ({type(error).__name__}): is it a vCenter?"
        )

    def abandon(self) -> None:
        """Close the connection of this thread's last request: pyvmomi does not always."""
        connection, self._budget.connection = self._budget.connection, None
        if connection is not None:
            connection.close()
