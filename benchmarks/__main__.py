"""Everything that is measured, in one go: `make bench`.

Writes a report as JSON, Markdown and SVG, and puts its tables into
docs/performance.md. ``--quick`` takes fewer VMs and turns, and leaves these alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks import batches, inventory
from benchmarks.chart import drawn
from benchmarks.measure import Result, machine, printed, written

_HERE = Path(__file__).parent
_DOCUMENT = _HERE.parent / "docs" / "performance.md"
_BEGIN, _END = "<!-- what make bench measured last -->\n", "<!-- the end of it -->\n"


def _everything(quick: bool) -> Iterator[list[Result]]:
    if quick:
        yield from inventory.run((100, 1000), (100, 1000), (100, 1000), rounds=2)
        yield from batches.run((50,), rounds=2)
    else:
        yield from inventory.run()
        yield from batches.run()


def _tables(results: list[Result]) -> str:
    """One for each thing that was measured, and what they were measured on."""
    told = machine()
    versions = ", ".join(f"{name} {found}" for name, found in told["versions"].items())
    system = f"{told['system']}, {told['cores']} cores with a load of {told['load'][-1]}"
    parts = [f"Python {told['python']}, {system}; {versions}."]
    for what in dict.fromkeys(result.what for result in results):
        parts.append(f"### {what}")
        parts.append(printed([result for result in results if result.what == what]))
    return "\n\n".join(parts) + "\n"


def _put_into(document: Path, tables: str) -> None:
    before, _, rest = document.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    document.write_text(f"{before}{_BEGIN}\n{tables}\n{_END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    folder = Path("build/benchmarks") if quick else _HERE / "results"
    results: list[Result] = []
    for found in _everything(quick):
        results += found
        print(printed(found), flush=True)
    written(folder / "latest.json", results)
    tables = _tables(results)
    (folder / "latest.md").write_text(f"# What was measured last\n\n{tables}")
    drawn(folder / "latest.svg", results)
    if not quick:
        _put_into(_DOCUMENT, tables)


if __name__ == "__main__":
    main()
