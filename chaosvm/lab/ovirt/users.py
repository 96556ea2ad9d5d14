"""Ids of users, which events, permissions and links have."""

from __future__ import annotations

from chaosvm.lab.simulation import derived_id

__all__ = ["ADMIN_ID", "user_id"]

# The id of the lab's account.
ADMIN_ID = "2d51bd70-ec55-11f1-9e07-02fc00000001"


def user_id(name: str) -> str:
    """The id of a user, with or without the domain."""
    name = name.partition("@")[0]
    return ADMIN_ID if name == "admin" else derived_id("user", name)
