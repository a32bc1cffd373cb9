from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("house")  # Its checks say what they saw.

from house import Fleet  # noqa: E402


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """A broker to start masters and workers on."""
    started = Fleet()
    try:
        yield started
    finally:
        started.end()


@pytest.fixture(scope="module")
def shared_fleet() -> Iterator[Fleet]:
    """The same for all tests of a file."""
    started = Fleet()
    try:
        yield started
    finally:
        started.end()
