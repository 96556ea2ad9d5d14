from __future__ import annotations

import math
from contextlib import suppress
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosvm.errors import InvalidValue
from chaosvm.runtime import documents
from chaosvm.settings import values
from chaosvm.vm import PowerState


class Colour(StrEnum):
    RED = "red"
    DARK_BLUE = "dark_blue"


def test_the_error_names_the_key_the_value_and_what_was_expected():
    with pytest.raises(InvalidValue) as refused:
        values.integer("parallel", "many", 1, 64)
    assert str(refused.value) == ("parallel is 'many': expected a whole number from 1 to 64")


@pytest.mark.parametrize("word", ["web", " web ", "ünï", "a/b", "a\nb", "$", "$x", "100%"])
def test_a_string_is_returned_unchanged(word):
    assert values.string("key", word) == word


@pytest.mark.parametrize("value", ["", "  ", "\n", None, 3, True, ["web"], {"a": 1}, b"web"])
def test_anything_but_a_filled_string_is_refused(value):
    with pytest.raises(InvalidValue, match="key is"):
        values.string("key", value)


@pytest.mark.parametrize("value", ["", "  ", "\n"])
@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("vm_name", "vm_name is empty: set VM_NAME, or --var vm_name=NAME"),
        (
            "vms.name",
            "vms.name is empty: expected a non-empty string; if it comes from a variable, set the "
            "variable",
        ),
    ],
)
def test_an_empty_string_most_likely_comes_from_a_variable(key, message, value):
    with pytest.raises(InvalidValue) as refused:
        values.string(key, value)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("running", "powered_on"),
        ("ON", "powered_on"),
        ("up", "powered_on"),
        ("started", "powered_on"),
        ("poweredOn", "powered_on"),
        ("off", "powered_off"),
        ("stopped", "powered_off"),
        ("down", "powered_off"),
        ("suspend", "suspended"),
    ],
)
def test_other_words_for_a_power_state(word, state):
    with pytest.raises(InvalidValue, match=rf"\(did you mean '{state}'\?\)$"):
        values.choice("expected", word, PowerState)


def test_a_synonym_is_offered_only_where_it_is_a_choice():
    assert values.suggestion("host", ["port"], {"host": "server"}) == ""
    assert values.closest("HOST", ["Server"], {"host": "server"}) == "Server"
    assert values.closest("prot", ["port", "server"], {"host": "server"}) == "port"


@pytest.mark.parametrize("word", ["${vm_name}", "web-${n}", "${}", "a ${x y} b"])
def test_a_variable_that_nobody_defined_is_refused(word):
    with pytest.raises(InvalidValue, match="variable in it is not set"):
        values.string("vm_name", word)


@pytest.mark.parametrize(
    ("given_as", "strings"),
    [
        ("web", ("web",)),
        (["web", "db"], ("web", "db")),
        (("web",), ("web",)),
        (["web", "db", "web"], ("web", "db")),
        ("web,db", ("web,db",)),
    ],
)
def test_a_list_of_strings_may_be_one_string(given_as, strings):
    assert values.string_list("names", given_as) == strings


@pytest.mark.parametrize("value", [[], (), "", None, 3, ["web", ""], ["web", 3], {"web": 1}, {"a"}])
def test_a_list_of_texts_has_only_texts_and_at_least_one(value):
    with pytest.raises(InvalidValue, match="names is"):
        values.string_list("names", value)


@pytest.mark.parametrize("value", [True, "true", "True", " TRUE ", "yes", "on", "1"])
def test_what_is_true(value):
    assert values.boolean("graceful", value) is True


@pytest.mark.parametrize("value", [False, "false", "False", " FALSE ", "no", "off", "0"])
def test_what_is_false(value):
    assert values.boolean("graceful", value) is False


@pytest.mark.parametrize("value", ["", "maybe", "truee", None, 2, 0.0, [], "${graceful}"])
def test_what_is_neither_true_nor_false(value):
    with pytest.raises(InvalidValue, match=r"graceful is .*true or false"):
        values.boolean("graceful", value)


@pytest.mark.parametrize(
    ("value", "result"), [(5, 5.0), (0.5, 0.5), ("2.5", 2.5), (" 7 ", 7.0), ("1e1", 10.0)]
)
def test_a_number_may_be_a_text(value, result):
    assert values.number("timeout", value, 0.1, 100) == result


@pytest.mark.parametrize(
    "value",
    [0, -1, 101, "60s", "", None, True, [5], math.nan, math.inf, "nan", "inf", 10**400, "${t}"],
)
def test_anything_but_a_number_in_its_range_is_refused(value):
    with pytest.raises(InvalidValue, match=r"timeout is .*from 0.1 to 100 seconds"):
        values.number("timeout", value, 0.1, 100, "seconds")


@pytest.mark.parametrize(("value", "result"), [(1, 1), ("64", 64), (" 8 ", 8)])
def test_a_whole_number_may_be_a_text(value, result):
    assert values.integer("parallel", value, 1, 64) == result


@pytest.mark.parametrize(
    "value", [0, 65, -3, 2.5, "2.5", "ten", "", None, False, True, [1], 10**400]
)
def test_anything_but_an_integer_in_its_range_is_refused(value):
    with pytest.raises(InvalidValue, match=r"parallel is .*from 1 to 64"):
        values.integer("parallel", value, 1, 64)


@pytest.mark.parametrize(("value", "seconds"), [(0.1, 0.1), (86_400, 86_400), ("300", 300)])
def test_how_long_a_timeout_may_be(value, seconds):
    assert values.timeout_seconds("timeout", value) == seconds


@pytest.mark.parametrize("value", [0, 0.09, -5, 86_401, "5 minutes"])
def test_how_long_a_timeout_may_not_be(value):
    with pytest.raises(InvalidValue, match="seconds"):
        values.timeout_seconds("timeout", value)


def test_a_choice_is_one_of_its_words():
    assert values.choice("colour", "red", Colour) is Colour.RED
    assert values.choice("colour", Colour.RED, Colour) is Colour.RED


@pytest.mark.parametrize("value", ["green", "", None, 1, True, ["red"]])
def test_what_is_not_a_choice(value):
    with pytest.raises(InvalidValue, match="one of red, dark_blue"):
        values.choice("colour", value, Colour)


def test_the_closest_choice_is_suggested():
    with pytest.raises(InvalidValue, match="did you mean 'dark_blue'"):
        values.choice("colour", "dark-blue", Colour)


def test_a_message_has_one_hint():
    with pytest.raises(InvalidValue, match=r"\(did you mean 'red'\?\)$"):
        values.choice("colour", "'red'", Colour)


def test_a_mapping_converts_each_value_under_its_full_name():
    known = {"a": values.string, "n": lambda key, value: values.integer(key, value, 1, 9)}

    assert values.mapping("vms", {"n": "3", "a": "x"}, known, "{...}") == {"n": 3, "a": "x"}
    with pytest.raises(InvalidValue, match=r"vms\.n is 'x'"):
        values.mapping("vms", {"n": "x"}, known, "{...}")


@pytest.mark.parametrize("value", [None, {}, [], "a", [("a", "x")], 3, True])
def test_a_mapping_is_a_mapping_and_not_empty(value):
    with pytest.raises(InvalidValue, match=r"vms is .*a mapping such as \{example\}"):
        values.mapping("vms", value, {"a": values.string}, "{example}")


@pytest.mark.parametrize(
    ("key", "hint"), [("nmae", " (did you mean 'name'?)"), ("xyz", ""), (1, "")]
)
def test_a_mapping_refuses_an_unknown_key(key, hint):
    with pytest.raises(InvalidValue) as refused:
        values.mapping("vms", {key: "x"}, {"name": values.string}, "{}")
    assert str(refused.value) == f"vms has the unknown key {key!r}{hint}: known are name"


@given(
    st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text()))
)
def test_whatever_is_given_is_used_or_refused_with_our_own_error(value):
    for convert in (
        values.string,
        values.string_list,
        values.boolean,
        values.timeout_seconds,
        lambda key, item: values.integer(key, item, 1, 64),
        lambda key, item: values.choice(key, item, Colour),
        lambda key, item: values.mapping(key, item, {}, "{}"),
    ):
        with suppress(InvalidValue):
            convert("key", value)


# Whatever is given ---------------------------------------------------------------------


@pytest.mark.parametrize("word", ["a\0b", "\udc80", "x\x1by", "\ufffe"])
def test_text_that_no_request_can_hold_is_refused(word):
    with pytest.raises(InvalidValue, match=r"^key .*without the character"):
        values.string("key", word)


@pytest.mark.parametrize("word", ["caf\u00e9", "a\tb", "a\nb", "\U0001f600", "\x7f"])
def test_text_of_any_other_characters_is_taken(word):
    assert values.string("key", word) == word


def nested(levels: int):
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [nested(20_000), 10**5_000, "x" * 10**6, {"a": nested(20_000)}, {10**5_000: 1}, [[]] * 10**6],
    ids=["deep", "long", "text", "deeper", "key", "list"],
)
def test_a_message_never_grows_out_of_bounds(value):
    assert len(values.shown(value)) < 2_000
    for convert in (values.string, values.string_list, values.boolean, values.timeout_seconds):
        with pytest.raises(InvalidValue) as refused:
            convert("key", {"a": value})
        assert len(str(refused.value)) < 2_000
    with pytest.raises(InvalidValue):
        values.mapping("key", {"b": value}, {"a": values.string}, "{}")


def test_a_message_shows_what_is_given():
    for value in ({"b": [1, "x"], "a": None}, ["x"], (1,), 7, 1.5, None, True):
        assert values.shown(value) == repr(value)


def test_how_deep_and_how_large_a_value_may_be(monkeypatch):
    assert documents.MAX_ITEMS == 3_000_000
    monkeypatch.setattr(documents, "MAX_ITEMS", 3_000)
    documents.refuse_unbounded("key", nested(50))
    documents.refuse_unbounded("key", [0] * 3_000)
    with pytest.raises(InvalidValue, match=r"^key is nested more than 50 levels deep"):
        documents.refuse_unbounded("key", nested(51))
    with pytest.raises(InvalidValue, match=r"^key holds more than 3,000 items"):
        documents.refuse_unbounded("key", [0] * 3_001)
    row = [0] * 30
    documents.refuse_unbounded("key", [row] * 30)
    with pytest.raises(InvalidValue, match="items"):
        documents.refuse_unbounded("key", {key: [[row] * 33] for key in "abc"})


def test_what_holds_itself_is_too_deep():
    loop: list = []
    loop.append(loop)
    with pytest.raises(InvalidValue, match="deep"):
        documents.refuse_unbounded("key", loop)


def test_a_path_may_be_in_a_home_directory(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(values.path("key", "~/x", "a path")) == "/home/somebody/x"
    with pytest.raises(InvalidValue, match=r"^key is '~nosuchuser/x'"):
        values.path("key", "~nosuchuser/x", "a path")


@pytest.mark.parametrize(
    ("percent", "whole", "part"),
    [(64.1, 1_000, 641), (29, 100, 29), (33.3, 3, 0), (100.0, 7, 7), (0, 7, 0), (1e-7, 10**9, 1)],
)
def test_a_part_is_rounded_down(percent, whole, part):
    assert values.part(percent, whole) == part


@pytest.mark.parametrize("password", ["${PASSWORD}", " x ", "\tx"])
def test_a_secret_is_taken_as_it_is(password):
    assert values.secret("key", password) == password


@pytest.mark.parametrize("password", ["", " ", None, 7, ["hunter2"], "hunter2\0", "hunter2\udc80"])
def test_a_secret_that_cannot_be_used_is_not_shown(password):
    with pytest.raises(InvalidValue, match=r"^key cannot be used") as refused:
        values.secret("key", password)
    assert "hunter2" not in str(refused.value)
