"""The five strategies are the table of the design, and what a strategy may not be."""

from decimal import Decimal
from typing import Any

import pytest

from cli.run.seed import read_strategies
from libs.configuration.configuration import Configuration
from libs.configuration.strategies import Strategies
from libs.configuration.templates import JinjaTemplates
from libs.schemas.strategy import TradingStrategy
from libs.strategies.checks import conflicts, largest_order, problems
from libs.strategies.sample import samples
from tests.builders import venue
from tests.fakes.config_store import FakeConfigStore
from tests.fakes.validator_values import account, long_position, state, strategy

# risk/trade, daily loss, stop, target ratio, max leverage, cooldown, funding bps, threshold, blackout, buffer,
# timeframes, positions, sizing, orders, exposure, asset share, cluster, max hold in minutes
DESIGN: dict[str, tuple[Any, ...]] = {
    "conservative": (
        0.5,
        2,
        1.5,
        3,
        3,
        600,
        5,
        0.025,
        0,
        0.15,
        "5m 15m 4h",
        2,
        "volatility_adjusted",
        "maker_only",
        100,
        60,
        80,
        None,
    ),
    "aggressive": (
        2,
        8,
        2,
        2,
        15,
        120,
        15,
        0.075,
        0,
        0.15,
        "5m 15m 1h",
        4,
        "percentage",
        "taker_accepted",
        600,
        50,
        400,
        360,
    ),
    "scalping": (0.25, 1.5, 0.4, 1.3, 10, 30, 3, 0.015, 5, 0.15, "1m 5m", 3, "fixed", "maker_only", 300, 50, 200, 30),
    "swing": (
        1.5,
        5,
        2.5,
        2.5,
        5,
        300,
        8,
        0.04,
        0,
        0.15,
        "5m 15m 4h",
        3,
        "volatility_adjusted",
        "maker_preferred",
        200,
        50,
        150,
        1_080,
    ),
    "dca": (3, 4, 6, None, 1, 900, 10, 0.05, 0, 0.15, "15m 1h", 1, "fixed", "maker_only", 50, 100, 50, None),
}
STRATEGIES: dict[str, TradingStrategy] = {one.strategy_id: one for one in read_strategies()}
ENGINE = Strategies(Configuration(FakeConfigStore()), JinjaTemplates())


def figures(one: TradingStrategy) -> tuple[Any, ...]:
    risk = one.risk_parameters
    return (
        risk.max_risk_per_trade,
        risk.max_daily_loss,
        risk.stop_loss_percentage,
        risk.take_profit_ratio,
        risk.max_leverage,
        risk.cooldown_period,
        risk.max_funding_rate_bps,
        one.funding_rate_threshold,
        one.funding_blackout_min,
        risk.liquidation_buffer,
        " ".join(one.timeframe_preference),
        one.max_positions,
        one.position_sizing,
        one.order_preference,
        one.max_exposure_pct,
        one.max_asset_share_pct,
        one.max_cluster_pct,
        one.max_hold_minutes,
    )


def test_there_are_five() -> None:
    assert set(STRATEGIES) == set(DESIGN)


@pytest.mark.parametrize("name", DESIGN)
def test_each_holds_the_figures_of_the_design(name: str) -> None:
    one = STRATEGIES[name]
    assert figures(one) == DESIGN[name]
    assert one.strategy_type == name
    assert ENGINE.check(one) == ()


def test_sizes_and_the_ladder_are_those_of_the_design() -> None:
    assert STRATEGIES["aggressive"].margin_pct == 10
    assert STRATEGIES["scalping"].fixed_margin_usd == STRATEGIES["dca"].fixed_margin_usd == 500
    ladder = STRATEGIES["dca"].ladder
    assert ladder is not None
    assert (ladder.rungs, ladder.step_pct, STRATEGIES["dca"].take_profit_pct) == (5, 0.5, 3)
    assert [name for name, one in STRATEGIES.items() if one.ladder] == ["dca"]


NO_RATIO = strategy().risk_parameters.model_copy(update={"take_profit_ratio": None})
CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "as it is": ({}, set()),
    "scalping on 15m": ({"strategy_type": "scalping", "timeframe_preference": ("15m", "4h")}, set()),
    "scalping on 30m": ({"strategy_type": "scalping", "timeframe_preference": ("30m",)}, {"timeframe_preference"}),
    "swing on 4h": ({"strategy_type": "swing", "timeframe_preference": ("5m", "4h")}, set()),
    "swing on 1d": ({"strategy_type": "swing", "timeframe_preference": ("1d",)}, set()),
    "swing on 2h": ({"strategy_type": "swing", "timeframe_preference": ("5m", "2h")}, {"timeframe_preference"}),
    "dca without a ladder": ({"strategy_type": "dca", "order_preference": "maker_only"}, {"ladder"}),
    "a ladder at market": ({"ladder": {"rungs": 5, "step_pct": 1}}, {"order_preference"}),
    "no target": ({"risk_parameters": NO_RATIO}, {"take_profit_pct"}),
    "a target in percent": ({"risk_parameters": NO_RATIO, "take_profit_pct": 3}, set()),
    "a cluster beyond all": ({"max_cluster_pct": 201}, {"max_cluster_pct"}),
    "out before a candle": ({"timeframe_preference": ("1h",), "max_hold_minutes": 59}, {"max_hold_minutes"}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_contradicts_itself_is_named_by_its_field(case: str) -> None:
    fields, expected = CASES[case]
    assert {one.field for one in problems(strategy(**fields))} == expected


VENUE = {symbol: venue(symbol) for symbol in ("BTCUSDT", "ETHUSDT")}
TINY = {"position_sizing": "fixed", "fixed_margin_usd": 1}
CONFLICTS: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[bool, str]]]] = {
    "none": ({}, {"leverage": Decimal(5)}, []),
    "not active": ({"is_active": False}, {"leverage": Decimal(5)}, [(True, "not active")]),
    "an unknown symbol": ({}, {"leverage": Decimal(5), "symbols": ("DOGEUSDT",)}, [(True, "DOGEUSDT")]),
    "orders that the venue does not take": (
        TINY,
        {"leverage": Decimal(4)},
        [(True, "below 5 USD"), (False, "leverage")],
    ),
    "orders that it just takes": (TINY, {"leverage": Decimal(5)}, []),
    "less leverage than it wants": ({}, {}, [(False, "the account's leverage of 3 applies, not 5")]),
    "more margin than there is": (
        TINY | {"fixed_margin_usd": 10_001},
        {"leverage": Decimal(5)},
        [(False, "does not hold 10001")],
    ),
}


@pytest.mark.parametrize("case", CONFLICTS)
def test_conflicts_with_an_account(case: str) -> None:
    fields, limits, expected = CONFLICTS[case]
    found = conflicts(strategy(**fields), account(**limits), state(), VENUE)
    assert [one.blocking for one in found] == [blocking for blocking, _ in expected]
    assert all(said in one.message for one, (_, said) in zip(found, expected, strict=True))


def test_more_open_positions_than_it_allows_are_a_remark() -> None:
    held = state(positions=(long_position("BTCUSDT"), long_position("ETHUSDT")))
    (found,) = conflicts(strategy(max_positions=1), account(leverage=Decimal(5)), held, VENUE)
    assert not found.blocking
    assert "2 positions are open" in found.message


def test_an_order_of_fixed_size_is_bounded_by_leverage_and_the_account() -> None:
    fixed = strategy(position_sizing="fixed", fixed_margin_usd=500)
    assert largest_order(fixed, account(leverage=Decimal(3))) == 1_500
    assert largest_order(fixed, account(leverage=Decimal(20))) == 2_500
    assert largest_order(fixed, account(leverage=Decimal(3), max_position_size=Decimal(700))) == 700
    assert largest_order(strategy(), account()) is None


def test_a_sample_shows_the_account_that_it_is_made_for() -> None:
    empty, held = samples(strategy(), account(symbols=("XRPUSDT",)))
    assert empty.symbols == ("XRPUSDT",)
    assert not empty.account_state.open_positions
    assert [one.symbol for one in held.account_state.open_positions] == ["XRPUSDT"]
    assert held.account_state.account_id == "acc1"
