"""Selections that the engine searches for, so that not every VM has to be read."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

from chaosvm.errors import NoSuchVM
from chaosvm.lab import Lab, State, World, rule
from chaosvm.olvm import OLVMPlatform
from chaosvm.olvm.backend import OLVMBackend
from chaosvm.olvm.inventory import Inventory
from chaosvm.olvm.search import TagPattern, by_tag, narrowing
from chaosvm.settings import Safety
from tests.olvm.conftest import Connect

LIST = "GET /api/vms"


@pytest.fixture
def estate(world: World) -> World:
    """Two clusters with two hosts each, and VMs of all sorts."""
    for cluster in ("prod", "test"):
        made = world.add_cluster(cluster, world.datacenters[0])
        for number in (1, 2):
            host = world.add_host(f"{cluster}-kvm{number}", made)
            for vm in range(6):
                world.add_vm(
                    f"{cluster}-{number}{vm}.x_y" if vm % 2 else f"{cluster}{number}{vm}",
                    State.RUNNING if vm % 3 else State.OFF,
                    cluster=made,
                    host=host,
                    tags=(("web", "Web", "test_tag", "test.tag")[vm % 4],),
                )
    world.add_vm("ünï-01", tags=("web",))
    world.add_vm("WEB-01b")
    return world


SELECTIONS: list[dict[str, Any]] = [
    {"name": "web-*"},
    {"name": "prod*"},
    {"name": "*.x_y"},
    {"name": "prod-??.x_y"},
    {"name": "[pt][re]*1?"},
    {"name": "[!w]*-11.x_y"},
    {"name": ["web-0[12]", "test-*"]},
    {"name": "ün*"},
    {"name": "*"},
    {"cluster": "prod"},
    {"cluster": "PROD"},
    {"cluster": ["prod", "test"], "power_state": "powered_off"},
    {"datacenter": "Default", "name": "*1*"},
    {"host": "prod-kvm1"},
    {"host": ["prod-kvm1", "test-kvm2"]},
    {"host": "*-kvm1", "name": ["prod*", "test*"]},
    {"tag": "web"},
    {"tag": "Web"},
    {"tag": "test.tag"},
    {"tag": "test?tag"},
    {"tag": ["w*", "W*"], "cluster": "prod"},
    {"power_state": "powered_on"},
    {"power_state": ["powered_off", "suspended"], "name": "*0*"},
    {"power_state": ["powered_off", "transitioning"]},
    {"name": "prod*", "exclude": "prod-1*"},
    {"name": "prod*", "exclude": ["prod10", "web-01"]},
    {"regex": "prod.*1", "cluster": "prod"},
    {"cluster": "prod", "count": 3, "seed": 5},
    {"name": "web-*", "percent": 50, "seed": 7},
    {"name": "nothing*"},
    {"name": "web-*", "cluster": "prod"},
]


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_a_search_finds_what_the_whole_list_would(
    connect: Connect, estate: World, monkeypatch: pytest.MonkeyPatch, selection: dict[str, Any]
) -> None:
    for state, names in ((State.BOOTING, ("prod20",)), (State.SUSPENDED, ("test20",))):
        for name in names:
            estate.stick(name, state)
    found = connect().list_vms(selection)
    monkeypatch.setattr(OLVMBackend, "narrowed", lambda *_: None)
    assert found == connect().list_vms(selection)


@pytest.mark.parametrize(
    "selection",
    [{"name": "prod-1*"}, {"cluster": "prod"}, {"host": "prod-kvm1"}, {"tag": "web"}],
)
def test_not_every_vm_is_read(
    platform: OLVMPlatform,
    estate: World,
    monkeypatch: pytest.MonkeyPatch,
    selection: dict[str, Any],
) -> None:
    """For a probe, and for an action."""

    def everything(*_: Any) -> None:
        raise AssertionError("every VM is read")

    monkeypatch.setattr(Inventory, "_list", everything)
    assert platform.count_vms(selection) > 1
    assert platform.plan("power_off", selection).previews


def test_nothing_is_said_to_be_missing_before_everything_was_read(
    platform: OLVMPlatform, estate: World, lab: Lab
) -> None:
    with pytest.raises(NoSuchVM, match=rf"{len(estate.vms)} VMs are known"):
        platform.batch_power_off({"name": "prod*", "cluster": "tset"})
    with pytest.raises(NoSuchVM, match="exclude names 'prod'"):
        platform.batch_power_off({"name": "prod*", "exclude": "prod"})
    assert platform.list_vms({"name": "nothing*"}) == []
    assert lab.requests()[LIST] == 6


def test_a_search_that_fails_is_an_error(platform: OLVMPlatform, lab: Lab) -> None:
    lab.rules(rule(LIST, "fault", code=400, message="unclosed group"))
    with pytest.raises(Exception, match="unclosed group"):
        platform.list_vms({"name": "web-*"})


def test_guards_that_compare_with_everything_read_everything(
    connect: Connect, estate: World
) -> None:
    platform = connect(safety=Safety.of(max_percent=10))
    plan = platform.plan("power_off", {"name": "web-01"})
    assert [verdict.of for verdict in plan.guard_results][:1] == [1]


# What is sent ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criteria", "search"),
    [
        ({"name": ["web-*"]}, 'name="web-*"'),
        ({"name": ["a", "b*"]}, 'name="a" or name="b*"'),
        ({"name": ["web-0?"]}, 'name="web-0*"'),
        ({"name": ["w[ab]x"]}, 'name="w*x"'),
        ({"name": ["w[]x]y"]}, 'name="w*y"'),
        ({"name": ['web-01" or name="*']}, 'name="web-01*or*name*"'),
        ({"name": ["a b'c;d\\e%f"]}, 'name="a*b*c*d*e*f"'),
        ({"cluster": ["prod"], "name": ["a*", "b*"]}, None),
        ({"tag": ["p+"], "power_state": ["powered_on"]}, 'tag="p*" and status=up'),
        ({"tag": ["prod"]}, 'tag="prod" and name=*'),
        ({"tag": ["prod"], "cluster": ["a"]}, 'tag="prod" and cluster="a" and name=*'),
        ({"tag": ["prod", "test"], "cluster": ["a"]}, 'cluster="a"'),
        ({"host": ["h1"], "name": ["a"]}, 'host="h1" and name="a"'),
        ({"host": ["h1", "h2"], "name": ["a"]}, 'name="a"'),
        ({"host": ["h1"], "name": ["a", "b"]}, 'name="a" or name="b"'),
        ({"power_state": ["powered_off", "suspended"]}, "status=down or status=suspended"),
    ],
)
def test_what_is_sent_is_simple(criteria: dict[str, list[str]], search: str | None) -> None:
    if search is None:
        search = 'cluster="prod" and name="a*" or cluster="prod" and name="b*"'
    assert narrowing(criteria) == search


@pytest.mark.parametrize(
    "criteria",
    [
        {},
        {"name": ["*"]},
        {"name": ["web-*", "?"]},
        {"name": ["[abc]"]},
        {"name": ["機械"]},
        {"host": ["h1", "h2"]},
        {"tag": ["prod", "test"]},
        {"power_state": ["powered_on", "paused"]},
        {"guest_os": ["Linux"]},
    ],
)
def test_where_nothing_can_be_left_out_nothing_is_sent(criteria: dict[str, list[str]]) -> None:
    assert narrowing(criteria) is None


def test_too_many_alternatives_are_left_to_us() -> None:
    names = [f"a-{number}*" for number in range(60)]
    assert narrowing({"name": names, "cluster": ["a", "b"]}) == 'cluster="a" or cluster="b"'
    assert narrowing({"name": [f"{'x' * 99}{each}" for each in range(90)]}) is None


@pytest.mark.parametrize("tag", ["prod", "dot.tag", "keep+", "a b", "ünï", "(x)", "^a$", "a*"])
def test_a_pattern_for_a_tag_always_fits_it(tag: str) -> None:
    pattern = TagPattern.of(tag)
    assert pattern is not None
    assert set(pattern.text) <= set(tag) | {"."}
    assert pattern.may_match(tag)
    assert pattern.may_match(tag.upper())
    assert not pattern.may_match(f"{tag}x")
    assert fnmatchcase(tag, "*")


@pytest.mark.parametrize("tag", ["prod", "dot.tag"])
def test_a_search_for_a_tag_is_never_one_that_the_engine_has_kept(tag: str) -> None:
    """It keeps those without a star for a day, with the tags that there were then."""
    pattern = TagPattern.of(tag)
    assert pattern is not None
    assert by_tag(pattern) == f'tag="{tag}" and name=*'


@pytest.mark.parametrize("tag", ["", "a\nb", "a\x00", "\x85"])
def test_a_tag_that_no_pattern_can_be_made_for(tag: str) -> None:
    assert TagPattern.of(tag) is None
