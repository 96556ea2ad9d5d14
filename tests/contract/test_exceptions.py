"""The list of exceptions means something that is there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.contract.conftest import BACKENDS
from tests.contract.exceptions import EXCEPTIONS, NEWER_MAY_PASS


def test_each_exception_names_a_test_and_a_backend() -> None:
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    tests = {name for text in texts for name in re.findall(r"^def (test_\w+)\(", text, re.M)}
    assert {test.partition("[")[0] for test, _ in EXCEPTIONS} <= tests
    assert {backend for _, backend in EXCEPTIONS} <= BACKENDS.keys()
    assert {test for test, _ in EXCEPTIONS} >= NEWER_MAY_PASS
