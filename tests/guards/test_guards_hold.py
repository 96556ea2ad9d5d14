"""Whatever is done, in whatever order: no more than the limits, and nothing protected."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosvm.backend import Operation
from chaosvm.errors import GuardStopped, GuardUnchecked, OperationRefused, SelectionError
from chaosvm.guards import GuardRequest, Usage, guard_results
from chaosvm.ledger import ledger as ledgers
from chaosvm.selection import Selection
from chaosvm.settings import Percent, Safety
from chaosvm.vm import VM, PowerState
from tests.fakes import OFF, ON, SUSPENDED, FakePlatform

pytestmark = pytest.mark.timeout(300)

TAG = "chaosvm-protect"
CLUSTERS, HOSTS, TIERS = ("c1", "c2", None), ("h1", "h2", None), ("web", "db", "app")
DATACENTERS = ("dc1", "dc2")

# Clusters and hosts are called the same in both datacenters.
places = st.fixed_dictionaries(
    {
        "datacenter": st.sampled_from(DATACENTERS),
        "cluster": st.sampled_from(CLUSTERS),
        "host": st.sampled_from(HOSTS),
        "metadata": st.sampled_from(({}, {"standalone_host": True})),
    }
)
machines = st.fixed_dictionaries(
    {
        "tier": st.sampled_from(TIERS),
        "place": places,
        "state": st.sampled_from((ON, ON, ON, OFF, SUSPENDED)),
        "tags": st.sampled_from(((), (), (), (TAG,))),
        "template": st.sampled_from((False,) * 5 + (True,)),
    }
)
estates = st.lists(machines, min_size=1, max_size=14)
shares = st.sampled_from((0, 20, 34, 50, 75, 100))
guards = {
    "max_vms": st.integers(0, 6),
    "max_percent": st.builds(Percent, shares)
    | st.builds(Percent, st.none(), shares, shares)
    | st.builds(Percent, *[st.none() | shares] * 3),
    "min_running": st.integers(0, 8),
}
protected = {"protect": st.sampled_from(((), ("db-*",), ("web-1", "app-2")))}
# Alone, so that no other guard stops what this one has to, and together.
limits = st.one_of(
    *(st.fixed_dictionaries({key: values, **protected}) for key, values in guards.items()),
    st.fixed_dictionaries({**guards, **protected}),
)
narrowed = st.sampled_from(({}, {"count": 1}, {"count": 2}, {"percent": 50}))
selections = st.builds(
    lambda which, sample, running, seed: {
        **which,
        **({"power_state": "powered_on"} if running else {}),
        **sample,
        **({"seed": seed} if sample else {}),
    },
    st.sampled_from(
        (
            {"all": True},
            {"name": "web-*"},
            {"name": ["db-*", "app-*"]},
            {"cluster": "c1"},
            {"host": ["h1", "h2"]},
            {"names": ["web-0", "web-1"]},
            {"all": True, "exclude": ["web-*"]},
        )
    ),
    narrowed,
    st.booleans(),
    st.integers(0, 3),
)
verbs = st.sampled_from([operation.value for operation in Operation])
# Before each of them some VMs have come to be elsewhere.
moves = st.dictionaries(st.integers(0, 13), places, max_size=4)
actions = st.lists(st.tuples(verbs, selections, moves), min_size=1, max_size=5)


def made(estate: list[dict[str, Any]], safety: Safety) -> FakePlatform:
    platform = FakePlatform()
    platform.safety = safety
    for number, given_ in enumerate(estate):
        given_ = dict(given_)
        tier, state = given_.pop("tier"), given_.pop("state")
        platform.add(f"{tier}-{number}", state, **given_.pop("place"), **given_)
    return platform


def move(platform: FakePlatform, moved: dict[int, dict[str, Any]]) -> None:
    for number, machine in enumerate(platform.machines.values()):
        if number in moved:
            platform.become(machine.vm.name, **moved[number])


@contextmanager
def new_run() -> Iterator[None]:
    ledgers.close_all()
    yield
    ledgers.close_all()


def act(platform: FakePlatform, verb: str, vms: Any) -> set[str] | type[Exception]:
    """The names of those that something was sent to, or why nothing was."""
    before = len(platform.sent)
    options = {} if verb in ("power_on", "suspend") else {"graceful": False}
    try:
        getattr(platform, f"batch_{verb}")(vms, **options)
    except (GuardUnchecked, OperationRefused, SelectionError) as error:
        assert len(platform.sent) == before, "something was touched"
        return type(error)
    return {name for name, _ in platform.sent[before:]}


def barred(vm: VM, safety: Safety) -> bool:
    named = any(
        vm.name.startswith(glob[:-1]) if glob.endswith("*") else vm.name == glob
        for glob in safety.protect
    )
    return vm.template or named or TAG in (vm.tags or ())


def share(percent: float, of: int) -> int:
    return int(of * percent // 100)


Known = dict[tuple[str, str], tuple[str, str]]  # a VM and "cluster" or "host": where it is


def place_of(vm: VM, part: str) -> tuple[str, str] | None:
    name = getattr(vm, part)
    return None if name is None else (str(vm.datacenter), name)


class Watched:
    """What a run has done so far, written down independently of the guards."""

    def __init__(self, platform: FakePlatform) -> None:
        self.platform = platform
        self.record: set[str] = set()
        self.touched_as: list[VM] = []
        self.touched_at: Known = {}

    def act(self, verb: str, vms: dict[str, Any]) -> None:
        machines = self.platform.machines.values()
        before = {each.vm.name: (each.vm, each.state) for each in machines}
        done = act(self.platform, verb, vms)
        if not isinstance(done, set):
            return
        new_at = set()
        for name in done:
            vm, state = before[name]
            self.touched_as.append(vm)
            for part in ("cluster", "host"):
                place = place_of(vm, part)
                if place is not None and (name, part) not in self.touched_at:
                    self.touched_at[name, part] = place
                    new_at.add((part, place))
                if place is None and (name, part) not in self.touched_at:
                    self.check_unplaced(vm, state, part)
        new, self.record = done - self.record, self.record | done
        # A VM that was reset is on again already.
        down = verb in ("power_off", "suspend")
        self.check(vms, new, {name for name in done if down and before[name][1] is ON}, new_at)

    @property
    def limits(self) -> Percent:
        return self.platform.safety.max_percent or Percent()

    def check_unplaced(self, vm: VM, state: PowerState, part: str) -> None:
        """Nothing is done to a VM that runs nobody knows where, if that matters."""
        alone = part == "cluster" and "standalone_host" in vm.metadata
        assert getattr(self.limits, part) is None or alone or state in (OFF, SUSPENDED)

    def check(
        self, vms: dict[str, Any], new: set[str], down: set[str], new_at: set[tuple[str, Any]]
    ) -> None:
        safety = self.platform.safety
        everything = [machine.vm for machine in self.platform.machines.values()]
        free = [vm for vm in everything if not barred(vm, safety)]
        assert self.record <= {vm.name for vm in free}
        if safety.max_vms is not None:
            assert len(self.record) <= safety.max_vms
        for part, place in new_at:
            there = [vm for vm in free if self.touched_at.get((vm.name, part), None) == place]
            others = [
                vm
                for vm in free
                if (vm.name, part) not in self.touched_at and place_of(vm, part) == place
            ]
            most = getattr(self.limits, part)
            if most is not None:
                assert len(there) <= share(most, len(there) + len(others))
        pool = self.pool(vms, free)
        if self.limits.inventory is not None and new & pool:
            assert len(self.record & pool) <= share(self.limits.inventory, len(pool))
        if safety.min_running is not None and down & pool:
            running = {vm.name for vm in free if self.platform.machines[vm.id].state is ON}
            assert len(running & pool) >= safety.min_running

    def pool(self, vms: dict[str, Any], free: list[VM]) -> set[str]:
        """The names of those that the selection is about, now or where they were touched."""
        group = {key: vms[key] for key in ("name", "cluster", "host", "exclude") if key in vms}
        chosen = Selection({"all": True, **group})
        by_id = {vm.id: vm for vm in free}
        then = [
            replace(by_id[was.id], cluster=was.cluster, host=was.host) for was in self.touched_as
        ]
        return {vm.name for vm in (*free, *then) if chosen.read([vm])}


@settings(deadline=None, max_examples=200)
@given(estates, limits, actions)
def test_no_sequence_of_actions_passes_a_limit(
    estate: list[dict[str, Any]], limit: dict[str, Any], sequence: list[tuple[str, Any, Any]]
) -> None:
    with new_run():
        platform = made(estate, Safety(**limit))
        watched = Watched(platform)
        for verb, vms, moved in sequence:
            move(platform, moved)
            watched.act(verb, vms)


@settings(deadline=None, max_examples=150)
@given(estates, limits, actions)
def test_plan_and_action_agree(
    estate: list[dict[str, Any]], limit: dict[str, Any], sequence: list[tuple[str, Any, Any]]
) -> None:
    with new_run():
        platform = made(estate, Safety(**limit))
        for verb, vms, moved in sequence:
            move(platform, moved)
            options = {} if verb in ("power_on", "suspend") else {"graceful": False}
            sent = list(platform.sent)
            try:
                plan = platform.plan(verb, vms, **options).to_json()
            except SelectionError:
                assert not isinstance(act(platform, verb, vms), set)
                continue
            assert platform.sent == sent
            again = vms | {"seed": plan["seed"]} if plan["seed"] is not None else vms
            done = act(platform, verb, again)
            if plan["possible"]:
                assert done == {vm["name"] for vm in plan["vms"] if vm["changes"]}
            else:
                assert done in (OperationRefused, GuardStopped, GuardUnchecked)


@settings(deadline=None, max_examples=100)
@given(estates, limits, verbs, selections, st.randoms(use_true_random=False))
def test_the_order_of_the_inventory_does_not_matter(
    estate: list[dict[str, Any]], limit: dict[str, Any], verb: str, vms: Any, shuffled: Any
) -> None:
    def outcome(order: random.Random | None) -> Any:
        with new_run():
            platform = made(estate, Safety(**limit))
            inventory = platform.inventory

            def read(*arguments: Any, **more: Any) -> list[VM]:
                found = inventory(*arguments, **more)
                if order is not None:
                    order.shuffle(found)
                return found

            platform.inventory = read  # type: ignore[method-assign]
            return act(platform, verb, vms)

    assert outcome(None) == outcome(shuffled)


@settings(deadline=None, max_examples=100)
@given(estates, limits, selections)
def test_the_same_seed_draws_the_same_and_never_what_is_protected(
    estate: list[dict[str, Any]], limit: dict[str, Any], vms: Any
) -> None:
    platform = made(estate, Safety(protect=limit["protect"]))

    def drawn() -> list[str] | None:
        try:
            return [vm["name"] for vm in platform.plan("power_on", vms).to_json()["vms"]]
        except SelectionError:
            return None

    with new_run():
        first = drawn()
        assert first == drawn()
        for name in first or ():
            assert not barred(platform.machine(name).vm, platform.safety)


vms_of_cases = st.lists(
    st.tuples(places, st.sampled_from((ON, OFF))),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=200)
@given(vms_of_cases, limits, st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)), st.randoms())
def test_verdicts_do_not_depend_on_the_order_and_grow_with_what_is_changed(
    given_vms: list[tuple[dict[str, Any], PowerState]],
    limit: dict[str, Any],
    now: set[int],
    before: set[int],
    shuffled: random.Random,
) -> None:
    vms = [
        VM(
            id=f"vm-{number}",
            name=f"web-{number}",
            platform="fake",
            power_state=state,
            status=state.value,
            **place,
        )
        for number, (place, state) in enumerate(given_vms)
    ]

    def judged(changing: list[VM], inventory: list[VM]) -> dict[tuple[str, str], tuple[int, bool]]:
        case = GuardRequest(
            Operation.POWER_OFF, "fake", "here", changing, inventory, lambda vm: True
        )
        usage = {case.key(vm): [vm] for vm in vms if int(vm.id[3:]) in before}
        found = guard_results(case, Usage(usage, frozenset()), Safety(**limit))
        return {(each.key, each.scope): (each.would_be, each.ok) for each in found}

    changing = [vm for vm in vms if int(vm.id[3:]) in now]
    usual = judged(changing, vms)
    mixed, mixed_changing = list(vms), list(changing)
    shuffled.shuffle(mixed)
    shuffled.shuffle(mixed_changing)
    assert judged(mixed_changing, mixed) == usual
    if changing:
        fewer = judged(changing[:-1], vms)
        assert not [key for key, (_, ok) in usual.items() if ok and not fewer.get(key, (0, ok))[1]]
