"""The message that ends every context: a proposal or an explicit abstention, with the facts that it was made on."""

from collections.abc import Sequence
from datetime import datetime

from libs.schemas import ids
from libs.schemas.account import Account
from libs.schemas.context import AssetMarketData, TradingContext
from libs.schemas.decision import LIVE, AssetFacts, DecisionProposed, Facts, ModelCall, StrategyRef, Timing
from services.decider.domain.parse import Parsed
from services.decider.domain.policy import Abstain

DETAIL_LIMIT = 4_000


def decision_id(context: TradingContext) -> str:
    return ids.decision_id(context.context_id, LIVE.name)


def model_of(context: TradingContext, account: Account | None, default: str) -> str:
    """The model that the request names, else the account's, else the default. The choice is a value, nothing shared."""
    return context.request.model or (account.model if account else None) or default


def propose(
    context: TradingContext, end: Parsed | Abstain, calls: Sequence[ModelCall], timing: Timing, now: datetime
) -> DecisionProposed:
    strategy = context.account_state.active_strategy
    parsed = end if isinstance(end, Parsed) else None
    return DecisionProposed(
        decision_id=decision_id(context),
        context_id=context.context_id,
        request_id=context.request.request_id,
        account_id=context.account_id,
        status="abstained" if parsed is None else "proposed",
        abstain_reason=end.reason if isinstance(end, Abstain) else None,
        abstain_detail=end.detail[:DETAIL_LIMIT] if isinstance(end, Abstain) else None,
        decision=parsed.decision if parsed else None,
        calls=tuple(calls),
        context_ref=context.context_id,
        symbols=context.symbols,
        missing=parsed.missing if parsed else (),
        facts=facts(context),
        strategy=StrategyRef(id=strategy.strategy_id, version=strategy.version),
        dry_run=context.request.dry_run,
        correlation_id=context.correlation_id,
        proposed_at=now,
        expires_at=context.expires_at,
        timing=timing,
    )


def facts(context: TradingContext) -> Facts:
    return Facts(
        assets={
            symbol: _asset(asset, symbol in context.degraded) for symbol, asset in context.market_data.assets.items()
        },
        correlations=context.market_data.correlations,
        account_version=context.account_version,
        as_of=context.timestamp,
    )


def _asset(asset: AssetMarketData, stale: bool) -> AssetFacts:
    interval = asset.technical_indicators.interval
    return AssetFacts(
        mark=asset.mark_price or asset.current_price,
        last=asset.current_price,
        atr_percent=asset.atr_percent,
        age_seconds=asset.age_seconds,
        stale=stale,
        has_indicators=None not in (interval.ema_20, interval.ema_50, interval.rsi_14, interval.atr_14),
        funding_rate=asset.funding_rate,
        next_funding_time=asset.next_funding_time,
    )
