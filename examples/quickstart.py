"""A first experiment: a simulated vCenter, one of its VMs powered off, and on again.

Run by `make quickstart`, or from the repository's root by
`python -m examples.quickstart`. Starts the simulator, has Chaos Toolkit run
vsphere_vm_poweroff.json as it is, says what happened and leaves nothing behind.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.vcsim import Vcsim, VcsimError
from tests.vcsim.estate import Estate

EXPERIMENT = Path(__file__).resolve().with_name("vsphere_vm_poweroff.json")
VM_NAME = "DC0_H0_VM0"
# For Chaos Toolkit to write its journal and log out, once it was interrupted.
ENDING_SECONDS = 5.0
# Of the columns of the summary.
WIDTHS = (11, 12, 12, 12, 15)

Journal = dict[str, Any]


def main() -> int:
    signal.signal(signal.SIGTERM, _end)
    try:
        with Vcsim.start() as vcsim, tempfile.TemporaryDirectory(prefix="quickstart-") as folder:
            print(f"A simulated vCenter runs at https://{vcsim.host}:{vcsim.port}/sdk.", flush=True)
            journal = run_experiment(vcsim, Path(folder))
            with Estate(vcsim) as estate:
                state = estate.power_state(VM_NAME)
    except VcsimError as error:
        print(f"The quickstart cannot run: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. The simulator is stopped and its files are removed.", file=sys.stderr)
        return 130
    return report(journal, state)


def run_experiment(vcsim: Vcsim, folder: Path) -> Journal:
    """The journal of the run; an empty one if Chaos Toolkit did not get so far."""
    shown = f"chaos run {EXPERIMENT.parent.name}/{EXPERIMENT.name} --var vm_name={VM_NAME}"
    print(f"$ {shown}", flush=True)
    # The settings file does not exist: nobody's own controls take part.
    options = ["--no-version-check", "--settings", str(folder / "settings.yaml")]
    command = [*options, "run", str(EXPERIMENT), "--var", f"vm_name={VM_NAME}"]
    with subprocess.Popen(
        [sys.executable, "-m", "chaostoolkit", *command], cwd=folder, env=environment(vcsim)
    ) as chaos:
        try:
            chaos.wait()
        except BaseException:
            stop(chaos)
            raise
    path = folder / "journal.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def environment(vcsim: Vcsim) -> dict[str, str]:
    """The user's environment, with this vCenter in place of any other."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("VSPHERE_")}
    return kept | vcsim.environment()


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def report(journal: Journal, state: str) -> int:
    """Print what happened; the exit code."""
    status = "deviated" if journal.get("deviated") else journal.get("status", "not run")
    told = list(outcomes(journal))
    print(f"\nThe experiment: {status}. Its actions:")
    print(f"  {'action':<11}{'VM':<12}{'before':<12}{'after':<12}{'how':<15}seconds")
    for outcome in told:
        shown = (outcome[key] for key in ("operation", "name", "before", "after", "how"))
        columns = (f"{text:<{width}}" for text, width in zip(shown, WIDTHS, strict=True))
        print(f"  {''.join(columns)}{outcome['seconds']:.2f}")
    for failure in failures(journal):
        print(f"  failed: {failure}")
    back = state == "poweredOn"
    print(f"The simulator says that {VM_NAME} is {'on' if back else f'not on, but {state}'}.")
    print("The simulator is stopped and its files are removed.")
    was_off = any(outcome["after"] == "powered_off" for outcome in told)
    return 0 if status == "completed" and was_off and back else 1


def activities(journal: Journal) -> Iterator[Journal]:
    """Those of the steady state before, of the method, the steady state after, the rollbacks."""
    states = journal.get("steady_states", {})
    yield from (states.get("before") or {}).get("probes", ())
    yield from journal.get("run", ())
    yield from (states.get("after") or {}).get("probes", ())
    yield from journal.get("rollbacks", ())


def outcomes(journal: Journal) -> Iterator[dict[str, Any]]:
    """What each action returned."""
    for activity in activities(journal):
        if activity["activity"]["type"] == "action" and activity["output"]:
            yield activity["output"]


def failures(journal: Journal) -> Iterator[str]:
    """The last line of what each failed activity raised."""
    for activity in activities(journal):
        if activity["status"] == "failed":
            lines = "".join(activity.get("exception", ())).strip().splitlines()
            yield f"{activity['activity']['name']}: {lines[-1] if lines else 'for no known reason'}"


def _end(signum: int, frame: object) -> None:
    sys.exit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
