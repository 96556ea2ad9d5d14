"""Actions that concern every platform at once.

All others belong to one platform: ``chaosvm.vsphere.actions``,
``chaosvm.olvm.actions`` and ``chaosvm.dora.actions``.
"""

from typing import Any, Dict

from chaoslib.types import Configuration, Secrets

__all__ = ["restore_power_states"]


def restore_power_states(
    timeout: float = 300,
    parallel: int = 10,
    force: bool = False,
    ledger: str = "",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> Dict[str, Any]:
    """
    Restore the power state of every VM in the ledger, on every platform.

    Calls `restore_power_states` for each platform that the ledger names, one after
    the other; other platforms need no settings. They share `timeout` (seconds), so
    that a platform that does not answer leaves time for the others. At most
    `parallel` VMs are restored at once. VMs that were changed externally since are
    left alone, unless `force` is true.

    With `ledger`, the path of another run's ledger, that run is undone, even after
    a crash. Without it, what this run has changed so far is undone.

    Returns `outcomes` (one for each changed VM, with `detail` if it was left
    alone), and the numbers `changed` and `failed`. Fails if a VM could not be
    restored; the error names each with the reason.

    ```json
    {
      "type": "action",
      "name": "put-everything-back",
      "provider": {
        "type": "python",
        "module": "chaosvm.actions",
        "func": "restore_power_states",
        "arguments": {
          "ledger": "chaosvm-ledgers/chaosvm-ledger-20261125T100154Z-9355b6.jsonl",
          "timeout": 600
        }
      }
    }
    ```
    """
    from chaosvm.restore import restore_everywhere  # most runs have nothing to restore

    batch = restore_everywhere(configuration, secrets, timeout, parallel, force, ledger)
    return batch.to_json()
