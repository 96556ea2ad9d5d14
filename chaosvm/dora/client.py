"""Reads environments from Dora: login, requests, and lookups of VMs."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from chaosvm.dora.environments import Environment, EnvironmentRegistry
from chaosvm.dora.inventory import (
    EnvironmentInventory,
    Hypervisor,
    parse_hypervisors,
    parse_items,
    parse_vms,
)
from chaosvm.dora.settings import DoraSettings
from chaosvm.dora.transport import Response, Transport
from chaosvm.errors import ChaosVMError, LoginFailed, NoSuchVM, ProtocolError
from chaosvm.redaction import hide_session
from chaosvm.runtime import Clock, Deadline, Login
from chaosvm.runtime.documents import parse_json
from chaosvm.selection import Selection, SelectionResult, find_one
from chaosvm.vm import VM

__all__ = ["DoraClient"]

logger = logging.getLogger("chaostoolkit")

_UNAUTHORIZED = (401, 403)
# Enough for all built-in environments at once: one that hangs must not delay another.
_WORKERS = 32
# Dora does not report tags.
_UNSUPPORTED_SELECTION_KEYS = ("tag",)


class DoraClient:
    """Reads environments from Dora.

    >>> with DoraClient("dora.example.com", "chaos", password) as dora:
    ...     dora.list_vms("Arvig-Staging", {"name": "web-*"})

    ``environments`` is a mapping or a file, like the setting ``dora_environments``.
    ``timeout`` in seconds bounds each call. Thread-safe. Raises InvalidValue for
    invalid arguments.
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

    # Connecting ------------------------------------------------------------------

    def connect(self) -> Self:
        """Log in now rather than with the first request."""
        self._login.ensure(self._new_deadline())
        return self

    def disconnect(self) -> None:
        """Close the connections. Dora has no logout: its token expires."""
        self._login.forget()
        self._token = ""
        self._transport.close()

    def close(self, deadline: Deadline) -> None:
        self.disconnect()

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    # Reading ---------------------------------------------------------------------

    @property
    def catalogue(self) -> EnvironmentRegistry:
        return self.settings.catalogue

    def list_vms(self, environment: str, vms: Any = None) -> list[VM]:
        """Return the VMs of an environment, or those that match a selection, possibly none."""
        selection = _selection({"all": True} if vms is None else vms)
        return selection.read(self._vms(self.catalogue.find(environment), self._new_deadline()))

    def count_vms(self, environment: str, vms: Any = None) -> int:
        """Return the number of VMs that ``list_vms`` returns."""
        return len(self.list_vms(environment, vms))

    def choose_vms(self, environment: str, vms: Any) -> list[VM]:
        """Return the VMs that a selection matches: at least one, and every listed name."""
        return list(self.choose(environment, vms).vms)

    def choose(self, environment: str, vms: Any) -> SelectionResult:
        """Like ``choose_vms``, with the seed of a sample."""
        selection, found = _selection(vms), self.catalogue.find(environment)
        inventory = self._vms(found, self._new_deadline())
        with _coordinates_in_errors(found):
            return selection.choose(inventory)

    def get_vm(self, environment: str, vm_name: str) -> VM:
        """Return the only VM with this name, moid or path."""
        found = self.catalogue.find(environment)
        inventory = self._vms(found, self._new_deadline())
        with _coordinates_in_errors(found):
            return find_one(inventory, vm_name)

    def hypervisors(self, environment: str) -> list[Hypervisor]:
        """Return the hosts of an environment."""
        return list(self._hypervisors(self.catalogue.find(environment), self._new_deadline()))

    def inventory(self, environment: str, deadline: Deadline | None = None) -> EnvironmentInventory:
        """Return the VMs and hypervisors of an environment."""
        return self._inventory(self.catalogue.find(environment), deadline or self._new_deadline())

    def inventories(
        self, environments: Any = None
    ) -> dict[str, EnvironmentInventory | ChaosVMError]:
        """Read several environments in parallel, all by default.

        The result has the inventory or the error of each, by name. Raises if the login failed, or
        all of them.
        """
        chosen = self.catalogue.choose(environments)
        deadline = self._new_deadline()
        self._login.ensure(deadline)

        def read(environment: Environment) -> EnvironmentInventory | ChaosVMError:
            try:
                return self._inventory(environment, deadline)
            except ChaosVMError as error:
                return error

        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="chaosvm-dora") as workers:
            results = {
                environment.name: result
                for environment, result in zip(chosen, workers.map(read, chosen), strict=True)
            }
        errors = {name: each for name, each in results.items() if isinstance(each, ChaosVMError)}
        causes = [f"{', '.join(names)}: {text}" for text, names in _by_text(errors).items()]
        if len(errors) == len(results):
            error = next(iter(errors.values()))
            raise type(error)(f"no environment could be read: {'; '.join(causes)}")
        for cause in causes:
            logger.warning(f"environments that could not be read: {cause}")
        return results

    # Requests --------------------------------------------------------------------

    def _new_deadline(self) -> Deadline:
        return Deadline(self.timeout, self.clock)

    def _inventory(self, environment: Environment, deadline: Deadline) -> EnvironmentInventory:
        vms = self._vms(environment, deadline)
        return EnvironmentInventory(environment, vms, self._hypervisors(environment, deadline))

    def _vms(self, environment: Environment, deadline: Deadline) -> tuple[VM, ...]:
        items = self._fetch("GetVirtualMachines", environment, environment.vm_path, deadline)
        vms = parse_vms(items, environment)
        if not vms:
            logger.warning(f"Dora returned no VM for {environment}: are these coordinates right?")
        return vms

    def _hypervisors(self, environment: Environment, deadline: Deadline) -> tuple[Hypervisor, ...]:
        items = self._fetch("GetHypervisors", environment, environment.pattern_path, deadline)
        return parse_hypervisors(items, environment)

    def _fetch(
        self, command: str, environment: Environment, path: str, deadline: Deadline
    ) -> list[dict[str, Any]]:
        query = {"listing_only": "false", "host_filter": environment.host_filter}

        def request() -> Response:
            parts = (command, self._token, environment.vcenter, path)
            return self._transport.get(self.settings.api_port, parts, deadline, query)

        generation = self._login.ensure(deadline)
        response = request()
        if response.status in _UNAUTHORIZED:
            logger.info(f"Dora at {self.settings.host} rejected the token: logging in again")
            self._login.ensure(deadline, lost=generation)
            response = request()
        endpoint = f"{self.settings.host}:{self.settings.api_port} ({command})"
        if response.status in _UNAUTHORIZED:
            raise LoginFailed(f"{endpoint} rejected a fresh token with {response.status}")
        _require_ok(response, endpoint)
        try:
            return parse_items(response.content, endpoint)
        except ProtocolError as error:
            raise ProtocolError(f"{error}, requested for {environment}") from None

    def _log_in(self, deadline: Deadline) -> None:
        settings = self.settings
        path = ("GetLoginToken", settings.username, settings.password)
        response = self._transport.get(settings.auth_port, path, deadline)
        endpoint = f"{settings.host}:{settings.auth_port} (GetLoginToken)"
        if response.status in _UNAUTHORIZED:
            raise LoginFailed(f"{endpoint}: Dora refused the user name or password")
        _require_ok(response, endpoint)
        self._token = _parse_token(response.content, endpoint)
        hide_session(self._token)


def _by_text(errors: Mapping[str, ChaosVMError]) -> dict[str, list[str]]:
    """The environments that failed, by message: most causes concern all of them."""
    names: dict[str, list[str]] = {}
    for name, error in errors.items():
        names.setdefault(str(error), []).append(name)
    return names


def _parse_token(content: bytes, endpoint: str) -> str:
    try:
        body = parse_json(content)
    except ValueError:
        body = None
    if body is None:  # raised outside of except: that error holds the whole response
        raise ProtocolError(f"{endpoint} did not return JSON: is dora_auth_port right?")
    token = body.get("token") if isinstance(body, dict) else None
    if not isinstance(token, str) or not token.strip("."):
        raise ProtocolError(f"{endpoint} returned no token: are user name and password right?")
    return token


def _require_ok(response: Response, endpoint: str) -> None:
    if 300 <= response.status < 400:
        target = f" to {response.location}" if response.location else ""
        raise ProtocolError(
            f"{endpoint} redirects{target}, which is not followed, as the URL holds secrets: set "
            "dora_host, dora_scheme and the ports to Dora's own address"
        )
    if response.status != 200:
        raise ProtocolError(
            f"{endpoint} returned status {response.status}: is it Dora? Are the ports right?"
        )


def _selection(vms: Any) -> Selection:
    selection = Selection(vms)
    selection.refuse_keys(_UNSUPPORTED_SELECTION_KEYS, "Dora")
    return selection


@contextmanager
def _coordinates_in_errors(environment: Environment) -> Iterator[None]:
    """Add the coordinates, which may be wrong, to the error that no VM matches."""
    try:
        yield
    except NoSuchVM as error:
        raise NoSuchVM(f"in {environment}: {error}") from None
