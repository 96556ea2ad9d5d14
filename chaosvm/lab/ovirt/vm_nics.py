"""Network cards of VMs: read, added, linked, plugged and removed.

Source: the recordings ``nic-*``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import flag, mandatory, value
from chaosvm.lab.ovirt.collection import Action, Call, Collection, nodes
from chaosvm.lab.ovirt.kinds.network import MANAGEMENT, profile_id
from chaosvm.lab.ovirt.markup import Node, actions, linked, links, node, text
from chaosvm.lab.ovirt.registry import Registry
from chaosvm.lab.ovirt.statistics import NIC_STATISTICS, statistics
from chaosvm.lab.ovirt.vm_of import required_vm, vm_of
from chaosvm.lab.simulation import DEFAULT_NETWORK, Machine, Nic, State, World, default_nic

__all__ = ["nic_collections"]

_CHANGEABLE = (State.OFF, State.RUNNING, State.DISKS_LOCKED)
_INTERFACES = {"vmxnet3": "virtio", "vmxnet2": "virtio", "pcnet32": "rtl8139"}
_MODELS = {"virtio": "vmxnet3"}
_TYPES = {"virtio": "VirtIO", "e1000": "e1000", "e1000e": "e1000e", "rtl8139": "rtl8139"}


def nic_collections(registry: Registry) -> Sequence[Collection]:
    nics = _Nics(registry)
    of_nic = "vms/{id}/nics/{id}"
    return (
        Collection(
            path="vms/{id}/nics",
            root="nics",
            items=lambda call: vm.nics if (vm := vm_of(call)) else (),
            described=nics.described,
            add=nics.add,
            update=nics.update,
            remove=nics.remove,
            actions={"activate": nics.plug(True), "deactivate": nics.plug(False)},
        ),
        nodes(
            f"{of_nic}/statistics",
            "statistics",
            lambda call: statistics(call, NIC_STATISTICS, "nic"),
        ),
        nodes(f"{of_nic}/reporteddevices", "reported_devices", lambda call: ()),
        nodes(f"{of_nic}/networkfilterparameters", "network_filter_parameters", lambda call: ()),
    )


class _Nics:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def described(self, call: Call, nic: Nic) -> Node:
        path = f"{call.path}/{nic.id}"
        return node(
            "nic",
            actions(path, ("activate", "deactivate")),
            text("name", nic.name),
            *links(path, ("networkfilterparameters", "reporteddevices", "statistics")),
            linked("vm", "vms", call.parent),
            text("interface", _interface(nic)),
            text("linked", nic.connected),
            node("mac", text("address", nic.mac)),
            text("plugged", nic.plugged),
            text("synced", True),
            linked("vnic_profile", "vnicprofiles", self._profile_of(call.world, call.parent, nic)),
            href=path,
            id=nic.id,
        )

    def _profile_of(self, world: World, vm_id: str, nic: Nic) -> str | None:
        """The profile of its network in the VM's data center."""
        cluster = world.cluster(world.vm(vm_id).cluster_id)
        datacenter = world.datacenter(cluster.datacenter_id) if cluster else None
        if datacenter is None:
            return None
        network = MANAGEMENT if nic.network == DEFAULT_NETWORK else nic.network
        for profile in self._registry.all(self._registry.kinds["vnicprofiles"]):
            of = profile.element.find("network")
            if self._registry.name_of(of) == network:
                return profile.id
        return profile_id(datacenter, network)

    def add(self, call: Call, body: Element) -> Nic:
        mandatory(body, ("name",))
        vm = required_vm(call)
        if vm.state not in _CHANGEABLE:
            raise Failure(
                409, "[Cannot add a Network Interface when VM is not Down, Up or Image-Locked.]"
            )
        name = value(body, "name") or ""
        self._refuse_taken(vm, name)
        added = replace(default_nic(vm.id, vm.moid, _free_number(vm)), name=name)
        added = self._changed(call, added, body)
        call.world.change(vm.id, nics=(*vm.nics, added))
        _note(call, 932, f"Interface {name} ({_type(added)}) was added to VM {vm.name}.", vm)
        return added

    def update(self, call: Call, nic: Nic, body: Element) -> Nic:
        vm = required_vm(call)
        name = value(body, "name")
        if name and name != nic.name:
            self._refuse_taken(vm, name)
        changed = self._changed(call, replace(nic, name=name or nic.name), body)
        call.world.change(vm.id, nics=_replaced(vm, changed))
        state = ""
        if changed.connected != nic.connected:
            word = "UP" if changed.connected else "DOWN"
            state = f" Link State is {word}."
        _note(
            call,
            934,
            f"Interface {nic.name} ({_type(nic)}) was updated for VM {vm.name}.{state}",
            vm,
        )
        return changed

    def remove(self, call: Call, nic: Nic) -> None:
        vm = required_vm(call)
        if vm.state is not State.OFF and nic.plugged:
            raise Failure(409, "[Cannot remove Interface. Interface is plugged, unplug it first.]")
        call.world.change(vm.id, nics=tuple(each for each in vm.nics if each.id != nic.id))
        _note(call, 930, f"Interface {nic.name} ({_type(nic)}) was removed from VM {vm.name}.", vm)

    def plug(self, plugged: bool) -> Action:
        def action(call: Call, nic: Nic, body: Element) -> None:
            vm = required_vm(call)
            call.world.change(vm.id, nics=_replaced(vm, replace(nic, plugged=plugged)))
            code, done = (1012, "plugged to") if plugged else (1014, "unplugged from")
            _note(
                call,
                code,
                f"Network Interface {nic.name} ({_type(nic)}) was {done} VM {vm.name}.",
                vm,
            )

        return action

    def _refuse_taken(self, vm: Machine, name: str) -> None:
        if any(each.name == name for each in vm.nics):
            raise Failure(409, "[Network interface name is already in use]")

    def _changed(self, call: Call, nic: Nic, body: Element) -> Nic:
        linked_up, plugged = flag(body, "linked"), flag(body, "plugged")
        interface = value(body, "interface")
        return replace(
            nic,
            connected=nic.connected if linked_up is None else linked_up,
            start_connected=nic.start_connected if linked_up is None else linked_up,
            plugged=nic.plugged if plugged is None else plugged,
            mac=value(body, "mac/address") or nic.mac,
            model=_MODELS.get(interface, interface) if interface else nic.model,
            network=self._network(body) or nic.network,
        )

    def _network(self, body: Element) -> str | None:
        """The network that the body names, or that of its profile."""
        reference = body.find("vnic_profile")
        if reference is not None and reference.get("id"):
            profile = self._registry.resolve_reference(reference)
            reference = profile.element.find("network")
        else:
            reference = body.find("network")
        if reference is None:
            return None
        name = self._registry.name_of(reference) or value(reference, "name")
        return DEFAULT_NETWORK if name == MANAGEMENT else name


def _interface(nic: Nic) -> str:
    return _INTERFACES.get(nic.model, nic.model)


def _type(nic: Nic) -> str:
    interface = _interface(nic)
    return _TYPES.get(interface, interface)


def _free_number(vm: Machine) -> int:
    taken = {nic.key for nic in vm.nics}
    return next(number for number in range(1000) if 4000 + number not in taken)


def _replaced(vm: Machine, changed: Nic) -> tuple[Nic, ...]:
    return tuple(changed if each.id == changed.id else each for each in vm.nics)


def _note(call: Call, code: int, sentence: str, vm: Machine) -> None:
    call.note(code, f"{sentence} (User: {{user}})", vm)
