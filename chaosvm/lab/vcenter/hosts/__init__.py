"""The configuration of hosts: what a host's ``configManager`` refers to.

All hosts are alike: one switch with two port groups, one network card, one disk that
holds the data center's datastore, and the services of an ESXi host.
"""

from __future__ import annotations

from chaosvm.lab.vcenter.hosts.configuration import HostConfiguration
from chaosvm.lab.vcenter.hosts.hardware import (
    CPU_MODEL,
    MHZ,
    MODEL,
    VENDOR,
    capability,
    hardware_info,
    product,
)
from chaosvm.lab.vcenter.hosts.queries import HostQueries

__all__ = [
    "CPU_MODEL",
    "MHZ",
    "MODEL",
    "VENDOR",
    "HostConfiguration",
    "HostQueries",
    "capability",
    "hardware_info",
    "product",
]
