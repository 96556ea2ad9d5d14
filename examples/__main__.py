"""``python -m chaosvm.examples DIR``: copies the examples into a directory."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

SOURCE = Path(__file__).resolve().parent


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m chaosvm.examples",
        description="Copies experiments, templates for settings and an agent skill. "
        "Existing files are never overwritten.",
    )
    parser.add_argument("directory", metavar="DIR", type=Path, help="created if it is missing")
    directory: Path = parser.parse_args(argv).directory
    try:
        for file in example_files():
            print(copy(file, directory))
    except OSError as error:
        print(f"{error.filename or directory}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def example_files() -> list[Path]:
    """Everything but the Python modules."""
    files = (path for path in SOURCE.rglob("*") if path.is_file())
    return sorted(path for path in files if path.suffix not in (".py", ".pyc"))


def copy(file: Path, directory: Path) -> str:
    """Copy one file, and say what was done."""
    target = directory / file.relative_to(SOURCE)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Exclusive: a file that was edited is kept.
        with target.open("xb") as copied:
            copied.write(file.read_bytes())
    except FileExistsError:
        return f"kept     {target}"
    return f"created  {target}"


if __name__ == "__main__":
    sys.exit(main())
