"""The lab's Dora: a read-only inventory in front of vCenters, over a world.

It follows what is known of the real one's answers; nobody here has seen its
source, and it is not Dora. There are the login, which hands out a token, and
the lists of hypervisors and of VMs, on two ports as in reality.

What is not known was decided here: what hypervisors say beside their name,
address, type and connection status, how refusals are worded, and that a token
can hold characters which mean something in a URL. ``listing_only`` is accepted
and makes no difference. VMs have no tools, addresses or tags, because the real
answers are not known to have any. There is no logout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaosvm.lab.options import Options
from chaosvm.lab.world import World

if TYPE_CHECKING:
    from chaosvm.lab.server import Face


def faces(world: World, options: Options) -> Sequence[Face]:
    """One for each port: tokens of the first open the second."""
    from chaosvm.lab.dora.face import InventoryFace, LoginFace
    from chaosvm.lab.dora.sessions import Sessions

    sessions = Sessions(world, options)
    return [LoginFace(sessions, options), InventoryFace(world, sessions, options)]
