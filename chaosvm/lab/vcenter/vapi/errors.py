"""The errors of the vSphere Automation API, as each of its protocols has them."""

from __future__ import annotations

from typing import Any

__all__ = ["VapiError"]

_PREFIX = "com.vmware.vapi.std.errors."
# Every other error has status 400 (vSphere Automation API, "HTTP status codes").
_STATUSES = {
    "unauthenticated": 401,
    "unauthorized": 403,
    "not_found": 404,
    "operation_not_found": 404,
    "internal_server_error": 500,
    "service_unavailable": 503,
}


class VapiError(Exception):
    """Answers the request with an error of com.vmware.vapi.std.errors."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.status = _STATUSES.get(name, 400)

    def legacy(self) -> Any:
        """Its body below /rest."""
        return {"type": f"{_PREFIX}{self.name}", "value": {"messages": self._messages()}}

    def plain(self) -> Any:
        """Its body below /api."""
        return {"error_type": self.name.upper(), "messages": self._messages()}

    def json_rpc(self) -> Any:
        message = {f"{_PREFIX[:-8]}.localizable_message": self._messages()[0]}
        fields = {
            "messages": [{"STRUCTURE": message}],
            "data": {"OPTIONAL": None},
            "error_type": {"OPTIONAL": self.name.upper()},
        }
        return {"ERROR": {f"{_PREFIX}{self.name}": fields}}

    def _messages(self) -> list[Any]:
        return [{"id": f"{_PREFIX}{self.name}", "default_message": str(self), "args": []}]
