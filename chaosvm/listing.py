"""Lists in messages, cut short."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["and_more", "listed"]


def listed(items: Sequence[object], most: int) -> str:
    """The first items, and how many more there are: "a, b and 3 more"."""
    return ", ".join(str(each) for each in items[:most]) + and_more(len(items), most)


def and_more(count: int, most: int) -> str:
    return f" and {count - most} more" if count > most else ""
