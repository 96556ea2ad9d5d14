"""The messages that docs/messages.md explains are those of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "messages.md"
# A value: `...` on the page, an expression in the code, and examples in both.
VALUE = re.compile(r"\.\.\.|'[^' ]*'|\d[\d.,]*")
# What is shorter, such as " for ", would be found anywhere.
SHORTEST = 10


def messages() -> list[str]:
    """Those in the first column of the tables."""
    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    return [message for row in rows for message in re.findall(r"`([^`]+)`", row)]


def parts(text: str) -> Iterator[str]:
    """What is between the values."""
    for part in VALUE.split(text):
        yield " ".join(part.split()).strip(" .:;,()")


def texts(source: Path) -> Iterator[str]:
    """The strings of a module but docstrings, with `...` for each expression in them."""
    tree = ast.parse(source.read_text("utf-8"))
    docstrings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(each.value) if isinstance(each, ast.Constant) else "..." for each in node.values
            )
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node not in docstrings
        ):
            yield node.value


@lru_cache(maxsize=1)
def code() -> str:
    sources = sorted((ROOT / "chaosvm").rglob("*.py"))
    return "\n".join(part for source in sources for text in texts(source) for part in parts(text))


def missing(message: str) -> list[str]:
    """What of the message no string of the code has."""
    literals = [part for part in parts(message) if part]
    assert len(" ".join(literals)) >= SHORTEST
    return [part for part in literals if part not in code()]


@pytest.mark.parametrize("message", messages())
def test_the_code_has_the_message(message: str) -> None:
    assert missing(message) == []


def test_the_page_has_messages_and_each_once() -> None:
    assert len(messages()) > 150
    assert len(messages()) == len(set(messages()))


def test_a_message_that_the_code_lacks_is_found() -> None:
    assert missing("... is a template, and ... is not told so") == [
        "is a template, and",
        "is not told so",
    ]
