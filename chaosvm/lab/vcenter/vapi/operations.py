"""Operations of the vSphere Automation API, declared once for all of its protocols."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chaosvm.lab.simulation import NotFound, Origin
from chaosvm.lab.vcenter.managed_object import SoapFault
from chaosvm.lab.vcenter.vapi.errors import VapiError

__all__ = ["Operation", "Request", "invoke", "operation_table"]


@dataclass(frozen=True, slots=True)
class Request:
    """The parameters of an operation, and the user."""

    parameters: Mapping[str, Any]
    origin: Origin

    def get(self, name: str) -> Any:
        return self.parameters.get(name)

    def required(self, name: str) -> Any:
        value = self.parameters.get(name)
        if value is None:
            raise VapiError("invalid_argument", f"The parameter {name} is missing.")
        return value


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a service, and its HTTP request.

    ``path`` is the one below /api, with the names of its parameters in braces.
    """

    service: str
    name: str
    handler: Callable[[Request], Any]
    method: str
    path: str
    action: str | None = None
    # The parameter that the whole body is, below /api.
    body: str | None = None

    @property
    def success(self) -> int:
        return 201 if self.name == "create" else 200


def operation_table(
    service: str, path: str, *operations: tuple[str, str, str, str | None, Callable[..., Any]]
) -> list[Operation]:
    """Operations of one service: name, HTTP method and path with action, body, handler."""
    table = []
    for name, method, suffix, body, handler in operations:
        inner, _, action = suffix.partition("?")
        table.append(
            Operation(service, name, handler, method, f"{path}{inner}", action or None, body)
        )
    return table


async def invoke(operation: Operation, request: Request) -> Any:
    """The result of an operation. Raises VapiError."""
    try:
        result = operation.handler(request)
        return await result if inspect.isawaitable(result) else result
    except NotFound as error:
        raise VapiError("not_found", str(error)) from None
    except SoapFault as error:
        raise _translated(error) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VapiError("invalid_argument", f"A parameter is not valid: {error}") from None


# Errors by the vSphere fault of the same operation.
_ERRORS = {
    "ManagedObjectNotFound": "not_found",
    "NotFound": "not_found",
    "InvalidPowerState": "not_allowed_in_current_state",
    "InvalidState": "not_allowed_in_current_state",
    "TaskInProgress": "resource_busy",
    "ToolsUnavailable": "service_unavailable",
    "DuplicateName": "already_exists",
    "NoPermission": "unauthorized",
    "NotSupported": "unsupported",
}


def _translated(error: SoapFault) -> VapiError:
    name = type(error.fault).__name__.rpartition(".")[2]
    return VapiError(_ERRORS.get(name, "invalid_argument"), str(error))
