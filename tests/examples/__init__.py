"""The examples that are shipped: all of them are experiments, but for settings and a control."""

from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
_OTHERS = ("dora_environments.example.yaml", "rehearse.yaml", "vars.json", "vars.yaml")
EXPERIMENTS = sorted(
    path
    for path in (*EXAMPLES.glob("*.json"), *EXAMPLES.glob("*.yaml"))
    if path.name not in _OTHERS
)
# Chaos Toolkit reads secrets from Vault before it validates an experiment, and before a control
# file can start a rehearsal.
WITHOUT_VAULT = [path for path in EXPERIMENTS if path.name != "vault_secrets.yaml"]
