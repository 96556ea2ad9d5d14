"""The ports of simulated guests: real listeners on loopback addresses, while a guest is up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import secrets
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.lab.simulation import Machine, NotFound, Service, World

__all__ = ["GuestServices"]

_logger = logging.getLogger(__name__)
_NETWORKS = range(16, 216)
_PER_COLUMN = 250  # addresses whose third byte differs
_CHUNK = 65_536

# Address and port.
_Listener = tuple[str, int]


class GuestServices:
    """Listens on the ports of all VMs that have services, each on addresses of its own.

    network: the second byte of these addresses, 127.N.x.y; by default a random one that no
        other lab on this machine has.
    """

    def __init__(self, world: World, network: int | None = None) -> None:
        self._world = world
        self._network = network
        self._reservation: socket.socket | None = None
        self._addressed: set[str] = set()
        self._owners: dict[_Listener, str] = {}
        self._servers: dict[_Listener, socket.socket] = {}
        # One task for each connection.
        self._tasks: dict[_Listener, set[asyncio.Task[None]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._forget: Callable[[], None] | None = None

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What the addresses of guests begin with: those given here, and those that they had."""
        guests = (vm for vm in self._world.vms if vm.guest.services)
        had = (address for vm in guests for address in _loopback_addresses(vm))
        given = () if self._network is None else (f"127.{self._network}.",)
        return (*given, *had)

    def start(self) -> None:
        """Raises InvalidValue if a port cannot be listened on, or no network is left."""
        self._network, self._reservation = _reserve(self._network)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="lab-guests", daemon=True
        )
        self._thread.start()
        self._forget = self._world.listen(self._on_change)
        for vm in self._world.vms:
            if vm.guest.services:
                self._address(vm)
                self._run(self._synchronize(vm.id, strict=True)).result()

    def stop(self) -> None:
        """Close all ports. Idempotent."""
        if self._forget is None or self._loop is None or self._thread is None:
            return
        self._forget()
        self._forget = None
        self._run(self._close_all()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._reservation is not None:
            self._reservation.close()

    # The simulation --------------------------------------------------------------------

    def _on_change(self, changed: Sequence[Machine]) -> None:
        for vm in changed:
            if vm.guest.services:
                if vm.id not in self._addressed:
                    self._address(vm)
                # Refused once the lab has stopped.
                with contextlib.suppress(RuntimeError):
                    self._run(self._synchronize(vm.id))

    def _address(self, vm: Machine) -> None:
        """Give a VM an address that this machine answers on, unless it has one."""
        self._addressed.add(vm.id)
        if not _loopback_addresses(vm):
            row, column = divmod(len(self._addressed), _PER_COLUMN)
            self._world.change(vm.id, ip_addresses=(f"127.{self._network}.{column}.{row + 1}",))

    def _wanted(self, vm_id: str) -> dict[_Listener, Service]:
        """The listeners that a VM should have now."""
        try:
            vm = self._world.vm(vm_id)
        except NotFound:
            return {}
        linked = any(nic.connected and nic.plugged for nic in vm.nics)
        if self._forget is None or not (vm.guest_up and linked):
            return {}
        return {
            (address, service.port): service
            for address in _loopback_addresses(vm)
            for service in vm.guest.services
        }

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> Any:
        assert self._loop is not None
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise

    # In its own thread -----------------------------------------------------------------

    async def _synchronize(self, vm_id: str, strict: bool = False) -> None:
        """Open and close ports according to the state of the VM."""
        wanted = self._wanted(vm_id)
        for listener, owner in list(self._owners.items()):
            if owner == vm_id and listener not in wanted:
                self._close(listener)
        for listener, service in wanted.items():
            if listener not in self._owners:
                self._open(vm_id, listener, service, strict)

    def _open(self, vm_id: str, listener: _Listener, service: Service, strict: bool) -> None:
        try:
            server = socket.create_server(listener)
        except OSError as error:
            problem = f"cannot listen on port {listener[1]} of {listener[0]} for a guest"
            if strict:
                raise InvalidValue(f"{problem}: {error.strerror}") from None
            _logger.warning("%s: %s", problem, error.strerror)
            return
        server.setblocking(False)
        self._owners[listener], self._servers[listener] = vm_id, server
        tasks: set[asyncio.Task[None]] = set()
        self._tasks[listener] = tasks
        loop = asyncio.get_running_loop()
        loop.add_reader(server, partial(_accept, server, service, tasks))

    def _close(self, listener: _Listener) -> list[asyncio.Task[None]]:
        del self._owners[listener]
        server = self._servers.pop(listener)
        asyncio.get_running_loop().remove_reader(server)
        server.close()
        tasks = list(self._tasks.pop(listener))
        for task in tasks:
            task.cancel()
        return tasks

    async def _close_all(self) -> None:
        tasks = [task for listener in list(self._owners) for task in self._close(listener)]
        await asyncio.gather(*tasks, return_exceptions=True)


def _accept(server: socket.socket, service: Service, tasks: set[asyncio.Task[None]]) -> None:
    try:
        client, _ = server.accept()
    except OSError:  # the client has left
        return
    client.setblocking(False)
    task = asyncio.ensure_future(_serve(client, service))
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    # Here, as a task that is cancelled early never begins.
    task.add_done_callback(lambda _: client.close())


async def _serve(client: socket.socket, service: Service) -> None:
    """Answer a request for HTTP; otherwise wait until the client leaves."""
    loop, received = asyncio.get_running_loop(), b""
    with contextlib.suppress(ConnectionError):
        while chunk := await loop.sock_recv(client, _CHUNK):
            received += chunk
            if service.http and b"\r\n\r\n" in received:
                await loop.sock_sendall(client, _http_response(service))
                return


def _reserve(network: int | None) -> tuple[int, socket.socket | None]:
    """The given network, or one that no lab has; and what keeps other labs from choosing it.

    That is a name of Linux's abstract namespace, which is free again when its socket is
    closed, however the process ends. Other systems have no such names, and hardly any of
    these addresses.
    """
    for candidate in _candidates() if network is None else (network,):
        reservation = socket.socket(socket.AF_UNIX)
        try:
            reservation.bind(f"\0chaosvm-lab-guests-{candidate}")
        except OSError as error:
            reservation.close()
            if network is not None or error.errno != errno.EADDRINUSE:
                return candidate, None
        else:
            return candidate, reservation
    raise InvalidValue(
        f"all {len(_NETWORKS)} networks for guests are taken by other labs on this machine: "
        "stop some of them, or choose a network with guest_network"
    )


def _candidates() -> Sequence[int]:
    """In an order that no seed of a run makes the same as that of another."""
    return secrets.SystemRandom().sample(_NETWORKS, len(_NETWORKS))


def _loopback_addresses(vm: Machine) -> list[str]:
    """Without 127.0.0.1, on which the lab itself listens."""
    loopback = (each for each in vm.ip_addresses if ipaddress.ip_address(each).is_loopback)
    return [each for each in loopback if each not in ("127.0.0.1", "::1")]


def _http_response(service: Service) -> bytes:
    body = service.body.encode()
    head = f"HTTP/1.1 {service.status} lab\r\nContent-Length: {len(body)}\r\nConnection: close"
    return f"{head}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n".encode() + body
