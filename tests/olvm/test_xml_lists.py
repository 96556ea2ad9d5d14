"""Lists of an engine's, as they could come, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

import pytest

from chaosvm.errors import AnswerTooLarge
from chaosvm.olvm.xml_lists import UnexpectedXml, XmlListParser

LISTED = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<vms>\n'
    '    <vm href="/api/vms/1" id="1">\n        <actions>\n            <link href="a" rel="b"/>\n'
    "        </actions>\n        <name>web&amp;01 名前</name>\n        <cluster id='c'/>\n"
    "        <custom_properties><custom_property><name>x</name></custom_property>"
    "</custom_properties>\n    </vm>\n"
    '    <vm id="2"><name>db &lt;actions&gt;</name><actions/><tags><tag><vm id="9"></vm></tag>'
    "</tags></vm>\n</vms>"
)


def names(*pieces: str | bytes) -> list[tuple[str | None, str | None]]:
    def made(vm: Element) -> tuple[str | None, str | None]:
        assert vm.find("actions/link") is None
        return vm.get("id"), vm.findtext("name")

    items = XmlListParser("vms", "vm", made)
    for piece in pieces:
        items.feed(piece.encode() if isinstance(piece, str) else piece)
    return items.close()


@pytest.mark.parametrize("size", [1, 5, 64, 1000])
def test_it_does_not_matter_where_the_answer_is_divided(size: int) -> None:
    body = LISTED.encode()
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    assert names(*pieces) == [("1", "web&01 名前"), ("2", "db <actions>")]


def test_one_by_itself_and_none() -> None:
    assert names("<vm id='7'><name>one</name></vm>") == [("7", "one")]
    assert names("<vms/>") == names("<vms>\n</vms>") == []


@pytest.mark.parametrize("end", range(1, len(LISTED.encode()), 29))
def test_an_answer_that_is_cut_is_not_half_an_answer(end: int) -> None:
    with pytest.raises(UnexpectedXml):
        names(LISTED.encode()[:end])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "Service Unavailable",
        "<html><body>503</body></html>",
        "<!DOCTYPE html><html><body><p>Sorry<br></body></html>",
        "<fault><detail>no</detail></fault>",
        "<vms><fault/></vms>",
        "<vms><vm><name>no id</name></vm></vms>",
        "<vms><vm id='1'><actions></vm><vm id='2'></actions></vm></vms>",
        "<vms><vm id='1'></vm></vms><vms/>",
    ],
)
def test_what_is_no_such_list_is_refused(body: str) -> None:
    with pytest.raises(UnexpectedXml):
        names(body)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "<![CDATA[a <actions>b</actions> c]]>",
        "<![CDATA[<custom_properties>]]>",
        "<![CDATA[a</vm><actions>]]>",
    ],
)
def test_tags_in_cdata_are_text(text: str, size: int) -> None:
    body = (
        f"<vms><vm id='1'><actions><link/></actions><name>{text}</name></vm>"
        "<vm id='2'><name>two</name></vm></vms>"
    ).encode()
    items = XmlListParser("vms", "vm", lambda vm: vm.findtext("name"))
    for at in range(0, len(body), size):
        items.feed(body[at : at + size])
    assert items.close() == [text.removeprefix("<![CDATA[").removesuffix("]]>"), "two"]


@pytest.mark.parametrize(
    "comment",
    ["<!-- <actions> -->", "<!-- </custom_properties> -->", "<!--</vm><actions></vm>-->"],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_tags_in_a_comment_are_none(comment: str, size: int) -> None:
    body = (
        f"<vms>{comment}<vm id='1'><name>one</name></vm>{comment}"
        f"<vm id='2'>{comment}<name>two</name></vm></vms>"
    ).encode()
    assert names(*(body[at : at + size] for at in range(0, len(body), size))) == [
        ("1", "one"),
        ("2", "two"),
    ]


def test_a_value_of_the_wrong_kind() -> None:
    items = XmlListParser("vms", "vm", lambda vm: int(vm.findtext("memory") or ""))
    items.feed(b"<vms><vm id='5'><memory>much</memory></vm></vms>")
    with pytest.raises(UnexpectedXml, match=r"vm 5: .*much"):
        items.close()


# What is too much, or not XML as it should be ---------------------------------------------

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    "text",
    [
        "<vms>" + " " * (5 * MEGABYTE),
        "<vms><vm id='1'><name>" + "x" * (5 * MEGABYTE),
        "<vms><vm id='1'>" + "<a>" * (2 * MEGABYTE),
    ],
)
def test_an_item_without_an_end_is_an_error(text: str) -> None:
    with pytest.raises(AnswerTooLarge, match="4 MB in one item"):
        names(text)


def test_more_items_than_anybody_has_are_an_error() -> None:
    vm = '<vm id="1"></vm>' * 1_000
    with pytest.raises(AnswerTooLarge, match="250,000 items"):
        names("<vms>", *[vm] * 252)


def test_an_answer_without_an_end_is_an_error(memory: Callable[[], int]) -> None:
    vm = f'<vm id="1"><description>{"x" * MEGABYTE}</description></vm>'
    with pytest.raises(AnswerTooLarge, match="512 MB"):
        names("<vms>", *[vm] * 513)
    assert memory() < 16 * MEGABYTE


@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0" encoding="no-such-encoding"?><vms><vm id="1"></vm></vms>',
        '<?xml version="1.0" encoding="utf-7"?><vms><vm id="1"></vm></vms>',
        '<?xml version="1.0" encoding="shift-jis"?><vms><vm id="1"></vm></vms>',
        "<vms>" + "<a>" * 100_000 + "</a>" * 100_000 + "</vms>",
        '<vms><vm id="1">&#xD800;</vm></vms>',
        '<!DOCTYPE vms [<!ENTITY a "'
        + "b" * 100_000
        + '"><!ENTITY c "'
        + "&a;" * 500
        + '">]><vms><vm id="1">'
        + "&c;" * 500
        + "</vm></vms>",
    ],
)
def test_xml_that_is_none_is_no_error_of_others(text: str) -> None:
    with pytest.raises(UnexpectedXml):
        names(text)


@pytest.mark.parametrize("error", [AttributeError, IndexError, KeyError, OverflowError, TypeError])
def test_an_item_that_makes_no_sense_is_no_error_of_others(error: type[Exception]) -> None:
    def made(vm: Element) -> None:
        raise error("odd")

    items = XmlListParser("vms", "vm", made)
    with pytest.raises(UnexpectedXml, match=r"in vm 1: .*odd"):
        items.feed(b'<vms><vm id="1"></vm><vm id="2"></vm></vms>')
