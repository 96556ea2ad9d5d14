"""The inventory of environments as a report to read, in Markdown and HTML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

import chaosvm
from chaosvm.dora.inventory import EnvironmentInventory, Hypervisor
from chaosvm.observe.report.html import page_style, render_html
from chaosvm.observe.story.words import count, date_time, joined, state_word, visible
from chaosvm.redaction import printable
from chaosvm.runtime import rehearsal
from chaosvm.vm import VM, PowerState

__all__ = ["InventoryReport", "to_html", "to_markdown"]

_TITLE = "Inventory of virtual machines"
_REHEARSAL = "Rehearsal: these virtual machines are simulated."
_EMPTY = "Dora returned no virtual machine: are these coordinates right?"
# What Markdown takes for markup; an underscore only at the edge of a word.
_MARKUP = re.compile(r"([\\`*\[\]<>|~&#]|\b_|_\b)")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; the title of a column of numbers starts with ``>``."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """One environment."""

    title: str
    group: str
    facts: Sequence[str]
    tables: Sequence[Table]


class InventoryReport:
    """What the report says, in words and tables."""

    def __init__(
        self, inventories: Sequence[EnvironmentInventory], server: str, read: datetime
    ) -> None:
        self.title = _TITLE
        self.banner = _REHEARSAL if rehearsal.is_on() else ""
        self.origin = f"Read from Dora at {server} on {date_time(read)} UTC"
        self.overview = _overview(inventories)
        self.sections = [_section(each) for each in inventories]
        self.footer = f"Written by chaosvm {chaosvm.__version__}."


def to_html(report: InventoryReport) -> str:
    """One file that needs no network; the template escapes everything in it."""
    template = files(__package__) / "templates" / "inventory.html.j2"
    return render_html(template, {"report": report}, {"style": page_style()})


def to_markdown(report: InventoryReport) -> str:
    blocks = [
        f"# {report.title}",
        *([f"**{report.banner}**"] if report.banner else []),
        f"{_escaped(report.origin)}.",
        _markdown_table(report.overview),
    ]
    for section in report.sections:
        blocks += [f"## {_escaped(section.title)}", *map(_escaped, section.facts)]
        for table in section.tables:
            blocks += [f"### {table.title}", _markdown_table(table)]
    return "\n\n".join([*blocks, report.footer]) + "\n"


def _overview(inventories: Sequence[EnvironmentInventory]) -> Table:
    counts = [Counter(vm.power_state for vm in each.vms) for each in inventories]
    states = [state for state in PowerState if any(state in each for each in counts)]
    rows = [
        (
            *(_on_one_line(inventory.environment.name), _on_one_line(inventory.environment.group)),
            *(str(number) for number in (len(inventory.vms), *(of[state] for state in states))),
            _connected(inventory.hypervisors),
        )
        for inventory, of in zip(inventories, counts, strict=True)
    ]
    total = sum(counts, Counter[PowerState]())
    hosts = [host for inventory in inventories for host in inventory.hypervisors]
    numbers = (str(number) for number in (total.total(), *(total[state] for state in states)))
    rows.append(("All", "", *numbers, _connected(hosts)))
    columns = ["environment", "group", ">VMs", *(f">{state_word(state)}" for state in states)]
    return Table("Environments", [*columns, ">hypervisors connected"], rows)


def _section(inventory: EnvironmentInventory) -> Section:
    environment = inventory.environment
    tables = [
        Table("Hypervisors", _HOST_COLUMNS, [_host_row(host) for host in inventory.hypervisors]),
        Table("Virtual machines", _VM_COLUMNS, [_vm_row(vm) for vm in inventory.vms]),
    ]
    return Section(
        title=_on_one_line(environment.name),
        group=_on_one_line(environment.group),
        facts=[
            _numbers(inventory),
            _on_one_line(f"Coordinates in Dora: {_coordinates(inventory)}."),
        ],
        tables=[table for table in tables if table.rows],
    )


def _numbers(inventory: EnvironmentInventory) -> str:
    counts = Counter(vm.power_state for vm in inventory.vms)
    states = [f"{counts[state]} {state_word(state)}" for state in PowerState if counts[state]]
    vms = f"{count(len(inventory.vms), 'VM')}: {joined(states)}." if states else _EMPTY
    return f"{vms} Hypervisors connected: {_connected(inventory.hypervisors)}."


def _coordinates(inventory: EnvironmentInventory) -> str:
    return ", ".join(f"{key} {value!r}" for key, value in inventory.environment.coordinates.items())


def _connected(hosts: Sequence[Hypervisor]) -> str:
    """2 of 3; with those that Dora does not report, if any."""
    connected = [host.connected for host in hosts]
    unknown = f", {connected.count(None)} unknown" if None in connected else ""
    return f"{connected.count(True)} of {len(hosts)}{unknown}"


_HOST_COLUMNS = ("name", "address", "type", "connection", ">CPU, %", ">memory, %")
_VM_COLUMNS = (
    *("name", "state", "id", "host", "guest system"),
    *(">CPUs", ">memory, GiB", ">CPU, %", ">memory, %"),
)


def _host_row(host: Hypervisor) -> tuple[str, ...]:
    texts = (host.name, host.address, host.type, host.connection_status)
    usage = (host.cpu_usage_percent, host.memory_usage_percent)
    return (*map(_on_one_line, texts), *map(_number, usage))


def _vm_row(vm: VM) -> tuple[str, ...]:
    state = state_word(vm.power_state)
    if vm.power_state is PowerState.UNKNOWN and vm.status:
        state = f"{state} ({vm.status})"
    memory = None if vm.memory_mb is None else vm.memory_mb / 1024
    usage = (vm.metadata["cpu_usage_percent"], vm.metadata["memory_usage_percent"])
    texts = (vm.name, state, vm.id, vm.host, vm.guest_os)
    return (*map(_on_one_line, texts), *map(_number, (vm.cpu_count, memory, *usage)))


def _on_one_line(text: str | None) -> str:
    """On one line, without control characters; nothing if Dora reports nothing."""
    return visible(printable(" ".join((text or "").split())))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}".removesuffix(".0")


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text)


def _markdown_table(table: Table) -> str:
    """Padded, so that it can be read as it is."""
    titles = [title.removeprefix(">") for title in table.columns]
    right = [title.startswith(">") for title in table.columns]
    rows = [titles, *([_escaped(cell) for cell in row] for row in table.rows)]
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * (width - 1) + (":" if r else "-") for width, r in zip(widths, right, strict=True)]
    padded = [
        [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        ]
        for row in rows
    ]
    return "\n".join(map(_markdown_row, [padded[0], rule, *padded[1:]]))


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
