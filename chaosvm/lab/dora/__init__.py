"""The lab's Dora: two ports, one for logins and one for the inventory, over a world.

It follows what is known of Dora's contract. What is not known of the real one
is not modelled: paging, its log, and the names of a hypervisor's fields, which
are the lab's guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaosvm.lab.options import Options
from chaosvm.lab.world import World

if TYPE_CHECKING:
    from chaosvm.lab.server import Face


def faces(world: World, options: Options) -> Sequence[Face]:
    from chaosvm.lab.dora.face import InventoryFace, LoginFace
    from chaosvm.lab.dora.tokens import Tokens

    tokens = Tokens(world, options)
    return [LoginFace(tokens, options), InventoryFace(world, tokens, options)]
