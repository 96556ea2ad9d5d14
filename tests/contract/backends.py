"""The systems that the contract holds for, each with the same estate.

A backend starts its system, gives platforms that are connected to it, and
knows what is true of its VMs without asking chaosvm: vcsim by its
administrator's own door, the lab by its world.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from typing import Any, ClassVar, Self

from pyVmomi import vim

from chaosvm.lab import Guest, Lab, Machine, State, World
from chaosvm.lab import rule as lab_rule
from chaosvm.olvm import OLVMPlatform
from chaosvm.verbs import VMPlatform
from chaosvm.vsphere import VSpherePlatform
from tests.contract.estate import DATACENTERS, EVERYWHERE, ON_VCENTERS, Entry, Power
from tests.vcsim import Vcsim
from tests.vcsim import rule as vcsim_rule
from tests.vcsim.estate import Estate

__all__ = ["BACKENDS", "VCENTERS", "Backend", "VCenter"]

_SOAP_VERBS = {
    "power_on": "PowerOnVM_Task",
    "power_off": "PowerOffVM_Task",
    "suspend": "SuspendVM_Task",
    "reset": "ResetVM_Task",
    "shutdown": "ShutdownGuest",
    "reboot": "RebootGuest",
}
_ENGINE_VERBS = {
    "power_on": "start",
    "power_off": "stop",
    "suspend": "suspend",
    "reset": "reset",
    "shutdown": "shutdown",
    "reboot": "reboot",
}


class Backend(ABC):
    name: ClassVar[str]
    entries: ClassVar[Sequence[Entry]] = EVERYWHERE
    # What each step of chaosvm.platform.Step is called on the wire.
    verbs: ClassVar[Mapping[str, str]]
    # What makes the system's rules of trouble.
    rule: ClassVar[Callable[..., Any]]

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        self._open = ExitStack()
        self._platforms = ExitStack()
        self._troubles: list[Any] = []

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self.start(opened)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @abstractmethod
    def start(self, opened: ExitStack) -> None:
        """Start the system and fill it; ``opened`` ends it."""

    def reset(self) -> None:
        """Close what the last test opened, and put everything back."""
        self.calm()
        self._platforms.close()
        self.restore()

    @abstractmethod
    def restore(self) -> None:
        """Every VM as it was made, and no other VM."""

    # Connecting --------------------------------------------------------------------------

    def platform(self, **replaced: Any) -> VMPlatform:
        """A platform, with some of its arguments replaced; closed at the end of the test."""
        made = self.made(**({"timeout": 20} | replaced))
        self._platforms.callback(made.disconnect)
        return made

    @abstractmethod
    def made(self, **replaced: Any) -> VMPlatform: ...

    # What is true ------------------------------------------------------------------------

    @abstractmethod
    def power(self, known_as: str) -> Power:
        """Of a VM, by its key in the estate."""

    @abstractmethod
    def sent(self) -> dict[str, int]:
        """How often each step was asked for since the last test, by its name in ``verbs``."""

    @abstractmethod
    def sessions(self) -> dict[str, int]:
        """At least {"logins": n, "logouts": n}, since the start."""

    # What an administrator can do --------------------------------------------------------

    @abstractmethod
    def add(self, entry: Entry) -> None:
        """One more VM, until the end of the test."""

    @abstractmethod
    def remove(self, known_as: str) -> None:
        """One that was added."""

    @abstractmethod
    def switch_off(self, known_as: str) -> None: ...

    @abstractmethod
    def guest(self, known_as: str, *, obeys: bool = True, seconds: float = 0.0) -> None:
        """How the guest takes requests from now on."""

    def trouble(self, verb: str, action: str, vm: str = "", **options: Any) -> None:
        """What happens to a step of ``verbs`` from now on, until the end of the test."""
        about = self.ids[vm] if vm else ""
        self._troubles.append(self.rule(self.verbs[verb], action, vm=about, **options))
        self.set_rules(self._troubles)

    def calm(self) -> None:
        self._troubles.clear()
        self.set_rules([])

    @abstractmethod
    def set_rules(self, rules: Sequence[Any]) -> None: ...

    @abstractmethod
    def expire_sessions(self) -> None: ...

    @abstractmethod
    def drop_connections(self) -> None: ...


class VCenter(Backend):
    """What plain pyvmomi can talk to."""

    entries = (*EVERYWHERE, *ON_VCENTERS)
    verbs = _SOAP_VERBS

    @property
    @abstractmethod
    def address(self) -> dict[str, Any]:
        """Server, port, user name, password and CA file, as VSpherePlatform wants them."""

    def made(self, **replaced: Any) -> VMPlatform:
        return VSpherePlatform(**(self.address | replaced))


class VcsimBackend(VCenter):
    name = "vcsim"
    rule = staticmethod(vcsim_rule)
    _vcsim: Vcsim
    _estate: Estate

    def start(self, opened: ExitStack) -> None:
        shape = {"datacenters": len(DATACENTERS), "cluster_hosts": 2, "standalone_hosts": 0}
        self._vcsim = opened.enter_context(Vcsim.start(**shape, vms=0))
        self._estate = opened.enter_context(Estate(self._vcsim))
        for entry in self.entries:
            self._add(entry)
        self._kept = set(self.ids)

    def _add(self, entry: Entry) -> None:
        estate = self._estate
        folder = f"/{entry.datacenter}/vm" + (f"/{entry.folder}" if entry.folder else "")
        vm = estate.create_vm(
            entry.name, folder, power_on=False, cluster=f"{entry.datacenter}_C0", tools=False
        )
        self.ids[entry.known_as] = vm._moId
        estate.set_guest(vm, False, entry.hostname, entry.address, tools_installed=entry.tools)
        if entry.address:
            estate.set(vm, **{"summary.guest.ipAddress": entry.address})
        if entry.template:
            estate.mark_template(vm)
        if entry.managed_by:
            estate.set_managed_by(vm, entry.managed_by)
        if entry.owner:
            estate.set_custom_attribute(vm, "owner", entry.owner)
        if entry.tag:
            category, _, tag = entry.tag.rpartition("/")
            estate.tag(vm, category or "tier", tag)
        if not entry.template:
            self._bring(vm, entry)

    def _vm(self, known_as: str) -> vim.VirtualMachine:
        return vim.VirtualMachine(self.ids[known_as], self._estate._instance._stub)

    def _bring(self, vm: vim.VirtualMachine, entry: Entry) -> None:
        now = self._power_of(vm)
        if now is not entry.power and now is not Power.ON:
            self._estate.power_on(vm)
        if entry.tools and Power.ON in (now, entry.power):
            self._estate.set_guest(vm, tools_running=True)
        if now is entry.power or entry.power is Power.ON:
            return
        if entry.power is Power.OFF:
            self._estate.power_off(vm)
        else:
            self._estate.suspend(vm)

    def _power_of(self, vm: vim.VirtualMachine) -> Power:
        words = {"poweredOn": Power.ON, "poweredOff": Power.OFF, "suspended": Power.SUSPENDED}
        return words[self._estate.power_state(vm)]

    def restore(self) -> None:
        for known_as in self.ids.keys() - self._kept:
            self.remove(known_as)
        paths = ("runtime.powerState", "guest.toolsRunningStatus")
        told = {each._moId: values for each, values in self._estate.all(vim.VirtualMachine, *paths)}
        for entry in self.entries:
            if told[self.ids[entry.known_as]] != self._expected(entry):
                self._bring(self._vm(entry.known_as), entry)
        self._vcsim.reset_requests()

    @staticmethod
    def _expected(entry: Entry) -> dict[str, str]:
        running = entry.tools and entry.power is Power.ON
        words = {Power.ON: "poweredOn", Power.OFF: "poweredOff", Power.SUSPENDED: "suspended"}
        return {
            "runtime.powerState": words[entry.power],
            "guest.toolsRunningStatus": "guestToolsRunning" if running else "guestToolsNotRunning",
        }

    @property
    def address(self) -> dict[str, Any]:
        return {
            "server": self._vcsim.host,
            "port": self._vcsim.port,
            "username": self._vcsim.username,
            "password": self._vcsim.password,
            "ca_file": self._vcsim.ca_file,
        }

    def power(self, known_as: str) -> Power:
        return self._power_of(self._vm(known_as))

    def sent(self) -> dict[str, int]:
        asked = self._vcsim.requests()["methods"]
        return {verb: asked[word] for verb, word in self.verbs.items() if word in asked}

    def sessions(self) -> dict[str, int]:
        return self._vcsim.sessions()

    def add(self, entry: Entry) -> None:
        self._add(entry)

    def remove(self, known_as: str) -> None:
        vm = self._vm(known_as)
        del self.ids[known_as]
        self._estate.destroy(vm)

    def switch_off(self, known_as: str) -> None:
        self._estate.power_off(self._vm(known_as))

    def guest(self, known_as: str, *, obeys: bool = True, seconds: float = 0.0) -> None:
        for verb in ("shutdown", "reboot"):
            self.trouble(verb, "guest_after" if obeys else "ignore", known_as, seconds=seconds)

    def set_rules(self, rules: Sequence[Any]) -> None:
        self._vcsim.rules(*rules)

    def expire_sessions(self) -> None:
        self._vcsim.expire_sessions()

    def drop_connections(self) -> None:
        self._vcsim.drop_connections()


_STATES = {Power.ON: State.RUNNING, Power.OFF: State.OFF, Power.SUSPENDED: State.SUSPENDED}


class LabBackend(Backend):
    """A face of the lab; the world is what is true."""

    rule = staticmethod(lab_rule)
    platform_served: ClassVar[str]
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

    @property
    def address(self) -> dict[str, Any]:
        return {
            "server": self._lab.vsphere_server,
            "port": self._lab.vsphere_port,
            "username": self._lab.username,
            "password": self._lab.password,
            "ca_file": self._lab.ca_file,
        }

    def id_of(self, vm: Machine) -> str:
        return vm.moid

    def sent(self) -> dict[str, int]:
        asked = self._lab.requests()
        counts = {verb: asked.get(f"POST /sdk {word}", 0) for verb, word in self.verbs.items()}
        return {verb: count for verb, count in counts.items() if count}


class LabEngine(LabBackend):
    name = "lab engine"
    platform_served = "olvm"
    verbs = _ENGINE_VERBS

    def made(self, **replaced: Any) -> VMPlatform:
        address = {
            "url": self._lab.olvm_url,
            "username": self._lab.username,
            "password": self._lab.password,
            "ca_file": self._lab.ca_file,
        }
        return OLVMPlatform(**(address | replaced))

    def id_of(self, vm: Machine) -> str:
        return vm.id

    def sent(self) -> dict[str, int]:
        asked = self._lab.requests()
        counts = {
            verb: asked.get(f"POST /api/vms/{{id}}/{word}", 0) for verb, word in self.verbs.items()
        }
        return {verb: count for verb, count in counts.items() if count}


BACKENDS: Mapping[str, type[Backend]] = {
    made.name: made for made in (VcsimBackend, LabVCenter, LabEngine)
}
VCENTERS = tuple(name for name, made in BACKENDS.items() if issubclass(made, VCenter))
