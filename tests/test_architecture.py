"""The rules in docs/architecture.md, checked on the imports of every file."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import chaosvm
from chaosvm.platforms import PLATFORMS as REGISTRY

PACKAGE = Path(chaosvm.__file__).parent
# From the top layer down; nothing imports from its own layer or from above.
LAYERS = (
    ("lab",),
    ("controls", "actions"),
    ("dora",),
    tuple(each.name for each in REGISTRY if each.acts),
    ("activities",),
    ("service",),
    ("plans", "restore"),
    ("power", "guards"),
    ("observe",),
    ("ledger", "selection"),
    ("backend", "settings"),
    ("runtime",),
    # What the package exports reads the registry, and is read for its version.
    ("errors", "outcome", "vm", "redaction", "listing", "platforms", "chaosvm"),
)
LAYER = {part: number for number, parts in enumerate(LAYERS) for part in parts}
PLATFORMS = tuple(each.name for each in REGISTRY if each.acts)
LONGEST_FILE = 350
# Lines of code: none that is blank, a comment, a docstring, or the rest of a statement.
LARGEST_PACKAGE = 1500


def module_of(path: Path) -> str:
    parts = ("chaosvm", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


FILES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def lines_of_code(path: Path) -> int:
    tree = ast.parse(path.read_text("utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body[0] = ast.Pass()
    return sum(line != "" for line in ast.unparse(tree).split("\n"))


def imported_by(module: str) -> set[str]:
    """The files of this package that a file imports, for types only or within a function too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(FILES[module].read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in FILES else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return (found & FILES.keys()) - {module}


IMPORTS = {module: imported_by(module) for module in FILES}


def part_of(module: str) -> str:
    return [*module.split("."), ""][1] or "chaosvm"


def test_every_part_has_a_layer() -> None:
    assert {part_of(module) for module in FILES} == LAYER.keys()


def test_arrows_run_down() -> None:
    upward = [
        f"{module} -> {other}"
        for module, others in IMPORTS.items()
        for other in others
        if part_of(module) != part_of(other)
        and LAYER[part_of(module)] >= LAYER[part_of(other)]
        and LAYER[part_of(module)] < len(LAYERS) - 1
    ]
    assert upward == []


def test_there_is_no_circle_of_files() -> None:
    reached: dict[str, set[str]] = defaultdict(set)
    for module in FILES:
        todo = [module]
        while todo:
            new = IMPORTS[todo.pop()] - reached[module]
            reached[module] |= new
            todo += new
    assert [module for module in FILES if module in reached[module]] == []


@pytest.mark.parametrize("module", FILES)
def test_only_its_own_folder_names_a_platform(module: str) -> None:
    """Dora, an inventory of vCenters, may name vSphere; the registry has a line for each."""
    if part_of(module) in (*PLATFORMS, "lab", "dora", "platforms"):
        return
    named = [other for other in IMPORTS[module] if part_of(other) in PLATFORMS]
    assert named == []


@pytest.mark.parametrize("module", FILES)
def test_a_file_is_short(module: str) -> None:
    assert FILES[module].read_text("utf-8").count("\n") <= LONGEST_FILE


def test_a_package_is_small() -> None:
    size: Counter[Path] = Counter()
    for module, path in FILES.items():
        if part_of(module) not in (*PLATFORMS, "lab", "dora"):
            size[path.parent] += lines_of_code(path)
    assert [str(folder) for folder in size if size[folder] > LARGEST_PACKAGE] == []
