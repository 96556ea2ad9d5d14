"""From the SDK's types to bytes, fast enough for thousands of VMs.

The SDK's writers do the writing. A VM is only written anew when it changed, and
what is the same for all of them but the id only once. A long list is put
together from pieces that are compressed already.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ovirtsdk4 import List, types
from ovirtsdk4.writer import Writer
from ovirtsdk4.xml import XmlWriter

from chaosvm.lab.ovirt.described import vm_type
from chaosvm.lab.ovirt.hrefs import VM_ACTIONS, VM_COLLECTIONS, href
from chaosvm.lab.world import Machine, World

__all__ = ["Document", "VmPages", "document", "documents"]

_LEVEL = 6
_ANY_ID = "00000000-1111-2222-3333-444444444444"


class _Piece:
    """A part of a document, plain and as a run of deflate blocks that ends on a byte."""

    __slots__ = ("_last", "_packed", "plain")

    def __init__(self, plain: bytes, last: bool = False) -> None:
        self.plain = plain
        self._last = last
        self._packed: bytes | None = None

    @property
    def packed(self) -> bytes:
        if self._packed is None:
            pack = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            end = zlib.Z_FINISH if self._last else zlib.Z_FULL_FLUSH
            self._packed = pack.compress(self.plain) + pack.flush(end)
        return self._packed


@dataclass(frozen=True, slots=True)
class Document:
    """An answer's body, in pieces."""

    pieces: Sequence[_Piece]

    def plain(self) -> bytes:
        return b"".join(piece.plain for piece in self.pieces)

    def gzipped(self) -> bytes:
        checksum = size = 0
        for piece in self.pieces:
            checksum = zlib.crc32(piece.plain, checksum)
            size += len(piece.plain)
        header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
        trailer = struct.pack("<II", checksum, size & 0xFFFFFFFF)
        return b"".join((header, *(piece.packed for piece in self.pieces), trailer))


def document(thing: Any) -> Document:
    """One thing of the SDK's types."""
    return Document([_Piece(Writer.write(thing).encode(), last=True)])


def documents(things: Sequence[Any], root: str) -> Document:
    """A collection; one that is empty is ``<root/>``."""
    listed = List()
    listed.extend(things)
    return Document([_Piece(Writer.write(listed, root=root).encode(), last=True)])


class VmPages:
    """VMs as XML, kept until they change. ``real_size`` pads them as real ones are."""

    def __init__(self, world: World, real_size: bool = False) -> None:
        self._world = world
        self._real_size = real_size
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Machine, _Piece]] = {}

    def one(self, vm: Machine) -> Document:
        return Document([self._piece(vm), _Piece(b"", last=True)])

    def many(self, vms: Sequence[Machine]) -> Document:
        if not vms:
            return documents((), "vms")
        pieces = [self._piece(vm) for vm in vms]
        return Document([_opening(), *pieces, _closing()])

    def extended(self, vm: Any) -> bytes:
        """A VM of the SDK's type with the links that every VM has."""
        written: bytes = Writer.write(vm).encode()
        head, _, rest = written.partition(b">")
        linked = _links(self._real_size).replace(_ANY_ID.encode(), vm.id.encode())
        return head + b">" + linked + rest

    def _piece(self, vm: Machine) -> _Piece:
        kept = self._kept.get(vm.id)
        if kept is not None and kept[0] is vm:
            return kept[1]
        piece = _Piece(self.extended(vm_type(self._world, vm)))
        with self._lock:
            self._kept[vm.id] = (vm, piece)
        return piece


@cache
def _opening() -> _Piece:
    return _Piece(b"<vms>")


@cache
def _closing() -> _Piece:
    return _Piece(b"</vms>", last=True)


@cache
def _links(real_size: bool) -> bytes:
    """What is the same in every VM, but for its id."""
    writer = XmlWriter(None, False)
    writer.write_start("all")
    writer.write_start("actions")
    for action in VM_ACTIONS:
        _link(writer, action, href("vms", _ANY_ID, action))
    writer.write_end()
    for collection in VM_COLLECTIONS:
        _link(writer, collection, href("vms", _ANY_ID, collection))
    writer.write_end()
    links = str(writer.string()).removeprefix("<all>").removesuffix("</all>").encode()
    return links + (_padding() if real_size else b"")


def _link(writer: Any, rel: str, where: str) -> None:
    writer.write_start("link")
    writer.write_attribute("href", where)
    writer.write_attribute("rel", rel)
    writer.write_end()


def _padding() -> bytes:
    """The settings that nobody reads, and which make up most of a real VM."""
    vm = types.Vm(
        bios=types.Bios(boot_menu=types.BootMenu(enabled=False), type=types.BiosType.Q35_SEA_BIOS),
        console=types.Console(enabled=False),
        cpu_shares=0,
        display=types.Display(
            address="10.0.0.1",
            allow_override=False,
            copy_paste_enabled=True,
            disconnect_action="LOCK_SCREEN",
            file_transfer_enabled=True,
            monitors=1,
            port=5900,
            secure_port=5901,
            smartcard_enabled=False,
            type=types.DisplayType.SPICE,
        ),
        initialization=types.Initialization(regenerate_ssh_keys=False, nic_configurations=[]),
        io=types.Io(threads=1),
        memory_policy=types.MemoryPolicy(ballooning=True, guaranteed=1024**3, max=4 * 1024**3),
        migration=types.MigrationOptions(
            auto_converge=types.InheritableBoolean.INHERIT,
            compressed=types.InheritableBoolean.INHERIT,
        ),
        migration_downtime=-1,
        multi_queues_enabled=True,
        next_run_configuration_exists=False,
        numa_tune_mode=types.NumaTuneMode.INTERLEAVE,
        placement_policy=types.VmPlacementPolicy(affinity=types.VmAffinity.MIGRATABLE),
        rng_device=types.RngDevice(source=types.RngSource.URANDOM),
        soundcard_enabled=False,
        sso=types.Sso(methods=[types.Method(id=types.SsoMethod.GUEST_AGENT)]),
        start_paused=False,
        storage_error_resume_behaviour=types.VmStorageErrorResumeBehaviour.AUTO_RESUME,
        time_zone=types.TimeZone(name="Etc/GMT"),
        tpm_enabled=False,
        usb=types.Usb(enabled=False),
        virtio_scsi_multi_queues_enabled=False,
        custom_properties=[
            types.CustomProperty(name=f"hook_{number}", value=f"{number * 7919:064x}")
            for number in range(18)
        ],
    )
    inner = Writer.write(vm).partition(">")[2].removesuffix("</vm>")
    return str(inner).encode()
