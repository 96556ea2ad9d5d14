"""``python -m chaosvm.lab``: runs a lab until Ctrl-C, to try experiments on."""

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
from typing import TYPE_CHECKING, Any

import logzero

from chaosvm.errors import ChaosVMError, InvalidValue
from chaosvm.lab.activity_log import Watching
from chaosvm.lab.power_summary import join_names, power_changes
from chaosvm.lab.world_files import load, ready_made
from chaosvm.platforms import platform_title
from chaosvm.settings import values

if TYPE_CHECKING:
    from chaosvm.lab.lab import Lab

_POLL_SECONDS = 0.3
_YEARS = 1e9  # seconds
_INTEGERS = (("--port", 1024, 65_532), ("--guest-network", 1, 254))


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    stopped = threading.Event()
    with ExitStack() as exit_stack:
        # Both signals end the lab successfully.
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            previous = signal.signal(signal_number, lambda *_: stopped.set())
            exit_stack.callback(signal.signal, signal_number, previous)
        try:
            lab = exit_stack.enter_context(_lab(arguments))
            if arguments.env_file is not None:
                exit_stack.enter_context(_env_file(Path(arguments.env_file), lab.environment()))
        except ChaosVMError as error:
            _print_error(f"python -m chaosvm.lab: {error}")
            return 1
        _print_variables(lab)
        _watch(lab, stopped)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chaosvm.lab",
        description="Runs a lab until Ctrl-C. Prints the environment variables that configure "
        "chaosvm for it and, to standard error, requests and power changes as they happen.",
    )
    names = ", ".join(ready_made())
    parser.add_argument(
        "--world", default="small", help=f"a file, or one of {names} (default: small)"
    )
    parser.add_argument("--platforms", help="comma-separated: vsphere, olvm, dora (all)")
    parser.add_argument("--latency", default="0", help="seconds before each answer (0)")
    parser.add_argument(
        "--port",
        help="vSphere's port; OLVM's is the next, then Dora's two (any free ones)",
    )
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        help="keep the CA and the password in this directory, which only you can enter",
    )
    parser.add_argument(
        "--guest-network",
        metavar="N",
        help="guests with ports get addresses 127.N.x.y (any free N)",
    )
    parser.add_argument("--durations", help="a factor for the duration of operations (1)")
    parser.add_argument("--speed", help="seconds that pass in the lab for each real second (1)")
    parser.add_argument("--clock-offset", help="seconds by which its clock is ahead (0)")
    parser.add_argument("--event-retention", help="seconds after which events are deleted (never)")
    parser.add_argument(
        "--env-file", metavar="PATH", help="write the variables to a new file, removed at the end"
    )
    return parser


def _lab(arguments: argparse.Namespace) -> Lab:
    # From the package, which raises MissingExtra.
    from chaosvm.lab import Lab as LabClass
    from chaosvm.lab.lab import installed

    latency = values.number("--latency", arguments.latency, 0, 60, "seconds")
    platforms: Sequence[str] = installed()
    if arguments.platforms is not None:
        platforms = values.string_list(
            "--platforms", arguments.platforms.replace(" ", "").split(",")
        )
    source = load(arguments.world)
    if (durations := _number(arguments, "--durations", 0, 10_000)) is not None:
        source.world.durations = source.world.durations.times(durations)
    port, network = (_integer(arguments, *each) for each in _INTEGERS)
    return LabClass(
        source,
        platforms=platforms,
        latency=latency,
        port=port,
        state_dir=arguments.state_dir,
        guest_network=network,
        speed=_number(arguments, "--speed", 0.001, 100_000),
        clock_offset=_number(arguments, "--clock-offset", -_YEARS, _YEARS),
        event_retention=_number(arguments, "--event-retention", 0, _YEARS),
    )


def _number(arguments: argparse.Namespace, option: str, least: float, most: float) -> float | None:
    value = _value(arguments, option)
    return None if value is None else values.number(option, value, least, most)


def _integer(arguments: argparse.Namespace, option: str, least: int, most: int) -> int | None:
    value = _value(arguments, option)
    return None if value is None else values.integer(option, value, least, most)


def _value(arguments: argparse.Namespace, option: str) -> Any:
    return getattr(arguments, option.removeprefix("--").replace("-", "_"))


@contextmanager
def _env_file(path: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Write the variables to a new file that only its owner can read; delete it afterwards."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InvalidValue(
            f"--env-file is {str(path)!r}, which cannot be written: {error.strerror}"
        ) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            # Without quotes, which --var-file would include in the value.
            file.writelines(f"{name}={value}\n" for name, value in environment.items())
        yield
    finally:
        path.unlink(missing_ok=True)


def _print_variables(lab: Lab) -> None:
    """Print the variables as shell commands."""
    platforms = join_names([platform_title(platform) for platform in lab.platforms])
    lines = [
        f"# A lab with {len(lab.world.vms)} VMs stands in for {platforms}, until Ctrl-C.",
        *(f"export {name}={_shell_quote(value)}" for name, value in lab.environment().items()),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _shell_quote(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _watch(lab: Lab, stopped: threading.Event) -> None:
    watcher = Watching(lab.world)
    while not stopped.wait(_POLL_SECONDS):
        for line in watcher.lines(lab.requests()):
            _print_error(line)
    for line in (*watcher.lines(lab.requests()), "", *power_changes(lab.world)):
        _print_error(line)


def _print_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    logzero.setup_logger("chaostoolkit", level=logging.INFO)
    sys.exit(main())
