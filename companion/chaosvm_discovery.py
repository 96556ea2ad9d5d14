"""What `chaos discover chaosvm` finds: the discovery of chaostoolkit-vm.

Chaos Toolkit looks a name up among the installed distributions, not among the
importable packages, and then calls `discover` in the top-level module of that
distribution. This module is that one, for the distribution named `chaosvm`.
"""

__all__ = ["discover"]

try:
    from chaosvm import discover
except ModuleNotFoundError as error:
    if error.name != "chaosvm":
        raise

    def discover(discover_system: bool = True) -> None:  # type: ignore[misc]
        """Say what is missing: chaostoolkit-vm was uninstalled, and this was not."""
        from chaoslib.exceptions import DiscoveryFailed

        raise DiscoveryFailed(
            "the package chaosvm only finds chaostoolkit-vm, which is not installed: "
            "pip install chaostoolkit-vm, or pip uninstall chaosvm"
        )
