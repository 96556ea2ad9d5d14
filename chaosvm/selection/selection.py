"""Which VMs: a mapping from an experiment, made into a choice from an inventory.

Every key that is given must hold. A selection has to say which VMs it means:
``exclude`` and a sample only narrow, so on their own they are refused, and
``{"all": true}`` is the only way to mean everything.

Nothing here talks to a platform: the same inventory and the same selection
always give the same VMs, in whatever order the inventory comes.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from chaosvm.errors import InvalidValue, NoSuchVM, SelectionError
from chaosvm.selection.exclusion import Exclusion
from chaosvm.selection.names import NameMatcher, VMIndex
from chaosvm.selection.result import (
    ImmutableCheck,
    ProtectionCheck,
    SelectionResult,
    blocked_reasons,
    refused_error,
)
from chaosvm.settings import values
from chaosvm.vm import VM, PowerState

__all__ = ["Selection"]

EXAMPLE = '{"name": "web-*", "cluster": "prod", "count": 2}'

# What narrows a selection down to single VMs, or to those that are in some
# state at the moment. The rest says which part of the inventory it is about.
_SINGLING_OUT = ("names", "ids", "power_state")


def _regex(key: str, value: Any) -> re.Pattern[str]:
    try:
        return re.compile(values.string(key, value, "a regular expression"))
    except (re.error, OverflowError, RecursionError) as error:
        raise values.invalid(key, value, f"a regular expression ({error})") from None


def _power_states(key: str, value: Any) -> tuple[PowerState, ...]:
    words = values.string_list(key, value, "a power state, or a list of them")
    return tuple(values.choice(key, word, PowerState) for word in words)


def _all(key: str, value: Any) -> bool:
    if values.boolean(key, value) is not True:
        raise values.invalid(key, value, "true; leave the key out otherwise")
    return True


_KEYS: dict[str, Callable[[str, Any], Any]] = {
    "names": values.string_list,
    "name": values.string_list,
    "regex": _regex,
    "ids": values.string_list,
    "datacenter": values.string_list,
    "cluster": values.string_list,
    "host": values.string_list,
    "folder": values.string_list,
    "tag": values.string_list,
    "guest_os": values.string_list,
    "power_state": _power_states,
    "exclude": Exclusion,
    "count": lambda key, value: values.integer(key, value, 1, 1_000_000),
    "percent": lambda key, value: values.number(key, value, 0.001, 100),
    "seed": lambda key, value: values.integer(key, value, 0, 2**63 - 1),
    "all": _all,
}
_NARROWING = ("exclude", "count", "percent", "seed")


def _fits_any(globs: Iterable[str], candidates: Iterable[str | None]) -> bool:
    known = [candidate for candidate in candidates if candidate is not None]
    return any(fnmatchcase(candidate, glob) for glob in globs for candidate in known)


def _name(vm: VM, globs: Sequence[str]) -> bool:
    return _fits_any(globs, (vm.name,))


def _regex_fits(vm: VM, pattern: re.Pattern[str]) -> bool:
    return pattern.fullmatch(vm.name) is not None


def _folder(vm: VM, globs: Sequence[str]) -> bool:
    """A folder is meant by its inventory path, or by its own name."""
    if vm.folder is None:
        return False
    return _fits_any(globs, (vm.folder, vm.folder.rsplit("/", 1)[-1]))


def _tag(vm: VM, globs: Sequence[str]) -> bool:
    if vm.tags is None:
        raise SelectionError(
            f"tag {_listed(globs)} cannot be looked for: {vm.platform} did not tell any tags"
        )
    # Two categories may hold a tag of one name: "category/tag" tells them apart.
    return _fits_any(globs, (*vm.tags, *vm.metadata.get("qualified_tags", ())))


def _guest_os(vm: VM, globs: Sequence[str]) -> bool:
    return _fits_any((glob.lower() for glob in globs), (vm.guest_os and vm.guest_os.lower(),))


_FILTERS: dict[str, Callable[[VM, Any], bool]] = {
    "name": _name,
    "regex": _regex_fits,
    "datacenter": lambda vm, globs: _fits_any(globs, (vm.datacenter,)),
    "cluster": lambda vm, globs: _fits_any(globs, (vm.cluster,)),
    "host": lambda vm, globs: _fits_any(globs, (vm.host,)),
    "folder": _folder,
    "tag": _tag,
    "guest_os": _guest_os,
    "power_state": lambda vm, states: vm.power_state in states,
    "exclude": lambda vm, exclusion: not exclusion.fits(vm),
}

# Keys whose values a server may be asked for.
_CRITERIA = ("name", "datacenter", "cluster", "host", "tag", "power_state")

# The fields of a VM that each key looks at.
_WORDS = ("name", "id", "instance_uuid", "path")
_LOOKS_AT: dict[str, tuple[str, ...]] = {
    "names": _WORDS,
    "ids": _WORDS,
    "name": ("name",),
    "regex": ("name",),
    "datacenter": ("datacenter",),
    "cluster": ("cluster",),
    "host": ("host",),
    "folder": ("folder",),
    "tag": ("id",),  # tags are read on their own, by id
    "guest_os": ("guest_os",),
    "power_state": ("power_state",),
    "exclude": _WORDS,
    **dict.fromkeys(("count", "percent", "seed", "all"), ("id",)),
}

# What to offer instead, when nothing has the value that was asked for.
_SUGGESTIONS: dict[str, Callable[[VM], str | None]] = {
    "name": lambda vm: vm.name,
    "regex": lambda vm: vm.name,
    "datacenter": lambda vm: vm.datacenter,
    "cluster": lambda vm: vm.cluster,
    "host": lambda vm: vm.host,
    "folder": lambda vm: vm.folder,
    "guest_os": lambda vm: vm.guest_os,
    "power_state": lambda vm: vm.power_state.value,
}


class Selection:
    """A checked selection; see ``docs/selection.md`` for the keys."""

    def __init__(self, vms: Any, key: str = "vms") -> None:
        self._given = vms
        self._keys = values.mapping(key, vms, _KEYS, EXAMPLE)
        if "count" in self._keys and "percent" in self._keys:
            raise InvalidValue(f"{key} has both count and percent: give one of them")
        if "seed" in self._keys and not self.draws:
            raise InvalidValue(f"{key} has a seed but nothing to sample: add count or percent")
        if all(name in _NARROWING for name in self._keys):
            raise InvalidValue(
                f"{key} is {values.shown(vms)}, which only narrows: say which VMs are meant, "
                'such as {"name": "web-*"}, or {"all": true} for every one'
            )

    @property
    def needs_tags(self) -> bool:
        return "tag" in self._keys

    def refuse_keys(self, keys: Iterable[str], platform: str) -> None:
        """For a platform that does not have such a thing."""
        for key in keys:
            if key in self._keys:
                raise InvalidValue(f"the selection has the key {key!r}, but {platform} has none")

    @property
    def fields(self) -> frozenset[str]:
        """All that it looks at of each VM."""
        return frozenset(("name", "id")).union(*(_LOOKS_AT[key] for key in self._keys))

    @property
    def only(self) -> tuple[str, ...] | None:
        """The names and ids that can be meant, where the selection gives any."""
        words = (*self._keys.get("names", ()), *self._keys.get("ids", ()))
        # Whether what is excluded exists at all, only the whole inventory can tell.
        return None if "exclude" in self._keys else words or None

    @property
    def criteria(self) -> dict[str, tuple[str, ...]]:
        """The globs of each key that has some, and power states, for servers that can search."""
        return {key: self._keys[key] for key in _CRITERIA if key in self._keys}

    def names_all_exclusions(self, vms: Sequence[VM]) -> bool:
        """Is each VM that is excluded by name among these?"""
        return "exclude" not in self._keys or not self._keys["exclude"].idle(vms)

    @property
    def narrows(self) -> bool:
        """Does it leave some VMs out by what they are, before any sample?"""
        return any(key in self._keys for key in _FILTERS.keys() - {"exclude"})

    @property
    def given(self) -> Any:
        """As it was written."""
        return self._given

    def about(self, vm: VM) -> bool:
        """Is it one of those among which the selection chooses, whatever its state?"""
        return all(
            fits(vm, self._keys[key])
            for key, fits in _FILTERS.items()
            if key in self._keys and key not in _SINGLING_OUT
        )

    @property
    def draws(self) -> bool:
        """Does it draw a sample?"""
        return "count" in self._keys or "percent" in self._keys

    def read(self, inventory: Iterable[VM]) -> list[VM]:
        """The VMs to look at: possibly none."""
        fitting = self.fitting(inventory)
        return self._sample(fitting, self._seed()) if fitting and self.draws else fitting

    def fitting(self, inventory: Iterable[VM]) -> list[VM]:
        """Every VM that fits, before any sample is drawn; possibly none."""
        return self._matching(inventory, must_exist=False)

    def _matching(self, inventory: Iterable[VM], must_exist: bool) -> list[VM]:
        """Every VM that fits, before any sample is drawn; none is not an error.

        Raises AmbiguousVM for a name that fits two of the VMs left by the other
        keys and, if ``must_exist``, NoSuchVM for one that is nowhere at all.
        """
        everything = sorted(inventory, key=lambda vm: (vm.name, vm.id))
        fitting = everything
        for key, fits in _FILTERS.items():
            if key in self._keys:
                fitting = [vm for vm in fitting if fits(vm, self._keys[key])]
        for key in ("names", "ids"):
            if key in self._keys:
                by_id, wanted = key == "ids", self._keys[key]
                if must_exist:
                    VMIndex(everything).require(wanted, by_id)
                named = VMIndex(fitting).resolve(wanted, by_id)
                fitting = [vm for vm in fitting if vm.id in named]
        return fitting

    def choose(
        self,
        inventory: Iterable[VM],
        immutable: ImmutableCheck | None = None,
        protection: ProtectionCheck | None = None,
        tell_refused: bool = False,
    ) -> SelectionResult:
        """The VMs to act on: never none of them.

        A VM for which ``untouchable`` or ``barred`` has a reason is passed over
        where a pattern reached it. Where it was asked for by name or id, the
        whole is refused or, with ``tell_refused``, that VM alone.
        """
        everything = list(inventory)
        self._refuse_unmatched_exclusions(everything)
        fitting = self._matching(everything, must_exist=True)
        reasons = blocked_reasons(fitting, immutable, protection)
        told = [(vm, reasons[vm.id]) for vm in fitting if vm.id in reasons]
        refused = [(vm, reason) for vm, reason in told if self._named.matches(vm)]
        if refused and not tell_refused:
            raise refused_error(refused)
        passed_over = tuple(each for each in told if each not in refused)
        fitting = [vm for vm in fitting if vm.id not in reasons]
        if not fitting and not refused:
            raise NoSuchVM(self._why_none(everything, passed_over))
        seed = self._seed() if self.draws else None
        # For what was refused too few may be left, and that is not the trouble then.
        enough = not refused
        sample = fitting if seed is None else self._sample(fitting, seed, enough)
        return SelectionResult(tuple(sample), seed, passed_over, tuple(refused))

    def _refuse_unmatched_exclusions(self, inventory: Sequence[VM]) -> None:
        """A name to keep out that no VM has is most likely misspelt, and protects nothing."""
        for word in self._keys["exclude"].idle(inventory) if "exclude" in self._keys else ():
            hint = values.suggestion(word, (vm.name for vm in inventory))
            raise NoSuchVM(f"exclude names {word!r}, but no VM is called so{hint}")

    @cached_property
    def _named(self) -> NameMatcher:
        """All that is asked for by name or id."""
        return NameMatcher((*self._keys.get("names", ()), *self._keys.get("ids", ())))

    def _seed(self) -> int:
        given: int | None = self._keys.get("seed")
        return random.SystemRandom().randrange(2**32) if given is None else given

    def _sample(self, fitting: list[VM], seed: int, enough: bool = True) -> list[VM]:
        """Raises NoSuchVM if there have to be ``enough`` for it, and are not."""
        size = self._sample_size(len(fitting), enough)
        ranked = sorted(fitting, key=lambda vm: _rank(seed, vm))
        return sorted(ranked[:size], key=lambda vm: (vm.name, vm.id))

    def _sample_size(self, fitting: int, enough: bool) -> int:
        if "count" in self._keys:
            count: int = self._keys["count"]
            if count > fitting and enough:
                raise NoSuchVM(f"count is {count}, but only {fitting} VMs fit {self}")
            return count
        percent: float = self._keys["percent"]
        size = values.part(percent, fitting)
        if size == 0 and enough:
            raise NoSuchVM(
                f"percent is {percent:g}, less than one of the {fitting} VMs that fit {self}"
            )
        return size

    def _why_none(self, inventory: list[VM], passed_over: Sequence[tuple[VM, str]]) -> str:
        said = f"no VM fits {self}: {len(inventory)} VMs are known"
        if passed_over:
            told = "; ".join(f"{vm} {reason}" for vm, reason in passed_over)
            return f"{said}, and those that fit are never touched: {told}"
        left = inventory
        for key, fits in _FILTERS.items():
            if key not in self._keys:
                continue
            fitting = [vm for vm in left if fits(vm, self._keys[key])]
            if not fitting:
                return f"{said}, {len(left)} come as far as {key}{_instead(key, left)}"
            left = fitting
        return said

    def __str__(self) -> str:
        return json.dumps(self._given, ensure_ascii=False, default=str)


def _rank(seed: int, vm: VM) -> bytes:
    """A VM's place in the draw: from the seed and its id alone.

    So the same seed draws the same VMs whatever the order of the inventory,
    the Python version, or what else has come or gone.
    """
    return hashlib.sha256(f"{seed}/{vm.platform}/{vm.id}".encode()).digest()


def _listed(words: Iterable[str]) -> str:
    return ", ".join(repr(word) for word in words)


def _instead(key: str, left: list[VM]) -> str:
    suggestion = _SUGGESTIONS.get(key)
    if suggestion is None:
        return ""
    known = sorted({value for vm in left if (value := suggestion(vm))})
    shown = ", ".join(repr(value) for value in known[:8])
    return f" (known: {shown}{', ...' if len(known) > 8 else ''})" if known else ""
