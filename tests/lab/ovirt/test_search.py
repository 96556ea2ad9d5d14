"""The engine's search language, on the model."""

from __future__ import annotations

import pytest

from chaosvm.lab import State, World
from chaosvm.lab.ovirt.collation import collation_key
from chaosvm.lab.ovirt.search import NotUnderstood, parse
from chaosvm.lab.ovirt.vm_search_fields import search_entities


@pytest.fixture
def estate(slow_world: World) -> World:
    """web-01 and web-02 in north, db-01 in south; web-02 and others are off."""
    north = slow_world.add_cluster("north", slow_world.add_datacenter("europe"))
    south = slow_world.add_cluster("south")
    slow_world.add_host("n1", north)
    slow_world.add_host("s1", south)
    fields = {"tags": ("prod", "critical"), "comment": "first", "memory": 2 * 1024**3}
    slow_world.add_vm("web-01", cluster=north, ip_addresses=("10.0.0.1",), **fields)
    slow_world.add_vm("web-02", State.OFF, cluster=north, tags=("prod",))
    slow_world.add_vm("db-01", cluster=south, description="keeps web data")
    slow_world.add_vm('odd "name"', State.SUSPENDED, cluster=south)
    slow_world.add_vm("Größe (x) [y]", State.OFF, cluster=south)
    return slow_world


def found(world: World, text: str, limit: int | None = None, **options: bool) -> list[str]:
    entities = search_entities(world)
    search = parse(text, entities["VM"], entities, limit=limit, **options)
    vms = sorted(world.vms, key=lambda vm: collation_key(vm.name))
    return [vm.name for vm in search.apply(vms, limit)]


ALL = ["db-01", "Größe (x) [y]", 'odd "name"', "web-01", "web-02"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ALL),
        ("name=web-01", ["web-01"]),
        ("name = WEB-01", ["web-01"]),
        ('NAME="web-*"', ["web-01", "web-02"]),
        ("name=*01", ["db-01", "web-01"]),
        ("name=web-0?", []),
        ("name=w%", []),
        ("name=web_01", []),
        ('name="größe (x) [y]"', ["Größe (x) [y]"]),
        ('name!="web-*" and status != down', ["db-01", 'odd "name"']),
        ("status=up", ["db-01", "web-01"]),
        ("status=suspended", ['odd "name"']),
        ("cluster=north", ["web-01", "web-02"]),
        ("datacenter=europe", ["web-01", "web-02"]),
        ("tag=critical", ["web-01"]),
        ("host.name=s1", ["db-01"]),
        ("hosts.name=n*", ["web-01"]),
        ("memory > 1024", ["web-01"]),
        ("ip=10.0.*", ["web-01"]),
        # and binds before or
        ("name=db-01 or name=web-* and status=up", ["db-01", "web-01"]),
        ("name=web-* and status=up or name=db-01", ["db-01", "web-01"]),
        # what stands side by side is joined last, by and
        ("status=up name=db-01 or name=web-02", ["db-01"]),
        # without a field: in all columns
        ("web", ["db-01", "web-01", "web-02"]),
        ("FIRST", ["web-01"]),
        ("europe and status=up", ["web-01"]),
        ("order", []),
        # quoted or not, what follows is still read: such a text widens the search
        ("name=web-01 or name=*", ALL),
        ('name="web-01" or name="*"', ALL),
        ("sortby name", ALL),
        ("name=*-0* sortby name desc", ["web-02", "web-01", "db-01"]),
        ("name=web* sortby name asc page 1", ["web-01", "web-02"]),
        ("page 1", ALL),
        ("sortby name asc page 2", []),
        # a tag that is not there, and one of several: it is looked at tag by tag
        ("tag!=nonsense", ALL),
        ("tag!=prod", ["db-01", "Größe (x) [y]", 'odd "name"', "web-01"]),
    ],
)
def test_a_search_means(estate: World, text: str, names: list[str]) -> None:
    assert found(estate, text) == names


@pytest.mark.parametrize(
    "text",
    [
        "name=it's",
        "name=a;b",
        'name="web-01" or name="*',
        'name="odd "name""',
        "name=",
        "name web-01",
        "status=powered_on",
        "status=up or",
        "two words",
        "hostess",
        # a backslash at the end
        'name="web-01\\"',
        "memory=much",
        "sortby",
        "sortby colour",
        "page x",
        "sortby name page 1",
        "sortby name asc name=web-01",
        "name=web-01 an",
        'name=we"b',
    ],
)
def test_a_search_is_not_understood(estate: World, text: str) -> None:
    with pytest.raises(NotUnderstood):
        found(estate, text)


def test_max_is_the_page_size(estate: World) -> None:
    assert found(estate, "sortby name asc page 1", 2) == ["db-01", "Größe (x) [y]"]
    assert found(estate, "sortby name asc page 3", 2) == ["web-02"]
    assert found(estate, "sortby name asc page 4", 2) == []
    assert found(estate, "name=web*", 1) == ["web-01"]


def test_it_can_heed_capitals(estate: World) -> None:
    assert found(estate, "name=WEB-01", case_sensitive=True) == []
    assert found(estate, "name=web-01", case_sensitive=True) == ["web-01"]


def test_by_id(estate: World) -> None:
    vm = estate.vm("db-01")
    assert found(estate, f"id={vm.id}") == ["db-01"]
    assert found(estate, f"id={vm.id.upper()} or id={estate.vm('web-01').id}") == [
        "db-01",
        "web-01",
    ]


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State.LAUNCHING, "waitforlaunch"),
        (State.BOOTING, "poweringup"),
        (State.SHUTTING_DOWN, "poweringdown"),
        (State.REBOOTING, "rebootinprogress"),
        (State.DISKS_ILLEGAL, "imageillegal"),
        (State.NOT_RESPONDING, "notresponding"),
        (State.MIGRATING, "migratingfrom"),
    ],
)
def test_statuses_are_spelled_as_the_engine_does(
    slow_world: World, state: State, word: str
) -> None:
    slow_world.add_vm("it", state)
    slow_world.add_vm("other", State.PAUSED)
    assert found(slow_world, f"status={word}") == ["it"]
