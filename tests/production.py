"""What a rehearsal must never touch: a server that counts who connects, and experiments for it."""

from __future__ import annotations

import json
import select
import socket
import threading
from pathlib import Path
from typing import Any

from chaoslib.control import load_global_controls
from chaoslib.experiment import ensure_experiment_is_valid, load_experiment, run_experiment
from chaoslib.types import Schedule, Strategy

from chaosvm.olvm import OLVMPlatform
from chaosvm.vsphere import VSpherePlatform
from tests.registry import ACTING, SIMULATED

ROOT = Path(__file__).resolve().parents[1]
CONTROL_FILE = ROOT / "examples" / "rehearse.yaml"
ENVIRONMENT = "Arvig-Staging"
USER = "admin@internal"


class Production:
    """Accepts connections, counts them, and hangs up."""

    def __init__(self) -> None:
        self._accepted = 0
        self._turn = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Production:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    @property
    def connections(self) -> int:
        """Those that still wait to be accepted too."""
        with self._turn:
            self._accept()
            return self._accepted

    def _serve(self) -> None:
        while True:
            select.select([self._listening], [], [])
            try:
                with self._turn:
                    self._accept()
            except OSError:
                return

    def _accept(self) -> None:
        while select.select([self._listening], [], [], 0)[0]:
            accepted, _ = self._listening.accept()
            self._accepted += 1
            accepted.close()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/ovirt-engine/api"

    def configuration(self) -> dict[str, Any]:
        own = {"server": "127.0.0.1", "port": self.port, "credentials": "arvig"}
        return {
            "vsphere_server": "127.0.0.1",
            "vsphere_port": self.port,
            "vsphere_insecure": True,
            "vsphere_timeout": 2,
            "olvm_url": self.url,
            "olvm_insecure": True,
            "olvm_timeout": 2,
            "dora_host": "127.0.0.1",
            "dora_api_port": self.port,
            "dora_auth_port": self.port,
            "dora_timeout": 1,
            "dora_environments": {ENVIRONMENT: {"vsphere": own}},
        }

    def secrets(self) -> dict[str, Any]:
        prefixes = (*SIMULATED, "arvig")
        return {
            "all": {
                f"{prefix}_{name}": value
                for prefix in prefixes
                for name, value in (("username", USER), ("password", "s3cret"))
            }
        }

    def environment(self) -> dict[str, str]:
        """The same, where experiments say nothing."""
        told = {**self.configuration(), **self.secrets()["all"]}
        told["dora_environments"] = json.dumps(told["dora_environments"])
        return {key.upper(): str(value) for key, value in told.items()}

    def experiment(self, *method: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "title": "Made for production",
            "description": "Made for production",
            "configuration": {**self.configuration(), "production_port": self.port},
            "secrets": self.secrets(),
            "method": list(method),
            "rollbacks": [],
            **more,
        }


def activity(where: str, func: str, /, **arguments: Any) -> dict[str, Any]:
    module = where if "." in where else f"chaosvm.{where}"
    kind = "probe" if module.endswith(("probes", "production")) else "action"
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {
        "type": kind,
        "name": f"{where} {func}",
        "provider": {**provider, "secrets": ["all"]},
    }


def read(platform: str) -> dict[str, Any]:
    arguments = {"environment": ENVIRONMENT} if platform == "dora" else {"vms": {"all": True}}
    return activity(f"chaosvm.{platform}.probes", "count_vms", **arguments)


def switch(platform: str, vm_name: str = "web-01") -> dict[str, Any]:
    arguments = {"environment": ENVIRONMENT} if platform == "dora" else {}
    return activity(f"chaosvm.{platform}.actions", "power_off", vm_name=vm_name, **arguments)


def from_python(platform: str) -> dict[str, Any]:
    """A probe of the user's own, which makes its own connection."""
    return activity("tests.production", f"connect_{platform}", port="${production_port}")


def connect_vsphere(port: int) -> bool:
    with VSpherePlatform("127.0.0.1", USER, "s3cret", port=int(port), insecure=True, timeout=2):
        return True


def connect_olvm(port: int) -> bool:
    url = f"https://127.0.0.1:{port}/ovirt-engine/api"
    with OLVMPlatform(url, USER, "s3cret", insecure=True, timeout=2):
        return True


def interrupt() -> None:
    raise KeyboardInterrupt


def everything() -> list[dict[str, Any]]:
    """An activity for each way to a platform."""
    return [
        *map(read, SIMULATED),
        *map(switch, SIMULATED),
        *map(from_python, ACTING),
    ]


def control(**arguments: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": "chaosvm.lab.control", "arguments": arguments}
    return {"name": "rehearse", "provider": provider}


def run(
    experiment: dict[str, Any] | Path,
    folder: Path,
    control_file: Path | None = None,
    rollbacks: str = "default",
    strategy: Strategy = Strategy.DEFAULT,
    variables: dict[str, Any] | None = None,
    fail_fast: bool = False,
) -> dict[str, Any]:
    """As the `chaos` command does it, in this process."""
    if isinstance(experiment, dict):
        path = folder / "experiment.json"
        path.write_text(json.dumps(experiment))
        experiment = path
    settings = {"runtime": {"rollbacks": {"strategy": rollbacks}}}
    load_global_controls(settings, [str(control_file)] if control_file else [])
    loaded = load_experiment(str(experiment))
    ensure_experiment_is_valid(loaded)
    journal: dict[str, Any] = run_experiment(
        loaded,
        settings=settings,
        experiment_vars=(dict(variables or {}), {}),
        strategy=strategy,
        schedule=Schedule(continuous_hypothesis_frequency=0.05, fail_fast=fail_fast),
    )
    json.dumps(journal, default=str)
    return journal
