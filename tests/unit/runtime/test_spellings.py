"""One market has one name: other spellings are refused with the one to use, or are understood; none is a new market."""

from typing import Any

import pytest

from libs.schemas.reasons import DeadLetterCode
from services.feed.settings import Settings
from tests import builders
from tests.unit.runtime.test_ticks import Taken, later, tick

REFUSED = [
    pytest.param("dogeusdt", "DOGEUSDT", id="in small letters"),
    pytest.param("LUNA-PERP", "LUNAUSDT", id="FTX until May 2022"),
    pytest.param("BTC-USDT-SWAP", "BTCUSDT", id="OKX"),
    pytest.param("ETH_USDT", "ETHUSDT", id="Gate"),
    pytest.param("1000pepe-usdc", "1000PEPEUSDC", id="a thousand of them"),
    pytest.param("LUNA2/USDT:USDT", "LUNA2USDT", id="ccxt's name of the LUNA of 28 May 2022"),
    pytest.param("SOLUSDT_PERP", "SOLUSDT", id="Binance's name of an index"),
]


@pytest.mark.parametrize(("written", "name"), REFUSED)
@pytest.mark.parametrize("kind", ["tick", "funding", "note"])
def test_on_the_bus_another_spelling_is_refused_with_the_one_to_use(written: str, name: str, kind: str) -> None:
    taken = Taken()
    bodies: dict[str, dict[str, Any]] = {
        "tick": tick(symbol=written),
        "funding": {"symbol": written, "funding_time": later(0), "rate": 0.0001},
        "note": {
            **{"note_id": "n1", "symbol": written, "text": "!", "source": "x"},
            **{"published_at": later(0), "expires_at": later(60)},
        },
    }
    taken.take(bodies[kind], f"market.{kind}.{written}")
    assert (taken.ticks, taken.funding, taken.notes) == ([], [], [])
    (bad,) = taken.bad
    assert (bad.code, bad.field) == (DeadLetterCode.INVALID, "symbol")
    assert bad.message == f"{written} is {name} here: publish it under that name"


@pytest.mark.parametrize("name", ["BTCUSDT", "1000PEPEUSDC", "BTC", "BTCUSD1", "XPERP", "A"])
def test_a_name_of_ours_passes(name: str) -> None:
    taken = Taken()
    taken.take(tick(symbol=name), f"market.tick.{name}")
    assert (len(taken.ticks), taken.bad) == (1, [])


@pytest.mark.parametrize(
    ("written", "symbols"),
    [
        pytest.param("ltcusdt,LTC-PERP,LTC/USDT:USDT", ("LTCUSDT",), id="one market in three spellings"),
        pytest.param(" eth-usdt , SOL_USDT", ("ETHUSDT", "SOLUSDT"), id="with a gap"),
        pytest.param("BTCUSDT.P", ("BTCUSDT",), id="TradingView"),
        pytest.param("1000PEPE/USDC:USDC", ("1000PEPEUSDC",), id="settled in USDC"),
        pytest.param("", (), id="none"),
    ],
)
def test_people_may_spell_them_as_they_do(written: str, symbols: tuple[str, ...]) -> None:
    assert Settings(assets=written).symbols == symbols
    if symbols:
        assert builders.account("a", symbols=tuple(written.replace(" ", "").split(","))).symbols == symbols


@pytest.mark.parametrize(
    "written",
    [
        "BTC/USD:BTC",
        "BTC/USDT:USDT-261225",
        "ETHUSDT_260327",
        "BTC-27MAR26",
        "BTC-USDT-251226",
        "BTC$",
        "Биткойн",
        "BTCUSDT,?",
    ],
)
def test_what_is_no_linear_perpetual_is_refused_with_how_to_write_one(written: str) -> None:
    with pytest.raises(ValueError, match="is no linear perpetual; write it like BTCUSDT"):
        Settings(assets=written)
