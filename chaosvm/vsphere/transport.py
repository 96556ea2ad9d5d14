"""pyvmomi's connections, with an overall deadline for each call.

pyvmomi's own timeout applies to each socket operation, so a server that sends a
byte now and then can block a call forever. Here the deadline covers the whole
call, from connecting to the last byte.
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
from chaosvm.vsphere.bounded_response import BoundedResponse
from chaosvm.vsphere.faults import not_a_vcenter
from chaosvm.vsphere.settings import VSphereSettings

__all__ = ["Transport"]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T")

# vSphere API 6.5: it has everything used here, every supported vCenter speaks it, and
# a fixed version saves reading the list of versions (which pyvmomi does without a timeout).
_API_VERSION = "vim.version.version11"

# What pyvmomi's parser raises for anything but a complete SOAP response.
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

# Seconds for which pyvmomi parses the responses after one that only pyvmomi could parse.
_STREAMING_PAUSE = 300.0

# Idle connections are closed sooner than by any proxy in between.
_IDLE_SECONDS = 30


def _tls_context(settings: VSphereSettings) -> ssl.SSLContext:
    """Verifies the server's certificate and name, unless ``insecure`` is set."""
    context = ssl.create_default_context(cafile=settings.ca_file)
    # Strict mode, the default from Python 3.13 on, rejects the CA that a vCenter creates
    # for itself. Chain, dates and host name are still verified.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if settings.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Budget(DeadlineBudget):
    """Also holds the state of each thread's current request."""

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
        self.epoch = 0  # of the transport when this was taken from the pool
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

    def getresponse(self) -> BoundedResponse:  # type: ignore[override]
        return BoundedResponse(super().getresponse(), f"{self.host}:{self.port}", self._budget)


class Transport(SoapStubAdapter):
    """pyvmomi's stub, over connections that use the deadline of the calling thread."""

    def __init__(self, settings: VSphereSettings, pool_size: int) -> None:
        super().__init__(
            host=settings.server,
            port=settings.port,
            version=_API_VERSION,
            sslContext=_tls_context(settings),
            poolSize=pool_size,
            connectionPoolTimeout=_IDLE_SECONDS,
        )
        self._address = (settings.server, settings.port)
        self._budget = _Budget(settings.timeout)
        self._epoch = 0
        # Until then pyvmomi parses all responses.
        self._streaming_paused: Deadline | None = None
        self.scheme = _Connection
        self.schemeArgs["budget"] = self._budget
        # The IP addresses that connections were made to.
        self.peers: set[str] = set()
        self.schemeArgs["peers"] = self.peers

    def within(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Apply the deadline to all requests of this thread in the block."""
        return self._budget.within(deadline)

    @property
    def sent(self) -> bool:
        """True if this thread has sent a request since this was set to False."""
        return self._budget.sent

    @sent.setter
    def sent(self, value: bool) -> None:
        self._budget.sent = value

    @property
    def streaming(self) -> bool:
        """True if responses are parsed as they arrive; otherwise pyvmomi parses them."""
        return self._streaming_paused is None or self._streaming_paused.passed

    def pause_streaming(self, reason: str) -> None:
        """Let pyvmomi parse for some minutes: one unusual response need not be the rule."""
        log = logger.warning if self._streaming_paused is None else logger.debug
        log(
            f"{self.host} sent a response in an unknown form ({redacted(reason)}): for the next "
            f"{_STREAMING_PAUSE / 60:g} minutes reading is slower"
        )
        deadline = self._budget.deadline
        clock = time if deadline is None else deadline.clock
        self._streaming_paused = Deadline(_STREAMING_PAUSE, clock)

    def GetConnection(self) -> Any:
        """An open connection, not one that the server has closed meanwhile."""
        rehearsal.require_allowed(*self._address)
        while True:
            connection = super().GetConnection()
            connection.epoch = self._epoch
            self._budget.connection = connection
            if connection.sock is None:
                connection.connect()
                return connection
            # If an idle connection is readable, the server has closed it. (A new one may be
            # readable because of TLS session tickets.)
            if not connection.used or not wait_for_read(connection.sock, timeout=0):
                return connection
            connection.close()

    def ReturnConnection(self, conn: Any) -> None:
        """Closes the connection if the transport was closed while it was in use."""
        if conn.epoch == self._epoch:
            super().ReturnConnection(conn)
        else:
            conn.close()

    def close(self) -> None:
        """Close all connections, those in use as soon as they are returned."""
        self._epoch += 1
        self.DropConnections()

    def InvokeMethod(self, mo: Any, info: Any, args: Any, outerStub: Any = None) -> Any:
        complete = False
        try:
            result = super().InvokeMethod(mo, info, args, outerStub)
            if isinstance(result, Exception):
                # A fault with status 200.
                raise result
            complete = True
            return result
        except vmodl.MethodFault:
            complete = True
            raise
        except (OSError, http.client.HTTPException):
            raise
        except _NOT_SOAP as error:
            raise self._not_soap(info, error) from None
        except Exception as error:
            # pyvmomi raises a bare Exception for status 500 without a fault.
            if type(error) is not Exception:
                raise
            raise self._not_soap(info, error) from None
        finally:
            if not complete:
                self.abandon()

    def stream(self, mo: Any, info: Any, args: Any, read: Callable[[Iterator[bytes]], T]) -> T:
        """As InvokeMethod, but ``read`` takes the chunks of the response as they arrive.

        Raises faults, and what ``read`` raises, except for ExpatError, which means
        that the response is not SOAP or incomplete.
        """
        complete = False
        try:
            response = self._post(self.SerializeRequest(mo, info, args))
            if response.status == 500:
                raise self._parse_fault(response, info)
            if response.status != 200:
                raise http.client.HTTPException(f"{response.status} {response.reason}")
            result = read(response.stream())
            complete = True
            return result
        except vmodl.MethodFault:
            complete = True
            raise
        except (ExpatError, zlib.error) as error:
            raise self._not_soap(info, error) from None
        finally:
            if complete:
                self._return_connection()
            else:
                self.abandon()

    def _post(self, body: bytes) -> BoundedResponse:
        headers = {
            "Cookie": self.cookie,
            "SOAPAction": self.versionId,
            "Content-Type": "text/xml; charset=utf-8",
            "Accept-Encoding": "gzip",
            "User-Agent": f"chaosvm/{__version__}",
        }
        connection = self.GetConnection()
        connection.request("POST", self.path, body, headers)
        response: BoundedResponse = connection.getresponse()
        return response

    def _parse_fault(self, response: BoundedResponse, info: Any) -> Exception:
        body = response.read()
        try:
            fault = SoapResponseDeserializer(self).Deserialize(body, info.result)
        except _NOT_SOAP as error:
            raise self._not_soap(info, error) from None
        if isinstance(fault, Exception):
            return fault
        return http.client.HTTPException(f"{response.status} {response.reason}")

    def _return_connection(self) -> None:
        connection, self._budget.connection = self._budget.connection, None
        if connection is not None:
            self.ReturnConnection(connection)

    def _not_soap(self, info: Any, error: Exception) -> ProtocolError:
        logger.debug(f"the response to {info.wsdlName} could not be parsed: {error!r}")
        reason = f"its response to {info.wsdlName} is not SOAP, or incomplete"
        return ProtocolError(not_a_vcenter(self.host, reason))

    def abandon(self) -> None:
        """Close the connection of this thread's last request; pyvmomi does not always do so."""
        connection, self._budget.connection = self._budget.connection, None
        if connection is not None:
            connection.close()
