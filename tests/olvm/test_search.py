"""Names of all sorts: each is found, and nothing else is."""

from __future__ import annotations

import pytest

from chaosvm.errors import NoSuchVM
from chaosvm.lab import Lab, State, World, rule
from chaosvm.olvm import OLVMPlatform
from chaosvm.olvm.search import by_names, searchable
from tests.olvm.conftest import DB, OTHER, VM, Connect

INJECTION = 'web-01" or name="*'
NAMES = [
    INJECTION,
    'a "quoted" name',
    '"',
    "it's",
    "two words",
    " leading and trailing ",
    "star*",
    "*",
    "semi;colon",
    "100%",
    "%41",
    "back\\slash",
    "ends with \\",
    "ünïcödé",
    "機械-01",
    "🐳",
    "name=web-01",
    "name = *",
    "web-01 or name=*",
    "web-01 sortby name page 2",
    "a&b<c>d",
    "a+b",
    "#hash?query=1",
    "[brackets]",
    "comma,comma",
    "-",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_finds_its_vm_and_nothing_else(
    platform: OLVMPlatform, world: World, name: str
) -> None:
    made = world.add_vm(name)
    decoy = world.add_vm(f"{name}x")
    assert platform.get_vm(name).id == made.id
    assert platform.vm_power_state(name).value == "powered_on"
    assert [vm.id for vm in platform.list_vms({"names": [name]})] == [made.id]
    assert {vm.id for vm in platform.list_vms({"names": [name, VM]})} == {
        made.id,
        world.vm(VM).id,
    }
    off = platform.batch_power_off({"names": [name]}, graceful=False)
    assert [(outcome.id, outcome.changed) for outcome in off.outcomes] == [(made.id, True)]
    assert {vm.id for vm in world.vms if vm.state is State.OFF} == {made.id}
    assert world.vm(decoy.id).state is State.RUNNING


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_nobody_has_finds_nothing(
    platform: OLVMPlatform, world: World, lab: Lab, name: str
) -> None:
    with pytest.raises(NoSuchVM, match="3 VMs are known"):
        platform.get_vm(name)
    with pytest.raises(NoSuchVM):
        platform.power_off(name, graceful=False)
    with pytest.raises(NoSuchVM):
        platform.batch_power_off({"names": [name]}, graceful=False)
    assert platform.list_vms({"names": [name]}) == []
    assert {vm.state for vm in world.vms} == {State.RUNNING}
    assert not [request for request in lab.requests() if "{id}/" in request]


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_odd_names_is_watched_as_a_whole(connect: Connect, name: str) -> None:
    """Also where the watch cannot search by name, the end of a request is seen."""
    world = World()
    wanted = {world.add_vm(each).id for each in (name, f"{name}-2")}
    world.add_vm("bystander")
    with Lab(world) as lab:
        platform = connect(url=lab.olvm_url, ca_file=lab.ca_file, password=lab.password)
        batch = platform.batch_power_off({"ids": sorted(wanted)}, graceful=False, timeout=60)
        assert batch.changed == 2
        platform.disconnect()
    assert {vm.id for vm in world.vms if vm.state is State.OFF} == wanted


def test_one_name_is_asked_for_and_not_the_whole_list(connect: Connect) -> None:
    with Lab(World.generated(400)) as large:
        platform = connect(url=large.olvm_url, ca_file=large.ca_file, password=large.password)
        name = large.world.vms[7].name
        # The list of all of them is broken: only a search can do without it.
        assert platform.get_vm(name).name == name
        assert large.requests()["GET /api/vms"] == 1
        platform.disconnect()


def test_another_case_is_another_name(platform: OLVMPlatform, world: World) -> None:
    """The engine's search would take it."""
    upper = world.add_vm(VM.upper())
    assert platform.get_vm(VM.upper()).id == upper.id
    assert platform.get_vm(VM).id == world.vm(VM).id
    with pytest.raises(NoSuchVM, match="no VM is called 'Web-01'"):
        platform.get_vm("Web-01")


def test_an_id_in_either_case_and_none_that_is_unknown(
    platform: OLVMPlatform, world: World
) -> None:
    vm_id = world.vm(VM).id
    assert platform.get_vm(vm_id).name == VM
    assert platform.get_vm(vm_id.upper()).name == VM
    assert [vm.name for vm in platform.list_vms({"ids": [vm_id]})] == [VM]
    with pytest.raises(NoSuchVM):
        platform.get_vm("00000000-0000-0000-0000-000000000000")
    with pytest.raises(NoSuchVM):
        platform.get_vm("not-a-uuid")


def test_an_id_and_a_name_at_once(platform: OLVMPlatform, world: World) -> None:
    found = platform.list_vms({"names": [world.vm(VM).id, OTHER]})
    assert [vm.name for vm in found] == [VM, OTHER]


def test_a_vm_named_like_anothers_id(platform: OLVMPlatform, world: World) -> None:
    """It may be either, so it is ambiguous: acting on one of them would be a guess."""
    world.add_vm(world.vm(VM).id)
    with pytest.raises(Exception, match="matches 2 VMs"):
        platform.power_off(world.vm(world.vm(VM).id).id, graceful=False)


def test_a_search_that_is_not_understood_is_no_missing_vm(platform: OLVMPlatform, lab: Lab) -> None:
    """An empty answer is checked against the whole list before anything is said."""
    assert platform.get_vm(VM).name == VM
    lab.reset_requests()
    with pytest.raises(NoSuchVM, match=f"did you mean '{VM}'"):
        platform.get_vm("web-1")
    assert lab.requests()["GET /api/vms"] == 2


def test_a_broken_search_answer_is_an_error(connect: Connect, lab: Lab) -> None:
    lab.rules(rule("GET /api/vms", "html"))
    with pytest.raises(Exception, match=r"127\.0\.0\.1") as caught:
        connect().get_vm(VM)
    assert not isinstance(caught.value, NoSuchVM)


def test_very_many_names_fit_no_url(platform: OLVMPlatform, world: World) -> None:
    names = [f"a-rather-long-name-of-a-machine-{number:04}" for number in range(300)]
    for name in names:
        world.add_vm(name)
    assert len(platform.list_vms({"names": names})) == 300


@pytest.mark.parametrize("word", ["web-01", "x.y-z_1", "ünïcödé", "機械", "or", "page", "-dash"])
def test_words_that_the_engine_can_be_asked_for(word: str) -> None:
    assert searchable(word)
    assert by_names([word, DB]) == [f'name="{word}" or name="{DB}"']


@pytest.mark.parametrize(
    "word",
    [
        "",
        " a",
        "a b",
        'a"b',
        "it's",
        "a*",
        "a;b",
        "a\\",
        "50%",
        "a\nb",
        "x=y",
        "a&b",
        "\ud800",
        "\0",
    ],
)
def test_words_that_it_cannot_be_asked_for(word: str) -> None:
    assert not searchable(word)
    assert by_names([DB, word]) is None
