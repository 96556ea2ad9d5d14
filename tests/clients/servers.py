"""What the clients are driven against: the lab, and govmomi's newest simulator to compare with."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import trustme

from chaosvm.lab import Lab
from chaosvm.lab.world_files import load

__all__ = ["BUILD", "NotBuilt", "built", "govc_variables", "lab_server", "newest_simulator"]

# Where `make clients` puts what it builds.
BUILD = Path(os.environ.get("CLIENTS_BUILD", Path(__file__).resolve().parents[2] / "build"))
_NAMES = ("localhost", "127.0.0.1")


class NotBuilt(Exception):
    """A program that `make clients` builds is missing."""


@contextmanager
def lab_server() -> Iterator[dict[str, str]]:
    """A lab with the small world, as the environment variables that govc reads."""
    with Lab(load("small")) as lab:
        yield govc_variables(
            lab.vsphere_server, lab.vsphere_port, lab.username, lab.password, lab.ca_file
        )


def govc_variables(
    server: str, port: int, username: str, password: str, ca_file: str
) -> dict[str, str]:
    return {
        "GOVC_URL": f"https://{server}:{port}/sdk",
        "GOVC_USERNAME": username,
        "GOVC_PASSWORD": password,
        "GOVC_TLS_CA_CERTS": ca_file,
    }


@contextmanager
def newest_simulator(**shape: int) -> Iterator[dict[str, str]]:
    """govmomi's simulator; `shape` are its options, such as vm=2."""
    binary = built("vcsim-newest")
    username, password = "tester", secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory(prefix="vcsim-newest-") as directory:
        home = Path(directory)
        _write_certificates(home)
        options = [f"-{name.replace('_', '-')}={value}" for name, value in shape.items()]
        process = subprocess.Popen(
            [binary, "-cert", home / "cert.pem", "-key", home / "key.pem", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=_environment(home, VCSIM_USERNAME=username, VCSIM_PASSWORD=password),
        )
        try:
            assert process.stdout is not None
            port = json.loads(process.stdout.readline())["port"]
            yield govc_variables("127.0.0.1", port, username, password, str(home / "ca.pem"))
        finally:
            process.terminate()
            process.communicate()


def built(name: str) -> Path:
    binary = BUILD / name
    if not binary.is_file():
        raise NotBuilt(f"{binary} was not built: run make clients")
    return binary


def _write_certificates(home: Path) -> None:
    ca = trustme.CA()
    certificate = ca.issue_cert(*_NAMES)
    ca.cert_pem.write_to_path(home / "ca.pem")
    certificate.private_key_pem.write_to_path(home / "key.pem")
    for part in certificate.cert_chain_pems:
        part.write_to_path(home / "cert.pem", append=True)


def _environment(home: Path, **variables: str) -> Mapping[str, str]:
    return os.environ | variables | {"TMPDIR": str(home)}
