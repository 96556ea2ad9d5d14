"""Reads the tags of VMs, which are not in the engine's VM list.

The engine's search for a tag cannot be trusted alone: its value is a
case-sensitive regular expression over the names of all tags, and it also finds
VMs with tags below those that match. So the list of tags is read, names are
compared here, and a result is confirmed wherever another tag could explain it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from chaosvm.errors import PermissionDenied, ProtocolError, RequestRefused
from chaosvm.olvm.bulk_reads import map_parallel
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.search import TagPattern, by_tag
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline
from chaosvm.selection import folded

__all__ = ["TAGS_UNREADABLE", "Tag", "TagTree", "read_tagged", "read_tags", "search_tagged"]

# Up to this many VMs, tags are read VM by VM, which is exact. A search takes the engine
# as long as ten of these reads.
_FEW_VMS = 20
_MAX_SEARCHES = 4
# The parent of all top-level tags; no VM has it.
_ROOT = "00000000-0000-0000-0000-000000000000"
# What the engine raises for users who have only roles of the type user.
TAGS_UNREADABLE = (RequestRefused, PermissionDenied)


@dataclass(frozen=True, slots=True)
class Tag:
    id: str
    name: str
    parent_id: str | None


class TagTree:
    """All tags of the engine."""

    def __init__(self, tags: Sequence[Tag]) -> None:
        self.tags = tags

    def named(self, name: str) -> list[Tag]:
        """The tags of this name; case and Unicode composition do not matter."""
        key = folded(name)
        return [tag for tag in self.tags if folded(tag.name) == key]

    def with_descendants(self, tags: Iterable[Tag]) -> set[str]:
        """The ids of these tags and of all tags below them."""
        ids = {tag.id for tag in tags}
        size = -1
        while size != len(ids):
            size = len(ids)
            ids |= {tag.id for tag in self.tags if tag.parent_id in ids}
        return ids

    def matched_by(self, pattern: TagPattern) -> set[str]:
        """The ids of all tags for which a search may find a VM."""
        return self.with_descendants(tag for tag in self.tags if pattern.may_match(tag.name))


def read_tags(
    client: OLVMClient, vm_ids: Sequence[str], deadline: Deadline
) -> dict[str, tuple[str, ...]]:
    """The names of each VM's tags; the engine reports none for a VM that no longer exists.

    Raises one of TAGS_UNREADABLE if the user may not read tags.
    """
    if len(vm_ids) <= _FEW_VMS:
        tags = _tags_by_vm(client, vm_ids, deadline)
        return {vm_id: tuple(sorted(tag.name for tag in tags[vm_id])) for vm_id in vm_ids}
    tree = _read_tree(client, deadline)
    vms_by_tag = _vms_by_tag(client, tree, set(vm_ids), deadline)
    names: dict[str, list[str]] = {vm_id: [] for vm_id in vm_ids}
    for tag in tree.tags:
        for vm_id in vms_by_tag[tag.id]:
            names[vm_id].append(tag.name)
    return {vm_id: tuple(sorted(tag_names)) for vm_id, tag_names in names.items()}


def read_tagged(
    client: OLVMClient, tag: str, vm_ids: Sequence[str], deadline: Deadline
) -> set[str]:
    """The ids of the VMs that have a tag of this name, in any case, or a tag below one.

    Raises one of TAGS_UNREADABLE if the user may not read tags.
    """
    tree = _read_tree(client, deadline)
    tops = tree.named(tag)
    if not tops:
        return set()
    matching = tree.with_descendants(tops)
    if len(vm_ids) <= _FEW_VMS:
        return _having(_tag_ids_by_vm(client, vm_ids, deadline), matching)
    patterns = [pattern for top in tops if (pattern := TagPattern.of(top.name)) is not None]
    if len(patterns) < len(tops):  # one of the names cannot be searched for
        return _having(_tag_ids_by_vm(client, sorted(vm_ids), deadline), matching)
    candidates = _search_each(client, patterns, deadline).intersection(vm_ids)
    if all(tree.matched_by(pattern) <= matching for pattern in patterns):
        return candidates
    return _having(_tag_ids_by_vm(client, sorted(candidates), deadline), matching)


def search_tagged(
    client: OLVMClient, tag: str, vm_ids: Sequence[str], deadline: Deadline
) -> set[str]:
    """As read_tagged, by search alone, for users who may not read tags.

    May return too many VMs: any character matches in place of one that is not plain.
    """
    pattern = TagPattern.of(tag)
    if pattern is None:
        raise ProtocolError(f"the engine cannot search for the tag {tag!r}")
    patterns = [pattern, pattern.ignoring_case()]
    return _search_each(client, patterns, deadline).intersection(vm_ids)


def _vms_by_tag(
    client: OLVMClient, tree: TagTree, vm_ids: set[str], deadline: Deadline
) -> Mapping[str, Collection[str]]:
    """The ids of the VMs that have each tag, by the id of the tag."""
    tags = [tag for tag in tree.tags if tag.id != _ROOT]
    patterns = {tag.id: TagPattern.of(tag.name) for tag in tags}

    def search(tag: Tag) -> set[str]:
        pattern = patterns[tag.id]
        return vm_ids if pattern is None else _search(client, pattern, deadline) & vm_ids

    results = map_parallel(search, tags, _MAX_SEARCHES)
    candidates = dict(zip((tag.id for tag in tags), results, strict=True))
    ambiguous: set[str] = set()
    for tag_id, pattern in patterns.items():
        if pattern is None:
            ambiguous |= vm_ids
            continue
        for other in tree.matched_by(pattern) - {tag_id}:
            ambiguous |= candidates[tag_id] & candidates.get(other, set())
    tag_ids = _tag_ids_by_vm(client, sorted(ambiguous), deadline)
    return {
        tag.id: (candidates.get(tag.id, set()) - ambiguous) | _having(tag_ids, {tag.id})
        for tag in tree.tags
    }


def _having(tag_ids: Mapping[str, set[str]], matching: set[str]) -> set[str]:
    """The VMs that have one of the matching tags themselves."""
    return {vm_id for vm_id, ids in tag_ids.items() if ids & matching}


def _tag_ids_by_vm(
    client: OLVMClient, vm_ids: Sequence[str], deadline: Deadline
) -> dict[str, set[str]]:
    tags = _tags_by_vm(client, vm_ids, deadline)
    return {vm_id: {tag.id for tag in tags[vm_id]} for vm_id in vm_ids}


def _tags_by_vm(
    client: OLVMClient, vm_ids: Sequence[str], deadline: Deadline
) -> dict[str, list[Tag]]:
    """One request per VM. For a VM that no longer exists: 404, or an empty list."""

    def read(vm_id: str) -> list[Tag]:
        return client.read_list_if_exists(f"vms/{vm_id}/tags", _tag_parser, deadline) or []

    return dict(zip(vm_ids, map_parallel(read, vm_ids), strict=True))


def _search_each(
    client: OLVMClient, patterns: Sequence[TagPattern], deadline: Deadline
) -> set[str]:
    """The ids of all VMs found by one of the patterns; one search each."""
    ids = map_parallel(lambda pattern: _search(client, pattern, deadline), patterns, _MAX_SEARCHES)
    return set().union(*ids)


def _search(client: OLVMClient, pattern: TagPattern, deadline: Deadline) -> set[str]:
    return set(client.read_list("vms", _id_parser, deadline, search=by_tag(pattern)))


def _read_tree(client: OLVMClient, deadline: Deadline) -> TagTree:
    """Raises ProtocolError if the list is incomplete: without its root, or a tag's parent."""
    tags = client.read_list("tags", _tag_parser, deadline)
    ids = {tag.id for tag in tags}
    orphans = [tag.name for tag in tags if tag.parent_id is not None and tag.parent_id not in ids]
    if not tags or orphans:
        missing = f"the parent of {orphans[0]!r}" if orphans else "the root"
        raise ProtocolError(f"the engine's list of tags is incomplete: {missing} is missing")
    return TagTree(tags)


def _tag_parser() -> XmlListParser[Tag]:
    return XmlListParser("tags", "tag", _tag)


def _tag(element: Element) -> Tag:
    parent = element.find("parent")
    return Tag(
        id=element.attrib["id"],
        name=element.findtext("name") or "",
        parent_id=parent.get("id") if parent is not None else None,
    )


def _id_parser() -> XmlListParser[str]:
    return XmlListParser("vms", "vm", lambda vm: vm.attrib["id"])
