"""pyvmomi finds types, faults and methods by name, and only when they are used."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab import vcenter
from chaosvm.lab.vcenter.task_descriptions import LABELS

FILES = sorted(Path(vcenter.__file__).parent.rglob("*.py"))
TEXTS = [path.read_text("utf-8") for path in FILES]
NAMES = {name for text in TEXTS for name in re.findall(r"(?<!\.)\b(?:vim|vmodl)(?:\.\w+)+", text)}
METHODS = {
    name
    for text in TEXTS
    for names in re.findall(r"@(?:task_)?method\(([^)]*)\)", text)
    for name in re.findall(r'"(\w+)"', names)
}


def exists(name: str) -> bool:
    root, *parts = name.split(".")
    found: Any = {"vim": vim, "vmodl": vmodl}[root]
    for part in parts:
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


def test_types_exist() -> None:
    assert {name for name in NAMES if not exists(name)} == set()


def test_methods_exist() -> None:
    for name in METHODS - {"Fetch"}:  # pyvmomi's own
        namespace = "urn:pbm" if name.startswith("Pbm") else "urn:vim25"
        VmomiSupport.GetWsdlMethod(namespace, name)


def test_every_task_has_a_label() -> None:
    """Task events show it; the key names a method of one type or another."""
    tasks = {name for name in METHODS if name.endswith("_Task")}
    methods = {VmomiSupport.GetWsdlMethod("urn:vim25", name).info.name for name in tasks}
    described = {key.rpartition(".")[2] for key in LABELS}
    assert {f"{name[0].lower()}{name[1:]}" for name in methods} - described == set()
