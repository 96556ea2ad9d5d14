"""The lab: simulated platforms for rehearsals and tests, in this process.

A simulation of virtual machines (``chaosvm.lab.simulation``) with servers that speak each
platform's protocol over TLS, for use with real clients::

    from chaosvm.lab import Guest, Lab, World, rule

    world = World()
    world.add_vm("web-01")
    world.add_vm("web-02", guest=Guest.ignores())
    with Lab(world) as lab:
        os.environ.update(lab.environment())
        lab.rules(rule("stop", "drop_after", vm="web-01", times=1))
        ...

The servers are written from the platforms' public source and from recordings, and
simulate only a part of them. ``Lab`` needs the extra ``lab`` and is imported on first
use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaosvm.errors import MissingExtra
from chaosvm.lab.fault_rules import Rule, rule, when
from chaosvm.lab.simulation import Durations, Guest, Machine, Role, State, Topology, World
from chaosvm.lab.world_files import Described, load

if TYPE_CHECKING:
    from chaosvm.lab.lab import Lab

__all__ = [
    "Described",
    "Durations",
    "Guest",
    "Lab",
    "Machine",
    "Role",
    "Rule",
    "State",
    "Topology",
    "World",
    "load",
    "rule",
    "when",
]


def __getattr__(name: str) -> Any:
    if name == "Lab":
        return _lab_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _lab_class() -> type[Lab]:
    for package in ("aiohttp", "trustme"):
        try:
            __import__(package)
        except ImportError:
            raise MissingExtra(
                f"the lab needs {package}, which is not installed: "
                "pip install 'chaostoolkit-vm[lab]'"
            ) from None
    from chaosvm.lab.lab import Lab

    return Lab
