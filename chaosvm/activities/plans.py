"""Probes that return what a batch action would do now, as every platform has them."""

from collections.abc import Callable
from typing import Any, Dict

from chaoslib.types import Configuration, Secrets

from chaosvm.activities.binding import Binding
from chaosvm.selection import VMSelection

__all__ = [
    "plan_outage",
    "plan_power_off",
    "plan_power_on",
    "plan_reboot",
    "plan_suspend",
    "saved_plan",
]


def plan_outage(
    platform: Binding,
    vms: VMSelection,
    duration: float = 60,
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "hard",
    wait_for: str = "power",
    waves: int = 1,
    interval: float = 0,
    path: str = "",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Return what `outage` would do now with these arguments. Nothing is touched.

    Returns a plan like that of `plan_power_off`, which `outage` accepts in the same
    way. With `path`, it is also written to that file.

    ```json
    {
      "type": "probe",
      "name": "what-an-outage-would-do",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "plan_outage",
        "arguments": {"vms": {"name": "web-*", "count": 1}, "duration": 120}
      }
    }
    ```
    """
    service = platform.connect(configuration, secrets)
    options = {
        "duration": duration,
        "graceful": graceful,
        "timeout": timeout,
        "on_timeout": on_timeout,
        "wait_for": wait_for,
        "waves": waves,
        "interval": interval,
    }
    return saved_plan(path, lambda: service.plan("outage", vms, parallel, **options))


def plan_power_off(
    platform: Binding,
    vms: VMSelection,
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "hard",
    waves: int = 1,
    interval: float = 0,
    path: str = "",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Return what `batch_power_off` would do now with these arguments. Nothing is
    touched.

    Selects the VMs, draws the sample, and checks limits (such as `chaosvm_max_vms`)
    and refusals. Returns `plan` (its version), `platform`, `server`, `operation`,
    `options`, `selection`, `seed`, `possible` (false if anything would be refused),
    `vms` (each with `id`, `name`, `power_state`, what `will` be done and, with
    `waves` or `interval`, its `wave`), `passed_over`, `refused` and `guards`. With
    `path`, the plan is also written to that file, atomically.

    `batch_power_off` accepts the plan in place of a selection:
    `{"plan": "plan.json"}`. It then acts on the same VMs, and is refused if one of
    them was renamed or deleted, or is in another power state.

    ```json
    {
      "type": "probe",
      "name": "what-would-be-powered-off",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "plan_power_off",
        "arguments": {"vms": {"name": "web-*", "count": 2}, "path": "plan.json"}
      }
    }
    ```
    """
    service = platform.connect(configuration, secrets)
    options = {
        "graceful": graceful,
        "timeout": timeout,
        "on_timeout": on_timeout,
        "waves": waves,
        "interval": interval,
    }
    return saved_plan(path, lambda: service.plan("power_off", vms, parallel, **options))


def plan_power_on(
    platform: Binding,
    vms: VMSelection,
    parallel: int = 10,
    timeout: float = 300,
    wait_for: str = "power",
    waves: int = 1,
    interval: float = 0,
    path: str = "",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Return what `batch_power_on` would do now with these arguments. Nothing is
    touched.

    Returns a plan like that of `plan_power_off`, which `batch_power_on` accepts in
    the same way. With `path`, it is also written to that file.

    ```json
    {
      "type": "probe",
      "name": "what-would-be-powered-on",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "plan_power_on",
        "arguments": {"vms": {"name": "web-*"}}
      }
    }
    ```
    """
    service = platform.connect(configuration, secrets)
    options = {"timeout": timeout, "wait_for": wait_for, "waves": waves, "interval": interval}
    return saved_plan(path, lambda: service.plan("power_on", vms, parallel, **options))


def plan_reboot(
    platform: Binding,
    vms: VMSelection,
    parallel: int = 10,
    graceful: bool = True,
    timeout: float = 300,
    on_timeout: str = "fail",
    wait_for: str = "power",
    waves: int = 1,
    interval: float = 0,
    path: str = "",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Return what `batch_reboot` would do now with these arguments. Nothing is
    touched.

    Returns a plan like that of `plan_power_off`, which `batch_reboot` accepts in
    the same way. With `path`, it is also written to that file.

    ```json
    {
      "type": "probe",
      "name": "what-would-be-rebooted",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "plan_reboot",
        "arguments": {"vms": {"name": "web-*"}}
      }
    }
    ```
    """
    service = platform.connect(configuration, secrets)
    options = {
        "graceful": graceful,
        "timeout": timeout,
        "on_timeout": on_timeout,
        "wait_for": wait_for,
        "waves": waves,
        "interval": interval,
    }
    return saved_plan(path, lambda: service.plan("reboot", vms, parallel, **options))


def plan_suspend(
    platform: Binding,
    vms: VMSelection,
    parallel: int = 10,
    timeout: float = 300,
    waves: int = 1,
    interval: float = 0,
    path: str = "",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Return what `batch_suspend` would do now with these arguments. Nothing is
    touched.

    Returns a plan like that of `plan_power_off`, which `batch_suspend` accepts in
    the same way. With `path`, it is also written to that file.

    ```json
    {
      "type": "probe",
      "name": "what-would-be-suspended",
      "provider": {
        "type": "python",
        "module": "$module",
        "func": "plan_suspend",
        "arguments": {"vms": {"name": "web-*"}}
      }
    }
    ```
    """
    service = platform.connect(configuration, secrets)
    options = {"timeout": timeout, "waves": waves, "interval": interval}
    return saved_plan(path, lambda: service.plan("suspend", vms, parallel, **options))


def saved_plan(path: str, make: Callable[[], Any]) -> Dict[str, Any]:
    """Make a plan and write it to this path, unless that is empty."""
    from chaosvm.plans import save_plan  # imports the power engine, which other probes do not need

    return save_plan(path, make)
