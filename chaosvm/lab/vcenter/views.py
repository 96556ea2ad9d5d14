"""Container views and list views."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.vcenter.compute import Compute, ResourcePool
from chaosvm.lab.vcenter.entities import Datacenter, Entity, Folder
from chaosvm.lab.vcenter.hosts import HostSystem
from chaosvm.lab.vcenter.interfaces import Service, Session
from chaosvm.lab.vcenter.managed import Call, Managed, Refused, method, prop

__all__ = ["ViewManager"]


class _View(Managed):
    def __init__(self, service: Service, session: Session) -> None:
        super().__init__(session.new_moid())
        self._service = service
        self._session = session

    @method("DestroyView")
    def destroy(self, call: Call) -> None:
        self._session.drop(self.moid)


class ContainerView(_View):
    kind = vim.view.ContainerView

    def __init__(
        self,
        service: Service,
        session: Session,
        container: Managed,
        kinds: Sequence[Any],
        recursive: bool,
    ) -> None:
        super().__init__(service, session)
        self._container = container
        self._kinds = tuple(kinds) or (vim.ManagedEntity,)
        self._recursive = recursive

    @prop
    def container(self, session: Any = None) -> Any:
        return self._container.reference

    @prop
    def type(self, session: Any = None) -> Any:
        return list(self._kinds)

    @prop
    def recursive(self, session: Any = None) -> bool:
        return self._recursive

    @prop
    def view(self, session: Any = None) -> Any:
        return vim.ManagedEntity.Array([thing.reference for thing in self.things()])

    def things(self) -> list[Managed]:
        container = self._service.find(self._container.moid, self._session)
        if container is None:
            return []
        return [
            thing
            for thing in _contents(self._service, container, self._recursive)
            if issubclass(thing.kind, self._kinds)
        ]


class ListView(_View):
    kind = vim.view.ListView

    def __init__(self, service: Service, session: Session, shown: Sequence[Any]) -> None:
        super().__init__(service, session)
        self._shown = {each._moId: each for each in shown}

    @prop
    def view(self, session: Any = None) -> Any:
        return VmomiSupport.ManagedObject.Array(list(self._shown.values()))

    @method("ModifyListView")
    def modify(self, call: Call) -> list[Any]:
        for each in call.get("remove") or ():
            self._shown.pop(each._moId, None)
        return self._add(call.get("add") or ())

    @method("ResetListView")
    def reset(self, call: Call) -> list[Any]:
        self._shown.clear()
        return self._add(call.get("obj") or ())

    @method("ResetListViewFromView")
    def reset_from_view(self, call: Call) -> None:
        view = self._service.find(call.get("view")._moId, self._session)
        if not isinstance(view, (ContainerView, ListView)):
            raise Refused(vmodl.fault.ManagedObjectNotFound(obj=call.get("view")))
        self._shown.clear()
        self._add(view.view())

    def _add(self, things: Sequence[Any]) -> list[Any]:
        """Returns those that do not exist."""
        found = [each for each in things if self._service.find(each._moId, self._session)]
        self._shown |= {each._moId: each for each in found}
        self._service.reshaped([self.moid])
        return [each for each in things if each._moId not in self._shown]


class ViewManager(Managed):
    kind = vim.view.ViewManager

    def __init__(self, service: Service) -> None:
        super().__init__("ViewManager")
        self._service = service

    @prop
    def viewList(self, session: Any = None) -> Any:
        moids = session.moids_of(_View) if session is not None else []
        found = (self._service.find(moid, session) for moid in moids)
        return vim.view.View.Array([view.reference for view in found if view is not None])

    @method("CreateContainerView")
    def create_container_view(self, call: Call) -> Any:
        assert call.session is not None
        wanted = call.get("container")
        container = self._service.find(wanted._moId, call.session)
        if container is None:
            raise Refused(vmodl.fault.ManagedObjectNotFound(obj=wanted))
        if not isinstance(container, Entity):
            raise Refused(vmodl.fault.InvalidArgument(invalidProperty="container"))
        kinds, recursive = call.get("type") or (), bool(call.get("recursive"))
        view = ContainerView(self._service, call.session, container, kinds, recursive)
        call.session.keep(view)
        return view.reference

    @method("CreateListView")
    def create_list_view(self, call: Call) -> Any:
        assert call.session is not None
        view = ListView(self._service, call.session, call.get("obj") or ())
        call.session.keep(view)
        return view.reference


def _contents(service: Service, container: Managed, recursive: bool) -> Iterator[Managed]:
    # VMs below a folder are found in folders; other containers have them otherwise.
    through_hosts = not isinstance(container, (Folder, Datacenter))
    seen: set[str] = set()
    todo = deque(_children(service, container, through_hosts))
    while todo:
        thing = todo.popleft()
        if thing.moid in seen:
            continue
        seen.add(thing.moid)
        yield thing
        if recursive:
            todo.extend(_children(service, thing, through_hosts))


def _children(service: Service, thing: Managed, through_hosts: bool) -> Sequence[Managed]:
    if isinstance(thing, Folder):
        return thing.children
    if isinstance(thing, Datacenter):
        return (thing.vm_folder, thing.host_folder, thing.datastore_folder, thing.network_folder)
    if isinstance(thing, Compute):
        return (*thing.hosts, thing.pool)
    if through_hosts and isinstance(thing, (HostSystem, ResourcePool)):
        return service.linked(thing, "vm", None)
    return ()
