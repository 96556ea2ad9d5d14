"""The thirteen environments, and what users make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chaosvm.dora import dora as dora_of
from chaosvm.dora.client import DoraClient
from chaosvm.dora.environments import builtin_environments, parse_environments
from chaosvm.errors import ChaosVMError, InvalidValue

KEY = "dora_environments"
GROUPS = {
    "paytv": ["Paytv", "Oracle-Paytv", "DR-Paytv"],
    "production": [
        "Arvig-Prod",
        "EPB-Prod",
        "Lumos-Prod",
        "Comporium-Prod",
        "MSG-Prod",
        "Liberty-Prod",
        "Midco-Prod",
    ],
    "staging": ["Arvig-Staging", "EPB-Staging", "Midco-Staging"],
}
NAMES = [name for names in GROUPS.values() for name in names]

GIVEN: dict[str, Any] = {
    "Arvig-Staging": {
        "vcenter": "OracleQA",
        "pattern_path": "ORA-DEV",
        "vm_path": "ORA-DEV",
        "host_filter": "dev1",
        "vsphere": {"server": "vc.example.com", "credentials": "arvig"},
    },
    "Köln": {"vcenter": "K", "group": "labor", "host_filter": ""},
}
YAML = """
# tabs and spaces
Arvig-Staging:
  vcenter: OracleQA
  pattern_path: ORA-DEV
  vm_path: "ORA-DEV"
  host_filter: dev1
  vsphere: {server: vc.example.com, credentials: arvig}
Köln: {vcenter: K, group: labor, host_filter: ''}
"""


def given_as(form: str, folder: Path) -> Any:
    if form == "mapping":
        return GIVEN
    if form == "inline JSON":
        return "\n  " + json.dumps(GIVEN)
    text = {
        "JSON": json.dumps(GIVEN),
        "indented JSON": json.dumps(GIVEN, indent=2, ensure_ascii=False),
        "JSON with tabs": json.dumps(GIVEN, indent="\t"),
        "YAML": YAML,
    }[form]
    path = folder / ("environments.yaml" if form == "YAML" else "environments.json")
    path.write_text(text, encoding="utf-8")
    return str(path)


# Those that ship ---------------------------------------------------------------


def test_the_thirteen_and_their_groups() -> None:
    found = builtin_environments()
    assert sorted(each.name for each in found.environments) == sorted(NAMES)
    assert len(found.environments) == 13
    for group, names in GROUPS.items():
        assert sorted(each.name for each in found.choose(group)) == sorted(names)
    assert sorted(found.groups) == sorted(GROUPS)


def test_their_names_are_their_coordinates() -> None:
    for each in builtin_environments().environments:
        assert set(each.coordinates.values()) == {each.name}
        assert each.vsphere is None


@pytest.mark.parametrize("name", ["Arvig-Stagin", "arvig-staging", "ARVIG-STAGING"])
def test_an_unknown_name_lists_the_known_and_the_nearest(name: str) -> None:
    with pytest.raises(InvalidValue, match="did you mean 'Arvig-Staging'") as caught:
        builtin_environments().find(name)
    assert all(each in str(caught.value) for each in NAMES)


def test_nothing_is_near() -> None:
    with pytest.raises(InvalidValue) as caught:
        builtin_environments().find("zzzzzz")
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("name", ["staging", " Paytv", "", None, 3, ["Paytv"], "${env}"])
def test_what_is_no_name(name: Any) -> None:
    with pytest.raises(InvalidValue, match="environment"):
        builtin_environments().find(name)


# Choosing ----------------------------------------------------------------------


def test_names_and_groups_in_the_order_given_and_once() -> None:
    found = builtin_environments().choose(["staging", "Paytv", "EPB-Staging", "staging"])
    names = [each.name for each in found]
    assert sorted(names[:3]) == sorted(GROUPS["staging"])
    assert names[3:] == ["Paytv"]


def test_all_by_default() -> None:
    assert len(builtin_environments().choose(None)) == 13


@pytest.mark.parametrize("names", [[], {}, "", 3, [""], [None]])
def test_no_choice(names: Any) -> None:
    with pytest.raises(InvalidValue, match="environments"):
        builtin_environments().choose(names)


def test_an_unknown_group_lists_the_groups() -> None:
    with pytest.raises(InvalidValue, match="did you mean 'staging'") as caught:
        builtin_environments().choose(["paytv", "stagin"])
    assert all(group in str(caught.value) for group in GROUPS)


def test_a_group_of_the_users_own() -> None:
    found = parse_environments(KEY, GIVEN)
    assert [each.name for each in found.choose("labor")] == ["Köln"]


# The user's own ----------------------------------------------------------------


@pytest.mark.parametrize(
    "form", ["mapping", "inline JSON", "JSON", "indented JSON", "JSON with tabs", "YAML"]
)
def test_overriding_and_adding(form: str, tmp_path: Path) -> None:
    found = parse_environments(KEY, given_as(form, tmp_path))
    assert len(found.environments) == 14
    arvig, koeln = found.find("Arvig-Staging"), found.find("Köln")
    assert arvig.group == "staging"
    assert arvig.coordinates == {
        "vcenter": "OracleQA",
        "pattern_path": "ORA-DEV",
        "vm_path": "ORA-DEV",
        "host_filter": "dev1",
    }
    assert dict(arvig.vsphere or ()) == {"server": "vc.example.com", "credentials": "arvig"}
    assert (koeln.group, koeln.vsphere) == ("labor", None)
    assert koeln.coordinates == {
        "vcenter": "K",
        "pattern_path": "Köln",
        "vm_path": "Köln",
        "host_filter": "",
    }
    assert set(found.find("Paytv").coordinates.values()) == {"Paytv"}


def test_what_is_not_given_stays() -> None:
    found = parse_environments(KEY, {"Paytv": {"host_filter": "p1"}, "new": {"vsphere": {}}})
    assert found.find("Paytv").coordinates["vcenter"] == "Paytv"
    assert found.find("Paytv").host_filter == "p1"
    assert found.find("new").vsphere == ()
    assert found.find("new").group == "other"


@pytest.mark.parametrize("name", ["Arvig-Stagging", "arvig-staging", "Arvig_Staging"])
@pytest.mark.parametrize("group", [{}, {"group": None}], ids=["left out", "null"])
def test_a_misspelt_name_is_no_environment_of_the_users_own(
    name: str, group: dict[str, None]
) -> None:
    expected = rf"^{KEY}\.{name} is none of the built-in .* did you mean 'Arvig-Staging'\?"
    with pytest.raises(InvalidValue, match=expected):
        parse_environments(KEY, {name: {"vcenter": "OracleQA", **group}})


def test_a_name_like_a_built_in_one_may_be_the_users_own_with_a_group() -> None:
    found = parse_environments(KEY, {"EPB-Prod2": {"group": "lab"}, "EPB-Test": {"vcenter": "E"}})
    assert [found.find(name).group for name in ("EPB-Prod2", "EPB-Test")] == ["lab", "other"]


def test_null_is_not_given() -> None:
    keys = ("group", "vcenter", "pattern_path", "vm_path", "host_filter", "vsphere")
    found = parse_environments(KEY, {"Paytv": dict.fromkeys(keys)})
    assert found.find("Paytv") == builtin_environments().find("Paytv")
    with pytest.raises(InvalidValue, match=r"Paytv\.vsphere\.server"):
        parse_environments(KEY, {"Paytv": {"vsphere": {"server": None}}})


def test_the_environment_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"DORA_{name}", "x")
    monkeypatch.setenv("DORA_ENVIRONMENTS", given_as("YAML", tmp_path))
    assert dora_of(None, None).catalogue.find("Köln").vcenter == "K"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"Paytv": {"vcentre": "x"}}, "did you mean 'vcenter'"),
        ({"Paytv": {"vcenter": ""}}, r"dora_environments\.Paytv\.vcenter"),
        ({"Paytv": {"vcenter": 7}}, r"dora_environments\.Paytv\.vcenter"),
        ({"Paytv": {"vcenter": "${vc}"}}, r"dora_environments\.Paytv\.vcenter"),
        ({"Paytv": {"host_filter": 7}}, r"dora_environments\.Paytv\.host_filter"),
        ({"Paytv": {}}, r"dora_environments\.Paytv"),
        ({"Paytv": "OracleQA"}, r"dora_environments\.Paytv"),
        ({"Paytv": ["OracleQA"]}, r"dora_environments\.Paytv"),
        ({"": {"vcenter": "x"}}, "dora_environments"),
        ({7: {"vcenter": "x"}}, "dora_environments"),
        ({"Paytv": {"vsphere": "vc.example.com"}}, r"Paytv\.vsphere"),
        ({"Paytv": {"vsphere": {"servr": "x"}}}, "did you mean 'server'"),
        ({}, "dora_environments"),
        ([], "dora_environments"),
        (7, "dora_environments"),
        ("", "dora_environments"),
        ("{", "dora_environments"),
        ("{}", "dora_environments"),
        ('{"Paytv": ', "dora_environments"),
        ("/nowhere/at/all.json", "No such file"),
        ("/", "directory"),
    ],
)
def test_what_cannot_be_used(given: Any, text: str) -> None:
    with pytest.raises(InvalidValue, match=text):
        parse_environments(KEY, given)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# nothing\n",
        b"just text",
        b"- a\n- b\n",
        b"{",
        b"a: [1, 2",
        b"a:\n\t- b: {",
        b"Paytv: !!python/object/apply:os.getcwd []",
        b"Paytv: {vcenter: 2024-13-45}",
        b"{[a]: b}",
        b"\xff\xfe\xfa",
        b"\x00",
        b"[" * 5_000,
    ],
)
def test_files_that_cannot_be_used(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "environments.yaml"
    path.write_bytes(content)
    with pytest.raises(InvalidValue, match=KEY):
        parse_environments(KEY, str(path))


@pytest.mark.parametrize("path", ["a\0b", "x" * 5_000, "~nobody-of-this-name/x.json"])
def test_paths_that_cannot_be(path: str) -> None:
    with pytest.raises(InvalidValue, match=KEY):
        parse_environments(KEY, path)


@pytest.mark.parametrize("key", ["password", "username"])
@pytest.mark.parametrize("form", ["mapping", "text"])
def test_no_credentials_in_an_environment(key: str, form: str) -> None:
    raw: Any = {"Paytv": {"vsphere": {"server": "x", key: "geheim"}}}
    with pytest.raises(InvalidValue, match=key) as caught:
        parse_environments(KEY, raw if form == "mapping" else json.dumps(raw))
    assert "geheim" not in str(caught.value)
    assert "credentials" in str(caught.value)


@pytest.mark.parametrize("server", [["a", "b"], {"host": "a"}])
def test_a_vcenter_that_is_no_text_is_refused_by_name(server: Any) -> None:
    """And is not a TypeError where settings are compared."""
    configuration = {"dora_host": "x", KEY: {"Paytv": {"vsphere": {"server": server}}}}
    with pytest.raises(ChaosVMError, match="server"):
        dora_of(configuration, {"dora_username": "u", "dora_password": "p"})


def test_the_client_takes_them_too(tmp_path: Path) -> None:
    client = DoraClient("x", "u", "p", environments=given_as("YAML", tmp_path))
    assert client.catalogue.find("Köln").group == "labor"
    client.disconnect()
