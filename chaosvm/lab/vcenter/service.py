"""The service: its content, and every managed object by its moid."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.options import Options
from chaosvm.lab.vcenter.bare import BARE, bare
from chaosvm.lab.vcenter.collector import PropertyCollector
from chaosvm.lab.vcenter.entities import Folder
from chaosvm.lab.vcenter.estate import Estate
from chaosvm.lab.vcenter.events import EventHistoryCollector, EventManager
from chaosvm.lab.vcenter.fields import CustomFieldsManager
from chaosvm.lab.vcenter.interfaces import Session
from chaosvm.lab.vcenter.managed import Call, Managed, Refused, method, prop
from chaosvm.lab.vcenter.search import SearchIndex
from chaosvm.lab.vcenter.selecting import Pages
from chaosvm.lab.vcenter.sessions import SessionManager, Sessions
from chaosvm.lab.vcenter.soap import API_VERSION
from chaosvm.lab.vcenter.tasks import TaskManager, Tasks
from chaosvm.lab.vcenter.values import InvalidPath
from chaosvm.lab.vcenter.views import ContainerView, ViewManager
from chaosvm.lab.world import Machine, NoSuchThing, World

__all__ = ["Service"]

_BUILD = "24022515"


class Service:
    """What the parts of the face share."""

    def __init__(self, world: World, options: Options, sessions: Sessions) -> None:
        self.estate = Estate(world)
        self.estate.tasks = Tasks(world, self.changed)
        self.pages = Pages()
        self.sessions = sessions
        self._lock = threading.Lock()
        self._reshaped = 0
        self._attending: dict[int, PropertyCollector] = {}
        self._public = PropertyCollector(self, None)
        managers: Sequence[Managed] = (
            ServiceInstance(self),
            SessionManager(sessions),
            ViewManager(self),
            SearchIndex(self.estate),
            CustomFieldsManager(self.estate),
            EventManager(self),
            TaskManager(self.estate.tasks),
            *(bare(name) for name in BARE),
        )
        self._managers = {manager.moid: manager for manager in managers}
        self.instance_uuid = str(uuid.uuid4())
        world.listen(self._hear)

    # Finding ---------------------------------------------------------------------------

    def find(self, moid: str, session: Session | None) -> Managed | None:
        if moid == PropertyCollector.DEFAULT:
            return self._collector_of(session)
        found = self._managers.get(moid)
        if found is None and session is not None:
            found = session.find(moid)
        return found or self.estate.tasks.find(moid) or self.estate.find(moid)

    def linked(self, thing: Managed, path: str, session: Session | None) -> Sequence[Managed]:
        """Where a property leads. Raises Refused if there is no such property."""
        if isinstance(thing, Folder) and path == "childEntity":
            return thing.children
        if isinstance(thing, ContainerView) and path == "view":
            return thing.things()
        try:
            value = thing.get(path, session)
        except InvalidPath:
            raise Refused(vmodl.query.InvalidProperty(name=path)) from None
        references = value if isinstance(value, list) else [value] if value is not None else []
        found = (self.find(each._moId, session) for each in references)
        return [each for each in found if each is not None]

    def vm_by_id(self, vm_id: str | None) -> Machine | None:
        """By the world's id; None for one that is gone."""
        if vm_id is None:
            return None
        try:
            return self.estate.world.vm(vm_id)
        except NoSuchThing:
            return None

    def moids_around(self, vm: Machine) -> set[str]:
        """Of all that a VM is in."""
        compute = self.estate.compute_of(vm)
        found = {compute.moid, compute.pool.moid}
        host = self.estate.host_of(vm)
        if host is not None:
            found.add(host._moId)
        for start in (self.estate.folder_of(vm), compute):
            at: Any = start
            while at is not None:
                found.add(at.moid)
                at = at.above
        return found

    def _collector_of(self, session: Session | None) -> Managed:
        if session is None:
            return self._public
        found: Managed | None = session.find(PropertyCollector.DEFAULT)
        if found is None:
            found = PropertyCollector(self, session)
            session.keep(found)
        return found

    # Changing --------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """Changes when the members of a selection may have changed."""
        return self.estate.world.shape, self._reshaped

    def reshaped(self, moids: Iterable[str]) -> None:
        with self._lock:
            self._reshaped += 1
        self.changed(moids)

    def attend(self, collector: PropertyCollector) -> None:
        """Tell this collector of changes from now on."""
        with self._lock:
            self._attending[id(collector)] = collector

    def forget(self, collector: PropertyCollector) -> None:
        with self._lock:
            self._attending.pop(id(collector), None)

    def changed(self, moids: Iterable[str]) -> None:
        moids = list(moids)
        with self._lock:
            attending = list(self._attending.values())
        for collector in attending:
            collector.touch(moids)

    def _hear(self, vms: Sequence[Machine]) -> None:
        """The world tells of VMs that changed: the tasks that waited for it end first."""
        ended = self.estate.tasks.settle(vms, lambda vm_id: self.vm_by_id(vm_id) is None)
        changed = [*(vm.moid for vm in vms), *ended, EventManager.MOID, TaskManager.MOID]
        for session in self.sessions.all():
            changed += session.moids_of(EventHistoryCollector)
        self.changed(changed)


class ServiceInstance(Managed):
    kind = vim.ServiceInstance
    public = True

    def __init__(self, service: Service) -> None:
        super().__init__("ServiceInstance")
        self._service = service

    @prop
    def content(self, session: Any = None) -> Any:
        return vim.ServiceInstanceContent(
            rootFolder=self._service.estate.root.reference,
            propertyCollector=vmodl.query.PropertyCollector(PropertyCollector.DEFAULT),
            viewManager=vim.view.ViewManager("ViewManager"),
            about=_about(self._service.instance_uuid),
            sessionManager=vim.SessionManager("SessionManager"),
            searchIndex=vim.SearchIndex("SearchIndex"),
            customFieldsManager=vim.CustomFieldsManager("CustomFieldsManager"),
            eventManager=vim.event.EventManager(EventManager.MOID),
            taskManager=vim.TaskManager(TaskManager.MOID),
            **{name: bare(name).reference for name in BARE},
        )

    @prop
    def serverClock(self, session: Any = None) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    @prop
    def capability(self, session: Any = None) -> Any:
        return vim.Capability(
            provisioningSupported=False,
            multiHostSupported=True,
            userShellAccessSupported=False,
            supportedEVCMode=[],
            networkBackupAndRestoreSupported=False,
        )

    @method("RetrieveServiceContent")
    def retrieve_content(self, call: Call) -> Any:
        return self.content(call.session)

    @method("CurrentTime")
    def current_time(self, call: Call) -> dt.datetime:
        return self.serverClock()


def _about(instance_uuid: str) -> Any:
    return vim.AboutInfo(
        name="VMware vCenter Server",
        fullName=f"VMware vCenter Server 8.0.3 build-{_BUILD} (chaosvm lab)",
        vendor="VMware, Inc.",
        version="8.0.3",
        build=_BUILD,
        localeVersion="INTL",
        localeBuild="000",
        osType="linux-x64",
        productLineId="vpx",
        apiType="VirtualCenter",
        apiVersion=API_VERSION,
        instanceUuid=instance_uuid,
        licenseProductName="VMware VirtualCenter Server",
        licenseProductVersion="8.0",
    )
