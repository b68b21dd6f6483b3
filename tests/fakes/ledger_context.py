"""The strategy and the context of a chain of messages."""

from decimal import Decimal
from typing import TYPE_CHECKING

from libs.schemas.context import RequestOptions, TradingContext
from tests import builders

if TYPE_CHECKING:
    from tests.fakes.ledger_chain import Chain

STRATEGY = builders.strategy(
    "steady",
    strategy_type="conservative",
    prompt_template="{{ context }}",
    risk={"stop_loss_percentage": 2},
    timeframe_preference=("5m", "1h"),
    funding_rate_threshold=0.1,
)


def context_of(chain: "Chain") -> TradingContext:
    """An account with nothing open, at the beginning of the chain."""
    return builders.context(
        context_id=chain.context_id,
        correlation_id=chain.request_id,
        account_id=chain.account,
        request=RequestOptions(request_id=chain.request_id, dry_run=chain.dry_run),
        cycle=chain.cycle,
        symbols=(chain.symbol,),
        timeframes=("5m", "1h"),
        account_state=builders.account_context(
            chain.account,
            equity=Decimal("10000.5"),
            available_balance=Decimal("9000"),
            active_strategy=STRATEGY,
            as_of=chain.at(0.1),
        ),
        timestamp=chain.at(0.1),
        expires_at=chain.at(60),
        build_ms=3.5,
    )
