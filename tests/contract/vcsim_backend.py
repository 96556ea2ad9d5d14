"""govmomi's vCenter simulator; its administrator's own door tells what is true."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from pyVmomi import vim

from tests.contract.backend import VCenter
from tests.contract.estate import DATACENTERS, Entry, Power
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate

__all__ = ["VcsimBackend"]


class VcsimBackend(VCenter):
    name = "vcsim"
    rule = staticmethod(rule)
    _vcsim: Any
    _estate: Estate

    def start(self, opened: ExitStack) -> None:
        shape = {"datacenters": len(DATACENTERS), "cluster_hosts": 2, "standalone_hosts": 0}
        self._vcsim = opened.enter_context(Vcsim.start(**shape, vms=0))
        self._estate = opened.enter_context(Estate(self._vcsim))
        self.add_all()

    def add_all(self) -> None:
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
