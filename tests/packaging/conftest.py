"""Builds both distributions, and installs them into fresh environments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# oVirt's SDK is built from source once: pip keeps the wheel that `make install` has built.
EXTRAS = ("vsphere", "olvm", "lab", "report")
# At once; as many as there are cores in CI.
_WORKERS = 2


def run(
    command: Sequence[str | Path], folder: Path, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; it sees nothing of the environment that the tests run in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**kept, "LANG": "C.UTF-8", **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def pip(*arguments: str | Path, folder: Path) -> None:
    run([sys.executable, "-m", "pip", "-q", "--no-input", *arguments], folder)


@dataclass(frozen=True)
class Built:
    """The source tree that the distributions were built from, and the distributions."""

    tree: Path
    sdist: Path
    wheel: Path
    companion: Path


@dataclass(frozen=True)
class Environment:
    """An environment with the wheels, and a folder to work in."""

    folder: Path
    wheels: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def install(self, *requirements: str) -> None:
        index = ("--no-index", "--find-links", self.wheels)
        self._pip("install", "--no-compile", *index, *requirements)

    def uninstall(self, distribution: str) -> None:
        self._pip("uninstall", "-y", distribution)

    def run_python(self, *arguments: str | Path) -> str:
        return run([self.python, "-B", *arguments], self.folder).stdout

    def chaos(self, *arguments: str | Path) -> str:
        """What the command prints, its log included."""
        command = [self.folder / "bin" / "chaos", "--no-version-check", *arguments]
        done = run(command, self.folder, PYTHONDONTWRITEBYTECODE="1")
        return done.stdout + done.stderr

    def _pip(self, *arguments: str | Path) -> None:
        pip("--python", self.python, *arguments, folder=self.folder)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """As `python -m build` makes them: the wheel is made from the sdist."""
    folder = tmp_path_factory.mktemp("built")
    tree = folder / "tree"
    _copy_sources(tree)

    def build(source: Path) -> Path:
        target = folder / f"dist-{source.name}"
        run([sys.executable, "-m", "build", "--outdir", target, source], folder)
        return target

    with ThreadPoolExecutor(_WORKERS) as workers:
        main, companion = workers.map(build, (tree, tree / "companion"))
    return Built(
        tree=tree,
        sdist=next(main.glob("*.tar.gz")),
        wheel=next(main.glob("*.whl")),
        companion=next(companion.glob("*.whl")),
    )


def _copy_sources(tree: Path) -> None:
    """The files under version control, and new ones: nothing that was left by tools."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in filter(None, run(listed, ROOT).stdout.split("\0")):
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, target, follow_symlinks=False)


@pytest.fixture(scope="session")
def environments(
    built: Built, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Environment]:
    """One without extras, called "none", and one for each extra alone."""
    wheels = tmp_path_factory.mktemp("wheels")
    everything = f"{built.wheel}[{','.join(EXTRAS)}]"
    pip("wheel", "-w", wheels, "chaostoolkit", everything, built.companion, folder=wheels)

    def make(extra: str) -> Environment:
        environment = Environment(tmp_path_factory.mktemp(extra), wheels)
        venv.create(environment.folder, with_pip=False, symlinks=True)
        extras = "" if extra == "none" else f"[{extra}]"
        # The line of the README.
        environment.install("chaostoolkit", f"chaostoolkit-vm{extras}", "chaosvm")
        return environment

    names = ("none", *EXTRAS)
    with ThreadPoolExecutor(_WORKERS) as workers:
        return dict(zip(names, workers.map(make, names), strict=True))
