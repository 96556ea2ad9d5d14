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


def test_an_invalid_value_is_a_value_error():
    assert issubclass(errors.InvalidValue, ValueError)


def test_a_platform_error_is_not_a_failed_command():
    """The power engine distinguishes them: one ends a job, the other the operation."""
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
