"""``python -m chaosvm.lab``: a lab to try experiments on by hand, until Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import logzero

from chaosvm import values
from chaosvm.errors import ChaosVMError, InvalidValue
from chaosvm.lab.account import listed, power_changes, shown
from chaosvm.lab.watching import Watching
from chaosvm.lab.worlds import load, ready_made

if TYPE_CHECKING:
    from chaosvm.lab.lab import Lab

_LOOK_EVERY = 0.3


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    stopping = threading.Event()
    with ExitStack() as ending:
        # Either signal ends it as asked for, which is no failure.
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda *_: stopping.set())
            ending.callback(signal.signal, number, before)
        try:
            lab = ending.enter_context(_lab(given))
            if given.env_file is not None:
                ending.enter_context(_env_file(Path(given.env_file), lab.environment()))
        except ChaosVMError as error:
            _say(f"python -m chaosvm.lab: {error}")
            return 1
        _introduce(lab)
        _watch(lab, stopping)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chaosvm.lab",
        description="Keeps a lab running until Ctrl-C: prints the environment variables by which "
        "chaosvm finds it and, to the error output, requests and power changes as they happen.",
    )
    names = ", ".join(ready_made())
    parser.add_argument("--world", default="small", help=f"a file, or one of {names} (small)")
    parser.add_argument("--platforms", help="vsphere, olvm, dora: some of them, with commas")
    parser.add_argument("--latency", default="0", help="seconds before each answer (0)")
    parser.add_argument(
        "--env-file", metavar="PATH", help="a new file for the variables, removed at the end"
    )
    return parser


def _lab(given: argparse.Namespace) -> Lab:
    # From the package, which tells what is missing for it.
    from chaosvm.lab import Lab as Made
    from chaosvm.lab.lab import installed

    latency = values.number("--latency", given.latency, 0, 60, "seconds")
    platforms: Sequence[str] = installed()
    if given.platforms is not None:
        platforms = values.text_list("--platforms", given.platforms.replace(" ", "").split(","))
    return Made(load(given.world), platforms=platforms, latency=latency)


@contextmanager
def _env_file(path: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Only for its owner to read; never in the place of a file with other things in it."""
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InvalidValue(
            f"--env-file is {str(path)!r}, which cannot be written: {error.strerror}"
        ) from None
    try:
        with os.fdopen(opened, "w", encoding="utf-8") as file:
            # Without quotes, which --var-file would take for a part of the value.
            file.writelines(f"{name}={told}\n" for name, told in environment.items())
        yield
    finally:
        path.unlink(missing_ok=True)


def _introduce(lab: Lab) -> None:
    """Comments and commands, so that a shell can read it all."""
    platforms = listed([shown(platform) for platform in lab.platforms])
    lines = [
        f"# A lab with {len(lab.world.vms)} VMs stands for {platforms}, until Ctrl-C.",
        *(f"export {name}={_quoted(told)}" for name, told in lab.environment().items()),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _quoted(told: str) -> str:
    return "'" + told.replace("'", "'\\''") + "'"


def _watch(lab: Lab, stopping: threading.Event) -> None:
    watching = Watching(lab.world)
    while not stopping.wait(_LOOK_EVERY):
        for line in watching.news(lab.requests()):
            _say(line)
    for line in (*watching.news(lab.requests()), "", *power_changes(lab.world)):
        _say(line)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    logzero.setup_logger("chaostoolkit", level=logging.INFO)
    sys.exit(main())
