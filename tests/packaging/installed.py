"""Run by the Python of a fresh environment: prints what works there, as JSON."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import chaosvm
import chaosvm.controls
from chaosvm.errors import ChaosVMError


def main() -> None:
    activities = chaosvm.discover(discover_system=False)["activities"]
    modules = {each["mod"] for each in activities}
    modules |= {
        each.name for each in pkgutil.walk_packages(chaosvm.controls.__path__, "chaosvm.controls.")
    }
    for name in sorted(modules):
        import_module(name)
    found = {
        "package": str(Path(chaosvm.__file__).parent),
        "activities": sorted(f"{each['mod']}.{each['name']}" for each in activities),
        "modules": sorted(modules),
        "outcomes": {extra: outcome(use) for extra, use in USES.items()},
    }
    print(json.dumps(found))


def outcome(use: Callable[[], Any]) -> str:
    try:
        use()
    except ChaosVMError as error:
        return f"{type(error).__name__}: {error}"
    return "used"


def use_platform(name: str, **configuration: Any) -> None:
    """Nothing listens on the port: with the SDK, it is the connection that fails."""
    probes = import_module(f"chaosvm.{name}.probes")
    secrets = {f"{name}_username": "user@internal", f"{name}_password": "password"}
    probes.count_vms(
        configuration={f"{name}_{key}": value for key, value in configuration.items()},
        secrets=secrets,
    )


def use_lab() -> None:
    from chaosvm.lab import Lab, World

    with Lab(World(), platforms=["dora"]):
        pass


def use_report() -> None:
    from chaosvm.dora.export import Export, Format, write

    export = Export([], "dora.example.com", datetime.now(UTC))
    write(export, Path("report.html"), Format.HTML)


USES: dict[str, Callable[[], Any]] = {
    "vsphere": lambda: use_platform("vsphere", server="127.0.0.1", port=1, timeout=5),
    "olvm": lambda: use_platform("olvm", url="https://127.0.0.1:1/ovirt-engine/api", timeout=5),
    "lab": use_lab,
    "report": use_report,
}

if __name__ == "__main__":
    main()
