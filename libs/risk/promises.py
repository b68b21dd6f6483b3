"""Every field of a strategy and of an account's configuration: what enforces it, and how a model is told of it.

One table: the prompt's limits are `sentences`, docs/risk.md holds `table`, and a test fails for a field without a row,
for a rule that does not read its field, and for a named file that does not.
"""

from collections.abc import Callable
from dataclasses import dataclass

from libs.schemas.context import AccountContext

Sentence = Callable[[AccountContext], str | None]


@dataclass(frozen=True, slots=True)
class Promise:
    """`field` is dotted below `strategy` or `account`. `rules` are functions of libs/risk that read it.

    `elsewhere` names what else reads it, as a path. `says` is None for what a model cannot act on.
    """

    field: str
    rules: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    says: Sentence | None = None


def sentences(account: AccountContext) -> tuple[str, ...]:
    """The account's limits in the table's order, one sentence each without a full stop.

    Nothing that changes by itself (equity, the trading state) is in them: the same text until somebody edits a limit.
    """
    said = dict.fromkeys(promise.says for promise in PROMISES if promise.says is not None)
    return tuple(text for says in said if (text := says(account)) is not None)


def _leverage(account: AccountContext) -> str:
    most = min(account.active_strategy.risk_parameters.max_leverage, float(account.leverage))
    return f"leverage at most {most:g}x; that of an open position stays as it is"


def _position_size(account: AccountContext) -> str:
    return f"notional of one position at most {account.max_position_size:,.2f} USD"


def _max_positions(account: AccountContext) -> str:
    most = account.active_strategy.max_positions
    return f"open positions and resting entries in at most {most} {'asset' if most == 1 else 'assets'}"


def _risk(account: AccountContext) -> str:
    most = account.active_strategy.risk_parameters.max_risk_per_trade
    return f"the whole position loses at most {most:g}% of equity at its stop, fees included"


def _daily_loss(account: AccountContext) -> str:
    most = account.active_strategy.risk_parameters.max_daily_loss
    return f"no entries once the day's loss reaches {most:g}% of its opening equity"


def _stop(account: AccountContext) -> str:
    away = account.active_strategy.risk_parameters.stop_loss_percentage
    if away == 0:
        return "an entry without sl_price is denied; a stop is never cancelled or moved away from the price"
    return (
        f"an entry without sl_price gets a stop {away:g}% away; a stop is never cancelled or moved away from the price"
    )


def _target(account: AccountContext) -> str | None:
    strategy = account.active_strategy
    ratio = strategy.risk_parameters.take_profit_ratio
    if ratio is not None:
        return f"reward : risk net of fees at least {ratio:g}; an entry without tp_price gets the target that pays it"
    if strategy.take_profit_pct is not None:
        return f"an entry without tp_price gets a target {strategy.take_profit_pct:g}% away"
    return None


def _exposure(account: AccountContext) -> str:
    return f"gross notional at most {account.active_strategy.max_exposure_pct:g}% of equity"


def _share(account: AccountContext) -> str:
    strategy = account.active_strategy
    share = strategy.max_exposure_pct * strategy.max_asset_share_pct / 100
    return f"notional of one asset at most {share:g}% of equity ({strategy.max_asset_share_pct:g}% of the gross limit)"


def _cluster(account: AccountContext) -> str:
    most = account.active_strategy.max_cluster_pct
    return f"notional of correlated assets on the same side together at most {most:g}% of equity"


def _liquidation(account: AccountContext) -> str:
    share = account.active_strategy.risk_parameters.liquidation_buffer * 100
    return f"{share:g}% of the distance from entry to liquidation must remain beyond the stop, else leverage is lowered"


def _cooldown(account: AccountContext) -> str | None:
    pause = account.active_strategy.risk_parameters.cooldown_period
    return f"{pause} s between entries in one asset" if pause else None


def _funding(account: AccountContext) -> str:
    strategy = account.active_strategy
    most, near = strategy.risk_parameters.max_funding_rate_bps, strategy.funding_rate_threshold
    return f"no entry against funding above {most:g} bps per 8 h, nor within 5 min of funding above {near * 100:g} bps"


def _blackout(account: AccountContext) -> str | None:
    minutes = account.active_strategy.funding_blackout_min
    return f"no entry within {minutes} min of any funding" if minutes else None


def _sizing(account: AccountContext) -> str:
    strategy = account.active_strategy
    each = "order of a ladder" if strategy.ladder else "entry"
    match strategy.position_sizing:
        case "fixed":
            most = f"{strategy.fixed_margin_usd or 0:,.2f} USD of margin an {each}"
        case "percentage":
            most = f"{strategy.margin_pct or 0:g}% of equity as margin an entry"
        case "volatility_adjusted":
            most = "the risk per trade divided by the larger of the default stop and 2 × ATR of the longest timeframe"
        case "kelly":
            most = "half of Kelly's share of equity from this account's closed trades, never above the risk per trade"
    return f"an entry is sized by code to {most}; allocation_usd is an upper bound"


def _ladder(account: AccountContext) -> str | None:
    ladder = account.active_strategy.ladder
    if ladder is None:
        return None
    return f"an entry becomes {ladder.rungs} equal limit orders {ladder.step_pct:g}% apart, from limit_price away"


def _orders(account: AccountContext) -> str:
    match account.active_strategy.order_preference:
        case "maker_only":
            return "entries rest at limit_price (default: best bid or ask) and are cancelled where they do not fill"
        case "maker_preferred":
            return "entries rest at limit_price (default: best bid or ask), then fill at market where they do not"
        case _:
            return "entries fill at market; limit_price is not used"


def _hold(account: AccountContext) -> str | None:
    minutes = account.active_strategy.max_hold_minutes
    return None if minutes is None else f"a position is closed {minutes} min after it was opened"


STRATEGIES = "libs/strategies"
DECIDER, CONTEXT, EXECUTOR = "services/decider", "services/context", "services/executor"
GATEWAY, CLI = "services/gateway", "cli"

STRATEGY: tuple[Promise, ...] = (
    Promise("risk_parameters.max_leverage", ("leverage",), says=_leverage),
    Promise("risk_parameters.max_risk_per_trade", ("risk_per_trade", "volatility_adjusted", "kelly"), says=_risk),
    Promise("risk_parameters.max_daily_loss", ("daily_loss",), says=_daily_loss),
    Promise("risk_parameters.stop_loss_percentage", ("stop_required", "volatility_adjusted"), says=_stop),
    Promise("risk_parameters.take_profit_ratio", ("reward_risk", "target_default"), says=_target),
    Promise("take_profit_pct", ("target_default",), says=_target),
    Promise("risk_parameters.liquidation_buffer", ("liquidation_buffer", "liquidation_of_whole"), says=_liquidation),
    Promise("max_positions", ("max_positions",), says=_max_positions),
    Promise("max_exposure_pct", ("exposure", "concentration"), says=_exposure),
    Promise("max_asset_share_pct", ("concentration",), says=_share),
    Promise("max_cluster_pct", ("correlation",), says=_cluster),
    Promise("risk_parameters.cooldown_period", ("cooldown",), says=_cooldown),
    Promise("risk_parameters.max_funding_rate_bps", ("funding",), says=_funding),
    Promise("funding_rate_threshold", ("funding",), says=_funding),
    Promise("funding_blackout_min", ("funding",), says=_blackout),
    Promise("position_sizing", ("size",), says=_sizing),
    Promise("fixed_margin_usd", ("fixed",), says=_sizing),
    Promise("margin_pct", ("percentage",), says=_sizing),
    Promise("ladder", ("make_entry",), says=_ladder),
    Promise("order_preference", ("make_entry",), (EXECUTOR,), says=_orders),
    Promise("max_hold_minutes", elsewhere=(EXECUTOR,), says=_hold),
    Promise("timeframe_preference", elsewhere=(CONTEXT,)),
    Promise("prompt_template", elsewhere=(DECIDER,)),
    Promise("model", elsewhere=(DECIDER,)),
    Promise("strategy_id", elsewhere=(DECIDER,)),
    Promise("strategy_name", elsewhere=(DECIDER,)),
    Promise("strategy_type", elsewhere=(STRATEGIES,)),
    Promise("description", elsewhere=(STRATEGIES,)),
    Promise("is_active", elsewhere=(STRATEGIES,)),
    Promise("version", elsewhere=(DECIDER,)),
    Promise("changed_because", elsewhere=(STRATEGIES,)),
)

ACCOUNT: tuple[Promise, ...] = (
    Promise("max_position_size", ("position_size",), says=_position_size),
    Promise("leverage", ("leverage",), says=_leverage),
    Promise("symbols", ("known_asset",), (CONTEXT,)),
    Promise("status", ("account_status",), (CONTEXT,)),
    Promise("budgets", elsewhere=(DECIDER,)),
    Promise("rate_limit", elsewhere=(DECIDER,)),
    Promise("min_seconds_between_decisions", elsewhere=(CONTEXT,)),
    Promise("price_trigger_pct", elsewhere=(CONTEXT,)),
    Promise("funding_near_min", elsewhere=(CONTEXT,)),
    Promise("initial_balance", elsewhere=(EXECUTOR,)),
    Promise("margin_mode", elsewhere=(EXECUTOR,)),
    Promise("mode", elsewhere=(EXECUTOR,)),
    Promise("venue", elsewhere=(EXECUTOR,)),
    Promise("credential", elsewhere=(EXECUTOR,)),
    Promise("model", elsewhere=(DECIDER,)),
    Promise("strategy_id", elsewhere=(CONTEXT,)),
    Promise("account_id", elsewhere=(EXECUTOR,)),
    Promise("name", elsewhere=(GATEWAY,)),
    Promise("version", elsewhere=(CLI,)),
)

PROMISES = (*STRATEGY, *ACCOUNT)


def table() -> str:
    """Both halves of the table in Markdown, for docs/risk.md."""
    return f"### Strategies\n\n{_rows(STRATEGY)}\n### Accounts\n\n{_rows(ACCOUNT)}"


def _rows(promises: tuple[Promise, ...]) -> str:
    head = "| field | rules of libs/risk that read it | also read by | told to the model |\n|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(_cells(promise))} |\n" for promise in promises)


def _cells(promise: Promise) -> tuple[str, ...]:
    rules, others = (", ".join(f"`{name}`" for name in names) for names in (promise.rules, promise.elsewhere))
    return f"`{promise.field}`", rules, others, "" if promise.says is None else "yes"
