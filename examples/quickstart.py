"""A first experiment: shuts down one VM of each tier of a small shop, and powers it on again.

Run it with `make quickstart`, or from the repository's root with
`python -m examples.quickstart`. It starts the lab with the world "small", runs
quickstart.json on it with Chaos Toolkit, prints what happened and leaves its report in
`build/quickstart.html` of the current folder. Without oVirt's SDK, it runs only the half
of the experiment on vSphere.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Until there is something to clean up, Ctrl-C just exits.
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))

from chaosvm.errors import ChaosVMError
from chaosvm.lab import Lab, State
from chaosvm.observe import journal_activities, journal_outcomes, outcome_table

EXPERIMENT = Path(__file__).resolve().with_name("quickstart.json")
REPORT = Path("build", "quickstart.html").resolve()
SDKS = {"vsphere": ("pyVmomi",), "olvm": ("ovirtsdk4", "pycurl")}
TIERS = {"vsphere": "web-", "olvm": "app-"}
# For Chaos Toolkit to write its journal and log out after an interruption.
ENDING_SECONDS = 5.0
BOOTING_SECONDS = 5.0

Journal = dict[str, Any]


def main() -> int:
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    platforms = [name for name, sdk in SDKS.items() if all(map(find_spec, sdk))]
    if "olvm" not in platforms:
        print("oVirt's SDK is not installed: the OLVM half of the experiment is left out.")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="quickstart-") as folder,
            Lab("small", platforms=platforms) as lab,
        ):
            print(f"The lab runs on 127.0.0.1, with {' and '.join(platforms)}.", flush=True)
            journal = run(experiment(platforms, Path(folder)), lab, Path(folder))
            states = settled(lab)
            kept = keep_report(Path(folder))
    except ChaosVMError as error:
        print(f"The quickstart cannot run: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. The lab is stopped and its files are removed.", file=sys.stderr)
        return 130
    code = report(journal, states, platforms)
    print(f"The lab is stopped.{f' Look at the report: {REPORT}' if kept else ''}")
    return code


def experiment(platforms: list[str], folder: Path) -> Path:
    """The experiment or, if a platform is missing, a copy without its activities."""
    if set(platforms) == set(SDKS):
        return EXPERIMENT
    content = json.loads(EXPERIMENT.read_text(encoding="utf-8"))
    modules = tuple(f"chaosvm.{name}." for name in platforms)
    hypothesis = content["steady-state-hypothesis"]
    for part, key in ((hypothesis, "probes"), (content, "method"), (content, "rollbacks")):
        part[key] = [each for each in part[key] if each["provider"]["module"].startswith(modules)]
    path = folder / EXPERIMENT.name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def run(path: Path, lab: Lab, folder: Path) -> Journal:
    """The journal of the run; empty if Chaos Toolkit has not written one."""
    # Not the path of a copy, which is deleted at the end.
    cwd = Path.cwd()
    shown = EXPERIMENT.relative_to(cwd) if EXPERIMENT.is_relative_to(cwd) else EXPERIMENT
    half = "" if path == EXPERIMENT else "  # a copy without its half on OLVM"
    print(f"$ chaos run {shown}{half}", flush=True)
    # This settings file does not exist, so the user's own controls are left out.
    options = ["--no-version-check", "--settings", str(folder / "settings.yaml")]
    command = [*options, "run", str(path)]
    with subprocess.Popen(
        [sys.executable, "-m", "chaostoolkit", *command], cwd=folder, env=environment(lab)
    ) as chaos:
        try:
            chaos.wait()
        except BaseException:
            stop(chaos)
            raise
    journal = folder / "journal.json"
    return json.loads(journal.read_text(encoding="utf-8")) if journal.is_file() else {}


def environment(lab: Lab) -> dict[str, str]:
    """The user's environment, with the lab in place of any platform, and without a proxy."""
    ours = ("VSPHERE_", "OLVM_", "DORA_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return kept | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | lab.environment()


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def settled(lab: Lab) -> dict[str, State]:
    """The final states: a vCenter reports a VM as on while its guest still boots, so wait."""
    until = time.monotonic() + BOOTING_SECONDS
    while any(vm.state is State.BOOTING for vm in lab.world.vms) and time.monotonic() < until:
        time.sleep(0.05)
    return {vm.name: vm.state for vm in lab.world.vms}


def keep_report(folder: Path) -> bool:
    """Copy the run's report from the folder, which is deleted; false without the extra `report`."""
    written = folder / "report.html"
    if written.is_file():
        REPORT.parent.mkdir(exist_ok=True)
        shutil.copyfile(written, REPORT)
    return written.is_file()


def report(journal: Journal, states: dict[str, State], platforms: list[str]) -> int:
    """Print what happened; returns the exit code."""
    status = "deviated" if journal.get("deviated") else journal.get("status", "not run")
    changed = [outcome for outcome in journal_outcomes(journal) if outcome["changed"]]
    print(f"\nThe experiment: {status}, in {journal.get('duration', 0):.1f} s. What changed:")
    for line in outcome_table(changed):
        print(f"  {line}")
    for failure in failures(journal):
        print(f"  failed: {failure}")
    tiers = tuple(TIERS[platform] for platform in platforms)
    ends = {name: state for name, state in states.items() if name.startswith(tiers)}
    final = ", ".join(f"{name} {state}" for name, state in ends.items())
    print(f"Final state in the lab: {final}.")
    went_off = {each["platform"] for each in changed if each["after"] == "powered_off"}
    back = all(state is State.RUNNING for state in ends.values())
    return 0 if status == "completed" and went_off == set(platforms) and back else 1


def failures(journal: Journal) -> Iterator[str]:
    """The last line of the exception of each failed activity."""
    for activity in journal_activities(journal):
        if activity["status"] == "failed":
            lines = "".join(activity.get("exception", ())).strip().splitlines()
            yield f"{activity['activity']['name']}: {lines[-1] if lines else 'reason unknown'}"


def _end(signum: int, frame: object) -> None:
    sys.exit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
