"""The named environments: their coordinates in Dora, and the vCenter of each.

The built-in ones are in ``environments.json``, without coordinates, as those differ
from site to site: ``dora_environments`` adds to them and overrides them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from chaosvm.errors import InvalidValue
from chaosvm.runtime import rehearsal
from chaosvm.runtime.documents import (
    UnusableFile,
    parse_json,
    parse_yaml,
    read_text,
    refuse_unbounded,
)
from chaosvm.settings import addresses, values
from chaosvm.vsphere.settings import VSphereSettings

__all__ = [
    "Environment",
    "EnvironmentRegistry",
    "EnvironmentNames",
    "builtin_environments",
    "name_list",
    "parse_environments",
    "read_raw",
]

if TYPE_CHECKING:
    EnvironmentNames = Sequence[str] | str
else:
    # What discovery shows. For a list, `chaos init` takes each character for an item.
    EnvironmentNames = str

# In place of names: every environment. No environment or group can be called that.
ALL = "all"
# How similar to a built-in name one without a group must be to count as a misspelling of it.
_MISSPELT = 0.8
_EXAMPLE = (
    '{"Arvig-Staging": {"vcenter": "OracleQA", "pattern_path": "ORA-DEV", "vm_path": "ORA-DEV", '
    '"host_filter": "dev1", "vsphere": {"server": "vcenter.example.com"}}}'
)
_VSPHERE_EXAMPLE = '{"server": "vcenter.example.com", "credentials": "arvig"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment's coordinates.

    An empty ``host_filter`` matches every host. ``vsphere`` holds the settings of
    its vCenter as pairs, or None if no vCenter is configured.
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
        vsphere = None if self.vsphere is None else dict(self.vsphere)
        return {"name": self.name, "group": self.group, **self.coordinates, "vsphere": vsphere}

    def __str__(self) -> str:
        coordinates = ", ".join(f"{key} {value!r}" for key, value in self.coordinates.items())
        return f"environment {self.name!r} ({coordinates})"


@dataclass(frozen=True, slots=True)
class EnvironmentRegistry:
    """All configured environments, in order."""

    environments: tuple[Environment, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.group for each in self.environments))

    def find(self, name: Any, key: str = "environment") -> Environment:
        """Return the environment of this name.

        Raises InvalidValue for an unknown name, listing all names and the closest one.
        """
        checked = values.string(key, name, "the name of an environment")
        for environment in self.environments:
            if environment.name == checked:
                return environment
        raise self._unknown(key, checked, ())

    def choose(self, names: Any, key: str = "environments") -> list[Environment]:
        """Return the environments of these names and groups; all for None or the word ``all``."""
        if names is None:
            return list(self.environments)
        chosen: dict[str, Environment] = {}
        for name in name_list(names, key):
            matches = [each for each in self.environments if name in (each.name, each.group, ALL)]
            if not matches:
                raise self._unknown(key, name, self.groups)
            chosen.update({each.name: each for each in matches})
        return list(chosen.values())

    def _unknown(self, key: str, name: str, groups: Iterable[str]) -> InvalidValue:
        names = [each.name for each in self.environments]
        hint = values.suggestion(name, (*names, *groups, *((ALL,) if groups else ())))
        choices = f"environments are {', '.join(names)}"
        if groups:
            choices += f"; groups are {', '.join(groups)}; {ALL} is every environment"
        return InvalidValue(f"{key}: unknown environment {name!r}{hint}; {choices}")


def name_list(names: Any, key: str = "environments") -> tuple[str, ...]:
    """Names of environments and groups: a list, or a string with commas."""
    if isinstance(names, str):
        names = [each for name in names.split(",") if (each := name.strip())] or names
    return values.string_list(key, names, "names of environments, or of groups of them")


def builtin_environments() -> EnvironmentRegistry:
    """Return the built-in environments, whose coordinates are their own names."""
    text = files(__package__).joinpath("environments.json").read_text("utf-8")
    entries = json.loads(text).items()
    return EnvironmentRegistry(tuple(_new(name, {}, entry["group"]) for name, entry in entries))


def parse_environments(key: str, value: Any) -> EnvironmentRegistry:
    """Return the built-in environments, extended by a mapping or by a file that holds one."""
    raw = value if isinstance(value, Mapping) else read_raw(key, value)
    refuse_unbounded(key, raw)
    if not isinstance(raw, Mapping) or not raw:
        expected = "a file with a mapping" if isinstance(value, str) else "a mapping"
        raise values.invalid(key, value, f"{expected} such as {_EXAMPLE}")
    environments = {each.name: each for each in builtin_environments().environments}
    for name, entry in raw.items():
        entry_key = f"{key}.{_name(key, name)}"
        checked = values.mapping(entry_key, entry, _KEYS, '{"vcenter": "OracleQA"}')
        changes = {field: item for field, item in checked.items() if item is not None}
        existing = environments.get(name)
        if existing is None and "group" not in changes:
            _refuse_misspelt(entry_key, name)
        environments[name] = replace(existing, **changes) if existing else _new(name, changes)
    return EnvironmentRegistry(tuple(environments.values()))


def _refuse_misspelt(key: str, name: str) -> None:
    names = [each.name for each in builtin_environments().environments]
    for close in values.similar(name, names, 1, at_least=_MISSPELT):
        raise InvalidValue(
            f"{key} is none of the built-in environments: did you mean {close!r}? An environment "
            "of your own with such a name needs a group"
        )


def _new(name: str, entry: Mapping[str, Any], group: str = "other") -> Environment:
    defaults = dict.fromkeys(("vcenter", "pattern_path", "vm_path", "host_filter"), name)
    return Environment(**{"name": name, "group": group, **defaults, **entry})


def read_raw(key: str, value: Any) -> Any:
    """Return the unvalidated content of an inline JSON string, or of a JSON or YAML file."""
    expected = f"a mapping of environments, or the path of a JSON or YAML file with one: {_EXAMPLE}"
    text = values.string(key, value, expected).strip()
    if text.startswith("{"):  # inline JSON in the environment variable DORA_ENVIRONMENTS
        return _parse(key, text, "the inline JSON")
    try:
        content = read_text(values.path(key, text, expected))
    except UnusableFile as error:
        raise values.invalid(key, value, f"{expected} ({error})") from None
    return _parse(key, content, text)


def _parse(key: str, content: str, source: str) -> Any:
    try:
        try:
            return parse_json(content)
        except InvalidValue:
            raise
        except ValueError:
            return parse_yaml(content)
    except InvalidValue as error:
        raise InvalidValue(f"{key}: {source} cannot be used: {error}") from None
    except ValueError as error:
        raise InvalidValue(f"{key}: {source} is neither JSON nor YAML ({error})") from None


def _unless_null(convert: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda key, value: None if value is None else convert(key, value)


def _vsphere(key: str, value: Any) -> tuple[tuple[str, Any], ...]:
    if not isinstance(value, Mapping):
        raise values.invalid(key, value, f"a mapping such as {_VSPHERE_EXAMPLE}")
    for name in value:
        if name in ("username", "password"):
            raise InvalidValue(
                f"{key} must not hold a {name}: name the secrets that hold it instead, as in "
                f"{_VSPHERE_EXAMPLE}"
            )
        if name not in _VSPHERE_KEYS:
            hint = values.suggestion(name, _VSPHERE_KEYS)
            raise InvalidValue(
                f"{key} has the unknown key {values.shown(name)}{hint}: valid keys are "
                f"{', '.join(_VSPHERE_KEYS)}"
            )
    checked = {name: _VSPHERE_KEYS[name](f"{key}.{name}", item) for name, item in value.items()}
    return tuple(sorted(checked.items()))


def _credentials(key: str, value: Any) -> str:
    prefix = values.string(key, value, "the prefix of the names of two secrets")
    if prefix.split("_")[0].lower() in ("dora", "vsphere", "olvm", "chaosvm"):
        raise values.invalid(key, value, "a prefix that no setting has, such as 'arvig'")
    return prefix


def _name(key: str, value: Any) -> str:
    name = values.string(key, value, "the name of an environment or of a group")
    if name == ALL:
        raise values.invalid(key, value, f"another name, as {ALL!r} is every environment")
    return name


def _host_filter(key: str, value: Any) -> str:
    return "" if value == "" else values.string(key, value)


def _ca_file(key: str, value: Any) -> str:
    # A rehearsal uses the lab's, and the environment's own may be missing on this machine.
    return values.string(key, value) if rehearsal.is_on() else addresses.ca_file(key, value)


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
    "group": _unless_null(_name),
    "vcenter": _unless_null(values.string),
    "pattern_path": _unless_null(values.string),
    "vm_path": _unless_null(values.string),
    "host_filter": _unless_null(_host_filter),
    "vsphere": _unless_null(_vsphere),
}
