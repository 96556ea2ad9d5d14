"""Values of the engine's XML elements, any of which may be missing."""

from __future__ import annotations

from xml.etree.ElementTree import Element

__all__ = ["boolean", "inner", "ip_addresses", "link_id", "vm_status"]


def boolean(text: str | None) -> bool | None:
    """None for an empty element. Raises ValueError for any other word than a boolean."""
    if not text:
        return None
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() in ("true", "1")


def inner(part: Element | None, tag: str) -> str | None:
    """The text of a child element."""
    return part.findtext(tag) if part is not None else None


def link_id(link: Element | None) -> str:
    """The id of the object that is linked to; empty without a link."""
    return (link.get("id") or "") if link is not None else ""


def ip_addresses(devices: Element | None) -> tuple[str, ...] | None:
    """The addresses of reported devices; None if there are none."""
    if devices is None:
        return None
    addresses = [address.text for address in devices.iterfind("reported_device/ips/ip/address")]
    return tuple(dict.fromkeys(address for address in addresses if address)) or None


def vm_status(vm: Element) -> str:
    """The engine gives no status for a VM with broken disks."""
    return vm.findtext("status") or "unknown"
