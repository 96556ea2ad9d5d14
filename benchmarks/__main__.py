"""Runs all benchmarks: `make bench`.

Writes a report as JSON, Markdown and SVG and inserts its tables into
docs/performance.md. ``--quick`` runs fewer VMs and rounds, and updates neither.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks import batches, inventory
from benchmarks.chart import draw_chart
from benchmarks.measure import Result, format_table, machine, write_report

_HERE = Path(__file__).parent
_DOCUMENT = _HERE.parent / "docs" / "performance.md"
_CHART = _DOCUMENT.parent / "images" / "performance.svg"
_BEGIN, _END = "<!-- what make bench measured last -->\n", "<!-- the end of it -->\n"


def _run_all(quick: bool) -> Iterator[list[Result]]:
    if quick:
        yield from inventory.run((100, 1000), (100, 1000), (100, 1000), rounds=2)
        yield from batches.run((50,), rounds=2)
    else:
        yield from inventory.run()
        yield from batches.run()


def _tables(results: list[Result]) -> str:
    """The machine, and one table per benchmark."""
    report = machine()
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    system = f"{report['system']}, {report['cores']} cores with a load of {report['load'][-1]}"
    parts = [f"Python {report['python']}, {system}; {versions}."]
    for title in dict.fromkeys(result.what for result in results):
        parts.append(f"### {title}")
        rows = [result for result in results if result.what == title]
        parts.append(format_table(rows, titled=True))
    return "\n\n".join(parts) + "\n"


def _insert(document: Path, tables: str) -> None:
    before, _, rest = document.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    document.write_text(f"{before}{_BEGIN}\n{tables}\n{_END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    folder = Path("build/benchmarks") if quick else _HERE / "results"
    results: list[Result] = []
    for batch in _run_all(quick):
        results += batch
        print(format_table(batch), flush=True)
    write_report(folder / "latest.json", results)
    tables = _tables(results)
    (folder / "latest.md").write_text(f"# What was measured last\n\n{tables}")
    draw_chart(folder / "latest.svg" if quick else _CHART, results)
    if not quick:
        _insert(_DOCUMENT, tables)


if __name__ == "__main__":
    main()
