"""What scripts on top of pyvmomi have: views, filters, tasks to wait for."""

from __future__ import annotations

import time
from typing import Any

from pyVmomi import vim, vmodl

__all__ = [
    "COLLECTOR",
    "ended",
    "filter_of",
    "names_in",
    "retrieved",
    "view_of",
    "walk_of",
]

COLLECTOR = vmodl.query.PropertyCollector


def view_of(content: Any, *kinds: Any, container: Any = None, recursive: bool = True) -> Any:
    make = content.viewManager.CreateContainerView
    return make(container or content.rootFolder, list(kinds), recursive)


def names_in(view: Any) -> list[str]:
    return sorted(each.name for each in view.view)


def filter_of(objects: list[Any], kind: Any, *paths: str, whole: bool = False) -> Any:
    """Some properties of these very objects."""
    return COLLECTOR.FilterSpec(
        objectSet=[COLLECTOR.ObjectSpec(obj=each) for each in objects],
        propSet=[COLLECTOR.PropertySpec(type=kind, pathSet=list(paths), all=whole)],
    )


def walk_of(view: Any, kind: Any, *paths: str) -> Any:
    """Some properties of all that a view shows."""
    step = COLLECTOR.TraversalSpec(type=type(view), path="view", skip=False)
    return COLLECTOR.FilterSpec(
        objectSet=[COLLECTOR.ObjectSpec(obj=view, skip=True, selectSet=[step])],
        propSet=[COLLECTOR.PropertySpec(type=kind, pathSet=list(paths))],
    )


def retrieved(content: Any, *specs: Any, most: int | None = None) -> list[Any]:
    """The objects of every page."""
    collector = content.propertyCollector
    options = COLLECTOR.RetrieveOptions(maxObjects=most)
    page = collector.RetrievePropertiesEx(list(specs), options)
    found = []
    while page is not None:
        found += page.objects
        page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None
    return found


def ended(task: vim.Task, seconds: float = 60.0) -> Any:
    """Wait as many scripts do: read the task again and again."""
    until = time.monotonic() + seconds
    while (info := task.info).state not in ("success", "error"):
        assert time.monotonic() < until, f"{info.descriptionId} is {info.state}"
        time.sleep(0.02)
    return info
