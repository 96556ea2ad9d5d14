"""What a VM itself says about being touched: the engine's tags.

How the engine's search takes tags is recorded (search-tag-*): by case, as an anchored
regular expression, with the tags below those that fit.
"""

from __future__ import annotations

import pytest

from chaosvm.errors import GuardUnchecked, OperationRefused, SelectionError
from chaosvm.lab import Lab, State, World, rule
from chaosvm.olvm import OLVMPlatform
from chaosvm.settings import Safety
from tests.olvm.conftest import DB, OTHER, VM, Connect, sent

MARK = "chaosvm-protect"
TAGS_OF_A_VM = "GET /api/vms/{id}/tags"
FEW, MANY = 3, 40


@pytest.fixture(params=[FEW, MANY])
def estate(world: World, request: pytest.FixtureRequest) -> World:
    """With few enough VMs to read their tags one by one, and with more."""
    for number in range(request.param - FEW):
        world.add_vm(f"app-{number:02}", tags=(f"t{number % 5}",))
    world.add_tag("other")
    return world


def refused(platform: OLVMPlatform, world: World, name: str) -> None:
    """Alone, and passed over among all the others."""
    with pytest.raises(OperationRefused, match="is protected"):
        platform.power_off(name, graceful=False)
    plan = platform.plan("power_off", {"all": True}, graceful=False)
    assert [vm.name for vm, reason in plan.passed_over if "is protected" in reason] == [name]
    assert world.vm(name).state is State.RUNNING


@pytest.mark.parametrize("tag", [MARK, "ChaosVM-Protect", "Chaosvm-Protect", MARK.upper()])
def test_a_tag_protects_in_any_case(platform: OLVMPlatform, estate: World, tag: str) -> None:
    """A search for chaosvm-protect finds none but the first (search-tag-Protected)."""
    estate.add_tag(tag)
    estate.change(DB, tags=(tag,))
    refused(platform, estate, DB)


@pytest.mark.parametrize("protect_tag", ["Protected", "PROTECTED"])
def test_so_does_one_that_is_configured_in_capitals(
    connect: Connect, estate: World, protect_tag: str
) -> None:
    estate.add_tag("protected")
    estate.change(DB, tags=("protected",))
    refused(connect(safety=Safety.of(protect_tag=protect_tag)), estate, DB)


def test_two_tags_that_differ_in_capitals_both_protect(
    platform: OLVMPlatform, estate: World
) -> None:
    for name, tag in ((DB, MARK), (OTHER, "Chaosvm-Protect")):
        estate.add_tag(tag)
        estate.change(name, tags=(tag,))
    for name in (DB, OTHER):
        with pytest.raises(OperationRefused, match="is protected"):
            platform.power_off(name)
    assert platform.power_off(VM, graceful=False).changed


@pytest.mark.parametrize(
    ("composed", "decomposed"), [("ge\u0301schützt", "géschu\u0308tzt"), ("STRASSE", "straße")]
)
def test_composed_and_decomposed_names_are_the_same_tag(
    connect: Connect, estate: World, composed: str, decomposed: str
) -> None:
    estate.add_tag(decomposed)
    estate.change(DB, tags=(decomposed,))
    refused(connect(safety=Safety.of(protect_tag=composed)), estate, DB)


def test_a_tag_below_it_protects(platform: OLVMPlatform, estate: World) -> None:
    """However far below it; a search takes these in by itself (tag-parent-env)."""
    estate.add_tag("Chaosvm-PROTECT")
    estate.add_tag("databases", parent="Chaosvm-PROTECT")
    estate.add_tag("replicas", parent="databases")
    estate.change(DB, tags=("replicas",))
    refused(platform, estate, DB)
    with pytest.raises(OperationRefused, match="has the tag 'chaosvm-protect' or one below it"):
        platform.power_off(DB)


@pytest.mark.parametrize("tag", ["keep+", "never?", "hands*off", "dot.tag", "(odd)", "a b", "[x]"])
def test_a_tag_with_characters_of_regular_expressions(
    connect: Connect, estate: World, tag: str
) -> None:
    """As they are, the engine takes them for something else (tag-regex-plus, -paren)."""
    alike = "".join(letter if letter.isalnum() else "-" for letter in tag)
    for each in (tag, alike, "keep", "never"):
        estate.add_tag(each)
    estate.change(DB, tags=(tag,))
    estate.change(OTHER, tags=(alike,))
    estate.change(VM, tags=("keep", "never"))
    platform = connect(safety=Safety.of(protect_tag=tag))
    refused(platform, estate, DB)
    assert platform.power_off(OTHER, graceful=False).changed
    assert platform.power_off(VM, graceful=False).changed


def test_another_tag_does_not_protect(platform: OLVMPlatform, estate: World) -> None:
    for tag in (MARK, f"{MARK}-not", "prod"):
        estate.add_tag(tag)
    estate.change(VM, tags=(f"{MARK}-not", "prod"))
    estate.change(OTHER, tags=(MARK,))
    assert platform.power_off(VM, graceful=False).changed


def test_marks_cost_two_requests_however_many_vms_there_are(
    connect: Connect, world: World, lab: Lab
) -> None:
    world.add_tag(MARK)
    for number in range(50):
        world.add_vm(f"app-{number}", tags=(f"t{number % 7}",))
    platform = connect()
    platform.connect()
    unmarked = connect(safety=Safety.of(protect_tag="none"))
    unmarked.connect()
    for vms in ({"names": [VM]}, {"all": True}):
        lab.reset_requests()
        platform.plan("power_off", vms)
        with_marks = sum(lab.requests().values())
        lab.reset_requests()
        unmarked.plan("power_off", vms)
        assert with_marks - sum(lab.requests().values()) <= 2


@pytest.mark.parametrize("what", ["GET /api/tags", "GET /api/vms"])
def test_tags_that_cannot_be_read_let_nothing_pass(
    platform: OLVMPlatform, world: World, lab: Lab, what: str
) -> None:
    world.add_tag(MARK)
    for number in range(MANY):
        world.add_vm(f"app-{number:02}")
    lab.rules(rule(what, "status", skip=1 if what.endswith("vms") else 0, code=500))
    with pytest.raises(GuardUnchecked, match="chaosvm_protect_tag"):
        platform.batch_power_off({"all": True})
    assert sent(lab) == {}


def test_tags_of_one_vm_that_cannot_be_read_let_nothing_pass(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(DB, tags=("chaosvm-protect",))
    lab.rules(rule(TAGS_OF_A_VM, "status", code=500))
    with pytest.raises(GuardUnchecked, match="chaosvm_protect_tag"):
        platform.power_off(VM)
    assert sent(lab) == {}


def test_a_list_of_tags_that_is_not_whole_lets_nothing_pass(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    """The root of all tags is always in it (list-tags)."""
    world.change(DB, tags=("prod",))
    lab.rules(rule("GET /api/tags", "empty"))
    with pytest.raises(GuardUnchecked):
        platform.power_off(DB)


# Users who may not read tags: 400 (viewer-userrole-tags, viewer-userrole-vm-tags) --------


@pytest.fixture
def limited(lab: Lab) -> None:
    text = "query execution failed due to insufficient permissions."
    lab.rules(
        rule("GET /api/tags", "fault", code=400, message=text),
        rule(TAGS_OF_A_VM, "fault", code=400, message=text),
    )


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("tag", [MARK, "Chaosvm-Protect"])
def test_a_user_who_cannot_read_tags_is_kept_from_marked_vms(
    platform: OLVMPlatform, estate: World, warnings_logged: list[str], tag: str
) -> None:
    estate.add_tag(tag)
    estate.change(DB, tags=(tag,))
    refused(platform, estate, DB)
    assert platform.power_off(VM, graceful=False).changed
    (warning,) = [message for message in warnings_logged if "cannot read tags" in message]
    assert "insufficient permissions" in warning
    assert "are found by a search" in warning


@pytest.mark.usefixtures("limited")
def test_a_user_who_cannot_read_tags_can_look_at_vms(platform: OLVMPlatform, world: World) -> None:
    world.change(VM, tags=("prod",))
    assert platform.get_vm(VM).tags is None
    assert platform.count_vms({"name": "web-*"}) == 2
    with pytest.raises(SelectionError, match="returned no tags"):
        platform.count_vms({"tag": "prod"})


# The engine's own VM ---------------------------------------------------------------------


@pytest.mark.parametrize("fqdn", ["engine.example.com", "ENGINE"])
def test_the_engines_own_vm_is_known_by_its_name(connect: Connect, world: World, fqdn: str) -> None:
    world.add_vm("manager", fqdn=fqdn)
    platform = connect(url="https://engine.example.com/ovirt-engine/api")
    manager = connect().get_vm("manager")
    assert platform.backend.immutable_reason(manager) == "is the engine's own VM"
    assert platform.backend.immutable_reason(connect().get_vm(VM)) is None
