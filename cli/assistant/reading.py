"""Tools that look: the reading half of the API. Nothing here changes anything."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from cli.assistant.gateway import Call, GatewayApi
from libs.schemas.base import AccountId, Id, StrategyId, Symbol, Timeframe

OneAccount = Annotated[AccountId, Field(description="an account, as list_accounts names it")]
OneSymbol = Annotated[Symbol, Field(description="a symbol, such as BTCUSDT")]
OneModel = Annotated[str | None, Field(max_length=100, description="decided by this model, as list_models names it")]
OneStrategy = Annotated[StrategyId, Field(description="a strategy, as list_strategies names it")]
Period = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}[hd]$", description="how far back, such as 24h or 7d")]
Most = Annotated[int, Field(ge=1, le=100, description="entries at most")]
Cursor = Annotated[str | None, Field(max_length=500, description="`next` of the page before")]
Since = Annotated[datetime | None, Field(description="market time, included, as 2026-11-20T12:00:00Z")]
Until = Annotated[datetime | None, Field(description="market time, not included")]


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


class AccountTools:
    """What accounts hold and what they made."""

    def __init__(self, api: GatewayApi) -> None:
        self._api = api

    async def list_accounts(self, call: Call) -> str:
        """The accounts that the key sees, with their strategies, symbols and limits."""
        return await self._api.get(call, "accounts")

    async def get_account(self, call: Call, account_id: OneAccount) -> str:
        """The configuration of an account: strategy, symbols, models, limits."""
        return await self._api.get(call, "accounts", account_id)

    async def account_state(self, call: Call, account_id: OneAccount) -> str:
        """Balances, positions, open orders and trading state of an account now, and why it does not trade if so."""
        return await self._api.get(call, "accounts", account_id, "state")

    async def positions(self, call: Call, account_id: OneAccount) -> str:
        """What an account has open: side, size, entry, stop, target, profit so far."""
        return await self._api.get(call, "accounts", account_id, "positions")

    async def orders(self, call: Call, account_id: OneAccount, limit: Most = 20, cursor: Cursor = None) -> str:
        """Orders of an account with their fills, newest first; each names the decision that it came from."""
        return await self._api.get(call, "accounts", account_id, "orders", limit=limit, cursor=cursor)

    async def trades(self, call: Call, account_id: OneAccount, limit: Most = 20, cursor: Cursor = None) -> str:
        """Positions of an account that are closed, with what they made and how they ended, newest end first."""
        return await self._api.get(call, "accounts", account_id, "trades", limit=limit, cursor=cursor)

    async def equity(
        self, call: Call, account_id: OneAccount, since: Since = None, until: Until = None, cursor: Cursor = None
    ) -> str:
        """Equity of an account over time, newest first."""
        times = {"from_": _time(since), "to": _time(until)}
        return await self._api.get(call, "accounts", account_id, "equity", limit=100, cursor=cursor, **times)

    async def performance(self, call: Call, account_id: OneAccount, timeframe: Period = "7d") -> str:
        """Figures of an account over a period: return, drawdown, win rate, fees, beside buying and holding."""
        return await self._api.get(call, "accounts", account_id, "performance", timeframe=timeframe)


class DecisionTools:
    """What was decided, on what, and why."""

    def __init__(self, api: GatewayApi) -> None:
        self._api = api

    async def decision_history(
        self,
        call: Call,
        account_id: Annotated[AccountId | None, Field(description="of this account; of all that the key sees")] = None,
        symbol: Annotated[Symbol | None, Field(description="about this symbol")] = None,
        since: Since = None,
        until: Until = None,
        status: Annotated[str | None, Field(max_length=40, description="how it ended: accepted, denied, …")] = None,
        action: Annotated[
            str | None, Field(max_length=40, description="what was asked for: buy, sell, hold, …")
        ] = None,
        strategy_id: Annotated[StrategyId | None, Field(description="with this strategy")] = None,
        model: OneModel = None,
        limit: Most = 20,
        cursor: Cursor = None,
    ) -> str:
        """Decisions, newest first, a line for each. `get_decision` has the reasons of one."""
        return await self._api.get(
            call,
            "decisions",
            "history",
            account_id=account_id,
            symbol=symbol,
            from_=_time(since),
            to=_time(until),
            status=status,
            action=action,
            strategy_id=strategy_id,
            model=model,
            limit=limit,
            cursor=cursor,
        )

    async def get_decision(
        self, call: Call, decision_id: Annotated[Id, Field(description="as history, orders and trades name it")]
    ) -> str:
        """Why a trade was made or not: the whole record of a decision, with the market that it was made on, what the
        model was told and said, the verdicts of the limits, orders and outcomes."""
        return await self._api.get(call, "decisions", decision_id)

    async def decision_metrics(
        self,
        call: Call,
        account_id: Annotated[AccountId | None, Field(description="of this account; of all")] = None,
        timeframe: Period = "24h",
    ) -> str:
        """How the decisions of a period ended, how long they took, what they cost."""
        return await self._api.get(call, "decisions", "metrics", account_id=account_id, timeframe=timeframe)

    async def decision_accuracy(
        self,
        call: Call,
        account_id: Annotated[AccountId | None, Field(description="of this account; of all")] = None,
        symbol: Annotated[Symbol | None, Field(description="about this symbol")] = None,
        strategy_id: Annotated[StrategyId | None, Field(description="with this strategy")] = None,
        model: OneModel = None,
        timeframe: Period = "30d",
    ) -> str:
        """How often the market went the way of the decisions after 1 h, 4 h and 24 h, with intervals; what still waits
        and what nobody will know."""
        about = {"account_id": account_id, "symbol": symbol, "strategy_id": strategy_id, "model": model}
        return await self._api.get(call, "decisions", "accuracy", timeframe=timeframe, **about)

    async def decision_calibration(
        self,
        call: Call,
        account_id: Annotated[AccountId | None, Field(description="of this account; of all")] = None,
        strategy_id: Annotated[StrategyId | None, Field(description="with this strategy")] = None,
        model: OneModel = None,
        horizon: Literal["1h", "4h", "24h"] = "4h",
        timeframe: Period = "30d",
    ) -> str:
        """Whether a higher confidence was right more often: the Brier score, and a row for each ten percent."""
        about = {"account_id": account_id, "strategy_id": strategy_id, "model": model, "horizon": horizon}
        return await self._api.get(call, "decisions", "calibration", timeframe=timeframe, **about)

    async def list_strategies(self, call: Call) -> str:
        """The strategies in use that the key sees, with their texts and limits."""
        return await self._api.get(call, "strategies", "available")

    async def get_strategy(self, call: Call, strategy_id: OneStrategy) -> str:
        """The text of a strategy: what a model is told to do, on which timeframes, within which limits."""
        return await self._api.get(call, "strategies", strategy_id)

    async def strategy_versions(self, call: Call, strategy_id: OneStrategy) -> str:
        """All versions of a strategy, with their texts."""
        return await self._api.get(call, "strategies", strategy_id, "versions")

    async def strategy_changes(self, call: Call, strategy_id: OneStrategy, limit: Most = 20) -> str:
        """Who changed a strategy, from what to what, and why, newest first."""
        return await self._api.get(call, "strategies", strategy_id, "changes", limit=limit)

    async def strategy_performance(self, call: Call, strategy_id: OneStrategy, timeframe: Period = "7d") -> str:
        """Figures of a strategy over the trades that its decisions opened."""
        return await self._api.get(call, "strategies", strategy_id, "performance", timeframe=timeframe)


class ComparingTools:
    """Strategies, models and the arms of experiments beside each other."""

    def __init__(self, api: GatewayApi) -> None:
        self._api = api

    async def strategy_recommendation(self, call: Call, account_id: OneAccount, timeframe: Period = "30d") -> str:
        """Whether another strategy did clearly better than that of an account; `not_enough_data` is an answer."""
        return await self._api.get(call, "strategies", "recommendations", account_id, timeframe=timeframe)

    async def list_experiments(self, call: Call) -> str:
        """Experiments, running and ended: which arms decide on which accounts."""
        return await self._api.get(call, "experiments")

    async def experiment_results(
        self, call: Call, name: Annotated[StrategyId, Field(description="as list_experiments names it")]
    ) -> str:
        """The arms of an experiment against each other and against the market, with intervals, and whether it is too
        early to tell."""
        return await self._api.get(call, "experiments", name, "results")

    async def list_models(self, call: Call) -> str:
        """The models that may decide, their prices, and who decides where."""
        return await self._api.get(call, "models")

    async def model_performance(
        self,
        call: Call,
        model: Annotated[str, Field(max_length=100, description="as list_models names it")],
        timeframe: Period = "7d",
    ) -> str:
        """Calls, failures, times, tokens and cost of a model over a period."""
        return await self._api.get(call, "models", *model.split("/"), "performance", timeframe=timeframe)

    async def models_health(self, call: Call) -> str:
        """Breakers, failures in a row, last answers and keys of the models, as each decider says."""
        return await self._api.get(call, "models", "health")


class HouseTools:
    """The market, and what people and machines did."""

    def __init__(self, api: GatewayApi) -> None:
        self._api = api

    async def market(self, call: Call, symbol: OneSymbol) -> str:
        """The newest tick of a symbol, its age, and the market's time, which is not the wall's in a replay."""
        return await self._api.get(call, "market", symbol)

    async def market_rules(
        self,
        call: Call,
        symbol: OneSymbol,
        venue: Annotated[Symbol, Field(description="where it is traded")] = "paper",
    ) -> str:
        """What a venue allows and charges for a symbol: tick, step, least order, fees, margin tiers."""
        return await self._api.get(call, "market", symbol, "rules", venue=venue)

    async def candles(self, call: Call, symbol: OneSymbol, timeframe: Timeframe = "1h", limit: Most = 50) -> str:
        """Closed candles of a symbol, oldest first."""
        return await self._api.get(call, "market", symbol, "candles", timeframe=timeframe, limit=limit)

    async def account_changes(self, call: Call, account_id: OneAccount, limit: Most = 20, cursor: Cursor = None) -> str:
        """Who changed or controlled an account, from what to what, and why, newest first."""
        return await self._api.get(call, "accounts", account_id, "changes", limit=limit, cursor=cursor)

    async def audit(
        self,
        call: Call,
        subject: Annotated[str | None, Field(max_length=100, description="e.g. account.scalping")] = None,
        who: Annotated[str | None, Field(max_length=100, description="exactly as it is signed")] = None,
        kind: Literal["change", "control"] | None = None,
        since: Since = None,
        until: Until = None,
        limit: Most = 20,
        cursor: Cursor = None,
    ) -> str:
        """Who changed or controlled what, from what to what, and why, newest first."""
        return await self._api.get(
            call,
            "audit",
            subject=subject,
            who=who,
            kind=kind,
            from_=_time(since),
            to=_time(until),
            limit=limit,
            cursor=cursor,
        )

    async def alerts(self, call: Call, open_only: bool = False, limit: Most = 20, cursor: Cursor = None) -> str:
        """What a person should look at, newest first; `open_only`: what nobody acknowledged."""
        return await self._api.get(call, "strategies", "alerts", open=open_only, limit=limit, cursor=cursor)

    async def services(self, call: Call) -> str:
        """Every worker by its own last word: whether it is ready, and what hinders it."""
        return await self._api.get(call, "monitoring", "services")

    async def consumers_lag(self, call: Call) -> str:
        """How far behind the log each consumer is."""
        return await self._api.get(call, "monitoring", "lag")

    async def dead_letters(self, call: Call, limit: Most = 20, cursor: Cursor = None) -> str:
        """Messages that nobody could use, and why, newest first; for keys with the scope admin."""
        return await self._api.get(call, "dead-letters", limit=limit, cursor=cursor)

    async def system_summary(self, call: Call) -> str:
        """Whether the installation is well: workers, stores, how far behind the log consumers are."""
        return await self._api.get(call, "monitoring", "summary")
