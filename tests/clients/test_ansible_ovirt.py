from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.clients import ansible_playbooks

TASKS = ansible_playbooks.tasks("ovirt")


@cache
def results() -> dict[str, str]:
    return ansible_playbooks.run("ovirt")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.timeout(1860)
def test_task(task: str, judge: Any, clients_or_skip: Any) -> None:
    judge("Ansible: ovirt", task, clients_or_skip(results)[task])


def test_no_task_has_the_name_of_another() -> None:
    assert len(TASKS) == len(set(TASKS)) >= 70
