from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import trustme

from chaosvm.errors import InvalidValue
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.settings import Percent, Safety, Settings, addresses, load, loading, setting, values
from chaosvm.settings.loading import configured
from chaosvm.vsphere.settings import VSphereSettings

PASSWORD = "hunter2-Passw0rd"


@dataclass(frozen=True)
class VSphere(Settings):
    """As chaosvm.vsphere has them, without the need of its SDK."""

    prefix: ClassVar[str] = "vsphere"
    essential: ClassVar[tuple[str, ...]] = ("server", "username", "password")

    server: str = setting(addresses.host_name, required=True)
    username: str = setting(values.string, required=True)
    password: str = setting(values.string, required=True, secret=True)
    port: int = setting(addresses.port, 443)
    ca_file: str | None = setting(addresses.ca_file)
    insecure: bool = setting(values.boolean, False)
    timeout: float = setting(values.timeout_seconds, 60.0)


CONFIGURATION = {"vsphere_server": "vcenter.example.org"}
SECRETS = {"vsphere_username": "admin", "vsphere_password": PASSWORD}


def loaded(**configuration: Any) -> VSphere:
    return load(VSphere, {**CONFIGURATION, **configuration}, SECRETS, {})


# Where settings come from --------------------------------------------------------------


def test_settings_have_defaults_and_types():
    assert loaded() == VSphere("vcenter.example.org", "admin", PASSWORD, 443, None, False, 60.0)


def test_configuration_comes_before_secrets_and_these_before_the_environment():
    environment = {
        "VSPHERE_SERVER": "from-environment",
        "VSPHERE_USERNAME": "from-environment",
        "VSPHERE_PASSWORD": "from-environment",
    }
    secrets = {"vsphere_server": "from-secrets", "vsphere_username": "from-secrets"}
    configuration = {"vsphere_server": "from-configuration"}

    found = load(VSphere, configuration, secrets, environment)

    assert found.server == "from-configuration"
    assert found.username == "from-secrets"
    assert found.password == "from-environment"


def test_the_environment_is_the_processs_own_unless_given(monkeypatch):
    monkeypatch.setenv("VSPHERE_SERVER", "from-environment")
    monkeypatch.setenv("VSPHERE_PORT", "8989")
    found = load(VSphere, None, SECRETS)
    assert (found.server, found.port) == ("from-environment", 8989)


@pytest.mark.parametrize("nothing", ["", None])
def test_what_is_empty_counts_as_not_set(nothing):
    environment = {"VSPHERE_SERVER": "from-environment", "VSPHERE_PORT": ""}
    found = load(
        VSphere,
        {"vsphere_server": nothing, "vsphere_timeout": nothing},
        {**SECRETS, "vsphere_server": nothing},
        environment,
    )
    assert (found.server, found.timeout, found.port) == ("from-environment", 60, 443)


def test_false_is_not_empty():
    environment = {"VSPHERE_INSECURE": "true"}
    found = load(VSphere, {**CONFIGURATION, "vsphere_insecure": False}, SECRETS, environment)
    assert found.insecure is False


@pytest.mark.parametrize("source", [None, {}])
def test_all_missing_keys_are_named_at_once(source):
    with pytest.raises(InvalidValue) as refused:
        load(VSphere, source, source, {})
    for name in ("vsphere_server", "vsphere_username", "vsphere_password"):
        assert name in str(refused.value)
        assert name.upper() in str(refused.value)
    assert "vsphere_port" not in str(refused.value)


def test_only_what_is_missing_is_named():
    with pytest.raises(InvalidValue, match=r"not set: vsphere_password\. Set it") as refused:
        load(VSphere, CONFIGURATION, {"vsphere_username": "admin"}, {})
    assert "vsphere_server" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("VSPHERE_HOST", "VSPHERE_SERVER"),
        ("VSPHERE_SEVER", "VSPHERE_SERVER"),
        ("VSPHERE_URL", "VSPHERE_SERVER"),
        ("VSPHERE_USER", "VSPHERE_USERNAME"),
        ("VSPHERE_PASS", "VSPHERE_PASSWORD"),
        ("export VSPHERE_SERVER", "VSPHERE_SERVER"),
        ("VSPHERE_SERVER ", "VSPHERE_SERVER"),
    ],
)
def test_a_variable_that_is_set_but_not_used_is_named(variable, expected):
    environment = {variable: PASSWORD, "VSPHERE_VERSION_TAG": "x", "OLVM_HOST": "x"}
    with pytest.raises(InvalidValue) as refused:
        load(VSphere, None, None, environment)
    message = str(refused.value)
    shown = variable if variable.isidentifier() else repr(variable)
    assert f". {shown} is set but not used: did you mean {expected}? Set them in" in message
    assert message.count("not used") == 1
    assert PASSWORD not in message


def test_a_variable_is_not_offered_for_what_is_set():
    environment = {"VSPHERE_HOST": "x", "VSPHERE_SERVER": "vcenter"}
    with pytest.raises(InvalidValue, match=r"not set: vsphere_username, vsphere_password\. Set"):
        load(VSphere, None, None, environment)


def test_a_variable_that_is_perhaps_meant_for_an_optional_setting_is_warned_about(caplog):
    loading._warn.cache_clear()
    environment = {"VSPHERE_CACERT": "ca.pem", "VSPHERE_PORT_NUMBER": "8443", "VSPHERE_X": "x"}
    for _ in range(2):
        load(VSphere, {**CONFIGURATION, "vsphere_port": 443}, SECRETS, environment)
    warning = "VSPHERE_CACERT is set but not used: did you mean VSPHERE_CA_FILE?"
    assert caplog.messages == [warning]


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("https://vcenter/ui", "; did you mean 'vcenter'?"),
        ("vcenter:443", "; did you mean 'vcenter', with the port in its own setting?"),
        ("[::1]:443", "; did you mean '::1', with the port in its own setting?"),
        ('"vcenter"', "; remove the quotes around it"),
        ("https://", "path"),
    ],
)
def test_a_server_that_is_no_host_gets_a_hint(given, hint):
    with pytest.raises(InvalidValue) as refused:
        loaded(vsphere_server=given)
    assert str(refused.value).endswith(hint)


def test_settings_of_others_are_ignored():
    configuration = {"olvm_url": "https://engine", "my_vsphere_server": "x", "duration": 5}
    assert loaded(**configuration).server == "vcenter.example.org"


@pytest.mark.parametrize(
    ("environment", "answer"),
    [
        ({"VSPHERE_SERVER": "vcenter", "VSPHERE_USERNAME": "a", "VSPHERE_PASSWORD": "b"}, True),
        ({"VSPHERE_HOST": "vcenter"}, True),  # loading it says what is wrong
        ({"VSPHERE_SERVER": ""}, False),
        ({"OLVM_URL": "https://engine"}, False),
    ],
)
def test_whether_the_environment_has_a_setting(environment, answer):
    assert configured(VSphere, environment) is answer


def test_the_environment_of_the_process(monkeypatch):
    assert configured(VSphere) is False
    monkeypatch.setenv("VSPHERE_SERVER", "x")
    assert configured(VSphere) is True


# Passwords -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "vsphere_password",
        "vsphere_pasword",
        "vsphere_passwd",
        "vsphere_pass",
        "vsphere_Password",
        "VSPHERE_PASSWORD",
    ],
)
def test_a_password_in_the_configuration_is_refused_and_not_shown(key):
    with pytest.raises(InvalidValue) as refused:
        load(VSphere, {**CONFIGURATION, key: PASSWORD}, SECRETS, {})
    assert key in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_the_error_says_where_a_password_belongs():
    with pytest.raises(InvalidValue, match="journal: move it to the secrets, or to the environ"):
        loaded(vsphere_password=PASSWORD)


@pytest.mark.parametrize("password", [1234567890, ["1234567890"], "  ", {"value": "1234567890"}])
def test_a_password_that_cannot_be_used_is_not_shown(password):
    with pytest.raises(InvalidValue, match="vsphere_password cannot be used") as refused:
        load(VSphere, CONFIGURATION, {**SECRETS, "vsphere_password": password}, {})
    assert "1234567890" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_a_secret_that_chaos_toolkit_could_not_read_from_vault():
    with pytest.raises(InvalidValue, match=r"^vsphere_password was not read from Vault"):
        load(VSphere, CONFIGURATION, {**SECRETS, "vsphere_password": {}}, {})


def test_a_misspelled_secret_is_refused_and_not_shown():
    with pytest.raises(InvalidValue, match="did you mean 'vsphere_password'") as refused:
        load(VSphere, CONFIGURATION, {**SECRETS, "vsphere_passwort": PASSWORD}, {})
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_settings_never_show_the_password(show):
    found = loaded()
    assert PASSWORD not in show(found)
    assert "vcenter.example.org" in show(found)
    assert PASSWORD not in show({found: [found]})


@pytest.mark.parametrize("password", ["pa ss", "ünïcödé", "$ecret", "'\"`\\", " lead", "a\tb"])
def test_a_password_is_taken_as_it_is(password):
    found = load(VSphere, CONFIGURATION, {**SECRETS, "vsphere_password": password}, {})
    assert found.password == password


# Keys that mean nothing ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("vsphere_severr", " (did you mean 'vsphere_server'?)"),
        ("vsphere_cafile", " (did you mean 'vsphere_ca_file'?)"),
        ("vsphere_host", " (did you mean 'vsphere_server'?)"),
        ("vsphere_verify_ssl", ""),
    ],
)
@pytest.mark.parametrize("source", ["configuration", "secrets"])
def test_an_unknown_setting_is_refused(key, hint, source):
    given = {"configuration": dict(CONFIGURATION), "secrets": dict(SECRETS)}
    given[source][key] = "x"
    with pytest.raises(InvalidValue) as refused:
        load(VSphere, given["configuration"], given["secrets"], {})
    assert f"unknown setting {key}{hint}: known are vsphere_server," in str(refused.value)


@pytest.mark.parametrize("source", ["configuration", "secrets"])
def test_a_general_setting_that_this_version_does_not_have_is_refused(source):
    """It may have been meant as a limit."""
    given = {"configuration": dict(CONFIGURATION), "secrets": dict(SECRETS)}
    given[source]["chaosvm_legder"] = "here"
    expected = r"unknown setting chaosvm_legder \(did you mean 'chaosvm_ledger'\?\)"
    with pytest.raises(InvalidValue, match=expected):
        load(Safety, given["configuration"], given["secrets"], {})


def test_keys_that_are_no_texts_are_not_ours():
    assert load(VSphere, {**CONFIGURATION, 1: "x"}, SECRETS, {}) == loaded()


# Types ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "insecure"), [("false", False), ("true", True), (True, True)])
def test_booleans_may_be_texts(value, insecure):
    assert loaded(vsphere_insecure=value).insecure is insecure


@pytest.mark.parametrize(("value", "port"), [(8443, 8443), ("8443", 8443), (1, 1), (65535, 65535)])
def test_ports_may_be_texts(value, port):
    assert loaded(vsphere_port=value).port == port


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vsphere_insecure", "perhaps"),
        ("vsphere_insecure", 2),
        ("vsphere_port", 0),
        ("vsphere_port", 65_536),
        ("vsphere_port", "https"),
        ("vsphere_port", 443.5),
        ("vsphere_port", True),
        ("vsphere_timeout", 0),
        ("vsphere_timeout", "60s"),
        ("vsphere_timeout", 1_000_000),
        ("vsphere_username", 7),
        ("vsphere_username", "${user}"),
        ("vsphere_server", ["vcenter"]),
        ("vsphere_ca_file", True),
    ],
)
def test_a_badly_typed_value_is_named(key, value):
    with pytest.raises(InvalidValue, match=f"^{key} is "):
        loaded(**{key: value})


def test_a_badly_typed_value_of_the_environment_is_named():
    with pytest.raises(InvalidValue, match=r"^vsphere_port is 'x'"):
        load(VSphere, CONFIGURATION, SECRETS, {"VSPHERE_PORT": "x"})


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def test_a_ca_file_is_one(ca_file, tmp_path):
    assert loaded(vsphere_ca_file=str(ca_file)).ca_file == str(ca_file)

    (tmp_path / "notes.txt").write_text("the certificate is on the other machine")
    for path in (tmp_path / "missing.pem", tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InvalidValue, match=r"vsphere_ca_file is .*PEM"):
            loaded(vsphere_ca_file=str(path))


def test_a_ca_file_in_der_format_is_refused_with_the_command_that_converts_it(ca_file, tmp_path):
    path = tmp_path / "my ca.cer"
    path.write_bytes(ssl.PEM_cert_to_DER_cert(ca_file.read_text()))
    with pytest.raises(InvalidValue, match=r"expected the path of a PEM file.*DER") as refused:
        loaded(vsphere_ca_file=str(path))
    command = f"openssl x509 -inform der -in '{path}' -out '{path}.pem'"
    assert str(refused.value).endswith(f"convert it: {command})")


def test_a_ca_file_may_be_in_the_home_directory(ca_file, monkeypatch):
    monkeypatch.setenv("HOME", str(ca_file.parent))
    assert loaded(vsphere_ca_file="~/ca.pem").ca_file == str(ca_file)


# The server ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("vcenter", "vcenter"),
        ("vcenter.example.org", "vcenter.example.org"),
        (" vcenter ", "vcenter"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("fe80::1:2", "fe80::1:2"),
    ],
)
def test_the_server_is_a_name_or_an_address(given, host):
    assert loaded(vsphere_server=given).server == host


@pytest.mark.parametrize(
    "server",
    [
        "https://vcenter",
        "https://vcenter.example.org/sdk",
        "vcenter/sdk",
        "vcenter:443",
        "[::1]:443",
        "10.0.0.1:443",
        "v center",
        "${server}",
    ],
)
def test_the_server_is_not_an_address_of_a_page(server):
    with pytest.raises(InvalidValue, match=r"vsphere_server is .*expected a host name"):
        loaded(vsphere_server=server)


@pytest.mark.parametrize(
    "server",
    [
        f"root:{PASSWORD}@vcenter",
        f"https://root:{PASSWORD}@vcenter/sdk",
        f"root:{PASSWORD}@${{host}}",
    ],
)
def test_a_password_in_front_of_the_server_is_not_shown(server):
    with pytest.raises(InvalidValue, match="vsphere_server") as refused:
        loaded(vsphere_server=server)
    assert PASSWORD not in str(refused.value)


# From Python ---------------------------------------------------------------------------


def test_arguments_are_checked_in_the_same_way():
    found = VSphere.of(server="vcenter", username="admin", password=PASSWORD, port="8443")
    assert (found.server, found.port, found.insecure) == ("vcenter", 8443, False)

    with pytest.raises(InvalidValue, match=r"^port is 0"):
        VSphere.of(server="vcenter", username="admin", password=PASSWORD, port=0)


def test_an_argument_of_none_is_not_given():
    assert VSphere.of(server="v", username="a", password="p", ca_file=None).ca_file is None
    with pytest.raises(InvalidValue, match="not set: server, password"):
        VSphere.of(server=None, username="admin", password=None)


def test_a_password_given_to_python_is_not_shown_either():
    with pytest.raises(InvalidValue, match=r"^password cannot be used") as refused:
        VSphere.of(server="v", username="a", password=[PASSWORD])
    assert PASSWORD not in str(refused.value)


# Limits from several sources ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "experiment", "operator", "expected"),
    [
        ("max_vms", 8, "2", 2),
        ("max_vms", 2, "8", 2),
        ("max_vms", None, "8", 8),
        ("max_vms", 0, "8", 0),
        ("min_running", 1, "3", 3),
        ("min_running", 3, "1", 3),
        ("max_percent", 50, "20", Percent(20, 20, 20)),
        ("max_percent", {"cluster": 50, "host": 10}, "20", Percent(20, 20, 10)),
        (
            "max_percent",
            {"cluster": 50},
            '{"inventory": 30, "cluster": 20}',
            Percent(30, 20, None),
        ),
        ("max_percent", {"host": 0}, '{"host": 20}', Percent(None, None, 0)),
        ("protect", ["web-*"], "db-*,web-*", ("web-*", "db-*")),
        ("protect_tag", "mine", "theirs", ("mine", "theirs")),
        ("protect_tag", "none", "theirs", ("theirs",)),
        ("protect_tag", "mine", "none", ("mine",)),
        ("protect_tag", "none", None, ()),
        ("protect_tag", None, None, ("chaosvm-protect",)),
        ("dry_run", False, "true", True),
        ("dry_run", True, "false", True),
        ("dry_run", False, "false", False),
    ],
)
def test_of_two_guards_the_stricter_counts(name, experiment, operator, expected):
    given = {f"chaosvm_{name}": experiment}
    environment = {} if operator is None else {f"CHAOSVM_{name.upper()}": operator}
    assert getattr(load(Safety, given, None, environment), name) == expected
    # From wherever the experiment has it.
    assert getattr(load(Safety, None, given, environment), name) == expected


def test_the_ledger_is_where_the_experiment_says():
    found = load(Safety, {"chaosvm_ledger": "/one"}, None, {"CHAOSVM_LEDGER": "/other"})
    assert found.ledger == Path("/one")


def test_a_guard_that_cannot_be_used_is_refused_wherever_it_is():
    with pytest.raises(InvalidValue, match="chaosvm_max_vms is 'few'"):
        load(Safety, {"chaosvm_max_vms": 8}, None, {"CHAOSVM_MAX_VMS": "few"})


@pytest.mark.parametrize("group", ["hunter2", ["hunter2"], 7])
def test_anything_but_a_mapping_of_settings_is_refused_and_not_shown(group):
    for given in ((group, None), (None, group)):
        with pytest.raises(InvalidValue, match="expected a mapping") as refused:
            load(Safety, *given, {})
        assert "hunter2" not in str(refused.value)


# What no server can be called ----------------------------------------------------------


@pytest.mark.parametrize(
    "server",
    [
        *("a?b", "a#b", "a\\b", "a%b", "a\0b", "a..b", "\udc80", "[1.2.3.4]", "[::1", "::g"),
        *("x" * 300, "a" * 64 + ".example.com", "a b", "a\nb", "-?", "1:2:3"),
    ],
)
def test_a_server_that_cannot_be_looked_up_is_refused(server):
    with pytest.raises(InvalidValue, match="vsphere_server"):
        loaded(vsphere_server=server)


@pytest.mark.parametrize(
    "url",
    [
        "https://[::1/ovirt-engine/api",
        "https://[nonsense]/ovirt-engine/api",
        "https://engine:port/ovirt-engine/api",
        "https://engine:99999/ovirt-engine/api",
        "https://engine:0/ovirt-engine/api",
        "https://eng\0ine/ovirt-engine/api",
        "https://eng ine/ovirt-engine/api",
        "https://engine/ovirt-engine/api?x",
        "https://engine?x/api",
        "https://engine/\udc80/api",
        "https://bücher/ovirt-engine/api",
    ],
)
def test_an_invalid_engine_url_is_refused(url):
    with pytest.raises(InvalidValue, match="olvm_url"):
        load(OLVMSettings, {"olvm_url": url}, {"olvm_username": "x", "olvm_password": "x"}, {})


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{PASSWORD}@engine/ovirt-engine/api",
        f"https://user:pa/{PASSWORD}@engine/ovirt-engine/api",
        f"https://user:{PASSWORD}?@engine/ovirt-engine/api",
        f"user:{PASSWORD}@engine",
        [f"https://user:{PASSWORD}@engine/ovirt-engine/api"],
    ],
)
def test_a_password_in_an_engines_url_is_not_shown(url):
    with pytest.raises(InvalidValue, match="olvm_url contains an @") as refused:
        load(OLVMSettings, {"olvm_url": url}, {"olvm_username": "x", "olvm_password": "x"}, {})
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("password", ["${PASSWORD}", "a${b}c", "${", "$$"])
def test_a_password_may_look_like_a_variable(password):
    found = load(VSphereSettings, CONFIGURATION, {**SECRETS, "vsphere_password": password}, {})
    assert found.password == password


@pytest.mark.parametrize("word", ["a\0b", "\udc80", "\x1b", "\ufffe", ["x"], 7])
def test_a_user_or_password_that_cannot_be_sent_is_refused(word):
    for key in ("vsphere_username", "vsphere_password"):
        with pytest.raises(InvalidValue, match=key):
            load(VSphereSettings, CONFIGURATION, {**SECRETS, key: word}, {})
