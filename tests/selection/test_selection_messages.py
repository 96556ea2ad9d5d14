"""The exact messages for wrong selections, and for those that no VM matches."""

from __future__ import annotations

from typing import Any

import pytest

from chaosvm.errors import ChaosVMError, InvalidValue, NoSuchVM, SelectionError
from chaosvm.selection import Selection
from chaosvm.vm import VM, PowerState


def vm(number: int, name: str, **fields: Any) -> VM:
    known = {"platform": "fake", "power_state": PowerState.POWERED_ON, "status": "up", **fields}
    return VM(name=name, id=f"vm-{number}", **known)


WEB = vm(1, "web-1", cluster="c1", folder="prod/web", host="h1", datacenter="d", guest_os="Linux")
ESTATE = [
    WEB,
    vm(2, "web-2", cluster="c2", folder="web"),
    vm(3, "db", power_state=PowerState.POWERED_OFF),
]
MANY = [vm(number, f"v{number}", cluster=f"c{number:02}") for number in range(9)]
CANNOT = ": expected"
STATES = "one of powered_on, powered_off, suspended, paused, transitioning, unknown"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"regex": 5}, f"vms.regex is 5{CANNOT} a regular expression"),
        (
            {"regex": "("},
            f"vms.regex is '('{CANNOT} a regular expression "
            "(missing ), unterminated subpattern at position 0)",
        ),
        ({"power_state": 5}, f"vms.power_state is 5{CANNOT} a power state, or a list of them"),
        ({"power_state": ["powered_on", "x"]}, f"vms.power_state is 'x'{CANNOT} {STATES}"),
        ({"all": False}, f"vms.all is False{CANNOT} true; otherwise leave the key out"),
        ({"count": 1, "percent": 2}, "vms has both count and percent: give one of them"),
        ({"seed": 1}, "vms has a seed but nothing to sample: add count or percent"),
        (
            {"count": 1},
            "vms is {'count': 1}, which only narrows: add which VMs, "
            'such as {"name": "web-*"}, or {"all": true} for every VM',
        ),
        (
            {},
            f"vms is {{}}{CANNOT} a mapping such as "
            '{"name": "web-*", "cluster": "prod", "count": 2}',
        ),
    ],
    ids=str,
)
def test_a_selection_that_is_wrong(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        Selection(given)
    assert str(caught.value) == message


@pytest.mark.parametrize("key", ["count", "seed", "both"])
def test_the_argument_is_named(key: str) -> None:
    given = {"count": {"count": 1}, "seed": {"seed": 1}, "both": {"count": 1, "percent": 1}}[key]
    with pytest.raises(InvalidValue, match=r"^targets (is|has) "):
        Selection(given, "targets")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "x*"}, "none matches name 'x*'. Names: db, web-1, web-2"),
        ({"name": ["x*", "y"]}, "none matches name 'x*' or 'y'. Names: db, web-1, web-2"),
        ({"name": "wbe*"}, "none matches name 'wbe*'. Names: web-1, web-2, db"),
        ({"name": "wbe-*"}, "none matches name 'wbe-*'. Names: web-1, web-2, db"),
        ({"regex": "q"}, "none matches regex 'q'. Names: db, web-1, web-2"),
        (
            {"name": "web*", "cluster": "c3"},
            "2 VMs match name 'web*'; none is in cluster 'c3'. Clusters: c1, c2",
        ),
        (
            {"name": "db", "host": "q"},
            "1 VM matches name 'db'; none is on host 'q'. Powered off, and so on no host: 'db'",
        ),
        (
            {"host": "h1", "power_state": "powered_off"},
            "1 VM matches host 'h1'; none has power_state 'powered_off'. "
            "Power states: powered_on. Powered off, and so on no host: 'db'",
        ),
        (
            {"host": "h1", "power_state": "suspended"},
            "1 VM matches host 'h1'; none has power_state 'suspended'. Power states: powered_on",
        ),
        ({"folder": "q"}, "none is in folder 'q'. Folders: prod/web, web"),
        ({"host": "q"}, "none is on host 'q'. Hosts: h1. Powered off, and so on no host: 'db'"),
        ({"datacenter": "q"}, "none is in datacenter 'q'. Datacenters: d"),
        ({"guest_os": "q"}, "none has guest_os 'q'. Guest systems: Linux"),
        (
            {"power_state": "suspended"},
            "none has power_state 'suspended'. Power states: powered_off, powered_on",
        ),
        ({"all": True, "exclude": "*"}, "none is left by exclude '*'"),
    ],
    ids=str,
)
def test_the_key_that_leaves_no_vm(given: dict[str, Any], message: str) -> None:
    selection = Selection(given)
    with pytest.raises(NoSuchVM) as caught:
        selection.choose(ESTATE)
    assert str(caught.value) == f"no VM matches {selection} (3 VMs are known): {message}"


@pytest.mark.parametrize(("number", "last"), [(8, "c07"), (9, "c07, ...")])
def test_no_more_than_eight_are_offered(number: int, last: str) -> None:
    with pytest.raises(NoSuchVM) as caught:
        Selection({"cluster": "q"}).choose(MANY[:number])
    offered = ", ".join(f"c{each:02}" for each in range(7))
    assert str(caught.value).endswith(f": none is in cluster 'q'. Clusters: {offered}, {last}")


@pytest.mark.parametrize(
    ("given", "estate", "message"),
    [
        ({"all": True}, [], 'no VM matches {"all": true}: 0 VMs are known'),
        ({"names": "b"}, ESTATE[:1], "no VM is called 'b': 1 VM is known"),
        (
            {"all": True, "count": 5},
            ESTATE,
            'count is 5, but only 3 VMs match {"all": true, "count": 5}',
        ),
        (
            {"all": True, "exclude": "wb-1"},
            ESTATE,
            "exclude names 'wb-1', but no VM has that name (did you mean 'web-1'?)",
        ),
    ],
    ids=str,
)
def test_what_is_not_there(given: dict[str, Any], estate: list[VM], message: str) -> None:
    with pytest.raises(NoSuchVM) as caught:
        Selection(given).choose(estate)
    assert str(caught.value) == message


def test_what_is_never_touched() -> None:
    with pytest.raises(ChaosVMError) as caught:
        Selection({"name": "web*"}).choose(ESTATE, lambda each: "is a template")
    assert str(caught.value) == (
        'no VM matches {"name": "web*"}: 3 VMs are known, and those that match are never touched: '
        "'web-1' (vm-1) is a template; 'web-2' (vm-2) is a template"
    )


def test_tags_that_were_not_read() -> None:
    with pytest.raises(SelectionError) as caught:
        Selection({"tag": ["a", "b"]}).matching(ESTATE)
    assert str(caught.value) == "tag 'a', 'b' cannot be looked for: fake returned no tags"


def test_a_key_that_a_platform_does_not_support() -> None:
    with pytest.raises(InvalidValue) as caught:
        Selection({"name": "x", "folder": "y"}).refuse_keys(["folder", "host"], "olvm")
    assert str(caught.value) == "olvm does not support the selection key 'folder'"
    Selection({"name": "x"}).refuse_keys(["folder", "host"], "olvm")


# What is in it ---------------------------------------------------------------------------


def test_it_is_shown_as_it_was_given() -> None:
    assert str(Selection({"name": "ü", "count": 1})) == '{"name": "ü", "count": 1}'


def test_a_folder_at_the_top_and_one_below() -> None:
    for folder in ("web", "prod/web", "w*b"):
        assert WEB in Selection({"folder": folder}).matching(ESTATE)
    assert Selection({"folder": "web"}).matching(ESTATE) == ESTATE[:2]
    assert Selection({"folder": "prod"}).matching(ESTATE) == []


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": "x"}, "name id"),
        ({"host": "x"}, "name id host"),
        ({"cluster": "x", "guest_os": "y"}, "name id cluster guest_os"),
        ({"names": "x"}, "name id instance_uuid path"),
        ({"all": True, "count": 1}, "name id"),
    ],
    ids=str,
)
def test_the_fields_that_it_reads(given: dict[str, Any], fields: str) -> None:
    assert Selection(given).fields == set(fields.split())


@pytest.mark.parametrize(
    ("given", "only"),
    [
        ({"names": ["a"], "ids": ["b"]}, ("a", "b")),
        ({"ids": ["b"]}, ("b",)),
        ({"name": "a"}, None),
        ({"names": ["a"], "exclude": "b"}, None),
    ],
    ids=str,
)
def test_the_names_to_which_it_is_limited(given: dict[str, Any], only: Any) -> None:
    assert Selection(given).only == only


@pytest.mark.parametrize(
    ("given", "narrows"),
    [({"name": "*"}, True), ({"all": True}, False), ({"all": True, "exclude": "a"}, False)],
    ids=str,
)
def test_whether_it_narrows(given: dict[str, Any], narrows: bool) -> None:
    assert Selection(given).has_filters is narrows


@pytest.mark.parametrize(
    ("given", "about"),
    [
        ({"names": ["other"]}, True),
        ({"ids": ["other"]}, True),
        ({"power_state": "suspended"}, True),
        ({"name": "web-*"}, True),
        ({"name": "other"}, False),
        ({"host": "h1", "cluster": "c2"}, False),
    ],
    ids=str,
)
def test_what_a_selection_is_about_is_not_its_state_or_its_names(
    given: dict[str, Any], about: bool
) -> None:
    assert Selection(given).in_scope(WEB) is about


def test_without_a_seed_each_sample_has_a_new_one() -> None:
    selection = Selection({"all": True, "count": 1})
    seeds = {selection.choose(ESTATE).seed for _ in range(5)}
    assert len(seeds) == 5
    assert all(seed is not None and 0 <= seed < 2**32 for seed in seeds)
    assert any(seed > 2**16 for seed in seeds if seed is not None)


def test_the_same_seed_draws_the_same_as_ever() -> None:
    """In another version too: a seed is written down to be used again."""
    drawn = Selection({"all": True, "count": 3, "seed": 7}).choose(MANY)
    assert [each.name for each in drawn.vms] == ["v2", "v4", "v7"]


def test_a_name_is_no_id() -> None:
    with pytest.raises(NoSuchVM, match="'web-1'"):
        Selection({"ids": ["web-1"]}).choose(ESTATE)
    assert Selection({"ids": ["vm-1"]}).choose(ESTATE).vms == (WEB,)


def test_what_is_refused_can_be_told_beside_what_is_chosen() -> None:
    def barred(vms: Any) -> dict[str, str]:
        return {each.id: "is protected" for each in vms if each.name == "db"}

    choice = Selection({"names": ["web-1", "db"]}).choose(ESTATE, None, barred, return_refused=True)
    assert choice.vms == (WEB,)
    assert choice.refused == ((ESTATE[2], "is protected"),)
    assert choice.passed_over == ()


def test_for_what_was_refused_too_few_may_be_left() -> None:
    selection = Selection({"names": ["web-1", "db"], "count": 2})
    choice = selection.choose(
        ESTATE, lambda each: "is a template" if each.name == "db" else None, return_refused=True
    )
    assert choice.vms == (WEB,)


def test_where_no_vm_has_such_a_thing_nothing_is_offered() -> None:
    with pytest.raises(NoSuchVM, match=r"none is on host 'q'$"):
        Selection({"host": "q"}).choose(ESTATE[1:2])
