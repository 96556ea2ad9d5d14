"""The documentation: links resolve, snippets are valid, and the reference is up to date."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose_of(page: Path) -> str:
    return FENCE.sub("", page.read_text("utf-8"))


def anchors_of(page: Path) -> set[str]:
    """Only those that both GitHub and the site make from a heading."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", prose_of(page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        # The site drops what is not ASCII, and merges hyphens.
        if anchor.isascii() and "--" not in anchor:
            found.add(anchor)
    return found


def broken(page: Path) -> Iterator[str]:
    for link in LINK.findall(prose_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors_of(target)
        ):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_resolves(page: Path) -> None:
    assert list(broken(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_in_a_list_is_indented_by_four(page: Path) -> None:
    """The site ends the list at less, and takes indented code in it for a paragraph."""
    text = page.read_text("utf-8")
    assert re.findall(r"^ {1,3}```.*", text, re.MULTILINE) == []
    assert re.findall(r"^\d+\. .*\n(?:   \S.*\n)*\n {5,}\S.*", prose_of(page), re.MULTILINE) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_there_is_no_syntax_of_the_site_alone(page: Path) -> None:
    """A forge shows tabs, admonitions and attributes of headings as text."""
    assert re.findall(r"^(?:===|!!!|\?\?\?) .*|^#+ .*\{.*", prose_of(page), re.MULTILINE) == []


def snippets(language: str) -> Iterator[Any]:
    for page in PAGES:
        for number, (indent, found, text) in enumerate(FENCE.findall(page.read_text("utf-8"))):
            if found == language:
                text = re.sub(f"^{indent}", "", text, flags=re.MULTILINE)
                yield pytest.param(text, id=f"{name_of(page)}-{number}")


def providers(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("type") == "python" and "module" in value:
            yield value
        for each in value.values():
            yield from providers(each)
    elif isinstance(value, list):
        for each in value:
            yield from providers(each)


def check(value: Any) -> None:
    """Functions of this package exist and take these arguments."""
    own = (each for each in providers(value) if each["module"].startswith("chaosvm."))
    for provider in own:
        module = import_module(provider["module"])
        if "func" in provider:
            arguments = provider.get("arguments", {})
            inspect.signature(getattr(module, provider["func"])).bind_partial(**arguments)


@pytest.mark.parametrize("text", list(snippets("json")))
def test_json(text: str) -> None:
    """A document, or a part of one."""
    try:
        value = json.loads(text)
    except ValueError:
        value = json.loads("{" + text.rstrip().rstrip(",") + "}")
    check(value)


@pytest.mark.parametrize("text", list(snippets("yaml")))
def test_yaml(text: str) -> None:
    check(yaml.safe_load(text))


@pytest.mark.parametrize("text", list(snippets("python")))
def test_python(text: str) -> None:
    compile(text, "snippet", "exec")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^    |`)make ([a-z][\w-]*)", page.read_text("utf-8"), re.MULTILINE))
    assert named <= targets


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_up_to_date() -> None:
    """`python docs/generate.py` writes it."""
    folder = ROOT / "docs" / "activities"
    written = {page.name: page.read_text("utf-8") for page in folder.glob("*.md")}
    assert written == generator().pages()


def test_discovery_gets_the_variables_as_they_are_written(tmp_path: Path) -> None:
    """As with `--var-file`, quotes and what else the shell would expand belong to the value."""
    page = (ROOT / "docs" / "getting-started.md").read_text()
    (line,) = re.findall(r"^    (\(IFS=.*chaos discover.*)$", page, re.MULTILINE)
    values = {"VSPHERE_PASSWORD": """a b$HOME;"x"'&`ls`""", "CHAOSVM_PROTECT": "vcenter*,dc-??"}
    lines = ["# A=comment", *(f"{name}={value}" for name, value in values.items())]
    (tmp_path / ".env").write_text("\n".join(lines))
    printing = line.replace("chaos discover --no-install chaosvm", "env -0")
    shown = subprocess.check_output(["bash", "-c", printing], cwd=tmp_path, text=True)
    assert values.items() <= dict(each.split("=", 1) for each in shown.split("\0") if each).items()
