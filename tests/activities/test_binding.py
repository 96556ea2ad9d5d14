"""What users see of an activity that is defined once for all platforms."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from string import Template
from typing import Any

import pytest
from chaoslib.discovery.discover import discover_actions

from chaosvm.activities import (
    Binding,
    Words,
    actions,
    batch_actions,
    guest_probes,
    plans,
    probes,
    recovery_probes,
    server_probes,
)
from chaosvm.activities.binding import _SHARED
from chaosvm.olvm import actions as olvm
from chaosvm.olvm import probes as olvm_probes
from chaosvm.vsphere import actions as vsphere


def shared(platform: Binding, vm_name: str, timeout: float = 5) -> dict[str, Any]:
    """
    Touch a VM, $vm_name.

    ```json
    {"module": "$module"}
    ```
    """
    return {"platform": platform.name, "vm_name": vm_name, "timeout": timeout}


REQUIRED = [each.name for each in fields(Words) if each.default is MISSING]
WORDS = Words(**dict.fromkeys(REQUIRED, "a toy"))
BINDING = Binding("toy", lambda configuration, secrets: None, WORDS)  # type: ignore[arg-type,return-value]
bound = BINDING.bind(shared)


def test_it_is_called_without_the_binding() -> None:
    assert bound("web-1", timeout=3) == {"platform": "toy", "vm_name": "web-1", "timeout": 3}


def test_it_belongs_to_the_module_that_binds_it() -> None:
    assert (bound.__module__, bound.__name__) == (__name__, "shared")


def test_its_signature_and_types_are_those_of_the_definition_without_the_binding() -> None:
    assert str(inspect.signature(bound)) == (
        "(vm_name: 'str', timeout: 'float' = 5) -> 'dict[str, Any]'"
    )
    assert list(inspect.getfullargspec(bound).args) == ["vm_name", "timeout"]
    assert set(bound.__annotations__) == {"vm_name", "timeout", "return"}


def test_its_docstring_has_the_words_of_the_platform() -> None:
    assert inspect.getdoc(bound) == (
        f'Touch a VM, a toy.\n\n```json\n{{"module": "{__name__}"}}\n```'
    )


def test_a_word_that_is_missing_is_an_error_at_import() -> None:
    with pytest.raises(KeyError, match="toy has no words for 'uptime', as vm_uptime_seconds"):
        BINDING.bind(guest_probes.vm_uptime_seconds)


def test_what_a_platform_defines_itself_may_have_words_or_a_shared_docstring() -> None:
    @BINDING.document()
    def own(vm_name: str) -> None:
        """Of $vm_name."""

    @BINDING.document(shared)
    def other(vm_name: str, hard: bool = False) -> None:
        pass

    assert inspect.getdoc(own) == "Of a toy."
    assert inspect.getdoc(other) == inspect.getdoc(bound)
    assert list(inspect.signature(other).parameters) == ["vm_name", "hard"]


def test_the_required_words_do_for_what_every_platform_has() -> None:
    for module in (actions, batch_actions, probes):
        for name in {*module.__all__} - {"power_off"}:
            BINDING.bind(getattr(module, name))


def test_each_word_is_in_a_docstring() -> None:
    modules = (actions, batch_actions, guest_probes, probes, recovery_probes, server_probes)
    docstrings = [getattr(each, name).__doc__ for each in modules for name in each.__all__]
    texts = (*docstrings, *_SHARED.values())
    found = {name for text in texts for name in Template(text).get_identifiers()}
    assert found - {"module", *_SHARED} == {each.name for each in fields(Words)}


@pytest.mark.parametrize("platform", [vsphere, olvm], ids=["vsphere", "olvm"])
def test_every_definition_is_bound_and_discovered(platform: Any) -> None:
    assert {*actions.__all__, *batch_actions.__all__} == set(platform.__all__)
    found = discover_actions(platform.__name__)
    assert {each["name"] for each in found} == set(platform.__all__)
    assert {each["mod"] for each in found} == {platform.__name__}
    assert all("$" not in each["doc"] and platform.__name__ in each["doc"] for each in found)


@pytest.mark.parametrize(
    ("definition", "own"),
    [
        (actions.power_off, olvm.power_off),
        (batch_actions.batch_power_off, olvm.batch_power_off),
        (plans.plan_power_off, olvm_probes.plan_power_off),
    ],
)
def test_what_a_platform_defines_itself_takes_the_shared_arguments(
    definition: Any, own: Any
) -> None:
    _, *shared_arguments = inspect.signature(definition).parameters
    arguments = list(inspect.signature(own).parameters)
    assert [each for each in arguments if each != "discard_memory"] == shared_arguments
