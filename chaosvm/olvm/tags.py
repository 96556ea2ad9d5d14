"""The tags of VMs, which the engine's VM list does not tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chaosvm.deadline import Deadline
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.search import searchable

__all__ = ["read_tagged", "read_tags"]

# So few VMs are asked one by one.
_FEW = 5


def read_tags(
    client: OLVMClient, vm_ids: Sequence[str], deadline: Deadline
) -> dict[str, tuple[str, ...] | None]:
    """The tags of each VM; None for one that does not exist any more.

    For many VMs the engine is asked which VMs each tag is on. It answers a
    parent tag with what its children are on, and takes "Web" for "web": where
    that leaves a doubt, the VM itself is asked.
    """
    if len(vm_ids) <= _FEW:
        return {vm_id: _tags_of(client, vm_id, deadline) for vm_id in vm_ids}
    listed = _listed(client, deadline)
    found: dict[str, list[str]] = {vm_id: [] for vm_id in vm_ids}
    doubtful: set[str] = set()
    for tag in listed:
        on = _vms_with(client, tag.name, deadline) if searchable(tag.name) else set(vm_ids)
        for vm_id in on.intersection(found):
            found[vm_id].append(tag.name)
        if _ambiguous(tag, listed):
            doubtful |= on.intersection(found)
    sure = {vm_id: tuple(sorted(names)) for vm_id, names in found.items()}
    return {**sure, **{vm_id: _tags_of(client, vm_id, deadline) for vm_id in doubtful}}


def read_tagged(
    client: OLVMClient, tag: str, vm_ids: Sequence[str], deadline: Deadline
) -> set[str]:
    """The ids of those that carry a tag, or one below it, by a single request.

    A tag that the engine cannot be asked for is looked for on each VM, and means
    what the engine's search would take it for.
    """
    if searchable(tag):
        return _vms_with(client, tag, deadline)
    meant = _with_those_below(tag, _listed(client, deadline))
    tags = read_tags(client, vm_ids, deadline) if meant else {}
    return {vm_id for vm_id, names in tags.items() if meant.intersection(names or ())}


def _with_those_below(tag: str, listed: Sequence[Any]) -> set[str]:
    """The names of the tags that are called so, in capitals or not, and of all below them."""
    found = {each.id for each in listed if each.name.lower() == tag.lower()}
    known = -1
    while known != len(found):
        known = len(found)
        found |= {each.id for each in listed if each.parent and each.parent.id in found}
    return {each.name for each in listed if each.id in found}


def _listed(client: OLVMClient, deadline: Deadline) -> list[Any]:
    tags: list[Any] = client.read(lambda system: system.tags_service().list(), deadline)
    return tags


def _ambiguous(tag: Any, listed: Sequence[Any]) -> bool:
    """Could the engine's answer hold VMs that do not have this very tag?"""
    parents = {other.parent.id for other in listed if other.parent is not None}
    alike = [other for other in listed if other.name.lower() == tag.name.lower()]
    return not searchable(tag.name) or tag.id in parents or len(alike) > 1


def _vms_with(client: OLVMClient, tag: str, deadline: Deadline) -> set[str]:
    search = f'tag="{tag}"'
    listed = client.read(lambda system: system.vms_service().list(search=search), deadline)
    return {each.id for each in listed}


def _tags_of(client: OLVMClient, vm_id: str, deadline: Deadline) -> tuple[str, ...] | None:
    def request(system: Any) -> Any:
        return system.vms_service().vm_service(vm_id).tags_service().list()

    listed = client.read_if_there(request, deadline)
    return None if listed is None else tuple(sorted(tag.name for tag in listed))
