"""The chart: well-formed, nothing overlaps, every state can be told without colour."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest

from chaosvm.observe.chart import draw_chart, standalone
from chaosvm.observe.chart.drawing import text_width
from chaosvm.observe.chart.style import DARK, LIGHT
from chaosvm.observe.story import Story
from tests.observe import samples

SVG = "{http://www.w3.org/2000/svg}"
SAMPLES = samples.all_samples()


def svg_of(name: str) -> ElementTree.Element:
    return ElementTree.fromstring(standalone(draw_chart(Story(SAMPLES[name]))))


@pytest.mark.parametrize("name", SAMPLES)
def test_it_is_a_picture_with_a_title_and_a_text(name: str) -> None:
    svg = svg_of(name)
    assert svg.get("role") == "img"
    title, text = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
    assert title is not None
    assert text is not None
    assert svg.get("aria-labelledby") == f"{title.get('id')} {text.get('id')}"
    assert text.text
    assert len(re.findall(r"[.!]( |$)", text.text)) >= 3


@pytest.mark.parametrize("name", SAMPLES)
def test_ids_are_unique_and_used(name: str) -> None:
    text = standalone(draw_chart(Story(SAMPLES[name])))
    ids = [each.get("id") for each in svg_of(name).iter() if each.get("id")]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([\w-]+)\)", text)) <= set(ids)


@pytest.mark.parametrize("name", SAMPLES)
def test_no_two_texts_overlap(name: str) -> None:
    labels = draw_chart(Story(SAMPLES[name])).labels
    assert [(a.text, b.text) for a, b in combinations(labels, 2) if a.overlaps(b)] == []


@pytest.mark.parametrize("name", SAMPLES)
def test_every_text_is_within_the_drawing(name: str) -> None:
    chart = draw_chart(Story(SAMPLES[name]))
    outside = [
        each.text
        for each in chart.labels
        if each.left < -1 or each.right > chart.width + 14 or each.bottom > chart.height
    ]
    assert outside == []


@pytest.mark.parametrize("name", SAMPLES)
def test_each_vm_appears_once(name: str) -> None:
    texts = [each.text for each in draw_chart(Story(SAMPLES[name])).labels]
    names = [vm.name for vm in SAMPLES[name].vms]
    shown = [each for each in names if texts.count(each)]
    assert [each for each in shown if texts.count(each) > 1] == []
    assert len(names) > 80 or shown == names


def test_up_to_twelve_vms_have_tall_lanes_and_more_have_narrow_ones() -> None:
    def height(number: int) -> float:
        return draw_chart(Story(samples.many(number))).height

    assert height(12) > height(13) > height(300) * 0.3
    assert 1000 < height(60) < 1250  # one page


def test_an_outage_is_a_block_that_says_why() -> None:
    texts = [each.text for each in draw_chart(Story(samples.three())).labels]
    assert "✕ no answer, 11 s" in texts
    assert "checked only during the method" in texts


def test_the_recovery_and_its_limit() -> None:
    texts = [each.text for each in draw_chart(Story(samples.three())).labels]
    assert "back in 38.0 s" in texts
    assert "limit 60 s" in texts
    late = [each.text for each in draw_chart(Story(SAMPLES["slow"])).labels]
    assert "✕ back in 38.0 s" in late


def test_after_the_last_record_nothing_is_known() -> None:
    texts = [each.text for each in draw_chart(Story(SAMPLES["killed"])).labels]
    assert texts.count("?") >= 3
    assert any(each.startswith("last record") for each in texts)
    assert not any(each.startswith("end ") for each in texts)


def test_an_interruption_is_a_line_through_all_lanes() -> None:
    chart = draw_chart(Story(SAMPLES["interrupted"]))
    assert "interrupted: SIGTERM" in [each.text for each in chart.labels]
    assert 'class="stop"' in chart.body


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("ink", "paper"),
        ("ink2", "paper"),
        ("ink2", "badbg"),
        ("ink", "badtint"),
        ("ink2", "badtint"),
        ("good", "paper"),
        ("bad", "paper"),
        ("bad", "badbg"),
        ("bad", "badtint"),
        ("paper", "bad"),
        ("offink", "off"),
        ("ready", "paper"),
    ],
)
def test_contrast(colours: dict[str, str], text: str, ground: str) -> None:
    assert contrast(colours[text], colours[ground]) >= 4.5


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 computes it; from luminance, so in greyscale as well."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_both_palettes_have_the_same_colours() -> None:
    assert LIGHT.keys() == DARK.keys()


def test_the_width_of_a_text() -> None:
    assert text_width("iii") < text_width("nnn") < text_width("WWW")
    assert text_width("web-01", bold=True) > text_width("web-01")
