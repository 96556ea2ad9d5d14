"""Recorded requests that change the estate, each replayed on one of its own.

What came before them is sent first. Ids are those of the lab: those of the estate by
name, and those of new objects as they are answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import requests

from chaosvm.lab import State
from tests.lab.ovirt import recorded_exceptions
from tests.lab.ovirt.recorded import Exchange, exchange
from tests.lab.ovirt.replayed import differences
from tests.lab.ovirt.test_recorded import Replay
from tests.moments import eventually

CHANGES = recorded_exceptions.CHANGES
# Ids in the recordings, and what they are of.
_TAGS = {
    "558d03aa-e406-43cf-b1f1-332e6fef4287": "env",
    "f8b3bfe0-40ff-47f7-9f4e-520972fc05e8": "prod",
    "125996a2-a240-4698-a2dc-04d47f0d7fa8": "prod-eu",
    "f7834936-8fb8-4e4e-a203-b95baf0df8e4": "dot.tag",
}
_VMS = {"448fdb94-75f6-4626-a182-e41d033b5ecd": "tmpl.vm"}
_HOSTS = {"f96ed8b0-9d0d-4acb-a0ee-4dd425a65aa7": "host-04"}
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Estate:
    """A fresh estate, which requests change."""

    def __init__(self) -> None:
        self.replay = Replay()
        world = self.replay.world
        world.change("tmpl.vm", tags=("dot.tag",))
        hosts = {host.name: host.id for host in world.hosts}
        self._ids = {
            **{number: world.tag(name).id for number, name in _TAGS.items()},
            **{number: world.vm(name).id for number, name in _VMS.items()},
            **{number: hosts[name] for number, name in _HOSTS.items()},
        }

    def send(self, recorded: Exchange) -> requests.Response:
        translated = replace(
            recorded, path=self._translated(recorded.path), body=self._translated(recorded.body)
        )
        answer = self.replay.send(translated)
        before, now = _root_id(recorded.answer), _root_id(answer.text)
        if before and now:
            self._ids[before] = now
        return answer

    def _translated(self, text: str) -> str:
        return _ID.sub(lambda found: self._ids.get(found.group(), found.group()), text)


def _root_id(text: str) -> str | None:
    try:
        return ElementTree.fromstring(text).get("id")
    except ElementTree.ParseError:
        return None


@pytest.fixture
def estate() -> Iterator[Estate]:
    made = Estate()
    yield made
    made.replay.lab.stop()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_answered_alike(estate: Estate, name: str) -> None:
    recorded = exchange(name)
    _prepare(estate, name)
    for earlier in CHANGES[name]:
        goes_on = earlier == CHANGES[name][-1] and re.search("while|again|locked", name)
        if goes_on:
            world = estate.replay.world
            world.durations = world.durations.times(1000)
        estate.send(exchange(earlier))
        if not goes_on:
            _settle(estate)
    assert differences(recorded, estate.send(recorded)) == []


def _settle(estate: Estate) -> None:
    """Wait until nothing is being done to a VM."""
    world = estate.replay.world
    eventually(
        lambda: all(
            vm.busy_until <= world.now and vm.state is not State.DISKS_LOCKED for vm in world.vms
        )
    )


def _prepare(estate: Estate, name: str) -> None:
    world = estate.replay.world
    if name == "host-activate":
        host_04 = next(host for host in world.hosts if host.name == "host-04")
        world.change_host(host_04.id, maintenance=True)
    if "non-responsive" in name:
        host_04 = next(host for host in world.hosts if host.name == "host-04")
        world.change_host(host_04.id, answers=False, condition="non_responsive")
