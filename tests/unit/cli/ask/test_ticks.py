"""Ticks of the paper venue, and prices in steps of them."""

from decimal import Decimal
from pathlib import Path

import pytest

from cli.ask.ticks import by_tick, tick_sizes
from cli.files import known_symbols
from cli.project import CONFIG


def test_every_symbol_of_the_venue_has_one_and_a_file_that_is_broken_none(tmp_path: Path) -> None:
    sizes = tick_sizes(CONFIG)
    assert tuple(sizes) == known_symbols()
    assert sizes["BTCUSDT"] == Decimal("0.1")
    assert tick_sizes(tmp_path) == {}


@pytest.mark.parametrize(
    ("price", "tick", "beside", "shown"),
    [
        ("83127.7777", "0.1", "1", "83127.8"),
        ("83127.74", "0.5", "1", "83127.5"),
        ("0.000012345", "0.00000010", "1", "0.00001230"),
        ("1834.4", "10", "1", "1830"),
        ("83127.7777", None, "103000.25", "83127.78"),
        ("83127.7777", None, "103000", "83128"),
    ],
)
def test_a_price_in_steps_of_its_tick(price: str, tick: str | None, beside: str, shown: str) -> None:
    assert by_tick(Decimal(price), None if tick is None else Decimal(tick), Decimal(beside)) == shown
