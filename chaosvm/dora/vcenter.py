"""The vCenter of an environment: its connection and credentials, and power operations."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chaosvm.dora.environments import Environment
from chaosvm.errors import InvalidValue, OperationRefused
from chaosvm.outcome import Outcome
from chaosvm.runtime import rehearsal
from chaosvm.vsphere import vsphere

if TYPE_CHECKING:
    from chaosvm.dora.client import DoraClient
    from chaosvm.vsphere.platform import VSpherePlatform

__all__ = ["operate_by_id", "vcenter_of"]


def vcenter_of(
    environment: Environment,
    configuration: Mapping[str, Any] | None,
    secrets: Mapping[str, Any] | None,
) -> VSpherePlatform:
    """Return the vCenter that is configured for an environment.

    Settings that the environment leaves out are the general vsphere_* ones. With
    ``credentials`` as a prefix, user name and password are the secrets (or
    environment variables) of that prefix.

    Raises InvalidValue for an environment without a vCenter: the general settings
    alone never select one.
    """
    if environment.vsphere is None:
        raise InvalidValue(
            f"environment {environment.name!r} has no vCenter configured: add "
            f'{{"{environment.name}": {{"vsphere": {{"server": "..."}}}}}} to dora_environments, '
            'or "vsphere": {} to use the vsphere_* settings for it'
        )
    overrides = dict(environment.vsphere)
    prefix = overrides.pop("credentials", None)
    merged = {
        key: value
        for key, value in (configuration or {}).items()
        if not str(key).startswith("dora_")
    } | {f"vsphere_{key}": value for key, value in overrides.items()}
    return vsphere(merged, _credentials(prefix, secrets or {}))


def _credentials(prefix: Any, secrets: Mapping[str, Any]) -> dict[str, Any]:
    merged = {key: value for key, value in secrets.items() if not str(key).startswith("dora_")}
    # A rehearsal uses the lab's, and the environment's own may be missing on this machine.
    if prefix is None or rehearsal.is_on():
        return merged
    for field in ("username", "password"):
        key = f"{prefix}_{field}"
        value = secrets.get(key) or os.environ.get(key.upper())
        if not value:
            raise InvalidValue(
                f"not set: {key}. Add it to the experiment's secrets, or set {key.upper()}: the "
                f"vCenter of this Dora environment has the credentials {prefix!r}"
            )
        merged[f"vsphere_{field}"] = value
    return merged


def operate_by_id(
    dora: DoraClient,
    environment: str,
    vm_name: str,
    operation: str,
    configuration: Mapping[str, Any] | None,
    secrets: Mapping[str, Any] | None,
    **options: Any,
) -> Outcome:
    """Find the VM in Dora, and run the operation in its vCenter, by moid and name."""
    vcenter = vcenter_of(dora.catalogue.find(environment), configuration, secrets)
    vm = dora.get_vm(environment, vm_name)
    moid = vm.metadata["moid"]
    if moid is None:
        raise OperationRefused(
            f"refused, and nothing was touched: Dora reports no managedObjRef for {vm.name!r}, and "
            "its name alone may match another VM"
        )
    return vcenter.operate_by_id(operation, moid, vm.name, **options)
