"""The mutation score of each module, from what `mutmut run` has found: see `make mutants`."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict

CAUGHT = ("killed", "timeout")
# Not counted: what was left out of this run.
LEFT_OUT = ("not checked", "skipped")


def results() -> dict[str, str]:
    """What became of each mutant, by its name."""
    command = [sys.executable, "-m", "mutmut", "results", "--all", "true"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [line.strip().rpartition(": ") for line in told.splitlines() if ": " in line]
    return {name: status for name, _, status in lines}


def main() -> None:
    found = results()
    by_module: dict[str, Counter[str]] = defaultdict(Counter)
    for name, status in found.items():
        # chaosvm.guards.xǁSafetyǁcheck__mutmut_3
        by_module[name.rpartition(".")[0]][status] += 1
    print(f"{'module':<28}{'mutants':>8}{'caught':>8}{'score':>9}")
    for module, counts in [*sorted(by_module.items()), ("all", sum(by_module.values(), Counter()))]:
        total = sum(count for status, count in counts.items() if status not in LEFT_OUT)
        caught = sum(counts[status] for status in CAUGHT)
        score = f"{100 * caught / total:.1f} %" if total else "none"
        print(f"{module:<28}{total:>8}{caught:>8}{score:>9}")
    left = [name for name, status in found.items() if status not in (*CAUGHT, *LEFT_OUT)]
    print(f"\n{len(left)} survive; `mutmut show NAME` shows one:")
    print("\n".join(f"  {name}" for name in left))


if __name__ == "__main__":
    main()
