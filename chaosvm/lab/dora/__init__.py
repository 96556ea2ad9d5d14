"""The lab's Dora: a read-only inventory of vCenters, over a simulation.

It follows known answers of a real Dora, whose source is not public. It provides
the login, which returns a token, and the lists of hypervisors and VMs, on two ports
like the real one.

Some details are assumptions: the fields of hypervisors other than name, address,
type and connection status, the text of errors, and that a token may contain
characters that are special in a URL. ``listing_only`` is accepted and ignored. VMs
have no tools, addresses or tags, because known answers have none. There is no
logout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaosvm.lab.options import Options
from chaosvm.lab.simulation import World

if TYPE_CHECKING:
    from chaosvm.lab.http_server import ProtocolServer


def protocol_servers(world: World, options: Options) -> Sequence[ProtocolServer]:
    """The login port and the inventory port, which share their tokens."""
    from chaosvm.lab.dora.protocol_server import InventoryServer, LoginServer
    from chaosvm.lab.dora.sessions import Sessions

    sessions = Sessions(world, options)
    return [LoginServer(sessions, options), InventoryServer(world, sessions, options)]
