"""Copies of the executor share the partitions fairly."""

import pytest

from libs.schemas.ids import PARTITIONS
from services.executor.domain.shares import aim, surplus, wanted


@pytest.mark.parametrize(("live", "each"), [(0, 16), (1, 16), (2, 8), (3, 6), (5, 4), (16, 1), (40, 1)])
def test_each_copy_aims_for_its_share(live: int, each: int) -> None:
    assert aim(live) == each


def test_a_copy_gives_up_what_is_beyond_its_share() -> None:
    assert surplus(range(PARTITIONS), 2) == tuple(range(15, 7, -1))
    assert surplus(range(4), 2) == ()


def test_a_copy_takes_free_partitions_up_to_its_share() -> None:
    assert wanted([9, 3, 5], held=6, live=2) == (3, 5)
    assert wanted([1], held=8, live=2) == ()
