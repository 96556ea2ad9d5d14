"""Structures of the vSphere Automation API, and how each of its protocols writes them.

Names, and which fields are optional, are those of VMware's SDK (vcf-sdk, com.vmware).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Map", "Structure", "from_json_rpc", "to_json_rpc", "to_legacy", "to_plain"]

# Optional fields by structure; the other fields are required.
_OPTIONAL: Mapping[str, frozenset[str]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "com.vmware.vcenter.VM.summary": "cpu_count memory_size_MiB",
        "com.vmware.vcenter.VM.info": "identity instant_clone_frozen nvme_adapters",
        "com.vmware.vcenter.host.summary": "power_state host_uuid",
        "com.vmware.vcenter.datastore.summary": "free_space capacity",
        "com.vmware.vcenter.datastore.info": "free_space",
        "com.vmware.vcenter.resource_pool.info": "cpu_allocation memory_allocation",
        "com.vmware.vcenter.vm.power.info": "clean_power_off",
        "com.vmware.vcenter.vm.hardware.info": "upgrade_version upgrade_error",
        "com.vmware.vcenter.vm.hardware.boot.info": "efi_legacy_boot network_protocol",
        "com.vmware.vcenter.vm.hardware.memory.info": (
            "hot_add_increment_size_MiB hot_add_limit_MiB"
        ),
        "com.vmware.vcenter.vm.hardware.disk.info": "ide scsi sata nvme capacity",
        "com.vmware.vcenter.vm.hardware.disk.backing_info": "vmdk_file",
        "com.vmware.vcenter.vm.hardware.ethernet.info": (
            "upt_compatibility_enabled upt_v2_compatibility_enabled mac_address pci_slot_number"
        ),
        "com.vmware.vcenter.vm.hardware.ethernet.backing_info": "network network_name",
        "com.vmware.vcenter.vm.tools.info": (
            "install_attempt_count error version_number version version_status install_type "
            "guest_reboot_status"
        ),
        "com.vmware.vcenter.vm.guest.identity.info": "ip_address",
        "com.vmware.vcenter.vm.guest.networking.info": "dns_values dns",
        "com.vmware.vcenter.vm.guest.networking.interfaces.info": (
            "dns_values mac_address dns ip wins_servers nic"
        ),
        "com.vmware.vcenter.vm.guest.networking.interfaces.ip_config_info": "dhcp",
        "com.vmware.content.library_model": (
            "id creation_time description last_modified_time last_sync_time name "
            "storage_backings type optimization_info version publish_info subscription_info "
            "server_guid security_policy_id unset_security_policy_id state_info"
        ),
        "com.vmware.content.library.storage_backing": "datastore_id storage_uri",
        "com.vmware.vapi.std.localizable_message": "params localized",
    }.items()
}
_NONE: frozenset[str] = frozenset()


class Structure(dict[str, Any]):
    """A structure with its fields; None leaves a field unset."""

    def __init__(self, name: str, /, **fields: Any) -> None:
        super().__init__({key: value for key, value in fields.items() if value is not None})
        self.name = name


class Map(dict[str, Any]):
    """A map from ids to structures."""


def to_plain(value: Any) -> Any:
    """As below /api."""
    if isinstance(value, dict):
        return {key: to_plain(each) for key, each in value.items()}
    return [to_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def to_legacy(value: Any) -> Any:
    """As below /rest, where a map is a list of entries."""
    if isinstance(value, Map):
        return [{"key": key, "value": to_legacy(each)} for key, each in value.items()]
    if isinstance(value, dict):
        return {key: to_legacy(each) for key, each in value.items()}
    return [to_legacy(each) for each in value] if isinstance(value, (list, tuple)) else value


def to_json_rpc(value: Any) -> Any:
    if isinstance(value, Structure):
        optional = _OPTIONAL.get(value.name, _NONE)
        fields = {
            key: {"OPTIONAL": to_json_rpc(each)} if key in optional else to_json_rpc(each)
            for key, each in value.items()
        }
        return {"STRUCTURE": {value.name: fields}}
    if isinstance(value, Map):
        return [
            {"STRUCTURE": {"map-entry": {"key": key, "value": to_json_rpc(each)}}}
            for key, each in value.items()
        ]
    return [to_json_rpc(each) for each in value] if isinstance(value, (list, tuple)) else value


def from_json_rpc(value: Any) -> Any:
    """The plain value of one that names its types."""
    if isinstance(value, list):
        return [from_json_rpc(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "OPTIONAL" in value:
        return from_json_rpc(value["OPTIONAL"])
    if "STRUCTURE" in value:
        (fields,) = value["STRUCTURE"].values()
        plain = {key: from_json_rpc(each) for key, each in fields.items()}
        return {key: each for key, each in plain.items() if each is not None}
    return value.get("SECRET", value)
