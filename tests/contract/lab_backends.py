"""The lab's faces, each over a world of its own, which tells what is true."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import fields
from typing import Any, ClassVar

from chaosvm.lab import Guest, Lab, Machine, State, World, rule
from chaosvm.olvm import OLVMPlatform
from chaosvm.service import VMService
from chaosvm.vsphere import VSpherePlatform
from tests.contract.backend import Backend, VCenter
from tests.contract.estate import DATACENTERS, Entry, Power

__all__ = ["LabEngine", "LabVCenter"]

_ENGINE_VERBS = {
    "power_on": "start",
    "power_off": "stop",
    "suspend": "suspend",
    "reset": "reset",
    "shutdown": "shutdown",
    "reboot": "reboot",
}
_STATES = {Power.ON: State.RUNNING, Power.OFF: State.OFF, Power.SUSPENDED: State.SUSPENDED}


class LabBackend(Backend):
    """A face of the lab; the world is what is true."""

    rule = staticmethod(rule)
    platform_served: ClassVar[str]
    platform_class: ClassVar[type[Any]]
    # How the lab counts a request for a step, with {} in place of its verb.
    request: ClassVar[str]
    _lab: Lab
    _world: World

    def start(self, opened: ExitStack) -> None:
        self._world = World()
        for name in DATACENTERS:
            made = self._world.add_datacenter(name)
            cluster = self._world.add_cluster(f"{name}_C0", made)
            for number in range(2):
                self._world.add_host(f"{name}_C0_H{number}", cluster)
        for tag in ("web", "app"):
            self._world.add_tag(tag, parent="tier")
        self._machines: dict[str, Machine] = {}
        for entry in self.entries:
            self._add(entry)
        self._kept = dict(self._machines)
        self._lab = opened.enter_context(Lab(self._world, platforms=[self.platform_served]))

    @property
    def address(self) -> dict[str, Any]:
        """As the settings of the platform have it."""
        prefix = f"{self.platform_served}_".upper()
        found = self._lab.environment()
        return {name.removeprefix(prefix).lower(): value for name, value in found.items()}

    def made(self, **replaced: Any) -> VMService:
        made: VMService = self.platform_class(**(self.address | replaced))
        return made

    def _add(self, entry: Entry) -> None:
        clusters = {cluster.name: cluster for cluster in self._world.clusters}
        vm = self._world.add_vm(
            entry.name,
            _STATES[entry.power],
            cluster=clusters[f"{entry.datacenter}_C0"],
            guest=Guest() if entry.tools else Guest.without_agent(),
            tags=(entry.tag,) if entry.tag else (),
            fqdn=entry.hostname,
            ip_addresses=(entry.address,) if entry.address else (),
            folder=(entry.folder,) if entry.folder else (),
            template=entry.template,
            managed_by=entry.managed_by,
            attributes={"owner": entry.owner} if entry.owner else {},
        )
        self._machines[entry.known_as] = vm
        self.ids[entry.known_as] = self.id_of(vm)

    @abstractmethod
    def id_of(self, vm: Machine) -> str:
        """As the platform calls it."""

    def restore(self) -> None:
        for known_as in self._machines.keys() - self._kept.keys():
            self.remove(known_as)
        for vm in self._kept.values():
            self._world.stick(vm.id, vm.state)  # nothing is planned for it any more
            self._world.change(vm.id, **{each.name: getattr(vm, each.name) for each in fields(vm)})
        self._lab.reset_requests()

    def power(self, known_as: str) -> Power:
        state = self._world.vm(self._machines[known_as].id).state
        if state is State.SUSPENDED:
            return Power.SUSPENDED
        return Power.ON if state.on_a_host else Power.OFF

    def sent(self) -> dict[str, int]:
        asked = self._lab.requests()
        counts = {
            step: asked.get(self.request.format(verb), 0) for step, verb in self.verbs.items()
        }
        return {step: count for step, count in counts.items() if count}

    def sessions(self) -> dict[str, int]:
        return self._lab.sessions()

    def add(self, entry: Entry) -> None:
        self._add(entry)

    def remove(self, known_as: str) -> None:
        self._world.remove_vm(self._machines.pop(known_as).id)
        del self.ids[known_as]

    def switch_off(self, known_as: str) -> None:
        vm_id = self._machines[known_as].id
        self._world.release(vm_id, State.OFF)

    def guest(self, known_as: str, *, obeys: bool = True, seconds: float = 0.0) -> None:
        guest = Guest(obedient=obeys, seconds=seconds or 0.1)
        self._world.change(self._machines[known_as].id, guest=guest)

    def set_rules(self, rules: Sequence[Any]) -> None:
        self._lab.rules(*rules)

    def expire_sessions(self) -> None:
        self._lab.expire_tokens()

    def drop_connections(self) -> None:
        self._lab.drop_connections()


class LabVCenter(LabBackend, VCenter):
    name = "lab vCenter"
    platform_served = "vsphere"
    platform_class = VSpherePlatform
    request = "POST /sdk {}"

    @property
    def address(self) -> dict[str, Any]:
        return {**super().address, "port": self._lab.vsphere_port}

    def id_of(self, vm: Machine) -> str:
        return vm.moid


class LabEngine(LabBackend):
    name = "lab engine"
    platform_served = "olvm"
    platform_class = OLVMPlatform
    request = "POST /api/vms/{{id}}/{}"
    verbs = _ENGINE_VERBS

    def id_of(self, vm: Machine) -> str:
        return vm.id
