from __future__ import annotations

import inspect

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosvm import errors
from chaosvm.errors import ChaosVMError
from chaosvm.vm import PowerState

OURS = [
    item
    for _, item in inspect.getmembers(errors, inspect.isclass)
    if item.__module__ == errors.__name__
]


@pytest.mark.parametrize("error", OURS)
def test_every_error_is_recorded_by_chaos_toolkit_as_a_failed_activity(error):
    assert issubclass(error, ChaosVMError)
    assert issubclass(error, ActivityFailed)


def test_every_error_is_exported():
    classes = [name for name in errors.__all__ if name != "LASTING"]
    assert sorted(classes) == sorted(error.__name__ for error in OURS)


def test_a_value_that_cannot_be_used_is_pythons_own_kind_of_error_too():
    assert issubclass(errors.InvalidValue, ValueError)


def test_an_error_of_the_platform_is_not_one_of_a_vm():
    """The engine tells them apart: one ends a VM, the other the whole."""
    for error in OURS:
        assert not (
            issubclass(error, errors.PlatformError) and issubclass(error, errors.CommandFailed)
        )


def test_a_refused_state_is_kept_with_the_error():
    error = errors.InWrongState("the VM is off", PowerState.POWERED_OFF)
    assert (str(error), error.state) == ("the VM is off", PowerState.POWERED_OFF)


def test_a_failed_operation_keeps_its_outcomes():
    error = errors.OperationFailed("power_off failed", [1, 2])
    assert (str(error), error.outcomes) == ("power_off failed", (1, 2))
