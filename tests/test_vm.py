from __future__ import annotations

import dataclasses
import json

import pytest

from chaosvm.vm import VM, PowerState

UUID = "502e71fa-1a2b-3c4d-5e6f-708192a3b4c5"


def vm(**fields) -> VM:
    defaults = {
        "id": "vm-12",
        "name": "a/b",
        "platform": "vsphere",
        "power_state": PowerState.POWERED_ON,
        "status": "poweredOn",
        "path": "/DC0/vm/prod/a%2fb",
        "instance_uuid": UUID,
        "aliases": ("a%2fb",),
    }
    return VM(**{**defaults, **fields})


@pytest.mark.parametrize(
    "word", ["a/b", "vm-12", UUID, UUID.upper(), "/DC0/vm/prod/a%2fb", "a%2fb"]
)
def test_a_vm_answers_to_its_name_id_uuid_path_and_aliases(word):
    assert vm().answers_to(word)


@pytest.mark.parametrize(
    "word", ["A/B", "vm-1", "VM-12", "a", "*", "", "None", UUID[:-1], "prod/a/b"]
)
def test_a_vm_answers_to_nothing_else(word):
    assert not vm().answers_to(word)


@pytest.mark.parametrize("word", ["", "None", "none"])
def test_a_missing_field_is_not_a_name(word):
    assert not vm(path=None, instance_uuid=None, aliases=()).answers_to(word)


def test_a_vm_as_json_has_the_documented_keys():
    assert list(vm().to_json()) == [
        "id",
        "name",
        "platform",
        "power_state",
        "status",
        "instance_uuid",
        "path",
        "datacenter",
        "cluster",
        "host",
        "folder",
        "cpu_count",
        "memory_mb",
        "guest_os",
        "tools_status",
        "hostname",
        "ip_addresses",
        "tags",
        "template",
        "metadata",
    ]


def test_a_vm_survives_json():
    shown = vm(ip_addresses=("10.0.0.1",), tags=(), metadata={"annotation": "ü"}).to_json()

    assert json.loads(json.dumps(shown)) == shown
    assert type(shown["power_state"]) is str
    assert shown["power_state"] == "powered_on"
    assert shown["ip_addresses"] == ["10.0.0.1"]
    assert shown["tags"] == []


def test_missing_fields_are_null():
    shown = vm().to_json()
    unknown = ("datacenter", "cluster", "cpu_count", "ip_addresses", "tags", "hostname")
    assert [shown[key] for key in unknown] == [None] * len(unknown)


def test_a_vm_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        vm().power_state = PowerState.POWERED_OFF


def test_a_vm_can_be_in_a_set():
    assert len({vm(metadata={"a": 1}), vm(metadata={"a": 1}), vm(id="vm-13")}) == 2


def test_a_vm_in_words_has_its_name_and_id():
    assert str(vm()) == "'a/b' (vm-12)"


def test_the_words_for_power_states():
    assert [state.value for state in PowerState] == [
        "powered_on",
        "powered_off",
        "suspended",
        "paused",
        "transitioning",
        "unknown",
    ]


@pytest.mark.parametrize("state", PowerState)
def test_which_states_stay(state):
    passing = {PowerState.TRANSITIONING, PowerState.UNKNOWN}
    assert state.settled is (state not in passing)
