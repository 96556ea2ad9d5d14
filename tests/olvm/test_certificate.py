"""A certificate has to name the engine as an alternative name: a CN alone is not enough."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chaosvm.errors import CertificateRejected, ChaosVMError
from chaosvm.olvm import OLVMPlatform
from chaosvm.olvm.certificate import has_alternative_name

CN_ONLY: list[x509.GeneralName] | None = None
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(names: list[x509.GeneralName] | None, critical: bool = False) -> x509.Certificate:
    """Signed by itself, which is its own CA then."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if names is not None:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical)
    return made.sign(KEY, hashes.SHA256())


@contextmanager
def served(made: x509.Certificate, folder: Path) -> Iterator[tuple[int, Path, list[bytes]]]:
    """A port with this certificate, the file to trust, and what is sent there."""
    pem = folder / "server.pem"
    written = made.public_bytes(serialization.Encoding.PEM)
    key = KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem.write_bytes(written + key)
    trusted = folder / "trusted.pem"
    trusted.write_bytes(written)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    heard: list[bytes] = []

    def answer(raw: socket.socket) -> None:
        with context.wrap_socket(raw, True) as one, one.makefile("rb") as stream:
            head = b"".join(takewhile(lambda line: line != b"\r\n", stream))
            length = re.search(rb"content-length: (\d+)", head, re.I)
            heard.append(head + stream.read(int(length[1]) if length else 0))
            one.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                raw = listening.accept()[0]
            except OSError:
                return
            with raw, suppress(OSError):  # a client that only looks at the certificate hangs up
                answer(raw)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        try:
            yield listening.getsockname()[1], trusted, heard
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@pytest.mark.parametrize(
    ("names", "accepted"),
    [
        ([x509.DNSName("localhost")], True),
        (CN_ONLY, False),
        ([x509.RFC822Name("someone@example.com")], False),
    ],
)
def test_a_password_only_goes_to_a_server_that_is_named(
    tmp_path: Path, names: list[x509.GeneralName] | None, accepted: bool
) -> None:
    with served(certificate(names), tmp_path) as (port, trusted, heard):
        platform = OLVMPlatform(
            f"https://localhost:{port}/ovirt-engine/api",
            "admin@internal",
            "hunter2",
            ca_file=str(trusted),
            timeout=60,
        )
        with pytest.raises(ChaosVMError) as caught:
            platform.count_vms()
        assert isinstance(caught.value, CertificateRejected) is not accepted
        assert any(b"hunter2" in each for each in heard) is accepted


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([x509.DNSName("engine.example.com")], True),
        ([x509.IPAddress(ipaddress.ip_address("10.0.0.1"))], True),
        ([x509.RFC822Name("a@example.com"), x509.DNSName("engine")], True),
        ([x509.DNSName(f"engine-{number}.example.com") for number in range(300)], True),
        ([x509.UniformResourceIdentifier("https://engine")], False),
        (CN_ONLY, False),
    ],
)
def test_which_names_count(
    names: list[x509.GeneralName] | None, critical: bool, expected: bool
) -> None:
    der = certificate(names, critical).public_bytes(serialization.Encoding.DER)
    assert has_alternative_name(der) is expected


@pytest.mark.parametrize("cut", [0, 5, 6, 9])
def test_a_certificate_that_ends_early_names_nothing(cut: int) -> None:
    der = certificate([x509.DNSName("engine")]).public_bytes(serialization.Encoding.DER)
    start = der.find(b"\x06\x03\x55\x1d\x11")
    assert not has_alternative_name(der[: start + cut])
