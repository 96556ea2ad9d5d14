from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest
from chaoslib.exceptions import ActivityFailed

import chaosvm
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
    classes = [name for name in errors.__all__ if inspect.isclass(getattr(errors, name))]
    assert sorted(classes) == sorted(error.__name__ for error in OURS)


def subclasses(error: type[Exception]) -> Iterator[type[Exception]]:
    for each in error.__subclasses__():
        yield each
        yield from subclasses(each)


def test_no_message_begins_with_the_name_of_an_internal_module() -> None:
    """Chaos Toolkit puts an error's class before its message."""
    for module in pkgutil.walk_packages(chaosvm.__path__, "chaosvm."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    found = {f"{each.__module__}.{each.__name__}" for each in subclasses(ChaosVMError)}
    assert {name for name in found if name.startswith("chaosvm.")} == {
        f"chaosvm.errors.{each.__name__}" for each in OURS if each is not ChaosVMError
    }


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
