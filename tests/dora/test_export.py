"""The format of an export, and the reports to read: Markdown and HTML."""

from __future__ import annotations

import builtins
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chaosvm.dora import actions
from chaosvm.dora.environments import builtin_environments, parse_environments
from chaosvm.dora.export import Export, Format, choose_format, write
from chaosvm.dora.inventory import EnvironmentInventory, parse_hypervisors, parse_vms
from chaosvm.errors import InvalidValue, MissingExtra
from tests.dora.conftest import Dora, host, vm

READ = datetime(2026, 11, 30, 7, 41, 9, tzinfo=UTC)
PAYTV, ORACLE = builtin_environments().environments[:2]

Rendered = Callable[[Format], str]


@pytest.fixture
def rendered(tmp_path: Path) -> Rendered:
    vms = [
        vm("web-01", "vm-1", memMb=1536),
        vm("_a|b_\n<script>alert(1)</script>&amp;[x](http://x.example)", "vm-2", cpus=None),
        vm("c", "vm-3", state="poweredOff", os=None),
        vm("d", "vm-4", state="resuming"),
    ]
    hosts = [host("esx-1"), host("esx-2", connectionStatus=None)]
    full = EnvironmentInventory(PAYTV, parse_vms(vms, PAYTV), parse_hypervisors(hosts, PAYTV))
    empty = EnvironmentInventory(ORACLE, (), ())

    def render(file_format: Format) -> str:
        path = tmp_path / "report"
        write(Export([full, empty], "dora.example.com", READ), path, file_format)
        return path.read_text("utf-8")

    return render


class Page(HTMLParser):
    """The tags and their attributes, the texts, and the cells of each table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.texts: list[str] = []
        self._cell: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.tables[-1][-1].append("".join(self._cell or ()))
            self._cell = None

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data)
        if self._cell is not None:
            self._cell.append(data)


# The format ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        (None, "a.json", Format.JSON),
        (None, "a.csv", Format.CSV),
        (None, "a.b.MD", Format.MARKDOWN),
        (None, "a.markdown", Format.MARKDOWN),
        (None, "a.html", Format.HTML),
        (None, "a.htm", Format.HTML),
        (None, "a.txt", Format.JSON),
        (None, "html", Format.JSON),
        ("csv", "a.json", Format.CSV),
        ("html", "a", Format.HTML),
    ],
)
def test_format(given: str | None, name: str, expected: Format) -> None:
    assert choose_format(given, Path(name)) is expected


@pytest.mark.parametrize("given", ["", "xlsx", 3, "HTML"])
def test_a_format_that_is_not_known(given: Any) -> None:
    with pytest.raises(InvalidValue, match=r"format.*json, csv, md, html"):
        choose_format(given, Path("a.json"))


def test_the_suffix_decides(dora: Dora, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"configuration": dora.configuration(), "secrets": dora.secrets}
    starts = {"json": "{", "csv": "environment,", "md": "# Inv", "html": "<!DOCTYPE html>"}
    for form, start in starts.items():
        path = tmp_path / f"x.{form}"
        found = actions.export_inventory("all", str(path), **settings)
        assert (found["format"], len(found["environments"])) == (form, 13)
        assert path.read_text("utf-8").startswith(start)
    assert dora.configuration()["dora_host"] in (tmp_path / "x.md").read_text("utf-8")


# All environments ----------------------------------------------------------------


def test_all_is_every_environment() -> None:
    everything = list(builtin_environments().environments)
    assert builtin_environments().choose("all") == everything
    assert builtin_environments().choose(["all"]) == everything
    with pytest.raises(InvalidValue, match=r"'al'.*did you mean 'all'.*all is every environment"):
        builtin_environments().choose("al")
    with pytest.raises(InvalidValue, match="unknown environment 'Nowhere'"):
        builtin_environments().choose("all, Nowhere")
    with pytest.raises(InvalidValue, match="unknown environment 'all'"):
        builtin_environments().find("all")


@pytest.mark.parametrize("mapping", [{"all": {"vcenter": "x"}}, {"Paytv": {"group": "all"}}])
def test_nothing_else_is_called_all(mapping: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match=r"dora_environments.*'all' is every environment"):
        parse_environments("dora_environments", mapping)


# The reports ---------------------------------------------------------------------


def test_a_page_is_complete(rendered: Rendered) -> None:
    page = Page(rendered(Format.HTML))
    assert "Read from Dora at dora.example.com on 30 November 2026, 07:41:09 UTC" in page.texts
    overview, hosts, vms = page.tables
    assert overview == [
        ["environment", "group", "VMs", "on", "off", "unknown", "hypervisors connected"],
        ["Paytv", "paytv", "4", "2", "1", "1", "1 of 2, 1 unknown"],
        ["Oracle-Paytv", "paytv", "0", "0", "0", "0", "0 of 0"],
        ["All", "", "4", "2", "1", "1", "1 of 2, 1 unknown"],
    ]
    assert [row[0] for row in hosts[1:]] == ["esx-1", "esx-2"]
    found = {row[2]: row for row in vms}
    assert found["vm-1"][:5] == ["web-01", "on", "vm-1", "esx-1.example.com", "AlmaLinux:8.10"]
    assert found["vm-1"][6] == "1.5"
    assert found["vm-2"][5] == ""
    assert found["vm-4"][1] == "unknown (resuming)"
    assert "4 VMs: 2 on, 1 off, and 1 unknown. Hypervisors connected: 1 of 2, 1 unknown." in (
        page.texts
    )
    assert any(text.startswith("Dora returned no virtual machine") for text in page.texts)


def test_a_page_needs_nothing_else(rendered: Rendered) -> None:
    text = rendered(Format.HTML)
    page = Page(text)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object"})
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    targets = {attributes.get("id") for _, attributes in page.tags}
    assert links == ["#environment-1", "#environment-2"]
    assert {f"#{target}" for target in targets} >= set(links)
    assert "url(" not in text
    assert "<script>alert" not in text
    assert any("<script>alert(1)</script>&amp;[x]" in name for name in page.texts)


def test_markdown(rendered: Rendered) -> None:
    text = rendered(Format.MARKDOWN)
    assert text.startswith("# Inventory of virtual machines\n\nRead from Dora at dora.example.com")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Inventory of virtual machines",
        "## Paytv",
        "### Hypervisors",
        "### Virtual machines",
        "## Oracle-Paytv",
    ]
    (odd,) = [line for line in text.splitlines() if "vm-2" in line]
    assert r"| \_a\|b\_ \<script\>alert(1)\</script\>\&amp;\[x\](http://x.example) |" in odd
    columns = {
        len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")
    }
    assert columns == {7, 8, 10}  # hypervisors, environments, VMs


def test_markdown_needs_no_jinja(rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name.startswith("jinja2"):
            raise ModuleNotFoundError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "web-01" in rendered(Format.MARKDOWN)
    assert "web-01" in json.dumps(json.loads(rendered(Format.JSON)))
    with pytest.raises(MissingExtra, match=r"chaostoolkit-vm\[report\]"):
        rendered(Format.HTML)
