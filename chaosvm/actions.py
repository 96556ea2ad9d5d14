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
    Restore every VM in the ledger to the state it had before, on every platform.

    The same as `restore_power_states` of each platform that the ledger names.
    Platforms are restored one after the other and share `timeout`, so that one
    that does not answer leaves time for the others. A platform that the ledger
    does not name needs no settings.

    With `ledger`, the path of the file that another run has left behind, what
    that run changed is restored, also after a crash. Without it, what this run
    has changed so far.

    Returns `outcomes` (one for each VM in the ledger, with `detail` where it was
    left alone), `changed` and `failed` (how many). Fails if any VM could not be
    restored, and names each with the reason.

    ```json
    {
      "type": "action",
      "name": "put-everything-back",
      "provider": {
        "type": "python",
        "module": "chaosvm.actions",
        "func": "restore_power_states",
        "arguments": {"ledger": "chaosvm-ledger.jsonl", "timeout": 600}
      }
    }
    ```
    """
    from chaosvm.restore import restore_everywhere  # most runs have nothing to restore

    batch = restore_everywhere(configuration, secrets, timeout, parallel, force, ledger)
    return batch.to_json()
