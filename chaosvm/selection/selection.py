"""Which VMs: a selection from an experiment, applied to an inventory.

A VM must match every key. A selection has to say which VMs: ``exclude`` and a
sample only narrow, so on their own they are refused, and ``{"all": true}`` is
the only way to select everything.

The same inventory and the same selection always give the same VMs, in whatever
order the inventory comes.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from chaosvm.errors import InvalidValue, NoSuchVM
from chaosvm.selection.argument import parse_text
from chaosvm.selection.keys import FILTERS, KEYS
from chaosvm.selection.messages import (
    EXAMPLE,
    all_blocked,
    no_match,
    too_small_percent,
)
from chaosvm.selection.names import NameMatcher, VMIndex
from chaosvm.selection.result import (
    ImmutableCheck,
    ProtectionCheck,
    SelectionResult,
    blocked_reasons,
    refused_error,
)
from chaosvm.settings import values
from chaosvm.vm import VM

__all__ = ["Selection"]

# Keys that select single VMs, or VMs in a momentary state; the others say which part of
# the inventory a selection is about.
_SINGLING_OUT = ("names", "ids", "power_state")
_NARROWING = ("exclude", "count", "percent", "seed")
# Keys that a server may be able to search by.
_CRITERIA = ("name", "datacenter", "cluster", "host", "tag", "power_state")


class Selection:
    """A checked selection; see ``docs/selection.md`` for the keys."""

    def __init__(self, vms: Any, key: str = "vms") -> None:
        vms = parse_text(vms, key)
        self.given = vms  # as it was written
        converters = {name: each.convert for name, each in KEYS.items()}
        self._keys = values.mapping(key, vms, converters, EXAMPLE)
        if "count" in self._keys and "percent" in self._keys:
            raise InvalidValue(f"{key} has both count and percent: give one of them")
        if "seed" in self._keys and not self.is_sample:
            raise InvalidValue(f"{key} has a seed but nothing to sample: add count or percent")
        if all(name in _NARROWING for name in self._keys):
            raise InvalidValue(
                f"{key} is {values.shown(vms)}, which only narrows: add which VMs, "
                'such as {"name": "web-*"}, or {"all": true} for every VM'
            )

    @property
    def needs_tags(self) -> bool:
        return "tag" in self._keys

    def refuse_keys(self, keys: Iterable[str], platform: str) -> None:
        """Raise InvalidValue for keys that the platform does not support."""
        for key in keys:
            if key in self._keys:
                raise InvalidValue(f"{platform} does not support the selection key {key!r}")

    @property
    def fields(self) -> frozenset[str]:
        """The fields of a VM that the selection reads."""
        return frozenset(("name", "id")).union(*(KEYS[key].fields for key in self._keys))

    @property
    def only(self) -> tuple[str, ...] | None:
        """The names and ids to which the selection is limited, or None."""
        words = (*self._keys.get("names", ()), *self._keys.get("ids", ()))
        # The whole inventory is needed to find excluded names that no VM has.
        return None if "exclude" in self._keys else words or None

    @property
    def criteria(self) -> dict[str, tuple[str, ...]]:
        """Globs and power states by key, for servers that can search."""
        return {key: self._keys[key] for key in _CRITERIA if key in self._keys}

    def names_all_exclusions(self, vms: Sequence[VM]) -> bool:
        """True if each name in ``exclude`` is the name of one of these VMs."""
        return not self._unmatched_exclusions(vms)

    @property
    def has_filters(self) -> bool:
        """True if it filters VMs by their properties, apart from ``exclude`` and a sample."""
        return any(key in self._keys for key in FILTERS.keys() - {"exclude"})

    def in_scope(self, vm: VM) -> bool:
        """True if the VM is in the part of the inventory that the selection is about.

        This depends neither on its power state, nor on whether it is selected by name.
        """
        return all(
            matches(vm, self._keys[key])
            for key, matches in FILTERS.items()
            if key in self._keys and key not in _SINGLING_OUT
        )

    @property
    def is_sample(self) -> bool:
        """True if it draws a sample."""
        return "count" in self._keys or "percent" in self._keys

    def read(self, inventory: Iterable[VM]) -> list[VM]:
        """The VMs to read, possibly none."""
        matching = self.matching(inventory)
        return self._sample(matching, self._seed()) if matching and self.is_sample else matching

    def matching(self, inventory: Iterable[VM]) -> list[VM]:
        """Every matching VM, before any sample is drawn; possibly none."""
        return self._matching(inventory, must_exist=False)

    def _matching(self, inventory: Iterable[VM], must_exist: bool) -> list[VM]:
        """Every matching VM, before any sample is drawn; none is not an error.

        They are sorted by name, or in the order in which ``names`` or ``ids`` has them.
        Raises AmbiguousVM for a name of two VMs that match the other keys and, if
        ``must_exist``, NoSuchVM for a name that no VM in the inventory has.
        """
        everything = sorted(inventory, key=lambda vm: (vm.name, vm.id))
        matching = everything
        for key, matches in FILTERS.items():
            if key in self._keys:
                matching = [vm for vm in matching if matches(vm, self._keys[key])]
        for key in ("names", "ids"):
            if key in self._keys:
                by_id, words = key == "ids", self._keys[key]
                if must_exist:
                    VMIndex(everything).require(words, by_id)
                matching = VMIndex(matching).resolve(words, by_id)
        return matching

    def choose(
        self,
        inventory: Iterable[VM],
        immutable: ImmutableCheck | None = None,
        protection: ProtectionCheck | None = None,
        return_refused: bool = False,
    ) -> SelectionResult:
        """The VMs to act on; raises NoSuchVM if there are none.

        VMs that may not be touched are passed over if they match a pattern. If they
        are selected by name or id, the whole selection is refused or, with
        ``return_refused``, they are returned as refused.
        """
        everything = list(inventory)
        self._refuse_unmatched_exclusions(everything)
        matching = self._matching(everything, must_exist=True)
        reasons = blocked_reasons(matching, immutable, protection)
        blocked = [(vm, reasons[vm.id]) for vm in matching if vm.id in reasons]
        refused = [(vm, reason) for vm, reason in blocked if self._named.matches(vm)]
        if refused and not return_refused:
            raise refused_error(refused)
        passed_over = tuple(each for each in blocked if each not in refused)
        matching = [vm for vm in matching if vm.id not in reasons]
        if not matching and passed_over and not refused:
            raise NoSuchVM(all_blocked(self.given, passed_over, everything))
        if not matching and not refused:
            raise NoSuchVM(no_match(self.given, self._keys, everything))
        seed = self._seed() if self.is_sample else None
        # With VMs refused, too few may be left for the sample: the refusal is what matters.
        enough = not refused
        sample = matching if seed is None else self._sample(matching, seed, enough)
        return SelectionResult(tuple(sample), seed, passed_over, tuple(refused))

    def _refuse_unmatched_exclusions(self, inventory: Sequence[VM]) -> None:
        """An excluded name that no VM has is most likely misspelled, and excludes nothing."""
        for word in self._unmatched_exclusions(inventory):
            hint = values.suggestion(word, (vm.name for vm in inventory))
            raise NoSuchVM(f"exclude names {word!r}, but no VM has that name{hint}")

    def _unmatched_exclusions(self, vms: Sequence[VM]) -> list[str]:
        exclusion = self._keys.get("exclude")
        return exclusion.unmatched_names(vms) if exclusion is not None else []

    @cached_property
    def _named(self) -> NameMatcher:
        """The VMs that are selected by name or id."""
        return NameMatcher((*self._keys.get("names", ()), *self._keys.get("ids", ())))

    def _seed(self) -> int:
        seed: int | None = self._keys.get("seed")
        return random.SystemRandom().randrange(2**32) if seed is None else seed

    def _sample(self, matching: list[VM], seed: int, enough: bool = True) -> list[VM]:
        """A sample; with ``enough``, raises NoSuchVM if too few VMs match."""
        size = self._sample_size(len(matching), enough)
        drawn = {vm.id for vm in sorted(matching, key=lambda vm: _rank(seed, vm))[:size]}
        return [vm for vm in matching if vm.id in drawn]

    def _sample_size(self, matching: int, enough: bool) -> int:
        if "count" in self._keys:
            count: int = self._keys["count"]
            if count > matching and enough:
                raise NoSuchVM(f"count is {count}, but only {matching} VMs match {self}")
            return count
        percent: float = self._keys["percent"]
        size = values.part(percent, matching)
        if size == 0 and enough:
            raise NoSuchVM(f"{too_small_percent(percent, matching)}. The selection is {self}")
        return size

    def __str__(self) -> str:
        return json.dumps(self.given, ensure_ascii=False, default=str)


def _rank(seed: int, vm: VM) -> bytes:
    """A VM's rank in the sample, from nothing but the seed and its id.

    So the same seed draws the same VMs, whatever the order of the inventory, the
    Python version, or which other VMs exist.
    """
    return hashlib.sha256(f"{seed}/{vm.platform}/{vm.id}".encode()).digest()
