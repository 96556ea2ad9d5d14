"""Settings: from configuration, secrets and environment to typed values.

A platform declares a frozen dataclass whose fields are made by
:func:`setting`; :func:`load` fills it. The field ``server`` of a class with
the prefix ``vsphere`` is the configuration or secret key ``vsphere_server``
and the environment variable ``VSPHERE_SERVER``, read in that order. The first
that is set wins, except for settings such as limits, which combine all of them.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from chaosvm.errors import InvalidValue
from chaosvm.redaction import hide_password
from chaosvm.runtime import experiment, rehearsal
from chaosvm.settings import values
from chaosvm.settings.declared_controls import missing_controls

__all__ = ["Settings", "configured", "load", "setting"]

logger = logging.getLogger("chaostoolkit")

_ADDRESSES = ("server", "url", "host", "hostname", "address")
_USERS = ("username", "user", "login")
_PASSWORDS = ("password", "passwd", "pass", "pwd")
_CA_FILES = ("ca_file", "cafile", "ca", "cacert", "ca_cert", "ca_bundle")

Converter = Callable[[str, Any], Any]
Combiner = Callable[[Any, Any], Any]
S = TypeVar("S", bound="Settings")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base of the platforms' settings."""

    prefix: ClassVar[str]
    # Without these settings, a platform counts as not configured rather than misconfigured.
    essential: ClassVar[tuple[str, ...]] = ()
    # True if a rehearsal keeps the experiment's values instead of the lab's, unless a
    # setting says otherwise. Never for settings with addresses or logins.
    rehearsed: ClassVar[bool] = False
    # True if an unknown environment variable with the prefix is an error too. Only for
    # a prefix that no other software uses.
    strict_environment: ClassVar[bool] = False

    def __post_init__(self) -> None:
        username = getattr(self, "username", None)
        for field in dataclasses.fields(self):
            # A user name is not hidden from messages: it may be part of a VM's name.
            if field.metadata["secret"] and field.name != "username":
                hide_password(getattr(self, field.name), username)

    @classmethod
    def rehearses(cls, field: dataclasses.Field[Any]) -> bool:
        """True if a rehearsal keeps the experiment's value of this setting."""
        rehearsed: bool | None = field.metadata["rehearsed"]
        return cls.rehearsed if rehearsed is None else rehearsed

    @property
    def addresses(self) -> frozenset[tuple[str, int]]:
        """Each host and port that these settings connect to."""
        raise NotImplementedError

    @classmethod
    def of(cls: type[S], **arguments: Any) -> S:
        """From Python arguments; raises InvalidValue as :func:`load` does."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        present = {name: value for name, value in arguments.items() if value is not None}
        _require(present, {name: name for name, f in fields.items() if _required(f)})
        return cls(**{name: _converted(fields[name], name, v) for name, v in present.items()})


def setting(
    convert: Converter,
    default: Any = None,
    required: bool = False,
    secret: bool = False,
    rehearsed: bool | None = None,
    combine: Combiner | None = None,
) -> Any:
    """One setting. A secret one is never shown and never read from the configuration.

    In a rehearsal the lab's value replaces the experiment's, unless ``rehearsed``
    is true; the default is the class's. ``combine`` merges the values of several
    sources; without it, the first source that has one wins.
    """
    metadata = {
        "convert": convert,
        "secret": secret,
        "rehearsed": rehearsed,
        "combine": combine,
    }
    default = dataclasses.MISSING if required else default
    return dataclasses.field(default=default, repr=not secret, metadata=metadata)


def load(
    cls: type[S],
    configuration: Mapping[str, Any] | None,
    secrets: Mapping[str, Any] | None,
    environment: Mapping[str, str] | None = None,
) -> S:
    """Fill a platform's settings; raises InvalidValue, naming the key.

    In a rehearsal, most of them are read from the lab's environment only.
    """
    lab = rehearsal.environment()
    configuration = _checked_group("configuration", configuration)
    secrets = _checked_group("secrets", secrets)
    _refuse_undeclared_groups()
    _refuse_missing_controls()
    environment = os.environ if environment is None else environment
    fields = {f"{cls.prefix}_{field.name}": field for field in dataclasses.fields(cls)}
    _refuse_secrets_in_configuration(fields, configuration)
    _refuse_unknown(cls.prefix, fields, configuration, secrets)
    if cls.strict_environment:
        variables = {key.upper(): field for key, field in fields.items()}
        _refuse_unknown(cls.prefix.upper(), variables, environment)
    loaded = {}
    for key, field in fields.items():
        if lab is None or cls.rehearses(field):
            candidates = _candidates(key, configuration, secrets, environment)
        else:
            candidates = _candidates(key, {}, {}, lab)
        if candidates:
            loaded[field.name] = _resolved(field, key, candidates)
    required = {field.name: key for key, field in fields.items() if _required(field)}
    if lab is not None and not loaded.keys() >= required.keys():
        raise InvalidValue(
            f"the lab of this rehearsal has no {cls.prefix}: is it missing in its `platforms`, "
            f"or the extra {cls.prefix} not installed?"
        )
    unused = _unused_variables(cls.prefix, fields, environment)
    _require(loaded, required, unused)
    for variable, key in unused.items():
        if lab is None and fields[key].name not in loaded:
            _warn(f"{variable} is set but not used: did you mean {key.upper()}?")
    return cls(**loaded)


def _refuse_undeclared_groups() -> None:
    """Chaos Toolkit passes nothing for them, and the environment's settings would be used."""
    groups, known = experiment.secret_groups()
    if isinstance(groups, str):
        raise InvalidValue(f"the provider's secrets are {groups!r}: give a list, [{groups!r}]")
    for group in groups or ():
        if group not in known:
            raise InvalidValue(
                f"the provider names the group of secrets {group!r}, which the experiment does not "
                f"declare{values.suggestion(group, known)}"
            )


def _refuse_missing_controls() -> None:
    """Chaos Toolkit runs the experiment without them, and nothing would be undone, or stopped."""
    for problem in missing_controls(experiment.current_experiment() or {}, only_own=True):
        raise InvalidValue(problem)


def configured(cls: type[Settings], environment: Mapping[str, str] | None = None) -> bool:
    """True if the environment has a setting of this platform, perhaps a misspelt one."""
    lab = rehearsal.environment()
    if lab is not None:
        environment = lab
    elif environment is None:
        environment = os.environ
    prefix = f"{cls.prefix}_".upper()
    return any(value for name, value in environment.items() if name.startswith(prefix))


def _checked_group(name: str, group: Any) -> Mapping[str, Any]:
    if group is None:
        return {}
    if not isinstance(group, Mapping):
        # Not shown, as it may be a password.
        raise InvalidValue(f"the {name} cannot be used: expected a mapping")
    return group


def _candidates(
    key: str,
    configuration: Mapping[str, Any],
    secrets: Mapping[str, Any],
    environment: Mapping[str, str],
) -> list[Any]:
    """The values of all sources, in order of precedence; an empty string counts as not set."""
    secret = secrets.get(key)
    if secret == {}:  # what Chaos Toolkit makes of a secret that it cannot read
        raise InvalidValue(f"{key} was not read from Vault: the beginning of the log says why")
    sources = (configuration.get(key), secret, environment.get(key.upper()))
    return [value for value in sources if value not in (None, "")]


def _resolved(field: dataclasses.Field[Any], key: str, candidates: list[Any]) -> Any:
    combine: Combiner | None = field.metadata["combine"]
    if combine is None:
        return _converted(field, key, candidates[0])
    return functools.reduce(combine, [_converted(field, key, value) for value in candidates])


def _converted(field: dataclasses.Field[Any], key: str, value: Any) -> Any:
    convert: Converter = field.metadata["convert"]
    if not field.metadata["secret"]:
        return convert(key, value)
    try:
        return convert(key, value)
    except InvalidValue:
        # The original message shows the value.
        raise InvalidValue(
            f"{key} cannot be used: expected a non-empty string, without control characters"
        ) from None


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING


def _require(
    loaded: Mapping[str, Any], required: Mapping[str, str], unused: Mapping[str, str] | None = None
) -> None:
    """Raises InvalidValue for missing keys; ``unused`` variables may be misspellings of them."""
    missing = [key for name, key in required.items() if name not in loaded]
    if missing:
        keys = ", ".join(missing)
        hints = "".join(
            f"{variable} is set but not used: did you mean {key.upper()}? "
            for variable, key in (unused or {}).items()
            if key in missing
        )
        raise InvalidValue(
            f"not set: {keys}. {hints}Set {'it' if len(missing) == 1 else 'them'} in the "
            "experiment's configuration or secrets (and name the group of secrets under the "
            f"activity's provider), or in the environment as {keys.upper()}"
        )


def _unused_variables(
    prefix: str, fields: Iterable[str], environment: Mapping[str, str]
) -> dict[str, str]:
    """Unknown variables with the prefix, each with the key that it may stand for."""
    known = {key.upper() for key in fields}
    similar: dict[str, str] = {}
    for variable in environment.keys() - known:
        name = _cleaned(variable)
        is_ours = name.startswith(f"{prefix}_".upper())
        if key := _similar_key(prefix, name.lower(), fields) if is_ours else None:
            similar[variable if variable == name else repr(variable)] = key
    return dict(sorted(similar.items()))


def _cleaned(name: str) -> str:
    """The name without what Chaos Toolkit leaves in it of ``export A=b`` or ``A = b`` in a file."""
    return name.removeprefix("export ").strip()


@functools.cache  # once in a process, as each activity loads its settings
def _warn(message: str) -> None:
    logger.warning(message)


def _similar_key(prefix: str, key: str, fields: Iterable[str]) -> str | None:
    """The known key of which this one is a synonym or a misspelling, if any."""
    start = len(prefix) + 1
    names = [field[start:] for field in fields]
    synonyms = {
        word: name
        for group in (_ADDRESSES, _USERS, _PASSWORDS, _CA_FILES)
        for name in group
        if name in names
        for word in group
    }
    close = values.closest(key[start:], names, synonyms)
    return None if close is None else f"{prefix}_{close}"


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
        cleaned = _cleaned(key)
        if cleaned.lower().startswith(f"{prefix}_".lower()) and key not in fields:
            similar = _similar_key(prefix, cleaned, fields)
            hint = f" (did you mean {similar!r}?)" if similar else ""
            name = key if key.isidentifier() else values.shown(key)
            raise InvalidValue(f"unknown setting {name}{hint}: known are {', '.join(fields)}")
