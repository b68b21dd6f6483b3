"""The strategies and the paper venue that we ship: config/strategies/*.yaml, config/venues/paper.yaml."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from libs.configuration.yaml_text import yaml_value
from libs.perps.tiers import build_tiers
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol

CONFIG = Path(__file__).parents[3] / "config"
NAMES = ("conservative", "aggressive", "scalping", "swing", "dca")
TABLE: dict[str, tuple[Any, ...]] = {
    "conservative": (0.5, 2, 1.5, 3, 3, 600, 5, 0.025, 0, ("5m", "15m", "4h"), 2, "maker_only", 100, 60, 80, None),
    "aggressive": (2, 8, 2, 2, 15, 120, 15, 0.075, 0, ("5m", "15m", "1h"), 4, "taker_accepted", 600, 50, 400, 360),
    "scalping": (0.25, 1.5, 0.4, 1.3, 10, 30, 3, 0.015, 5, ("1m", "5m"), 3, "maker_only", 300, 50, 200, 30),
    "swing": (1.5, 5, 2.5, 2.5, 5, 300, 8, 0.04, 0, ("5m", "15m", "4h"), 3, "maker_preferred", 200, 50, 150, 1080),
    "dca": (3, 4, 6, None, 1, 900, 10, 0.05, 0, ("15m", "1h"), 1, "maker_only", 50, 100, 50, None),
}
SIZING: dict[str, tuple[str, float | None]] = {
    "conservative": ("volatility_adjusted", None),
    "aggressive": ("percentage", 10),
    "scalping": ("fixed", 500),
    "swing": ("volatility_adjusted", None),
    "dca": ("fixed", 500),
}


def shipped(name: str) -> TradingStrategy:
    content = yaml_value((CONFIG / "strategies" / f"{name}.yaml").read_text())
    assert set(content) <= set(TradingStrategy.model_fields)
    return TradingStrategy.model_validate(content)


def paper() -> dict[str, Any]:
    content: dict[str, Any] = yaml_value((CONFIG / "venues" / "paper.yaml").read_text())
    return content


def listed() -> list[VenueSymbol]:
    content = paper()
    every = [*content["symbols"], content["default"]]
    return [VenueSymbol.model_validate({"venue": content["venue"], **each}) for each in every]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_strategy_says_what_the_design_says(name: str) -> None:
    plan = shipped(name)
    risk = plan.risk_parameters
    assert (
        risk.max_risk_per_trade,
        risk.max_daily_loss,
        risk.stop_loss_percentage,
        risk.take_profit_ratio,
        risk.max_leverage,
        risk.cooldown_period,
        risk.max_funding_rate_bps,
        plan.funding_rate_threshold,
        plan.funding_blackout_min,
        plan.timeframe_preference,
        plan.max_positions,
        plan.order_preference,
        plan.max_exposure_pct,
        plan.max_asset_share_pct,
        plan.max_cluster_pct,
        plan.max_hold_minutes,
    ) == TABLE[name]
    assert (plan.position_sizing, plan.fixed_margin_usd or plan.margin_pct) == SIZING[name]
    assert (plan.strategy_id, plan.strategy_type, risk.liquidation_buffer, plan.is_active) == (name, name, 0.15, True)


def test_the_ladder_of_dca() -> None:
    plan = shipped("dca")
    assert plan.ladder is not None
    assert (plan.ladder.rungs, plan.ladder.step_pct, plan.take_profit_pct) == (5, 0.5, 3)


def test_there_is_no_other_strategy() -> None:
    assert sorted(path.stem for path in (CONFIG / "strategies").glob("*.yaml")) == sorted(NAMES)


def test_the_paper_venue_lists_ten_symbols_and_a_default() -> None:
    assert [entry.symbol.removesuffix("USDT") for entry in listed()] == [
        *("BTC", "ETH", "SOL", "BNB", "XRP", "ADA", "AVAX", "LINK", "LTC", "DOT"),
        "default",
    ]
    for entry in listed():
        assert (entry.maker_fee_bps, entry.taker_fee_bps) == (Decimal(2), Decimal(5))
        built = build_tiers(entry.tiers)
        assert [tier.mmr for tier in built] == sorted(tier.mmr for tier in built)
        assert [tier.max_leverage for tier in built] == sorted((tier.max_leverage for tier in built), reverse=True)
        assert all(tier.mmr * tier.max_leverage < 1 for tier in built)


def test_btc_has_the_designs_tiers() -> None:
    assert [tier.cum for tier in build_tiers(listed()[0].tiers)] == [0, 300, 1_500, 12_000, 132_000, 482_000, 2_982_000]
