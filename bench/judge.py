"""How long the rules take: one decision of ten assets, eight entries and two exits, judged on domain values."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from timeit import repeat

from libs.risk import AccountView, Limits, PositionView, judge
from libs.schemas.decision import AssetDecision, Facts, TradingDecision
from libs.schemas.venue import MarginTier, VenueSymbol
from tests import builders

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
GOAL_US = 300
SYMBOLS = tuple(f"ASSET{number}USDT" for number in range(10))
HELD = SYMBOLS[8:]
TIERS = tuple(
    MarginTier(floor=Decimal(floor), mmr=Decimal(mmr), max_leverage=Decimal(leverage))
    for floor, mmr, leverage in (
        (0, "0.004", 150),
        (300_000, "0.005", 100),
        (800_000, "0.0065", 75),
        (3_000_000, "0.01", 50),
    )
)


def run(rounds: int = 400, repeats: int = 7) -> list[dict[str, object]]:
    """The best mean of `repeats` × `rounds` judgings, in microseconds (the least disturbed one)."""
    decision, facts, account, limits = _decision(), _facts(), _account(), _limits()
    expires = NOW + timedelta(minutes=1)
    judgement = judge(decision, facts, account, limits, NOW, expires_at=expires, proposed=facts)
    assert all(verdict.final is not None for verdict in judgement.verdicts), judgement
    seconds = repeat(
        lambda: judge(decision, facts, account, limits, NOW, expires_at=expires, proposed=facts),
        number=rounds,
        repeat=repeats,
    )
    value = min(seconds) / rounds * 1e6
    return [
        {
            "name": "judge_10",
            "value": round(value, 1),
            "unit": "us",
            "goal": GOAL_US,
            "met": value <= GOAL_US,
            "reference": f"8 entries and 2 exits, {judgement.rules_checked} rules asked; without parsing and wire",
        }
    ]


def _decision() -> TradingDecision:
    return builders.decision(*(_exit(symbol) if symbol in HELD else _entry(symbol) for symbol in SYMBOLS))


def _entry(symbol: str) -> AssetDecision:
    return builders.entry(symbol, sl_price=98.5, tp_price=106)


def _exit(symbol: str) -> AssetDecision:
    return builders.row(symbol, "close_position")


def _facts() -> Facts:
    seen = builders.seen(100.01, last=100, bid=99.99, ask=100.01, atr_percent=0.8, funding_rate=1e-4)
    return builders.facts(dict.fromkeys(SYMBOLS, seen), as_of=NOW)


def _account() -> AccountView:
    held = {
        symbol: PositionView(
            symbol, "long", Decimal(5), Decimal(99), Decimal(5), Decimal(99), Decimal(97), Decimal(105)
        )
        for symbol in HELD
    }
    equity = Decimal(100_000)
    return AccountView("bench", "active", "active", equity, equity, held, {}, {}, equity, Decimal(0), 1)


def _limits() -> Limits:
    strategy = builders.strategy(
        "bench",
        risk={
            "max_risk_per_trade": 2,
            "max_daily_loss": 8,
            "stop_loss_percentage": 2,
            "max_leverage": 10,
            "max_funding_rate_bps": 15,
        },
        timeframe_preference=("5m", "1h"),
        max_positions=10,
        order_preference="taker_accepted",
        funding_rate_threshold=0.075,
        max_exposure_pct=600,
        max_cluster_pct=400,
    )
    account = builders.account(
        "bench",
        initial_balance=Decimal(100_000),
        symbols=SYMBOLS,
        strategy_id="bench",
        max_position_size=Decimal(50_000),
        leverage=Decimal(10),
    )
    return Limits(strategy, account, {symbol: _venue(symbol) for symbol in SYMBOLS})


def _venue(symbol: str) -> VenueSymbol:
    return builders.venue(symbol, tick_size=Decimal("0.01"), max_quantity=Decimal(1_000_000), tiers=TIERS)
