"""The vCenter behind an environment: who may switch its VMs, and what it knows of them."""

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
    """The vCenter that is configured for an environment, and for no other reason.

    What the environment leaves out is taken from the general vsphere_* settings.
    With ``credentials`` as a prefix, user name and password are the secrets (or
    environment variables) of that prefix.
    """
    if environment.vsphere is None:
        raise InvalidValue(
            f"environment {environment.name!r} has no vCenter configured: add "
            f'{{"{environment.name}": {{"vsphere": {{"server": "..."}}}}}} to dora_environments, '
            'or "vsphere": {} to use the vsphere_* settings for it'
        )
    own = dict(environment.vsphere)
    prefix = own.pop("credentials", None)
    merged = {
        key: value
        for key, value in (configuration or {}).items()
        if not str(key).startswith("dora_")
    } | {f"vsphere_{key}": value for key, value in own.items()}
    return vsphere(merged, _credentials(prefix, secrets or {}))


def _credentials(prefix: Any, secrets: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in secrets.items() if not str(key).startswith("dora_")}
    # In a rehearsal they are the lab's, and those of the environment may not be here.
    if prefix is None or rehearsal.is_on():
        return kept
    for field in ("username", "password"):
        key = f"{prefix}_{field}"
        value = secrets.get(key) or os.environ.get(key.upper())
        if not value:
            raise InvalidValue(
                f"not set: {key}. Give it in the experiment's secrets, or in the environment as "
                f"{key.upper()}, because the environment's vCenter has the credentials {prefix!r}"
            )
        kept[f"vsphere_{field}"] = value
    return kept


def operate_by_id(
    dora: DoraClient,
    environment: str,
    vm_name: str,
    operation: str,
    configuration: Mapping[str, Any] | None,
    secrets: Mapping[str, Any] | None,
    **options: Any,
) -> Outcome:
    """Dora says which VM is meant; its own vCenter, asked by moid and name, switches it."""
    platform = vcenter_of(dora.catalogue.find(environment), configuration, secrets)
    vm = dora.get_vm(environment, vm_name)
    moid = vm.metadata["moid"]
    if moid is None:
        raise OperationRefused(
            f"refused, and nothing was touched: Dora tells no managedObjRef of {vm.name!r}, and by "
            "its name alone it could be another VM"
        )
    return platform.operate_by_id(operation, moid, vm.name, **options)
