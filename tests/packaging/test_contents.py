"""What goes into the distributions; ``test_sources`` needs no build."""

from __future__ import annotations

import configparser
import glob
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, Built

PACKAGE = ROOT / "chaosvm"
# What somebody reads, copies or renders. That nothing is missing is compared with the sources.
NEEDED = {
    "chaosvm/py.typed",
    "chaosvm/dora/environments.json",
    "chaosvm/dora/templates/inventory.html.j2",
    "chaosvm/observe/report/templates/report.css",
    "chaosvm/observe/report/templates/report.html.j2",
    *(
        f"chaosvm/examples/{name}"
        for name in (".env.platforms.example", "SKILL.md", "rehearse.yaml", "recover.json")
    ),
}
NOT_SHIPPED = {".ci/run", ".gitignore"}


def files_of(folder: Path) -> set[str]:
    """Through links, too: chaosvm/examples is one."""
    names = glob.glob("**/*", root_dir=folder, recursive=True, include_hidden=True)  # noqa: PTH207
    return {name for name in names if (folder / name).is_file() and "__pycache__" not in name}


def test_every_folder_with_code_is_a_package() -> None:
    """`find:` leaves others out of the wheel."""
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_every_other_file_is_package_data() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = setup["options.package_data"]["chaosvm"].split()
    matched = {
        name
        for pattern in patterns
        for name in glob.glob(pattern, root_dir=PACKAGE, recursive=True)  # noqa: PTH207
    }
    assert {name for name in files_of(PACKAGE) if not name.endswith((".py", ".pyc"))} == matched


@pytest.mark.packaging
def test_the_wheel_is_the_package_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = set(wheel.namelist())
    packaged = {name for name in names if ".dist-info/" not in name}
    assert packaged == {f"chaosvm/{name}" for name in files_of(built.tree / "chaosvm")}
    assert packaged >= NEEDED
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


@pytest.mark.packaging
def test_the_companion_is_one_module(built: Built) -> None:
    with zipfile.ZipFile(built.companion) as wheel:
        names = wheel.namelist()
    assert [name for name in names if ".dist-info/" not in name] == ["chaosvm_discovery.py"]
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


@pytest.mark.packaging
def test_the_sdist_has_all_sources(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {Path(*Path(each.name).parts[1:]).as_posix() for each in archive if each.isfile()}
    sources = files_of(built.tree) - NOT_SHIPPED
    generated = {name for name in files_of(built.tree) if ".egg-info/" in name}
    assert sources - generated <= names
    extra = {name for name in names - sources if ".egg-info/" not in name}
    assert extra == {"PKG-INFO"}
