from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.symbols import ours, unified
from services.executor.domain.differences import ASTER, BINANCEUSDM, OKX, VENUES, base_units, contracts, signed_at
from services.executor.domain.unified import balances, number, order_report, position_report

ORDER = {
    "symbol": "BTC/USDT:USDT",
    "id": "7",
    "clientOrderId": "a" * 32,
    "side": "sell",
    "type": "market",
    "amount": 0.5,
}


@given(st.decimals(min_value="0.00000001", max_value="9999999", places=8))
def test_a_float_of_a_venues_figure_gives_the_figure_back(figure: Decimal) -> None:
    assert number(float(figure)) == figure
    assert number(str(figure)) == figure


@pytest.mark.parametrize("nothing", [None, "", float("nan"), float("inf")])
def test_what_is_no_number_is_none(nothing: object) -> None:
    assert number(nothing) is None


@pytest.mark.parametrize("symbol", ["BTCUSDT", "1000PEPEUSDT", "ETHUSDC", "ASTERUSD1"])
def test_names_map_back_and_forth(symbol: str) -> None:
    name = unified(symbol)
    assert name is not None
    assert ours(name) == symbol


@pytest.mark.parametrize("name", ["BTC/USDT", "BTC/USD:BTC", "BTC/USDT:USDT-260626", "BTC", ""])
def test_what_is_no_linear_perpetual_has_no_name_of_ours(name: str) -> None:
    assert ours(name) is None


@pytest.mark.parametrize(
    ("info", "kind", "state"),
    [
        ({"origType": "STOP_MARKET", "type": "STOP_MARKET", "status": "NEW"}, "stop_market", "open"),
        ({"type": "MARKET", "origType": "STOP_MARKET", "status": "FILLED"}, "stop_market", "filled"),
        ({"orderType": "TAKE_PROFIT_MARKET", "algoStatus": "FINISHED"}, "take_profit_market", "filled"),
        ({"type": "LIMIT", "status": "EXPIRED"}, "limit", "expired"),
        ({"type": "LIMIT", "status": "REJECTED"}, "limit", "rejected"),
        ({"type": "LIMIT", "status": "PARTIALLY_FILLED", "executedQty": "0.2"}, "limit", "partially_filled"),
        ({"type": "LIMIT", "status": "SOMETHING_NEW"}, "limit", "unknown"),
    ],
)
def test_an_orders_type_and_state_are_the_venues_own_words(info: dict[str, str], kind: str, state: str) -> None:
    report = order_report(ASTER, {**ORDER, "status": "canceled", "info": info}, Decimal(1))
    assert report is not None
    assert (report.type, report.state) == (kind, state)


def test_a_position_of_nothing_is_none_and_a_negative_amount_is_short() -> None:
    row = {"symbol": "BTC/USDT:USDT", "info": {"positionAmt": "-0.5", "entryPrice": "60000", "marginType": "isolated"}}
    found = position_report(ASTER, row, Decimal(1))
    assert found is not None
    assert (found.side, found.quantity) == ("short", Decimal("0.5"))
    assert position_report(ASTER, {**row, "info": {"positionAmt": "0.000", "entryPrice": "0"}}, Decimal(1)) is None


def test_the_wallet_leaves_unrealised_profit_out() -> None:
    info = {"assets": [{"asset": "BNB"}, {"asset": "USDT", "walletBalance": "39.41184271", "marginBalance": "50"}]}
    assert balances({"info": info, "USDT": {"total": 50.0}}).wallet == Decimal("39.41184271")


def test_requests_are_signed_for_a_second_where_the_venue_can_be_told() -> None:
    assert signed_at(BINANCEUSDM, 1_000, 3) == {"timestamp": 1_000, "recvWindow": 1_000}
    assert signed_at(ASTER, 1_000, 3) == {"nonce": "1000003"}
    assert signed_at(ASTER, 1_000, 3) != signed_at(ASTER, 1_000, 4)


def test_the_table_of_differences_keeps_the_traps() -> None:
    for name in ("aster", "hyperliquid"):
        assert VENUES[name].options["builderFee"] is False
        assert VENUES[name].secrets == "wallet_key"
    assert (ASTER.requests_per_s, ASTER.demo, ASTER.tiers_unified, ASTER.open_interest_unified) == (
        3,
        False,
        False,
        False,
    )
    assert BINANCEUSDM.algo_conditionals
    assert BINANCEUSDM.demo
    assert OKX.order_params == {"tdMode": "isolated"}
    assert contracts(OKX, Decimal("0.5"), Decimal("0.01")) == 50
    assert base_units(OKX, Decimal(50), Decimal("0.01")) == Decimal("0.5")
    assert contracts(ASTER, Decimal("0.5"), Decimal("0.01")) == Decimal("0.5")
