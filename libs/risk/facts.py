"""The market as the rules see it: prices of now, and what only the context could know from the proposal."""

from collections.abc import Callable, Mapping
from datetime import datetime

from libs.risk.marks import Mark, shown_mark
from libs.schemas.account import AccountState
from libs.schemas.context import AssetMarketData, TradingContext
from libs.schemas.decision import AssetFacts, DecisionProposed, Facts


def symbols_of(proposal: DecisionProposed, state: AccountState) -> tuple[str, ...]:
    """Every symbol that the verdicts may depend on: proposed, decided on, held or resting."""
    decided = () if proposal.decision is None else (asset.asset for asset in proposal.decision.decisions)
    held = (position.symbol for position in state.positions)
    resting = (order.symbol for order in state.open_orders)
    return tuple(dict.fromkeys((*proposal.symbols, *proposal.facts.assets, *decided, *held, *resting)))


def facts_of(
    proposal: DecisionProposed, state: AccountState, marks: Mapping[str, Mark], now: datetime, max_tick_age_s: float
) -> Facts:
    """Facts at market time `now`. A symbol without any tick is left out: the rules deny it for want of a price.

    `atr_percent`, indicators and correlations are the proposal's; an asset that it did not see has none.
    """
    return Facts(
        assets={
            symbol: _asset(marks[symbol], proposal.facts.assets.get(symbol), now, max_tick_age_s) for symbol in marks
        },
        correlations=proposal.facts.correlations,
        correlated=proposal.facts.correlated,
        account_version=state.version,
        as_of=now,
    )


def known(get: Callable[[str], Mark | None], symbols: tuple[str, ...]) -> dict[str, Mark]:
    return {symbol: mark for symbol in symbols if (mark := get(symbol)) is not None}


def _asset(mark: Mark, proposed: AssetFacts | None, now: datetime, max_tick_age_s: float) -> AssetFacts:
    age = max(0.0, (now - mark.at).total_seconds())
    return AssetFacts(
        mark=mark.mark,
        last=mark.last,
        bid=mark.bid,
        ask=mark.ask,
        bid_size=mark.bid_size,
        ask_size=mark.ask_size,
        minute_volume=mark.minute_volume,
        atr_percent=None if proposed is None else proposed.atr_percent,
        long_atr_percent=None if proposed is None else proposed.long_atr_percent,
        age_seconds=age,
        stale=age > max_tick_age_s,
        has_indicators=proposed is not None and proposed.has_indicators,
        funding_rate=mark.funding_rate,
        next_funding_time=mark.next_funding_time,
        funding_interval_hours=mark.funding_interval_hours or (proposed and proposed.funding_interval_hours),
    )


def facts_of_context(context: TradingContext) -> Facts:
    """Facts as a decision saw them when its context was built."""
    return Facts(
        assets={
            symbol: _seen(asset, symbol in context.degraded) for symbol, asset in context.market_data.assets.items()
        },
        correlations=context.market_data.correlations,
        correlated=context.market_data.correlated,
        account_version=context.account_version,
        as_of=context.timestamp,
    )


def _seen(asset: AssetMarketData, stale: bool) -> AssetFacts:
    interval, longest = asset.technical_indicators.interval, asset.technical_indicators.long_interval
    return AssetFacts(
        mark=shown_mark(asset),
        last=asset.current_price,
        atr_percent=asset.atr_percent,
        long_atr_percent=longest.atr_14[-1] / asset.current_price * 100 if longest.atr_14 else None,
        age_seconds=asset.age_seconds,
        stale=stale,
        has_indicators=None not in (interval.ema_20, interval.ema_50, interval.rsi_14, interval.atr_14),
        funding_rate=asset.funding_rate,
        next_funding_time=asset.next_funding_time,
        funding_interval_hours=asset.funding_interval_hours,
    )
