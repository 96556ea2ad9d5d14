"""What `chaos discover chaosvm` finds: the discovery of chaostoolkit-vm.

Chaos Toolkit looks a name up among the installed distributions, not among the
importable packages, and then calls `discover` in the top-level module of that
distribution. This module is that one, for the distribution named `chaosvm`.
"""

from chaosvm import discover

__all__ = ["discover"]
