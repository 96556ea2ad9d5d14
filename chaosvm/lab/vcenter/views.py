"""ViewManager, ContainerView and ListView."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.vcenter.compute_resources import Compute, ResourcePool
from chaosvm.lab.vcenter.entities import Datacenter, Entity, Folder
from chaosvm.lab.vcenter.host_system import HostSystem
from chaosvm.lab.vcenter.interfaces import Service, Session
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)

__all__ = ["ViewManager"]


class _View(ManagedObject):
    def __init__(self, service: Service, session: Session) -> None:
        super().__init__(session.new_moid())
        self._service = service
        self._session = session

    @method("DestroyView")
    def destroy(self, call: Call) -> None:
        self._session.remove(self.moid)


class ContainerView(_View):
    kind = vim.view.ContainerView

    def __init__(
        self,
        service: Service,
        session: Session,
        container: ManagedObject,
        kinds: Sequence[Any],
        recursive: bool,
    ) -> None:
        super().__init__(service, session)
        self._container = container
        self._kinds = tuple(kinds) or (vim.ManagedEntity,)
        self._recursive = recursive

    @managed_property
    def container(self, session: Any = None) -> Any:
        return self._container.reference

    @managed_property
    def type(self, session: Any = None) -> Any:
        return list(self._kinds)

    @managed_property
    def recursive(self, session: Any = None) -> bool:
        return self._recursive

    @managed_property
    def view(self, session: Any = None) -> Any:
        return vim.ManagedEntity.Array([entity.reference for entity in self.entities()])

    def entities(self) -> list[ManagedObject]:
        container = self._service.find(self._container.moid, self._session)
        if container is None:
            return []
        return [
            entity
            for entity in _contents(self._service, container, self._recursive)
            if issubclass(entity.kind, self._kinds)
        ]


class ListView(_View):
    kind = vim.view.ListView

    def __init__(self, service: Service, session: Session, references: Sequence[Any]) -> None:
        super().__init__(service, session)
        self._references = {each._moId: each for each in references}

    @managed_property
    def view(self, session: Any = None) -> Any:
        return VmomiSupport.ManagedObject.Array(list(self._references.values()))

    @method("ModifyListView")
    def modify(self, call: Call) -> list[Any]:
        for each in call.get("remove") or ():
            self._references.pop(each._moId, None)
        return self._add(call.get("add") or ())

    @method("ResetListView")
    def reset(self, call: Call) -> list[Any]:
        self._references.clear()
        return self._add(call.get("obj") or ())

    @method("ResetListViewFromView")
    def reset_from_view(self, call: Call) -> None:
        view = self._service.find(call.get("view")._moId, self._session)
        if not isinstance(view, (ContainerView, ListView)):
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=call.get("view")))
        self._references.clear()
        self._add(view.view())

    def _add(self, entities: Sequence[Any]) -> list[Any]:
        """Add references and return the ones that do not exist."""
        existing = [each for each in entities if self._service.find(each._moId, self._session)]
        self._references |= {each._moId: each for each in existing}
        self._service.selection_changed([self.moid])
        return [each for each in entities if each._moId not in self._references]


class ViewManager(ManagedObject):
    kind = vim.view.ViewManager

    def __init__(self, service: Service) -> None:
        super().__init__("ViewManager")
        self._service = service

    @managed_property
    def viewList(self, session: Any = None) -> Any:
        moids = session.moids_of(_View) if session is not None else []
        views = (self._service.find(moid, session) for moid in moids)
        return vim.view.View.Array([view.reference for view in views if view is not None])

    @method("CreateContainerView")
    def create_container_view(self, call: Call) -> Any:
        assert call.session is not None
        reference = call.get("container")
        container = self._service.find(reference._moId, call.session)
        if container is None:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=reference))
        if not isinstance(container, Entity):
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="container"))
        kinds, recursive = call.get("type") or (), bool(call.get("recursive"))
        view = ContainerView(self._service, call.session, container, kinds, recursive)
        call.session.add(view)
        return view.reference

    @method("CreateListView")
    def create_list_view(self, call: Call) -> Any:
        assert call.session is not None
        view = ListView(self._service, call.session, call.get("obj") or ())
        call.session.add(view)
        return view.reference


def _contents(
    service: Service, container: ManagedObject, recursive: bool
) -> Iterator[ManagedObject]:
    # Folders contain their VMs; other containers reach them through hosts and pools.
    through_hosts = not isinstance(container, (Folder, Datacenter))
    seen: set[str] = set()
    pending = deque(_children(service, container, through_hosts))
    while pending:
        entity = pending.popleft()
        if entity.moid in seen:
            continue
        seen.add(entity.moid)
        yield entity
        if recursive:
            pending.extend(_children(service, entity, through_hosts))


def _children(
    service: Service, entity: ManagedObject, through_hosts: bool
) -> Sequence[ManagedObject]:
    if isinstance(entity, Folder):
        return entity.children
    if isinstance(entity, Datacenter):
        return entity.folders
    if isinstance(entity, Compute):
        return (*entity.hosts, entity.pool)
    pools = entity.pools if isinstance(entity, ResourcePool) else ()
    if through_hosts and isinstance(entity, (HostSystem, ResourcePool)):
        return (*pools, *service.follow(entity, "vm", None))
    if pools:
        return pools
    return ()
