"""The configuration of a cluster: high availability, DRS, and its groups and rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import Cluster
from chaosvm.lab.vcenter.managed_object import SoapFault
from chaosvm.lab.vcenter.vm_config import merged

__all__ = ["ClusterSettings"]

_INFO = vim.cluster.ConfigInfoEx
# Settings of a ConfigSpecEx by their name in ConfigInfoEx.
_PARTS = {
    "dasConfig": "dasConfig",
    "drsConfig": "drsConfig",
    "dpmConfigInfo": "dpmConfig",
    "proactiveDrsConfig": "proactiveDrsConfig",
    "infraUpdateHaConfig": "infraUpdateHaConfig",
    "orchestration": "orchestration",
}
# Lists of a ConfigInfoEx: the spec that changes them, and what identifies an item.
_LISTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "group": ("groupSpec", lambda group: group.name),
    "rule": ("rulesSpec", lambda rule: rule.key or rule.name),
    "dasVmConfig": ("dasVmConfigSpec", lambda config: config.key._moId),
    "drsVmConfig": ("drsVmConfigSpec", lambda config: config.key._moId),
    "dpmHostConfig": ("dpmHostConfigSpec", lambda config: config.key._moId),
}


class ClusterSettings:
    """What clients have set, on top of the simulation's values and the defaults."""

    def __init__(self, inventory: Any, cluster: Cluster) -> None:
        self._inventory = inventory
        self._world = inventory.world
        self._cluster_id = cluster.id
        self._given: dict[str, Any] = inventory.own_objects.settings_of(cluster.id)

    @property
    def _cluster(self) -> Cluster:
        cluster: Cluster = self._world.cluster(self._cluster_id)
        return cluster

    def info(self) -> Any:
        return _INFO(
            vmSwapPlacement="vmDirectory",
            spbmEnabled=False,
            vsanConfigInfo=vim.vsan.cluster.ConfigInfo(
                enabled=False,
                defaultConfig=vim.vsan.cluster.ConfigInfo.HostDefaultInfo(autoClaimStorage=False),
            ),
            **{name: self._part(name) for name in _PARTS},
            **{name: list(self._given.get(name, {}).values()) for name in _LISTS},
        )

    def old_info(self) -> Any:
        return vim.cluster.ConfigInfo(
            dasConfig=self._part("dasConfig"),
            drsConfig=self._part("drsConfig"),
            **{
                name: list(self._given.get(name, {}).values())
                for name in ("rule", "dasVmConfig", "drsVmConfig")
            },
        )

    def _part(self, name: str) -> Any:
        part = merged(_DEFAULTS[name](), self._given.get(name))
        if name == "dasConfig":
            self._fill_in_ha(part)
        elif name == "drsConfig":
            part.enabled = self._cluster.drs.enabled
            part.defaultVmBehavior = self._cluster.drs.automation
        return part

    def _fill_in_ha(self, part: Any) -> None:
        rules = self._cluster.ha
        part.enabled = rules.enabled
        part.admissionControlEnabled = rules.admission_control
        part.failoverLevel = rules.failures
        part.defaultVmSettings.isolationResponse = rules.isolation_response
        if rules.failover_hosts:
            named = [each for each in self._hosts() if each.plain_name in rules.failover_hosts]
            part.admissionControlPolicy = vim.cluster.FailoverHostAdmissionControlPolicy(
                failoverHosts=[each.reference for each in named],
                resourceReductionToToleratePercent=100,
            )
        elif hasattr(part.admissionControlPolicy, "failoverLevel"):
            part.admissionControlPolicy.failoverLevel = rules.failures

    def _hosts(self) -> Any:
        return self._inventory.tree.computes[self._cluster_id].hosts

    def apply(self, spec: Any, modify: bool = True) -> None:
        """Change what a ConfigSpec or ConfigSpecEx gives, and without ``modify`` reset the rest."""
        if not modify:
            self._given.clear()
        wanted = {name: self._part(name) if modify else _DEFAULTS[name]() for name in _PARTS}
        for name, field in _PARTS.items():
            given = getattr(spec, field, None)
            if given is not None:
                wanted[name] = merged(wanted[name], given)
        self._apply_to_world(wanted["dasConfig"], wanted["drsConfig"])
        self._given |= wanted
        for name, (field, key_of) in _LISTS.items():
            for each in getattr(spec, field, None) or ():
                self._change_list(name, each, key_of)

    def _change_list(self, name: str, spec: Any, key_of: Callable[[Any], Any]) -> None:
        items = self._given.setdefault(name, {})
        operation, info = str(spec.operation), spec.info
        if operation == "add" and name == "rule" and not info.key:
            info.key = max((key for key in items if isinstance(key, int)), default=0) + 1
        key = spec.removeKey if operation == "remove" else key_of(info)
        key = getattr(key, "_moId", key)
        if operation == "add" and key in items:
            raise SoapFault(vim.fault.AlreadyExists(name=str(key)), f"{key} exists already.")
        if operation != "add" and key not in items:
            raise SoapFault(vim.fault.NotFound(), f"There is no {key}.")
        if operation == "remove":
            del items[key]
        else:
            items[key] = merged(items.get(key), info)

    def _apply_to_world(self, das: Any, drs: Any) -> None:
        """Let the simulation restart and migrate VMs as it has been set."""
        cluster, policy = self._cluster, das.admissionControlPolicy
        failover = getattr(policy, "failoverHosts", None) or []
        names = {host.moid: host.plain_name for host in self._hosts()}
        unknown = [each for each in failover if each._moId not in names]
        if unknown:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=unknown[0]))
        rules = replace(
            cluster.ha,
            enabled=bool(das.enabled),
            admission_control=bool(das.admissionControlEnabled),
            failures=getattr(policy, "failoverLevel", None) or das.failoverLevel or 1,
            failover_hosts=tuple(names[each._moId] for each in failover),
            isolation_response=str(das.defaultVmSettings.isolationResponse or "none"),
        )
        scheduling = replace(
            cluster.drs, enabled=bool(drs.enabled), automation=str(drs.defaultVmBehavior)
        )
        self._world.change_cluster(cluster.id, ha=rules, drs=scheduling)


# The defaults are those of the API reference.


def _ha_config() -> Any:
    monitoring = vim.cluster.VmToolsMonitoringSettings(
        enabled=False,
        vmMonitoring="vmMonitoringDisabled",
        clusterSettings=True,
        failureInterval=30,
        minUpTime=120,
        maxFailures=3,
        maxFailureWindow=3600,
    )
    protection = vim.cluster.VmComponentProtectionSettings(
        vmStorageProtectionForAPD="disabled",
        enableAPDTimeoutForHosts=False,
        vmTerminateDelayForAPDSec=180,
        vmReactionOnAPDCleared="none",
        vmStorageProtectionForPDL="disabled",
    )
    return vim.cluster.DasConfigInfo(
        enabled=False,
        vmMonitoring="vmMonitoringDisabled",
        hostMonitoring="enabled",
        vmComponentProtecting="disabled",
        failoverLevel=1,
        admissionControlPolicy=vim.cluster.FailoverLevelAdmissionControlPolicy(
            failoverLevel=1, resourceReductionToToleratePercent=100
        ),
        admissionControlEnabled=True,
        defaultVmSettings=vim.cluster.DasVmSettings(
            restartPriority="medium",
            restartPriorityTimeout=600,
            isolationResponse="none",
            vmToolsMonitoringSettings=monitoring,
            vmComponentProtectionSettings=protection,
        ),
        hBDatastoreCandidatePolicy="allFeasibleDsWithUserPreference",
    )


def _drs_config() -> Any:
    return vim.cluster.DrsConfigInfo(
        enabled=False,
        enableVmBehaviorOverrides=True,
        defaultVmBehavior="fullyAutomated",
        vmotionRate=3,
        scaleDescendantsShares="disabled",
    )


def _orchestration() -> Any:
    readiness = vim.cluster.VmReadiness(readyCondition="none", postReadyDelay=0)
    return vim.cluster.OrchestrationInfo(defaultVmReadiness=readiness)


def _dpm_config() -> Any:
    return vim.cluster.DpmConfigInfo(
        enabled=False, defaultDpmBehavior="automated", hostPowerActionRate=3
    )


_DEFAULTS: Mapping[str, Callable[[], Any]] = {
    "dasConfig": _ha_config,
    "drsConfig": _drs_config,
    "dpmConfigInfo": _dpm_config,
    "proactiveDrsConfig": lambda: vim.cluster.ProactiveDrsConfigInfo(enabled=False),
    "infraUpdateHaConfig": lambda: vim.cluster.InfraUpdateHaConfigInfo(enabled=False),
    "orchestration": _orchestration,
}
