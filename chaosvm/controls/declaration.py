"""Makes sure that a control is called, and that nothing that goes wrong in it goes unsaid.

Chaos Toolkit passes over a control that it cannot call, and over any error in
one but InterruptExecution: it logs them at DEBUG, and runs the experiment.
"""

import logging
from functools import wraps
from typing import Any, Callable, Dict, Mapping, TypeVar, cast

from chaoslib.exceptions import InterruptExecution, InvalidControl

from chaosvm.errors import InvalidValue
from chaosvm.runtime import current_experiment, importing
from chaosvm.settings import values

__all__ = ["Arguments", "check", "required", "told", "validate", "wrong_arguments"]

logger = logging.getLogger("chaostoolkit")

F = TypeVar("F", bound=Callable[..., Any])
# By name: what checks the value, and raises InvalidValue.
Arguments = Mapping[str, Callable[[str, Any], Any]]


def check(module: str, arguments: Arguments) -> None:
    """Raises SystemExit, which Chaos Toolkit does not pass over, while it imports the control.

    That is the only way to check one of a control file, which is not validated.
    """
    found = importing(module)
    if found is not None and not found.validating and (wrong := _mistake(found.control, arguments)):
        raise SystemExit(f"nothing was run: {wrong}")


def validate(control: Dict[str, Any], arguments: Arguments, whole: bool = False) -> None:
    """Raises InvalidControl for a control that Chaos Toolkit could not call as it has to be.

    ``whole``: it has to be one of the experiment itself, before and after.
    """
    wrong = _mistake(control, arguments)
    if not wrong and whole and control.get("scope") is not None:
        wrong = f"{_name(control)} has a scope, and has to be called before and after"
    if not wrong and whole and not _is_of_experiment(control):
        wrong = f"{_name(control)} has to be among the controls of the experiment itself"
    if wrong:
        raise InvalidControl(wrong)


def wrong_arguments(provider: Mapping[str, Any], example: str) -> str:
    """What keeps Chaos Toolkit from calling it with these arguments; an empty text for nothing."""
    if "arguments" not in provider:
        return ""
    given = provider["arguments"]
    if given is None:
        return "'arguments' and nothing below: leave it out"
    if not isinstance(given, Mapping):
        return f"the arguments {given!r}, and expected is a mapping such as {example}"
    if "context" in given:
        return "an argument 'context', which is not one of its own"
    if not all(isinstance(key, str) for key in given):
        return f"the arguments {given!r}, not all of whose names are texts"
    return ""


def told(function: F) -> F:
    """Log an error that Chaos Toolkit would pass over."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except InterruptExecution:
            raise
        except Exception as error:
            logger.error(f"{_where(function)} failed: {_error(error)}")
            raise

    return cast(F, call)


def required(function: F) -> F:
    """Stop the run on an error, as it may not go on without this."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except InterruptExecution:
            raise
        except Exception as error:
            raise InterruptExecution(f"{_where(function)} failed: {_error(error)}") from error

    return cast(F, call)


def _mistake(control: Dict[str, Any], arguments: Arguments) -> str:
    provider = control.get("provider")
    provider = provider if isinstance(provider, Mapping) else {}
    example = f"{{{next(iter(arguments), 'name')!r}: ...}}"
    if wrong := wrong_arguments(provider, example):
        return f"{_name(control)} has {wrong}"
    for key, value in provider.get("arguments", {}).items():
        if wrong := _wrong_value(key, value, arguments):
            return f"{_name(control)}: {wrong}"
    return ""


def _wrong_value(key: str, value: Any, arguments: Arguments) -> str:
    if key not in arguments:
        known = f"known are {', '.join(arguments)}" if arguments else "it takes none"
        return f"unknown argument {key!r}{values.suggestion(key, arguments)}: {known}"
    if isinstance(value, str) and "${" in value:
        return ""  # Chaos Toolkit puts in what it stands for when the run begins
    try:
        arguments[key](key, value)
    except InvalidValue as error:
        return str(error)
    return ""


def _is_of_experiment(control: Mapping[str, Any]) -> bool:
    experiment = current_experiment()
    declared = (experiment or {}).get("controls") or ()
    return experiment is None or any(each is control or each == control for each in declared)


def _name(control: Mapping[str, Any]) -> str:
    return f"the control {control.get('name')!r}"


def _where(function: Callable[..., Any]) -> str:
    return f"{function.__module__}: {function.__name__}"


def _error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
