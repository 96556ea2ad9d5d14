"""Turns the shared definitions of activities into a platform's own functions.

A definition takes a :class:`Binding` as its first argument. The bound function has
the remaining signature, the name of the module that exports it, and a docstring
with the platform's own words in place of ``$names``. So discovery, ``help()`` and
type checkers see a plain function of the platform.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from string import Template
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from chaosvm.service import VMService

__all__ = ["Binding"]

P = ParamSpec("P")
R = TypeVar("R")
Connect = Callable[[Mapping[str, Any] | None, Mapping[str, Any] | None], "VMService"]

_WIDTH = 80


@dataclass(frozen=True)
class Binding:
    """A platform's name, its connection, and its words for ``$names`` in docstrings.

    ``connect`` takes configuration and secrets, and returns the service to use.
    """

    name: str
    connect: Connect
    words: Mapping[str, str]

    def bind(self, definition: Callable[Concatenate[Binding, P], R]) -> Callable[P, R]:
        """The platform's own function.

        Raises KeyError if the docstring has a ``$name`` that is not in ``words``.
        """

        @wraps(definition)
        def activity(*args: Any, **kwargs: Any) -> R:
            return definition(self, *args, **kwargs)

        signature = inspect.signature(definition)
        first, *others = signature.parameters.values()
        bound = cast("Any", activity)
        bound.__signature__ = signature.replace(parameters=others)
        bound.__annotations__ = {
            name: kind for name, kind in definition.__annotations__.items() if name != first.name
        }
        del bound.__wrapped__
        # The calling module exports it, as with namedtuple.
        bound.__module__ = sys._getframe(1).f_globals["__name__"]
        words = {"module": bound.__module__, **self.words}
        bound.__doc__ = _substituted(inspect.getdoc(definition) or "", words)
        return cast("Callable[P, R]", activity)


def _substituted(text: str, words: Mapping[str, str]) -> str:
    """The docstring with ``$names`` replaced; paragraphs that had any are wrapped again."""
    prose, fence, snippet = text.partition("```json")
    paragraphs = (_paragraph(each, words) for each in prose.split("\n\n"))
    return "\n\n".join(paragraphs) + Template(fence + snippet).substitute(words)


def _paragraph(text: str, words: Mapping[str, str]) -> str:
    if "$" not in text:
        return text
    filled = re.sub(r"\s+", " ", Template(text).substitute(words)).strip()
    return textwrap.fill(filled, _WIDTH, break_on_hyphens=False, break_long_words=False)
