"""The engine's objects and what serves them, put together."""

from __future__ import annotations

from chaosvm.lab.ovirt.all_collections import all_collections
from chaosvm.lab.ovirt.collection_handler import CollectionHandler
from chaosvm.lab.ovirt.jobs import Jobs
from chaosvm.lab.ovirt.kinds import KINDS
from chaosvm.lab.ovirt.overlay import Overlay
from chaosvm.lab.ovirt.permissions import PERMISSIONS
from chaosvm.lab.ovirt.queries import Queries
from chaosvm.lab.ovirt.read_handler import ReadHandler
from chaosvm.lab.ovirt.registry import Registry
from chaosvm.lab.ovirt.templates import Templates
from chaosvm.lab.ovirt.vm_changes import VmChanges
from chaosvm.lab.ovirt.vm_collection import vm_collection
from chaosvm.lab.ovirt.vm_pages import VmPages
from chaosvm.lab.ovirt.vm_snapshots import Previews
from chaosvm.lab.simulation import World

__all__ = ["Engine"]


class Engine:
    """What the lab's engine has besides the simulated world."""

    def __init__(self, world: World) -> None:
        registry = Registry(world, [*KINDS, PERMISSIONS])
        overlay, templates, previews = Overlay(), Templates(world), Previews()
        queries = Queries(world)
        self.jobs = Jobs(world)
        changes = VmChanges(world, registry, overlay, templates)
        self.collections = [
            vm_collection(changes, overlay, previews),
            *all_collections(world, registry, self.jobs, overlay, templates, previews),
        ]
        by_path = {each.path: each for each in self.collections}
        pages = VmPages(world, overlay)
        self.reads = ReadHandler(world, queries, pages, self.jobs, by_path)
        self.handler = CollectionHandler(world, queries, self.jobs, by_path)
