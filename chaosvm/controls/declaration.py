"""Makes sure that a control is called and that its errors are reported.

Chaos Toolkit ignores a control that it cannot call, and any error in a control
but InterruptExecution: it logs them at DEBUG and runs the experiment.
"""

import logging
from functools import wraps
from typing import Any, Callable, Dict, Mapping, TypeVar, cast

from chaoslib.exceptions import InterruptExecution, InvalidControl

from chaosvm.errors import InvalidValue
from chaosvm.runtime import current_experiment, importing
from chaosvm.settings import values

__all__ = ["Arguments", "check", "log_errors", "required", "validate", "wrong_arguments"]

logger = logging.getLogger("chaostoolkit")

F = TypeVar("F", bound=Callable[..., Any])
# The validator of each argument, which raises InvalidValue.
Arguments = Mapping[str, Callable[[str, Any], Any]]


def check(module: str, arguments: Arguments) -> None:
    """Check the declaration that a control's module is being imported for.

    Raises SystemExit, which Chaos Toolkit does not ignore. This is the only way to
    check the declarations of a control file, which Chaos Toolkit does not validate.
    """
    declaration = importing(module)
    if declaration is None or declaration.validating:
        return
    if mistake := _find_mistake(declaration.control, arguments):
        raise SystemExit(f"nothing was run: {mistake}")


def validate(control: Dict[str, Any], arguments: Arguments, whole: bool = False) -> None:
    """Raise InvalidControl if Chaos Toolkit could not call the control as it needs to be.

    A ``whole`` control has to be called before and after the experiment itself.
    """
    mistake = _find_mistake(control, arguments)
    if not mistake and whole:
        mistake = _find_scope_mistake(control)
    if mistake:
        raise InvalidControl(mistake)


def wrong_arguments(provider: Mapping[str, Any], example: str) -> str:
    """Say why Chaos Toolkit cannot call a control with these arguments; empty if it can."""
    if "arguments" not in provider:
        return ""
    arguments = provider["arguments"]
    if arguments is None:
        return "an empty 'arguments': leave it out"
    if not isinstance(arguments, Mapping):
        return f"the arguments {arguments!r}: expected a mapping such as {example}"
    if "context" in arguments:
        return "an argument 'context', which Chaos Toolkit passes itself"
    if not all(isinstance(key, str) for key in arguments):
        return f"the arguments {arguments!r}: expected strings as names"
    return ""


def log_errors(function: F) -> F:
    """Log errors that Chaos Toolkit would ignore."""
    return _on_error(function, logger.error)


def required(function: F) -> F:
    """Stop the run on an error, as it must not continue without this control."""

    def stop(message: str) -> None:
        raise InterruptExecution(message)

    return _on_error(function, stop)


def _on_error(function: F, report: Callable[[str], None]) -> F:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except InterruptExecution:
            raise
        except Exception as error:
            name = f"{function.__module__}: {function.__name__}"
            report(f"{name} failed: {type(error).__name__}: {error}")
            raise

    return cast(F, call)


def _find_mistake(control: Dict[str, Any], arguments: Arguments) -> str:
    provider = control.get("provider")
    provider = provider if isinstance(provider, Mapping) else {}
    example = f"{{{next(iter(arguments), 'name')!r}: ...}}"
    if mistake := wrong_arguments(provider, example):
        return f"{_name(control)} has {mistake}"
    for key, value in provider.get("arguments", {}).items():
        if mistake := _find_wrong_value(key, value, arguments):
            return f"{_name(control)}: {mistake}"
    return ""


def _find_scope_mistake(control: Mapping[str, Any]) -> str:
    if control.get("scope") is not None:
        return f"{_name(control)} must not have a scope: it must be called before and after"
    if not _is_of_experiment(control):
        return f"{_name(control)} must be among the controls of the experiment itself"
    return ""


def _find_wrong_value(key: str, value: Any, arguments: Arguments) -> str:
    if key not in arguments:
        known = f"known are {', '.join(arguments)}" if arguments else "it takes none"
        return f"unknown argument {key!r}{values.suggestion(key, arguments)}: {known}"
    if isinstance(value, str) and "${" in value:
        return ""  # Chaos Toolkit substitutes it when the run begins
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
