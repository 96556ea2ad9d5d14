from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

_FEW = 20


@pytest.fixture(autouse=True, scope="session")
def as_many_examples(request: pytest.FixtureRequest) -> Iterator[None]:
    """``--fuzz 1000`` tries so many of each, drawn anew; by default a few, always the same."""
    many = request.config.getoption("--fuzz")
    before = settings.default
    settings.register_profile(
        "fuzz",
        max_examples=many or _FEW,
        derandomize=not many,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("fuzz")
    yield
    settings.register_profile("before", before)
    settings.load_profile("before")
