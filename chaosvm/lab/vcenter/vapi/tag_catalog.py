"""Categories and tags: those of the simulated VMs, and those that clients create.

A tag of the simulation belongs to one category: "tier/gold" is the tag gold of the category
tier; "gold" belongs to a category named like its parent, or to "lab".
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chaosvm.lab.simulation import Machine, Tag, tag_id
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.vapi.errors import VapiError

__all__ = ["CatalogTag", "Category", "TagCatalog"]

_DEFAULT_CATEGORY = "lab"


@dataclass(slots=True)
class Category:
    id: str
    name: str
    description: str = ""
    cardinality: str = "MULTIPLE"
    associable_types: list[str] = field(default_factory=list)


@dataclass(slots=True)
class CatalogTag:
    id: str
    category: Category
    name: str
    # Its name in the simulation.
    full_name: str
    description: str = ""


class TagCatalog:
    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._world = inventory.world
        self._categories: dict[str, Category] = {}
        self._tags: dict[str, CatalogTag] = {}
        # Tags by moid, of everything that is not a VM.
        self._attached: dict[str, list[str]] = {}

    # Categories ------------------------------------------------------------------------

    def categories(self) -> list[Category]:
        self._take_in_simulated()
        return sorted(self._categories.values(), key=lambda category: category.id)

    def category(self, category_id: str) -> Category:
        self._take_in_simulated()
        if category_id not in self._categories:
            raise VapiError("not_found", f"There is no category {category_id!r}.")
        return self._categories[category_id]

    def add_category(self, name: str) -> Category:
        self._raise_if_taken(name, (each.name for each in self.categories()))
        category = Category(f"urn:vmomi:InventoryServiceCategory:{uuid.uuid4()}:GLOBAL", name)
        self._categories[category.id] = category
        return category

    def rename_category(self, category: Category, name: str) -> None:
        if name != category.name:
            self._raise_if_taken(name, (each.name for each in self.categories()))
            category.name = name
            for tag in self.tags_in(category.id):
                self.rename_tag(tag, tag.name)

    def delete_category(self, category_id: str) -> None:
        category = self.category(category_id)
        for tag in self.tags_in(category.id):
            self.delete_tag(tag.id)
        del self._categories[category.id]

    # Tags ------------------------------------------------------------------------------

    def tags(self) -> list[CatalogTag]:
        self._take_in_simulated()
        return list(self._tags.values())

    def tags_in(self, category_id: str) -> list[CatalogTag]:
        return [tag for tag in self.tags() if tag.category.id == category_id]

    def tag(self, tag_id: str) -> CatalogTag:
        self._take_in_simulated()
        if tag_id not in self._tags:
            raise VapiError("not_found", f"There is no tag {tag_id!r}.")
        return self._tags[tag_id]

    def add_tag(self, category: Category, name: str) -> CatalogTag:
        self._raise_if_taken(name, (each.name for each in self.tags_in(category.id)))
        tag_id = f"urn:vmomi:InventoryServiceTag:{uuid.uuid4()}:GLOBAL"
        tag = CatalogTag(tag_id, category, name, f"{category.name}/{name}")
        self._tags[tag.id] = tag
        self._world.create_tag(tag.full_name)
        return tag

    def rename_tag(self, tag: CatalogTag, name: str) -> None:
        others = (each.name for each in self.tags_in(tag.category.id) if each is not tag)
        self._raise_if_taken(name, others)
        old, tag.name, tag.full_name = tag.full_name, name, f"{tag.category.name}/{name}"
        if old != tag.full_name:
            self._world.update_tag(old, name=tag.full_name)

    def delete_tag(self, tag_id: str) -> None:
        tag = self.tag(tag_id)
        self._world.delete_tag(tag.full_name)
        del self._tags[tag.id]
        for tags in self._attached.values():
            if tag.id in tags:
                tags.remove(tag.id)

    # Associations ----------------------------------------------------------------------

    def attached(self, kind: str, moid: str) -> list[str]:
        """The ids of the tags on an object."""
        return self.attached_to([(kind, moid)])[0]

    def attached_to(self, objects: Iterable[tuple[str, str]]) -> list[list[str]]:
        """The ids of the tags on each of these objects."""
        self._take_in_simulated()
        ids = {tag.full_name: tag.id for tag in self._tags.values()}
        machines = self._inventory.machines()
        return [self._tags_on(kind, moid, machines.get(moid), ids) for kind, moid in objects]

    def _tags_on(
        self, kind: str, moid: str, vm: Machine | None, ids: Mapping[str, str]
    ) -> list[str]:
        if vm is not None:
            return [ids[name] for name in vm.tags if name in ids]
        if kind == "VirtualMachine" or self._inventory.find(moid) is None:
            # The user needs the privilege to read each object, and nobody has it for a
            # deleted one: the whole request is refused (vmware/govmomi, vapi/simulator:
            # "check if target (moref) exist or return 403 as per API behavior").
            raise VapiError("unauthorized", f"There is no object {moid!r} that you may read.")
        return list(self._attached.get(moid, ()))

    def objects(self, tag: CatalogTag) -> list[tuple[str, str]]:
        """The type and moid of each object that has a tag."""
        vms = [vm for vm in self._world.vms if tag.full_name in vm.tags]
        others = [moid for moid, tags in self._attached.items() if tag.id in tags]
        entities = [self._inventory.find(moid) for moid in others]
        found = [(each.kind.__name__.rpartition(".")[2], each.moid) for each in entities if each]
        return [("VirtualMachine", vm.moid) for vm in vms] + found

    def attach(self, tag: CatalogTag, kind: str, moid: str) -> None:
        allowed, current = tag.category.associable_types, self.attached(kind, moid)
        if allowed and kind not in allowed:
            message = f"The category {tag.category.name} is not for objects of type {kind}."
            raise VapiError("invalid_argument", message)
        if tag.id in current:
            return
        same = [each for each in current if self._tags[each].category is tag.category]
        if same and tag.category.cardinality == "SINGLE":
            message = f"The object has another tag of the category {tag.category.name}."
            raise VapiError("invalid_argument", message)
        vm = self._inventory.machines().get(moid)
        if vm is not None:
            self._world.change(vm.id, tags=(*vm.tags, tag.full_name))
        else:
            self._attached.setdefault(moid, []).append(tag.id)

    def detach(self, tag: CatalogTag, kind: str, moid: str) -> None:
        if tag.id not in self.attached(kind, moid):
            return
        vm = self._inventory.machines().get(moid)
        if vm is not None:
            names = tuple(name for name in vm.tags if name != tag.full_name)
            self._world.change(vm.id, tags=names)
        else:
            self._attached[moid].remove(tag.id)

    # The simulation --------------------------------------------------------------------

    def _take_in_simulated(self) -> None:
        """Take over changes that were made to the simulation's tags elsewhere."""
        simulated = {tag.name: tag for tag in self._world.tags}
        known = {tag.full_name: tag for tag in self._tags.values()}
        for name in known.keys() - simulated.keys():
            del self._tags[known[name].id]
        for name, tag in simulated.items():
            if name not in known:
                category = self._category_named(_category_name(tag))
                number = f"urn:vmomi:InventoryServiceTag:{tag.id}:GLOBAL"
                last = name.rpartition("/")[2]
                self._tags[number] = CatalogTag(number, category, last, name, tag.description)

    def _category_named(self, name: str) -> Category:
        for category in self._categories.values():
            if category.name == name:
                return category
        category_id = f"urn:vmomi:InventoryServiceCategory:{tag_id(name)}:GLOBAL"
        self._categories[category_id] = Category(category_id, name)
        return self._categories[category_id]

    def _raise_if_taken(self, name: str, taken: Iterable[str]) -> None:
        if not name:
            raise VapiError("invalid_argument", "The name is empty.")
        if name in taken:
            raise VapiError("already_exists", f"The name {name!r} is in use.")


def _category_name(tag: Tag) -> str:
    return tag.name.rpartition("/")[0] or tag.parent or _DEFAULT_CATEGORY
