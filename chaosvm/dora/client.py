"""Dora: one inventory in front of many vCenters."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

from chaosvm.dora.environments import Environment, EnvironmentRegistry
from chaosvm.dora.inventory import (
    EnvironmentInventory,
    Hypervisor,
    items,
    read_hypervisors,
    read_vms,
)
from chaosvm.dora.settings import DoraSettings
from chaosvm.dora.transport import Answer, Transport
from chaosvm.errors import ChaosVMError, LoginFailed, NoSuchVM, ProtocolError
from chaosvm.redaction import hide_session
from chaosvm.runtime import Clock, Deadline, Login
from chaosvm.runtime.documents import parse_json
from chaosvm.selection import Selection, SelectionResult, find_one
from chaosvm.vm import VM

__all__ = ["DoraClient"]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T")

_REFUSED = (401, 403)
# Enough for all of the usual environments: one that hangs must not hold up another.
_AT_ONCE = 32
# What a selection cannot ask of Dora's VMs.
_LACKS = ("tag",)


class DoraClient:
    """Reads environments from a Dora.

    >>> with DoraClient("dora.example.com", "chaos", password) as dora:
    ...     dora.list_vms("Arvig-Staging", {"name": "web-*"})

    ``environments`` is a mapping or a file, as the setting ``dora_environments``.
    ``timeout`` in seconds bounds each call. Safe to use from several threads.
    Raises InvalidValue for arguments that cannot be used.
    """

    name: ClassVar[str] = "dora"

    def __init__(
        self,
        host: str,
        username: str,
        password: str,
        api_port: int = 8000,
        auth_port: int = 51051,
        scheme: str = "http",
        ca_file: str | None = None,
        timeout: float = 20,
        environments: Any = None,
    ) -> None:
        self._set_up(
            DoraSettings.of(
                host=host,
                username=username,
                password=password,
                api_port=api_port,
                auth_port=auth_port,
                scheme=scheme,
                ca_file=ca_file,
                timeout=timeout,
                environments=environments,
            )
        )

    @classmethod
    def from_settings(cls, settings: DoraSettings) -> DoraClient:
        client = cls.__new__(cls)
        client._set_up(settings)
        return client

    def _set_up(self, settings: DoraSettings) -> None:
        self.settings = settings
        self.clock: Clock = time
        self.timeout = settings.timeout
        self._transport = Transport(settings)
        self._token = ""
        self._login = Login(
            self._log_in,
            f"{settings.host}:{settings.auth_port}",
            settings.username,
            settings.password,
        )

    # Connecting, for Python ------------------------------------------------------

    def connect(self) -> Self:
        """Log in now; without it, the first call does."""
        self._login.ensure(self._reading())
        return self

    def disconnect(self) -> None:
        """Drop the connections. Dora knows no logout: its token ends by itself."""
        self._login.forget()
        self._token = ""
        self._transport.close()

    def close(self, deadline: Deadline) -> None:
        self.disconnect()

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.disconnect()

    # Reading ---------------------------------------------------------------------

    @property
    def catalogue(self) -> EnvironmentRegistry:
        return self.settings.catalogue

    def list_vms(self, environment: str, vms: Any = None) -> list[VM]:
        """Every VM of an environment, or those that fit a selection (then possibly none)."""
        selection = _selection({"all": True} if vms is None else vms)
        return selection.read(self._vms(self.catalogue.find(environment), self._reading()))

    def count_vms(self, environment: str, vms: Any = None) -> int:
        """How many VMs an environment has, or fit a selection."""
        return len(self.list_vms(environment, vms))

    def choose_vms(self, environment: str, vms: Any) -> list[VM]:
        """The VMs that a selection means: never none, and every name must be there."""
        return list(self.choose(environment, vms).vms)

    def choose(self, environment: str, vms: Any) -> SelectionResult:
        """The same, with the seed of a sample."""
        selection, wanted = _selection(vms), self.catalogue.find(environment)
        found = self._vms(wanted, self._reading())
        return _placed(lambda: selection.choose(found), wanted)

    def get_vm(self, environment: str, vm_name: str) -> VM:
        """The one VM of this name, moid or path."""
        wanted = self.catalogue.find(environment)
        found = self._vms(wanted, self._reading())
        return _placed(lambda: find_one(found, vm_name), wanted)

    def hypervisors(self, environment: str) -> list[Hypervisor]:
        """The hosts of an environment."""
        return list(self._hypervisors(self.catalogue.find(environment), self._reading()))

    def inventory(self, environment: str, deadline: Deadline | None = None) -> EnvironmentInventory:
        """VMs and hypervisors of an environment."""
        return self._inventory(self.catalogue.find(environment), deadline or self._reading())

    def inventories(
        self, environments: Any = None
    ) -> dict[str, EnvironmentInventory | ChaosVMError]:
        """Of several environments, all by default; in place of one that failed, its error.

        Raises the error if every one of them failed.
        """
        chosen = self.catalogue.choose(environments)
        deadline = self._reading()

        def read(environment: Environment) -> EnvironmentInventory | ChaosVMError:
            try:
                return self._inventory(environment, deadline)
            except ChaosVMError as error:
                return error

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="chaosvm-dora") as workers:
            found = dict(
                zip([each.name for each in chosen], workers.map(read, chosen), strict=True)
            )
        failed = {name: told for name, told in found.items() if isinstance(told, ChaosVMError)}
        for name, error in failed.items():
            logger.warning(f"environment {name!r} could not be read: {error}")
        if len(failed) == len(found):
            told = "; ".join(f"{name}: {error}" for name, error in failed.items())
            raise type(next(iter(failed.values())))(f"no environment could be read: {told}")
        return found

    # Requests --------------------------------------------------------------------

    def _reading(self) -> Deadline:
        return Deadline(self.timeout, self.clock)

    def _inventory(self, environment: Environment, deadline: Deadline) -> EnvironmentInventory:
        vms = self._vms(environment, deadline)
        return EnvironmentInventory(environment, vms, self._hypervisors(environment, deadline))

    def _vms(self, environment: Environment, deadline: Deadline) -> tuple[VM, ...]:
        found = read_vms(
            self._ask("GetVirtualMachines", environment, environment.vm_path, deadline), environment
        )
        if not found:
            logger.warning(f"Dora knows no VM of {environment}: are these coordinates right?")
        return found

    def _hypervisors(self, environment: Environment, deadline: Deadline) -> tuple[Hypervisor, ...]:
        told = self._ask("GetHypervisors", environment, environment.pattern_path, deadline)
        return read_hypervisors(told, environment)

    def _ask(
        self, what: str, environment: Environment, path: str, deadline: Deadline
    ) -> list[dict[str, Any]]:
        query = {"listing_only": "false", "host_filter": environment.host_filter}

        def ask() -> Answer:
            parts = (what, self._token, environment.vcenter, path)
            return self._transport.get(self.settings.api_port, parts, deadline, query)

        generation = self._login.ensure(deadline)
        answer = ask()
        if answer.status in _REFUSED:
            logger.info(f"Dora at {self.settings.host} refused the token: logging in again")
            self._login.ensure(deadline, lost=generation)
            answer = ask()
        shown = f"{self.settings.host}:{self.settings.api_port} ({what})"
        if answer.status in _REFUSED:
            raise LoginFailed(f"{shown} refused a new token too, with {answer.status}")
        _must_be_ok(answer, shown)
        try:
            return items(answer.content, shown)
        except ProtocolError as error:
            raise ProtocolError(f"{error}, asked for {environment}") from None

    def _log_in(self, deadline: Deadline) -> None:
        settings = self.settings
        path = ("GetLoginToken", settings.username, settings.password)
        answer = self._transport.get(settings.auth_port, path, deadline)
        shown = f"{settings.host}:{settings.auth_port} (GetLoginToken)"
        if answer.status in _REFUSED:
            raise LoginFailed(f"{shown}: Dora refused the user name or password")
        _must_be_ok(answer, shown)
        self._token = _token(answer.content, shown)
        hide_session(self._token)


def _token(content: bytes, shown: str) -> str:
    try:
        told = parse_json(content)
    except ValueError:
        told = None
    if told is None:  # raised out here, as the error above holds the whole answer
        raise ProtocolError(
            f"{shown} answered with something that is not JSON: is dora_auth_port right?"
        )
    token = told.get("token") if isinstance(told, dict) else None
    if not isinstance(token, str) or not token.strip("."):
        raise ProtocolError(f"{shown} gave no token: are user name and password right?")
    return token


def _must_be_ok(answer: Answer, shown: str) -> None:
    if 300 <= answer.status < 400:
        where = f" to {answer.location}" if answer.location else ""
        raise ProtocolError(
            f"{shown} answered with a redirect{where}, which is not followed, as the URL holds "
            "secrets: set dora_host, dora_scheme and the ports to where Dora is"
        )
    if answer.status != 200:
        raise ProtocolError(f"{shown} answered with {answer.status}: is it a Dora?")


def _selection(vms: Any) -> Selection:
    selection = Selection(vms)
    selection.refuse_keys(_LACKS, "Dora")
    return selection


def _placed(choose: Callable[[], T], environment: Environment) -> T:
    """Say with which coordinates nothing was found."""
    try:
        return choose()
    except NoSuchVM as error:
        raise NoSuchVM(f"in {environment}: {error}") from None
