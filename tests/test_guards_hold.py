"""Whatever is done, in whatever order: no more than the limits, and nothing protected."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosvm import ledger as ledgers
from chaosvm.account import Counted
from chaosvm.errors import GuardStopped, OperationRefused, SelectionError
from chaosvm.guards import Case, verdicts
from chaosvm.order import Operation
from chaosvm.safety import Percent, Safety
from chaosvm.selection import Selection
from chaosvm.vm import VM, PowerState
from tests.fakes import OFF, ON, SUSPENDED, FakePlatform

pytestmark = pytest.mark.timeout(300)

TAG = "chaosvm-protect"
CLUSTERS, HOSTS, TIERS = ("c1", "c2", None), ("h1", "h2", "h3"), ("web", "db", "app")

machines = st.fixed_dictionaries(
    {
        "tier": st.sampled_from(TIERS),
        "cluster": st.sampled_from(CLUSTERS),
        "host": st.sampled_from(HOSTS),
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
actions = st.lists(st.tuples(verbs, selections), min_size=1, max_size=5)


def made(estate: list[dict[str, Any]], safety: Safety) -> FakePlatform:
    platform = FakePlatform()
    platform.safety = safety
    for number, given_ in enumerate(estate):
        given_ = dict(given_)
        tier, state = given_.pop("tier"), given_.pop("state")
        platform.add(f"{tier}-{number}", state, **given_)
    return platform


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
    except (OperationRefused, SelectionError) as error:
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


def check(
    platform: FakePlatform, vms: dict[str, Any], added: set[str], taken_down: set[str]
) -> None:
    """What must hold after an action that was carried out, on VMs that are new to the run."""
    safety, all_touched = platform.safety, {name for name, _ in platform.sent}
    everything = [machine.vm for machine in platform.machines.values()]
    free = [vm for vm in everything if not barred(vm, safety)]
    assert not [vm.name for vm in everything if barred(vm, safety) and vm.name in all_touched]
    if safety.max_vms is not None:
        assert len(all_touched) <= safety.max_vms
    group = {key: value for key, value in vms.items() if key in ("name", "cluster", "host")}
    group |= {"exclude": vms["exclude"]} if "exclude" in vms else {}
    pool = Selection({"all": True, **group}).read(free)
    percent = safety.max_percent or Percent()
    scopes = [("inventory", pool)]
    for part in ("cluster", "host"):
        places = {getattr(vm, part) for vm in free} - {None}
        scopes += [(part, [vm for vm in free if getattr(vm, part) == place]) for place in places]
    for part, scope in scopes:
        most, names = getattr(percent, part), {vm.name for vm in scope}
        if most is not None and added & names:
            assert len(all_touched & names) <= share(most, len(scope))
    if safety.min_running is not None and taken_down & {vm.name for vm in pool}:
        running = [vm for vm in pool if platform.machines[vm.id].state is ON]
        assert len(running) >= safety.min_running


@settings(deadline=None, max_examples=150)
@given(estates, limits, actions)
def test_no_sequence_of_actions_passes_a_limit(
    estate: list[dict[str, Any]], limit: dict[str, Any], sequence: list[tuple[str, Any]]
) -> None:
    with new_run():
        platform = made(estate, Safety(**limit))
        for verb, vms in sequence:
            on = {each.vm.name for each in platform.machines.values() if each.state is ON}
            touched = {name for name, _ in platform.sent}
            done = act(platform, verb, vms)
            if isinstance(done, set):
                # A VM that was reset is on again already.
                down = done & on if verb in ("power_off", "suspend") else set()
                check(platform, vms, done - touched, down)


@settings(deadline=None, max_examples=150)
@given(estates, limits, actions)
def test_plan_and_action_agree(
    estate: list[dict[str, Any]], limit: dict[str, Any], sequence: list[tuple[str, Any]]
) -> None:
    with new_run():
        platform = made(estate, Safety(**limit))
        for verb, vms in sequence:
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
                assert done in (OperationRefused, GuardStopped)


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
    st.tuples(st.sampled_from(CLUSTERS), st.sampled_from(HOSTS), st.sampled_from((ON, OFF))),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=200)
@given(vms_of_cases, limits, st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)), st.randoms())
def test_verdicts_do_not_depend_on_the_order_and_grow_with_what_is_changed(
    given_vms: list[tuple[Any, Any, PowerState]],
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
            cluster=cluster,
            host=host,
        )
        for number, (cluster, host, state) in enumerate(given_vms)
    ]

    def judged(changing: list[VM], inventory: list[VM]) -> dict[tuple[str, str], tuple[int, bool]]:
        case = Case(Operation.POWER_OFF, "fake", "here", changing, inventory, lambda vm: True)
        counted = {case.key(vm): vm for vm in vms if int(vm.id[3:]) in before}
        found = verdicts(case, Counted(counted, frozenset()), Safety(**limit))
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
