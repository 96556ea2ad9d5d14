"""`python -m tests.clients`: runs govc's command lines, and shows what failed."""

from __future__ import annotations

import argparse
import time

from tests.clients import govc_commands, servers


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("files", nargs="*", help="of tests/clients/govc/commands (all)")
    parser.add_argument("--vcsim", action="store_true", help="against govmomi's simulator instead")
    parser.add_argument("--all", action="store_true", help="show what passed, too")
    arguments = parser.parse_args()
    passed = total = 0
    started = time.monotonic()
    for file in arguments.files or govc_commands.files():
        make = govc_commands.small_world_in_simulator if arguments.vcsim else servers.lab_server
        with make() as server:
            for outcome in govc_commands.run(govc_commands.lines(file), server):
                total += 1
                passed += not outcome.problem
                if outcome.problem or arguments.all:
                    print(f"{'FAIL' if outcome.problem else 'pass'} {outcome.line}")
                    print(f"     {' '.join(outcome.problem.split())[:300]}")
    print(f"{passed} of {total} passed in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
