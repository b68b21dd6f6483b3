"""Who trades in a simulation: three accounts, two strategies and two symbols on paper."""

from decimal import Decimal

from libs.schemas.account import Account
from libs.schemas.strategy import StrategyRiskParameters, TradingStrategy
from libs.schemas.venue import MarginTier, VenueSymbol
from replay.configuration import ReplayConfiguration
from services.decider.domain.catalogue import Catalogue, CatalogueEntry, ModelPrice
from simulation.market import FIRST

MODEL = "openai-compatible/simulated"
ACCOUNTS = ("sim-1", "sim-2", "sim-3")


def configuration() -> ReplayConfiguration:
    """What people have set, the same in each run."""
    return ReplayConfiguration(
        [_account(name) for name in ACCOUNTS], [_strategy()], [_venue(symbol) for symbol in FIRST]
    )


def catalogue() -> Catalogue:
    entry = CatalogueEntry(
        id=MODEL, provider="openai-compatible", price=ModelPrice(input=1, output=1), context_tokens=64_000, timeout_s=5
    )
    return Catalogue({MODEL: entry}, (MODEL,))


def _account(name: str) -> Account:
    return Account(
        account_id=name,
        name=name,
        initial_balance=Decimal(10_000),
        symbols=tuple(FIRST),
        strategy_id="chance",
        max_position_size=Decimal(5_000),
        leverage=Decimal(3),
        price_trigger_pct=0.5,
        min_seconds_between_decisions=5,
    )


def _strategy() -> TradingStrategy:
    return TradingStrategy(
        strategy_id="chance",
        strategy_name="Chance",
        strategy_type="custom",
        description="whatever a die wishes",
        prompt_template="Decide about {{ symbols | join(', ') }}.",
        risk_parameters=StrategyRiskParameters(
            max_risk_per_trade=2, max_daily_loss=50, stop_loss_percentage=1, max_funding_rate_bps=100
        ),
        timeframe_preference=("1m",),
        margin_pct=10,
        funding_rate_threshold=0.5,
        max_exposure_pct=300,
        max_asset_share_pct=100,
        max_cluster_pct=300,
    )


def _venue(symbol: str) -> VenueSymbol:
    return VenueSymbol(
        venue="paper",
        symbol=symbol,
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.001"),
        min_notional=Decimal(20),
        max_quantity=Decimal(1_000),
        maker_fee_bps=Decimal(2),
        taker_fee_bps=Decimal(5),
        tiers=(MarginTier(floor=Decimal(0), mmr=Decimal("0.005"), max_leverage=Decimal(100)),),
    )
