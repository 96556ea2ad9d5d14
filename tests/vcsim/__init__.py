"""A simulated vCenter for tests: starts the simulator in this folder and controls it.

    with Vcsim.start(vms=2) as vcsim:
        ...connect to vcsim.host, vcsim.port with vcsim.username, vcsim.password, vcsim.ca_file...
        vcsim.rules(rule("PowerOffVM_Task", "slow_task", seconds=1))

Rules are tried in order; the first that matches applies. `estate.Estate` gives administrators
direct access.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import ssl
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import trustme

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN = 60.0
Rule = dict[str, Any]


class VcsimError(Exception):
    """The simulator is not built, did not start or refused a request."""


def build() -> Path:
    """Path of the built simulator."""
    binary = ROOT / "build" / "vcsim"
    if not binary.is_file():
        raise VcsimError(f"{binary} was not built: run make vcsim")
    return binary


def rule(
    method: str,
    action: str,
    *,
    vm: str = "",
    skip: int = 0,
    times: int = 0,
    seconds: float = 0.0,
    fault: str = "",
    message: str = "",
    requested: str = "",
    existing: str = "",
    code: int = 0,
) -> Rule:
    """A rule for Vcsim.rules().

    method: a SOAP method, or "GET /path"; with a trailing *, any that starts with it.
    action: delay, ignore, guest_after, slow_task, stuck_task, failed_task, fault, drop_before,
    drop_after, silent, cut, drip, html, status or empty.
    vm: a name or moid, empty for any; all VMs that the request mentions are looked at.
    The first `skip` matching calls pass, then the rule applies to `times` calls (0: to all).
    """
    return {
        "method": method,
        "action": action,
        "vm": vm,
        "skip": skip,
        "times": times,
        "seconds": seconds,
        "fault": fault,
        "message": message,
        "requested": requested,
        "existing": existing,
        "code": code,
    }


def when(method: str, do: Callable[[], object], *, vm: str = "", skip: int = 0) -> Rule:
    """Call ``do`` once, in another thread, when a request arrives; it is served afterwards.

    method, vm, skip: as for rule(). No other rule applies to that request.
    """
    held = rule(method, "hold", vm=vm, skip=skip, times=1)
    return held | {"id": secrets.token_hex(8), "do": do}


class Vcsim:
    """A running simulator. Create it with start(); leaving the `with` block stops it."""

    host = "127.0.0.1"
    control_tls: ssl.SSLContext | None = None  # an administrator's door on this machine

    def __init__(
        self,
        process: subprocess.Popen[str],
        home: Path,
        port: int,
        control: int,
        username: str,
        password: str,
    ) -> None:
        self._process = process
        self._home = home
        self.port = port
        self.control = control
        self.username = username
        self.password = password
        self._waiting: list[threading.Thread] = []

    @classmethod
    def start(
        cls,
        *,
        datacenters: int = 1,
        clusters: int = 1,
        cluster_hosts: int = 3,
        standalone_hosts: int = 1,
        vms: int = 2,
        folders: int = 0,
        apps: int = 0,
        pools: int = 0,
        tools: bool = True,
        vapi: bool = True,
        delay_ms: int = 0,
        task_seconds: float = 0.0,
        username: str = "tester@vsphere.local",
        password: str | None = None,
        ca: trustme.CA | None = None,
        names: Sequence[str] = ("localhost", "127.0.0.1"),
        ready_within: float = READY_WITHIN,
    ) -> Vcsim:
        """Start one, with `vms` in each cluster, standalone host and vApp.

        `names` are those in the certificate, which `ca` issues. With `tools`, VMware Tools run in
        all VMs. `task_seconds` is how long each power task takes.
        """
        binary = build()
        password = password or secrets.token_urlsafe(12)
        home = Path(tempfile.mkdtemp(prefix="vcsim-"))
        try:
            _write_certificates(home, ca or trustme.CA(), names)
            options = {
                "cert": home / "cert.pem",
                "key": home / "key.pem",
                "dc": datacenters,
                "cluster": clusters,
                "cluster-host": cluster_hosts,
                "standalone-host": standalone_hosts,
                "vm": vms,
                "folder": folders,
                "app": apps,
                "pool": pools,
                "tools": str(tools).lower(),
                "no-vapi": str(not vapi).lower(),
                "delay": delay_ms,
                "task-seconds": task_seconds,
            }
            process = _spawn(binary, options, home, username, password)
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        try:
            ready = _ready(process, home, ready_within)
        except BaseException:
            _end(process, home)
            raise
        return cls(process, home, ready["port"], ready["control"], username, password)

    def __enter__(self) -> Vcsim:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it and remove all its files. May be called twice."""
        _end(self._process, self._home)
        for thread in self._waiting:
            thread.join()

    @property
    def ca_file(self) -> str:
        """PEM file of the CA that issued its certificate."""
        return str(self._home / "ca.pem")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        """The simulator's standard error."""
        return _log(self._home)

    def environment(self) -> dict[str, str]:
        """The environment variables that configure chaosvm for it."""
        return {
            "VSPHERE_SERVER": self.host,
            "VSPHERE_PORT": str(self.port),
            "VSPHERE_USERNAME": self.username,
            "VSPHERE_PASSWORD": self.password,
            "VSPHERE_CA_FILE": self.ca_file,
        }

    def requests(self) -> dict[str, Any]:
        """{"total": n, "connections": n, "methods": {"Login": 1, "GET /path": 1, ...}}"""
        answer: dict[str, Any] = self._ask("GET", "/requests")
        return answer

    def reset_requests(self) -> None:
        self._ask("POST", "/requests/reset")

    def sessions(self) -> dict[str, int]:
        """{"logins": n, "logouts": n, "rest_logins": n, "rest_logouts": n}, since the start."""
        answer: dict[str, int] = self._ask("GET", "/sessions")
        return answer

    def rules(self, *rules: Mapping[str, Any]) -> None:
        """Replace all rules; without arguments, remove all."""
        requests = [{key: value for key, value in each.items() if key != "do"} for each in rules]
        self._ask("POST", "/rules", requests)
        for each in rules:
            if "do" in each:
                arguments = (each["id"], each["do"])
                waiting = threading.Thread(target=self._do_when_held, args=arguments, daemon=True)
                self._waiting.append(waiting)
                waiting.start()

    def _do_when_held(self, held: str, do: Callable[[], object]) -> None:
        arrived = False
        with contextlib.suppress(VcsimError):  # the rules were replaced, or it was stopped
            arrived = self._ask("GET", f"/rules/held?id={held}", within=None)
        if arrived:
            do()
        with contextlib.suppress(VcsimError):
            self._ask("POST", f"/rules/release?id={held}")

    def applied(self) -> list[int]:
        """How often each current rule has been applied, in order."""
        return [each["applied"] for each in self._ask("GET", "/rules") or []]

    def expire_sessions(self) -> None:
        """End all current sessions."""
        self._ask("POST", "/sessions/expire")

    def drop_connections(self) -> None:
        """Close every open TCP connection."""
        self._ask("POST", "/sessions/terminate-connections")

    def correct_vapps(self) -> None:
        """Show vApps created since the start as a vCenter does: the VMs in them have no parent."""
        self._ask("POST", "/vapps/correct")

    def leave_vapp(self, moid: str) -> None:
        """Give a VM in a vApp a parent again, without which the simulator cannot destroy it."""
        self._ask("POST", f"/vapps/leave?vm={moid}")

    def _ask(self, method: str, path: str, content: Any = None, within: float | None = 30) -> Any:
        body = json.dumps(content).encode() if content is not None else None
        request = urllib.request.Request(
            f"http://{self.host}:{self.control}{path}", data=body, method=method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=within) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:  # which is the response, too
                text = error.read().decode(errors="replace").strip()
            raise VcsimError(f"{method} {path}: {text}") from error
        except (urllib.error.URLError, ConnectionError) as error:
            raise VcsimError(
                f"{method} {path}: {error}; its log ends: {self.log()[-2000:]}"
            ) from error


def _write_certificates(home: Path, ca: trustme.CA, names: Sequence[str]) -> None:
    certificate = ca.issue_cert(*names)
    ca.cert_pem.write_to_path(home / "ca.pem")
    certificate.private_key_pem.write_to_path(home / "key.pem")
    for part in certificate.cert_chain_pems:
        part.write_to_path(home / "cert.pem", append=True)


def _spawn(
    binary: Path, options: Mapping[str, object], home: Path, username: str, password: str
) -> subprocess.Popen[str]:
    arguments = [f"-{name}={value}" for name, value in options.items()]
    environment = dict(
        os.environ, VCSIM_USERNAME=username, VCSIM_PASSWORD=password, TMPDIR=str(home)
    )
    with (home / "log").open("w") as log:
        return subprocess.Popen(
            [str(binary), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )


def _ready(process: subprocess.Popen[str], home: Path, within: float) -> dict[str, int]:
    assert process.stdout is not None
    alarm = threading.Timer(within, process.kill)
    alarm.start()
    try:
        line = process.stdout.readline()
    finally:
        alarm.cancel()
    if not line:
        raise VcsimError(
            f"the simulator was not ready within {within} s; its log ends: {_log(home)[-2000:]}"
        )
    ready: dict[str, int] = json.loads(line)
    return ready


def _end(process: subprocess.Popen[str], home: Path) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
    shutil.rmtree(home, ignore_errors=True)


def _log(home: Path) -> str:
    try:
        return (home / "log").read_text(errors="replace")
    except FileNotFoundError:
        return ""
