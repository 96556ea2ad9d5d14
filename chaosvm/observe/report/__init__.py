"""The report of a run: its page with the story and the chart, from a timeline alone.

Pure functions; ``write_files`` puts them next to the journal.
"""

from __future__ import annotations

from chaosvm.observe.report.files import (
    Rendered,
    Written,
    file_links,
    render,
    write_files,
)

__all__ = ["Rendered", "Written", "file_links", "render", "write_files"]
