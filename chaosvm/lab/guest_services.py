"""The ports of simulated guests: real listeners on loopback addresses, while a guest is up."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import secrets
import threading
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.lab.simulation import Machine, NotFound, Service, World

__all__ = ["GuestServices"]

_logger = logging.getLogger(__name__)
_PER_COLUMN = 250  # addresses whose third byte differs

# Address and port.
_Listener = tuple[str, int]


class GuestServices:
    """Listens on the ports of all VMs that have services, each on addresses of its own.

    network: the second byte of these addresses, 127.N.x.y; by default a random one, so
        that several labs do not meet.
    """

    def __init__(self, world: World, network: int | None = None) -> None:
        self._world = world
        self._network = 16 + secrets.randbelow(200) if network is None else network
        self._addressed: set[str] = set()
        self._listeners: dict[_Listener, asyncio.Server] = {}
        self._owners: dict[_Listener, str] = {}
        self._clients: dict[_Listener, set[asyncio.StreamWriter]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._turn = asyncio.Lock()
        self._forget: Callable[[], None] = lambda: None

    @property
    def prefix(self) -> str:
        return f"127.{self._network}."

    def start(self) -> None:
        """Raises InvalidValue if a port cannot be listened on."""
        self._forget = self._world.listen(self._on_change)
        with_services = [vm for vm in self._world.vms if vm.guest.services]
        for vm in with_services:
            self._address(vm)
            self._run(self._synchronize(vm.id, strict=True)).result()

    def stop(self) -> None:
        """Close all ports. Idempotent."""
        self._forget()
        self._forget = lambda: None
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    # The simulation --------------------------------------------------------------------

    def _on_change(self, changed: Sequence[Machine]) -> None:
        for vm in changed:
            if vm.guest.services:
                if vm.id not in self._addressed:
                    self._address(vm)
                self._run(self._synchronize(vm.id))

    def _address(self, vm: Machine) -> None:
        """Give a VM an address that this machine answers on, unless it has one."""
        self._addressed.add(vm.id)
        if not _loopback_addresses(vm):
            row, column = divmod(len(self._addressed), _PER_COLUMN)
            self._world.change(vm.id, ip_addresses=(f"{self.prefix}{column}.{row + 1}",))

    def _wanted(self, vm_id: str) -> dict[_Listener, Service]:
        """What should be listened on for a VM now."""
        try:
            vm = self._world.vm(vm_id)
        except NotFound:
            return {}
        linked = any(nic.connected and nic.plugged for nic in vm.nics)
        if not (vm.guest_up and linked):
            return {}
        return {
            (address, service.port): service
            for address in _loopback_addresses(vm)
            for service in vm.guest.services
        }

    # In its own thread -----------------------------------------------------------------

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> Any:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="lab-guests", daemon=True
            )
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def _synchronize(self, vm_id: str, strict: bool = False) -> None:
        """Open and close ports as the state of the VM asks for."""
        async with self._turn:
            wanted = self._wanted(vm_id)
            for listener in [each for each in self._owned(vm_id) if each not in wanted]:
                self._close(listener)
            for listener, service in wanted.items():
                if listener not in self._listeners:
                    await self._open(vm_id, listener, service, strict)

    def _owned(self, vm_id: str) -> list[_Listener]:
        return [each for each in self._listeners if self._owners[each] == vm_id]

    async def _open(self, vm_id: str, listener: _Listener, service: Service, strict: bool) -> None:
        try:
            handle = partial(self._serve, listener, service)
            self._listeners[listener] = await asyncio.start_server(handle, *listener)
            self._owners[listener] = vm_id
        except OSError as error:
            problem = f"port {listener[1]} of {listener[0]}, a guest's, cannot be listened on"
            if strict:
                raise InvalidValue(f"{problem}: {error.strerror}") from None
            _logger.warning("%s: %s", problem, error.strerror)

    async def _serve(
        self,
        listener: _Listener,
        service: Service,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        clients = self._clients.setdefault(listener, set())
        clients.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                if service.http:
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(_http_response(service))
                else:
                    await reader.read()
        finally:
            clients.discard(writer)
            writer.close()

    def _close(self, listener: _Listener) -> None:
        self._listeners.pop(listener).close()
        self._owners.pop(listener)
        for writer in self._clients.pop(listener, set()):
            writer.transport.abort()

    async def _close_all(self) -> None:
        async with self._turn:
            for listener in list(self._listeners):
                self._close(listener)
        # A connection that was just accepted starts a task when its first one ends.
        while clients := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in clients:
                task.cancel()
            await asyncio.gather(*clients, return_exceptions=True)
            # Transports close in the next iteration of the loop.
            await asyncio.sleep(0)


def _loopback_addresses(vm: Machine) -> list[str]:
    return [each for each in vm.ip_addresses if ipaddress.ip_address(each).is_loopback]


def _http_response(service: Service) -> bytes:
    body = service.body.encode()
    head = f"HTTP/1.1 {service.status} lab\r\nContent-Length: {len(body)}\r\nConnection: close"
    return f"{head}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n".encode() + body
