"""Whatever is given as an argument, a setting, a selection or a plan: an error of ours, or none.

And where it is an error, nothing was changed. Paths lead into a temporary
folder alone.
"""

from __future__ import annotations

import copy
import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chaosvm.dora import actions as dora_actions
from chaosvm.dora import probes as dora_probes
from chaosvm.dora.settings import DoraSettings
from chaosvm.errors import ChaosVMError, OperationFailed
from chaosvm.lab.world_files import load as load_world
from chaosvm.ledger import ledger as ledgers
from chaosvm.olvm import actions as olvm_actions
from chaosvm.olvm import probes as olvm_probes
from chaosvm.olvm.binding import OLVM
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.selection import Selection
from chaosvm.settings import Safety, load, values
from chaosvm.vsphere import actions as vsphere_actions
from chaosvm.vsphere import probes as vsphere_probes
from chaosvm.vsphere.binding import VSPHERE
from chaosvm.vsphere.settings import VSphereSettings
from tests.fakes import OFF, FakePlatform

pytestmark = pytest.mark.timeout(600)


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"plan": value}
    return value


WORDS = st.sampled_from(
    [
        *("", " ", "web-1", "web-*", "WEB-1", "vm-1", "all", "none", "true", "no", "0", "-1"),
        *("1e400", "nan", "9" * 5_000, "[", "[z-a]", "[!]", "(" * 5_000, "{}", "[]", "${x}"),
        *("a\0b", "\udc80", "cafe\u0301", "\U0001f600", "x" * 5_000, "~nosuchuser/x", "~"),
        *("..", ".", "a/b", "?", "%", "powered_on", "hard", "leave", "Paytv", "csv", "json"),
        *("user:hunter2@host", "https://h/ovirt-engine/api", "::1", "https://[::1/api"),
        *("https://h:99999/api", "https://h:x/ovirt-engine/api", '{"all": true}', '{"plan": 1}'),
        *("a: &a [*a]", "!!timestamp x", "\u2028", "\ufeff"),
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 1, 2, 2**63, 0.1, 1e-320, 1e308]),
    st.sampled_from([400, 5_000]).map(lambda digits: 10**digits),
    st.floats(),
    st.text(max_size=20),
    st.characters(categories=["Cs", "Cc", "Cn", "Mn"]),
    st.binary(max_size=5),
    WORDS,
)
KEYS = st.one_of(
    st.sampled_from(
        [
            *("name", "names", "ids", "regex", "tag", "exclude", "count", "percent", "seed"),
            *("all", "plan", "cluster", "host", "folder", "power_state", "vms", "id", "step"),
            *("will", "platform", "inventory", "vsphere", "credentials", "server", "selection"),
            *("options", "refused"),
        ]
    ),
    WORDS,
    st.integers(),
    st.none(),
)
ANYTHING = st.one_of(
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(KEYS, inner, max_size=4),
            st.tuples(inner, inner),
        ),
        max_leaves=8,
    ),
    st.sampled_from([60, 5_000]).map(nested),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working directory, with all kinds of files in it."""
    made = tmp_path_factory.mktemp("fuzz")
    (made / "folder").mkdir()
    (made / "empty").touch()
    (made / "deep.json").write_text("[" * 5_000)
    (made / "large.json").write_bytes(b" " * (16 * 1024 * 1024 + 1))
    (made / "bytes").write_bytes(bytes(range(256)))
    (made / "link").symlink_to("empty")
    (made / "nowhere").symlink_to("nothing")
    (made / "loop").symlink_to("loop")
    os.mkfifo(made / "pipe")
    return made


FILES = st.sampled_from(
    [
        *("folder", "empty", "deep.json", "large.json", "bytes", "link", "nowhere", "loop"),
        *("pipe", "new.json", "folder/new.json", "empty/x", "no/where", "x" * 300),
    ]
)


class Engine(FakePlatform):
    """Takes all the options that some platform has."""

    def power_off(self, *arguments: Any, discard_memory: Any = False, **more: Any) -> Any:
        return self._with(super().power_off, arguments, discard_memory, more)

    def batch_power_off(self, *arguments: Any, discard_memory: Any = False, **more: Any) -> Any:
        return self._with(super().batch_power_off, arguments, discard_memory, more)

    def _with(self, act: Any, arguments: Any, discard_memory: Any, more: Any) -> Any:
        expected = len(inspect.signature(act).parameters)
        values.boolean("discard_memory", [discard_memory, *arguments[expected:]][-1])
        return act(*arguments[:expected], **more)


def filled(made: FakePlatform) -> FakePlatform:
    for number in range(4):
        made.add(f"web-{number}", cluster="c", host="h", tags=("web",))
    made.add("db", OFF, tags=("chaosvm-protect",))
    return made


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch, folder: Path) -> FakePlatform:
    """What the activities act on, in place of a server."""
    monkeypatch.chdir(folder)
    made = filled(Engine())
    for binding in (OLVM, VSPHERE):
        monkeypatch.setitem(vars(binding), "connect", lambda *_: made)
    return made


def attempt(platform: FakePlatform, act: Callable[[], Any]) -> Any:
    """What it returned; where it raised, nothing may have been sent."""
    before = list(platform.sent)
    try:
        told = act()
    except OperationFailed:
        return None  # the arguments were good
    except ChaosVMError as error:
        str(error).encode()  # so that it can be logged
        assert platform.sent == before
        return None
    json.dumps(told).encode()
    ledgers.close_all()
    return told


def arguments_of(function: Callable[..., Any]) -> list[str]:
    return [
        name
        for name in inspect.signature(function).parameters
        if name not in ("configuration", "secrets")
    ]


def activities(*modules: Any) -> list[Any]:
    return [
        pytest.param(getattr(module, name), id=f"{module.__name__}.{name}")
        for module in modules
        for name in module.__all__
    ]


GOOD = {
    "vm_name": "web-1",
    "vms": {"name": "web-*", "count": 2, "seed": 1},
    "expected": "powered_on",
    "environment": "Paytv",
    "environments": ["Paytv"],
    "path": "written.json",
    "since": "2026-11-30T10:00:00Z",
    "host": "h",
    "cluster": "c",
}


def drawn(data: st.DataObject, function: Callable[..., Any]) -> dict[str, Any]:
    """Good arguments for what has to be given, and one or two that are anything."""
    names = arguments_of(function)
    chosen = {name: copy.deepcopy(GOOD[name]) for name in names if name in GOOD}
    if not names:
        return chosen
    for name in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2)):
        kinds = FILES | ANYTHING if name in ("path", "ledger") else ANYTHING
        if name == "vms":
            kinds = kinds | selections() | FILES.map(lambda path: {"plan": path})
        chosen[name] = data.draw(kinds)
    return chosen


def selections() -> st.SearchStrategy[Any]:
    return st.dictionaries(KEYS, ANYTHING | WORDS, min_size=1, max_size=3)


@pytest.mark.parametrize(
    "activity", activities(olvm_actions, olvm_probes, vsphere_actions, vsphere_probes)
)
def test_arguments_of_activities(activity: Callable[..., Any], platform: FakePlatform) -> None:
    @given(st.data())
    def try_it(data: st.DataObject) -> None:
        arguments = drawn(data, activity)
        attempt(platform, lambda: activity(**arguments))

    try_it()


# Dora's are made to connect nowhere, and all that they check comes before.
NOWHERE = {"dora_host": "127.0.0.1", "dora_api_port": 1, "dora_auth_port": 1, "dora_timeout": 0.1}


@pytest.mark.parametrize("activity", activities(dora_actions, dora_probes))
def test_arguments_of_doras_activities(
    activity: Callable[..., Any], platform: FakePlatform
) -> None:
    secrets = {"dora_username": "chaos", "dora_password": "hunter2"}

    @given(st.data())
    def try_it(data: st.DataObject) -> None:
        arguments = drawn(data, activity)
        settings = {"configuration": NOWHERE, "secrets": secrets}
        attempt(platform, lambda: activity(**arguments, **settings))

    try_it()


@pytest.mark.parametrize("kind", [Safety, VSphereSettings, OLVMSettings, DoraSettings])
def test_settings(kind: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    keys = [f"{kind.prefix}_{field}" for field in kind.__dataclass_fields__]
    good = {"server": "h", "url": "https://h/ovirt-engine/api", "host": "h", "username": "x"}
    group = st.dictionaries(st.sampled_from(keys) | KEYS, ANYTHING | FILES, max_size=4)
    environment = st.dictionaries(
        st.sampled_from([key.upper() for key in keys]), WORDS | FILES, max_size=3
    )

    @given(group | ANYTHING, group | ANYTHING, environment)
    def try_it(configuration: Any, secrets: Any, environment: dict[str, str]) -> None:
        known = {f"{kind.prefix}_{key}".upper(): value for key, value in good.items()}
        known[f"{kind.prefix}_PASSWORD".upper()] = "hunter2"
        known = {key: value for key, value in known.items() if key.lower() in keys}
        try:
            hash(load(kind, configuration, secrets, {**known, **environment}))
        except ChaosVMError as error:
            str(error).encode()

    try_it()


@example({"name": "web-1"})
@given(selections() | ANYTHING)
def test_selections(vms: Any) -> None:
    inventory = [FakePlatform().add(name, id=f"vm-{name}", tags=()) for name in ("web-1", "\udc80")]
    for ask in ("choose", "read", "matching"):
        try:
            getattr(Selection(vms), ask)(inventory)
        except ChaosVMError as error:
            str(error).encode()


def replaced(data: st.DataObject, whole: Any) -> Any:
    """The same, with something else in one place of it."""
    if not isinstance(whole, dict | list) or not whole or data.draw(st.integers(0, 4)) == 0:
        return data.draw(ANYTHING)
    changed = copy.copy(whole)
    key = data.draw(st.sampled_from(list(whole) if isinstance(whole, dict) else range(len(whole))))
    changed[key] = replaced(data, whole[key])
    return changed


def test_plans_that_were_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    platform = filled(FakePlatform())
    plan = platform.plan("power_off", {"name": "web-*", "count": 2, "seed": 1}).to_json()

    @given(st.data(), st.booleans())
    def try_it(data: st.DataObject, in_a_file: bool) -> None:
        changed = replaced(data, json.loads(json.dumps(plan)))
        given = changed
        if in_a_file:
            try:
                text = json.dumps(changed)
            except (TypeError, ValueError, RecursionError):
                return  # no file can hold it
            (folder / "changed.json").write_text(text)
            given = {"plan": "changed.json"}
        platform.sent.clear()
        for number in range(4):
            platform.change(f"web-{number}", state=platform.machine(f"web-{number}").vm.power_state)
        attempt(platform, lambda: platform.batch_power_off(given).to_json())
        planned = {vm["name"] for vm in plan["vms"]}
        assert {name for name, _ in platform.sent} <= {*planned, *names_in(changed)}
        platform.restore_power_states()

    try_it()


def names_in(plan: Any) -> set[str]:
    """Those of the VMs that a changed plan means by their ids, if it is still whole."""
    vms = plan.get("vms") if isinstance(plan, dict) else None
    names = [vm.get("name") for vm in vms or () if isinstance(vm, dict)]
    return {name for name in names if isinstance(name, str)}


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".csv"])
def test_worlds(folder: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)

    @given(ANYTHING | FILES | st.binary(max_size=200).map(lambda content: (content,)))
    def try_it(source: Any) -> None:
        if isinstance(source, tuple) and len(source) == 1 and isinstance(source[0], bytes):
            (folder / f"world{suffix}").write_bytes(source[0])
            source = f"world{suffix}"
        try:
            load_world(source)
        except ChaosVMError as error:
            str(error).encode()

    try_it()
