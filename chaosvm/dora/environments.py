"""The named environments: where Dora finds each, and which vCenter holds its VMs.

The thirteen that ship are in ``environments.json``, without coordinates, which
are each user's own: ``dora_environments`` adds to them and overrides them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.runtime import rehearsal
from chaosvm.runtime.documents import (
    UnusableFile,
    parse_json,
    parse_yaml,
    read_text,
    refuse_unbounded,
)
from chaosvm.settings import loading as settings
from chaosvm.settings import values
from chaosvm.vsphere.settings import VSphereSettings

__all__ = ["EnvironmentRegistry", "Environment", "read_raw", "catalogue", "known"]

_EXAMPLE = (
    '{"Arvig-Staging": {"vcenter": "OracleQA", "pattern_path": "ORA-DEV", "vm_path": "ORA-DEV", '
    '"host_filter": "dev1", "vsphere": {"server": "vcenter.example.com"}}}'
)
_VSPHERE_EXAMPLE = '{"server": "vcenter.example.com", "credentials": "arvig"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment's coordinates.

    ``host_filter`` may be empty: then all hosts are meant. ``vsphere`` holds the
    settings of its vCenter as pairs; None means that no vCenter is configured.
    """

    name: str
    group: str
    vcenter: str
    pattern_path: str
    vm_path: str
    host_filter: str
    vsphere: tuple[tuple[str, Any], ...] | None = None

    @property
    def coordinates(self) -> dict[str, str]:
        return {
            "vcenter": self.vcenter,
            "pattern_path": self.pattern_path,
            "vm_path": self.vm_path,
            "host_filter": self.host_filter,
        }

    def to_json(self) -> dict[str, Any]:
        platform = None if self.vsphere is None else dict(self.vsphere)
        return {"name": self.name, "group": self.group, **self.coordinates, "vsphere": platform}

    def __str__(self) -> str:
        told = ", ".join(f"{key} {value!r}" for key, value in self.coordinates.items())
        return f"environment {self.name!r} ({told})"


@dataclass(frozen=True, slots=True)
class EnvironmentRegistry:
    """All environments that are known, in their order."""

    environments: tuple[Environment, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.group for each in self.environments))

    def find(self, name: Any, key: str = "environment") -> Environment:
        """Raises InvalidValue, with all names and the nearest, for one that is not known."""
        wanted = values.string(key, name, "the name of an environment")
        for each in self.environments:
            if each.name == wanted:
                return each
        raise self._unknown(key, wanted, ())

    def choose(self, wanted: Any, key: str = "environments") -> list[Environment]:
        """Those meant by names and groups; all of them for None."""
        if wanted is None:
            return list(self.environments)
        chosen: dict[str, Environment] = {}
        for word in values.string_list(key, wanted, "names of environments, or of groups of them"):
            found = [each for each in self.environments if word in (each.name, each.group)]
            if not found:
                raise self._unknown(key, word, self.groups)
            chosen.update({each.name: each for each in found})
        return list(chosen.values())

    def _unknown(self, key: str, wanted: str, groups: Iterable[str]) -> InvalidValue:
        names = [each.name for each in self.environments]
        hint = values.suggestion(wanted, (*names, *groups))
        told = f"known are {', '.join(names)}"
        if groups:
            told += f", and the groups {', '.join(groups)}"
        return InvalidValue(f"{key} is {wanted!r}, which is not known{hint}: {told}")


def known() -> EnvironmentRegistry:
    """The environments that ship, with their names for coordinates."""
    text = files(__package__).joinpath("environments.json").read_text("utf-8")
    found = [_new(name, {}, described["group"]) for name, described in json.loads(text).items()]
    return EnvironmentRegistry(tuple(found))


def catalogue(key: str, value: Any) -> EnvironmentRegistry:
    """The known environments with the user's own: a mapping, or a file that holds one."""
    given = value if isinstance(value, Mapping) else read_raw(key, value)
    refuse_unbounded(key, given)
    if not isinstance(given, Mapping) or not given:
        raise values.invalid(key, given, f"a mapping such as {_EXAMPLE}")
    found = {each.name: each for each in known().environments}
    for name, described in given.items():
        where = f"{key}.{values.string(key, name, 'names of environments')}"
        told = values.mapping(where, described, _KEYS, '{"vcenter": "OracleQA"}')
        told = {field: item for field, item in told.items() if item is not None}
        found[name] = replace(found[name], **told) if name in found else _new(name, told)
    return EnvironmentRegistry(tuple(found.values()))


def _new(name: str, told: Mapping[str, Any], group: str = "other") -> Environment:
    defaults = dict.fromkeys(("vcenter", "pattern_path", "vm_path", "host_filter"), name)
    return Environment(**{"name": name, "group": group, **defaults, **told})


def read_raw(key: str, value: Any) -> Any:
    """What a text or a file holds, as it was written."""
    expected = f"a mapping of environments, or the path of a JSON or YAML file with one: {_EXAMPLE}"
    text = values.string(key, value, expected).strip()
    if text.startswith("{"):  # as the environment variable DORA_ENVIRONMENTS may hold it
        return _parsed(key, text, "its text")
    try:
        content = read_text(values.path(key, text, expected))
    except UnusableFile as error:
        raise values.invalid(key, value, f"{expected} ({error})") from None
    return _parsed(key, content, text)


def _parsed(key: str, content: str, where: str) -> Any:
    try:
        return parse_json(content)
    except InvalidValue as error:
        raise InvalidValue(f"{key}: {where} cannot be used: {error}") from None
    except ValueError:
        pass  # then it is YAML
    try:
        return parse_yaml(content)
    except InvalidValue as error:
        raise InvalidValue(f"{key}: {where} cannot be used: {error}") from None
    except ValueError as error:
        raise InvalidValue(f"{key}: {where} is neither JSON nor YAML ({error})") from None


def _vsphere(key: str, value: Any) -> tuple[tuple[str, Any], ...] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise values.invalid(key, value, f"a mapping such as {_VSPHERE_EXAMPLE}")
    for name in value:
        if name in ("username", "password"):
            raise InvalidValue(
                f"{key} has a {name}, which does not belong there: name the secrets that hold "
                f"it, as in {_VSPHERE_EXAMPLE}"
            )
        if name not in _VSPHERE_KEYS:
            hint = values.suggestion(name, _VSPHERE_KEYS)
            raise InvalidValue(
                f"{key} has the unknown key {values.shown(name)}{hint}: known are "
                f"{', '.join(_VSPHERE_KEYS)}"
            )
    checked = {name: _VSPHERE_KEYS[name](f"{key}.{name}", item) for name, item in value.items()}
    return tuple(sorted(checked.items()))


def _credentials(key: str, value: Any) -> str:
    prefix = values.string(key, value, "the beginning of the names of two secrets")
    if prefix.split("_")[0].lower() in ("dora", "vsphere", "olvm", "chaosvm"):
        raise values.invalid(
            key, value, "a prefix that is not the one of settings, such as 'arvig'"
        )
    return prefix


def _host_filter(key: str, value: Any) -> str:
    return "" if value == "" else values.string(key, value)


def _ca_file(key: str, value: Any) -> str:
    # In a rehearsal it is the lab's, and that of the environment may not be here.
    return values.string(key, value) if rehearsal.is_on() else settings.ca_file(key, value)


_VSPHERE_KEYS: dict[str, Callable[[str, Any], Any]] = {
    **{
        field.name: field.metadata["convert"]
        for field in fields(VSphereSettings)
        if field.name not in ("username", "password")
    },
    "ca_file": _ca_file,
    "credentials": _credentials,
}
_KEYS: dict[str, Callable[[str, Any], Any]] = {
    "group": values.string,
    "vcenter": values.string,
    "pattern_path": values.string,
    "vm_path": values.string,
    "host_filter": _host_filter,
    "vsphere": _vsphere,
}
