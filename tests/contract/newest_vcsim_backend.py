"""govmomi's newest simulator, as plain as it comes: it makes no trouble, and counts nothing."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from pyVmomi import vim

from tests.clients.servers import newest_simulator
from tests.contract.estate import DATACENTERS, Entry, Power
from tests.contract.vcsim_backend import VcsimBackend
from tests.vcsim.estate import Estate

__all__ = ["NewestVcsimBackend"]


class _Plain:
    """What an estate and a backend ask of a simulator; its administrators have no own door."""

    host = "127.0.0.1"

    def __init__(self, variables: dict[str, str]) -> None:
        self.port = self.control = urlsplit(variables["GOVC_URL"]).port
        self.username = variables["GOVC_USERNAME"]
        self.password = variables["GOVC_PASSWORD"]
        self.ca_file = variables["GOVC_TLS_CA_CERTS"]
        self.control_tls = ssl.create_default_context(cafile=self.ca_file)

    def rules(self, *rules: Any) -> None:
        if rules:
            pytest.skip("it makes no trouble on demand")

    def reset_requests(self) -> None: ...

    def leave_vapp(self, moid: str) -> None: ...

    def requests(self) -> dict[str, Any]:
        return pytest.skip("it does not count requests")

    def sessions(self) -> dict[str, int]:
        return pytest.skip("it does not count sessions")

    def expire_sessions(self) -> None:
        pytest.skip("its sessions do not end on demand")

    def drop_connections(self) -> None:
        pytest.skip("its connections do not break on demand")


class NewestVcsimBackend(VcsimBackend):
    name = "newest vcsim"

    def start(self, opened: ExitStack) -> None:
        shape = {"dc": len(DATACENTERS), "cluster_host": 2, "standalone_host": 0, "vm": 0}
        self._vcsim = _Plain(opened.enter_context(newest_simulator(**shape)))
        self._estate = opened.enter_context(Estate(self._vcsim))
        self.add_all()

    def _bring(self, vm: vim.VirtualMachine, entry: Entry) -> None:
        """Its Tools outlive the power."""
        super()._bring(vm, entry)
        if entry.power is not Power.ON:
            self._estate.set_guest(vm, tools_running=False)
