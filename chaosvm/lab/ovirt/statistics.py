"""Statistics of VMs, hosts, network cards and disks.

Source: the recordings ``vm-statistics*``, ``host-statistics``, ``nic-statistics`` and
``disk-statistics``.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence

from chaosvm.lab.ovirt.collection import Call
from chaosvm.lab.ovirt.markup import Node, node, text

__all__ = ["DISK_STATISTICS", "HOST_STATISTICS", "NIC_STATISTICS", "VM_STATISTICS", "statistics"]

# Name, description, kind, type, unit, and the value if it is always the same.
Row = tuple[str, str, str, str, str, str]


def _rows(table: str) -> Sequence[Row]:
    rows = [tuple(cell.strip() for cell in line.split("|")) for line in table.strip().splitlines()]
    return [row for row in rows if len(row) == 6]


_HISTORY = "usage history, sorted by date from newest to oldest, at intervals of 30 seconds"
VM_STATISTICS = _rows(f"""
    memory.installed | Total memory configured | gauge | integer | bytes | 0
    memory.used | Memory used (agent) | gauge | integer | bytes | 0
    cpu.current.guest | CPU used by guest | gauge | decimal | percent | 0
    cpu.current.hypervisor | CPU overhead | gauge | decimal | percent | 0
    cpu.current.total | Total CPU used | gauge | decimal | percent | 0
    migration.progress | Migration Progress | gauge | decimal | percent | 0
    memory.buffered | Memory buffered (agent) | gauge | integer | bytes | 0
    memory.cached | Memory cached (agent) | gauge | integer | bytes | 0
    memory.free | Memory free (agent) | gauge | integer | bytes | 0
    memory.unused | Memory unused (agent) | gauge | integer | bytes | 0
    network.current.total | Total network used | gauge | decimal | percent | 0
    disks.usage | Disk usage, in bytes, per filesystem as JSON (agent) | gauge | string | none |
    elapsed.time | Elapsed VM runtime | counter | integer | seconds | 0
    cpu.usage.history | List of cpu {_HISTORY} | gauge | decimal | percent |
    memory.usage.history | List of memory {_HISTORY} | gauge | decimal | percent |
    network.usage.history | List of network {_HISTORY} | gauge | decimal | percent |
""")
HOST_STATISTICS = _rows("""
    memory.total | Total memory | gauge | integer | bytes | 0
    memory.used | Used memory | gauge | integer | bytes | 0
    memory.free | Free memory | gauge | integer | bytes | 0
    memory.shared | The amount of memory, in bytes, shared among Virtual-Machines on this Host \
by Kernel Same-page Merging (KSM) | gauge | integer | bytes | 0
    swap.total | Total swap | gauge | integer | bytes | 8589934592
    swap.free | Free swap | gauge | integer | bytes | 8589934592
    swap.used | Used swap | gauge | integer | bytes | 0
    ksm.cpu.current | KSM CPU usage | gauge | decimal | percent | 0
    cpu.current.user | User CPU usage | gauge | decimal | percent | 2
    cpu.current.system | System CPU usage | gauge | decimal | percent | 1
    cpu.current.idle | Idle CPU usage | gauge | decimal | percent | 97
    cpu.load.avg.5m | CPU 5 minute load average | gauge | decimal | percent | 0.10
    boot.time | Boot time of the machine | gauge | integer | none | 0
""")
NIC_STATISTICS = _rows("""
    data.current.rx | Receive data rate | gauge | decimal | bytes_per_second | 0
    data.current.tx | Transmit data rate | gauge | decimal | bytes_per_second | 0
    data.current.rx.bps | Receive data rate | gauge | decimal | bits_per_second | 0
    data.current.tx.bps | Transmit data rate | gauge | decimal | bits_per_second | 0
    errors.total.rx | Total receive errors | counter | integer | none |
    errors.total.tx | Total transmit errors | counter | integer | none |
    data.total.rx | Total received data | counter | integer | bytes |
    data.total.tx | Total transmitted data | counter | integer | bytes |
""")
DISK_STATISTICS = _rows("""
    data.current.read | Read data rate | gauge | decimal | bytes_per_second | 0
    data.current.read_ops | Read data ops | counter | decimal | none | 0
    data.current.write | Write data rate | gauge | decimal | bytes_per_second | 0
    data.current.write_ops | Write data ops | counter | decimal | none | 0
    disk.read.latency | Read latency | gauge | decimal | seconds | 0
    disk.write.latency | Write latency | gauge | decimal | seconds | 0
    disk.flush.latency | Flush latency | gauge | decimal | seconds | 0
""")


def statistics(
    call: Call, rows: Sequence[Row], of: str, values: Mapping[str, str] | None = None
) -> list[Node]:
    """The statistics of the object that the collection belongs to."""
    return [_statistic(call, row, of, (values or {}).get(row[0], row[5])) for row in rows]


def _statistic(call: Call, row: Row, of: str, datum: str) -> Node:
    name, description, kind, type_, unit, _ = row
    item_id = str(uuid.UUID(bytes=hashlib.md5(name.encode()).digest(), version=3))
    values = node("value", text("datum", datum)) if datum else None
    return node(
        "statistic",
        text("name", name),
        text("description", description),
        text("kind", kind),
        text("type", type_),
        text("unit", unit),
        node("values", values),
        node(of, href=call.path.removesuffix("/statistics"), id=call.parent),
        href=f"{call.path}/{item_id}",
        id=item_id,
    )
