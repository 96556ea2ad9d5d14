"""A directory that keeps the CA and the password of a lab, so that they stay the same."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import trustme

from chaosvm.errors import InvalidValue

__all__ = ["StateDirectory"]

_CERTIFICATE, _KEY, _PASSWORD = "ca.pem", "ca-key.pem", "password"


class StateDirectory:
    """Made if it is missing; only its owner may enter it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.path.stat()
        except OSError as error:
            raise InvalidValue(
                f"state_dir is {str(path)!r}, and cannot be used: {error.strerror}"
            ) from None
        if status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise InvalidValue(
                f"state_dir is {str(path)!r}, which others may enter, and it holds a password: "
                f"chmod 700 {str(path)!r}"
            )

    @property
    def ca_file(self) -> Path:
        return self.path / _CERTIFICATE

    def ca(self) -> trustme.CA:
        """The CA that is kept here, or a new one."""
        key_file = self.path / _KEY
        if self.ca_file.exists() and key_file.exists():
            try:
                return trustme.CA.from_pem(self.ca_file.read_bytes(), key_file.read_bytes())
            except ValueError:
                raise InvalidValue(
                    f"state_dir is {str(self.path)!r}, whose {_CERTIFICATE} or {_KEY} cannot be "
                    "read: remove them, and new ones are made"
                ) from None
        ca = trustme.CA()
        self._write(_KEY, ca.private_key_pem.bytes())
        self._write(_CERTIFICATE, ca.cert_pem.bytes())
        return ca

    def password(self) -> str:
        """The password that is kept here, or a new one."""
        file = self.path / _PASSWORD
        if file.exists() and (kept := file.read_text(encoding="utf-8").strip()):
            return kept
        password = secrets.token_urlsafe(12)
        self._write(_PASSWORD, f"{password}\n".encode())
        return password

    def _write(self, name: str, content: bytes) -> None:
        """Write a file that only its owner can read."""
        file = self.path / name
        file.unlink(missing_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as output:
            output.write(content)
