"""Every collection that the SDK knows is answered: none is a path that a real engine has not."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import ovirtsdk4
import pytest

from chaosvm.lab import Lab, World
from tests.lab.conftest import Plain

# A real engine refuses these, too: 404, 405 or an error (recorded from 4.5.8).
_REFUSED = {
    "/externaltemplateimports",
    "/externalvmimports",
    "/katelloerrata",
    "/options",
}
# Of storage domains.
_REFUSED_BELOW = ("/files", "/images")
# Too deep, or the same as elsewhere.
_DEPTH = 4


def _services(service: Any, depth: int = _DEPTH) -> Iterator[Any]:
    """A service and those below it; of a collection, that of its first object."""
    yield service
    if depth == 0 or _is_refused(service._path):
        return
    for name, method in inspect.getmembers(service, inspect.ismethod):
        if not name.endswith("_service"):
            continue
        if not list(inspect.signature(method).parameters):
            yield from _services(method(), depth - 1)
        elif first := _first(service):
            yield from _services(method(first), depth - 1)
            break


def _is_refused(path: str) -> bool:
    return path in _REFUSED or path.endswith(_REFUSED_BELOW)


def _first(service: Any) -> str | None:
    if "list" not in type(service).__dict__ or _is_refused(service._path):
        return None
    try:
        items = service.list()
    except (ovirtsdk4.Error, ValueError):  # it fails again where it is asserted
        return None
    return items[0].id if items else None


def _walked(service: Any) -> tuple[int, list[str]]:
    count, failed = 0, []
    for each in _services(service):
        if "list" not in type(each).__dict__ or _is_refused(each._path):
            continue
        count += 1
        try:
            each.list()
        except (ovirtsdk4.Error, ValueError) as error:
            failed.append(f"{each._path}: {error}"[:60])
    return count, failed


@pytest.fixture
def estate(world: World) -> World:
    vm = world.add_vm("web", ip_addresses=("10.0.0.1",), tags=("prod",))
    world.snapshots.create(vm.id, "first")
    return world


def test_every_collection_that_the_sdk_knows_can_be_listed(estate: World, engine: Any) -> None:
    count, failed = _walked(engine.system_service())
    assert failed == []
    assert count > 130


def test_every_link_of_the_root_and_of_a_vm_is_answered(estate: World, plain: Plain) -> None:
    vm = estate.vms[0]
    for path in ("", f"/vms/{vm.id}", f"/hosts/{estate.hosts[0].id}"):
        links = ElementTree.fromstring(plain.get(path).content).findall("link")
        assert links
        for link in links:
            relative = re.split("[?;]", link.attrib["href"].partition("/api")[2])[0]
            expected = 405 if relative in _REFUSED else 200
            expected = 400 if relative == "/katelloerrata" else expected
            assert plain.get(relative).status_code == expected, relative


@pytest.mark.parametrize("path", ["/vms/", "/v4/vms", "/v4/vms/", "/v4", "/tags/", "/hosts/"])
def test_slashes_at_the_end_and_the_version_in_the_path(
    estate: World, plain: Plain, path: str
) -> None:
    assert plain.get(path).status_code == 200


def test_pages_that_need_no_login(lab: Lab, plain: Plain) -> None:
    health = plain.get("/../services/health", Authorization="")
    assert (health.status_code, health.text) == (200, "DB Up!Welcome to Health Status!")
    query = "resource=ca-certificate&format=X509-PEM-CA"
    certificate = plain.get(f"/../services/pki-resource?{query}", Authorization="")
    assert certificate.text.startswith("-----BEGIN CERTIFICATE-----")
    assert plain.get("/../services/pki-resource", Authorization="").status_code == 400
