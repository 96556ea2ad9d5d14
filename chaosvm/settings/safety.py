"""The settings that keep an experiment within bounds, whatever the platform."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from chaosvm.runtime import experiment
from chaosvm.runtime.documents import parse_json
from chaosvm.settings import values
from chaosvm.settings.loading import Settings, load, setting

__all__ = ["OFF_WORDS", "Percent", "Safety"]

_MOST_VMS = 1_000_000
_PERCENT = 'a number from 0 to 100, or a mapping such as {"inventory": 30, "cluster": 50}'
# What a name can hold, but a text is more likely to have in it by mistake.
_LIKE_A_LIST = re.compile(r"""['";]|^\s*\[.*\]\s*$""", re.DOTALL)
# How people say that a mark does not count.
OFF_WORDS = ("false", "no", "off", "0")
_TAG = 'the name of a tag or a list of them, or "none" to look for none'
_GLOBS = 'a glob or a list of them, such as ["db-*", "vcenter"]; in a text, commas part them'


@dataclass(frozen=True)
class Percent:
    """How large a part of each may be changed; None where there is no limit."""

    inventory: float | None = None
    cluster: float | None = None
    host: float | None = None


def _lower(one: Percent, other: Percent) -> Percent:
    """The lower limit of each."""
    parts = ("inventory", "cluster", "host")
    given = {part: (getattr(one, part), getattr(other, part)) for part in parts}
    return Percent(
        **{
            part: min((each for each in both if each is not None), default=None)
            for part, both in given.items()
        }
    )


def _all_of(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _path(key: str, value: Any) -> Path:
    path = values.path(key, value, "the path of a file, which need not exist")
    try:
        return path.absolute()
    except OSError as error:  # the working directory is gone
        raise values.invalid(key, value, f"a path that can be found ({error.strerror})") from None


def _vms(key: str, value: Any) -> int:
    return values.integer(key, value, 0, _MOST_VMS)


def _share(key: str, value: Any) -> float:
    return values.number(key, value, 0, 100)


def _percent(key: str, value: Any) -> Percent:
    given = _from_json(value, "{")
    if isinstance(given, Percent):
        return given
    if isinstance(given, Mapping):
        known: dict[str, Any] = dict.fromkeys(("inventory", "cluster", "host"), _share)
        return Percent(**values.mapping(key, dict(given), known, '{"inventory": 30}'))
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise values.invalid(key, value, _PERCENT)
    share = _share(key, given)
    return Percent(share, share, share)


def _globs(key: str, value: Any) -> tuple[str, ...]:
    given = _from_json(value, "[")
    if isinstance(given, str):
        if _LIKE_A_LIST.search(given) or given.count("[") != given.count("]"):
            raise values.invalid(key, value, f"{_GLOBS}, and nothing else does")
        given = [part.strip() for part in given.split(",") if part.strip()]
    return values.string_list(key, given, _GLOBS)


def _protect_tag(key: str, value: Any) -> tuple[str, ...]:
    if value is False:
        return ()
    tags = [tag.strip() for tag in values.string_list(key, _from_json(value, "["), _TAG)]
    for tag in tags:
        if tag.lower() in OFF_WORDS:
            raise values.invalid(key, value, f"{_TAG}: a tag could be called {tag!r}")
        if tag.lower() == "none" and len(tags) > 1:
            raise values.invalid(key, value, f"{_TAG}, and not both")
    return () if tags[0].lower() == "none" else tuple(tags)


def _from_json(value: Any, opening: str) -> Any:
    """What an environment variable holds, where it looks like JSON."""
    if not isinstance(value, str) or not value.lstrip().startswith(opening):
        return value
    try:
        return parse_json(value)
    except ValueError:
        return value


@dataclass(frozen=True)
class Safety(Settings):
    """``chaosvm_ledger`` and its like; docs/safety.md explains them.

    Where the experiment and the environment, which is the operator's, both set a
    guard, the stricter one counts: neither can relax what the other says.
    """

    prefix: ClassVar[str] = "chaosvm"
    # What an experiment must not do, it must not do in a rehearsal either.
    rehearsed: ClassVar[bool] = True
    # A limit that is misspelt would be none.
    alone: ClassVar[bool] = True

    # Where the changes of a run are written down; by default a file of its own
    # beside the journal, as always in a rehearsal: a lab's VMs are not to be put
    # back anywhere else.
    ledger: Path | None = setting(_path, None, rehearsed=False)
    # How many VMs a run may change in all, and how large a part of them.
    max_vms: int | None = setting(_vms, None, combine=min)
    max_percent: Percent | None = setting(_percent, None, combine=_lower)
    # So many of the VMs that match have to go on running.
    min_running: int | None = setting(_vms, None, combine=max)
    # Names of VMs that are never touched, and what marks them on the platform.
    protect: tuple[str, ...] = setting(_globs, (), combine=_all_of)
    protect_tag: tuple[str, ...] = setting(_protect_tag, ("chaosvm-protect",), combine=_all_of)
    # Say what would be done, and do nothing.
    dry_run: bool = setting(values.boolean, False, combine=operator.or_)

    @classmethod
    def of_activity(
        cls, configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None
    ) -> Safety:
        """As the settings say; a dry run also for an activity that is marked as one.

        Chaos Toolkit runs what is marked by anything but its own ``--dry``: the
        control ``chaosaddons.controls.bypass`` keeps nothing from being run.
        """
        safety = load(cls, configuration, secrets)
        return replace(safety, dry_run=True) if experiment.is_marked_dry() else safety

    @property
    def needs_inventory(self) -> bool:
        """Do the guards compare with VMs that are not meant themselves?"""
        return self.max_percent is not None or self.min_running is not None
