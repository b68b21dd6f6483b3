"""What a test wants of the machine: where it is missing the test is skipped by name, or fails where PERPETUA_REQUIRE
names it."""

import os

import pytest

REQUIRED = frozenset(os.environ.get("PERPETUA_REQUIRE", "").split())


def want(name: str, there: bool, why: str) -> None:
    if there:
        return
    if name in REQUIRED:
        pytest.fail(f"{name} is required here (PERPETUA_REQUIRE): {why}")
    pytest.skip(f"{name}: {why}")
