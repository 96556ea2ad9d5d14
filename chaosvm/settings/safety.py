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
# A name may contain these, but in a string they are more likely a mistake.
_LIKE_A_LIST = re.compile(r"""['";]|^\s*\[.*\]\s*$""", re.DOTALL)
# Values that switch a tag or an attribute off.
OFF_WORDS = ("false", "no", "off", "0")
_TAG = 'the name of a tag or a list of names, or "none" for no tag'
_GLOBS = 'a glob or a list of globs, such as ["db-*", "vcenter"]'
_GLOBS_STRING = f"{_GLOBS}; in a string, separate patterns with commas, without quotes"


@dataclass(frozen=True)
class Percent:
    """The largest share of each that may be changed; None for no limit."""

    inventory: float | None = None
    cluster: float | None = None
    host: float | None = None


def _lower(one: Percent, other: Percent) -> Percent:
    """The lower limit of each."""
    parts = ("inventory", "cluster", "host")
    pairs = {part: (getattr(one, part), getattr(other, part)) for part in parts}
    return Percent(
        **{
            part: min((limit for limit in pair if limit is not None), default=None)
            for part, pair in pairs.items()
        }
    )


def _all_of(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _path(key: str, value: Any) -> Path:
    path = values.path(key, value, "the path of a file, which need not exist")
    try:
        return path.absolute()
    except OSError as error:  # the working directory is gone
        raise values.invalid(
            key, value, f"a path in a directory that exists ({error.strerror})"
        ) from None


def _vms(key: str, value: Any) -> int:
    return values.integer(key, value, 0, _MOST_VMS)


def _days(key: str, value: Any) -> float:
    return values.number(key, value, 0, 36_500, "days")


def _share(key: str, value: Any) -> float:
    return values.number(key, value, 0, 100)


def _percent(key: str, value: Any) -> Percent:
    parsed = _from_json(value, "{")
    if isinstance(parsed, Percent):
        return parsed
    if isinstance(parsed, Mapping):
        known: dict[str, Any] = dict.fromkeys(("inventory", "cluster", "host"), _share)
        return Percent(**values.mapping(key, dict(parsed), known, '{"inventory": 30}'))
    if isinstance(parsed, bool) or not isinstance(parsed, int | float | str):
        raise values.invalid(key, value, _PERCENT)
    share = _share(key, parsed)
    return Percent(share, share, share)


def _globs(key: str, value: Any) -> tuple[str, ...]:
    globs = _from_json(value, "[")
    if isinstance(globs, str):
        if _LIKE_A_LIST.search(globs) or globs.count("[") != globs.count("]"):
            raise values.invalid(key, value, _GLOBS_STRING)
        globs = [glob.strip() for glob in globs.split(",") if glob.strip()]
    return values.string_list(key, globs, _GLOBS)


def _protect_tag(key: str, value: Any) -> tuple[str, ...]:
    if value is False:
        return ()
    tags = [tag.strip() for tag in values.string_list(key, _from_json(value, "["), _TAG)]
    for tag in tags:
        if tag.lower() in OFF_WORDS:
            raise values.invalid(key, value, f"{_TAG}; {tag!r} could be a tag's name")
        if tag.lower() == "none" and len(tags) > 1:
            raise values.invalid(key, value, f"{_TAG}, and not both")
    return () if tags[0].lower() == "none" else tuple(tags)


def _from_json(value: Any, opening: str) -> Any:
    """The value of an environment variable, parsed if it looks like JSON."""
    if not isinstance(value, str) or not value.lstrip().startswith(opening):
        return value
    try:
        return parse_json(value)
    except ValueError:
        return value


@dataclass(frozen=True)
class Safety(Settings):
    """The settings ``chaosvm_*``; docs/safety.md explains them.

    If both the experiment and the environment, which is the operator's, set a
    limit, the stricter one applies: neither can relax the other.
    """

    prefix: ClassVar[str] = "chaosvm"
    # The limits of an experiment apply in its rehearsal too.
    rehearsed: ClassVar[bool] = True
    # A misspelled limit would not limit anything.
    strict_environment: ClassVar[bool] = True

    # The file that records what a run changes; by default a new one next to the
    # journal. Always so in a rehearsal: its ledger describes the lab's VMs only.
    ledger: Path | None = setting(_path, rehearsed=False)
    # How long ledgers with nothing left to restore are kept; 0 for ever.
    ledger_days: float = setting(_days, 30.0)
    # How many VMs a run may change, and which share of them.
    max_vms: int | None = setting(_vms, combine=min)
    max_percent: Percent | None = setting(_percent, combine=_lower)
    # How many of the matching VMs must keep running.
    min_running: int | None = setting(_vms, combine=max)
    # VMs that are never touched: by name, and by a tag on the platform.
    protect: tuple[str, ...] = setting(_globs, (), combine=_all_of)
    protect_tag: tuple[str, ...] = setting(_protect_tag, ("chaosvm-protect",), combine=_all_of)
    # Report what would be done, and change nothing.
    dry_run: bool = setting(values.boolean, False, combine=operator.or_)

    @classmethod
    def of_activity(
        cls, configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None
    ) -> Safety:
        """The settings; ``dry_run`` is also true for an activity marked as ``dry``.

        Only Chaos Toolkit's own ``--dry`` keeps a marked activity from being run;
        the control ``chaosaddons.controls.bypass``, for instance, does not.
        """
        safety = load(cls, configuration, secrets)
        return replace(safety, dry_run=True) if experiment.is_marked_dry() else safety

    @property
    def needs_inventory(self) -> bool:
        """True if the guards count VMs other than the selected ones."""
        return self.max_percent is not None or self.min_running is not None
