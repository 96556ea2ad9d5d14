"""The parser of property collector responses, with every form that a response can have."""

from __future__ import annotations

from xml.etree.ElementTree import XML
from xml.parsers.expat import ExpatError

import pytest

from chaosvm.vsphere.properties import ObjectProperties
from chaosvm.vsphere.response_parser import ResponseParser, UnknownForm, read_page

METHOD = "RetrievePropertiesEx"
BEGINS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope '
    'xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/"\n '
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"\n '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema"\n '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n<soapenv:Body>\n'
    '<RetrievePropertiesExResponse xmlns="urn:vim25"><returnval>'
)
ENDS = "</returnval></RetrievePropertiesExResponse>\n</soapenv:Body>\n</soapenv:Envelope>"
NAME = '<propSet><name>name</name><val xsi:type="xsd:string">web-01</val></propSet>'
ON = (
    "<propSet><name>runtime.powerState</name>"
    '<val xsi:type="VirtualMachinePowerState">poweredOn</val></propSet>'
)
OBJ = '<obj type="VirtualMachine">vm-1</obj>'


def machine(inner: str = NAME + ON, obj: str = OBJ) -> str:
    return f"<objects>{obj}{inner}</objects>"


def valued(name: str, value: str, kind: str = "xsd:string") -> str:
    return f'<propSet><name>{name}</name><val xsi:type="{kind}">{value}</val></propSet>'


def page(
    *objects: str, begins: str = BEGINS, ends: str = ENDS, piece: int = 10_000
) -> ResponseParser:
    body = (begins + "".join(objects) + ends).encode()
    return read_page((body[at : at + piece] for at in range(0, len(body), piece)), METHOD)


def properties(inner: str) -> dict[str, object]:
    """The properties of one object with this content."""
    (item,) = page(machine(inner)).objects
    assert (item.kind, item.moid) == ("VirtualMachine", "vm-1")
    return item.properties


def test_objects_are_read_in_order() -> None:
    read = page(machine(), machine(obj='<obj type="Folder">group-v3</obj>', inner=NAME))
    assert read.objects == [
        ObjectProperties(
            "VirtualMachine", "vm-1", {"name": "web-01", "runtime.powerState": "poweredOn"}
        ),
        ObjectProperties("Folder", "group-v3", {"name": "web-01"}),
    ]
    assert (read.token, read.unauthenticated) == (None, False)


@pytest.mark.parametrize("piece", [1, 7, 64, 1000])
def test_chunks_may_end_anywhere(piece: int) -> None:
    odd = [machine(valued("name", "名前-ünï-🐒-&lt;a&gt;&amp;")), machine(), machine(NAME)]
    assert page(*odd, piece=piece).objects == page(*odd).objects


def test_a_token_means_another_page() -> None:
    assert page(machine(), begins=f"{BEGINS}<token>3-ab</token>").token == "3-ab"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        (" two  spaces ", " two  spaces "),
        ("&lt;b&gt;&amp;amp;&#x1F412;&#233;&quot;", '<b>&amp;🐒é"'),
        ('a">b', 'a">b'),
        ("a>b", "a>b"),
        ("line\r\nend", "line\nend"),
        ("&#13;", "\r"),
        ("]]", "]]"),
        ("</val".replace("<", "&lt;"), "</val"),
    ],
)
def test_text_is_decoded_as_xml(text: str, value: str) -> None:
    assert properties(valued("name", text)) == {"name": value}


@pytest.mark.parametrize(
    "inner",
    [
        "<propSet><name>name</name><val>a</val></propSet>",
        '<propSet><name>name</name><val a="x>y" xsi:type="xsd:string">a</val></propSet>',
        "<propSet><name>name</name><val\txsi:type='xsd:string'>a</val></propSet>",
        "<propSet>\n <name>name</name>\n <val>a</val>\n</propSet>\n",
        '<propSet><name>name</name><val xmlns:x="urn:x" x:type="x">a</val></propSet>',
    ],
)
def test_other_ways_to_write_the_same(inner: str) -> None:
    assert properties(inner) == {"name": "a"}


def test_an_empty_element_is_an_empty_string() -> None:
    inner = '<propSet><name>name</name><val xsi:type="xsd:string"/></propSet>'
    assert properties(inner + ON) == {"name": "", "runtime.powerState": "poweredOn"}


def test_values_have_their_types() -> None:
    assert properties(
        valued("config.template", "true", "xsd:boolean")
        + valued("config.hardware.numCPU", "4", "xsd:int")
        + '<propSet><name>runtime.host</name><val type="HostSystem" '
        'xsi:type="ManagedObjectReference">host-9</val></propSet>'
    ) == {"config.template": True, "config.hardware.numCPU": 4, "runtime.host": "host-9"}


def test_only_the_addresses_that_a_network_card_has_itself() -> None:
    nics = (
        "<GuestNicInfo><network>VM Network</network><ipAddress>10.0.0.1</ipAddress>"
        "<ipAddress>fe80::1</ipAddress><ipConfig><ipAddress><ipAddress>10.9.9.9</ipAddress>"
        "<prefixLength>24</prefixLength></ipAddress></ipConfig></GuestNicInfo>"
        "<GuestNicInfo><connected>true</connected></GuestNicInfo>"
        "<GuestNicInfo><ipAddress>10.0.0.2</ipAddress></GuestNicInfo>"
    )
    read = properties(valued("guest.net", nics, "ArrayOfGuestNicInfo"))
    assert read == {"guest.net": ["10.0.0.1", "fe80::1", "10.0.0.2"]}
    assert properties(valued("guest.net", "", "ArrayOfGuestNicInfo")) == {"guest.net": []}


def test_custom_attributes() -> None:
    values = (
        '<CustomFieldValue xsi:type="CustomFieldStringValue"><key>101</key><value>a&amp;b</value>'
        '</CustomFieldValue><CustomFieldValue xsi:type="CustomFieldStringValue"><key>102</key>'
        "<value></value></CustomFieldValue>"
    )
    read = properties(valued("customValue", values, "ArrayOfCustomFieldValue"))
    assert read == {"customValue": [(101, "a&b"), (102, "")]}
    fields = "<CustomFieldDef><key>101</key><name>owner</name><type>string</type></CustomFieldDef>"
    assert properties(valued("field", fields, "ArrayOfCustomFieldDef")) == {"field": {101: "owner"}}


def missing(fault: str) -> str:
    return (
        f'<missingSet><path>name</path><fault><fault xsi:type="{fault}"><object type="Folder">'
        "group-d1</object><privilegeId>System.View</privilegeId></fault>"
        "<localizedMessage></localizedMessage></fault></missingSet>"
    )


def test_a_property_that_may_not_be_read_is_left_out() -> None:
    assert properties(ON + missing("NoPermission")) == {"runtime.powerState": "poweredOn"}
    assert properties(missing("vim25:NoPermission")) == {}


def test_a_session_that_has_ended_is_noticed() -> None:
    assert page(machine(missing("NotAuthenticated"))).unauthenticated
    assert page(machine(), machine(ON + missing("vim25:NotAuthenticated"))).unauthenticated
    assert not page(machine(missing("NoPermission"))).unauthenticated


def test_a_property_without_a_value_is_left_out() -> None:
    assert properties(f"<propSet><name>guest.net</name></propSet>{NAME}") == {"name": "web-01"}
    assert properties("") == {}


@pytest.mark.parametrize(
    "objects",
    [
        machine(valued("not.requested", "1")),
        machine(valued("config.hardware.numCPU", "many", "xsd:int")),
        machine(valued("config.hardware.numCPU", "", "xsd:int")),
        machine(valued("config.template", "yes", "xsd:boolean")),
        machine(valued("name", "<b>web</b>")),
        machine(valued("guest.net", "text", "ArrayOfGuestNicInfo")),
        machine(valued("customValue", "<CustomFieldValue><key>1</key></CustomFieldValue>")),
        machine(f"{NAME}<extra>1</extra>"),
        machine(f"<propSet>{NAME}</propSet>"),
        machine("<propSet><val>1</val><name>name</name></propSet>"),
        machine("<propSet><name>name</name><val>1</val><val>2</val></propSet>"),
        machine(obj="<obj>vm-1</obj>"),
        machine(obj='<obj type="VirtualMachine"></obj>'),
        machine(obj=OBJ + OBJ),
        "<objects></objects>",
        f"{machine()}<token>late</token>",
        f"<!-- {machine()} -->",
        machine("<!-- none -->"),
        machine(valued("name", "<![CDATA[web-01]]>")),
        machine("<?pi?>"),
        f"{machine()}text{machine()}",
        f"{machine()}<other/>",
        machine(f"{NAME} text {ON}"),
        machine("<propSet>text<name>name</name><val>1</val></propSet>"),
    ],
)
def test_an_unknown_form_is_never_guessed(objects: str) -> None:
    with pytest.raises(UnknownForm):
        page(objects)
    # It is valid XML all the same.
    XML((BEGINS + objects + ENDS).encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('encoding="UTF-8"', 'encoding="ISO-8859-1"'),
        ("urn:vim25", "urn:vim26"),
        (' xmlns="urn:vim25"', ""),
        ("RetrievePropertiesExResponse", "RetrievePropertiesResponse"),
        ("<returnval>", "<returnval><more>1</more>"),
        ("<soapenv:Body>", "<soapenv:Header></soapenv:Header><soapenv:Body>"),
    ],
)
def test_an_unknown_envelope_is_an_unknown_form(old: str, new: str) -> None:
    ends = ENDS.replace("RetrievePropertiesEx", new[:-8]) if "Properties" in old else ENDS
    with pytest.raises(UnknownForm):
        page(machine(), begins=BEGINS.replace(old, new), ends=ends)


def test_a_response_without_objects_is_left_to_pyvmomi() -> None:
    with pytest.raises(UnknownForm):
        page()


@pytest.mark.parametrize("cut", [1, 12, 40, len(ENDS), len(ENDS) + 1, len(ENDS) + 30])
def test_an_incomplete_response_is_an_error(cut: int) -> None:
    body = (BEGINS + machine() * 3 + ENDS).encode()
    with pytest.raises(ExpatError):
        read_page([body[:-cut]], METHOD)


def test_a_fault_instead_of_the_rest_of_the_response() -> None:
    fault = "<soapenv:Fault><faultstring>down</faultstring></soapenv:Fault>"
    with pytest.raises(ExpatError):
        page(machine(), ends=fault + "</soapenv:Body></soapenv:Envelope>")
    with pytest.raises(UnknownForm):
        page(machine(), fault)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Service Unavailable",
        b"<!DOCTYPE html>\n<html><body></body></html>",
        b"<html><body>503</body></html>",
        b'{"objects": []}',
    ],
)
def test_what_is_not_soap_at_all_is_an_error(body: bytes) -> None:
    with pytest.raises(ExpatError):
        read_page([body], METHOD)


def test_references_to_entities_of_a_doctype() -> None:
    """A DOCTYPE could define any entity; SOAP has none."""
    begins = BEGINS.replace(
        "<soapenv:Envelope", '<!DOCTYPE x [<!ENTITY e "web">]><soapenv:Envelope', 1
    )
    with pytest.raises(ExpatError):
        page(machine(valued("name", "&e;")), begins=begins)
