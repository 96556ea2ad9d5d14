"""Makes a platform's own functions of the shared definitions.

A definition takes a :class:`Binding` as its first argument. The bound function
does not: it has the remaining signature, the module that exports it, and a
docstring in which the platform's own words stand for the ``$names``. So
discovery, ``help()`` and type checkers see a plain function of the platform.
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
    """A platform: its name, how to reach it, and what its docstrings say differently.

    ``connect`` takes configuration and secrets, and returns the service to use.
    """

    name: str
    connect: Connect
    words: Mapping[str, str]

    def bind(self, definition: Callable[Concatenate[Binding, P], R]) -> Callable[P, R]:
        """The platform's own function of this definition.

        Raises KeyError if its docstring has a ``$name`` that ``words`` lacks.
        """

        @wraps(definition)
        def activity(*args: Any, **kwargs: Any) -> R:
            return definition(self, *args, **kwargs)

        signature = inspect.signature(definition)
        first, *others = signature.parameters.values()
        shown = cast("Any", activity)
        shown.__signature__ = signature.replace(parameters=others)
        shown.__annotations__ = {
            name: kind for name, kind in definition.__annotations__.items() if name != first.name
        }
        del shown.__wrapped__
        # The module that binds it exports it, as with namedtuple.
        shown.__module__ = sys._getframe(1).f_globals["__name__"]
        words = {"module": shown.__module__, **self.words}
        shown.__doc__ = _filled(inspect.getdoc(definition) or "", words)
        return cast("Callable[P, R]", activity)


def _filled(text: str, words: Mapping[str, str]) -> str:
    """The docstring with its ``$names`` replaced; the paragraphs where they stood wrapped anew."""
    prose, fence, snippet = text.partition("```json")
    paragraphs = (_paragraph(each, words) for each in prose.split("\n\n"))
    return "\n\n".join(paragraphs) + Template(fence + snippet).substitute(words)


def _paragraph(text: str, words: Mapping[str, str]) -> str:
    if "$" not in text:
        return text
    filled = re.sub(r"\s+", " ", Template(text).substitute(words)).strip()
    return textwrap.fill(filled, _WIDTH, break_on_hyphens=False, break_long_words=False)
