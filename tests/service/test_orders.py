from __future__ import annotations

import pytest

from chaosvm.backend import OnTimeout, Operation, Order
from chaosvm.errors import InvalidValue
from chaosvm.service.orders import checked_order


def test_an_order_takes_texts_for_what_they_mean():
    order = checked_order("power_off", "120", graceful="false", on_timeout="leave", parallel=4)

    assert order == Order(
        operation=Operation.POWER_OFF,
        timeout=120.0,
        graceful=False,
        on_timeout=OnTimeout.LEAVE,
        parallel=4,
    )


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("timeout", 0),
        ("timeout", "soon"),
        ("timeout", None),
        ("graceful", "perhaps"),
        ("graceful", None),
        ("on_timeout", "explode"),
        ("on_timeout", None),
        ("on_timeout", "HARD"),
    ],
)
def test_an_order_that_cannot_be_used_names_the_argument(argument, value):
    options = {"timeout": 300, "graceful": True, "on_timeout": "hard", argument: value}
    with pytest.raises(InvalidValue, match=f"^{argument} is "):
        checked_order("power_off", **options)


def test_a_mistyped_option_is_told():
    with pytest.raises(InvalidValue, match="did you mean 'hard'"):
        checked_order("power_off", 300, on_timeout="hart")


@pytest.mark.parametrize(
    ("timeout", "kept"), [(10, 2), (100, 20), (150, 30), (300, 30), (3600, 30)]
)
def test_time_is_kept_for_a_hard_power_off(timeout, kept):
    order = checked_order("power_off", timeout, graceful=True, on_timeout="hard")
    assert order.guest_seconds == timeout - kept


@pytest.mark.parametrize("on_timeout", ["fail", "leave"])
def test_where_nothing_is_to_follow_the_guest_has_all_the_time(on_timeout):
    order = checked_order("power_off", 300, graceful=True, on_timeout=on_timeout)
    assert order.guest_seconds == 300
