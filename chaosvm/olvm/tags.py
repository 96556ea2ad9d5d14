"""The tags of VMs, which the engine's VM list does not tell.

The engine's search for a tag is a trap: its value is a case-sensitive regular
expression over the names of all tags, and it also finds VMs with tags below those
that fit. So the tags themselves are read, names are compared here, and what a
search found is only believed as far as no other tag can be the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from chaosvm.errors import PermissionDenied, ProtocolError
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.faults import RequestRefused
from chaosvm.olvm.bulk_reads import map_parallel
from chaosvm.olvm.search import TagPattern, by_tag
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline
from chaosvm.selection import folded

__all__ = ["TAGS_UNREADABLE", "Tag", "TagTree", "read_tagged", "read_tags", "search_tagged"]

# So few VMs are asked one by one: what each carries is the surest answer, and a
# search takes the engine as long as ten of these.
_FEW = 20
_SEARCHES_AT_ONCE = 4
# Above all other tags, and on no VM.
_ROOT = "00000000-0000-0000-0000-000000000000"
# How the engine refuses tags to users who have only roles of the type user.
TAGS_UNREADABLE = (RequestRefused, PermissionDenied)


@dataclass(frozen=True, slots=True)
class Tag:
    id: str
    name: str
    parent_id: str | None


class TagTree:
    """All the engine's tags."""

    def __init__(self, tags: Sequence[Tag]) -> None:
        self.tags = tags

    def called(self, name: str) -> list[Tag]:
        """Those of this name, in capitals or not, composed or not."""
        wanted = folded(name)
        return [tag for tag in self.tags if folded(tag.name) == wanted]

    def with_those_below(self, tags: Iterable[Tag]) -> set[str]:
        """The ids of these and of all below them."""
        found = {tag.id for tag in tags}
        known = -1
        while known != len(found):
            known = len(found)
            found |= {tag.id for tag in self.tags if tag.parent_id in found}
        return found

    def found_by(self, pattern: TagPattern) -> set[str]:
        """The ids of all tags because of which a search may find a VM."""
        return self.with_those_below(tag for tag in self.tags if pattern.may_fit(tag.name))


def read_tags(
    client: OLVMClient, vm_ids: Sequence[str], deadline: Deadline
) -> dict[str, tuple[str, ...]]:
    """The names of the tags that each VM carries; none for a VM that is gone, as the engine has it.

    Raises one of TAGS_UNREADABLE where the user may not know.
    """
    if len(vm_ids) <= _FEW:
        each = map_parallel(lambda vm_id: _tags_of(client, vm_id, deadline), vm_ids)
        return {vm_id: _names(tags) for vm_id, tags in zip(vm_ids, each, strict=True)}
    tree = _tree(client, deadline)
    carrying = _carrying(client, tree, tree.tags, set(vm_ids), deadline)
    names: dict[str, list[str]] = {vm_id: [] for vm_id in vm_ids}
    for tag in tree.tags:
        for vm_id in carrying[tag.id]:
            names[vm_id].append(tag.name)
    return {vm_id: tuple(sorted(found)) for vm_id, found in names.items()}


def read_tagged(
    client: OLVMClient, tag: str, vm_ids: Sequence[str], deadline: Deadline
) -> set[str]:
    """The ids of those that carry a tag of this name, in capitals or not, or one below it.

    Raises one of TAGS_UNREADABLE where the user may not know.
    """
    if len(vm_ids) <= _FEW:
        each = map_parallel(lambda vm_id: _tags_of(client, vm_id, deadline), vm_ids)
        carried = {
            vm_id: {tag.id for tag in tags} for vm_id, tags in zip(vm_ids, each, strict=True)
        }
        if not any(carried.values()):
            return set()
        tree = _tree(client, deadline)
        wanted = tree.with_those_below(tree.called(tag))
        return {vm_id for vm_id, tags in carried.items() if tags & wanted}
    tree = _tree(client, deadline)
    tops = tree.called(tag)
    wanted = tree.with_those_below(tops)
    patterns = [TagPattern.of(top.name) for top in tops]
    known = [pattern for pattern in patterns if pattern is not None]
    found = _search_each(client, known, deadline)
    if len(known) < len(patterns):
        found = set(vm_ids)
    sure = len(known) == len(patterns) and all(tree.found_by(each) <= wanted for each in known)
    found &= set(vm_ids)
    return found if sure else _confirmed(client, found, wanted, deadline)


def search_tagged(
    client: OLVMClient, tag: str, vm_ids: Sequence[str], deadline: Deadline
) -> set[str]:
    """As read_tagged, by search alone, for users who may not read tags.

    It errs on the safe side: a tag that differs in an unusual character counts too.
    """
    pattern = TagPattern.of(tag)
    if pattern is None:
        raise ProtocolError(f"the engine cannot be asked for the tag {tag!r}")
    patterns = [pattern, pattern.in_any_case()]
    return _search_each(client, patterns, deadline).intersection(vm_ids)


def _carrying(
    client: OLVMClient,
    tree: TagTree,
    tags: Sequence[Tag],
    vm_ids: set[str],
    deadline: Deadline,
) -> Mapping[str, Collection[str]]:
    """By tag, the ids of those of these VMs that carry it."""

    def ask(tag: Tag) -> set[str]:
        pattern = TagPattern.of(tag.name)
        return vm_ids if pattern is None else _search(client, pattern, deadline) & vm_ids

    asked = [tag for tag in tags if tag.id != _ROOT]
    found = dict(
        zip(
            (tag.id for tag in asked),
            map_parallel(ask, asked, _SEARCHES_AT_ONCE),
            strict=True,
        )
    )
    doubtful: set[str] = set()
    for tag in asked:
        pattern = TagPattern.of(tag.name)
        if pattern is None:
            doubtful |= vm_ids
            continue
        for other in tree.found_by(pattern) - {tag.id}:
            doubtful |= found[tag.id] & found.get(other, set())
    carried = _carried(client, sorted(doubtful), deadline)
    return {
        tag.id: (found.get(tag.id, set()) - doubtful)
        | {vm_id for vm_id, ids in carried.items() if tag.id in ids}
        for tag in tags
    }


def _confirmed(
    client: OLVMClient, vm_ids: set[str], wanted: set[str], deadline: Deadline
) -> set[str]:
    """Those that carry one of these tags themselves."""
    carried = _carried(client, sorted(vm_ids), deadline)
    return {vm_id for vm_id, tags in carried.items() if tags & wanted}


def _carried(client: OLVMClient, vm_ids: Sequence[str], deadline: Deadline) -> dict[str, set[str]]:
    each = map_parallel(lambda vm_id: _tags_of(client, vm_id, deadline), vm_ids)
    return {vm_id: {tag.id for tag in tags} for vm_id, tags in zip(vm_ids, each, strict=True)}


def _search_each(
    client: OLVMClient, patterns: Sequence[TagPattern], deadline: Deadline
) -> set[str]:
    """The ids of all VMs that are found; each pattern by a search of its own."""
    found = map_parallel(lambda each: _search(client, each, deadline), patterns, _SEARCHES_AT_ONCE)
    return set().union(*found)


def _search(client: OLVMClient, pattern: TagPattern, deadline: Deadline) -> set[str]:
    return set(client.items("vms", _ids, deadline, search=by_tag(pattern)))


def _tree(client: OLVMClient, deadline: Deadline) -> TagTree:
    """Raises ProtocolError unless the list is whole: the root is always in it, and each parent."""
    tags = client.items("tags", _tags, deadline)
    ids = {tag.id for tag in tags}
    lost = [tag.name for tag in tags if tag.parent_id is not None and tag.parent_id not in ids]
    if not tags or lost:
        what = f"not the parent of {lost[0]!r}" if lost else "not even their root"
        raise ProtocolError(f"the engine does not list all tags, {what}")
    return TagTree(tags)


def _tags_of(client: OLVMClient, vm_id: str, deadline: Deadline) -> list[Tag]:
    """Of a VM that is gone the engine says that it has none; so does a 404."""
    return client.items_if_there(f"vms/{vm_id}/tags", _tags, deadline) or []


def _names(tags: Iterable[Tag]) -> tuple[str, ...]:
    return tuple(sorted(tag.name for tag in tags))


def _tags() -> XmlListParser[Tag]:
    return XmlListParser("tags", "tag", _tag)


def _tag(told: Element) -> Tag:
    parent = told.find("parent")
    return Tag(
        id=told.attrib["id"],
        name=told.findtext("name") or "",
        parent_id=parent.get("id") if parent is not None else None,
    )


def _ids() -> XmlListParser[str]:
    return XmlListParser("vms", "vm", lambda vm: vm.attrib["id"])
