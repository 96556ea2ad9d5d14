"""The administrator of a simulated vCenter: changes the inventory and reads its real state.

Its session bypasses the simulator's front end: its requests are not counted, rules do not apply to
them, and the session does not expire.
A VM is given as a name, an inventory path ("/DC0/vm/NAME") or a VirtualMachine.
"""

from __future__ import annotations

import base64
import json
import time
import urllib.request
import uuid
from typing import Any, TypeAlias

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

from . import Vcsim

VM: TypeAlias = str | vim.VirtualMachine


class Estate:
    def __init__(self, vcsim: Vcsim) -> None:
        self._vcsim = vcsim
        self._tls = vcsim.control_tls
        self._instance = SmartConnect(
            protocol="https" if self._tls else "http",
            host=vcsim.host,
            port=vcsim.control,
            user=vcsim.username,
            pwd=vcsim.password,
            sslContext=self._tls,
        )
        self.content = self._instance.RetrieveContent()
        self._rest_session: str | None = None

    def __enter__(self) -> Estate:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        Disconnect(self._instance)
        self._instance._stub.DropConnections()

    # Reading

    def vm(self, vm: VM) -> vim.VirtualMachine:
        """The VM with this name or path; LookupError if there is none, or more than one."""
        if not isinstance(vm, str):
            return vm
        if vm.startswith("/"):
            found = [self.content.searchIndex.FindByInventoryPath(vm)]
        else:
            found = [
                each
                for each, values in self.all(vim.VirtualMachine, "name")
                if values.get("name") == vm
            ]
        if len(found) != 1 or not isinstance(found[0], vim.VirtualMachine):
            raise LookupError(f"{vm!r} is the name of {found}")
        return found[0]

    def moid(self, vm: VM) -> str:
        return str(self.vm(vm)._moId)

    def get(self, vm: VM, path: str) -> Any:
        """One property by its path, for example "guest.hostName"; None if it is not set."""
        return self._read([self.vm(vm)], vim.VirtualMachine, [path])[0][1].get(path)

    def power_state(self, vm: VM) -> str:
        return str(self.get(vm, "runtime.powerState"))

    def power_states(self) -> dict[str, str]:
        """The power state of every VM, by name."""
        pairs = self.all(vim.VirtualMachine, "name", "runtime.powerState")
        return {values["name"]: str(values["runtime.powerState"]) for _, values in pairs}

    def all(self, kind: type[Any], *paths: str) -> list[tuple[Any, dict[str, Any]]]:
        """All objects of a type with some properties; four requests for any number."""
        view = self.content.viewManager.CreateContainerView(self.content.rootFolder, [kind], True)
        try:
            return self._read(list(view.view), kind, list(paths))
        finally:
            view.DestroyView()

    def named(self, kind: type[Any], name: str) -> Any:
        """The first object of a type with this name."""
        for each, values in self.all(kind, "name"):
            if values.get("name") == name:
                return each
        raise LookupError(f"no {kind.__name__} is called {name!r}")

    # Changing

    def create_folder(self, path: str) -> vim.Folder:
        """Create a VM folder and its missing parents; the path starts with /DATACENTER/vm/."""
        found = self.content.searchIndex.FindByInventoryPath(path)
        if found is not None:
            return found
        above, _, name = path.rpartition("/")
        if not above:
            raise LookupError(f"no such datacenter: {path}")
        return self.create_folder(above).CreateFolder(name)

    def create_vm(
        self,
        name: str,
        folder: str | vim.Folder | None = None,
        power_on: bool = True,
        *,
        host: str | None = None,
        cluster: str | None = None,
        app: str | vim.VirtualApp | None = None,
        tools: bool = True,
    ) -> vim.VirtualMachine:
        """Create a VM on a host, in a cluster or in a vApp; by default, anywhere."""
        spec = vim.vm.ConfigSpec(
            name=name,
            guestId="otherGuest",
            numCPUs=1,
            memoryMB=32,
            # The files have their own name, so that the VM can have any name, such as "a/b".
            files=vim.vm.FileInfo(vmPathName=f"[LocalDS_0] {uuid.uuid4()}/vm.vmx"),
        )
        if app is not None:
            into = self.named(vim.VirtualApp, app) if isinstance(app, str) else app
            task = into.CreateChildVM_Task(config=spec, host=None)
        else:
            into = self.create_folder(folder) if isinstance(folder, str) else folder
            into = into or self._datacenters()[0].vmFolder
            on, pool = self._place(into, host, cluster)
            task = into.CreateVM_Task(config=spec, pool=pool, host=on)
        vm: vim.VirtualMachine = self._wait(task)
        if app is not None:
            self._vcsim.correct_vapps()
        if power_on:
            self.power_on(vm)
        if tools:
            self.set_guest(vm, tools_running=power_on)
        return vm

    def create_vapp(self, name: str, cluster: str | None = None) -> vim.VirtualApp:
        """Create an empty vApp in the root resource pool of a cluster."""
        compute = self._compute(vim.ClusterComputeResource, cluster)
        shares = vim.SharesInfo(shares=4000, level="normal")
        allocation = vim.ResourceAllocationInfo(
            reservation=0, expandableReservation=True, limit=-1, shares=shares
        )
        resources = vim.ResourceConfigSpec(cpuAllocation=allocation, memoryAllocation=allocation)
        app = compute.resourcePool.CreateVApp(name, resources, vim.vApp.VAppConfigSpec(), None)
        self._vcsim.correct_vapps()
        return app

    def rename(self, vm: VM, new: str) -> None:
        self._reconfigure(vm, name=new)

    def destroy(self, vm: VM) -> None:
        """Destroy a VM, powered on or not."""
        vm = self.vm(vm)
        if self.power_state(vm) == "poweredOn":
            self.power_off(vm)
        self._vcsim.leave_vapp(self.moid(vm))
        self._wait(vm.Destroy_Task())

    def power_on(self, vm: VM) -> None:
        self._wait(self.vm(vm).PowerOnVM_Task())

    def power_off(self, vm: VM) -> None:
        self._wait(self.vm(vm).PowerOffVM_Task())

    def suspend(self, vm: VM) -> None:
        self._wait(self.vm(vm).SuspendVM_Task())

    def set_guest(
        self,
        vm: VM,
        tools_running: bool | None = None,
        hostname: str | None = None,
        ip: str | None = None,
        *,
        tools_installed: bool = True,
    ) -> None:
        """Set what VMware Tools report; None leaves a value unchanged.

        Installed Tools stop and start with the VM's power.
        """
        values: dict[str, str] = {}
        if not tools_installed:
            values["guest.toolsStatus"] = "toolsNotInstalled"
            values["guest.toolsRunningStatus"] = "guestToolsNotRunning"
        elif tools_running is not None:
            values["guest.toolsStatus"] = "toolsOk" if tools_running else "toolsNotRunning"
            values["guest.toolsRunningStatus"] = (
                "guestToolsRunning" if tools_running else "guestToolsNotRunning"
            )
        if hostname is not None:
            values["guest.hostName"] = hostname
        if ip is not None:
            values["guest.ipAddress"] = ip
        self.set(vm, **values)

    def set(self, vm: VM, **values: Any) -> None:
        """Set properties by path: set(vm, **{"guest.guestState": "running"}).

        With a value of the wrong type the simulator closes the connection.
        """
        options = [
            vim.option.OptionValue(key=f"SET.{path}", value=value) for path, value in values.items()
        ]
        if options:
            self._reconfigure(vm, extraConfig=options)

    def set_question(self, vm: VM, text: str) -> None:
        """Make the VM wait for an answer to a question."""
        choices = vim.option.ChoiceOption(
            choiceInfo=[vim.ElementDescription(key="0", label="Yes", summary="Yes")], defaultIndex=0
        )
        question = vim.vm.QuestionInfo(id="1", text=text, choice=choices)
        self.set(vm, **{"runtime.question": question, "summary.runtime.question": question})

    def set_managed_by(self, vm: VM, extension_key: str, kind: str = "agent") -> None:
        """Make the VM managed by an extension, as vCLS VMs are."""
        owner = vim.ext.ManagedByInfo(extensionKey=extension_key, type=kind)
        self._reconfigure(vm, managedBy=owner)

    def mark_template(self, vm: VM) -> None:
        """Turn a VM into a template, after powering it off."""
        vm = self.vm(vm)
        if self.power_state(vm) == "poweredOn":
            self.power_off(vm)
        vm.MarkAsTemplate()

    def set_custom_attribute(self, vm: VM, name: str, value: str) -> None:
        """May be called once for each name: the simulator keeps the old value as well."""
        manager = self.content.customFieldsManager
        keys = {field.name: field.key for field in manager.field}
        if name not in keys:
            keys[name] = manager.AddCustomFieldDef(name, vim.VirtualMachine).key
        manager.SetField(self.vm(vm), keys[name], value)

    def tag(self, vm: VM, category: str, tag: str) -> str:
        """Attach a tag, created if necessary; returns the tag's id."""
        category_id = self._category(category)
        tag_id = self._tag(category_id, tag)
        target = {"object_id": {"id": self.moid(vm), "type": "VirtualMachine"}}
        self._rest("POST", f"/tagging/tag-association/id:{tag_id}?~action=attach", target)
        return tag_id

    # Private

    def _read(
        self, objects: list[Any], kind: type[Any], paths: list[str]
    ) -> list[tuple[Any, dict[str, Any]]]:
        if not objects:
            return []
        collector = vmodl.query.PropertyCollector
        spec = collector.FilterSpec(
            objectSet=[collector.ObjectSpec(obj=each) for each in objects],
            propSet=[collector.PropertySpec(type=kind, pathSet=paths)],
        )
        answer = self.content.propertyCollector.RetrieveContents([spec])
        return [(each.obj, {prop.name: prop.val for prop in each.propSet}) for each in answer]

    def _reconfigure(self, vm: VM, **spec: Any) -> None:
        self._wait(self.vm(vm).ReconfigVM_Task(vim.vm.ConfigSpec(**spec)))

    def _wait(self, task: vim.Task, within: float = 10.0) -> Any:
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            info = task.info
            if info.state == "success":
                return info.result
            if info.state == "error":
                raise info.error
            time.sleep(0.01)
        raise TimeoutError(f"{info.descriptionId} was {info.state} for {within} s")

    def _datacenters(self) -> list[vim.Datacenter]:
        return [each for each, _ in self.all(vim.Datacenter, "name")]

    def _compute(self, kind: type[Any], name: str | None, folder: vim.Folder | None = None) -> Any:
        for each, values in self.all(kind, "name"):
            if name is None and (folder is None or _datacenter(each) == _datacenter(folder)):
                return each
            if name is not None and values.get("name") == name:
                return each
        raise LookupError(f"no {kind.__name__} is called {name!r}")

    def _place(
        self, folder: vim.Folder, host: str | None, cluster: str | None
    ) -> tuple[vim.HostSystem | None, vim.ResourcePool]:
        if host is not None:
            on = self.named(vim.HostSystem, host)
            return on, on.parent.resourcePool
        kind = vim.ComputeResource if cluster is None else vim.ClusterComputeResource
        return None, self._compute(kind, cluster, folder).resourcePool

    def _category(self, name: str) -> str:
        for each in self._rest("GET", "/tagging/category") or []:
            if self._rest("GET", f"/tagging/category/id:{each}")["name"] == name:
                return str(each)
        spec = {
            "name": name,
            "description": "",
            "cardinality": "MULTIPLE",
            "associable_types": ["VirtualMachine"],
        }
        return str(self._rest("POST", "/tagging/category", {"create_spec": spec}))

    def _tag(self, category: str, name: str) -> str:
        for each in (
            self._rest("POST", f"/tagging/tag/id:{category}?~action=list-tags-for-category") or []
        ):
            if self._rest("GET", f"/tagging/tag/id:{each}")["name"] == name:
                return str(each)
        spec = {"name": name, "description": "", "category_id": category}
        return str(self._rest("POST", "/tagging/tag", {"create_spec": spec}))

    def _rest(self, method: str, path: str, content: Any = None) -> Any:
        if self._rest_session is None:
            login = f"{self._vcsim.username}:{self._vcsim.password}".encode()
            basic = {"Authorization": "Basic " + base64.b64encode(login).decode()}
            self._rest_session = str(self._rest_send("POST", "/session", None, basic))
        return self._rest_send(method, path, content, {"vmware-api-session-id": self._rest_session})

    def _rest_send(self, method: str, path: str, content: Any, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(
            f"{'https' if self._tls else 'http'}://{self._vcsim.host}:{self._vcsim.control}"
            f"/rest/com/vmware/cis{path}",
            data=json.dumps(content).encode() if content is not None else b"",
            method=method,
            headers={"Content-Type": "application/json", **headers},
        )
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls)
        )
        with opener.open(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text)["value"] if text else None


def _datacenter(entity: Any) -> Any:
    while not isinstance(entity, vim.Datacenter):
        entity = entity.parent
    return entity
