"""timeline.json: what is written can be read, and a mistake in it is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chaosvm.errors import InvalidValue
from chaosvm.observe.timeline import from_json, read_timeline, to_json
from tests.observe import samples

SAMPLES = samples.all_samples()


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_written_can_be_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "timeline.json"
    path.write_text(json.dumps(to_json(SAMPLES[name])))
    assert read_timeline(path) == SAMPLES[name]


def test_the_shape_of_the_document() -> None:
    document = to_json(samples.three())
    assert document["format"] == "chaosvm-timeline"
    assert document["version"] == 1
    assert document["run"]["started"] == "2031-05-14T14:02:10.000+00:00"
    assert document["changes"][1] == {
        "at": "2031-05-14T14:02:30.600+00:00",
        "vm": "vsphere/vcenter.example.com/vm-41",
        "kind": "power",
        "value": "powered_off",
        "cause": "guest shutdown",
        "source": "vCenter, event VmPoweredOffEvent",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "not a timeline"),
        ({"version": 2}, "version 2, and this chaosvm reads version 1"),
        ({"run": {}}, r"timeline\.run lacks '(ended|started|title)'"),
        ({"runs": 1}, "timeline has the unknown key 'runs'"),
        ({"vms": {}}, r"timeline\.vms is \{\}"),
        ({"written": "soon"}, r"timeline\.written is 'soon': expected an ISO time"),
        ({"written": "2031-05-14T14:02:10"}, "expected a time with its zone"),
        ({"gaps": [1]}, r"timeline\.gaps\[0\] is 1"),
        (
            {"changes": [{"at": "2031-05-14T14:02:10Z", "vm": "a", "kind": "x", "value": "b"}]},
            r"changes\[0\]\.kind is 'x': expected one of power, tools",
        ),
    ],
)
def test_a_mistake_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        from_json({**to_json(samples.three()), **change})


def test_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "timeline.json"
    path.write_text("[")
    with pytest.raises(InvalidValue, match=r"timeline\.json cannot be read as a timeline"):
        read_timeline(path)
