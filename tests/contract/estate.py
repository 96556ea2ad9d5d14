"""The small estate that every backend of the contract shows, as nobody's protocol has it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["DATACENTERS", "EVERYWHERE", "ON_VCENTERS", "Entry", "Power"]

# As vcsim calls what it makes: each has one cluster, DC0_C0, of two hosts.
DATACENTERS = ("DC0", "DC1")


class Power(StrEnum):
    """What is true of a VM, whoever is asked."""

    ON = "powered_on"
    OFF = "powered_off"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One VM; ``key`` tells apart those of one name."""

    name: str
    key: str = ""
    power: Power = Power.ON
    datacenter: str = "DC0"
    tools: bool = True
    tag: str | None = None  # of the category "tier", unless it is "category/tag"
    hostname: str | None = None
    address: str | None = None
    # On vCenters only.
    folder: str | None = None
    template: bool = False
    managed_by: str | None = None
    owner: str | None = None  # a custom attribute

    @property
    def known_as(self) -> str:
        return self.key or self.name


EVERYWHERE = (
    Entry(name="web-01", tag="web", hostname="web-01.example.org", address="10.0.0.1"),
    Entry(name="web-02", tag="web"),
    Entry(name="web-03", tag="web"),
    Entry(name="app-01", power=Power.OFF, tag="app"),
    Entry(name="db-01", power=Power.SUSPENDED),
    Entry(name="bare-01", tools=False),
    Entry(name="twin", key="twin in DC0"),
    Entry(name="twin", key="twin in DC1", datacenter="DC1"),
)
ON_VCENTERS = (
    Entry(name="golden", power=Power.OFF, template=True),
    Entry(name="agent-01", managed_by="com.vmware.vim.eam"),
    Entry(name="pair", key="left pair", folder="left", owner="data team", tag="tier/gold"),
    Entry(name="pair", key="right pair", folder="right", tag="site/gold"),
)
