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
from dataclasses import asdict, dataclass
from functools import wraps
from string import Template
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from chaosvm.activities.words import Words

if TYPE_CHECKING:
    from chaosvm.service import VMService

__all__ = ["Binding"]

P = ParamSpec("P")
R = TypeVar("R")
Connect = Callable[[Mapping[str, Any] | None, Mapping[str, Any] | None], "VMService"]

_WIDTH = 80
# The words that are the same on every platform; they may contain ``$names`` themselves.
_SHARED = {
    "vms": (
        '`vms` is a selection such as `{"name": "web-*", "cluster": "prod"}`, as described in '
        "docs/selection.md."
    ),
    "selected": (
        '`vms` is a selection such as `{"name": "web-*", "cluster": "prod"}`, as described in '
        'docs/selection.md, or a plan: `{"plan": "plan.json"}`. At most `parallel` requests are '
        "in flight at once. `timeout` (seconds) applies to all VMs together, or to each wave."
    ),
    "wait_for": (
        "`power` (the default), `tools` ($tools_run), `ip` (an address that is not link-local), "
        "`port:22` (this TCP port of the guest is open), `http:8080/health` or `https:...` (a "
        "GET at one of its addresses returns a status below 400), or the URL of a service"
    ),
    "batch": (
        "Returns `outcomes` (one for each VM), the numbers `changed` and `failed`, and `seed` "
        "(draws the same sample again; null without a sample). Fails if a VM failed; the error "
        "names each with the reason, and the journal has all outcomes."
    ),
    "since": (
        '`since` is a time such as "2026-11-30T10:00:00Z" (UTC if it has no zone), or the name '
        "of an earlier activity of this run, for the time when it began. A difference between "
        "the clocks of the server and this machine is corrected."
    ),
    "events": "Fails if the server does not keep events from that long ago.",
}


@dataclass(frozen=True)
class Binding:
    """A platform's name, its connection, and its words for ``$names`` in docstrings.

    ``connect`` takes configuration and secrets, and returns the service to use.
    """

    name: str
    connect: Connect
    words: Words

    def bind(self, definition: Callable[Concatenate[Binding, P], R]) -> Callable[P, R]:
        """The platform's own function.

        Raises KeyError if the docstring has a ``$name`` for which there are no words.
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
        return self.document(definition)(cast("Callable[P, R]", activity))

    def document(
        self, source: Callable[..., Any] | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorator for a platform's own activity: fills in the ``$names`` in its docstring.

        With a ``source``, such as a shared definition, the activity gets that one's docstring.
        """

        def documented(activity: Callable[P, R]) -> Callable[P, R]:
            words = {name: text for name, text in asdict(self.words).items() if text is not None}
            words["module"] = activity.__module__
            try:
                text = _substituted(inspect.getdoc(source or activity) or "", words)
            except KeyError as missing:
                error = f"{self.name} has no words for {missing}, as {activity.__name__} needs"
                raise KeyError(error) from None
            activity.__doc__ = text
            return activity

        return documented


def _substituted(text: str, words: Mapping[str, str]) -> str:
    """The docstring with ``$names`` replaced; paragraphs that had any are wrapped again."""
    prose, fence, snippet = text.partition("```json")
    paragraphs = (_paragraph(each, words) for each in prose.split("\n\n"))
    return "\n\n".join(paragraphs) + Template(fence + snippet).substitute(words)


def _paragraph(text: str, words: Mapping[str, str]) -> str:
    if "$" not in text:
        return text
    text = Template(text).safe_substitute(_SHARED)
    filled = re.sub(r"\s+", " ", Template(text).substitute(words)).strip()
    unbroken = re.sub(r"`[^`]+`", lambda code: code[0].replace(" ", "\0"), filled)
    lines = textwrap.fill(unbroken, _WIDTH, break_on_hyphens=False, break_long_words=False)
    return lines.replace("\0", " ")
