"""The service: service content, and lookup of managed objects by moid."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.options import Options
from chaosvm.lab.simulation import Machine, NotFound, World
from chaosvm.lab.vcenter.alarms import Alarms
from chaosvm.lab.vcenter.custom_fields import CustomFieldsManager
from chaosvm.lab.vcenter.entities import Folder
from chaosvm.lab.vcenter.events import EventManager
from chaosvm.lab.vcenter.history_collector import HistoryCollector
from chaosvm.lab.vcenter.interfaces import Session
from chaosvm.lab.vcenter.inventory import Inventory
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.managers import (
    AlarmManager,
    AuthorizationManager,
    CryptoManager,
    ExtensionManager,
    FileManager,
    LicenseAssignmentManager,
    LicenseManager,
    PerformanceManager,
    ScheduledTaskManager,
    UserDirectory,
    VirtualDiskManager,
    guest_operations,
    stub_managers,
)
from chaosvm.lab.vcenter.object_selection import ResponseCache
from chaosvm.lab.vcenter.option_manager import VCenterOptions
from chaosvm.lab.vcenter.property_collector import PropertyCollector
from chaosvm.lab.vcenter.search_index import SearchIndex
from chaosvm.lab.vcenter.serialization import InvalidPath
from chaosvm.lab.vcenter.session_manager import SessionManager, Sessions
from chaosvm.lab.vcenter.soap import API_VERSION
from chaosvm.lab.vcenter.task_manager import TaskManager
from chaosvm.lab.vcenter.tasks import Tasks
from chaosvm.lab.vcenter.views import ContainerView, ViewManager

__all__ = ["Service"]

_BUILD = "24022515"


class Service:
    """State shared by the parts of the simulated vCenter."""

    def __init__(self, world: World, options: Options, sessions: Sessions) -> None:
        self.inventory = Inventory(world, options.username)
        self.inventory.tasks = Tasks(world, self.inventory.own_events, self.notify)
        self.inventory.notify = self.notify
        self.inventory.alarms = Alarms(self.inventory)
        self._alarm_manager = AlarmManager(self.inventory)
        self._scheduled_tasks = ScheduledTaskManager(self.inventory)
        self._event_manager = EventManager(self)
        self.cache = ResponseCache()
        self.sessions = sessions
        self._lock = threading.Lock()
        self._selection_version = 0
        self._subscribers: dict[int, PropertyCollector] = {}
        self._public = PropertyCollector(self, None)
        self.instance_uuid = str(uuid.uuid4())
        guests, guest_managers, self.guest_files = guest_operations(self.inventory)
        # By property of the service content.
        self.content: Mapping[str, ManagedObject] = {
            **stub_managers(),
            "alarmManager": self._alarm_manager,
            "authorizationManager": AuthorizationManager(self.inventory),
            "cryptoManager": CryptoManager(self.inventory),
            "customFieldsManager": CustomFieldsManager(self.inventory),
            "eventManager": self._event_manager,
            "extensionManager": ExtensionManager(self.inventory),
            "fileManager": FileManager(self.inventory, "FileManager"),
            "guestOperationsManager": guests,
            "licenseManager": LicenseManager(),
            "perfManager": PerformanceManager(self),
            "scheduledTaskManager": self._scheduled_tasks,
            "searchIndex": SearchIndex(self.inventory),
            "sessionManager": SessionManager(sessions),
            "setting": VCenterOptions(),
            "taskManager": TaskManager(self),
            "userDirectory": UserDirectory(options.username),
            "virtualDiskManager": VirtualDiskManager(self.inventory, "virtualDiskManager"),
            "viewManager": ViewManager(self),
        }
        others: Sequence[ManagedObject] = (
            *guest_managers,
            ServiceInstance(self),
            LicenseAssignmentManager(self.inventory, self.instance_uuid),
        )
        self._managers = {each.moid: each for each in (*self.content.values(), *others)}
        world.listen(self._on_vms_changed)

    # Lookup ----------------------------------------------------------------------------

    def find(self, moid: str, session: Session | None) -> ManagedObject | None:
        if moid == PropertyCollector.DEFAULT:
            return self._collector_of(session)
        managed_object = self._managers.get(moid)
        if managed_object is None and session is not None:
            managed_object = session.find(moid)
        managed_object = managed_object or self.inventory.tasks.find(moid)
        managed_object = managed_object or self._alarm_manager.find(moid)
        managed_object = managed_object or self._scheduled_tasks.find(moid)
        return managed_object or self.inventory.find(moid)

    def follow(
        self, source: ManagedObject, path: str, session: Session | None
    ) -> Sequence[ManagedObject]:
        """The objects that a property refers to. Raises SoapFault for an unknown property."""
        if isinstance(source, Folder) and path == "childEntity":
            return source.children
        if isinstance(source, ContainerView) and path == "view":
            return source.entities()
        try:
            value = source.get(path, session)
        except InvalidPath:
            raise SoapFault(vmodl.query.InvalidProperty(name=path)) from None
        references = value if isinstance(value, list) else [value] if value is not None else []
        targets = (self.find(each._moId, session) for each in references)
        return [each for each in targets if each is not None]

    def vm_by_id(self, vm_id: str | None) -> Machine | None:
        """A VM by its UUID, None if it has been deleted."""
        if vm_id is None:
            return None
        try:
            return self.inventory.world.vm(vm_id)
        except NotFound:
            return None

    def ancestor_moids(self, vm: Machine) -> set[str]:
        """The moids of the folders, host, pool and cluster that contain a VM."""
        compute = self.inventory.compute_of(vm)
        moids = {compute.moid, compute.pool.moid, self.inventory.pool_of(vm).moid}
        host = self.inventory.host_of(vm)
        if host is not None:
            moids.add(host._moId)
        for start in (self.inventory.folder_of(vm), compute):
            entity: Any = start
            while entity is not None:
                moids.add(entity.moid)
                entity = entity.parent_entity
        return moids

    def _collector_of(self, session: Session | None) -> ManagedObject:
        if session is None:
            return self._public
        collector: ManagedObject | None = session.find(PropertyCollector.DEFAULT)
        if collector is None:
            collector = PropertyCollector(self, session)
            session.add(collector)
        return collector

    # Changes ---------------------------------------------------------------------------

    @property
    def generation(self) -> tuple[tuple[int, int], int]:
        """A value that changes whenever the result of a traversal may have changed."""
        return self.inventory.generation, self._selection_version

    def selection_changed(self, moids: Iterable[str]) -> None:
        with self._lock:
            self._selection_version += 1
        self.notify(moids)

    def subscribe(self, collector: PropertyCollector) -> None:
        """Notify this collector of changes."""
        with self._lock:
            self._subscribers[id(collector)] = collector

    def unsubscribe(self, collector: PropertyCollector) -> None:
        with self._lock:
            self._subscribers.pop(id(collector), None)

    def notify(self, moids: Iterable[str]) -> None:
        moids = list(moids)
        with self._lock:
            subscribers = list(self._subscribers.values())
        for collector in subscribers:
            collector.mark_changed(moids)

    def _on_vms_changed(self, vms: Sequence[Machine]) -> None:
        """Complete the tasks of these VMs, then notify collectors."""
        ended = self.inventory.tasks.complete(vm.moid for vm in vms)
        self._update_alarms(vms)
        moids = [*(vm.moid for vm in vms), *ended, EventManager.MOID, TaskManager.MOID]
        for session in self.sessions.all():
            moids += session.moids_of(HistoryCollector)
        self.notify(moids)

    def _update_alarms(self, vms: Sequence[Machine]) -> None:
        alarms = self.inventory.alarms
        alarms.evaluate(vm.moid for vm in vms)
        if alarms.watches_events:
            alarms.notice(self._event_manager.since(alarms.last_event))


class ServiceInstance(ManagedObject):
    kind = vim.ServiceInstance
    public = True

    def __init__(self, service: Service) -> None:
        super().__init__("ServiceInstance")
        self._service = service

    @managed_property
    def content(self, session: Any = None) -> Any:
        return vim.ServiceInstanceContent(
            rootFolder=self._service.inventory.root.reference,
            propertyCollector=vmodl.query.PropertyCollector(PropertyCollector.DEFAULT),
            about=_about(self._service.instance_uuid),
            **{name: manager.reference for name, manager in self._service.content.items()},
        )

    @managed_property
    def serverClock(self, session: Any = None) -> dt.datetime:
        return self._service.inventory.world.date

    @managed_property
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
