from __future__ import annotations

import random
import re
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosvm.errors import (
    AmbiguousVM,
    InvalidValue,
    NoSuchVM,
    OperationRefused,
    SelectionError,
)
from chaosvm.selection import Selection, find_one
from chaosvm.vm import VM, PowerState

ON, OFF, SUSPENDED = PowerState.POWERED_ON, PowerState.POWERED_OFF, PowerState.SUSPENDED
UUID = "502E71fa-1a2b-3c4d-5e6f-708192a3b4c5"


def vm(id: str, name: str, state: PowerState = ON, **fields: Any) -> VM:
    return VM(id=id, name=name, platform="fake", power_state=state, status=state.value, **fields)


ESTATE = [
    vm(
        "vm-1",
        "web-1",
        datacenter="Paris",
        cluster="prod",
        host="esx1",
        folder="/Paris/vm/prod/front",
        path="/Paris/vm/prod/front/web-1",
        tags=("tier:web", "gold"),
        guest_os="Debian GNU/Linux 12 (64-bit)",
        instance_uuid=UUID,
        metadata={"qualified_tags": ["service/gold"]},
    ),
    vm(
        "vm-2",
        "web-2",
        OFF,
        datacenter="Paris",
        cluster="prod",
        host="esx2",
        folder="/Paris/vm/prod/front",
        path="/Paris/vm/prod/front/web-2",
        tags=("tier:web",),
        guest_os="Debian GNU/Linux 12 (64-bit)",
    ),
    vm(
        "vm-3",
        "db",
        datacenter="Paris",
        cluster="prod",
        host="esx1",
        folder="/Paris/vm/prod",
        path="/Paris/vm/prod/db",
        tags=("gold",),
        guest_os="Microsoft Windows Server 2022",
        metadata={"qualified_tags": ["colour/gold"]},
    ),
    vm(
        "vm-4",
        "db",
        SUSPENDED,
        datacenter="Lyon",
        cluster="test",
        host="esx9",
        folder="/Lyon/vm",
        path="/Lyon/vm/db",
        tags=(),
    ),
    vm("vm-5", "a/b", datacenter="Lyon", path="/Lyon/vm/a%2fb", aliases=("a%2fb",), tags=()),
    vm("vm-6", "tpl", OFF, template=True, datacenter="Lyon", cluster="test", tags=()),
]


def chosen(vms: Any, inventory: list[VM] = ESTATE, **options: Any) -> list[str]:
    """The ids of the VMs chosen to act on."""
    return sorted(vm.id for vm in Selection(vms).choose(inventory, **options).vms)


def immutable(vm: VM) -> str | None:
    return "is a template" if vm.template else None


# One key at a time ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vms", "ids"),
    [
        ({"names": ["web-1", "web-2"]}, ["vm-1", "vm-2"]),
        ({"names": "web-1"}, ["vm-1"]),
        ({"names": ["a/b"]}, ["vm-5"]),
        ({"names": ["a%2fb"]}, ["vm-5"]),
        ({"names": ["vm-3"]}, ["vm-3"]),
        ({"names": ["/Lyon/vm/db"]}, ["vm-4"]),
        ({"names": [UUID.swapcase()]}, ["vm-1"]),
        ({"names": ["web-1", "vm-1", UUID]}, ["vm-1"]),
        ({"name": "web-*"}, ["vm-1", "vm-2"]),
        ({"name": ["*-1", "tpl"]}, ["vm-1", "vm-6"]),
        ({"name": "web-[12]"}, ["vm-1", "vm-2"]),
        ({"name": "db"}, ["vm-3", "vm-4"]),
        ({"name": "*/*"}, ["vm-5"]),
        ({"regex": "web-[0-9]"}, ["vm-1", "vm-2"]),
        ({"regex": "d.|tpl"}, ["vm-3", "vm-4", "vm-6"]),
        ({"ids": ["vm-1", "vm-4"]}, ["vm-1", "vm-4"]),
        ({"ids": "vm-3"}, ["vm-3"]),
        ({"ids": [UUID.lower()]}, ["vm-1"]),
        ({"datacenter": "Lyon"}, ["vm-4", "vm-5", "vm-6"]),
        ({"datacenter": ["P*", "Lyon"]}, ["vm-1", "vm-2", "vm-3", "vm-4", "vm-5", "vm-6"]),
        ({"cluster": "prod"}, ["vm-1", "vm-2", "vm-3"]),
        ({"cluster": "*"}, ["vm-1", "vm-2", "vm-3", "vm-4", "vm-6"]),
        ({"host": "esx[19]"}, ["vm-1", "vm-3", "vm-4"]),
        ({"folder": "/Paris/vm/prod/front"}, ["vm-1", "vm-2"]),
        ({"folder": "front"}, ["vm-1", "vm-2"]),
        ({"folder": "prod"}, ["vm-3"]),
        ({"folder": "/Paris/*"}, ["vm-1", "vm-2", "vm-3"]),
        ({"tag": "gold"}, ["vm-1", "vm-3"]),
        ({"tag": ["tier:*", "gold"]}, ["vm-1", "vm-2", "vm-3"]),
        ({"tag": "service/gold"}, ["vm-1"]),
        ({"guest_os": "*debian*"}, ["vm-1", "vm-2"]),
        ({"guest_os": ["*WINDOWS*", "*Debian*"]}, ["vm-1", "vm-2", "vm-3"]),
        ({"power_state": "powered_on"}, ["vm-1", "vm-3", "vm-5"]),
        ({"power_state": ["suspended", "powered_off"]}, ["vm-2", "vm-4", "vm-6"]),
        ({"all": True}, ["vm-1", "vm-2", "vm-3", "vm-4", "vm-5", "vm-6"]),
        ({"all": "true"}, ["vm-1", "vm-2", "vm-3", "vm-4", "vm-5", "vm-6"]),
    ],
    ids=str,
)
def test_what_each_key_means(vms, ids):
    assert chosen(vms) == ids


@pytest.mark.parametrize(
    "vms",
    [
        {"name": "web"},
        {"name": "WEB-*"},
        {"name": "vm-1"},
        {"regex": "web"},
        {"regex": "eb-1"},
        {"ids": ["web-1"]},
        {"ids": ["vm-"]},
        {"names": ["web-*"]},
        {"names": ["*"]},
        {"ids": ["*"]},
        {"datacenter": "paris"},
        {"folder": "vm/prod"},
        {"folder": "/Paris"},
        {"tag": "silver"},
        {"power_state": "paused"},
    ],
    ids=str,
)
def test_what_a_key_does_not_mean(vms):
    with pytest.raises(NoSuchVM):
        chosen(vms)
    assert Selection(vms).read(ESTATE) == []


# Keys together -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vms", "ids"),
    [
        ({"name": "*", "cluster": "prod", "power_state": "powered_on"}, ["vm-1", "vm-3"]),
        ({"name": "web-*", "regex": ".*2"}, ["vm-2"]),
        ({"names": ["web-1", "web-2"], "power_state": "powered_off"}, ["vm-2"]),
        ({"names": ["db"], "datacenter": "Lyon"}, ["vm-4"]),
        ({"names": ["db"], "exclude": ["vm-3"]}, ["vm-4"]),
        ({"names": ["db"], "ids": ["vm-3"], "cluster": "prod"}, ["vm-3"]),
        ({"all": True, "datacenter": "Lyon"}, ["vm-4", "vm-5", "vm-6"]),
        ({"cluster": "prod", "exclude": "web-*"}, ["vm-3"]),
        ({"all": True, "exclude": ["vm-?"], "host": "*"}, None),
        ({"datacenter": "Paris", "tag": "gold", "guest_os": "*win*", "host": "esx1"}, ["vm-3"]),
        ({"ids": ["vm-1"], "name": "db"}, None),
    ],
    ids=str,
)
def test_all_keys_must_hold(vms, ids):
    if ids is None:
        with pytest.raises(NoSuchVM):
            chosen(vms)
    else:
        assert chosen(vms) == ids


@pytest.mark.parametrize(
    ("exclude", "ids"),
    [
        ("web-1", ["vm-2"]),
        (["web-1", "nothing*"], ["vm-2"]),
        ("*1", ["vm-2"]),
        ("vm-1", ["vm-2"]),
        (UUID, ["vm-2"]),
        (UUID.lower(), ["vm-2"]),
        (UUID.upper(), ["vm-2"]),
        ("/Paris/vm/prod/front/web-1", ["vm-2"]),
        ("*/front/*1", ["vm-2"]),
    ],
)
def test_what_is_excluded_by_name_id_uuid_or_path(exclude, ids):
    assert chosen({"name": "web-*", "exclude": exclude}) == ids


def test_a_name_to_exclude_that_no_vm_has_is_refused():
    """It is most likely misspelt, and the VM that was to be spared would not be."""
    with pytest.raises(NoSuchVM, match=r"exclude names 'WEB-1'.*did you mean 'web-1'"):
        chosen({"name": "web-*", "exclude": ["web-2", "WEB-1"]})


def test_an_alias_is_excluded_too():
    assert "vm-5" not in chosen({"datacenter": "Lyon", "exclude": "a%2fb"})


@pytest.mark.parametrize("name", ["db[1]", "what?", "[a-c]", "a*"])
def test_what_is_excluded_by_its_very_name_is_excluded(name):
    """A name with the characters of a glob must not slip through."""
    inventory = [vm("vm-1", name), vm("vm-2", "other")]
    assert chosen({"all": True, "exclude": [name]}, inventory) == ["vm-2"]


# What is refused before anything is looked at ------------------------------------------


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("nmae", "name"),
        ("exclud", "exclude"),
        ("data_center", "datacenter"),
        ("power", None),
        ("everything", None),
        ("Name", "name"),
    ],
)
def test_an_unknown_key(key, suggestion):
    with pytest.raises(InvalidValue, match=f"vms has the unknown key '{key}'") as refused:
        Selection({"name": "web-*", key: "x"})
    if suggestion:
        assert f"did you mean {suggestion!r}?" in str(refused.value)


@pytest.mark.parametrize("vms", [{}, None, [], ["web"], 3, True])
def test_anything_but_a_filled_mapping_is_refused(vms):
    with pytest.raises(InvalidValue, match=r"^vms is .*a mapping such as \{"):
        Selection(vms)


def test_a_list_of_names_is_refused_with_the_mapping_to_write() -> None:
    with pytest.raises(InvalidValue, match=r'a mapping such as \{"names": \["web-1", "web-2"\]\}$'):
        Selection(["web-1", "web-2"])
    with pytest.raises(InvalidValue, match=r'a mapping such as \{"names": \[\.\.\.\]\}$'):
        Selection(["web-1"] * 100)


BARE = "a bare string is not taken, so that nothing is selected by accident: did you mean"


@pytest.mark.parametrize(
    ("vms", "message"),
    [
        ("web-*", f'vms is \'web-*\'; {BARE} {{"name": "web-*"}}?'),
        ("plan.json", f'vms is \'plan.json\'; {BARE} {{"plan": "plan.json"}}?'),
        ('{"name": x}', """vms is '{"name": x}', which is not JSON (Expecting value: line 1"""),
        ("{" * 100, "vms is '{{{"),
        ("${vms}", "vms is '${vms}': expected a mapping such as"),
        ("", "vms is empty: expected a mapping such as"),
        ("w" * 201, "vms is 'www"),
        ('["web-1"]', """vms is ['web-1']: expected a mapping such as {"names": ["web-1"]}"""),
        ("[ab]-*", f'vms is \'[ab]-*\'; {BARE} {{"name": "[ab]-*"}}?'),
        ('\'{"name": "web-*"}\'', "vms is '\\'{\"name\": \"web-*\"}\\'': expected a mapping"),
    ],
)
def test_a_bare_string_is_refused(vms: str, message: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        Selection(vms)
    assert str(refused.value).startswith(message)
    assert len(str(refused.value)) < 600


def test_the_json_text_of_a_mapping() -> None:
    """As `chaos init` writes it, and as a variable may hold it."""
    selection = Selection('{"name": ["web-*"], "count": 1, "seed": 3}')
    assert selection.given == {"name": ["web-*"], "count": 1, "seed": 3}
    with pytest.raises(InvalidValue, match="nmae"):
        Selection('{"nmae": "web-*"}')


def test_the_argument_is_called_as_the_caller_calls_it():
    with pytest.raises(InvalidValue, match=r"^targets is "):
        Selection({}, key="targets")


def test_two_samples():
    with pytest.raises(InvalidValue, match="both count and percent"):
        Selection({"name": "web-*", "count": 1, "percent": 50})


def test_a_seed_without_a_sample():
    with pytest.raises(InvalidValue, match="nothing to sample"):
        Selection({"name": "web-*", "seed": 1})


@pytest.mark.parametrize(
    "vms",
    [
        {"exclude": "db*"},
        {"count": 1},
        {"percent": 10},
        {"count": 1, "seed": 3},
        {"exclude": ["db"], "percent": 50, "seed": 3},
    ],
    ids=str,
)
def test_keys_that_only_narrow(vms):
    with pytest.raises(InvalidValue, match=r'only narrows.*\{"all": true\}'):
        Selection(vms)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("names", []),
        ("names", [""]),
        ("names", "${vm_name}"),
        ("names", ["web", "${n}"]),
        ("names", None),
        ("names", 3),
        ("names", [3]),
        ("names", {"web": 1}),
        ("name", ""),
        ("name", "  "),
        ("name", "web-${n}"),
        ("name", []),
        ("regex", "("),
        ("regex", "[a"),
        ("regex", ""),
        ("regex", ["web"]),
        ("regex", "${pattern}"),
        ("ids", []),
        ("ids", [12]),
        ("datacenter", None),
        ("datacenter", ["${dc}"]),
        ("cluster", True),
        ("host", {}),
        ("folder", ""),
        ("tag", [None]),
        ("guest_os", 10),
        ("power_state", "on"),
        ("power_state", "poweredOn"),
        ("power_state", ["powered_on", "of"]),
        ("power_state", []),
        ("exclude", []),
        ("exclude", ""),
        ("exclude", ["${keep}"]),
        ("count", 0),
        ("count", -1),
        ("count", 1.5),
        ("count", "all"),
        ("count", True),
        ("count", None),
        ("percent", 0),
        ("percent", -5),
        ("percent", 100.5),
        ("percent", "50%"),
        ("percent", "nan"),
        ("percent", True),
        ("seed", -1),
        ("seed", "x"),
        ("seed", 1.5),
        ("seed", 2**63),
        ("all", False),
        ("all", "no"),
        ("all", None),
        ("all", 1),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(key, value):
    sample = {"count": 1} if key == "seed" else {}
    with pytest.raises(InvalidValue, match=rf"^vms\.{key} is "):
        Selection({"name": "web-*", **sample, key: value})


def test_a_power_state_that_is_nearly_right():
    with pytest.raises(InvalidValue, match=r"did you mean 'powered_off'\?"):
        Selection({"power_state": "poweredoff"})


# What cannot be found ------------------------------------------------------------------


def test_every_missing_name_is_listed():
    with pytest.raises(NoSuchVM) as refused:
        chosen({"names": ["web-1", "wbe-2", "nowhere"]})
    text = str(refused.value)
    assert "'wbe-2', 'nowhere'" in text
    assert "did you mean 'web-2'?" in text
    assert "'web-1'" not in text
    assert "6 VMs are known" in text


def test_every_missing_id_is_listed():
    with pytest.raises(NoSuchVM, match="'vm-77', 'vm-88'"):
        chosen({"ids": ["vm-1", "vm-77", "vm-88"]})


def test_a_missing_name_is_no_error_when_reading():
    assert [found.id for found in Selection({"names": ["web-1", "no"]}).read(ESTATE)] == ["vm-1"]


def test_a_name_that_is_there_but_does_not_fit_the_other_keys_is_left_out():
    assert chosen({"names": ["web-1", "web-2"], "host": "esx1"}) == ["vm-1"]


def test_no_match_names_the_key_and_lists_existing_values():
    with pytest.raises(NoSuchVM) as refused:
        chosen({"datacenter": "Paris", "cluster": "pord", "name": "*"})
    text = str(refused.value)
    assert '{"datacenter": "Paris", "cluster": "pord", "name": "*"}' in text
    assert "6 VMs are known" in text
    assert text.endswith(
        "3 VMs match name '*' and datacenter 'Paris'; none is in cluster 'pord'. Clusters: prod"
    )


@pytest.mark.parametrize(
    ("vms", "end"),
    [
        ({"names": ["web-1"], "host": "esx2"}, "; none matches names 'web-1'"),
        ({"ids": ["vm-1"], "host": "esx2"}, "; none matches ids 'vm-1'"),
    ],
)
def test_a_name_that_does_not_match_the_other_keys(vms, end):
    with pytest.raises(NoSuchVM, match=r"\(6 VMs are known\): \d VMs? match(es)? host") as refused:
        chosen(vms)
    assert str(refused.value).endswith(end)


def test_when_nothing_fits_only_some_of_what_there_is_is_listed():
    inventory = [vm(f"vm-{number}", f"web-{number:02}") for number in range(20)]
    with pytest.raises(NoSuchVM, match=r"Names: web-00, .*, web-07, \.\.\.$"):
        chosen({"name": "db*"}, inventory)


def test_an_empty_inventory_fits_nothing():
    with pytest.raises(NoSuchVM, match="0 VMs are known"):
        chosen({"all": True}, [])
    assert Selection({"all": True}).read([]) == []
    assert Selection({"all": True, "count": 3}).read([]) == []


@pytest.mark.parametrize("act", [chosen, lambda vms: Selection(vms).read(ESTATE)])
def test_a_name_that_fits_two_vms(act):
    with pytest.raises(AmbiguousVM) as refused:
        act({"names": ["web-1", "db"]})
    text = str(refused.value)
    assert "'db' matches 2 VMs" in text
    for place in ("/Paris/vm/prod/db", "/Lyon/vm/db", "vm-3", "vm-4"):
        assert place in text


def test_tags_that_were_not_read_cannot_be_matched():
    inventory = [vm("vm-1", "web", tags=None)]
    for act in (Selection({"tag": "gold"}).choose, Selection({"tag": "gold"}).read):
        with pytest.raises(SelectionError, match="tag 'gold' cannot be looked for"):
            act(inventory)


@pytest.mark.parametrize(("vms", "needed"), [({"tag": "gold"}, True), ({"all": True}, False)])
def test_tags_are_only_needed_for_the_key_tag(vms, needed):
    assert Selection(vms).needs_tags is needed


# What must not be touched --------------------------------------------------------------


def test_what_must_not_be_touched_is_passed_over_by_patterns():
    choice = Selection({"datacenter": "Lyon"}).choose(ESTATE, immutable)
    assert [found.id for found in choice.vms] == ["vm-5", "vm-4"]
    assert [(found.id, why) for found, why in choice.passed_over] == [("vm-6", "is a template")]


@pytest.mark.parametrize(
    "vms",
    [
        {"names": ["web-1", "tpl"]},
        {"names": ["vm-6"]},
        {"ids": ["vm-6", "vm-1"]},
        {"names": ["tpl"], "name": "*"},
    ],
    ids=str,
)
def test_what_must_not_be_touched_is_refused_by_name(vms):
    with pytest.raises(OperationRefused, match=r"nothing was touched: 'tpl' \(vm-6\) is a templ"):
        chosen(vms, immutable=immutable)


def test_a_pattern_that_only_reaches_what_must_not_be_touched():
    with pytest.raises(NoSuchVM, match=r"never touched: 'tpl' \(vm-6\) is a template"):
        chosen({"name": "tpl*"}, immutable=immutable)


def test_a_sample_has_no_blocked_vms():
    inventory = [vm(f"vm-{n}", f"web-{n}", template=n % 2 == 0) for n in range(10)]

    assert len(chosen({"name": "web-*", "count": 5}, inventory, immutable=immutable)) == 5
    assert len(chosen({"name": "web-*", "percent": 40}, inventory, immutable=immutable)) == 2
    with pytest.raises(NoSuchVM, match="count is 6, but only 5 VMs match"):
        chosen({"name": "web-*", "count": 6}, inventory, immutable=immutable)


# Samples -------------------------------------------------------------------------------

HUNDRED = [vm(f"vm-{number}", f"web-{number:03}") for number in range(100)]


@pytest.mark.parametrize(
    ("sample", "size"),
    [
        ({"count": 1}, 1),
        ({"count": "7"}, 7),
        ({"count": 100}, 100),
        ({"percent": 1}, 1),
        ({"percent": "29"}, 29),
        ({"percent": 57}, 57),
        ({"percent": 1.9}, 1),
        ({"percent": 99.99}, 99),
        ({"percent": 100}, 100),
    ],
    ids=str,
)
def test_how_large_a_sample_is(sample, size):
    assert len(chosen({"all": True, **sample}, HUNDRED)) == size


def test_a_percentage_does_not_lose_a_vm_in_floating_point():
    inventory = [vm(f"vm-{number}", "web") for number in range(500)]
    assert len(chosen({"name": "web", "percent": 64.6}, inventory)) == 323


def test_a_count_larger_than_what_fits():
    with pytest.raises(NoSuchVM, match=r"count is 3, but only 2 VMs match .*web-"):
        chosen({"name": "web-*", "count": 3})


def test_a_percentage_below_one_vm():
    with pytest.raises(NoSuchVM) as refused:
        chosen({"all": True, "percent": 10})
    assert str(refused.value) == (
        "10 % of 6 VMs rounds down to 0: use 17, or count: 1. "
        'The selection is {"all": true, "percent": 10}'
    )


@pytest.mark.parametrize(
    ("percent", "total", "enough"),
    [(33, 3, "34"), (99.9, 1, "100"), (0.5, 100, "1"), (0.5, 101, "0.991"), (0.001, 2000, "0.05")],
)
def test_the_percentage_that_is_offered_is_enough_for_one_vm(percent, total, enough):
    inventory = [vm(f"vm-{number}", f"web-{number}") for number in range(total)]
    with pytest.raises(NoSuchVM, match=rf"rounds down to 0: use {re.escape(enough)}, or count: 1"):
        chosen({"all": True, "percent": percent}, inventory)
    assert len(chosen({"all": True, "percent": enough}, inventory)) == 1


def test_the_result_has_the_seed():
    assert Selection({"all": True, "count": 3, "seed": "42"}).choose(HUNDRED).seed == 42
    assert Selection({"all": True}).choose(HUNDRED).seed is None

    drawn = Selection({"all": True, "count": 3}).choose(HUNDRED)
    again = Selection({"all": True, "count": 3, "seed": drawn.seed}).choose(HUNDRED)
    assert again == drawn


def test_another_draw_is_another_seed():
    selection = Selection({"all": True, "count": 3})
    assert len({selection.choose(HUNDRED).seed for _ in range(5)}) == 5


def test_different_seeds_reach_every_vm():
    reached = {
        found
        for seed in range(200)
        for found in chosen({"all": True, "count": 5, "seed": seed}, HUNDRED)
    }
    assert len(reached) == 100


def test_a_draw_is_the_same_in_every_version_of_this_package():
    vms = {"all": True, "count": 3, "seed": 42}
    assert chosen(vms, HUNDRED) == ["vm-54", "vm-64", "vm-93"]


def test_a_smaller_sample_is_part_of_a_larger_one():
    draws = [set(chosen({"all": True, "count": n, "seed": 7}, HUNDRED)) for n in range(1, 30)]
    assert all(less < more for less, more in pairwise(draws))


def test_a_sample_can_be_drawn_for_reading_too():
    vms = {"name": "web-*", "count": 3, "seed": 42}
    read = Selection(vms).read(HUNDRED)
    assert sorted(found.id for found in read) == chosen(vms, HUNDRED)


# Odd names -----------------------------------------------------------------------------

ODD = [
    "two words",
    " leading",
    "trailing ",
    "it's",
    'say "hi"',
    "web[1]",
    "[!a]",
    "*",
    "?",
    "a/b",
    "..",
    "a\\b",
    "\u00fc",
    "u\u0308",
    "名前",
    "🚀",
    "new\nline",
    "tab\t",
    "%2f",
    "$HOME",
    "{}",
    ".*",
    "^x$",
    "(a|b)",
    "None",
    "true",
    "0",
]
# As code points: not every one of them can be given to pytest to choose a test.
ODD_IDS = ["-".join(f"{ord(each):x}" for each in name) for name in ODD]
ODD_ESTATE = [vm(f"id:{number}", name) for number, name in enumerate(ODD)]


@pytest.mark.parametrize("name", ODD, ids=ODD_IDS)
def test_an_odd_name_means_one_vm_and_no_other(name):
    plain = [vm(f"plain:{number}", f"plain-{number}") for number in range(3)]
    only = [f"id:{ODD.index(name)}"]

    assert chosen({"names": [name]}, ODD_ESTATE + plain) == only
    assert find_one(ODD_ESTATE + plain, name).id == only[0]
    assert chosen({"regex": re.escape(name)}, ODD_ESTATE + plain) == only


@pytest.mark.parametrize("name", ["*", "?", "[!a]", ".*", "(a|b)", "%2f", ".."])
def test_an_odd_name_that_is_not_there_means_nothing(name):
    plain = [vm("vm-1", "a"), vm("vm-2", "b")]
    for vms in ({"names": [name]}, {"ids": [name]}):
        with pytest.raises(NoSuchVM):
            chosen(vms, plain)
    with pytest.raises(NoSuchVM):
        find_one(plain, name)


@pytest.mark.parametrize("name", ODD, ids=ODD_IDS)
def test_a_selection_with_an_odd_name_can_be_shown(name):
    with pytest.raises(NoSuchVM) as refused:
        chosen({"name": [f"no such {name}"]}, ODD_ESTATE)
    assert "no such" in str(refused.value)


def test_a_star_covers_slashes_and_newlines():
    assert len(chosen({"name": "*"}, ODD_ESTATE)) == len(ODD)


# One VM by its name --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "id"),
    [
        ("web-1", "vm-1"),
        ("vm-3", "vm-3"),
        (UUID.upper(), "vm-1"),
        ("/Lyon/vm/db", "vm-4"),
        ("a/b", "vm-5"),
        ("a%2fb", "vm-5"),
    ],
)
def test_one_vm_by_name_id_uuid_path_or_alias(word, id):
    assert find_one(ESTATE, word).id == id


def test_one_vm_that_is_not_there():
    with pytest.raises(
        NoSuchVM, match=r"no VM is called 'wbe-1' \(did you mean 'web-1'\?\): 6 VMs"
    ):
        find_one(ESTATE, "wbe-1")


@pytest.mark.parametrize(
    "act",
    [lambda: find_one(ESTATE, "web-*"), lambda: Selection({"names": ["web-*"]}).choose(ESTATE)],
    ids=["vm_name", "names"],
)
def test_a_wildcard_where_none_is_taken(act):
    with pytest.raises(NoSuchVM) as refused:
        act()
    assert str(refused.value) == (
        "no VM is called 'web-*': 6 VMs are known, and vm_name, names and ids take no wildcard: "
        'use a batch activity with {"name": "web-*"}'
    )


def test_one_vm_that_is_two():
    with pytest.raises(AmbiguousVM) as refused:
        find_one(ESTATE, "db")
    for place in ("/Paris/vm/prod/db (id vm-3)", "/Lyon/vm/db (id vm-4)"):
        assert place in str(refused.value)


def test_a_name_that_is_another_vms_id_is_ambiguous():
    with pytest.raises(AmbiguousVM, match="matches 2 VMs"):
        find_one([vm("vm-1", "vm-2"), vm("vm-2", "web")], "vm-2")


@pytest.mark.parametrize("word", ["", " ", None, 3, ["web-1"], "${vm_name}"])
def test_one_vm_without_a_usable_name(word):
    with pytest.raises(InvalidValue, match=r"^vm_name is "):
        find_one(ESTATE, word)


# Whatever the estate -------------------------------------------------------------------

names = st.text(st.sampled_from("ab-1/ *[]ü"), min_size=1, max_size=4)
places = st.sampled_from([None, "a", "b", "ab"])


@st.composite
def estates(draw: st.DrawFn) -> list[VM]:
    count = draw(st.integers(1, 12))
    return [
        vm(
            f"vm-{number}",
            draw(names),
            draw(st.sampled_from(PowerState)),
            datacenter=draw(places),
            cluster=draw(places),
            host=draw(places),
            template=draw(st.booleans()),
        )
        for number in range(count)
    ]


globs = st.lists(
    st.one_of(names, st.sampled_from(["*", "a*", "*b", "?", "[ab]*"])), min_size=1, max_size=2
).filter(lambda words: all(word.strip() for word in words))

filters = st.fixed_dictionaries(
    {"all": st.just(True)},
    optional={
        "name": globs,
        "regex": st.sampled_from(["a.*", ".*b", "[ab1-]+", ".*"]),
        "datacenter": globs,
        "cluster": globs,
        "host": globs,
        "power_state": st.lists(st.sampled_from([*map(str, PowerState)]), min_size=1, max_size=3),
        "exclude": globs,
    },
)
samples = st.one_of(
    st.fixed_dictionaries({"count": st.integers(1, 12)}),
    st.fixed_dictionaries({"percent": st.integers(1, 1000).map(lambda tenths: tenths / 10)}),
)
seeds = st.integers(0, 2**32)


def choice_or_nothing(vms: dict[str, Any], estate: list[VM]) -> list[VM]:
    try:
        return list(Selection(vms).choose(estate, immutable).vms)
    except NoSuchVM:
        return []


@given(estates(), filters, samples, seeds, st.randoms(use_true_random=False))
def test_the_same_seed_draws_the_same_in_any_order(estate, vms, sample, seed, shuffler):
    shuffled = list(estate)
    shuffler.shuffle(shuffled)
    vms = {**vms, **sample, "seed": seed}
    assert choice_or_nothing(vms, estate) == choice_or_nothing(vms, shuffled)


@given(estates(), filters, samples, seeds)
def test_a_sample_is_never_larger_than_agreed(estate, vms, sample, seed):
    all_of_them = choice_or_nothing(vms, estate)
    drawn = choice_or_nothing({**vms, **sample, "seed": seed}, estate)

    assert set(drawn) <= set(all_of_them)
    assert len(drawn) == len(set(drawn))
    if "count" in sample:
        assert len(drawn) in (0, sample["count"])
    else:
        assert len(drawn) * 1000 <= len(all_of_them) * round(sample["percent"] * 10)


@given(estates(), filters, globs)
def test_what_is_excluded_is_never_chosen(estate, vms, exclude):
    for found in choice_or_nothing({**vms, "exclude": exclude}, estate):
        assert found.name not in exclude
        assert found.id not in exclude
        assert not any(fnmatchcase(found.name, glob) for glob in exclude)


@given(estates(), filters)
def test_what_is_chosen_is_all_that_fits_every_key_and_may_be_touched(estate, vms):
    def fits(found: VM) -> bool:
        def glob(key: str, value: str | None) -> bool:
            return key not in vms or (
                value is not None and any(fnmatchcase(value, word) for word in vms[key])
            )

        return (
            not found.template
            and all(glob(key, getattr(found, key)) for key in ("datacenter", "cluster", "host"))
            and glob("name", found.name)
            and ("regex" not in vms or re.fullmatch(vms["regex"], found.name) is not None)
            and ("power_state" not in vms or found.power_state in vms["power_state"])
            and not any(
                fnmatchcase(word, exclude) or word == exclude
                for exclude in vms.get("exclude", ())
                for word in (found.name, found.id)
            )
        )

    def nobody_is_called(word: str) -> bool:
        return not set(word) & set("*?[") and all(
            word not in (found.name, found.id) for found in estate
        )

    chosen_ids = {found.id for found in choice_or_nothing(vms, estate)}
    if any(nobody_is_called(word) for word in vms.get("exclude", ())):
        assert not chosen_ids  # an exclude that spares nobody is an error
    else:
        assert chosen_ids == {found.id for found in estate if fits(found)}


@given(estates(), st.lists(st.integers(0, 20), min_size=1, max_size=4, unique=True))
def test_ids_mean_exactly_these_vms(estate, numbers):
    ids = [f"vm-{number}" for number in numbers]
    there = {found.id for found in estate}
    estate = [replace(found, template=False) for found in estate]

    if there.issuperset(ids):
        assert chosen({"ids": ids}, estate) == sorted(ids)
    else:
        with pytest.raises(NoSuchVM):
            chosen({"ids": ids}, estate)


def test_choosing_leaves_the_state_of_random_alone():
    random.seed(1)
    expected = random.random()
    random.seed(1)
    chosen({"all": True, "count": 3}, HUNDRED)
    assert random.random() == expected


def test_the_fields_that_a_selection_reads() -> None:
    assert Selection({"cluster": "prod", "count": 2}).fields == {"name", "id", "cluster"}


def test_a_selection_by_name_is_limited_to_these_names_unless_it_excludes_some() -> None:
    assert Selection({"names": ["a", "b"], "ids": ["vm-1"]}).only == ("a", "b", "vm-1")
    assert Selection({"names": ["a"], "exclude": ["b"]}).only is None
    assert Selection({"name": "a"}).only is None


# However accents are encoded ---------------------------------------------------------


@pytest.mark.parametrize("excluded", ["caf\u00e9", "cafe\u0301", "caf\u00e9*", "cafe\u0301*"])
@pytest.mark.parametrize("name", ["caf\u00e9", "cafe\u0301"])
def test_what_looks_like_an_excluded_name_is_kept_out(excluded: str, name: str) -> None:
    chosen = Selection({"all": True, "exclude": excluded}).choose(
        [vm(name, name), vm("web", "web")]
    )
    assert [each.name for each in chosen.vms] == ["web"]


def test_an_exclusion_tells_capitals_apart() -> None:
    chosen = Selection({"all": True, "exclude": "Web*"}).choose(
        [vm("web", "web"), vm("Web", "Web")]
    )
    assert [each.name for each in chosen.vms] == ["web"]


@pytest.mark.parametrize("regex", ["a{99999999999}", "(" * 20_000, "[z-a]", "(?P<a", "*", "\\"])
def test_an_invalid_regular_expression_is_refused(regex: str) -> None:
    with pytest.raises(InvalidValue, match=r"vms\.regex"):
        Selection({"regex": regex})


def test_a_sample_of_a_percentage_as_it_is_written() -> None:
    everything = [vm(f"web-{number}", f"web-{number}") for number in range(1_000)]
    assert len(Selection({"all": True, "percent": 64.1}).choose(everything).vms) == 641
