"""Where a migration goes, and what events and jobs say."""

from __future__ import annotations

import uuid
from typing import Any

import ovirtsdk4 as sdk
import pytest
from ovirtsdk4 import types

from chaosvm.lab import World
from tests.lab.ovirt.test_actions import Ways
from tests.moments import eventually


def test_a_migration_goes_to_the_host_of_the_request(world: World, engine: Any) -> None:
    hosts = [world.add_host(f"h{number}") for number in range(3)]
    web = Ways(world, engine, host=hosts[0])
    web.service.migrate(host=types.Host(id=hosts[2].id))
    eventually(lambda: world.vm("web").host_id == hosts[2].id)
    jobs = [each.description for each in engine.system_service().jobs_service().list()]
    assert jobs == ["Migrating VM web"]
    with pytest.raises(sdk.Error, match="Invalid Host Id"):
        web.service.migrate(host=types.Host(id=str(uuid.uuid4())))
    other = world.add_host("far", world.add_cluster("other"))
    with pytest.raises(sdk.Error, match="no hosts to use"):
        web.service.migrate(host=types.Host(id=other.id))


def test_what_is_not_modelled_says_so(world: World, engine: Any) -> None:
    with pytest.raises(sdk.Error, match="lab does not model"):
        Ways(world, engine).service.freeze_filesystems()


def test_a_login_has_a_session(world: World, engine: Any) -> None:
    (login,) = engine.system_service().events_service().list(search="type=30")
    assert "'<session>'" not in login.description
