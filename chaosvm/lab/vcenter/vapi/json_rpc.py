"""JSON-RPC: how VMware's SDKs, and so Ansible's modules, use the vSphere Automation API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from chaosvm.lab.simulation import Origin
from chaosvm.lab.vcenter.vapi.errors import VapiError
from chaosvm.lab.vcenter.vapi.login import Login
from chaosvm.lab.vcenter.vapi.operations import Operation, Request, invoke
from chaosvm.lab.vcenter.vapi.structures import from_json_rpc, to_json_rpc

__all__ = ["JsonRpc"]

_SESSION = "com.vmware.cis.session"
_PASSWORD = "com.vmware.vapi.std.security.user_pass"
_UNKNOWN_METHOD = {"code": -32601, "message": "Method not found."}
_INVALID = {"code": -32600, "message": "Invalid Request."}


class JsonRpc:
    def __init__(self, login: Login, operations: Sequence[Operation]) -> None:
        self._login = login
        self._operations: Mapping[tuple[str, str], Operation] = {
            (each.service, each.name): each for each in operations
        }

    async def handle(self, request: web.Request) -> web.Response:
        try:
            call = json.loads(await request.read())
            answer = {"jsonrpc": "2.0", "id": call.get("id")}
            params, method = call["params"], call.get("method")
            service, name = params["serviceId"], params["operationId"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return web.json_response({"jsonrpc": "2.0", "id": None, "error": _INVALID})
        if method != "invoke":
            return web.json_response(answer | {"error": _UNKNOWN_METHOD})
        try:
            output = to_json_rpc(await self._invoke(service, name, params))
        except VapiError as error:
            return web.json_response(answer | {"result": {"error": error.json_rpc()}})
        return web.json_response(answer | {"result": {"output": output}})

    async def _invoke(self, service: str, name: str, params: Mapping[str, Any]) -> Any:
        context = (params.get("ctx") or {}).get("securityCtx") or {}
        if service == _SESSION:
            return self._session(name, context)
        self._require_session(context)
        operation = self._operations.get((service, name))
        if operation is None:
            message = f"The operation {name} of {service} is not modelled by the lab."
            raise VapiError("operation_not_found", message)
        parameters = from_json_rpc(params.get("input") or {"STRUCTURE": {"operation-input": {}}})
        return await invoke(operation, Request(parameters, Origin(user=self._login.user)))

    def _session(self, name: str, context: Mapping[str, Any]) -> Any:
        if name == "create":
            user, password = context.get("userName") or "", context.get("password") or ""
            if context.get("schemeId") != _PASSWORD or not self._login.matches(user, password):
                raise VapiError("unauthenticated", "Invalid credentials.")
            return {"SECRET": self._login.new_token()}
        self._require_session(context)
        if name == "get":
            return self._login.info()
        if name != "delete":
            raise VapiError("operation_not_found", f"Sessions have no operation {name!r}.")
        self._login.drop(context["sessionId"])
        return None

    def _require_session(self, context: Mapping[str, Any]) -> None:
        if not self._login.is_valid(str(context.get("sessionId") or "")):
            raise VapiError("unauthenticated", "Authentication required.")
