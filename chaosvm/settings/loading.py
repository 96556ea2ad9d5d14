"""Settings: from configuration, secrets and environment to typed values.

A platform declares a frozen dataclass whose fields are made by
:func:`setting`; :func:`load` fills it. The field ``server`` of a class with
the prefix ``vsphere`` is the configuration or secret key ``vsphere_server``
and the environment variable ``VSPHERE_SERVER``, looked for in that order.
Some settings, such as limits, combine what all of these say.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import os
import re
import ssl
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from chaosvm.errors import InvalidValue
from chaosvm.redaction import hide_password
from chaosvm.runtime import rehearsal
from chaosvm.runtime.documents import read_text
from chaosvm.settings import values

__all__ = ["Settings", "ca_file", "host_name", "is_host", "load", "port", "refuse_user", "setting"]

_IPV6 = 6
# Letters of any script; the underscore is in names that people really have.
_HOST = re.compile(r"(?=.{1,253}$)[\w.-]+")

Converter = Callable[[str, Any], Any]
Combiner = Callable[[Any, Any], Any]
S = TypeVar("S", bound="Settings")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base of the platforms' settings."""

    prefix: ClassVar[str]
    # The keys without which nothing can be reached, to tell "not configured"
    # from "badly configured".
    essential: ClassVar[tuple[str, ...]] = ()
    # In a rehearsal, are they the experiment's own where a setting does not say? Only
    # where they say neither where something is nor how to log in.
    rehearsed: ClassVar[bool] = False
    # Is an environment variable that begins with the prefix, and is not known, an
    # error too? Only where nothing else uses such variables.
    alone: ClassVar[bool] = False

    def __post_init__(self) -> None:
        username = getattr(self, "username", None)
        for field in dataclasses.fields(self):
            # A user name is no secret, even where it is not shown: VMs may be called like it.
            if field.metadata["secret"] and field.name != "username":
                hide_password(getattr(self, field.name), username)

    @classmethod
    def rehearses(cls, field: dataclasses.Field[Any]) -> bool:
        """Is this setting the experiment's own, also in a rehearsal?"""
        own: bool | None = field.metadata["rehearsed"]
        return cls.rehearsed if own is None else own

    @property
    def addresses(self) -> frozenset[tuple[str, int]]:
        """Each host and port that these settings lead to."""
        raise NotImplementedError

    @classmethod
    def of(cls: type[S], **given: Any) -> S:
        """From Python arguments; raises InvalidValue as :func:`load` does."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        found = {name: value for name, value in given.items() if value is not None}
        _require(found, [(name, name) for name, f in fields.items() if _required(f)])
        return cls(**{name: _converted(fields[name], name, v) for name, v in found.items()})


def setting(
    convert: Converter,
    default: Any = dataclasses.MISSING,
    secret: bool = False,
    rehearsed: bool | None = None,
    combine: Combiner | None = None,
) -> Any:
    """One setting. A secret one is never shown and never taken from configuration.

    In a rehearsal it is the lab's, unless it is ``rehearsed`` as it is; by
    default as the class says. With ``combine``, what several sources say counts
    together; otherwise the first that says anything.
    """
    metadata = {
        "convert": convert,
        "secret": secret,
        "rehearsed": rehearsed,
        "combine": combine,
    }
    return dataclasses.field(default=default, repr=not secret, metadata=metadata)


def load(
    cls: type[S],
    configuration: Mapping[str, Any] | None,
    secrets: Mapping[str, Any] | None,
    environment: Mapping[str, str] | None = None,
) -> S:
    """Fill a platform's settings; raises InvalidValue, naming the key.

    In a rehearsal the lab's environment is all there is for most of them.
    """
    lab = rehearsal.environment()
    configuration, secrets = _group("configuration", configuration), _group("secrets", secrets)
    environment = os.environ if environment is None else environment
    fields = {f"{cls.prefix}_{field.name}": field for field in dataclasses.fields(cls)}
    _refuse_secrets_in_configuration(fields, configuration)
    _refuse_unknown(cls.prefix, fields, configuration, secrets)
    if cls.alone:
        variables = {key.upper(): field for key, field in fields.items()}
        _refuse_unknown(cls.prefix.upper(), variables, environment)
    found = {}
    for key, field in fields.items():
        if lab is None or cls.rehearses(field):
            given = _given(key, configuration, secrets, environment)
        else:
            given = _given(key, {}, {}, lab)
        if given:
            found[field.name] = _settled(field, key, given)
    required = [(f.name, key) for key, f in fields.items() if _required(f)]
    if lab is not None and not all(name in found for name, _ in required):
        raise InvalidValue(
            f"the lab of this rehearsal has no {cls.prefix}: is it missing in its `platforms`, "
            f"or the extra {cls.prefix} not installed?"
        )
    _require(found, required)
    return cls(**found)


def configured(cls: type[Settings], environment: Mapping[str, str] | None = None) -> bool:
    """Does the environment name a server of this platform at all?"""
    lab = rehearsal.environment()
    if lab is not None:
        environment = lab
    elif environment is None:
        environment = os.environ
    return all(environment.get(f"{cls.prefix}_{name}".upper()) for name in cls.essential)


def _group(what: str, given: Any) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        # Not shown, as it may be a password.
        raise InvalidValue(f"the {what} cannot be used: expected a mapping")
    return given


def _given(
    key: str,
    configuration: Mapping[str, Any],
    secrets: Mapping[str, Any],
    environment: Mapping[str, str],
) -> list[Any]:
    """What the sources say, in their order; an empty string counts as not set."""
    said = (configuration.get(key), secrets.get(key), environment.get(key.upper()))
    return [value for value in said if value not in (None, "")]


def _settled(field: dataclasses.Field[Any], key: str, given: list[Any]) -> Any:
    """Of the first source or, where sources combine, of all of them."""
    combine: Combiner | None = field.metadata["combine"]
    if combine is None:
        return _converted(field, key, given[0])
    return functools.reduce(combine, [_converted(field, key, value) for value in given])


def _converted(field: dataclasses.Field[Any], key: str, value: Any) -> Any:
    convert: Converter = field.metadata["convert"]
    if not field.metadata["secret"]:
        return convert(key, value)
    try:
        return convert(key, value)
    except InvalidValue:
        # The ordinary message shows the value.
        raise InvalidValue(
            f"{key} cannot be used: expected a string that is not empty, without control characters"
        ) from None


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING


def _require(found: Mapping[str, Any], required: list[tuple[str, str]]) -> None:
    missing = [key for name, key in required if name not in found]
    if missing:
        keys = ", ".join(missing)
        raise InvalidValue(
            f"not set: {keys}. Give {'it' if len(missing) == 1 else 'them'} in the experiment's "
            "configuration or secrets (and name the group of secrets under the activity's "
            f"provider), or in the environment as {', '.join(key.upper() for key in missing)}"
        )


def _refuse_secrets_in_configuration(
    fields: Mapping[str, dataclasses.Field[Any]], configuration: Mapping[str, Any]
) -> None:
    for key, field in fields.items():
        if field.metadata["secret"] and key in configuration:
            raise InvalidValue(
                f"{key} is in the configuration, which is written to the journal: "
                "move it to the secrets, or to the environment"
            )


def _refuse_unknown(prefix: str, fields: Mapping[str, Any], *sources: Mapping[str, Any]) -> None:
    for key in (key for source in sources for key in source):
        if not isinstance(key, str):
            continue
        if key.lower().startswith(f"{prefix}_".lower()) and key not in fields:
            names = [name.removeprefix(f"{prefix}_") for name in fields]
            hint = values.suggestion(key[len(prefix) + 1 :], names)
            hint = hint.replace("mean '", f"mean '{prefix}_")
            name = key if key.isidentifier() else values.shown(key)
            raise InvalidValue(f"unknown setting {name}{hint}: known are {', '.join(fields)}")


# Converters that only settings need --------------------------------------------


def host_name(key: str, value: Any) -> str:
    expected = "a host name or address, without https://, port or path"
    refuse_user(key, value, expected)
    host = values.string(key, value, expected).strip()
    if not is_host(host):
        raise values.invalid(key, value, expected)
    return host.strip("[]")


def refuse_user(key: str, value: Any, expected: str) -> None:
    """Raises InvalidValue, without the value, for user:password@host and its like."""
    if "@" in (value if isinstance(value, str) else values.shown(value)):
        raise InvalidValue(f"{key} has an @ in it: expected {expected}")


def is_host(host: str) -> bool:
    """Can this be the name or the address of a host, in brackets or not?"""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare or bare != host:
        try:
            return ipaddress.ip_address(bare).version == _IPV6
        except ValueError:
            return False
    try:
        # As it is looked up; raises for labels that are empty or too long.
        bare.encode("idna")
    except UnicodeError:
        return False
    return _HOST.fullmatch(bare) is not None


def port(key: str, value: Any) -> int:
    return values.integer(key, value, 1, 65_535)


def ca_file(key: str, value: Any) -> str:
    expected = "the path of a PEM file with the CA's certificate"
    path = values.path(key, value, expected)
    try:
        # Nothing but a file of a sane size is given to the TLS library.
        read_text(path)
        ssl.create_default_context(cafile=str(path))
    except (OSError, ValueError) as error:  # ssl.SSLError and UnusableFile are such
        reason = getattr(error, "strerror", None) or str(error) or "it cannot be read"
        raise values.invalid(key, value, f"{expected} ({reason})") from None
    return str(path)
