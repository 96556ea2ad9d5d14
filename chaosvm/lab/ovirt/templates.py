"""The template Blank, which every engine has and all VMs of the lab use."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

__all__ = ["BLANK", "Template"]


@dataclass(frozen=True, slots=True)
class Template:
    id: str
    name: str
    description: str
    created: dt.datetime


BLANK = Template(
    "00000000-0000-0000-0000-000000000000",
    "Blank",
    "Blank template",
    dt.datetime(2008, 3, 31, 21, tzinfo=dt.UTC),
)
